"""Bodies of DTLS 1.3 and what is sealed in them, byte by byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from handshake_over_coap.encodings.items import BodyItem
from handshake_over_coap.encodings.plain import read_body
from handshake_over_coap.errors import Error
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.records.opener13 import Opened, Opener13
from handshake_over_coap.tls.codepoints import (
    CipherSuiteId,
    ContentType,
    ExtensionType,
    HandshakeType,
)
from handshake_over_coap.tls.dtls13.connected import Connected13
from handshake_over_coap.tls.flight import HandshakeMessage, split_messages
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.messages import ServerHello, is_hello_retry_request
from handshake_over_coap.tls.schedule13 import APPLICATION_EPOCH, HANDSHAKE_EPOCH, traffic_keys

from .annotate import Cursor, Lines

_NAMES: Final = {
    HandshakeType.client_hello: "ClientHello",
    HandshakeType.server_hello: "ServerHello",
    HandshakeType.encrypted_extensions: "EncryptedExtensions",
    HandshakeType.finished: "Finished",
    HandshakeType.new_session_ticket: "NewSessionTicket",
}


@dataclass(frozen=True)
class Side:
    """The keys that one side writes with, and a reader of what it has written.

    A body is read whole and once, as replays are refused.
    """

    client: bool
    handshake: TrafficKeys
    application: TrafficKeys
    opener: Opener13

    @classmethod
    def of(cls, connected: Connected13, *, client: bool) -> Side:
        """The keys of epochs 2 and 3 that the client writes with, or those of the server."""
        secrets, aead = connected.secrets, connected.suite.aead
        first = secrets.client_handshake if client else secrets.server_handshake
        second = secrets.client_application if client else secrets.server_application
        keys = (
            traffic_keys(first, HANDSHAKE_EPOCH, aead),
            traffic_keys(second, APPLICATION_EPOCH, aead),
        )
        opener = Opener13()
        for each in keys:
            opener.add(each)
        return cls(client, *keys, opener)

    def keys_of(self, record: CiphertextRecord) -> TrafficKeys:
        """The keys that a record is sealed with."""
        return (self.handshake, self.application)[record.epoch_bits - HANDSHAKE_EPOCH]


def items_of(body: bytes) -> tuple[BodyItem, ...]:
    """The items of a body; the numbers of its messages do not matter here."""
    return read_body(body, next_message_seq=0)


def contents(body: bytes, side: Side) -> str:
    """What a body holds, in one line."""
    return "; ".join(_content(item, side) for item in items_of(body))


def _content(item: BodyItem, side: Side) -> str:
    if isinstance(item, HandshakeMessage):
        if item.type == HandshakeType.server_hello:
            retry = is_hello_retry_request(ServerHello.decode(item.body))
            return "HelloRetryRequest" if retry else "ServerHello"
        return _NAMES[HandshakeType(item.type)]
    if not isinstance(item, CiphertextRecord):
        raise Error("no item of DTLS 1.3")
    opened = side.opener.open_in_body(item)
    names = ["ACK"]
    if opened.content_type == ContentType.handshake:
        messages = split_messages(opened.plaintext, opened.epoch)
        names = [_NAMES[HandshakeType(message.type)] for message in messages]
    return f"epoch {opened.epoch}: {', '.join(names)}"


def plain_body13(body: bytes, side: Side) -> tuple[Lines, Iterator[Lines]]:
    """A body in the plain encoding, and one by one what is sealed in its records."""
    cursor, records = Cursor(body), []
    for item in items_of(body):
        if isinstance(item, HandshakeMessage):
            kind = HandshakeType(item.type)
            cursor.take(1, "message", _NAMES[kind])
            cursor.take(2, "length")
            _message(cursor, kind, len(item.body))
        elif isinstance(item, CiphertextRecord):
            records.append(item)
            _record(cursor, item, side)
        else:
            raise Error("no item of DTLS 1.3")
    return cursor.done(), (sealed(record, side) for record in records)


def _record(cursor: Cursor, record: CiphertextRecord, side: Side) -> None:
    length = "with a length" if record.has_length else "to the end"
    cursor.take(1, f"protected, epoch {HANDSHAKE_EPOCH + (record.epoch_bits & 1)}", length)
    cursor.take(record.sequence_bits // 8, "sequence_number", "masked")
    if record.has_length:
        cursor.take(2, "length")
    tag = side.keys_of(record).aead.tag_length
    cursor.take(len(record.ciphertext) - tag, "ciphertext")
    cursor.take(tag, "tag")


def sealed(record: CiphertextRecord, side: Side) -> Lines:
    """What a record is opened with, and what is in it."""
    keys = side.keys_of(record)
    mask = keys.aead.make_mask(keys.sn_key)(record.ciphertext[:16])[: record.sequence_bits // 8]
    offset = record.number_offset
    number = bytes(a ^ b for a, b in zip(record.header[offset:], mask, strict=False))
    clear = record.header[:offset] + number + record.header[offset + len(number) :]
    opened = side.opener.open_in_body(record)
    cursor = Cursor(opened.plaintext)
    lines = cursor.lines
    lines.field("mask of the number", mask)
    lines.field("additional data", clear, "the header as on the wire, without the mask")
    _CONTENTS[ContentType(opened.content_type)](cursor, opened)
    lines = cursor.done()
    lines.field("content type", bytes((opened.content_type,)), _type(opened))
    return lines


def _type(opened: Opened) -> str:
    return ContentType(opened.content_type).name


def _handshake(cursor: Cursor, opened: Opened) -> None:
    for message in split_messages(opened.plaintext, opened.epoch):
        kind = HandshakeType(message.type)
        cursor.take(1, "msg_type", _NAMES[kind])
        cursor.take(3, "length")
        cursor.take(2, "message_seq")
        cursor.take(3, "fragment_offset")
        cursor.take(3, "fragment_length")
        _message(cursor, kind, len(message.body))


def _ack(cursor: Cursor, opened: Opened) -> None:
    for _ in range(cursor.number(2, "length of record_numbers") // 16):
        cursor.take(8, "epoch")
        cursor.take(8, "sequence_number")


def _data(cursor: Cursor, opened: Opened) -> None:
    cursor.take(len(opened.plaintext), "content", f'"{opened.plaintext.decode("ascii")}"')


_CONTENTS: Final[dict[ContentType, Callable[[Cursor, Opened], None]]] = {
    ContentType.handshake: _handshake,
    ContentType.application_data: _data,
    ContentType.ack: _ack,
}


def _message(cursor: Cursor, kind: HandshakeType, length: int) -> None:
    before = cursor.left
    _MESSAGES[kind](cursor)
    if before - cursor.left != length:
        raise Error(f"{kind.name} is not explained to its end")


def _client_hello(cursor: Cursor) -> None:
    cursor.take(2, "legacy_version", "DTLS 1.2")
    cursor.take(32, "random")
    cursor.take(1, "legacy_session_id", "empty")
    cursor.take(1, "legacy_cookie", "empty")
    for _ in range(cursor.number(2, "length of cipher_suites") // 2):
        _suite(cursor)
    cursor.take(2, "legacy_compression_methods", "null")
    _extensions(cursor, _IN_CLIENT_HELLO)


def _server_hello(cursor: Cursor) -> None:
    cursor.take(2, "legacy_version", "DTLS 1.2")
    cursor.take(32, "random")
    cursor.take(1, "legacy_session_id_echo", "empty")
    _suite(cursor)
    cursor.take(1, "legacy_compression_method", "null")
    _extensions(cursor, _IN_SERVER_HELLO)


def _encrypted_extensions(cursor: Cursor) -> None:
    _extensions(cursor, {})


def _finished(cursor: Cursor) -> None:
    cursor.take(32, "verify_data")


def _ticket(cursor: Cursor) -> None:
    cursor.take(4, "ticket_lifetime")
    cursor.take(4, "ticket_age_add")
    cursor.take(cursor.number(1, "length"), "ticket_nonce")
    cursor.take(cursor.number(2, "length"), "ticket")
    _extensions(cursor, {})


def _suite(cursor: Cursor) -> None:
    cursor.take(2, CipherSuiteId(cursor.peek(2)).name)


def _extensions(cursor: Cursor, known: dict[ExtensionType, Callable[[Cursor], None]]) -> None:
    end = cursor.left - 2 - cursor.number(2, "length of extensions")
    while cursor.left > end:
        kind = ExtensionType(cursor.peek(2))
        cursor.take(2, kind.name)
        cursor.take(2, "length")
        known[kind](cursor)


def _versions(cursor: Cursor) -> None:
    cursor.take(1, "length")
    cursor.take(2, "DTLS 1.3")


def _modes(cursor: Cursor) -> None:
    cursor.take(1, "length")
    cursor.take(1, "psk_ke")


def _offered_keys(cursor: Cursor) -> None:
    cursor.take(2, "length of identities")
    cursor.take(cursor.number(2, "length"), "identity")
    cursor.take(4, "obfuscated_ticket_age")
    cursor.take(2, "length of binders")
    cursor.take(cursor.number(1, "length"), "binder")


_IN_CLIENT_HELLO: Final[dict[ExtensionType, Callable[[Cursor], None]]] = {
    ExtensionType.supported_versions: _versions,
    ExtensionType.psk_key_exchange_modes: _modes,
    ExtensionType.pre_shared_key: _offered_keys,
}
_IN_SERVER_HELLO: Final[dict[ExtensionType, Callable[[Cursor], None]]] = {
    ExtensionType.supported_versions: lambda cursor: _take(cursor, 2, "DTLS 1.3"),
    ExtensionType.pre_shared_key: lambda cursor: _take(cursor, 2, "selected_identity"),
}
_MESSAGES: Final[dict[HandshakeType, Callable[[Cursor], None]]] = {
    HandshakeType.client_hello: _client_hello,
    HandshakeType.server_hello: _server_hello,
    HandshakeType.encrypted_extensions: _encrypted_extensions,
    HandshakeType.finished: _finished,
    HandshakeType.new_session_ticket: _ticket,
}


def _take(cursor: Cursor, n: int, meaning: str) -> None:
    cursor.take(n, meaning)


def datagram13(data: bytes, side: Side) -> tuple[Lines, Lines]:
    """A datagram of one record, and what is sealed in it."""
    record = CiphertextRecord.from_bytes(data)
    cursor = Cursor(data)
    _record(cursor, record, side)
    return cursor.done(), sealed(record, side)
