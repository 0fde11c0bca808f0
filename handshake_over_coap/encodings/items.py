"""What a flight is made of, before it becomes a body and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage

StandardRecord: TypeAlias = SealedRecord | CiphertextRecord
"""A sealed record of DTLS 1.2 or, with its unified header, of DTLS 1.3."""

BodyItem: TypeAlias = HandshakeMessage | ChangeCipherSpec | StandardRecord
"""A plaintext handshake message (epoch 0, whole), a change of cipher, or a sealed record.

The classic form of a flight: what DTLS itself would put into datagrams.
"""


def _never_sealed() -> StandardRecord:
    raise LookupError("a record that is not part of a flight has no standard form")


@dataclass(frozen=True, slots=True)
class Unsealed:
    """What is, or is going to be, in a sealed record, and which number that record has.

    ``plaintext`` is what a standard record of ``content_type`` 21, 22 or 26 seals: an alert, whole
    handshake messages with their DTLS headers, or an ACK.  ``tag_length`` is what the algorithm of
    its epoch adds, in bytes.  :meth:`standard` gives the record, also
    where the flight was carried in another form: then it is sealed anew, under the same keys and
    number, and so to the same bytes as far as the version leaves no choice.
    """

    epoch: int
    number: int
    content_type: int
    plaintext: bytes = field(repr=False)
    tag_length: int = field(default=0, compare=False)
    standard: Callable[[], StandardRecord] = field(default=_never_sealed, repr=False, compare=False)

    def sealed_as(self, record: StandardRecord) -> Unsealed:
        """The same, with the standard record at hand."""
        return Unsealed(
            self.epoch,
            self.number,
            self.content_type,
            self.plaintext,
            self.tag_length,
            lambda: record,
        )


FlightItem: TypeAlias = BodyItem | Unsealed
"""One item of a flight as an encoding gets and gives it.

Sealed records stand in it only where nobody here has their keys, as with a stack that keeps them to
itself.
"""
