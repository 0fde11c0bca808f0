"""A timer that follows the path: short where the round trip is short."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from handshake_over_coap.errors import ConfigurationError

from .base import Draw, MeasuringBackoff, check_count, check_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """1 to 1.5 s at random until a round trip is known, then one and a half of it, doubling.

    The draw is made once for a peer: it keeps those apart that are switched on together.  RFC 8085
    (section 3.1.1) asks for no less than 1 s before a round trip is known.
    """

    first_timeout: float = field(
        default=1.0,
        metadata={"doc": "the shortest wait before a round trip is known", "unit": "s"},
    )
    first_random_factor: float = field(
        default=1.5, metadata={"doc": "the longest such wait is this many times the shortest"}
    )
    round_trips: float = field(
        default=1.5, metadata={"doc": "the wait in round trips, once one has been measured"}
    )
    min_interval: float = field(
        default=0.1, metadata={"doc": "the shortest wait, however short the path", "unit": "s"}
    )
    max_interval: float = field(
        default=60.0, metadata={"doc": "the longest wait that doubling leads to", "unit": "s"}
    )
    max_retransmit: int | None = field(
        default=None, metadata={"doc": "how often something is repeated; none for no limit"}
    )
    name: ClassVar[str] = "adaptive"

    def __post_init__(self) -> None:
        check_seconds(
            first_timeout=self.first_timeout,
            min_interval=self.min_interval,
            max_interval=self.max_interval,
        )
        check_count(self.max_retransmit)
        for name in ("first_random_factor", "round_trips"):
            if not 1 <= getattr(self, name) < math.inf:
                raise ConfigurationError(f"{name} is at least 1")

    def start(self, draw: Draw) -> MeasuringBackoff:
        """The timer for one peer; draws once."""
        spread = self.first_timeout * (self.first_random_factor - 1)
        return MeasuringBackoff(
            self.first_timeout + spread * draw(),
            self.max_interval,
            self.max_retransmit,
            round_trips=self.round_trips,
            shortest=self.min_interval,
        )
