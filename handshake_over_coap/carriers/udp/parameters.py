"""Choices and bounds of the classic carrier."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.carriers.timer13 import Timing
from handshake_over_coap.errors import ConfigurationError

SMALLEST_MTU = 50
"""Bytes of the smallest datagram: a record of 13, a handshake header of 12, and a fragment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpParameters:
    """How the handshake is carried over plain UDP, on either side.

    ``mtu`` is the largest UDP payload in bytes; only a connection ID of the peer's that leaves no
    room makes a datagram larger, and nothing makes them smaller: that records shrink after repeated
    silence (RFC 9147 section 4.4) is not done.  ``initial_timeout`` is the first retransmission
    timer, doubling up to ``max_interval`` (RFC 6347 section 4.2.4.1 says 1 s and 60 s, RFC 7925
    section 11 says 9 s); ``max_retransmit`` how often a flight is sent again (``None``: until
    ``timeout``, which bounds the whole handshake).  All times in seconds.  ``address_check`` is the
    cookie exchange.

    In 1.3 ``adapt_timer`` makes the timer one and a half round trips once one has been measured
    (RFC 9147 section 5.8.2 recommends it), and ``short_header`` gives records the shortest header
    that does.
    """

    mtu: int = 1152
    initial_timeout: float = 1.0
    max_interval: float = 60.0
    max_retransmit: int | None = None
    timeout: float = 60.0
    address_check: bool = True
    adapt_timer: bool = True
    short_header: bool = True
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not SMALLEST_MTU <= self.mtu <= 65507:
            raise ConfigurationError(f"mtu {self.mtu} is outside {SMALLEST_MTU}..65507 bytes")
        for name in ("initial_timeout", "max_interval", "timeout"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigurationError(f"{name} has to be a positive number of seconds")
        if self.max_retransmit is not None and self.max_retransmit < 0:
            raise ConfigurationError("max_retransmit is a count, or none for no limit")

    @property
    def state_lifetime(self) -> float:
        """How long an unfinished handshake is kept, in seconds."""
        return max(self.limits.lifetime, self.timeout)

    @property
    def timing(self) -> Timing:
        """The timer of 1.3."""
        return Timing(
            initial=self.initial_timeout,
            longest=self.max_interval,
            adapt=self.adapt_timer,
            attempts=self.max_retransmit,
        )
