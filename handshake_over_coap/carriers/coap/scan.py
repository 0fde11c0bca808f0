"""A look at a CoAP message before aiocoap sees it: header and options, nothing kept.

aiocoap remembers every option number and Content-Format value it ever decodes (its extensible
enumerations grow), so what strangers may make it decode has to be bounded beforehand.  The scan
checks the format (RFC 7252 section 3), and :meth:`Scanned.sanitised` gives the same message with
only the options that this library knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from handshake_over_coap.errors import Error


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


_LENGTHS: dict[int, tuple[int, int]] = {
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

_NO_LENGTH = (1, 0)

_TEXT = {
    Option.URI_HOST,
    Option.LOCATION_PATH,
    Option.URI_PATH,
    Option.URI_QUERY,
    Option.PROXY_URI,
    Option.PROXY_SCHEME,
}
"""Options of format string: UTF-8, or unrecognised like a value of a wrong length."""

_REPEATABLE = {
    Option.LOCATION_PATH,
    Option.URI_PATH,
    Option.URI_QUERY,
    Option.ETAG,
    Option.REQUEST_TAG,
}


class MessageFormatError(Error):
    """The datagram is not a CoAP message (RFC 7252 section 3)."""


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
        number = self.num << 4 | self.more << 3 | (self.size.bit_length() - 5)
        return number.to_bytes((number.bit_length() + 7) // 8, "big")

    @classmethod
    def decode(cls, value: bytes) -> Block:
        """Raises :class:`MessageFormatError` for the reserved size exponent 7."""
        number = int.from_bytes(value, "big")
        if number & 7 == 7:
            raise MessageFormatError("block size exponent 7 is reserved (RFC 7959 section 2.2)")
        return cls(number >> 4, bool(number & 8), 16 << (number & 7))


@dataclass(frozen=True, slots=True)
class Scanned:
    """A CoAP message as far as the carrier looks at it.

    ``type`` is 0 confirmable, 1 non-confirmable, 2 acknowledgement, 3 reset.  ``options`` holds
    the options that are known and well formed, ``unrecognised`` the numbers of the others.
    """

    type: int
    code: int
    message_id: int
    token: bytes
    options: tuple[tuple[int, bytes], ...]
    payload: bytes
    unrecognised: tuple[int, ...]

    @property
    def is_request(self) -> bool:
        """Whether the code is of class 0 and not the empty message."""
        return 0 < self.code < 32

    @property
    def is_response(self) -> bool:
        """Whether the code is of class 2, 4 or 5."""
        return self.code >> 5 in (2, 4, 5)

    @property
    def bad_option(self) -> bool:
        """Whether a critical option is not recognised (RFC 7252 section 5.4.1)."""
        return bool(self.unrecognised) and any(number & 1 for number in self.unrecognised)

    @property
    def bad_block(self) -> bool:
        """Whether a block option has the reserved size exponent 7 (RFC 7959 section 2.2)."""
        return any((self.uint(each) or 0) & 7 == 7 for each in (Option.BLOCK1, Option.BLOCK2))

    def get(self, number: int) -> bytes | None:
        """The value of the option ``number``, ``None`` if absent."""
        for n, value in self.options:
            if n == number:
                return value
        return None

    def uint(self, number: int) -> int | None:
        """The value of an option of format uint, ``None`` if absent."""
        value = self.get(number)
        return None if value is None else int.from_bytes(value, "big")

    def values(self, number: int) -> tuple[bytes, ...]:
        """All values of a repeatable option, in order."""
        return tuple(value for n, value in self.options if n == number)

    @property
    def path(self) -> tuple[bytes, ...]:
        """The values of the Uri-Path options."""
        return self.values(Option.URI_PATH)

    def bare(self) -> bytes:
        """The message's header and token, without any option or payload."""
        header = bytes([0x40 | self.type << 4 | len(self.token), self.code])
        return header + self.message_id.to_bytes(2, "big") + self.token

    def sanitised(self) -> bytes:
        """The message again, with only the options that were recognised."""
        payload = b"\xff" + self.payload if self.payload else b""
        return self.bare() + option_bytes(self.options) + payload


def reset(message_id: bytes) -> bytes:
    """The reset that rejects a confirmable message, or answers a ping (RFC 7252 4.2, 4.3)."""
    return b"\x70\x00" + message_id


def scan(data: bytes) -> Scanned:
    """Read a datagram as a CoAP message; raises :class:`MessageFormatError`."""
    if len(data) < 4 or data[0] >> 6 != 1:
        raise MessageFormatError("not a CoAP message of version 1")
    token_length, code = data[0] & 15, data[1]
    start = 4 + token_length
    if token_length > 8 or start > len(data) or (code == 0 and len(data) > 4):
        raise MessageFormatError("bad token length, or an empty message that is not empty")
    options: list[tuple[int, bytes]] = []
    unrecognised: list[int] = []
    payload = _scan_options(data, start, options, unrecognised)
    return Scanned(
        type=data[0] >> 4 & 3,
        code=code,
        message_id=int.from_bytes(data[2:4], "big"),
        token=data[4:start],
        options=tuple(options),
        payload=payload,
        unrecognised=tuple(unrecognised),
    )


def _scan_options(
    data: bytes, position: int, options: list[tuple[int, bytes]], unrecognised: list[int]
) -> bytes:
    """Fill the two lists from the options at ``position``; returns the payload."""
    number = 0
    while position < len(data):
        first = data[position]
        position += 1
        if first == 0xFF:
            if position == len(data):
                raise MessageFormatError("a payload marker without payload")
            return data[position:]
        delta, length = first >> 4, first & 15
        if delta > 12:
            delta, position = _extended(delta, data, position)
        if length > 12:
            length, position = _extended(length, data, position)
        repeated, number = delta == 0, number + delta
        if number > 0xFFFF or position + length > len(data):
            raise MessageFormatError("an option runs past the end or is numbered past 65535")
        value = data[position : position + length]
        if _is_valid(number, value) and not (repeated and number not in _REPEATABLE):
            options.append((number, value))
        else:
            unrecognised.append(number)
        position += length
    return b""


def _is_valid(number: int, value: bytes) -> bool:
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


def _extended(nibble: int, data: bytes, position: int) -> tuple[int, int]:
    """Option delta or length, 13 or more, with its extension bytes (RFC 7252 section 3.1)."""
    size = nibble - 12
    if nibble == 15 or position + size > len(data):
        raise MessageFormatError("a reserved or truncated option header")
    value = int.from_bytes(data[position : position + size], "big")
    return value + (13 if nibble == 13 else 269), position + size


def option_bytes(options: Iterable[tuple[int, bytes]]) -> bytes:
    """Options on the wire; ``options`` in ascending order of their numbers."""
    out, previous = b"", 0
    for number, value in options:
        out += _option_header(number - previous, len(value)) + value
        previous = number
    return out


def _option_header(delta: int, length: int) -> bytes:
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
