"""The ``plain`` encoding: standard messages and records without what CoAP makes redundant.

A body is a sequence of items, at least one, told apart by their first byte::

    0ttttttt  length 16  body                      handshake message in the clear, of type t
    100ccccc  length 16  ciphertext and tag        1.2: sealed record of content type c, short form
    110ccccc  epoch 16  sequence_number 48  length 16  fragment         the same, long form
    1010SLEE  number 8 or 16  [length 16]  ciphertext and tag           1.3: protected record

**Handshake messages.**  Left out: the upper byte of the length (a body is far below 64 KiB), the
fragment fields (no message is ever fragmented) and message_seq, which counts up by one from the
number that the receiver expects next.  All of them precede the first sealed record: a sealed
message takes a message_seq too, and the codec cannot see it.

**Sealed records of DTLS 1.2.** The content type is 22 (handshake), 21 (alert), or 25 where a
connection ID hides it (RFC 9146); then the ID follows the first byte, its length in one byte before
it.  The short form is the one for the records of DTLS 1.2.  It leaves out the
epoch, which is 1; the sequence number, which is the number of sealed records before it in the body;
and the explicit nonce of 8 bytes, which is epoch and sequence number.  Where one of the three is
otherwise, the long form keeps epoch, number and the whole fragment.  It is refused where the short
form would do, so that an item has one encoding and decoding loses nothing in either direction.

**Protected records of DTLS 1.3** are as on the wire (RFC 9147 section 4), but for the first bit of
the unified header, which is set.  They carry no connection ID, as the session is known.  One
without a length is the last item.

**ChangeCipherSpec** is not sent.  It is implied directly before a sealed record of epoch 1 that is
the body's first and no alert: it holds Finished.  A body whose first sealed record is an
alert implies none: the sender's own change of cipher came earlier, with its Finished.

Version and, of a short form's record header, everything else are those of DTLS 1.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from handshake_over_coap.encodings.base import FlightContext
from handshake_over_coap.encodings.items import BodyItem, FlightItem, StandardRecord, Unsealed
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records.dtls12 import (
    EXPLICIT_NONCE_LENGTH,
    MAX_EPOCH,
    MAX_FRAGMENT,
    MAX_SEQUENCE_NUMBER,
    SEQUENCE_BITS,
    SealedRecord,
)
from handshake_over_coap.records.dtls13 import (
    CID_BIT,
    FIXED_BITS,
    FIXED_MASK,
    LENGTH_BIT,
    LONG_NUMBER_BIT,
    MAX_CIPHERTEXT,
    MIN_CIPHERTEXT,
    CiphertextRecord,
)
from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from handshake_over_coap.tls.wire import MAX_U16, Reader, u8, u16, u48, vec8, vec16

_SEALED: Final = 0x80
_LONG: Final = 0x40
_CID_TYPE: Final = int(ContentType.tls12_cid)
_SEALED_TYPES: Final = frozenset({int(ContentType.handshake), int(ContentType.alert), _CID_TYPE})
# Explicit nonce, the shortest tag, and a byte of content: a handshake or alert record is never
# empty (RFC 5246 section 6.2.1).
_MIN_FRAGMENT: Final = EXPLICIT_NONCE_LENGTH + 8 + 1


@dataclass(frozen=True)
class PlainEncoding:
    """The encoding that this module describes; it has no settings."""

    name: str = field(default="plain", init=False)
    content_format: int = field(default=65000, init=False)

    def encode(self, flight: Sequence[FlightItem], context: FlightContext) -> bytes:
        """The body that holds ``flight``, sealed as standard records; as :func:`write_body`."""
        last = len(flight) - 1
        return write_body(
            [
                context.seal(item, last=place == last) if isinstance(item, Unsealed) else item
                for place, item in enumerate(flight)
            ]
        )

    def decode(self, body: bytes, context: FlightContext) -> Iterator[FlightItem]:
        """The items of ``body``; raises as :func:`read_body` does, before the first item."""
        for item in read_body(body, next_message_seq=context.next_message_seq):
            yield context.open(item) if isinstance(item, StandardRecord) else item

    def hello(self, body: bytes) -> HandshakeMessage | None:
        """The ClientHello that ``body`` begins with."""
        try:
            first = read_body(body, next_message_seq=0)[0]
        except DecodeError:
            return None
        if isinstance(first, HandshakeMessage) and first.type == HandshakeType.client_hello:
            return first
        return None


PLAIN: Final = PlainEncoding()


def write_body(items: Sequence[BodyItem]) -> bytes:
    """The body that holds ``items``.

    Raises ConfigurationError for items that no body can hold: none at all, plaintext messages
    after a sealed record or with numbers that do not count up, a ChangeCipherSpec missing or
    in the wrong place, fields out of range.
    """
    if not items:
        raise ConfigurationError("a body holds at least one item")
    writer = _Writer()
    for item in items:
        match item:
            case HandshakeMessage():
                writer.message(item)
            case ChangeCipherSpec():
                writer.change_cipher_spec()
            case SealedRecord():
                writer.sealed(item)
            case CiphertextRecord():
                writer.protected(item)
    return writer.finish()


def read_body(body: bytes, *, next_message_seq: int) -> tuple[BodyItem, ...]:
    """The items of ``body``, with the ChangeCipherSpec that is implied.

    ``next_message_seq`` is the message_seq of the first plaintext handshake message.  Raises
    DecodeError for anything that :func:`write_body` does not produce.
    """
    reader = Reader(body)
    items: list[BodyItem] = []
    message_seq, sealed = next_message_seq, 0
    while reader.remaining or not items:
        first = reader.u8()
        if first & (_SEALED | FIXED_MASK) == _SEALED | FIXED_BITS:
            items.append(_read_protected(reader, first & ~_SEALED))
            sealed += 1
            continue
        if first & _SEALED:
            record = _read_sealed(reader, first, sealed)
            if _implies_change_cipher_spec(record, sealed):
                items.append(ChangeCipherSpec())
            items.append(record)
            sealed += 1
            continue
        if sealed:
            raise DecodeError("handshake message in the clear after a sealed record")
        if message_seq > MAX_U16:
            raise DecodeError("more handshake messages than message_seq can count")
        items.append(HandshakeMessage(first, reader.vec16(), message_seq))
        message_seq += 1
    return tuple(items)


def _short_nonce(epoch: int, sequence_number: int) -> bytes:
    return (epoch << SEQUENCE_BITS | sequence_number).to_bytes(EXPLICIT_NONCE_LENGTH, "big")


def _is_short(record: SealedRecord, sealed_before: int) -> bool:
    """Whether the short form says all of ``record``, ``sealed_before`` others preceding it."""
    if (record.epoch, record.sequence_number) != (1, sealed_before):
        return False
    return record.fragment[:EXPLICIT_NONCE_LENGTH] == _short_nonce(1, sealed_before)


def _implies_change_cipher_spec(record: SealedRecord, sealed_before: int) -> bool:
    not_alert = record.content_type != ContentType.alert
    return record.epoch == 1 and sealed_before == 0 and not_alert


def _read_sealed(reader: Reader, first: int, sealed_before: int) -> SealedRecord:
    """The sealed record after its first byte, in either form."""
    content_type = first & ~(_SEALED | _LONG)
    if content_type not in _SEALED_TYPES:
        raise DecodeError(f"sealed record of content type {content_type} in a body")
    cid = reader.vec8(1) if content_type == _CID_TYPE else b""
    if first & _LONG:
        epoch, number = reader.u16(), reader.u48()
        if epoch == 0:
            raise DecodeError("sealed record of epoch 0")
        fragment = reader.vec16(_MIN_FRAGMENT, MAX_FRAGMENT)
        record = SealedRecord(content_type, epoch, number, fragment, cid)
        if _is_short(record, sealed_before):
            raise DecodeError("long form of a sealed record that has a short one")
        return record
    sealed = reader.vec16(
        _MIN_FRAGMENT - EXPLICIT_NONCE_LENGTH, MAX_FRAGMENT - EXPLICIT_NONCE_LENGTH
    )
    fragment = _short_nonce(1, sealed_before) + sealed
    return SealedRecord(content_type, 1, sealed_before, fragment, cid)


def _read_protected(reader: Reader, first: int) -> CiphertextRecord:
    """The record of 1.3 after the first byte of its header."""
    if first & CID_BIT:
        raise DecodeError("connection ID in a body")
    header = u8(first) + reader.take(2 if first & LONG_NUMBER_BIT else 1)
    if first & LENGTH_BIT:
        length = reader.take(2)
        header, size = header + length, int.from_bytes(length, "big")
    else:
        size = reader.remaining
    if not MIN_CIPHERTEXT <= size <= MAX_CIPHERTEXT:
        raise DecodeError(f"ciphertext of {size} bytes in a body")
    return CiphertextRecord(header, reader.take(size))


class _Writer:
    """A body in the making; every method raises ConfigurationError for what has no place in it."""

    __slots__ = ("_change_pending", "_ended", "_message_seq", "_parts", "_sealed")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._message_seq: int | None = None
        self._change_pending = False
        self._ended = False
        self._sealed = 0

    def message(self, message: HandshakeMessage) -> None:
        if message.epoch != 0 or self._sealed or self._change_pending:
            raise ConfigurationError("a plaintext message has epoch 0 and precedes sealed records")
        if message.type & ~0x7F:
            raise ConfigurationError(f"handshake type {message.type} does not fit 7 bits")
        if self._message_seq not in {None, message.message_seq}:
            raise ConfigurationError(
                f"message_seq {message.message_seq} where {self._message_seq} is next"
            )
        u16(message.message_seq)  # its range only: it is implied
        self._message_seq = message.message_seq + 1
        self._parts.append(u8(message.type) + vec16(message.body))

    def change_cipher_spec(self) -> None:
        if self._sealed or self._change_pending:
            raise ConfigurationError("ChangeCipherSpec after a sealed record or another one")
        self._change_pending = True

    def sealed(self, record: SealedRecord) -> None:
        if record.content_type not in _SEALED_TYPES:
            raise ConfigurationError(f"sealed record of content type {record.content_type}")
        if bool(record.cid) is not (record.content_type == _CID_TYPE):
            raise ConfigurationError("a connection ID goes with content type 25, and with no other")
        if not 1 <= record.epoch <= MAX_EPOCH:
            raise ConfigurationError(f"sealed record of epoch {record.epoch}")
        if not 0 <= record.sequence_number <= MAX_SEQUENCE_NUMBER:
            raise ConfigurationError(f"sequence number {record.sequence_number}")
        self._check_not_ended()
        if self._change_pending != _implies_change_cipher_spec(record, self._sealed):
            raise ConfigurationError(
                "ChangeCipherSpec stands directly before the first sealed record of epoch 1 if "
                "that is a handshake record, and nowhere else"
            )
        self._parts.append(self._encoded(record))
        self._change_pending = False
        self._sealed += 1

    def protected(self, record: CiphertextRecord) -> None:
        self._check_not_ended()
        if record.header[0] & CID_BIT:
            raise ConfigurationError("records in a body have no connection ID")
        if not MIN_CIPHERTEXT <= len(record.ciphertext) <= MAX_CIPHERTEXT:
            raise ConfigurationError(f"ciphertext of {len(record.ciphertext)} bytes")
        if self._change_pending:
            raise ConfigurationError("ChangeCipherSpec before a record of DTLS 1.3")
        data = record.to_bytes()
        self._parts.append(u8(_SEALED | data[0]) + data[1:])
        self._ended = not record.has_length
        self._sealed += 1

    def _check_not_ended(self) -> None:
        if self._ended:
            raise ConfigurationError("a record without its length is the last item of a body")

    def _encoded(self, record: SealedRecord) -> bytes:
        if not _MIN_FRAGMENT <= len(record.fragment) <= MAX_FRAGMENT:
            raise ConfigurationError(f"sealed fragment of {len(record.fragment)} bytes")
        cid = vec8(record.cid) if record.cid else b""
        if _is_short(record, self._sealed):
            sealed = record.fragment[EXPLICIT_NONCE_LENGTH:]
            return u8(_SEALED | record.content_type) + cid + vec16(sealed)
        number = u16(record.epoch) + u48(record.sequence_number)
        return u8(_SEALED | _LONG | record.content_type) + cid + number + vec16(record.fragment)

    def finish(self) -> bytes:
        if self._change_pending:
            raise ConfigurationError("ChangeCipherSpec with no sealed record after it")
        return b"".join(self._parts)
