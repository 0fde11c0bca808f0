"""Public keys in as few bytes as they have: a point of P-256 is its x and which of two y.

A point that is not on the curve has no short form, so that every one that has comes back exactly.

Source: SEC 1 sections 2.3.3 and 2.3.4, SEC 2 section 2.4.2; RFC 8446 section 4.2.8.2.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.codepoints import NamedGroup

SIZE: Final = 32
"""Bytes of an x coordinate, and of a key of X25519 or Ed25519."""

_P: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B: Final = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_P256: Final = ec.SECP256R1()
_UNCOMPRESSED: Final = 4

EVEN: Final = 0
ODD: Final = 1
X25519: Final = 2
OTHER: Final = 3
"""How a key share stands in a body: x with an even or an odd y, 32 bytes as they are, or written
out with its group."""


def _curve(x: int) -> int:
    """The right side of the curve's equation: the square of y, if there is one."""
    return (x * x * x - 3 * x + _B) % _P


def compressed(point: bytes) -> tuple[int, bytes] | None:
    """``EVEN`` or ``ODD`` and the x of an uncompressed point; None if it is no point."""
    if len(point) != 2 * SIZE + 1 or point[0] != _UNCOMPRESSED:
        return None
    x, y = int.from_bytes(point[1 : SIZE + 1], "big"), int.from_bytes(point[SIZE + 1 :], "big")
    if x >= _P or y >= _P or (y * y - _curve(x)) % _P:
        return None
    return (ODD if y & 1 else EVEN), point[1 : SIZE + 1]


def restored(parity: int, x: bytes) -> bytes:
    """The uncompressed point; raises DecodeError where no point has this x."""
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(_P256, bytes((2 + parity,)) + x)
    except ValueError:
        raise DecodeError("no point of the curve has this x coordinate") from None
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def short_share(group: int, key: bytes) -> tuple[int, bytes] | None:
    """The code and the bytes of a key share that has 32 of them; None for any other."""
    if group == NamedGroup.secp256r1:
        return compressed(key)
    if group == NamedGroup.x25519 and len(key) == SIZE:
        return X25519, key
    return None


def whole_share(code: int, key: bytes) -> tuple[int, bytes]:
    """The group and the key of a share in its short form; raises DecodeError."""
    if code == X25519:
        return NamedGroup.x25519, key
    return NamedGroup.secp256r1, restored(code, key)
