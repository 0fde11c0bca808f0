"""Which short form each flight has, and where its sealed part begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from handshake_over_coap.encodings.base import FlightContext
from handshake_over_coap.encodings.items import FlightItem, Unsealed
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import AlertError, DecodeError
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from handshake_over_coap.tls.wire import Reader

from . import cbor, clear, hello, server_hello, templates
from .client12 import ClientFlight
from .proof import Known, reference_size
from .records import Content, Contents
from .sealing import Sealing, is_finished12
from .server12 import ServerFlight
from .setting import Older, Said, known_by_us, takes_raw_keys

_HELLO: Final = int(HandshakeType.client_hello)
_ANSWER: Final = int(HandshakeType.server_hello)
_REQUEST: Final = int(HandshakeType.certificate_request)

_HANDSHAKE: Final = int(ContentType.handshake)
_type_of = attrgetter("type")
_ESCAPE: Final = bytes((cbor.ARRAY,))


@dataclass(frozen=True)
class CompactEncoding:
    """The encoding that this package describes; it has no settings."""

    name: str = field(default="compact", init=False)
    content_format: int = field(default=65002, init=False)

    def encode(self, flight: Sequence[FlightItem], context: FlightContext) -> bytes:
        """The body of a flight.

        Raises ConfigurationError for a flight that no handshake has, and for records whose keys
        are not known here.
        """
        messages, records = _parted(flight)
        if messages and messages[0].type == _HELLO:
            if len(flight) > 1:
                raise ConfigurationError("a ClientHello is a flight of its own")
            size = reference_size(context.pins) if takes_raw_keys(messages[0]) else 0
            return _write_hello(messages[0], size)
        before, known = Said.of(context.messages), Known(context.references)
        try:
            contents = [Content.of(each.content_type, each.plaintext, each.epoch)
                        for each in records]  # fmt: skip
            asks = context.pins and not context.from_client and _asks(messages, contents)
            references = reference_size(context.pins) if asks else 0
            begun = _write_begun(before, context, messages, references, known, contents)
        except AlertError as error:
            raise ConfigurationError(f"a flight that has no encoding: {error}") from None
        if not records:
            return begun
        said = before.then(messages)
        sealing = Sealing(self.content_format, said, context, begun, len(messages), known)
        return begun + sealing.write(records, contents, references)

    def decode(self, body: bytes, context: FlightContext) -> Iterator[FlightItem]:
        """The items of ``body``; what is sealed is verified before it is decoded.

        Raises DecodeError for anything that is not the one encoding of its flight, BadRecordMac
        where it does not authenticate.
        """
        said = Said.of(context.messages)
        known, size = known_by_us(said, context), len(body)
        messages: Sequence[HandshakeMessage]
        try:
            if context.from_client and said.answer is None:
                message, references = _read_hello(body, context.next_message_seq)
                messages = (message,)
            else:
                reader = Reader(body)
                messages, references = _read_begun(said, context, reader, body, known)
                size -= reader.remaining
        except ConfigurationError as error:  # fields that no message has
            raise DecodeError(str(error)) from None
        context.references = references
        yield from messages
        if size == len(body) and said.answer is None:
            return
        said, begun = said.then(messages), body[:size]
        sealing = Sealing(self.content_format, said, context, begun, len(messages), known)
        yield from sealing.read(body[size:])

    def hello(self, body: bytes) -> HandshakeMessage | None:
        """The ClientHello that ``body`` is, taken as flight 1.

        Later flights begin with bytes that may be any, so that one of them may look like it.
        """
        try:
            return _read_hello(body, 0)[0]
        except (DecodeError, ConfigurationError):
            return None


def _parted(flight: Sequence[FlightItem]) -> tuple[list[HandshakeMessage], list[Unsealed]]:
    """The messages in the clear and the sealed records of a flight; raises ConfigurationError.

    ChangeCipherSpec stands before a sealed handshake message of 1.2 and is implied there.
    """
    messages: list[HandshakeMessage] = []
    records: list[Unsealed] = []
    changed = False
    for item in flight:
        if isinstance(item, HandshakeMessage) and not records and not changed:
            messages.append(item)
        elif isinstance(item, Unsealed):
            records.append(item)
        elif isinstance(item, ChangeCipherSpec) and not records and not changed:
            changed = True
        else:
            raise ConfigurationError(
                "this encoding seals in its own way: it needs the keys, and messages in order"
            )
    implied = bool(records) and records[0].epoch == 1 and records[0].content_type == _HANDSHAKE
    if changed is not implied:
        raise ConfigurationError("ChangeCipherSpec stands before Finished, and nowhere else")
    return messages, records


def _asks(messages: Sequence[HandshakeMessage], contents: Contents) -> bool:
    """Whether a flight asks for a key of the client: under the seal in 1.3."""
    parts = (messages, *(each.messages for each in contents))
    return any(_REQUEST in map(_type_of, part) for part in parts)


def _write_hello(message: HandshakeMessage, references: int) -> bytes:
    short = hello.write(message, references)
    return clear.write([message], references) if short is None else short


def _read_hello(body: bytes, message_seq: int) -> tuple[HandshakeMessage, int]:
    """The ClientHello of a body, and how many bytes name a key that the client knows."""
    if body[:1] < _ESCAPE:
        content, references = templates.read(body)
        return HandshakeMessage(_HELLO, content, message_seq), references
    reader = Reader(body)
    messages, references = clear.read(reader, message_seq)
    reader.done()
    if len(messages) != 1 or messages[0].type != _HELLO:
        raise DecodeError("not a ClientHello")
    (message,) = messages
    if references and not takes_raw_keys(message):
        raise DecodeError("references to keys in a hello that takes none")
    if _write_hello(message, references) != body:
        raise DecodeError("not the one encoding of a ClientHello")
    return message, references


def _write_begun(
    said: Said,
    context: FlightContext,
    messages: Sequence[HandshakeMessage],
    references: int,
    known: Known,
    contents: Contents,
) -> bytes:
    """What a flight after the first has in the clear."""
    if context.from_client or not messages:
        usual = said.is_1_3 or is_finished12(contents)
        return _write_later(said, context, messages, known, usual=usual)
    return _write_answer(said, messages, references, known)


def _write_answer(
    said: Said, messages: Sequence[HandshakeMessage], references: int, known: Known
) -> bytes:
    """The messages in the clear of the server's first flight, and of a HelloRetryRequest."""
    if messages[0].type == _ANSWER and server_hello.is_1_3(messages[0].body):
        # What a server of 1.3 knows of keys it says under the seal.
        short = server_hello.write(messages[0].body, said.parts) if len(messages) == 1 else None
        return clear.write(messages) if short is None else short
    pairs = [(each.type, each.body) for each in messages]
    older = ServerFlight(said.parts, known).write(pairs, references)
    return clear.write(messages, references) if older is None else older


