"""Reading and writing the presentation language of TLS: numbers and length-prefixed vectors.

Numbers are big-endian.  A vector is its length in bytes, as 8, 16 or 24 bits, and its content.
Reading raises DecodeError for whatever the bytes cannot be; writing raises ConfigurationError for
values that have no place on the wire, so that nothing is encoded that a peer would have to refuse.

Source: RFC 5246 section 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import unpack

from ..errors import ConfigurationError
from .alerts import DecodeError

MAX_U8 = 0xFF
MAX_U16 = 0xFFFF
MAX_U24 = 0xFFFFFF


class Reader:
    """A cursor over ``data``; every method raises DecodeError rather than read past its end."""

    __slots__ = ("_data", "_end", "_offset")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._end = len(data)
        self._offset = 0

    @property
    def remaining(self) -> int:
        """How many bytes have not been read yet."""
        return self._end - self._offset

    def take(self, n: int) -> bytes:
        """The next ``n`` bytes, exactly."""
        start = self._offset
        end = start + n
        if end > self._end:
            raise self._too_short(n)
        self._offset = end
        return self._data[start:end]

    def _too_short(self, n: int) -> DecodeError:
        return DecodeError(f"{n} bytes expected, {self.remaining} left")

    def rest(self) -> bytes:
        """Everything that is left, possibly nothing."""
        return self.take(self.remaining)

    def u8(self) -> int:
        """One byte as a number."""
        offset = self._offset
        if offset >= self._end:
            raise self._too_short(1)
        self._offset = offset + 1
        return self._data[offset]

    def u16(self) -> int:
        """Two bytes as a number."""
        offset = self._offset
        if offset + 2 > self._end:
            raise self._too_short(2)
        self._offset = offset + 2
        return self._data[offset] << 8 | self._data[offset + 1]

    def u24(self) -> int:
        """Three bytes as a number."""
        offset, data = self._offset, self._data
        if offset + 3 > self._end:
            raise self._too_short(3)
        self._offset = offset + 3
        return data[offset] << 16 | data[offset + 1] << 8 | data[offset + 2]

    def u32(self) -> int:
        """Four bytes as a number."""
        return int.from_bytes(self.take(4), "big")

    def u48(self) -> int:
        """Six bytes as a number: a DTLS sequence number."""
        return int.from_bytes(self.take(6), "big")

    def u64(self) -> int:
        """Eight bytes as a number."""
        return int.from_bytes(self.take(8), "big")

    def _content(self, length: int, minimum: int, maximum: int) -> bytes:
        if not minimum <= length <= maximum:
            raise DecodeError(f"vector of {length} bytes, not {minimum} to {maximum}")
        start = self._offset
        end = start + length
        if end > self._end:
            raise self._too_short(length)
        self._offset = end
        return self._data[start:end]

    def vec8(self, minimum: int = 0, maximum: int = MAX_U8) -> bytes:
        """Content of a vector with an 8-bit length, between ``minimum`` and ``maximum`` bytes."""
        return self._content(self.u8(), minimum, maximum)

    def vec16(self, minimum: int = 0, maximum: int = MAX_U16) -> bytes:
        """Content of a vector with a 16-bit length, between ``minimum`` and ``maximum`` bytes."""
        return self._content(self.u16(), minimum, maximum)

    def vec24(self, minimum: int = 0, maximum: int = MAX_U24) -> bytes:
        """Content of a vector with a 24-bit length, between ``minimum`` and ``maximum`` bytes."""
        return self._content(self.u24(), minimum, maximum)

    def done(self) -> None:
        """Raise DecodeError if anything is left."""
        if self._offset != self._end:
            raise DecodeError(f"{self.remaining} trailing bytes")


def _number(value: int, width: int) -> bytes:
    try:
        return value.to_bytes(width, "big")
    except OverflowError:
        raise _unfit(value, width) from None


def _unfit(value: int, width: int) -> ConfigurationError:
    return ConfigurationError(f"{value} does not fit {8 * width} bits")


# The two most common ones, and vectors below, do without a further call.


def u8(n: int) -> bytes:
    """``n`` as one byte."""
    try:
        return n.to_bytes(1, "big")
    except OverflowError:
        raise _unfit(n, 1) from None


def u16(n: int) -> bytes:
    """``n`` as two bytes."""
    try:
        return n.to_bytes(2, "big")
    except OverflowError:
        raise _unfit(n, 2) from None


def u24(n: int) -> bytes:
    """``n`` as three bytes."""
    return _number(n, 3)


def u32(n: int) -> bytes:
    """``n`` as four bytes."""
    return _number(n, 4)


def u48(n: int) -> bytes:
    """``n`` as six bytes."""
    return _number(n, 6)


def u64(n: int) -> bytes:
    """``n`` as eight bytes."""
    return _number(n, 8)


def fixed(b: bytes, length: int) -> bytes:
    """``b`` itself, once it is known to hold exactly ``length`` bytes: a field of fixed size."""
    if len(b) != length:
        raise ConfigurationError(f"field of {len(b)} bytes, not {length}")
    return b


def _vector(b: bytes, width: int, minimum: int, maximum: int) -> bytes:
    length = len(b)
    if not minimum <= length <= maximum:
        raise ConfigurationError(f"vector of {length} bytes, not {minimum} to {maximum}")
    try:
        return length.to_bytes(width, "big") + b
    except OverflowError:
        raise _unfit(length, width) from None


def vec8(b: bytes, minimum: int = 0, maximum: int = MAX_U8) -> bytes:
    """``b`` after its length as 8 bits; ConfigurationError outside ``minimum`` to ``maximum``."""
    return _vector(b, 1, minimum, maximum)


def vec16(b: bytes, minimum: int = 0, maximum: int = MAX_U16) -> bytes:
    """``b`` after its length as 16 bits; ConfigurationError outside ``minimum`` to ``maximum``."""
    return _vector(b, 2, minimum, maximum)


def vec24(b: bytes, minimum: int = 0, maximum: int = MAX_U24) -> bytes:
    """``b`` after its length as 24 bits; ConfigurationError outside ``minimum`` to ``maximum``."""
    return _vector(b, 3, minimum, maximum)


def u16_items(content: bytes) -> tuple[int, ...]:
    """The 16-bit numbers that fill a vector's ``content``; DecodeError if its length is odd."""
    count, odd = divmod(len(content), 2)
    if odd:
        raise DecodeError(f"list of 16-bit numbers in {len(content)} bytes")
    return unpack(f">{count}H", content)


def join_u16(values: Iterable[int]) -> bytes:
    """Content of a vector that holds ``values`` as 16-bit numbers."""
    return b"".join(map(u16, values))
