"""The retransmission timer of DTLS 1.3 (RFC 9147 section 5.8.2)."""

from __future__ import annotations

from dataclasses import dataclass

ROUND_TRIPS = 1.5
"""The timer is this many measured round trips."""

SHORTEST = 0.25
"""Seconds: a measured timer is never shorter, whatever the path; the peer may have to compute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long to wait, in seconds, and how often.

    ``initial`` is the first value, doubling up to ``longest``; ``adapt`` sets it to one and a half
    measured round trips as soon as one is known.  ``attempts`` is how often something is sent
    again at most; None for no limit.
    """

    initial: float = 1.0
    longest: float = 60.0
    adapt: bool = True
    attempts: int | None = None


class Timer:
    """The current value of the timer, which lasts from flight to flight."""

    __slots__ = ("_timing", "value")

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self.value = timing.initial

    @property
    def patience(self) -> float:
        """Seconds to wait for the rest of a flight before it is acknowledged in part."""
        return self.value / 4

    def back_off(self) -> None:
        """Nothing came in time."""
        self.value = self.doubled(self.value)

    def doubled(self, value: float) -> float:
        """Twice ``value`` seconds, as far as that may grow."""
        return min(2 * value, self._timing.longest)

    def measured(self, round_trip: float) -> None:
        """Something was answered after ``round_trip`` seconds without having been sent again."""
        if self._timing.adapt:
            floor = min(SHORTEST, self._timing.initial)
            self.value = min(max(ROUND_TRIPS * round_trip, floor), self._timing.longest)

    def exhausted(self, attempts: int, most: int | None = None) -> bool:
        """Whether something that was sent again ``attempts`` times is given up.

        ``most`` counts where the timing sets no limit.
        """
        limit = most if self._timing.attempts is None else self._timing.attempts
        return limit is not None and attempts >= limit
