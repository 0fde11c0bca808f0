"""Options: numbers, value formats, and how a list of them is written and read.

An option is a pair of number and value, here and everywhere in this project; a list of them stands
in ascending order of the numbers, as on the wire (RFC 7252 section 3.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

from handshake_over_coap.errors import Error

OptionValue: TypeAlias = tuple[int, bytes]
"""Number and value of one option."""

BLOCK_SIZES: Final = (16, 32, 64, 128, 256, 512, 1024)
"""Sizes of a block in bytes, RFC 7959 section 2.2; the exponent is the index."""


class MessageFormatError(Error):
    """The datagram is not a CoAP message, or an option value not of its format (RFC 7252 3)."""


class Option(IntEnum):
    """Option numbers of the registry "CoAP Option Numbers" that matter to the exchange."""

    URI_HOST = 3
    ETAG = 4
    URI_PORT = 7
    LOCATION_PATH = 8
    URI_PATH = 11
    CONTENT_FORMAT = 12
    MAX_AGE = 14
    URI_QUERY = 15
    ACCEPT = 17
    BLOCK2 = 23
    BLOCK1 = 27
    SIZE2 = 28
    PROXY_URI = 35
    PROXY_SCHEME = 39
    SIZE1 = 60
    ECHO = 252
    REQUEST_TAG = 292


_LENGTHS: Final[dict[int, tuple[int, int]]] = {
    Option.URI_HOST: (1, 255),
    Option.ETAG: (1, 8),
    Option.URI_PORT: (0, 2),
    Option.LOCATION_PATH: (0, 255),
    Option.URI_PATH: (0, 255),
    Option.CONTENT_FORMAT: (0, 2),
    Option.MAX_AGE: (0, 4),
    Option.URI_QUERY: (0, 255),
    Option.ACCEPT: (0, 2),
    Option.BLOCK2: (0, 3),
    Option.BLOCK1: (0, 3),
    Option.SIZE2: (0, 4),
    Option.PROXY_URI: (1, 1034),
    Option.PROXY_SCHEME: (1, 255),
    Option.SIZE1: (0, 4),
    Option.ECHO: (1, 40),
    Option.REQUEST_TAG: (0, 8),
}
"""Least and most bytes of a value; outside them an option counts as unrecognised (5.4.3)."""

_NO_LENGTH: Final = (1, 0)

_TEXT: Final = frozenset(
    {
        Option.URI_HOST,
        Option.LOCATION_PATH,
        Option.URI_PATH,
        Option.URI_QUERY,
        Option.PROXY_URI,
        Option.PROXY_SCHEME,
    }
)
"""Options of format string: UTF-8, or unrecognised like a value of a wrong length."""

_REPEATABLE: Final = frozenset(
    {Option.LOCATION_PATH, Option.URI_PATH, Option.URI_QUERY, Option.ETAG, Option.REQUEST_TAG}
)


@dataclass(frozen=True, slots=True)
class Block:
    """Value of a Block1 or Block2 option (RFC 7959 section 2.2); ``size`` in bytes."""

    num: int
    more: bool
    size: int

    @property
    def offset(self) -> int:
        """Where the block begins in the body, in bytes."""
        return self.num * self.size

    def encode(self) -> bytes:
        """The option value, without leading zeros."""
        return uint(self.num << 4 | self.more << 3 | (self.size.bit_length() - 5))

    @classmethod
    def decode(cls, value: bytes) -> Block:
        """Raises :class:`MessageFormatError` for the reserved size exponent 7."""
        number = int.from_bytes(value, "big")
        if number & 7 == 7:
            raise MessageFormatError("block size exponent 7 is reserved (RFC 7959 section 2.2)")
        return cls(number >> 4, bool(number & 8), 16 << (number & 7))


def uint(value: int) -> bytes:
    """An option value of format uint: no leading zeros (RFC 7252 section 3.2)."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def is_known(number: int, value: bytes) -> bool:
    """Whether the option is known and its value has the length and format it should have."""
    least, most = _LENGTHS.get(number, _NO_LENGTH)
    if not least <= len(value) <= most:
        return False
    if number in _TEXT:
        try:
            value.decode()
        except UnicodeDecodeError:
            return False
    return True


def may_repeat(number: int) -> bool:
    """Whether more than one option of this number may stand in a message."""
    return number in _REPEATABLE


def encode_options(options: Iterable[OptionValue]) -> bytes:
    """Options on the wire; ``options`` in ascending order of their numbers."""
    out, previous = b"", 0
    for number, value in options:
        out += _header(number - previous, len(value)) + value
        previous = number
    return out


def _header(delta: int, length: int) -> bytes:
    if delta < 13 and length < 13:
        return bytes((delta << 4 | length,))
    first, extensions = 0, b""
    for shift, value in ((4, delta), (0, length)):
        if value < 13:
            first |= value << shift
        elif value < 269:
            first |= 13 << shift
            extensions += bytes([value - 13])
        else:
            first |= 14 << shift
            extensions += (value - 269).to_bytes(2, "big")
    return bytes([first]) + extensions


@dataclass(slots=True)
class OptionReader:
    """Reads the options of one message, and what follows them.

    ``found`` holds all that could be read, ``payload`` what stands behind the marker.
    """

    data: bytes
    position: int
    found: list[OptionValue]
    payload: bytes = b""

    def read(self, *, whole: bool) -> None:
        """Read to the end of the message; raises :class:`MessageFormatError` where it breaks.

        It does so before the options if what stands before them is not ``whole``.
        """
        data, end = self.data, len(self.data)
        if not whole or self.position > end:
            raise MessageFormatError("bad token length, or an empty message that is not empty")
        number, position = 0, self.position
        while position < end:
            first = data[position]
            position += 1
            if first == 0xFF:
                if position == end:
                    raise MessageFormatError("a payload marker without payload")
                self.payload = data[position:]
                return
            delta, length = first >> 4, first & 15
            if delta > 12:
                delta, position = _extended(delta, data, position)
            if length > 12:
                length, position = _extended(length, data, position)
            number += delta
            if number > 0xFFFF or position + length > end:
                raise MessageFormatError("an option runs past the end or is numbered past 65535")
            self.found.append((number, data[position : position + length]))
            position += length


def _extended(nibble: int, data: bytes, position: int) -> tuple[int, int]:
    """Option delta or length, 13 or more, with its extension bytes (RFC 7252 section 3.1)."""
    size = nibble - 12
    if nibble == 15 or position + size > len(data):
        raise MessageFormatError("a reserved or truncated option header")
    value = int.from_bytes(data[position : position + size], "big")
    return value + (13 if nibble == 13 else 269), position + size
