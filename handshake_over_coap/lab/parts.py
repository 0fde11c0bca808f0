"""What the bytes of a handshake's datagrams are made of.

Source: RFC 6347 sections 4.1 and 4.2.2 (headers), RFC 6655 (nonce and tag of CCM_8).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from handshake_over_coap.carriers.reassembly import MESSAGE_HEADER, read_fragments
from handshake_over_coap.lab.example import CLIENT_KEYS, SERVER_KEYS, Carried
from handshake_over_coap.lab.published import Total
from handshake_over_coap.records.dtls12 import (
    EXPLICIT_NONCE_LENGTH,
    HEADER,
    PlaintextRecord,
    split_datagram,
)
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.suites import AES_128_CCM_8

SEALING: Final = EXPLICIT_NONCE_LENGTH + AES_128_CCM_8.tag_length
"""Bytes that sealing adds to a record: explicit nonce and tag."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The datagrams of a handshake in figures.

    ``records`` counts all records and ``sealed`` those of epoch 1; ``fragments`` counts handshake
    headers; ``bodies`` is the bytes of message bodies, and of ChangeCipherSpec.
    """

    datagrams: int
    records: int
    sealed: int
    fragments: int
    bodies: int

    @property
    def bytes(self) -> int:
        """All of it together."""
        return sum(self.by_name().values())

    @property
    def total(self) -> Total:
        """Datagrams and bytes, as the tables have them."""
        return Total(self.datagrams, self.bytes)

    def by_name(self) -> dict[str, int]:
        """Bytes of each part."""
        return {
            "message bodies": self.bodies,
            "record headers": HEADER.size * self.records,
            "handshake headers": MESSAGE_HEADER * self.fragments,
            "nonces and tags": SEALING * self.sealed,
        }


def parts_of(carried: Iterable[Carried]) -> Parts:
    """Take the datagrams of the example apart, the sealed records opened."""
    openers = {True: Opener(CLIENT_KEYS), False: Opener(SERVER_KEYS)}
    datagrams = records = sealed = fragments = bodies = 0
    for each in carried:
        datagrams += 1
        for record in split_datagram(each.data):
            records += 1
            content = record.fragment
            if not isinstance(record, PlaintextRecord):
                sealed += 1
                content = openers[each.from_client].open(record)
            if record.content_type == ContentType.handshake:
                found = read_fragments(content, record.epoch)
                fragments += len(found)
                bodies += sum(len(part.data) for part in found)
            else:
                bodies += len(content)
    return Parts(datagrams, records, sealed, fragments, bodies)
