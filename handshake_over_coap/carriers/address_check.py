"""The address check: values that prove an address without any state.

Over CoAP they travel in Echo options (RFC 9175 section 2), over UDP in cookies (RFC 6347 section
4.2.1).  A value is one byte of a coarse time and seven bytes of a MAC over that time and the
endpoint; it is valid for between three and four quarters of its lifetime after it was made.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from .datagram import Address

_MAC_LENGTH = 7
_SLOTS = 4
"""A lifetime is this many time slots; the current and the three before it are accepted."""

PROOF_LENGTH = 1 + _MAC_LENGTH
"""Bytes of a value."""


class AddressProof:
    """Makes and checks values; ``key`` is 32 random bytes, ``lifetime`` in seconds.

    The lifetime must not exceed that of the state a value can open, so that a replayed request
    never opens a second one.
    """

    def __init__(self, key: bytes, lifetime: float) -> None:
        self._hmac = HMAC(key, hashes.SHA256())
        self._slot_length = lifetime / _SLOTS

    def make(self, address: Address, now: float) -> bytes:
        """A value of :data:`PROOF_LENGTH` bytes for an endpoint, at ``now`` seconds."""
        return self._value(address, int(now / self._slot_length))

    def verify(self, value: bytes, address: Address, now: float) -> bool:
        """Whether ``value`` was made here, for this endpoint, within the lifetime."""
        if len(value) != PROOF_LENGTH:
            return False
        current = int(now / self._slot_length)
        age = (current - value[0]) & 0xFF
        if age >= _SLOTS or age > current:
            return False
        return hmac.compare_digest(value, self._value(address, current - age))

    def _value(self, address: Address, slot: int) -> bytes:
        mac = self._hmac.copy()
        mac.update(slot.to_bytes(8, "big") + address.port.to_bytes(2, "big"))
        mac.update(f"{address.host}%{address.scope_id}".encode())
        return bytes([slot & 0xFF]) + mac.finalize()[:_MAC_LENGTH]
