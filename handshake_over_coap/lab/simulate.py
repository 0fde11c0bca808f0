"""Trials of one scenario, one after the other, and their report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.metrics import Trial
from handshake_over_coap.lab.report import SimulationReport
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.lab.trial import prepared, run_trial
from handshake_over_coap.net.fitting import fitting

if TYPE_CHECKING:
    from handshake_over_coap.net.options import Options
    from handshake_over_coap.sim import PassageObserver
    from handshake_over_coap.sim.radio import FrameObserver

_log = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many trials are done, and of how many, now and then."""


def silent(_done: int, _total: int) -> None:
    """Progress that nobody wants to see."""


def simulate(
    scenario: Scenario | None = None,
    trials: int = 100,
    seed: int = 1,
    *,
    keep: bool = False,
    progress: Progress | None = None,
    observers: Sequence[PassageObserver] = (),
    frame_observers: Sequence[FrameObserver] = (),
    ended: Callable[[Sequence[str]], None] | None = None,
    files: Options | None = None,
) -> SimulationReport:
    """Make ``trials`` handshakes of ``scenario`` on virtual time and report on them.

    The same arguments give the same report, on any machine.  With ``keep`` it has the figures of
    every trial too (``rows``).  ``progress`` is called after each
    trial with the number that are done and ``trials``.  ``observers``, ``frame_observers``,
    ``ended`` and ``files`` (see :func:`~.trial.run_trial`) are those of the first trial.  Raises
    ConfigurationError.
    """
    chosen = Scenario() if scenario is None else scenario
    check_scenario(chosen)
    check_trials(trials, seed)
    prepared(chosen, seed)
    first = partial(
        run_trial,
        chosen,
        seed,
        0,
        observers=observers,
        frame_observers=frame_observers,
        ended=ended,
        files=files,
    )
    made = _run(chosen, trials, seed, first, progress or silent)
    return SimulationReport.of(chosen, seed, made, keep=keep)


def _run(
    scenario: Scenario, trials: int, seed: int, first: Callable[[], Trial], progress: Progress
) -> Iterator[Trial]:
    for number in range(trials):
        _log.info("trial %d begins", number)
        trial = run_trial(scenario, seed, number) if number else first()
        if not trial.completed:
            _log.info("trial %d failed: %s", number, trial.failure)
        yield trial
        progress(number + 1, trials)


def check_scenario(scenario: object) -> None:
    """Raise ConfigurationError for what is no scenario."""
    if not isinstance(scenario, Scenario):
        raise ConfigurationError(
            "a scenario is a Scenario, such as hoc.Scenario(loss=0.2), and no "
            f"{type(scenario).__name__}"
        )


def check_trials(trials: object, seed: object) -> None:
    """Raise ConfigurationError unless both are what they should be."""
    if fitting("trials", int, trials) < 1:
        raise ConfigurationError(f"trials is a count: give 1 or more, not {trials}")
    fitting("seed", int, seed)
