"""Messages in the clear that have no short form: a CBOR array of type and body of each in turn.

A number at its end says how many bytes name a raw public key that the sender knows.
"""

from __future__ import annotations

from collections.abc import Sequence

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.wire import MAX_U8, MAX_U16, Reader

from . import cbor
from .proof import MAX_REFERENCE


def write(messages: Sequence[HandshakeMessage], references: int = 0) -> bytes:
    """The array; ConfigurationError for messages whose numbers do not count up."""
    items: list[cbor.Item] = []
    for place, message in enumerate(messages):
        if message.epoch or message.message_seq != messages[0].message_seq + place:
            raise ConfigurationError("messages in the clear have epoch 0, and count up")
        items += [message.type, message.body]
    return cbor.write([*items, references] if references else items)


def read(reader: Reader, message_seq: int) -> tuple[list[HandshakeMessage], int]:
    """The messages, the first with that number, and the number at the end; raises DecodeError."""
    items = list(cbor.read(reader))
    references = 0
    if len(items) % 2:
        last = items.pop()
        if not isinstance(last, int) or not 1 <= last <= MAX_REFERENCE:
            raise DecodeError("an escaped flight is type and body of each message in turn")
        references = last
    found: list[HandshakeMessage] = []
    for kind, body in zip(items[::2], items[1::2], strict=True):
        if not isinstance(kind, int) or not isinstance(body, bytes) or not 0 <= kind <= MAX_U8:
            raise DecodeError("an escaped flight is type and body of each message in turn")
        if message_seq > MAX_U16:
            raise DecodeError("more handshake messages than message_seq can count")
        found.append(HandshakeMessage(kind, body, message_seq))
        message_seq += 1
    return found, references
