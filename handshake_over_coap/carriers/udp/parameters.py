"""Choices and bounds of the classic carrier."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.timers import Rfc6347, Rfc9147, TimerPolicy

SMALLEST_MTU = 50
"""Bytes of the smallest datagram: a record of 13, a handshake header of 12, and a fragment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpParameters:
    """How the handshake is carried over plain UDP, on either side.

    ``mtu`` is the largest UDP payload in bytes; only a connection ID of the peer's that leaves no
    room makes a datagram larger, and nothing makes them smaller: that records shrink after repeated
    silence (RFC 9147 section 4.4) is not done.  ``timer`` says when a flight is sent again and how
    often, ``timer12`` the same once 1.2 is chosen; ``timeout`` bounds the whole handshake, in
    seconds.  ``address_check`` is the cookie exchange.  In 1.3 ``short_header`` gives records the
    shortest header that does.
    """

    mtu: int = 1152
    timer: TimerPolicy = field(default_factory=Rfc9147)
    timer12: TimerPolicy = field(default_factory=Rfc6347)
    timeout: float = 60.0
    address_check: bool = True
    short_header: bool = True
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not SMALLEST_MTU <= self.mtu <= 65507:
            raise ConfigurationError(f"mtu {self.mtu} is outside {SMALLEST_MTU}..65507 bytes")
        if not 0 < self.timeout < math.inf:
            raise ConfigurationError("timeout has to be a positive number of seconds")

    @property
    def state_lifetime(self) -> float:
        """How long an unfinished handshake is kept, in seconds."""
        return max(self.limits.lifetime, self.timeout)
