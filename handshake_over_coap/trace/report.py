"""What handshakes cost, in numbers with one definition each: "a handshake in JSON".

A :class:`TrialFigures` is one handshake, a :class:`HandshakeReport` any number of them.  All
figures but the counts of trials are over the handshakes that completed; those that did not are
counted, never averaged away.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from handshake_over_coap.errors import ConfigurationError

_CONFIDENCE: Final = 0.95
_NORMAL_QUANTILE: Final = statistics.NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
_EXACT_QUANTILES: Final = (
    12.706205,
    4.302653,
    3.182446,
    2.776445,
    2.570582,
    2.446912,
    2.364624,
    2.306004,
    2.262157,
    2.228139,
)
"""The 97.5 % points of Student's t distribution with 1 to 10 degrees of freedom."""


@lru_cache(maxsize=1024)
def student_quantile(degrees: int) -> float:
    """The 97.5 % point of Student's t distribution with ``degrees`` of freedom, 1 or more.

    Up to 10 degrees it is a table; beyond, the expansion in 1/degrees around the normal quantile
    (Abramowitz and Stegun, 26.7.5), whose error there is below 0.0001.
    """
    if degrees < 1:
        raise ConfigurationError("Student's t has at least one degree of freedom")
    if degrees <= len(_EXACT_QUANTILES):
        return _EXACT_QUANTILES[degrees - 1]
    z = _NORMAL_QUANTILE
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / degrees**power for power, term in enumerate(terms))


@lru_cache(maxsize=1024)
def quantile_ranks(percent: int, count: int) -> tuple[int, int] | None:
    """Ranks of the values between which a quantile lies with 95 % confidence, counted from 1.

    The interval of order statistics: how many of ``count`` values are no larger than the true
    ``percent`` % point is binomial, whatever the distribution, so that the ranks are the binomial's
    2.5 % point and its 97.5 % point plus one (David and Nagaraja, "Order Statistics", 7.1).  None
    where there are too few values for it.
    """
    low = _binomial_point(0.025, count, percent / 100)
    high = _binomial_point(0.975, count, percent / 100) + 1
    return (low, high) if low >= 1 and high <= count else None


def _binomial_point(level: float, count: int, chance: float) -> int:
    """The smallest number of successes that is not exceeded with probability ``level`` or more."""
    mean, deviation = count * chance, math.sqrt(count * chance * (1 - chance))
    # What lies ten standard deviations below the mean is nothing, and not summed.
    number = max(0, math.floor(mean - 10 * deviation))
    ways = math.lgamma(count + 1) - math.lgamma(number + 1) - math.lgamma(count - number + 1)
    left = count - number
    term = math.exp(ways + number * math.log(chance) + left * math.log1p(-chance))
    total = term
    while total < level and number < count:
        term *= (count - number) / (number + 1) * chance / (1 - chance)
        number += 1
        total += term
    return number


@dataclass(frozen=True, slots=True)
class Summary:
    """A sample in a few numbers, all ``None`` where it is empty.

    ``mean`` is the arithmetic mean; ``median`` the middle value, of an even number the mean of the
    middle two; ``p95`` the 95th percentile by nearest rank: the smallest value such that at least
    95 % of all are no larger, so always one that occurred.  ``ci95`` is half the width of the 95 %
    confidence interval of the mean: Student's t quantile times the sample's standard deviation
    (n - 1) over the root of n; ``None`` for a single value, which says nothing of its spread.  Of
    very skew values, as times on a lossy link are, it is too narrow unless there are thousands.
    ``median_ci95`` and ``p95_ci95`` are the ends of 95 % intervals of the median and the 95th
    percentile that hold whatever the distribution is (:func:`quantile_ranks`); ``None`` for fewer
    than 6 values, and fewer than 72.
    """

    mean: float | None
    median: float | None
    p95: float | None
    min: float | None
    max: float | None
    ci95: float | None
    median_ci95: tuple[float, float] | None = None
    p95_ci95: tuple[float, float] | None = None

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """The summary of ``values``; ConfigurationError for one that is not finite."""
        ordered = sorted(values)
        if not all(map(math.isfinite, ordered)):
            raise ConfigurationError("a value that is not finite has no place in a summary")
        if not ordered:
            return cls(None, None, None, None, None, None)
        if len(ordered) == 1:  # every session has such a report: the same, but quicker
            (only,) = ordered
            return cls(float(only), only, only, only, only, None)
        return cls(
            mean=statistics.fmean(ordered),
            median=statistics.median(ordered),
            p95=ordered[_nearest_rank(95, len(ordered)) - 1],
            min=ordered[0],
            max=ordered[-1],
            ci95=_half_width(ordered),
            median_ci95=_between(ordered, 50),
            p95_ci95=_between(ordered, 95),
        )

    def to_dict(self) -> dict[str, float | list[float] | None]:
        """The object of the JSON form, keys in their order."""
        return {
            "mean": self.mean,
            "median": self.median,
            "p95": self.p95,
            "min": self.min,
            "max": self.max,
            "ci95": self.ci95,
            "median_ci95": None if self.median_ci95 is None else list(self.median_ci95),
            "p95_ci95": None if self.p95_ci95 is None else list(self.p95_ci95),
        }


