"""A handshake and its keys, as both ends of any carrier hold them.

``tls/`` says what is said, ``records/`` seals it; a conversation joins the two: plaintext messages
and sealed records of a flight go in, those of the answer come out.  It is a value like the states
inside it: a flight that does not authenticate leaves the conversation that was there untouched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from handshake_over_coap.carriers.established import (
    AnyEstablished,
    Established,
    Established13,
    OnEstablished,
)
from handshake_over_coap.carriers.post_handshake import MOST_TICKETS
from handshake_over_coap.carriers.protection import (
    APPLICATION_EPOCH,
    Protection,
    Protection12,
    Protection13,
    protection_of,
)
from handshake_over_coap.encodings.items import BodyItem
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.records.dtls13 import CiphertextRecord, RecordNumber
from handshake_over_coap.records.errors import RecordDropped
from handshake_over_coap.records.opener13 import Opened
from handshake_over_coap.tls.alerts import (
    Alert,
    AlertError,
    BadRecordMac,
    IllegalParameter,
    UnexpectedMessage,
)
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.dtls13.connected import Connected13
from handshake_over_coap.tls.dtls13.server import ExpectSecondClientHello
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage, split_messages
from handshake_over_coap.tls.handshake import Connected, State
from handshake_over_coap.tls.negotiation import start_client, start_server
from handshake_over_coap.tls.tickets import Ticket

__all__ = [
    "Conversation",
    "Established",
    "Established13",
    "OnEstablished",
    "begin_client",
    "begin_server",
]

_RANDOM = slice(2, 34)
"""Where a ClientHello has its random."""

_IN_LAST_ANSWER = frozenset({HandshakeType.new_session_ticket})
"""What may follow a handshake in its last answer; all else is for the session."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One side of a handshake between two flights, of either version.

    ``client`` tells which side.  ``next_message_seq`` is the number that the peer's next message
    has.  ``hello_random`` is the random of the client that a server talks to.  ``protection`` is
    there once keys are agreed.  ``confirmed`` tells that the peer is known to have completed too:
    from Finished in 1.2; in 1.3 a client learns it from the first record of epoch 3, which a
    server sends only after it has verified the client's Finished.
    """

    client: bool
    state: State
    next_message_seq: int = 0
    hello_random: bytes = b""
    protection: Protection | None = None
    confirmed: bool = False
    tickets: tuple[Ticket, ...] = ()

    @property
    def established(self) -> AnyEstablished | None:
        """The result, once the handshake is complete."""
        if not self.confirmed:
            return None
        state, protection = self.state, self.protection
        if isinstance(state, Connected) and isinstance(protection, Protection12):
            return Established(state, protection.sealer, protection.opener)
        if isinstance(state, Connected13) and isinstance(protection, Protection13):
            protection.writer.change_cid(protection.keys[-1].peer_cid)
            return Established13(
                state,
                protection.writer,
                protection.opener,
                self.next_message_seq,
                tickets=self.tickets,
            )
        return None

    def continues(self, hello: HandshakeMessage) -> bool:
        """Whether a ClientHello goes on with this conversation, after a HelloRetryRequest."""
        if not isinstance(self.state, ExpectSecondClientHello):
            return False
        return hello.body[_RANDOM] == self.hello_random

    def provisional(self) -> AnyEstablished | None:
        """What a client may already work with that has said its last flight (DTLS 1.3)."""
        if self.confirmed or not isinstance(self.state, Connected13):
            return None
        if not self.client or self.protection is None:
            return None
        fresh = replace(self, protection=self.protection.reopened(), confirmed=True).established
        if not isinstance(fresh, Established13):
            return None
        # Tickets in the server's answer may be overtaken.
        return replace(fresh, provisional=True, unseen=MOST_TICKETS)

    def confirm(self, datagram: bytes) -> AnyEstablished | None:
        """The result, if a datagram of records shows that the peer has completed; None if not.

        That is any record of epoch 3 that comes before the server's answer to the last flight.  All
        that the datagram holds goes to the session.
        """
        protection = self.protection
        if not isinstance(self.state, Connected13) or not isinstance(protection, Protection13):
            return None
        fresh = protection.reopened()
        early = tuple(
            each
            for each in fresh.opener.open_all(datagram)
            if isinstance(each, Opened) and each.epoch >= APPLICATION_EPOCH
        )
        if not early:
            return None
        fresh.forget_handshake()
        after = replace(self, protection=fresh, confirmed=True).established
        if not isinstance(after, Established13):
            return None
        # The tickets in the server's answer are lost with it.
        return replace(after, early=early, unseen=MOST_TICKETS)

    def receive(self, items: Iterable[BodyItem]) -> tuple[Conversation, tuple[BodyItem, ...]]:
        """Take the peer's flight; gives the conversation after it and our next flight, sealed.

        Raises the AlertError to send where the flight is wrong, BadRecordMac included.  A client
        may try as many flights of a server as come, and has to go on from the first that is right:
        the same one once more would be answered with the same keys and numbers.
        """
        turn = _Turn(self)
        for item in items:
            turn.take(item)
        return turn.finish()

    def sealed_alert(self, error: AlertError) -> bytes | None:
        """``error`` as a datagram under the keys agreed on; None before there are any."""
        if self.protection is None:
            return None
        return self.protection.seal_alert(error.alert.encode())


class _Turn:
    """The work on one flight; thrown away if it raises."""

    def __init__(self, before: Conversation) -> None:
        self._before = before
        self._client = before.client
        self._state = before.state
        self._next_seq = before.next_message_seq
        self._random = before.hello_random
        self._protection = before.protection
        # Once complete, the opener is the session's too: what it has opened stays opened.
        if self._protection is not None and not before.confirmed:
            self._protection = self._protection.reopened()
        self._flight: list[HandshakeMessage | ChangeCipherSpec] = []
        self._opened: list[RecordNumber] = []
        self._tickets: list[Ticket] = []
        self._confirmed = False

    def take(self, item: BodyItem) -> None:
        """The next item of the flight."""
        if self._over:
            raise UnexpectedMessage("the flight goes on after its last message")
        if isinstance(item, SealedRecord | CiphertextRecord):
            self._sealed(item)
        elif isinstance(item, HandshakeMessage):
            if item.epoch != 0:
                raise UnexpectedMessage(f"a message of epoch {item.epoch} in the clear")
            self._message(item)
        else:
            self._step(item)

    @property
    def _over(self) -> bool:
        """Whether the peer's flight has done all that it can: drawn an answer, or the end."""
        return self._state is not self._before.state and bool(self._flight or self._complete)

    @property
    def _complete(self) -> bool:
        return isinstance(self._state, Connected | Connected13)

    def _sealed(self, record: SealedRecord | CiphertextRecord) -> None:
        if self._protection is None:
            raise UnexpectedMessage("a sealed record before there are keys")
        try:
            opened = self._protection.open(record)
        except RecordDropped as dropped:
            raise BadRecordMac(str(dropped)) from None
        if opened.content_type == ContentType.alert:
            raise Alert.decode(opened.plaintext).sealed_error()
        # Only a server that has verified our Finished seals in epoch 3.
        self._confirmed |= self._complete and opened.epoch >= APPLICATION_EPOCH
        if opened.content_type == ContentType.ack:
            _check_ack(opened)
            return
        if opened.content_type != ContentType.handshake:
            raise UnexpectedMessage(f"a record of type {opened.content_type} in a flight")
        self._opened.append(opened.number)
        for message in split_messages(opened.plaintext, opened.epoch):
            self._message(message)

    def _message(self, message: HandshakeMessage) -> None:
        # A renegotiation would count from 0 again (RFC 6347 4.2.2); the last state refuses it.
        if message.message_seq != self._next_seq and not isinstance(self._state, Connected):
            raise UnexpectedMessage(
                f"message_seq {message.message_seq} where {self._next_seq} belongs"
            )
        if isinstance(self._state, Connected13) and message.type not in _IN_LAST_ANSWER:
            raise UnexpectedMessage(f"a message of type {message.type} after the handshake")
        self._next_seq += 1
        if message.type == HandshakeType.client_hello:
            self._random = message.body[_RANDOM]
        self._step(message)

    def _step(self, item: HandshakeMessage | ChangeCipherSpec) -> None:
        step = self._state.handle(item)
        self._state = step.state
        for keys in step.keys:
            known = self._protection
            self._protection = protection_of(keys) if known is None else known.with_keys(keys)
        self._flight += step.flight
        self._tickets += step.tickets

    def finish(self) -> tuple[Conversation, tuple[BodyItem, ...]]:
        """The conversation after the flight, and the answer."""
        if not self._flight and not self._complete:
            raise UnexpectedMessage("the flight ends too early")
        answer = self._answer()
        waiting = self._client and isinstance(self._state, Connected13) and not self._confirmed
        confirmed = self._complete and not waiting
        if confirmed and isinstance(self._protection, Protection13):
            self._protection.forget_handshake()
        after = Conversation(
            client=self._client,
            state=self._state,
            next_message_seq=self._next_seq,
            hello_random=self._random,
            protection=self._protection,
            confirmed=confirmed,
            tickets=tuple(self._tickets[:MOST_TICKETS]),
        )
        return after, tuple(answer)

    def _answer(self) -> list[BodyItem]:
        clear: list[BodyItem] = []
        sealed: list[HandshakeMessage] = []
        for item in self._flight:
            if isinstance(item, HandshakeMessage) and item.epoch > 0:
                sealed.append(item)
            else:
                clear.append(item)
        finished = not self._client and isinstance(self._state, Connected13)
        acknowledged = self._opened if finished else []
        if not sealed and not acknowledged:
            return clear
        if self._protection is None:
            raise UnexpectedMessage("a flight that is sealed before there are keys")
        if finished:
            sealed = self._tickets_that_fit(sealed)
        return clear + self._protection.seal(sealed, acknowledged)

    def _tickets_that_fit(self, tickets: list[HandshakeMessage]) -> list[HandshakeMessage]:
        """Those that the peer takes in one record; the numbers of the others are free again."""
        state, protection = self._state, self._protection
        if not isinstance(state, Connected13) or not isinstance(protection, Protection13):
            return tickets
        room = protection.writer.longest(APPLICATION_EPOCH)
        for count, ticket in enumerate(tickets):
            room -= len(ticket.dtls_bytes())
            if room < 0:
                ongoing = replace(state.ongoing, next_seq=ticket.message_seq)
                self._state = replace(state, ongoing=ongoing)
                return tickets[:count]
        return tickets


def _check_ack(opened: Opened) -> None:
    """Raise for an ACK that no peer sends; which of our records it names is of no use here."""
    numbers = Ack.decode(opened.plaintext).record_numbers
    if any(number.epoch > opened.epoch for number in numbers):
        raise IllegalParameter("an ACK of a later epoch than its own")


def begin_client(config: ClientConfig) -> tuple[Conversation, tuple[BodyItem, ...]]:
    """A client's conversation and its flight 1."""
    step = start_client(config)
    return Conversation(True, step.state), step.flight


def begin_server(config: ServerConfig) -> Conversation:
    """A server's conversation, before any client has spoken."""
    return Conversation(False, start_server(config))
