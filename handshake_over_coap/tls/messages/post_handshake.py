"""Messages of 1.3 after the handshake: tickets, new keys, connection IDs.

Source: RFC 8446 sections 4.6.1 and 4.6.3, RFC 9147 section 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..alerts import IllegalParameter
from ..codepoints import ConnectionIdUsage, HandshakeType, KeyUpdateRequest
from ..extensions import NO_EXTENSIONS, Extensions
from ..wire import Reader, u8, u32, vec8, vec16


@dataclass(frozen=True, slots=True)
class NewSessionTicket:
    """NewSessionTicket: a label for a key to resume with (RFC 8446 section 4.6.1).

    ``lifetime`` in seconds and ``age_add`` have 32 bits; ``nonce`` is at most 255 bytes and
    differs in each ticket of a connection, ``ticket`` 1 to 2^16 - 1 bytes.  That ``lifetime`` is at
    most seven days is for the receiver to judge.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.new_session_ticket

    lifetime: int
    age_add: int
    nonce: bytes
    ticket: bytes
    extensions: Extensions = NO_EXTENSIONS

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for a field of impossible length."""
        return b"".join(
            (
                u32(self.lifetime),
                u32(self.age_add),
                vec8(self.nonce),
                vec16(self.ticket, 1),
                self.extensions.encode_block(),
            )
        )

    @classmethod
    def decode(cls, body: bytes) -> NewSessionTicket:
        """Parse a body; raises DecodeError, for a repeated extension too."""
        reader = Reader(body)
        ticket = cls(
            lifetime=reader.u32(),
            age_add=reader.u32(),
            nonce=reader.vec8(),
            ticket=reader.vec16(1),
            extensions=Extensions.read_required(reader),
        )
        reader.done()
        return ticket


@dataclass(frozen=True, slots=True)
class KeyUpdate:
    """KeyUpdate: the sender's next records have new keys (RFC 8446 section 4.6.3)."""

    msg_type: ClassVar[HandshakeType] = HandshakeType.key_update

    request_update: KeyUpdateRequest

    def encode(self) -> bytes:
        """The one byte."""
        return u8(self.request_update)

    @classmethod
    def decode(cls, body: bytes) -> KeyUpdate:
        """Parse exactly one byte; raises DecodeError, or IllegalParameter for an unknown value."""
        reader = Reader(body)
        value = reader.u8()
        reader.done()
        try:
            return cls(KeyUpdateRequest(value))
        except ValueError:
            raise IllegalParameter(f"key update request {value}") from None


@dataclass(frozen=True, slots=True)
class RequestConnectionId:
    """RequestConnectionId: ``count`` connection IDs are wanted, 0 to 255 (RFC 9147 section 9)."""

    msg_type: ClassVar[HandshakeType] = HandshakeType.request_connection_id

    count: int

    def encode(self) -> bytes:
        """num_cids, one byte."""
        return u8(self.count)

    @classmethod
    def decode(cls, body: bytes) -> RequestConnectionId:
        """Parse exactly one byte; raises DecodeError."""
        reader = Reader(body)
        count = reader.u8()
        reader.done()
        return cls(count)


@dataclass(frozen=True, slots=True)
class NewConnectionId:
    """NewConnectionId: IDs of 0 to 255 bytes for records to its sender (RFC 9147 section 9).

    There may be none.  How many a receiver keeps is for the receiver to bound.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.new_connection_id

    cids: tuple[bytes, ...]
    usage: ConnectionIdUsage

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for an ID of impossible length."""
        return vec16(b"".join(map(vec8, self.cids))) + u8(self.usage)

    @classmethod
    def decode(cls, body: bytes) -> NewConnectionId:
        """Parse a body; raises DecodeError, or IllegalParameter for an unknown usage."""
        reader = Reader(body)
        content = Reader(reader.vec16())
        usage = reader.u8()
        reader.done()
        cids = []
        while content.remaining:
            cids.append(content.vec8())
        try:
            return cls(tuple(cids), ConnectionIdUsage(usage))
        except ValueError:
            raise IllegalParameter(f"usage {usage} of connection IDs") from None
