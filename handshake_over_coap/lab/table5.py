"""Table 5 of the practical-issues draft: transmissions until a handshake completes, by loss.

Beside each published figure stands our replication of the draft's model (:mod:`.strategies`) with
its exact mean (:mod:`.expectations`), and beside the models what our real carriers need on virtual
time for the same handshake with datagrams of at most 65 bytes (:mod:`.contestants`), or under
other conditions (:mod:`.selection`).  Their floor is what they would take if each datagram were
sent until it arrives, and all knew at once: as many as where nothing is lost, over 1 - loss.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from handshake_over_coap.lab.contestants import contestants
from handshake_over_coap.lab.expectations import EXPECTATIONS
from handshake_over_coap.lab.published import LOSSES_5, BestAlone, Transmissions, published_5
from handshake_over_coap.lab.selection import ALL, Selection
from handshake_over_coap.lab.simulate import Progress, silent, simulate
from handshake_over_coap.lab.strategies import FLIGHTS, STRATEGIES, Replication, replicate

if TYPE_CHECKING:
    from handshake_over_coap.lab.scenario import Scenario

TRIALS: Final = 200
"""Handshakes of each carrier at each loss, unless a number is given."""

LEAN_TRIALS: Final = 1000
"""The same with the profile ``lean``, whose handshakes are small."""

_UNSPARED: Final[Mapping[str, Any]] = {"quick": False}

_QUIET_TRIALS: Final = 20
"""Handshakes without loss from which a floor is taken; they differ in their signatures alone."""


@dataclass(frozen=True, slots=True)
class Model:
    """One of the draft's strategies."""

    replicated: Replication
    """As means over runs, like those of the draft."""
    exact: float
    """The expected number of datagrams."""

    def to_json(self) -> dict[str, float | int]:
        """The entry of the JSON form."""
        return {
            "mean": self.replicated.mean,
            "ci95": self.replicated.ci95,
            "trials": self.replicated.trials,
            "exact": self.exact,
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """A real carrier: datagrams over the handshakes that completed; all of them, it should be."""

    mean: float | None
    """None where none completed."""
    ci95: float | None
    """Half of the 95 % interval of the mean; None where none completed."""
    trials: int
    """Handshakes that were begun."""
    completed: int
    """Those of them that completed."""
    bytes: float | None
    """Mean bytes of all datagrams of those; None where none completed."""
    seconds: float | None
    """Mean seconds until both sides were complete; None where none completed."""
    bytes_ci95: float | None
    """Half of the 95 % interval of ``bytes``."""
    seconds_ci95: float | None
    """Half of that of ``seconds``, which is too narrow where times are very skew."""
    median_s: float | None
    """The median of the times."""
    floor: float
    """The least datagrams: those of a handshake without loss and spare pieces, over 1 - loss."""

    def to_json(self) -> dict[str, float | int | None]:
        """The entry of the JSON form."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Row:
    """One line; ``loss`` is a fraction of datagrams.

    ``published`` is the draft's line, ``models`` the three strategies replicated, ``carriers``
    ours, both by name.
    """

    loss: float
    published: Transmissions | BestAlone
    models: Mapping[str, Model]
    carriers: Mapping[str, Measured]

    def to_json(self) -> dict[str, object]:
        """The row of the JSON form."""
        models = {name: entry.to_json() for name, entry in self.models.items()}
        carriers = {name: entry.to_json() for name, entry in self.carriers.items()}
        return {
            "loss": self.loss,
            "published": dataclasses.asdict(self.published),
            "ours": {**models, **carriers},
        }


def rows(
    trials: int | None = None,
    seed: int = 1,
    *,
    selection: Selection = ALL,
    carriers: bool = True,
    of_models: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Row]:
    """The table, line by line.

    ``trials`` is how many times everything is tried (``of_models``: the models, if not as often);
    without it the models are tried until their intervals are narrow enough, the carriers
    :data:`TRIALS` and :data:`LEAN_TRIALS` times.  ``progress`` is called with the number of
    handshakes over our carriers that are done, and of how many.  The same arguments give the same
    table.  Raises ConfigurationError.
    """
    losses = selection.losses_of("table 5", LOSSES_5)
    quiet = selection.columns_of(contestants(**selection.options(0.0))) if carriers else {}
    each = {name: trials or _trials(scenario) for name, scenario in quiet.items()}
    whole, done, tell = len(losses) * sum(each.values()), 0, progress or silent
    floors = {name: _floor(scenario, seed) for name, scenario in quiet.items()}
    for loss in losses:
        found = {}
        scenarios = contestants(**selection.options(loss))
        for name, count in each.items():
            found[name] = _measure(
                scenarios[name],
                count,
                seed,
                floors[name] / (1 - loss),
                _from(done, whole, tell),
            )
            done += count
        models = {name: _model(name, loss, of_models or trials, seed) for name in STRATEGIES}
        yield Row(loss, published_5(loss), models, found)


def _from(before: int, whole: int, tell: Progress) -> Progress:
    """Progress of a part of the whole, of which ``before`` handshakes are done."""
    return lambda done, _: tell(before + done, whole)


def _trials(scenario: Scenario) -> int:
    return LEAN_TRIALS if scenario.profile == "lean" else TRIALS


def _floor(scenario: Scenario, seed: int) -> float:
    """The datagrams of a handshake of which nothing is lost and nothing spared."""
    if scenario.of_members.get("quick") is True:
        scenario = dataclasses.replace(scenario, **_UNSPARED)
    mean = simulate(scenario, _QUIET_TRIALS, seed).datagrams.mean
    return math.nan if mean is None else mean


def _model(name: str, loss: float, trials: int | None, seed: int) -> Model:
    replicated = replicate(name, loss, trials=trials, seed=seed)
    return Model(replicated, EXPECTATIONS[name](FLIGHTS, loss))


def _measure(
    scenario: Scenario, trials: int, seed: int, floor: float, progress: Progress
) -> Measured:
    result = simulate(scenario, trials, seed, progress=progress)
    return Measured(
        mean=result.datagrams.mean,
        ci95=result.datagrams.ci95,
        trials=result.trials,
        completed=result.completed,
        bytes=result.bytes.mean,
        seconds=result.duration_s.mean,
        bytes_ci95=result.bytes.ci95,
        seconds_ci95=result.duration_s.ci95,
        median_s=result.duration_s.median,
        floor=floor,
    )


def runs_behind(rows: Sequence[Row], name: str) -> float:
    """How many runs the published means of a strategy seem to be over, if the model is right.

    A mean over n runs differs from the true one by 1 / n of a run's variance, on average of the
    squares: this is the n that makes it so, over the lines with loss of which it is
    published; infinite without any.
    """
    squares = []
    for row in rows:
        model = row.models[name]
        if model.replicated.deviation and isinstance(row.published, Transmissions):
            off = getattr(row.published, name) - model.exact
            squares.append((off / model.replicated.deviation) ** 2)
    return 1 / statistics.fmean(squares) if any(squares) else math.inf