def _write_later(
    said: Said,
    context: FlightContext,
    messages: Sequence[HandshakeMessage],
    known: Known,
    *,
    usual: bool,
) -> bytes:
    """The messages in the clear of a later flight; ``usual`` tells that its sealed part is short.

    There are none in 1.3, nor in a usual last flight of the server.
    """
    if said.is_1_3:
        if messages:
            raise ConfigurationError("messages in the clear after the hellos of 1.3")
        return b""
    if not context.from_client:
        return b"" if usual and not messages else clear.write(messages)
    older = Older.of(said, from_client=True)
    flight = ClientFlight(known, older.psk, older.finished_size)
    short = flight.write([(each.type, each.body) for each in messages]) if usual else None
    return clear.write(messages) if short is None else short


def _read_begun(
    said: Said, context: FlightContext, reader: Reader, body: bytes, known: Known
) -> tuple[list[HandshakeMessage], int]:
    """The messages in the clear of a flight after the first; ``reader`` is then where they end."""
    if said.answer is None:
        return _read_answer(said, context, reader, body, known)
    if said.is_1_3:
        return [], 0
    older = Older.of(said, from_client=context.from_client)
    if not context.from_client and len(body) == older.finished_size:
        return [], 0
    if body[:1] < _ESCAPE:
        if not context.from_client:
            raise DecodeError("no last flight of a server begins like this")
        flight = ClientFlight(known, older.psk, older.finished_size)
        return _numbered(flight.read(reader), context), 0
    messages, references = clear.read(reader, context.next_message_seq)
    usual = reader.remaining == older.finished_size
    begun = body[: len(body) - reader.remaining]
    if references or _write_later(said, context, messages, known, usual=usual) != begun:
        raise DecodeError("not the one encoding of a flight")
    return messages, 0


def _read_answer(
    said: Said, context: FlightContext, reader: Reader, body: bytes, known: Known
) -> tuple[list[HandshakeMessage], int]:
    """The messages in the clear of the server's first flight, or a HelloRetryRequest."""
    if not body:
        raise DecodeError("an empty body")
    if body[0] < cbor.ARRAY:
        if body[0] >> 1 < server_hello.HEADS_OF_1_3:
            return _numbered([(_ANSWER, server_hello.read(reader, said.parts))], context), 0
        found, references = ServerFlight(said.parts, known).read(reader)
        return _numbered(found, context), references
    messages, references = clear.read(reader, context.next_message_seq)
    begun = body[: len(body) - reader.remaining]
    if references and all(each.type != _REQUEST for each in messages):
        raise DecodeError("references to keys in a flight that asks for none")
    if not messages or _write_answer(said, messages, references, known) != begun:
        raise DecodeError("not the one encoding of a server's flight")
    return messages, references


def _numbered(found: Sequence[tuple[int, bytes]], context: FlightContext) -> list[HandshakeMessage]:
    first = context.next_message_seq
    return [HandshakeMessage(kind, body, first + n) for n, (kind, body) in enumerate(found)]
