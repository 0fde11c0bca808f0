"""The three strategies of table 5 of the practical-issues draft, as seeded models.

The draft names them, says that 18 fragments cross the network (its table 1 at 65 bytes), that loss
is random and that nobody gives up; it counts every transmission, acknowledgements and what is lost
included.  What it leaves open is filled in by what DTLS does, by its own row without loss (18, 36
and 19), and among the readings that remain by fit: those that come closest to its columns.

- The 18 fragments are six flights (:data:`FLIGHTS`), each sent when the one before has come whole.
- Receivers keep what they have.  All timers run out together, again and again.
- *Bulk* repeats a whole flight until any fragment of the next one has come; the last flight has no
  timer and is repeated in answer to a repetition of the one before (RFC 6347 section 4.2.4).
- *Stop-and-wait* repeats each fragment until its acknowledgement comes; a fragment that comes
  again is acknowledged again.
- *Cumulative* repeats of a flight what is not acknowledged.  Whoever hears of a flight that it has
  not whole yet sends one acknowledgement, which names all it has; the next flight is one too, if
  any of it comes; the last flight, which has no next one, is acknowledged when it is whole.

That the first and the third begin at 18 and 19 says that a flight acknowledges the one before.
:mod:`.expectations` has the exact means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final, TypeAlias

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.reconstruction import datagrams_by_flight
from handshake_over_coap.sim import Draws
from handshake_over_coap.trace.report import student_quantile

Strategy: TypeAlias = Callable[[Sequence[int], float, Random], int]
"""One handshake: fragments of each flight, loss, draws; gives the number of transmissions."""

LIMIT: Final = 65
"""Bytes of a UDP payload in the draft's example."""

FLIGHTS: Final = datagrams_by_flight(LIMIT)
"""Fragments of each flight, by the packing that meets the draft's 18 (:mod:`.reconstruction`)."""

PRECISION: Final = 0.01
"""Half of a 95 % interval is at most this part of its mean, unless a number of trials is given."""

_BATCH: Final = 500
_LEAST: Final = 2 * _BATCH


def bulk(flights: Sequence[int], loss: float, draws: Random) -> int:
    """Whole flights, no acknowledgement."""
    sent = before = 0
    *timed, last = flights
    for size in timed:
        missing = size
        while True:
            sent += size
            missing -= _arrivals(missing, loss, draws)
            if not missing:
                break
            if missing == size:  # the other side has heard nothing of the answer, and asks again
                sent += before
        before = size
    missing = last
    while True:
        sent += last
        missing -= _arrivals(missing, loss, draws)
        if not missing:
            return sent
        sent += _until_heard(before, loss, draws)


def stop_and_wait(flights: Sequence[int], loss: float, draws: Random) -> int:
    """One fragment at a time, each acknowledged."""
    sent = 0
    for _ in range(sum(flights)):
        acknowledged = False
        while not acknowledged:
            sent += 1
            if _arrivals(1, loss, draws):
                sent += 1
                acknowledged = bool(_arrivals(1, loss, draws))
    return sent


def cumulative(flights: Sequence[int], loss: float, draws: Random) -> int:
    """What is missing of a flight, one acknowledgement for it."""
    sent = unacknowledged = 0
    for size in flights:
        before, missing, unacknowledged = unacknowledged, size, size
        while True:
            sent += unacknowledged
            again = _arrivals(unacknowledged - missing, loss, draws)
            new = _arrivals(missing, loss, draws)
            missing -= new
            if not missing:
                break
            if missing == size:
                sent += before
            elif new or again:
                sent += 1
                if _arrivals(1, loss, draws):
                    unacknowledged = missing
    while True:
        sent += 1
        if _arrivals(1, loss, draws):
            return sent
        sent += _until_heard(unacknowledged, loss, draws)


def _arrivals(sent: int, loss: float, draws: Random) -> int:
    """How many of the fragments sent arrive."""
    return sum(draws.random() >= loss for _ in range(sent))


def _until_heard(size: int, loss: float, draws: Random) -> int:
    """Transmissions of ``size`` fragments, again and again, until any of them arrives."""
    sent = size
    while not _arrivals(size, loss, draws):
        sent += size
    return sent


STRATEGIES: Final[Mapping[str, Strategy]] = MappingProxyType(
    {"bulk": bulk, "stop_and_wait": stop_and_wait, "cumulative": cumulative}
)
"""The strategies by the names of the table's columns."""


@dataclass(frozen=True, slots=True)
class Replication:
    """Trials of a model: their mean, half of its 95 % interval, and the spread of one trial."""

    mean: float
    ci95: float
    deviation: float
    trials: int


def replicate(name: str, loss: float, *, trials: int | None = None, seed: int = 1) -> Replication:
    """Try a strategy ``trials`` times, or until the interval is within :data:`PRECISION`.

    The same arguments give the same result.  Raises ConfigurationError for a loss outside 0..1
    (1 excluded: nothing would ever arrive) and for less than two trials.
    """
    if not 0 <= loss < 1:
        raise ConfigurationError(f"loss {loss:g} is outside 0..1, or 1: nothing would arrive")
    if trials is not None and trials < 2:
        raise ConfigurationError("trials: a mean with an interval takes two or more")
    strategy, draws = STRATEGIES[name], Draws(seed, "strategy", name, f"{loss:.6f}").stream()
    sums = _Sums()
    for number in range(1, (trials or 1_000_000) + 1):
        sums.add(strategy(FLIGHTS, loss, draws))
        precise = number >= _LEAST and number % _BATCH == 0
        if trials is None and precise and sums.half_width <= PRECISION * sums.mean:
            break
    return Replication(sums.mean, sums.half_width, sums.deviation, sums.count)


class _Sums:
    """A running mean and deviation (of whole numbers, so that nothing is lost on the way)."""

    def __init__(self) -> None:
        self.count = self._sum = self._squares = 0

    def add(self, value: int) -> None:
        self.count += 1
        self._sum += value
        self._squares += value * value

    @property
    def mean(self) -> float:
        return self._sum / self.count

    @property
    def deviation(self) -> float:
        """The sample's standard deviation, by count - 1."""
        squares = self.count * self._squares - self._sum * self._sum
        return math.sqrt(squares / (self.count * (self.count - 1)))

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval of the mean, by Student's t."""
        return student_quantile(self.count - 1) * self.deviation / math.sqrt(self.count)
