"""A handshake and its keys, as both ends of any carrier hold them.

``tls/`` says what is said, ``records/`` has the keys that seal it, an encoding makes bodies of it;
a conversation joins the three: the body of a flight goes in, that of the answer comes out.  It is
a value like the states inside it: a flight that does not authenticate leaves the conversation that
was there untouched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from handshake_over_coap.carriers.carried import Turn
from handshake_over_coap.carriers.established import (
    AnyEstablished,
    Established,
    Established13,
    OnEstablished,
)
from handshake_over_coap.carriers.hearing import (
    HELLO_RANDOM,
    Around,
    Before,
    Hearing,
)
from handshake_over_coap.carriers.post_handshake import MOST_TICKETS
from handshake_over_coap.carriers.protection import (
    APPLICATION_EPOCH,
    Protection12,
    Protection13,
)
from handshake_over_coap.encodings.base import Encoding, FlightContext
from handshake_over_coap.encodings.items import BodyItem, FlightItem, StandardRecord, Unsealed
from handshake_over_coap.records.opener13 import Opened
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.credentials import Trust
from handshake_over_coap.tls.dtls13.connected import Connected13
from handshake_over_coap.tls.dtls13.server import ExpectSecondClientHello
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.handshake import Connected, Step
from handshake_over_coap.tls.negotiation import start_client, start_server

__all__ = [
    "Conversation",
    "Established",
    "Established13",
    "OnEstablished",
    "begin_client",
    "begin_server",
    "open_client",
]


class Conversation(Before):
    """One side of a handshake between two flights, of either version."""

    __slots__ = ()

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
        return hello.body[HELLO_RANDOM] == self.hello_random

    def provisional(self) -> AnyEstablished | None:
        """What a client may already work with that has said its last flight (DTLS 1.3)."""
        if self.confirmed or not isinstance(self.state, Connected13):
            return None
        if not self.client or self.protection is None:
            return None
        fresh = self._replace(protection=self.protection.reopened(), confirmed=True).established
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
        after = self._replace(protection=fresh, confirmed=True).established
        if not isinstance(after, Established13):
            return None
        # The tickets in the server's answer are lost with it.
        return replace(after, early=early, unseen=MOST_TICKETS)

    def hear(self, body: bytes, encoding: Encoding) -> Turn[AnyEstablished]:
        """Take the peer's flight; gives the conversation after it and our next flight.

        Raises the AlertError to send where the flight is wrong, BadRecordMac included.  A client
        may try as many flights of a server as come, and has to go on from the first that is right:
        the same one once more would be answered with the same keys and numbers.
        """
        hearing = Hearing(self)
        listening = Around(hearing, reading=True, bodies=self.bodies)
        for item in encoding.decode(body, listening):
            hearing.take(item)
        said, bodies, answer = hearing.answer(), (*self.bodies, body), b""
        if said:
            speaking = Around(hearing, reading=False, bodies=bodies)
            speaking.references = listening.references
            answer = encoding.encode(tuple(said), speaking)
            bodies += (answer,)
        after = self._after(hearing, bodies)
        return Turn(
            after,
            answer,
            tuple(hearing.heard),
            tuple(hearing.said),
            peer_pinned=bool(self.pins),
            own_pinned=listening.references > 0,
        )

    def receive(self, items: Iterable[BodyItem]) -> tuple[Conversation, tuple[BodyItem, ...]]:
        """The same for a flight in its classic form: messages, and standard records."""
        hearing = Hearing(self)
        listening = Around(hearing, reading=True, bodies=self.bodies)
        for item in items:
            hearing.take(listening.open(item) if isinstance(item, StandardRecord) else item)
        said = tuple(hearing.answer())
        speaking = Around(hearing, reading=False, bodies=self.bodies)
        answer = classic_form(said, speaking)
        return self._after(hearing, self.bodies), answer

    def _after(self, hearing: Hearing, bodies: tuple[bytes, ...]) -> Conversation:
        confirmed = hearing.confirmed
        if confirmed and isinstance(hearing.protection, Protection13):
            hearing.protection.forget_handshake()
        return Conversation(
            client=self.client,
            state=hearing.state,
            next_message_seq=hearing.next_message_seq,
            hello_random=hearing.hello_random,
            protection=hearing.protection,
            confirmed=confirmed,
            tickets=hearing.first_tickets(),
            messages=() if confirmed else (*hearing.messages, *hearing.own_messages),
            bodies=() if confirmed else bodies,
            pins=self.pins,
        )

    def sealed_alert(self, error: AlertError) -> bytes | None:
        """``error`` as a datagram under the keys agreed on; None before there are any."""
        if self.protection is None:
            return None
        return self.protection.seal_alert(error.alert.encode())


def classic_form(flight: Sequence[FlightItem], context: FlightContext) -> tuple[BodyItem, ...]:
    """A flight as messages and standard records, sealed as such now."""
    last = len(flight) - 1
    return tuple(
        context.seal(item, last=place == last) if isinstance(item, Unsealed) else item
        for place, item in enumerate(flight)
    )


def begin_client(config: ClientConfig) -> tuple[Conversation, tuple[BodyItem, ...]]:
    """A client's conversation and its flight 1."""
    step = start_client(config)
    return _opened(config, step), step.flight


def open_client(config: ClientConfig, encoding: Encoding) -> Turn[AnyEstablished]:
    """The same with flight 1 as a body."""
    step = start_client(config)
    nothing_said = Hearing(Before(True, step.state, pins=_pins(config.trust)))
    body = encoding.encode(step.flight, Around(nothing_said, reading=False, bodies=()))
    after = _opened(config, step, body)
    return Turn(after, body, (), step.flight)


def _opened(config: ClientConfig, step: Step, *bodies: bytes) -> Conversation:
    said = tuple(item for item in step.flight if isinstance(item, HandshakeMessage))
    return Conversation(True, step.state, messages=said, bodies=bodies, pins=_pins(config.trust))


def begin_server(config: ServerConfig) -> Conversation:
    """A server's conversation, before any client has spoken."""
    return Conversation(False, start_server(config), pins=_pins(config.trust))


def _pins(trust: Trust | None) -> frozenset[bytes]:
    """The raw public keys of peers that are accepted; none where any is."""
    return frozenset() if trust is None or trust.insecure else trust.raw_public_keys
