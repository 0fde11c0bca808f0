"""The work on one flight of a conversation: the peer's goes in, ours comes out.

Thrown away if it raises: nothing of the conversation has changed then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from hashlib import sha256
from typing import Final, NamedTuple

from handshake_over_coap.carriers.post_handshake import MOST_TICKETS
from handshake_over_coap.carriers.protection import (
    APPLICATION_EPOCH,
    EpochView,
    Protection,
    Protection13,
    protection_of,
)
from handshake_over_coap.encodings.items import FlightItem, StandardRecord, Unsealed
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.records.errors import RecordDropped
from handshake_over_coap.tls.alerts import (
    Alert,
    BadRecordMac,
    IllegalParameter,
    UnexpectedMessage,
)
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.dtls13.connected import Connected13
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage, split_messages
from handshake_over_coap.tls.handshake import Connected, State
from handshake_over_coap.tls.tickets import Ticket

HELLO_RANDOM: Final = slice(2, 34)
"""Where a ClientHello has its random."""

NOTHING_SAID: Final = bytes(32)
"""The digest over the bodies of a conversation before the first of them."""

_IN_LAST_ANSWER = frozenset({HandshakeType.new_session_ticket})
"""What may follow a handshake in its last answer; all else is for the session."""


def digest_with(digest: bytes, body: bytes) -> bytes:
    """The digest over all bodies so far, with one more; 32 bytes."""
    return sha256(digest + body).digest()


class Before(NamedTuple):
    """What is known of one side of a handshake between two flights, of either version.

    ``client`` tells which side.  ``next_message_seq`` is the number that the peer's next message
    has.  ``hello_random`` is the random of the client that a server talks to.  ``protection`` is
    there once keys are agreed.  ``confirmed`` tells that the peer is known to have completed too:
    from Finished in 1.2; in 1.3 a client learns it from the first record of epoch 3, which a
    server sends only after it has verified the client's Finished.

    For encodings: ``messages`` are those of both sides so far, until the handshake is complete;
    ``bodies`` are those of both sides as well; ``pins`` are the raw public keys of peers that are
    accepted, empty where any is.
    """

    client: bool
    state: State
    next_message_seq: int = 0
    hello_random: bytes = b""
    protection: Protection | None = None
    confirmed: bool = False
    tickets: tuple[Ticket, ...] = ()
    messages: tuple[HandshakeMessage, ...] = ()
    bodies: tuple[bytes, ...] = ()
    pins: frozenset[bytes] = frozenset()


class Hearing:
    """One flight of the peer as it is taken, and what it leads to.

    ``heard`` and ``said`` are the items of both flights; the other attributes are those of the
    conversation after them.
    """

    def __init__(self, before: Before) -> None:
        self.before = before
        self.state = before.state
        self.next_message_seq = before.next_message_seq
        self.hello_random = before.hello_random
        self.protection = before.protection
        # Once complete, the opener is the session's too: what it has opened stays opened.
        if self.protection is not None and not before.confirmed:
            self.protection = self.protection.reopened()
        self.messages = list(before.messages)
        self.heard: list[FlightItem] = []
        self.said: list[FlightItem] = []
        self.tickets: list[Ticket] = []
        self._flight: list[HandshakeMessage | ChangeCipherSpec] = []
        self._opened: list[RecordNumber] = []
        self._confirmed = False

    @property
    def own_messages(self) -> tuple[HandshakeMessage, ...]:
        """The handshake messages of our answer, whatever seals them."""
        return tuple(item for item in self._flight if isinstance(item, HandshakeMessage))

    @property
    def complete(self) -> bool:
        """Whether this side has verified the peer's Finished."""
        return isinstance(self.state, Connected | Connected13)

    @property
    def confirmed(self) -> bool:
        """Whether the peer is known to be complete as well."""
        waiting = self.before.client and isinstance(self.state, Connected13)
        return self.complete and (self._confirmed or not waiting)

    def check_goes_on(self) -> None:
        """Raise UnexpectedMessage where the peer's flight has done all that it can.

        It has drawn an answer, or the end.
        """
        changed = self.state is not self.before.state
        if changed and bool(self._flight or self.complete):
            raise UnexpectedMessage("the flight goes on after its last message")

    def take(self, item: FlightItem) -> None:
        """The next item of the flight."""
        self.check_goes_on()
        if isinstance(item, Unsealed):
            self._take_sealed(item)
        elif isinstance(item, HandshakeMessage):
            if item.epoch != 0:
                raise UnexpectedMessage(f"a message of epoch {item.epoch} in the clear")
            self._message(item)
        elif isinstance(item, ChangeCipherSpec):
            self._step(item)
        else:
            raise UnexpectedMessage("a sealed record that was not opened")
        self.heard.append(item)

    def _take_sealed(self, record: Unsealed) -> None:
        if record.content_type == ContentType.alert:
            raise Alert.decode(record.plaintext).sealed_error()
        # Only a server that has verified our Finished seals in epoch 3.
        self._confirmed |= self.complete and record.epoch >= APPLICATION_EPOCH
        if record.content_type == ContentType.ack:
            _check_ack(record)
            return
        if record.content_type != ContentType.handshake:
            raise UnexpectedMessage(f"a record of type {record.content_type} in a flight")
        self._opened.append(RecordNumber(record.epoch, record.number))
        for message in split_messages(record.plaintext, record.epoch):
            self._message(message)

    def _message(self, message: HandshakeMessage) -> None:
        # A renegotiation would count from 0 again (RFC 6347 4.2.2); the last state refuses it.
        if message.message_seq != self.next_message_seq and not isinstance(self.state, Connected):
            raise UnexpectedMessage(
                f"message_seq {message.message_seq} where {self.next_message_seq} belongs"
            )
        if isinstance(self.state, Connected13) and message.type not in _IN_LAST_ANSWER:
            raise UnexpectedMessage(f"a message of type {message.type} after the handshake")
        self.next_message_seq += 1
        if message.type == HandshakeType.client_hello:
            self.hello_random = message.body[HELLO_RANDOM]
        self._step(message)
        self.messages.append(message)

    def _step(self, item: HandshakeMessage | ChangeCipherSpec) -> None:
        step = self.state.handle(item)
        self.state = step.state
        for keys in step.keys:
            known = self.protection
            self.protection = protection_of(keys) if known is None else known.with_keys(keys)
        self._flight += step.flight
        self.tickets += step.tickets

    def answer(self) -> Sequence[FlightItem]:
        """Our flight, nothing of it sealed yet; raises UnexpectedMessage where the peer's is short.

        To be asked once.
        """
        if not self._flight and not self.complete:
            raise UnexpectedMessage("the flight ends too early")
        sealed: list[HandshakeMessage] = []
        for item in self._flight:
            if isinstance(item, HandshakeMessage) and item.epoch > 0:
                sealed.append(item)
            else:
                self.said.append(item)
        finished = not self.before.client and isinstance(self.state, Connected13)
        acknowledged = self._opened if finished else []
        if sealed or acknowledged:
            if self.protection is None:
                raise UnexpectedMessage("a flight that is sealed before there are keys")
            if finished:
                sealed = self._tickets_that_fit(sealed)
            self.said += self.protection.plan(sealed, acknowledged)
        return self.said

    def _tickets_that_fit(self, tickets: list[HandshakeMessage]) -> list[HandshakeMessage]:
        """Those that the peer takes in one record; the numbers of the others are free again."""
        state, protection = self.state, self.protection
        if not isinstance(state, Connected13) or not isinstance(protection, Protection13):
            return tickets
        room = protection.writer.longest(APPLICATION_EPOCH)
        for count, ticket in enumerate(tickets):
            room -= len(ticket.dtls_bytes())
            if room < 0:
                ongoing = replace(state.ongoing, next_seq=ticket.message_seq)
                self.state = replace(state, ongoing=ongoing)
                return tickets[:count]
        return tickets

    def first_tickets(self) -> tuple[Ticket, ...]:
        """As many of the tickets as are kept."""
        return tuple(self.tickets[:MOST_TICKETS])


