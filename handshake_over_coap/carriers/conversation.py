"""A handshake and its keys, as both ends of any carrier hold them.

``tls/`` says what is said, ``records/`` seals it; a conversation joins the two: plaintext messages
and sealed records of a flight go in, those of the answer come out.  It is a value like the states
inside it: a flight that does not authenticate leaves the conversation that was there untouched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from handshake_over_coap.carriers.carried import OnCompleted
from handshake_over_coap.encodings.items import BodyItem
from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.records.errors import RecordDropped
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.records.sealer import Sealer
from handshake_over_coap.tls.alerts import (
    Alert,
    AlertError,
    BadRecordMac,
    UnexpectedMessage,
    alert_error,
)
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.dtls12 import start_client, start_server
from handshake_over_coap.tls.flight import (
    ChangeCipherSpec,
    Flight,
    HandshakeMessage,
    split_messages,
)
from handshake_over_coap.tls.handshake import Connected, EpochKeys, State


@dataclass(frozen=True, slots=True)
class Established:
    """A completed handshake: what it agreed on, and the ends of the record layer.

    The sealer's and the opener's numbers go on after those that the handshake used.  ``early`` are
    content type and plaintext of records that were opened before the peer's Finished was.
    """

    connected: Connected
    sealer: Sealer
    opener: Opener
    early: tuple[tuple[int, bytes], ...] = ()


OnEstablished: TypeAlias = OnCompleted[Established]
"""What a server calls when a handshake of ours has completed."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One side of a handshake between two flights.

    ``next_message_seq`` is the number that the peer's next message has.  ``sealer`` and ``keys``
    are there once keys are agreed; ``opener`` only once the handshake is complete, since an opener
    remembers what it has opened, and a flight that fails must not count as seen.
    """

    state: State
    next_message_seq: int
    sealer: Sealer | None = None
    keys: EpochKeys | None = None
    opener: Opener | None = None

    @property
    def established(self) -> Established | None:
        """The result, once the handshake is complete."""
        if isinstance(self.state, Connected) and self.sealer and self.opener:
            return Established(self.state, self.sealer, self.opener)
        return None

    def receive(self, items: Iterable[BodyItem]) -> tuple[Conversation, tuple[BodyItem, ...]]:
        """Take the peer's flight; gives the conversation after it and our next flight, sealed.

        Raises the AlertError to send where the flight is wrong, BadRecordMac included.
        """
        turn = _Turn(self)
        for item in items:
            if turn.over:
                raise UnexpectedMessage("the flight goes on after its last message")
            if isinstance(item, SealedRecord):
                turn.sealed(item)
            elif isinstance(item, HandshakeMessage):
                turn.message(item)
            else:
                turn.step(item)
        return turn.finish()

    def sealed_alert(self, error: AlertError) -> bytes | None:
        """``error`` as a datagram under the keys agreed on; None before there are any."""
        if self.sealer is None:
            return None
        return self.sealer.seal_datagram(ContentType.alert, error.alert.encode())


class _Turn:
    """The work on one flight; thrown away if it raises."""

    def __init__(self, before: Conversation) -> None:
        self._before = before
        self._state = before.state
        self._next_seq = before.next_message_seq
        self._sealer = before.sealer
        self._keys = before.keys
        self._opener = before.opener
        if self._opener is None and before.keys is not None:
            self._opener = Opener(before.keys.read)
        self._answer: list[BodyItem] = []

    @property
    def over(self) -> bool:
        """Whether the peer's flight has done all that it can: drawn an answer, or the end."""
        return self._state is not self._before.state and bool(self._answer or self._complete)

    @property
    def _complete(self) -> bool:
        return isinstance(self._state, Connected)

    def sealed(self, record: SealedRecord) -> None:
        if self._opener is None:
            raise UnexpectedMessage("a sealed record before there are keys")
        try:
            plaintext = self._opener.open_in_body(record)
        except RecordDropped as dropped:
            raise BadRecordMac(str(dropped)) from None
        if record.content_type == ContentType.alert:
            alert = Alert.decode(plaintext)
            raise alert_error(
                alert.description, received=True, level=alert.level, authenticated=True
            )
        if record.content_type != ContentType.handshake:
            raise UnexpectedMessage(f"a record of type {record.content_type} in a flight")
        for message in split_messages(plaintext, record.epoch):
            self._message(message)

    def message(self, message: HandshakeMessage) -> None:
        if message.epoch != 0:
            raise UnexpectedMessage(f"a message of epoch {message.epoch} in the clear")
        self._message(message)

    def _message(self, message: HandshakeMessage) -> None:
        # A renegotiation would count from 0 again (RFC 6347 4.2.2); the last state refuses it.
        if message.message_seq != self._next_seq and not self._complete:
            raise UnexpectedMessage(
                f"message_seq {message.message_seq} where {self._next_seq} belongs"
            )
        self._next_seq += 1
        self.step(message)

    def step(self, item: HandshakeMessage | ChangeCipherSpec) -> None:
        step = self._state.handle(item)
        self._state = step.state
        if step.keys is not None:
            self._switch(step.keys)
        self._answer += seal_flight(step.flight, self._sealer)

    def _switch(self, keys: EpochKeys) -> None:
        self._keys = keys
        self._sealer, self._opener = Sealer(keys.write), Opener(keys.read)

    def finish(self) -> tuple[Conversation, tuple[BodyItem, ...]]:
        if not self._answer and not self._complete:
            raise UnexpectedMessage("the flight ends too early")
        opener = self._opener if self._complete else None
        after = Conversation(self._state, self._next_seq, self._sealer, self._keys, opener)
        return after, tuple(self._answer)


def seal_flight(flight: Flight, sealer: Sealer | None) -> list[BodyItem]:
    """A flight with its messages of epoch 1 and above as sealed records."""
    sealed: list[BodyItem] = []
    for item in flight:
        if isinstance(item, HandshakeMessage) and item.epoch > 0:
            if sealer is None:
                raise UnexpectedMessage("a flight that is sealed before there are keys")
            sealed.append(sealer.seal(ContentType.handshake, item.dtls_bytes()))
        else:
            sealed.append(item)
    return sealed


def begin_client(config: ClientConfig) -> tuple[Conversation, tuple[BodyItem, ...]]:
    """A client's conversation and its flight 1."""
    step = start_client(config)
    return Conversation(step.state, 0), tuple(seal_flight(step.flight, None))


def begin_server(config: ServerConfig) -> Conversation:
    """A server's conversation, before any client has spoken."""
    return Conversation(start_server(config), 0)