def _nearest_rank(percent: int, count: int) -> int:
    """The rank, counted from 1, of a percentile; in integers, for 0.95 is no binary fraction."""
    return -(-percent * count // 100)


def _between(ordered: Sequence[float], percent: int) -> tuple[float, float] | None:
    ranks = quantile_ranks(percent, len(ordered))
    return None if ranks is None else (ordered[ranks[0] - 1], ordered[ranks[1] - 1])


def _half_width(values: Sequence[float]) -> float | None:
    count = len(values)
    if count < 2:
        return None
    deviation = statistics.stdev(map(float, values))
    return student_quantile(count - 1) * deviation / math.sqrt(count)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFigures:
    """What one handshake cost.

    Who observes is the client, which does not see what was lost on its way to it; a simulation
    counts what either side sent (:mod:`handshake_over_coap.lab.metrics`).
    """

    datagrams: int
    """UDP datagrams of both directions as the observer saw them.

    Address check and retransmissions are included, application data is not.
    """
    bytes: int
    """Their UDP payloads."""
    duration_s: float
    """Seconds from the observer's first datagram of the handshake to completion on its side."""
    retransmissions: int = 0
    """Datagrams that the observer's carrier sent again.

    Because a timer of its own ran out or, in DTLS over UDP, because the peer's repetition says that
    a flight was lost.
    """
    body_bytes: tuple[int, ...] = ()
    """The size of each encoded flight, in order; empty where no carrier encodes."""
    floor_bytes: tuple[int, ...] = ()
    """What no lossless encoding can save of each, as far as the observer can tell.

    See :mod:`~.encodings.floor`; empty where that is not known.
    """
    completed: bool = True
    """Whether the observer got a session; in a simulation, whether both sides did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeReport:
    """One handshake, or trials of the same one, as every command reports them.

    The summaries, ``body_bytes`` and ``floor_bytes`` are over the handshakes that completed.
    """

    transport: str
    """The option ``transport``, as are the next three those of their names."""
    dtls: str
    auth: str
    encoding: str | None
    """None where the transport has no bodies to encode."""
    trials: int
    """How many handshakes were begun."""
    completed: int
    """How many of them completed."""
    seed: int | None
    """Of a simulation; None on a real network."""
    datagrams: Summary
    bytes: Summary
    duration_s: Summary
    retransmissions: Summary
    body_bytes: tuple[float, ...]
    """For each flight the mean over those handshakes that had such a one."""
    floor_bytes: tuple[float, ...]
    """Likewise, what no lossless encoding can save."""

    @classmethod
    def from_trials(
        cls,
        trials: Iterable[TrialFigures],
        *,
        transport: str,
        dtls: str,
        auth: str,
        encoding: str | None,
        seed: int | None = None,
    ) -> Self:
        """The report of ``trials``, in any order."""
        every = tuple(trials)
        done = [trial for trial in every if trial.completed]
        return cls(
            transport=transport,
            dtls=dtls,
            auth=auth,
            encoding=encoding,
            trials=len(every),
            completed=len(done),
            seed=seed,
            datagrams=Summary.of(trial.datagrams for trial in done),
            bytes=Summary.of(trial.bytes for trial in done),
            duration_s=Summary.of(trial.duration_s for trial in done),
            retransmissions=Summary.of(trial.retransmissions for trial in done),
            body_bytes=_mean_of_each([trial.body_bytes for trial in done]),
            floor_bytes=_mean_of_each([trial.floor_bytes for trial in done]),
        )

    def __str__(self) -> str:
        """What was done and what it took, in a line."""
        figures = ", ".join(
            f"{_number(summary.mean)} {name}"
            for name, summary in (
                ("datagrams", self.datagrams),
                ("bytes", self.bytes),
                ("s", self.duration_s),
                ("retransmissions", self.retransmissions),
            )
        )
        what = f"{self.transport}, DTLS {self.dtls}, {self.auth}"
        return f"{what}: {self.completed} of {self.trials} completed; {figures}"

    def to_json(self) -> str:
        """:meth:`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def to_dict(self) -> dict[str, object]:
        """The object of the JSON form, keys in their order."""
        return {
            "transport": self.transport,
            "dtls": self.dtls,
            "auth": self.auth,
            "encoding": self.encoding,
            "trials": self.trials,
            "completed": self.completed,
            "seed": self.seed,
            "datagrams": self.datagrams.to_dict(),
            "bytes": self.bytes.to_dict(),
            "duration_s": self.duration_s.to_dict(),
            "retransmissions": self.retransmissions.to_dict(),
            "body_bytes": list(self.body_bytes),
            "floor_bytes": list(self.floor_bytes),
        }


def bodies_text(bodies: Sequence[float]) -> str:
    """Sizes of the encoded flights, in their order."""
    return " + ".join(f"{size:g}" for size in bodies) + " bytes"


def _number(value: float | None) -> str:
    return "no" if value is None else f"{value:.4g}" if value < 1000 else f"{value:.0f}"


def _mean_of_each(bodies: Sequence[tuple[int, ...]]) -> tuple[float, ...]:
    longest = max(map(len, bodies), default=0)
    columns = ([each[place] for each in bodies if place < len(each)] for place in range(longest))
    return tuple(map(statistics.fmean, columns))
