"""Signatures without what their encoding adds: r and s of ECDSA, 32 bytes each.

The DER form comes back exactly where it is minimal, and any other has no short form.

Source: RFC 3279 section 2.2.3 (Ecdsa-Sig-Value); RFC 8032 section 5.1.6 (Ed25519 has 64 bytes).
"""

from __future__ import annotations

from typing import Final

from handshake_over_coap.tls.codepoints import SignatureScheme

SIZE: Final = 64
_HALF: Final = SIZE // 2
_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02

ECDSA: Final = SignatureScheme.ecdsa_secp256r1_sha256
ED25519: Final = SignatureScheme.ed25519


def _integer(half: bytes) -> bytes:
    """A DER INTEGER that is not negative."""
    number = half.lstrip(b"\0") or b"\0"
    if number[0] & 0x80:
        number = b"\0" + number
    return bytes((_INTEGER, len(number))) + number


def whole(scheme: int, short: bytes) -> bytes:
    """The signature as the standard writes it, from its 64 bytes."""
    if scheme != ECDSA:
        return short
    content = _integer(short[:_HALF]) + _integer(short[_HALF:])
    return bytes((_SEQUENCE, len(content))) + content


def short(scheme: int, signature: bytes) -> bytes | None:
    """The 64 bytes of a signature; None for one that :func:`whole` would not give back."""
    if scheme == ED25519:
        return signature if len(signature) == SIZE else None
    if scheme != ECDSA or len(signature) < 8:
        return None
    first = signature[3]
    r, rest = signature[4 : 4 + first], signature[4 + first :]
    s = rest[2:]
    if max(len(r), len(s)) > _HALF + 1:
        return None
    numbers = int.from_bytes(r, "big"), int.from_bytes(s, "big")
    if any(number >> 8 * _HALF for number in numbers):
        return None
    found = b"".join(number.to_bytes(_HALF, "big") for number in numbers)
    return found if whole(scheme, found) == signature else None