class Around:
    """What an encoding knows around a flight: a :class:`~..encodings.base.FlightContext`.

    With ``reading`` that is the peer's flight while ``hearing`` takes it, otherwise ours, which
    answers it; ``bodies`` are all those before it.
    """

    def __init__(self, hearing: Hearing, *, reading: bool, bodies: tuple[bytes, ...]) -> None:
        self._hearing = hearing
        self._reading = reading
        self._bodies = bodies
        self.references = 0
        self.from_client = hearing.before.client is not reading
        self.pins = hearing.before.pins

    @property
    def digest(self) -> bytes:
        """The digest over all bodies before the flight, for encodings that bind it to them."""
        return reduce(digest_with, self._bodies, NOTHING_SAID)

    @property
    def messages(self) -> Sequence[HandshakeMessage]:
        """The messages of both sides before the flight."""
        before = self._hearing.before.messages
        return before if self._reading else tuple(self._hearing.messages)

    @property
    def next_message_seq(self) -> int:
        """The number of the flight's first message."""
        if self._reading:
            return self._hearing.before.next_message_seq
        own = self._hearing.own_messages
        return own[0].message_seq if own else 0

    def _protection(self) -> Protection:
        protection = self._hearing.protection
        if protection is None:
            raise UnexpectedMessage("a sealed record before there are keys")
        return protection

    def seal(self, record: Unsealed, *, last: bool) -> StandardRecord:
        """The standard record of our flight."""
        return self._protection().seal(record, last=last)

    def sealed(self, record: Unsealed) -> None:
        """The encoding has sealed the next record in its own way."""
        self._protection().sealed(record)

    def open(self, record: StandardRecord) -> Unsealed:
        """What is in a standard record of the peer's flight."""
        self._hearing.check_goes_on()
        try:
            opened = self._protection().open(record)
        except RecordDropped as dropped:
            raise BadRecordMac(str(dropped)) from None
        tag_length = self._protection().view(opened.epoch, reading=True).aead.tag_length
        content_type, plaintext, epoch, number = opened
        return Unsealed(epoch, number, content_type, plaintext, tag_length, lambda: record)

    def opened(
        self, epoch: int, number: int, content_type: int, plaintext: bytes, *, last: bool
    ) -> Unsealed:
        """What the encoding has opened in its own way, as a standard record."""
        self._hearing.check_goes_on()
        try:
            return self._protection().opened(epoch, number, content_type, plaintext, last=last)
        except RecordDropped as dropped:
            raise BadRecordMac(str(dropped)) from None

    def forged(self, epoch: int) -> BadRecordMac:
        """Counts a body that did not authenticate; gives what to raise."""
        self._protection().forged(epoch)
        return BadRecordMac(f"what is sealed of epoch {epoch} in the body does not authenticate")

    def epoch(self, number: int) -> EpochView:
        """The keys of an epoch in the direction of the flight."""
        try:
            return self._protection().view(number, reading=self._reading)
        except RecordDropped as missing:
            raise UnexpectedMessage(str(missing)) from None


def _check_ack(record: Unsealed) -> None:
    """Raise for an ACK that no peer sends; which of our records it names is of no use here."""
    numbers = Ack.decode(record.plaintext).record_numbers
    if any(number.epoch > record.epoch for number in numbers):
        raise IllegalParameter("an ACK of a later epoch than its own")
