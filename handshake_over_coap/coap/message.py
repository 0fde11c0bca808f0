"""One CoAP message: the datagram, what stands in it, and back (RFC 7252 section 3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .codes import MessageType
from .options import (
    BLOCK_OPTIONS,
    LENGTHS,
    REPEATABLE,
    TEXT,
    MessageFormatError,
    Option,
    OptionValue,
)
from .paths import ABBREVIATIONS

_NO_LENGTH = 1, 0
"""What an option that is not known can have: nothing is as long as that."""

_MOST_HEADER = 5
"""Bytes of an option on the wire besides its value, at most."""

__all__ = [
    "Content",
    "Message",
    "MessageFormatError",
    "acknowledgement",
    "encode_options",
    "rejection",
    "reset",
]


class Content(NamedTuple):
    """What a request or response says: all of a message but what its carriage adds.

    Type, message ID and token are the message layer's.  ``code`` is the number on the wire;
    ``options`` stand in ascending order of their numbers.
    """

    code: int
    options: tuple[OptionValue, ...] = ()
    payload: bytes = b""

    def encode(self, kind: int, message_id: int, token: bytes) -> bytes:
        """The datagram; ``kind`` is the message type as a number."""
        head = bytes((0x40 | kind << 4 | len(token), self.code)) + message_id.to_bytes(2, "big")
        payload = self.payload
        if payload:
            return head + token + encode_options(self.options) + b"\xff" + payload
        return head + token + encode_options(self.options)

    def size(self, token_length: int) -> int:
        """Bytes of the datagram, with a token of ``token_length`` bytes."""
        payload = len(self.payload)
        return 4 + token_length + len(encode_options(self.options)) + payload + (payload > 0)

    def fits(self, mtu: int, token_length: int) -> bool:
        """Whether the datagram has at most ``mtu`` bytes."""
        most = 5 + token_length + len(self.payload)
        for _, value in self.options:
            most += _MOST_HEADER + len(value)
        return most <= mtu or self.size(token_length) <= mtu

    def get(self, number: int) -> bytes | None:
        """The value of the first option ``number``, ``None`` if absent."""
        return next((value for each, value in self.options if each == number), None)


class Message(NamedTuple):
    """A message that was received.

    ``type`` is that of :class:`~.codes.MessageType`, as a number.  Read strictly, ``options`` holds
    those that are known and well formed, and ``unrecognised`` the numbers of the others; read
    tolerantly, all of them stand in ``options``, and ``intact`` is false where the message breaks
    the format: then what stands before that place is there, and the payload is not.
    """

    type: int
    code: int
    message_id: int
    token: bytes
    options: tuple[OptionValue, ...]
    payload: bytes
    unrecognised: tuple[int, ...] = ()
    intact: bool = True

    @classmethod
    def decode(cls, data: bytes, *, tolerant: bool = False) -> Message:
        """Read a datagram as a CoAP message.

        Raises :class:`MessageFormatError`; with ``tolerant`` only where the four bytes of the
        header are not those of one.
        """
        if len(data) < 4 or data[0] >> 6 != 1:
            raise MessageFormatError("not a CoAP message of version 1")
        token_length, code = data[0] & 15, data[1]
        start = 4 + token_length
        found: list[OptionValue] = []
        payload, intact = b"", True
        try:
            payload = _read(
                data, start, found, whole=token_length <= 8 and (code > 0 or len(data) == 4)
            )
        except MessageFormatError:
            if not tolerant:
                raise
            intact = False
        known, unrecognised = (found, ()) if tolerant else _sorted_out(found)
        token = data[4:start]
        return cls(
            data[0] >> 4 & 3,
            code,
            data[2] << 8 | data[3],
            token,
            tuple(known),
            payload,
            unrecognised,
            intact,
        )

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
    def bad_abbreviation(self) -> bool:
        """Whether all that is not recognised is what stands for the path."""
        return set(self.unrecognised) == {int(Option.URI_PATH_ABBREV)}

    @property
    def bad_block(self) -> bool:
        """Whether a block option has the reserved size exponent 7 (RFC 7959 section 2.2)."""
        for number, value in self.options:
            if number in BLOCK_OPTIONS and value[-1:] and value[-1] & 7 == 7:
                return True
        return False

    def get(self, number: int) -> bytes | None:
        """The value of the first option ``number``, ``None`` if absent."""
        for each, value in self.options:
            if each == number:
                return value
        return None

    def uint(self, number: int) -> int | None:
        """The value of an option of format uint, ``None`` if absent."""
        for each, value in self.options:
            if each == number:
                return int.from_bytes(value, "big")
        return None

    def values(self, number: int) -> tuple[bytes, ...]:
        """All values of a repeatable option, in order."""
        return tuple(value for each, value in self.options if each == number)

    @property
    def path(self) -> tuple[bytes, ...]:
        """The values of the Uri-Path options, or of those that an abbreviation stands for."""
        number = self.uint(Option.URI_PATH_ABBREV)
        if number is not None:
            return ABBREVIATIONS.get(number, ())
        return self.values(Option.URI_PATH)

    @property
    def content(self) -> Content:
        """The message without what its carriage added."""
        return Content(self.code, self.options, self.payload)

    def encode(self) -> bytes:
        """The datagram again, with those options only that were recognised."""
        return self.content.encode(self.type, self.message_id, self.token)


def _read(data: bytes, position: int, found: list[OptionValue], *, whole: bool) -> bytes:
    """Add the options from ``position`` on to ``found``; gives the payload behind them.

    Raises :class:`MessageFormatError` where the message breaks, or before the options if what
    stands before them is not ``whole``.
    """
    end, number = len(data), 0
    if not whole or position > end:
        raise MessageFormatError("bad token length, or an empty message that is not empty")
    while position < end:
        first = data[position]
        position += 1
        if first == 0xFF:
            if position == end:
                raise MessageFormatError("a payload marker without payload")
            return data[position:]
        delta, length = first >> 4, first & 15
        if delta > 12:
            delta, position = _extended(delta, data, position)
        if length > 12:
            length, position = _extended(length, data, position)
        number += delta
        after = position + length
        if number > 0xFFFF or after > end:
            raise MessageFormatError("an option runs past the end or is numbered past 65535")
        found.append((number, data[position:after]))
        position = after
    return b""


def _extended(nibble: int, data: bytes, position: int) -> tuple[int, int]:
    """Option delta or length, 13 or more, with its extension bytes (RFC 7252 section 3.1)."""
    size = nibble - 12
    if nibble == 15 or position + size > len(data):
        raise MessageFormatError("a reserved or truncated option header")
    value = int.from_bytes(data[position : position + size], "big")
    return value + (13 if nibble == 13 else 269), position + size


def _sorted_out(found: list[OptionValue]) -> tuple[list[OptionValue], tuple[int, ...]]:
    """The options that are known and well formed, and the numbers of the others.

    One that may not be repeated counts as unrecognised when it comes again (RFC 7252 5.4.5), and an
    abbreviation of the path beside the path as well.
    """
    known: list[OptionValue] = []
    unrecognised: list[int] = []
    previous = 0
    for each in found:
        number, value = each
        least, most = LENGTHS.get(number, _NO_LENGTH)
        if (
            not least <= len(value) <= most
            or (number in TEXT and not _is_text(value))
            or (number == previous and number not in REPEATABLE)
            or (number == Option.URI_PATH_ABBREV and not _is_for_a_path(value, known))
        ):
            unrecognised.append(number)
        else:
            known.append(each)
        previous = number
    return known, tuple(unrecognised)


def _is_for_a_path(value: bytes, before: list[OptionValue]) -> bool:
    """Whether a number stands for a path that is not spelled out as well."""
    beside = any(number == Option.URI_PATH for number, _ in before)
    return int.from_bytes(value, "big") in ABBREVIATIONS and not beside


def _is_text(value: bytes) -> bool:
    if value.isascii():
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


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


def reset(message_id: int) -> bytes:
    """The reset that rejects a message, or answers a ping (RFC 7252 sections 4.2 and 4.3)."""
    return b"\x70\x00" + message_id.to_bytes(2, "big")


def rejection(data: bytes) -> tuple[bytes, ...]:
    """The reset that a datagram draws which cannot be taken: one if it is a confirmable message.

    Its header is enough for that (RFC 7252 section 4.2), and it is no longer than that header.
    """
    confirmable = len(data) >= 4 and data[0] >> 4 == 4
    return (reset(int.from_bytes(data[2:4], "big")),) if confirmable else ()


def acknowledgement(message_id: int) -> bytes:
    """The empty acknowledgement of a confirmable message (RFC 7252 section 4.2)."""
    head = bytes((0x40 | MessageType.ACK << 4, 0))
    return head + message_id.to_bytes(2, "big")
