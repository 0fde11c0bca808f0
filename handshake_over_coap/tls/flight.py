"""Whole messages and the flights they form: what goes into and comes out of a handshake.

A flight is a tuple of items in the order in which they are said.  No item is fragmented and
nothing here knows a datagram: carriers cut, join and repeat.

Source: RFC 6347 sections 4.2.2 and 4.2.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error
from typing import TypeAlias

from ..errors import ConfigurationError
from .alerts import DecodeError, IllegalParameter
from .wire import u8, u24

# msg_type, length 24, message_seq, fragment_offset 24, fragment_length 24
_DTLS_HEADER = Struct(">BBHHBHBH")


@dataclass(frozen=True, slots=True)
class HandshakeMessage:
    """One whole handshake message.

    ``type`` is a HandshakeType number (unknown ones stay plain ints), ``body`` the message without
    its header (at most 2^24 - 1 bytes), ``message_seq`` the sender's 16-bit message counter of
    DTLS, and ``epoch`` that of the record which carries it: 0 is in the clear.
    """

    type: int
    body: bytes
    message_seq: int = 0
    epoch: int = 0

    def dtls_bytes(self) -> bytes:
        """The 12-byte DTLS header of the unfragmented message and its body (RFC 6347 4.2.2).

        DTLS 1.2 hashes its transcript over this form.  Raises ConfigurationError for a number
        or a body that does not fit its field.
        """
        return dtls_bytes(self.type, self.body, self.message_seq)

    def tls_bytes(self) -> bytes:
        """The 4-byte TLS header and the body: what DTLS 1.3 hashes (RFC 9147 section 5.2).

        Raises ConfigurationError as :meth:`dtls_bytes` does.
        """
        return u8(self.type) + u24(len(self.body)) + self.body


def dtls_bytes(kind: int, body: bytes, message_seq: int) -> bytes:
    """A message of DTLS from its parts, as :meth:`HandshakeMessage.dtls_bytes` has it."""
    length = len(body)
    high, low = length >> 16, length & 0xFFFF
    try:
        return _DTLS_HEADER.pack(kind, high, low, message_seq, 0, 0, high, low) + body
    except struct_error:
        raise ConfigurationError(
            f"message {message_seq} of type {kind}, {length} bytes: out of range"
        ) from None


@dataclass(frozen=True, slots=True)
class ChangeCipherSpec:
    """The change_cipher_spec message of 1.2: from here on, the next epoch (RFC 5246 7.1)."""


Item: TypeAlias = HandshakeMessage | ChangeCipherSpec
Flight: TypeAlias = tuple[Item, ...]


def split_messages(data: bytes, epoch: int) -> tuple[HandshakeMessage, ...]:
    """The whole DTLS handshake messages that fill ``data``, a record's plaintext.

    Raises DecodeError for anything else, IllegalParameter for a fragment of a message.
    """
    found: list[HandshakeMessage] = []
    at, end = 0, len(data)
    while not found or at < end:
        start = at + _DTLS_HEADER.size
        if start > end:
            raise DecodeError(f"a handshake header in {end - at} bytes")
        kind, high, low, seq, offset_high, offset_low, part_high, part_low = (
            _DTLS_HEADER.unpack_from(data, at)
        )
        length, fragment_length = high << 16 | low, part_high << 16 | part_low
        if fragment_length > length:
            raise DecodeError("a fragment that is longer than its message")
        if offset_high or offset_low or fragment_length != length:
            raise IllegalParameter("a fragment of a message where whole messages belong")
        at = start + length
        if at > end:
            raise DecodeError(f"{length} bytes expected, {end - start} left")
        found.append(HandshakeMessage(kind, data[start:at], seq, epoch))
    return tuple(found)
