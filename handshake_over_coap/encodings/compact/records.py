"""What is sealed, as the records that DTLS would have made of it, and back.

A flight's sealed part is a list of records in order of their numbers; in 1.3 the handshake messages
of a flight share one, in 1.2 each has its own.  Flights cut otherwise, alerts, tickets and whatever
else is valid stand in the escape: a CBOR array of type and body of each message in turn.  -21 and
-26 stand for an alert and an ACK, and null for the end of a record where that is not as usual.  A
number at the end says how many bytes name a raw public key that the sender knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.flight import HandshakeMessage, dtls_bytes, split_messages
from handshake_over_coap.tls.wire import Reader

from . import cbor
from .proof import MAX_REFERENCE

_HANDSHAKE: Final = int(ContentType.handshake)
_OTHERS: Final = (int(ContentType.alert), int(ContentType.ack))
_TYPES: Final = frozenset((_HANDSHAKE, *_OTHERS))


class Content(NamedTuple):
    """What one record holds: handshake messages, or an alert or ACK as ``other``."""

    content_type: int
    messages: tuple[HandshakeMessage, ...] = ()
    other: bytes = b""

    @classmethod
    def of(cls, content_type: int, plaintext: bytes, epoch: int) -> Content:
        """From a record's plaintext; raises an AlertError for one that holds no whole messages."""
        if content_type == _HANDSHAKE:
            return cls(content_type, split_messages(plaintext, epoch))
        return cls(content_type, other=plaintext)

    @property
    def plaintext(self) -> bytes:
        """What the standard record seals."""
        messages = self.messages
        if len(messages) == 1:
            return messages[0].dtls_bytes()
        return self.other + b"".join([message.dtls_bytes() for message in messages])


Contents = Sequence[Content]

Plain = tuple[int, bytes]
"""Content type and plaintext of a record."""


class Setting(NamedTuple):
    """Where sealed records stand: ``epoch``, and the message_seq of the first message.

    ``one_by_one`` tells that each message usually has a record of its own.
    """

    epoch: int
    message_seq: int
    one_by_one: bool


def check_counts(contents: Contents, setting: Setting) -> None:
    """Raise ConfigurationError where messages do not count up, or are of another kind."""
    expected = setting.message_seq
    for content in contents:
        if content.content_type not in _TYPES:
            raise ConfigurationError(f"a record of type {content.content_type} in a flight")
        for message in content.messages:
            if message.message_seq != expected:
                raise ConfigurationError(
                    f"message_seq {message.message_seq} where {expected} is next"
                )
            expected += 1


def messages_alone(contents: Contents, setting: Setting) -> tuple[HandshakeMessage, ...] | None:
    """The messages of a flight that is cut as usual and holds nothing else; None for another."""
    if len(contents) == 1:
        content = contents[0]
        if content.content_type != _HANDSHAKE:
            return None
        return None if setting.one_by_one and len(content.messages) != 1 else content.messages
    if not contents or not setting.one_by_one:
        return None
    if any(each.content_type != _HANDSHAKE or len(each.messages) != 1 for each in contents):
        return None
    return tuple(each.messages[0] for each in contents)


def cut(messages: Sequence[tuple[int, bytes]], setting: Setting) -> list[Plain]:
    """The records of messages, given by type and body, as they are usually cut."""
    each = [dtls_bytes(*message, n) for n, message in enumerate(messages, setting.message_seq)]
    if setting.one_by_one:
        return [(_HANDSHAKE, one) for one in each]
    return [(_HANDSHAKE, b"".join(each))]


def plain(contents: Contents) -> list[Plain]:
    """The records as they are sealed."""
    return [(each.content_type, each.plaintext) for each in contents]


def escaped(contents: Contents, setting: Setting, reserved: int, references: int = 0) -> bytes:
    """The escape; with one null more where it would have ``reserved`` bytes otherwise."""
    items: list[cbor.Item] = []
    for place, content in enumerate(contents):
        if content.content_type != _HANDSHAKE:
            items += [-content.content_type, content.other]
            continue
        before = contents[place - 1] if place else None
        joins = before is not None and before.content_type == _HANDSHAKE
        if joins and not setting.one_by_one:
            items.append(None)
        for number, message in enumerate(content.messages):
            if number and setting.one_by_one:
                raise ConfigurationError("several messages in a record of DTLS 1.2")
            items += [message.type, message.body]
    end: list[cbor.Item] = [references] if references else []
    data = cbor.write([*items, *end])
    return cbor.write([*items, None, *end]) if len(data) == reserved else data


def read_escaped(data: bytes, setting: Setting) -> tuple[list[Content], int]:
    """The records of an escape, and the number at its end or 0; raises DecodeError."""
    reader = Reader(data)
    items = iter(cbor.read(reader))
    reader.done()
    contents, references = _gathered(items, setting)
    if not contents:
        raise DecodeError("an escaped flight with nothing in it")
    return contents, references


def _gathered(items: Iterator[cbor.Item], setting: Setting) -> tuple[list[Content], int]:
    references = 0
    found: list[Content] = []
    group: list[HandshakeMessage] = []
    message_seq = setting.message_seq

    def end() -> None:
        if group:
            found.append(Content(_HANDSHAKE, tuple(group)))
            group.clear()

    for kind in items:
        if kind is None:
            end()
            continue
        body = next(items, None)
        if body is None and isinstance(kind, int) and 1 <= kind <= MAX_REFERENCE:
            references = kind
            break
        if not isinstance(kind, int) or not isinstance(body, bytes):
            raise DecodeError("an escaped flight is type and body of each message in turn")
        if kind < 0:
            end()
            if -kind not in _OTHERS:
                raise DecodeError(f"a record of type {-kind} in an escaped flight")
            found.append(Content(-kind, other=body))
            continue
        if kind > 0xFF or message_seq > 0xFFFF:
            raise DecodeError(f"a message of type {kind}, number {message_seq}")
        if setting.one_by_one:
            end()
        group.append(HandshakeMessage(kind, body, message_seq, setting.epoch))
        message_seq += 1
    end()
    if next(items, None) is not None:
        raise DecodeError("an escaped flight goes on after its end")
    return found, references
