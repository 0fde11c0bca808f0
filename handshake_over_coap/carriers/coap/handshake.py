"""One handshake as a server sees it: its conversation, and what its flights were answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeGuard

from handshake_over_coap.carriers.carried import CarriedConversation, CarriedFlight, Turn
from handshake_over_coap.encodings import DEFAULT, Encoding, FlightItem
from handshake_over_coap.tls.alerts import AlertError, InternalError
from handshake_over_coap.tls.codepoints import HandshakeType
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.transfers.base import Answer


@dataclass(slots=True)
class Handshake:
    """One handshake as the server sees it, half-open or complete.

    ``answers`` maps the digest of a body to what it got, so that a repeated flight gets the same
    bytes, ``opened_by`` being that of flight 1; ``body_bytes`` are the sizes of the flights so far,
    ``flights`` what is in them, where anybody wants to know.  A handshake that is ``over`` was
    replaced or given up, or its session has ended: it takes nothing more, and is kept to repeat its
    answers for as long as an Echo value that opened it may be valid.

    After a HelloRetryRequest anybody who saw the first hello can make a second one, and the client
    only with its last flight shows which was its own.  So ``retried`` is the conversation as it
    was before them, and ``rivals`` those that answered others, one for each failure at most.

    ``encoding`` is that of flight 1, which later flights have where they do not say another one.

    ``heard`` is the newest acceptable flight and what has come of it, until the handshake goes on.
    """

    name: str
    conversation: CarriedConversation[Any]
    encoding: Encoding = DEFAULT
    retried: CarriedConversation[Any] | None = None
    rivals: list[CarriedConversation[Any]] = field(default_factory=list)
    opened_by: bytes = b""
    answers: dict[bytes, Answer] = field(default_factory=dict)
    body_bytes: list[int] = field(default_factory=list)
    flights: list[CarriedFlight] = field(default_factory=list)
    failures: int = 0
    complete: bool = False
    over: bool = False
    heard: tuple[bytes, Turn[Any]] | None = None

    def continues(self, hello: HandshakeMessage) -> bool:
        """Whether this is the hello that a HelloRetryRequest has asked for."""
        return (self.retried or self.conversation).continues(hello)

    def hear(self, encoding: Encoding, body: bytes) -> Turn[Any]:
        """A later flight, the conversation after it, and its answer.

        The conversations stay as they were; raises the AlertError of the latest one, unless the
        flight is an alert that authenticates.  An acceptable flight is heard once, as each answer
        takes record numbers: asking again gives the same turn.
        """
        if self.heard is not None and self.heard[0] == body:
            return self.heard[1]
        refused: AlertError | None = None
        for before in (self.conversation, *reversed(self.rivals), self.retried):
            if before is None:
                continue
            try:
                turn: Turn[Any] = before.hear(body, encoding)
            except AlertError as error:
                if refused is None or error.authenticated:
                    refused = error
            else:
                self.heard = body, turn
                return turn
        raise refused or InternalError("a handshake without a conversation")

    def go_on(self, turn: Turn[Any], *, final: bool = False) -> None:
        """A later flight was acceptable, the last one or not: the conversation goes on after it."""
        first, after, self.heard = turn.heard[0], turn.after, None
        if is_hello(first) and self.continues(first):
            if self.retried is None:
                self.retried = self.conversation
            else:
                self.rivals.append(self.conversation)
                self.failures += 1
        elif final:
            self._forget_hellos()
        self.conversation = after

    def end(self) -> None:
        """Nothing more is taken; only the answers stay."""
        self.over, self.heard = True, None
        self._forget_hellos()

    def _forget_hellos(self) -> None:
        self.retried, self.rivals = None, []


def is_hello(item: FlightItem) -> TypeGuard[HandshakeMessage]:
    """Whether this is a ClientHello."""
    return isinstance(item, HandshakeMessage) and item.type == HandshakeType.client_hello


def is_hello_verify_request(item: FlightItem) -> bool:
    """Whether this is the cookie exchange of DTLS, which has no place in a body."""
    verify = HandshakeType.hello_verify_request
    return isinstance(item, HandshakeMessage) and item.type == verify
