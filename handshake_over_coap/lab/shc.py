"""The stateless header compression (SHC) that the practical-issues draft sketches.

Record headers of 13 bytes and handshake headers of 12 become prefixes of two bytes, followed by
whatever of their fields the prefix cannot say.  This is the draft's section 4, as a codec, to
count with; no carrier sends it.

A record begins with 16 bits ``0 | T 2 | V 2 | E 3 | 110 | S 3 | L 2``:

- T, content type: 0 ChangeCipherSpec, 1 in a byte, 2 handshake, 3 application data.
- V, version: 0 DTLS 1.0, 1 in two bytes, 2 DTLS 1.2.
- E, epoch: 0 to 4 itself, 5 in a byte, 6 in two, 7 that of the record before.
- S, sequence number: 0 zero, 1 to 6 in as many bytes, 7 one more than that of the record before.
- L, length: 0 zero, 1 in a byte, 2 in two, 3 the rest of the datagram.

A handshake message, or a fragment of one, with 16 bits ``00 | T 4 | L 2 | S 4 | O 2 | C 2``:

- T, type: 0 in a byte, else one of :data:`_MESSAGE_TYPES`.
- L, length of the message: 0 the rest of the record, 1 to 3 in as many bytes.
- S, message_seq: 0 to 12 itself, 13 in a byte, 14 in two, 15 one more than before.
- O, fragment_offset: 0 zero, 1 to 3 in as many bytes.
- C, fragment_length: 0 implied, 1 to 3 in as many bytes.

The bytes that follow a prefix stand in the order of its fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType, ProtocolVersion
from handshake_over_coap.tls.wire import Reader

_RECORD_MARK: Final = 0b0_00_00_000_110_000_00
_RECORD_MARK_MASK: Final = 0b1_00_00_000_111_000_00

_CONTENT_TYPES: Final[Mapping[int, int]] = {
    ContentType.change_cipher_spec: 0,
    ContentType.handshake: 2,
    ContentType.application_data: 3,
}
_VERSIONS: Final[Mapping[int, int]] = {ProtocolVersion.DTLS_1_0: 0, ProtocolVersion.DTLS_1_2: 2}
_MESSAGE_TYPES: Final[Mapping[int, int]] = {
    HandshakeType.client_hello: 1,
    HandshakeType.server_hello: 2,
    HandshakeType.hello_verify_request: 3,
    HandshakeType.certificate: 7,
    HandshakeType.server_key_exchange: 8,
    HandshakeType.certificate_request: 9,
    HandshakeType.server_hello_done: 10,
    HandshakeType.certificate_verify: 11,
    HandshakeType.client_key_exchange: 12,
    HandshakeType.finished: 15,
}
_REST: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordHeader:
    """What the header of a record says; ``length`` ``None`` is the rest of the datagram."""

    content_type: int
    version: int = int(ProtocolVersion.DTLS_1_2)
    epoch: int
    sequence_number: int
    length: int | None = None

    def encode(self, before: RecordHeader | None = None) -> bytes:
        """The header in as few bytes as there can be; ``before`` is that of the record before.

        Raises ConfigurationError for a number that has no encoding.
        """
        fields = _Fields()
        kind = fields.known(self.content_type, _CONTENT_TYPES, 1, 1)
        version = fields.known(self.version, _VERSIONS, 1, 2)
        epoch = fields.direct(self.epoch, 4, (5, 6))
        if before is not None and epoch > 4 and before.epoch == self.epoch:
            fields.take_back()
            epoch = 7
        number = fields.number(self.sequence_number, 6)
        if number and before is not None and before.sequence_number + 1 == self.sequence_number:
            fields.take_back()
            number = 7
        length = _REST if self.length is None else fields.number(self.length, 2)
        prefix = kind << 13 | version << 11 | epoch << 8 | _RECORD_MARK | number << 2 | length
        return prefix.to_bytes(2, "big") + fields.bytes

    @classmethod
    def decode(cls, reader: Reader, before: RecordHeader | None = None) -> RecordHeader:
        """Read a header; raises DecodeError for what is none."""
        prefix = reader.u16()
        if prefix & _RECORD_MARK_MASK != _RECORD_MARK:
            raise DecodeError(f"{prefix:#06x} begins no compressed record")
        kind = _known(reader, prefix >> 13 & 3, _CONTENT_TYPES, 1, 1)
        version = _known(reader, prefix >> 11 & 3, _VERSIONS, 1, 2)
        epoch, number, length = prefix >> 8 & 7, prefix >> 2 & 7, prefix & 3
        if before is None and 7 in (epoch, number):
            raise DecodeError("a compressed record refers to one before it, and there is none")
        if epoch == 7 and before is not None:
            epoch = before.epoch
        elif epoch > 4:
            epoch = _integer(reader, epoch - 4)
        if number == 7 and before is not None:
            number = before.sequence_number + 1
        else:
            number = _integer(reader, number)
        return cls(
            content_type=kind,
            version=version,
            epoch=epoch,
            sequence_number=number,
            length=None if length == _REST else _integer(reader, length),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentHeader:
    """What the header of a handshake message or a fragment of one says.

    ``length``, that of the whole message, ``None`` is the rest of the record; ``fragment_length``
    ``None`` follows from what is there.
    """

    type: int
    length: int | None = None
    message_seq: int
    offset: int = 0
    fragment_length: int | None = None

    def encode(self, before: FragmentHeader | None = None) -> bytes:
        """The header in as few bytes as there can be; ``before`` is that of the message before.

        Raises ConfigurationError for a number that has no encoding.
        """
        fields = _Fields()
        kind = fields.known(self.type, _MESSAGE_TYPES, 0, 1)
        length = 0 if self.length is None else fields.number(self.length, 3, 1)
        seq = fields.direct(self.message_seq, 12, (13, 14))
        if before is not None and seq > 12 and before.message_seq + 1 == self.message_seq:
            fields.take_back()
            seq = 15
        offset = fields.number(self.offset, 3)
        given = self.fragment_length
        covered = 0 if given is None else fields.number(given, 3, 1)
        prefix = kind << 10 | length << 8 | seq << 4 | offset << 2 | covered
        return prefix.to_bytes(2, "big") + fields.bytes

    @classmethod
    def decode(cls, reader: Reader, before: FragmentHeader | None = None) -> FragmentHeader:
        """Read a header; raises DecodeError for what is none."""
        prefix = reader.u16()
        if prefix >> 14:
            raise DecodeError(f"{prefix:#06x} begins no compressed handshake message")
        kind = _known(reader, prefix >> 10 & 15, _MESSAGE_TYPES, 0, 1)
        length, seq, offset, covered = (
            prefix >> 8 & 3,
            prefix >> 4 & 15,
            prefix >> 2 & 3,
            prefix & 3,
        )
        whole = _integer(reader, length) if length else None
        if seq == 15:
            if before is None:
                raise DecodeError("a compressed message refers to one before it: there is none")
            seq = before.message_seq + 1
        elif seq > 12:
            seq = _integer(reader, seq - 12)
        return cls(
            type=kind,
            length=whole,
            message_seq=seq,
            offset=_integer(reader, offset),
            fragment_length=_integer(reader, covered) if covered else None,
        )


class _Fields:
    """The bytes after a prefix while they come together; each method gives the prefix's bits."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    @property
    def bytes(self) -> bytes:
        return b"".join(self._parts)

    def take_back(self) -> None:
        """The prefix says the last field after all."""
        self._parts.pop()

    def known(self, value: int, codes: Mapping[int, int], otherwise: int, width: int) -> int:
        """A value with a code of its own; any other in ``width`` bytes."""
        if value in codes:
            return codes[value]
        self._put(value, width)
        return otherwise

    def direct(self, value: int, most: int, wider: tuple[int, int]) -> int:
        """A value up to ``most`` as itself; any other in one byte or two."""
        if 0 <= value <= most:
            return value
        width = 1 if value <= 0xFF else 2
        self._put(value, width)
        return wider[width - 1]

    def number(self, value: int, most: int, least: int = 0) -> int:
        """As many bytes as the value needs, none for 0 unless ``least`` says so."""
        width = max(least, (value.bit_length() + 7) // 8)
        if width > most:
            raise ConfigurationError(f"{value} does not fit {most} bytes")
        if width:
            self._put(value, width)
        return width

    def _put(self, value: int, width: int) -> None:
        if not 0 <= value < 1 << 8 * width:
            raise ConfigurationError(f"{value} does not fit {width} bytes")
        self._parts.append(value.to_bytes(width, "big"))


def _known(reader: Reader, code: int, codes: Mapping[int, int], otherwise: int, width: int) -> int:
    if code == otherwise:
        return _integer(reader, width)
    for value, known in codes.items():
        if known == code:
            return int(value)
    raise DecodeError(f"reserved value {code} in a compressed header")


def _integer(reader: Reader, width: int) -> int:
    return int.from_bytes(reader.take(width), "big")
