"""The address check: values that prove an address without any state.

Over CoAP they travel in Echo options (RFC 9175 section 2), over UDP in cookies (RFC 6347 section
4.2.1, RFC 9147 section 5.1).  A value is one byte of a coarse time and seven bytes of a MAC over
that time and the endpoint; it is valid for between three and four quarters of its lifetime after it
was made.  The MAC may cover content as well, which then follows in the clear, and what both
sides know, which does not follow at all.

Seven bytes are enough for what they prove.  They cannot be tried but by asking us, one value a
datagram, and one right guess among 2^56 opens the state of one handshake; no handshake is the safer
for them, as its transcript covers everything that the values protect.
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
        return len(value) == PROOF_LENGTH and self.open(value, address, now) is not None

    def protect(self, content: bytes, address: Address, now: float, context: bytes = b"") -> bytes:
        """``content`` after the :data:`PROOF_LENGTH` bytes that bind it to an endpoint and time.

        And to ``context``, up to 65,535 bytes that do not travel.
        """
        slot = int(now / self._slot_length)
        return self._value(address, slot, content, context) + content

    def open(
        self, value: bytes, address: Address, now: float, context: bytes = b""
    ) -> bytes | None:
        """What :meth:`protect` was given.

        None where forged, too old, or made for another endpoint or context.
        """
        proof, content = value[:PROOF_LENGTH], value[PROOF_LENGTH:]
        if len(proof) != PROOF_LENGTH:
            return None
        current = int(now / self._slot_length)
        age = (current - proof[0]) & 0xFF
        if age >= _SLOTS or age > current:
            return None
        genuine = hmac.compare_digest(proof, self._value(address, current - age, content, context))
        return content if genuine else None

    def _value(
        self, address: Address, slot: int, content: bytes = b"", context: bytes = b""
    ) -> bytes:
        mac = self._hmac.copy()
        mac.update(slot.to_bytes(8, "big") + address.port.to_bytes(2, "big"))
        host = f"{address.host}%{address.scope_id}".encode()
        # Lengths before the parts, so that none can pass for a piece of another.
        mac.update(len(host).to_bytes(2, "big") + host)
        if context or content:
            mac.update(len(context).to_bytes(2, "big") + context + content)
        return bytes([slot & 0xFF]) + mac.finalize()[:_MAC_LENGTH]
