"""Which clients are answered before they have shown that they receive at their address.

QUIC does so as well (RFC 9000 section 8.1): it saves a round trip, and the answer is bounded by
what came.  What it costs a server is bounded here: unproven handshakes are few in all and by
address, and only so many of their first flights are computed in a second, which takes a signature
each.  All others prove their address first, as if nothing else were known.
"""

from __future__ import annotations

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.limits import Limits, Quota, TooManyHandshakes


class Unproven:
    """Bounds on what is done for endpoints that may not be what they say; times in seconds."""

    def __init__(self, limits: Limits) -> None:
        self._quota = Quota(limits.unproven, limits.unproven_per_address)
        self._rate = limits.unproven_rate
        self._most = max(1.0, limits.unproven_rate)
        self._left = self._most
        self._at = 0.0

    @property
    def count(self) -> int:
        """How many there are."""
        return self._quota.total

    def begin(self, address: Address) -> bool:
        """Whether one more is taken; it counts if so."""
        try:
            self._quota.begin(address)
        except TooManyHandshakes:
            return False
        return True

    def end(self, address: Address) -> None:
        """One is proven by now, or forgotten."""
        self._quota.end(address)

    def may_compute(self, now: float) -> bool:
        """Whether a first flight is answered now; at most :attr:`Limits.unproven_rate` a second.

        A second's worth may come at once.
        """
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
