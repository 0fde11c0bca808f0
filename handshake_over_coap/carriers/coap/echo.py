"""The address check: Echo values that prove an address without any state (RFC 9175 section 2).

A value is one byte of a coarse time and seven bytes of a MAC over that time and the endpoint.
It is valid for between three and four quarters of its lifetime after it was made.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

_MAC_LENGTH = 7
_SLOTS = 4
"""A lifetime is this many time slots; the current and the three before it are accepted."""

ECHO_LENGTH = 1 + _MAC_LENGTH
"""Bytes of an Echo value."""


class EchoAuthority:
    """Makes and checks Echo values; ``key`` is 32 random bytes, ``lifetime`` in seconds.

    The lifetime must not exceed that of the state a value can open, so that a replayed request
    never opens a second one.
    """

    def __init__(self, key: bytes, lifetime: float) -> None:
        self._hmac = HMAC(key, hashes.SHA256())
        self._slot_length = lifetime / _SLOTS

    def make(self, host: str, port: int, now: float) -> bytes:
        """An Echo value of :data:`ECHO_LENGTH` bytes for an endpoint, at ``now`` seconds."""
        return self._value(host, port, int(now / self._slot_length))

    def verify(self, value: bytes, host: str, port: int, now: float) -> bool:
        """Whether ``value`` was made here, for this endpoint, within the lifetime."""
        if len(value) != ECHO_LENGTH:
            return False
        current = int(now / self._slot_length)
        age = (current - value[0]) & 0xFF
        if age >= _SLOTS or age > current:
            return False
        return hmac.compare_digest(value, self._value(host, port, current - age))

    def _value(self, host: str, port: int, slot: int) -> bytes:
        mac = self._hmac.copy()
        mac.update(slot.to_bytes(8, "big") + port.to_bytes(2, "big") + host.encode())
        return bytes([slot & 0xFF]) + mac.finalize()[:_MAC_LENGTH]
