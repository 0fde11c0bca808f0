"""Table 5 of the practical-issues draft: transmissions until a handshake completes, by loss.

Beside each published figure stands our replication of the draft's model (:mod:`.strategies`) with
its exact mean (:mod:`.expectations`), and beside the models what our real carriers need on virtual
time for the same handshake with datagrams of at most 65 bytes (:mod:`.contestants`).
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from handshake_over_coap.lab.contestants import contestants
from handshake_over_coap.lab.expectations import EXPECTATIONS
from handshake_over_coap.lab.published import TABLE_5, Transmissions
from handshake_over_coap.lab.strategies import (
    FLIGHTS,
    LIMIT,
    STRATEGIES,
    Replication,
    replicate,
)

DELAY: Final = 0.05
"""Seconds that a datagram is under way in the carriers' simulation."""

TRIALS: Final = 200
"""Handshakes of each carrier at each loss, unless a number is given."""


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
    published: Transmissions
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
    losses: Sequence[float] | None = None,
    carriers: bool = True,
    of_models: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Row]:
    """The table, line by line, for all losses of the draft or only some.

    ``trials`` is how many times everything is tried (``of_models``: the models, if not as often);
    without it the models are tried until their intervals are narrow enough, the carriers
    :data:`TRIALS` times.  ``progress`` is called with the number of handshakes over our carriers
    that are done, and of how many.  The same arguments give the same table.  Raises
    ConfigurationError.
    """
    chosen = tuple(TABLE_5) if losses is None else losses
    names = list(contestants(mtu=LIMIT)) if carriers else []
    each = trials or TRIALS
    whole = len(chosen) * len(names) * each
    for done, loss in enumerate(chosen):
        yield Row(
            loss,
            TABLE_5[loss],
            {name: _model(name, loss, of_models or trials, seed) for name in STRATEGIES},
            _measure(loss, each, seed, done * len(names) * each, whole, progress)
            if carriers
            else {},
        )


def _model(name: str, loss: float, trials: int | None, seed: int) -> Model:
    replicated = replicate(name, loss, trials=trials, seed=seed)
    return Model(replicated, EXPECTATIONS[name](FLIGHTS, loss))


def _measure(
    loss: float,
    trials: int,
    seed: int,
    before: int,
    whole: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Measured]:
    from handshake_over_coap.lab.simulate import simulate

    found = {}
    for number, (name, scenario) in enumerate(
        contestants(mtu=LIMIT, loss=loss, delay=DELAY).items()
    ):
        base = before + number * trials

        def report(done: int, _: int, base: int = base) -> None:
            if progress is not None:
                progress(base + done, whole)

        result = simulate(scenario, trials, seed, progress=report)
        found[name] = Measured(
            mean=result.datagrams.mean,
            ci95=result.datagrams.ci95,
            trials=result.trials,
            completed=result.completed,
            bytes=result.bytes.mean,
            seconds=result.duration_s.mean,
        )
    return found


def runs_behind(rows: Sequence[Row], name: str) -> float:
    """How many runs the published means of a strategy seem to be over, if the model is right.

    A mean over n runs differs from the true one by 1 / n of a run's variance, on average of the
    squares: this is the n that makes it so, over the lines with loss; infinite without any.
    """
    squares = []
    for row in rows:
        model = row.models[name]
        if model.replicated.deviation:
            off = getattr(row.published, name) - model.exact
            squares.append((off / model.replicated.deviation) ** 2)
    return 1 / statistics.fmean(squares) if any(squares) else math.inf
