"""Records of DTLS 1.3 on the wire, and how a datagram divides into them.

A protected record has the unified header (RFC 9147 section 4) and a ciphertext::

    0 0 1 C S L E E | connection ID, if C | number, 8 bits or (S) 16 | length 16, if L | ciphertext

The header holds the low bits of epoch and sequence number only, and the number is masked
(section 4.2.3): which record it is, only the holder of the keys can tell.  Records in the clear
are those of 1.2 with an epoch of 0, and may stand in the same datagram.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from handshake_over_coap.records.dtls12 import (
    HEADER,
    MAX_PLAINTEXT,
    MAX_SEQUENCE_NUMBER,
    SEQUENCE_BITS,
    PlaintextRecord,
)
from handshake_over_coap.records.errors import MalformedRecord
from handshake_over_coap.tls.codepoints import ContentType

FIXED_BITS = 0b001_00000
FIXED_MASK = 0b111_00000
CID_BIT = 0b000_10000
LONG_NUMBER_BIT = 0b000_01000
LENGTH_BIT = 0b000_00100
EPOCH_MASK = 0b000_00011

MAX_EPOCH = (1 << 48) - 1
"""The highest epoch that anything is sent in (RFC 9147 section 8)."""

MAX_NUMBER = (1 << 64) - 1
"""The highest sequence number of an epoch, 64 bits in the nonce and in an ACK."""

MAX_INNER = MAX_PLAINTEXT + 1
"""Bytes of content, content type and padding together, at most (RFC 8446 section 5.2)."""

MAX_CIPHERTEXT = MAX_PLAINTEXT + 256
MIN_CIPHERTEXT = 16
"""What the mask of the number is made from (RFC 9147 section 4.2.3)."""

_CLEAR_TYPES = frozenset(
    int(known)
    for known in (
        ContentType.change_cipher_spec,
        ContentType.alert,
        ContentType.handshake,
        ContentType.ack,
    )
)


class RecordNumber(NamedTuple):
    """RecordNumber of RFC 9147 section 4: which record of a direction, in 64 bits each.

    Sorts in the order that an ACK lists its records in.
    """

    epoch: int
    sequence_number: int


@dataclass(frozen=True, slots=True)
class CiphertextRecord:
    """A DTLSCiphertext, still sealed."""

    header: bytes
    """The unified header as on the wire, with the number masked."""
    ciphertext: bytes
    """At most 2^14 + 256 bytes."""
    cid: bytes = b""
    """The connection ID; empty for none.

    That in the header or, where it has none, that of the record before it in the datagram: one is
    enough (RFC 9147 section 4).
    """

    @property
    def epoch_bits(self) -> int:
        """The low two bits of the epoch."""
        return self.header[0] & EPOCH_MASK

    @property
    def sequence_bits(self) -> int:
        """How many low bits of the sequence number the header holds, 8 or 16."""
        return 16 if self.header[0] & LONG_NUMBER_BIT else 8

    @property
    def has_length(self) -> bool:
        """Whether the length is written; a record without fills the rest of its datagram."""
        return bool(self.header[0] & LENGTH_BIT)

    @property
    def number_offset(self) -> int:
        """Where in ``header`` the masked number starts, in bytes."""
        return 1 + len(self.cid) if self.header[0] & CID_BIT else 1

    def to_bytes(self) -> bytes:
        """The record as sent."""
        return self.header + self.ciphertext

    @staticmethod
    def from_bytes(data: bytes, cid_length: int = 0) -> CiphertextRecord:
        """Parse exactly one protected record; raises MalformedRecord for anything else."""
        number_offset, start, end = locate(data, 0, cid_length)
        if end != len(data):
            raise MalformedRecord(f"{len(data) - end} bytes after the record")
        return CiphertextRecord(data[:start], data[start:], data[1:number_offset])


@dataclass(frozen=True, slots=True)
class NumberedRecord(CiphertextRecord):
    """A record that was sealed here, and its number: what an ACK of the peer will name."""

    number: RecordNumber = field(kw_only=True)


RawRecord13: TypeAlias = PlaintextRecord | CiphertextRecord


def split13(data: bytes, cid_length: int = 0) -> Iterator[RawRecord13]:
    """The records of one datagram, in order (RFC 9147 section 4.1).

    ``cid_length`` is the length in bytes of the connection ID that the peer was told to send, 0
    where it sends none.  Raises MalformedRecord on reaching bytes that are no record, or a record
    whose connection ID differs from that of a record before it; the records before have been
    yielded and are good.  An empty datagram is malformed.
    """
    offset, cid = 0, b""
    while True:
        record: RawRecord13
        if offset < len(data) and data[offset] in _CLEAR_TYPES:
            record, offset = _read_clear(data, offset)
        else:
            number_offset, start, end = locate(data, offset, cid_length)
            found = data[offset + 1 : number_offset] or cid
            if cid not in (b"", found):
                raise MalformedRecord("records of two associations in one datagram")
            cid = found
            record, offset = CiphertextRecord(data[offset:start], data[start:end], cid), end
        yield record
        if offset == len(data):
            return


def locate(data: bytes, offset: int, cid_length: int) -> tuple[int, int, int]:
    """Where the protected record at ``offset`` has its number, its ciphertext, and its end.

    Raises MalformedRecord where there is none.
    """
    if offset >= len(data):
        raise MalformedRecord("no record")
    first = data[offset]
    if first & FIXED_MASK != FIXED_BITS:
        raise MalformedRecord(f"first byte {first:#04x}")
    number_offset = offset + 1
    if first & CID_BIT:
        if not cid_length:
            raise MalformedRecord("a connection ID where none was agreed on")
        number_offset += cid_length
    start = number_offset + (2 if first & LONG_NUMBER_BIT else 1)
    end = len(data)
    if first & LENGTH_BIT:
        length_offset, start = start, start + 2
        if start <= end:
            end = start + (data[length_offset] << 8 | data[length_offset + 1])
    if start > len(data) or end > len(data):
        raise MalformedRecord(f"record cut short: {len(data) - offset} bytes")
    if end - start > MAX_CIPHERTEXT:
        raise MalformedRecord(f"ciphertext of {end - start} bytes")
    return number_offset, start, end


def reconstruct(low: int, bits: int, expected: int) -> int:
    """The number that is nearest to ``expected`` and ends in the ``bits`` bits ``low``.

    RFC 9147 section 4.2.2; ``expected`` is one more than the highest number accepted.  Of two
    that are equally near it is the higher.  The result has at most 64 bits and is not negative.
    """
    span = 1 << bits
    half = span >> 1
    number = expected & -span | low
    if number + half <= expected and number + span <= MAX_NUMBER:
        return number + span
    if number > MAX_NUMBER or (number > expected + half and number >= span):
        return number - span
    return number


def _read_clear(data: bytes, offset: int) -> tuple[PlaintextRecord, int]:
    """The record in the clear at ``offset`` and where the next one starts.

    Its version is not looked at (RFC 9147 section 4).
    """
    start = offset + HEADER.size
    if start > len(data):
        raise MalformedRecord(f"record header of {len(data) - offset} bytes")
    content_type, _, number, length = HEADER.unpack_from(data, offset)
    end = start + length
    if number >> SEQUENCE_BITS:
        raise MalformedRecord(f"content type {content_type}, epoch {number >> SEQUENCE_BITS}")
    if end > len(data) or length > MAX_PLAINTEXT:
        raise MalformedRecord(f"fragment of {length} bytes, {len(data) - start} left")
    return PlaintextRecord(content_type, number & MAX_SEQUENCE_NUMBER, data[start:end]), end
