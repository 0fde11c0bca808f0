"""One CoAP message: the datagram, what stands in it, and back (RFC 7252 section 3)."""

from __future__ import annotations

from dataclasses import dataclass

from .codes import MessageType, is_request, is_response
from .options import (
    MessageFormatError,
    Option,
    OptionReader,
    OptionValue,
    encode_options,
    is_known,
    may_repeat,
)

__all__ = ["Content", "Message", "MessageFormatError", "acknowledgement", "reset"]


@dataclass(frozen=True, slots=True)
class Content:
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

    def get(self, number: int) -> bytes | None:
        """The value of the first option ``number``, ``None`` if absent."""
        return _first(self.options, number)


@dataclass(frozen=True, slots=True)
class Message:
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
        reader = OptionReader(data, start, [])
        intact = True
        try:
            reader.read(whole=token_length <= 8 and (code > 0 or len(data) == 4))
        except MessageFormatError:
            if not tolerant:
                raise
            intact = False
        known, unrecognised = (reader.found, []) if tolerant else _sorted_out(reader.found)
        return cls(
            type=data[0] >> 4 & 3,
            code=code,
            message_id=data[2] << 8 | data[3],
            token=data[4:start],
            options=tuple(known),
            payload=reader.payload,
            unrecognised=tuple(unrecognised),
            intact=intact,
        )

    @property
    def is_request(self) -> bool:
        """Whether the code is of class 0 and not the empty message."""
        return is_request(self.code)

    @property
    def is_response(self) -> bool:
        """Whether the code is of class 2, 4 or 5."""
        return is_response(self.code)

    @property
    def bad_option(self) -> bool:
        """Whether a critical option is not recognised (RFC 7252 section 5.4.1)."""
        return bool(self.unrecognised) and any(number & 1 for number in self.unrecognised)

    @property
    def bad_block(self) -> bool:
        """Whether a block option has the reserved size exponent 7 (RFC 7959 section 2.2)."""
        return any((self.uint(each) or 0) & 7 == 7 for each in (Option.BLOCK1, Option.BLOCK2))

    def get(self, number: int) -> bytes | None:
        """The value of the first option ``number``, ``None`` if absent."""
        return _first(self.options, number)

    def uint(self, number: int) -> int | None:
        """The value of an option of format uint, ``None`` if absent."""
        value = _first(self.options, number)
        return None if value is None else int.from_bytes(value, "big")

    def values(self, number: int) -> tuple[bytes, ...]:
        """All values of a repeatable option, in order."""
        return tuple(value for each, value in self.options if each == number)

    @property
    def path(self) -> tuple[bytes, ...]:
        """The values of the Uri-Path options."""
        return self.values(Option.URI_PATH)

    @property
    def content(self) -> Content:
        """The message without what its carriage added."""
        return Content(self.code, self.options, self.payload)

    def encode(self) -> bytes:
        """The datagram again, with those options only that were recognised."""
        return self.content.encode(self.type, self.message_id, self.token)


def _first(options: tuple[OptionValue, ...], number: int) -> bytes | None:
    for each, value in options:
        if each == number:
            return value
    return None


def _sorted_out(found: list[OptionValue]) -> tuple[list[OptionValue], list[int]]:
    """The options that are known and well formed, and the numbers of the others.

    One that may not be repeated counts as unrecognised when it comes again (RFC 7252 5.4.5).
    """
    known: list[OptionValue] = []
    unrecognised: list[int] = []
    previous = 0
    for option in found:
        number = option[0]
        if is_known(*option) and (number != previous or may_repeat(number)):
            known.append(option)
        else:
            unrecognised.append(number)
        previous = number
    return known, unrecognised


def reset(message_id: int) -> bytes:
    """The reset that rejects a message, or answers a ping (RFC 7252 sections 4.2 and 4.3)."""
    return b"\x70\x00" + message_id.to_bytes(2, "big")


def acknowledgement(message_id: int) -> bytes:
    """The empty acknowledgement of a confirmable message (RFC 7252 section 4.2)."""
    head = bytes((0x40 | MessageType.ACK << 4, 0))
    return head + message_id.to_bytes(2, "big")
