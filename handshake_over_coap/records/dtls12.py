"""Records of DTLS 1.2 on the wire, and how a datagram divides into them.

A record is a header of 13 bytes and a fragment (RFC 6347 section 4.1)::

    type 8 | version 16 | epoch 16 | sequence_number 48 | length 16 | fragment

In epoch 0 the fragment is plaintext.  Later it is what the AEAD suites make of it (RFC 5246
section 6.2.3.3): explicit nonce (8 bytes), ciphertext, tag.  Where a connection ID was agreed on,
a sealed record is of type 25 and has it before the length (RFC 9146 section 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, TypeAlias

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records.errors import MalformedRecord
from handshake_over_coap.tls.codepoints import ContentType, ProtocolVersion

# type, version, epoch and sequence_number as one 64-bit number, length
HEADER = Struct(">BHQH")
HEADER_BEFORE_CID = Struct(">BHQ")
VERSION = int(ProtocolVersion.DTLS_1_2)
CID_TYPE = int(ContentType.tls12_cid)

SEQUENCE_BITS = 48
MAX_SEQUENCE_NUMBER = (1 << SEQUENCE_BITS) - 1
MAX_EPOCH = 0xFFFF

EXPLICIT_NONCE_LENGTH = 8
MAX_TAG_LENGTH = 16
MAX_PLAINTEXT = 1 << 14
MAX_CID_LENGTH = 255
MAX_FRAGMENT = MAX_PLAINTEXT + EXPLICIT_NONCE_LENGTH + MAX_TAG_LENGTH

# A hello may still carry the version number of DTLS 1.0 (RFC 6347 section 4.2.1).
_PLAINTEXT_VERSIONS = frozenset({VERSION, int(ProtocolVersion.DTLS_1_0)})
CONTENT_TYPES = frozenset(
    int(known)
    for known in (
        ContentType.change_cipher_spec,
        ContentType.alert,
        ContentType.handshake,
        ContentType.application_data,
    )
)


def _header(
    content_type: int, epoch: int, sequence_number: int, length: int, limit: int, cid: bytes = b""
) -> bytes:
    if not 0 <= content_type <= 0xFF:
        raise ConfigurationError(f"content type {content_type} does not fit 8 bits")
    if not (0 <= epoch <= MAX_EPOCH and 0 <= sequence_number <= MAX_SEQUENCE_NUMBER):
        raise ConfigurationError(f"record number ({epoch}, {sequence_number}) is out of range")
    if length > limit:
        raise ConfigurationError(f"record fragment of {length} bytes, at most {limit}")
    if (content_type == CID_TYPE) is not bool(cid):
        raise ConfigurationError("a connection ID goes with content type 25, and with no other")
    check_cid(cid)
    number = epoch << SEQUENCE_BITS | sequence_number
    return HEADER_BEFORE_CID.pack(content_type, VERSION, number) + cid + length.to_bytes(2, "big")


def check_cid(cid: bytes) -> None:
    """Raise ConfigurationError for a connection ID over 255 bytes (RFC 9146 section 3)."""
    if len(cid) > MAX_CID_LENGTH:
        raise ConfigurationError(f"connection ID of {len(cid)} bytes, at most {MAX_CID_LENGTH}")


@dataclass(frozen=True, slots=True)
class PlaintextRecord:
    """A record of epoch 0: anybody may have sent it.

    Written with the version of DTLS 1.2; read with that of DTLS 1.0 too.
    """

    content_type: int
    """A ContentType number."""
    sequence_number: int
    """48 bits."""
    fragment: bytes
    """At most 2^14 bytes."""

    epoch: ClassVar[int] = 0

    def to_bytes(self) -> bytes:
        """The record as sent; ConfigurationError for numbers or a length with no encoding."""
        length = len(self.fragment)
        header = _header(self.content_type, 0, self.sequence_number, length, MAX_PLAINTEXT)
        return header + self.fragment


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """A record of epoch 1 or later, still sealed."""

    content_type: int
    """A ContentType number.

    25 with a connection ID: then its own type is sealed with the content (RFC 9146 section 4).
    """
    epoch: int
    """1 to 65,535."""
    sequence_number: int
    """48 bits."""
    fragment: bytes
    """The GenericAEADCipher as on the wire, at most 2^14 + 24 bytes.

    Explicit nonce (8 bytes), ciphertext and tag (RFC 5246 section 6.2.3.3).
    """
    cid: bytes = b""
    """The connection ID; empty for none."""

    def to_bytes(self) -> bytes:
        """The record as sent; ConfigurationError for numbers or a length with no encoding."""
        if self.epoch == 0:
            raise ConfigurationError("a sealed record has an epoch of 1 or later")
        number, length = self.sequence_number, len(self.fragment)
        header = _header(self.content_type, self.epoch, number, length, MAX_FRAGMENT, self.cid)
        return header + self.fragment

    @classmethod
    def from_bytes(cls, data: bytes, cid_length: int = 0) -> SealedRecord:
        """Parse exactly one sealed record; raises MalformedRecord for anything else.

        ``cid_length`` is as for :func:`split_datagram`.
        """
        record, end = _read(data, 0, cid_length)
        if not isinstance(record, cls):
            raise MalformedRecord("record of epoch 0 where a sealed one is expected")
        if end != len(data):
            raise MalformedRecord(f"{len(data) - end} bytes after the record")
        return record


RawRecord: TypeAlias = PlaintextRecord | SealedRecord


def split_datagram(data: bytes, cid_length: int = 0) -> Iterator[RawRecord]:
    """The records of one datagram, in order.

    ``cid_length`` is the length in bytes of the connection ID that the peer was told to send, 0
    where it sends none.  Raises MalformedRecord on reaching bytes that are no record: an unknown
    type or version, a length over the limit or past the end.  The records before them have been
    yielded and are good; an empty datagram is malformed.
    """
    offset = 0
    while True:
        record, offset = _read(data, offset, cid_length)
        yield record
        if offset == len(data):
            return


def _read(data: bytes, offset: int, cid_length: int) -> tuple[RawRecord, int]:
    """The record at ``offset`` and where the next one starts."""
    start = offset + HEADER.size
    if start > len(data):
        raise MalformedRecord(f"record header of {len(data) - offset} bytes")
    content_type, version, number, length = HEADER.unpack_from(data, offset)
    end = start + length
    if content_type == CID_TYPE and cid_length:
        return _read_with_cid(data, offset, cid_length)
    if content_type not in CONTENT_TYPES:
        raise MalformedRecord(f"content type {content_type}")
    if end > len(data):
        raise MalformedRecord(f"fragment of {length} bytes, {len(data) - start} left")
    epoch, sequence_number = number >> SEQUENCE_BITS, number & MAX_SEQUENCE_NUMBER
    if epoch == 0:
        if version not in _PLAINTEXT_VERSIONS or length > MAX_PLAINTEXT:
            raise MalformedRecord(f"version {version:#06x}, {length} bytes, epoch 0")
        return PlaintextRecord(content_type, sequence_number, data[start:end]), end
    if version != VERSION or length > MAX_FRAGMENT:
        raise MalformedRecord(f"version {version:#06x}, {length} bytes, epoch {epoch}")
    return SealedRecord(content_type, epoch, sequence_number, data[start:end]), end


def _read_with_cid(data: bytes, offset: int, cid_length: int) -> tuple[SealedRecord, int]:
    """The record of type 25 at ``offset`` and where the next one starts."""
    cid_start = offset + HEADER_BEFORE_CID.size
    cid_end = cid_start + cid_length
    start = cid_end + 2
    if start > len(data):
        raise MalformedRecord(f"record header of {len(data) - offset} bytes")
    content_type, version, number = HEADER_BEFORE_CID.unpack_from(data, offset)
    length = int.from_bytes(data[cid_end:start], "big")
    end = start + length
    if end > len(data) or length > MAX_FRAGMENT:
        raise MalformedRecord(f"fragment of {length} bytes, {len(data) - start} left")
    epoch, sequence_number = number >> SEQUENCE_BITS, number & MAX_SEQUENCE_NUMBER
    if version != VERSION or epoch == 0:
        raise MalformedRecord(f"version {version:#06x}, epoch {epoch}, with a connection ID")
    cid = data[cid_start:cid_end]
    return SealedRecord(content_type, epoch, sequence_number, data[start:end], cid), end
