"""The little of CBOR that the escape needs: one array of integers, byte strings and null.

A decoder of all of CBOR would take much that has no place here: tags, floats, nested and indefinite
items, lengths in more bytes than they need.  This one takes what the encoder writes, which is
deterministic (RFC 8949 section 4.2.1), and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.wire import Reader

Item: TypeAlias = int | bytes | None

ARRAY: Final = 0x80
"""First bytes from here on begin an array; below it stand the short forms."""

_UNSIGNED, _NEGATIVE, _BYTES, _ARRAY = 0, 1, 2, 4
_NULL: Final = 0xF6
_DIRECT: Final = 24
_WIDTHS: Final = {24: 1, 25: 2, 26: 4}


def _head(major: int, value: int) -> bytes:
    if value < _DIRECT:
        return bytes((major << 5 | value,))
    for code, width in _WIDTHS.items():
        if value < 1 << 8 * width:
            return bytes((major << 5 | code,)) + value.to_bytes(width, "big")
    raise ValueError(f"{value} has no place in a body")


def write(items: Sequence[Item]) -> bytes:
    """The array of ``items``, numbers below 2^32."""
    parts = [_head(_ARRAY, len(items))]
    for item in items:
        if item is None:
            parts.append(bytes((_NULL,)))
        elif isinstance(item, bytes):
            parts.append(_head(_BYTES, len(item)) + item)
        elif item < 0:
            parts.append(_head(_NEGATIVE, -1 - item))
        else:
            parts.append(_head(_UNSIGNED, item))
    return b"".join(parts)


def _read_head(reader: Reader) -> tuple[int, int]:
    first = reader.u8()
    major, value = first >> 5, first & 0x1F
    if value < _DIRECT:
        return major, value
    width = _WIDTHS.get(value)
    if width is None:
        raise DecodeError("CBOR of indefinite length, or a number of 64 bits")
    shortest = _DIRECT if width == 1 else 1 << 4 * width
    value = int.from_bytes(reader.take(width), "big")
    if value < shortest:
        raise DecodeError("CBOR with a longer number than it needs")
    return major, value


def read(reader: Reader) -> tuple[Item, ...]:
    """The array at the reader's place; raises DecodeError for any other CBOR."""
    major, count = _read_head(reader)
    if major != _ARRAY:
        raise DecodeError(f"CBOR of major type {major} where an array belongs")
    if count > reader.remaining:
        raise DecodeError("a CBOR array longer than the body")
    return tuple(_read_item(reader) for _ in range(count))


def _read_item(reader: Reader) -> Item:
    major, value = _read_head(reader)
    if major == _UNSIGNED:
        return value
    if major == _NEGATIVE:
        return -1 - value
    if major == _BYTES:
        return reader.take(value)
    if (major << 5 | value) == _NULL:
        return None
    raise DecodeError(f"CBOR of major type {major} in an escaped flight")
