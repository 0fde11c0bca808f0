"""Table 4 of the practical-issues draft: what is left of a datagram for application data.

``plain`` is what the record layer of this library adds to a record with CCM_8.  ``shc`` is the
same record with its header compressed (:mod:`.shc`) and its explicit nonce elided, as it repeats
the epoch and the sequence number; the sequence number is in 1..255 and takes a byte.
"""

from __future__ import annotations

from dataclasses import dataclass

from handshake_over_coap.lab.example import CLIENT_KEYS
from handshake_over_coap.lab.published import TABLE_4, Left
from handshake_over_coap.lab.shc import RecordHeader
from handshake_over_coap.records.dtls12 import EXPLICIT_NONCE_LENGTH
from handshake_over_coap.records.sealer import Sealer
from handshake_over_coap.tls.codepoints import ContentType

NUMBER = 1
"""The sequence number of the record that is measured."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; ``limit`` is the size of the datagram in bytes."""

    limit: int
    published: Left
    ours: Left


def rows() -> tuple[Row, ...]:
    """The table: one line."""
    return tuple(Row(limit, published, left(limit)) for limit, published in TABLE_4.items())


def left(limit: int) -> Left:
    """Bytes of application data that fit a datagram of ``limit`` bytes, from sealed records."""
    sealer = Sealer(CLIENT_KEYS, next_sequence_number=NUMBER)
    plain = limit - sealer.overhead
    record = sealer.seal(ContentType.application_data, bytes(plain))
    header = RecordHeader(
        content_type=record.content_type,
        epoch=record.epoch,
        sequence_number=record.sequence_number,
    ).encode()
    expansion = len(record.fragment) - plain - EXPLICIT_NONCE_LENGTH
    return Left(plain, limit - len(header) - expansion)
