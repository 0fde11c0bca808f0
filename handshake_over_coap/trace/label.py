"""One line of words for a datagram: what a ladder writes on its arrow."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from itertools import islice
from typing import Final, TypeAlias

from handshake_over_coap.coap.message import Message
from handshake_over_coap.coap.options import Option
from handshake_over_coap.records.dtls12 import (
    CID_TYPE,
    HEADER_BEFORE_CID,
    MAX_SEQUENCE_NUMBER,
    SEQUENCE_BITS,
    VERSION,
    PlaintextRecord,
    RawRecord,
    split_datagram,
)
from handshake_over_coap.records.dtls13 import (
    CID_BIT,
    EPOCH_MASK,
    FIXED_BITS,
    FIXED_MASK,
    CiphertextRecord,
    split13,
)
from handshake_over_coap.records.errors import RecordDropped
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.trace.coap import TYPES, code_words, path_text, read_coap

_MOST_RECORDS: Final = 4

Record: TypeAlias = RawRecord | CiphertextRecord
"""A record as it is on the wire: of DTLS 1.2 or in the clear, or a protected one of 1.3."""


def datagram_label(data: bytes) -> str:
    """What a UDP payload is, ending in its size in bytes; never raises, whatever ``data`` is.

    A CoAP message gives type, code, path, Location, Block1, Block2 (number/more/size), Echo and
    Content-Format: ``CON POST /.well-known/dtls, Block1 0/1/64, Echo, 91 B``.  Records give content
    type, epoch and sequence number: ``record application_data epoch 1 #1, 45 B``; of a protected
    record of DTLS 1.3 only two bits of its epoch can be seen.  Where a record has a connection ID,
    whose length only the two sides know, it is the last that is named.
    """
    message = read_coap(data)
    if message is not None:
        words = _of_coap(message)
    elif data and 20 <= data[0] < 64:
        words = _of_records(data)
    else:
        words = [f"unknown, first octet {data[0]:#04x}" if data else "empty datagram"]
    return ", ".join([*words, f"{len(data)} B"])


def _of_coap(message: Message) -> list[str]:
    path = path_text(message, Option.URI_PATH)
    if message.get(Option.URI_PATH_ABBREV) is not None:
        path = f"path {message.uint(Option.URI_PATH_ABBREV)}"
    # A request without a path is to the root.
    root = "/" if 0 < message.code < 32 else ""
    head = " ".join(filter(None, (TYPES[message.type], code_words(message), path or root)))
    words = [head]
    location = path_text(message, Option.LOCATION_PATH)
    if location is not None:
        words.append(f"Location {location}")
    for name, number in (("Block1", Option.BLOCK1), ("Block2", Option.BLOCK2)):
        block = message.get(number)
        if block is not None:
            words.append(f"{name} {_block_text(block)}")
    if message.get(Option.ECHO) is not None:
        words.append("Echo")
    content_format = message.get(Option.CONTENT_FORMAT)
    if content_format is not None:
        words.append(f"ct {_uint_text(content_format, 2)}")
    if not message.intact:
        words.append("malformed")
    return words


def _block_text(value: bytes) -> str:
    """Number, more and size of a block option (RFC 7959 section 2.2)."""
    number = int.from_bytes(value, "big")
    if len(value) > 3 or number & 7 == 7:
        return "?"
    return f"{number >> 4}/{number >> 3 & 1}/{16 << (number & 7)}"


def _uint_text(value: bytes, most: int) -> str:
    return str(int.from_bytes(value, "big")) if len(value) <= most else "?"


def _of_records(data: bytes) -> list[str]:
    """The records of either version: the one that reads further is the one that was meant."""
    found, rest = _in_either_version(data, _MOST_RECORDS + 1)
    words = [_record_text(record) for record in found[:_MOST_RECORDS]]
    if len(found) > _MOST_RECORDS:
        words.append("...")
    elif rest:
        unread = "then no record" if words else f"no record, first octet {data[0]:#04x}"
        words.append(_with_connection_id(rest) or unread)
    return words


def records_of(data: bytes) -> tuple[Record, ...]:
    """The records that a UDP payload begins with, up to one that cannot be told from outside."""
    return tuple(_in_either_version(data, None)[0])


def _in_either_version(data: bytes, most: int | None) -> tuple[list[Record], bytes]:
    return max(
        (_read(data, split_datagram(data), most), _read(data, split13(data), most)),
        key=lambda each: len(each[0]),
    )


def _read(data: bytes, records: Iterator[Record], most: int | None) -> tuple[list[Record], bytes]:
    """The first ``most`` records, and what of ``data`` could not be read."""
    found: list[Record] = []
    try:
        found.extend(islice(records, most))
    except RecordDropped:
        return found, data[sum(len(record.to_bytes()) for record in found) :]
    return found, b""


def _with_connection_id(rest: bytes) -> str | None:
    """What ``rest`` begins with, if that can be a record with a connection ID.

    Its length is not in the record (RFC 9146 section 4, RFC 9147 section 4), so that what comes
    after it cannot be told.
    """
    if rest[0] & (FIXED_MASK | CID_BIT) == FIXED_BITS | CID_BIT:
        return f"protected record with a connection ID, epoch bits {rest[0] & EPOCH_MASK}"
    if rest[0] == CID_TYPE and len(rest) >= HEADER_BEFORE_CID.size:
        _, version, number = HEADER_BEFORE_CID.unpack_from(rest)
        if version == VERSION:
            epoch, sequence = number >> SEQUENCE_BITS, number & MAX_SEQUENCE_NUMBER
            return f"protected record with a connection ID, epoch {epoch} #{sequence}"
    return None


def _record_text(record: Record) -> str:
    if isinstance(record, CiphertextRecord):
        # Which epoch and which number it is, only the holder of the keys can tell.
        return f"protected record, epoch bits {record.epoch_bits}"
    text = (
        f"record {_name(ContentType, record.content_type)}"
        f" epoch {record.epoch} #{record.sequence_number}"
    )
    if isinstance(record, PlaintextRecord) and record.content_type == ContentType.handshake:
        # In the clear a record shows which message it begins with.
        text += "".join(f" {_name(HandshakeType, first)}" for first in record.fragment[:1])
    return text


def _name(registry: type[IntEnum], number: int) -> str:
    try:
        return registry(number).name
    except ValueError:
        return str(number)
