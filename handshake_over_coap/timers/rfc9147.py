"""The timer of DTLS 1.3 (RFC 9147 section 5.8.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from .base import Backoff, Draw, MeasuringBackoff, check_count, check_seconds

ROUND_TRIPS = 1.5
"""The timer is this many measured round trips."""

SHORTEST = 0.25
"""Seconds: a measured timer is never shorter, whatever the path; the peer may have to compute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rfc9147:
    """One second, doubling up to a minute; one and a half round trips once one is known.

    A value that has grown stays from flight to flight, until a flight is acknowledged that was not
    sent again.
    """

    initial_timeout: float = field(
        default=1.0, metadata={"doc": "the first wait, before a round trip is known", "unit": "s"}
    )
    max_interval: float = field(
        default=60.0, metadata={"doc": "the longest wait that doubling leads to", "unit": "s"}
    )
    max_retransmit: int | None = field(
        default=None, metadata={"doc": "how often a flight is repeated; none for no limit"}
    )
    adapt: bool = field(
        default=True,
        metadata={
            "doc": "wait for 1.5 round trips once one has been measured",
            "option": "adapt_timer",
        },
    )
    name: ClassVar[str] = "rfc9147"

    def __post_init__(self) -> None:
        check_seconds(initial_timeout=self.initial_timeout, max_interval=self.max_interval)
        check_count(self.max_retransmit)

    def start(self, draw: Draw) -> Backoff:
        """The timer for one peer; nothing is drawn."""
        if not self.adapt:
            return Backoff(self.initial_timeout, self.max_interval, self.max_retransmit)
        return MeasuringBackoff(
            self.initial_timeout,
            self.max_interval,
            self.max_retransmit,
            round_trips=ROUND_TRIPS,
            shortest=min(SHORTEST, self.initial_timeout),
        )
