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
_LEAST, _MOST = 8, SIZE + 8
"""Bytes of the shortest and the longest DER form."""

ECDSA: Final = SignatureScheme.ecdsa_secp256r1_sha256
ED25519: Final = SignatureScheme.ed25519


def whole(scheme: int, short: bytes) -> bytes:
    """The signature as the standard writes it, from its 64 bytes."""
    if scheme != ECDSA:
        return short
    r, s = short[:_HALF].lstrip(b"\0"), short[_HALF:].lstrip(b"\0")
    if r[:1] >= b"\x80" or not r:
        r = b"\0" + r
    if s[:1] >= b"\x80" or not s:
        s = b"\0" + s
    first, second = len(r), len(s)
    return b"\x30%c\2%c%b\2%c%b" % (first + second + 4, first, r, second, s)


def short(scheme: int, signature: bytes) -> bytes | None:
    """The 64 bytes of a signature; None for one that :func:`whole` would not give back."""
    if scheme == ED25519:
        return signature if len(signature) == SIZE else None
    size = len(signature)
    if scheme != ECDSA or not _LEAST <= size <= _MOST or signature[0] != _SEQUENCE:
        return None
    after = 4 + signature[3]
    if signature[1] != size - 2 or after + 2 > size or signature[after + 1] != size - after - 2:
        return None
    if signature[2] != _INTEGER or signature[after] != _INTEGER:
        return None
    r, s = _half(signature[4:after]), _half(signature[after + 2 :])
    return None if r is None or s is None else r + s


def _half(content: bytes) -> bytes | None:
    """The 32 bytes of a DER INTEGER; None for one that is not minimal, or too large."""
    first = content[:1]
    if first == b"\0":
        if len(content) > 1 and content[1] < 0x80:
            return None
        content = content[1:]
    elif not first or first >= b"\x80":
        return None
    return content.rjust(_HALF, b"\0") if len(content) <= _HALF else None
