"""Echo values: they prove an address without any state, and tell a round trip (RFC 9175 section 2).

A value is 8 bytes: 14 bits of time, in 1/32 s, 2 bits that say how many probes had gone unanswered
before the one that drew it, and 6 bytes of a MAC over the whole time, these bits and the endpoint.
Whoever sends the value back has shown that it receives at its address, and the time since tells the
server a round trip, though it kept nothing.

Six bytes are enough for what they prove: they cannot be tried but by asking us, one value a
datagram, and one right guess among 2^48 opens the state of one handshake; no handshake is the safer
for them, as its transcript covers everything that the values protect.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.transfers.base import Challenge

ECHO_LENGTH = 8
"""Bytes of a value."""
LONGEST_LIFETIME = 480.0
"""Seconds for which a value is good at most: its time wraps after 512."""

_TICKS = 32
_WRAP = 1 << 14
_ATTEMPTS = (0, 1, 4)
"""How many probes went unanswered, as far as two bits tell: none, one or two, more."""
_UNASKED = 3


class EchoValues:
    """Makes and checks values; ``key`` is 32 random bytes, ``lifetime`` in seconds.

    The lifetime must not exceed that of the state a value can open, so that a replayed request
    never opens a second one.
    """

    def __init__(self, key: bytes, lifetime: float) -> None:
        self._hmac = HMAC(key, hashes.SHA256())
        self._lifetime = min(lifetime, LONGEST_LIFETIME)
        self._origin: float | None = None

    def _since(self, now: float) -> float:
        """Seconds since the first use: values tell nothing of how long the clock has run."""
        if self._origin is None:
            self._origin = now
        return now - self._origin

    def make(self, address: Address, now: float, attempts: int | None = None) -> bytes:
        """A value for an endpoint at ``now`` seconds.

        ``attempts`` is how many probes went unanswered before this one; None where none is known.
        """
        tick = int(self._since(now) * _TICKS)
        coded = _UNASKED if attempts is None else (attempts > 0) + (attempts > 2)
        return self._value(address, tick, coded)

    def verify(self, value: bytes, address: Address, now: float) -> Challenge | None:
        """What a value tells that was made here, for this endpoint, within the lifetime."""
        if len(value) != ECHO_LENGTH:
            return None
        head = int.from_bytes(value[:2], "big")
        since = self._since(now)
        current = int(since * _TICKS)
        age = (current - (head >> 2)) % _WRAP
        if age > current or age > self._lifetime * _TICKS:
            return None
        if not hmac.compare_digest(value, self._value(address, current - age, head & 3)):
            return None
        # On the average a value was made half a tick after its time.
        seconds = max(0.0, since - (current - age + 0.5) / _TICKS)
        return Challenge(seconds, None if head & 3 == _UNASKED else _ATTEMPTS[head & 3])

    def _value(self, address: Address, tick: int, coded: int) -> bytes:
        mac = self._hmac.copy()
        host = f"{address.host}%{address.scope_id}".encode()
        mac.update(
            tick.to_bytes(8, "big") + bytes([coded]) + address.port.to_bytes(2, "big") + host
        )
        head = ((tick % _WRAP) << 2 | coded).to_bytes(2, "big")
        return head + mac.finalize()[: ECHO_LENGTH - len(head)]
