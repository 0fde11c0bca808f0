"""The gate in front of the message layer: what strangers get, without anything being kept.

Every request is looked at before the message layer, which would remember it.  Those from an
endpoint that has not proven its address are answered here, statelessly and with at most three
times the bytes that came in (RFC 9175 section 2.4), or dropped.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from typing import Final, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.limits import TooManyHandshakes
from handshake_over_coap.coap.codes import Code, MessageType
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import BLOCK_OPTIONS, Option, OptionValue, uint
from handshake_over_coap.encodings import BY_CONTENT_FORMAT, encoding_named
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT_CONTENT_FORMAT
from handshake_over_coap.tls.config import Rng
from handshake_over_coap.transfers.base import Challenge, Contact, Transfer
from handshake_over_coap.transfers.blocks import mixes_kinds, well_formed
from handshake_over_coap.transfers.wrapping import with_wrapped

from .discovery import DISCOVERY, Links
from .parameters import CoapParameters
from .peers import Peer, PeerTable

AMPLIFICATION = 3
"""Bytes that may go to an unproven address for each byte that came from it."""

ECHO_LENGTH = 8
"""Bytes of a value."""
LONGEST_LIFETIME = 480.0
"""Seconds for which a value is good at most: its time wraps after 512."""

_TICKS = 32
_WRAP = 1 << 14
_ATTEMPTS = (0, 1, 4)
"""How many probes went unanswered, as far as two bits tell: none, one or two, more."""
_UNASKED = 3


_USUAL: Final = frozenset(
    {
        Option.URI_PATH,
        Option.URI_PATH_ABBREV,
        Option.CONTENT_FORMAT,
        Option.Q_BLOCK1,
        Option.BLOCK2,
        Option.BLOCK1,
        Option.Q_BLOCK2,
        Option.ECHO,
        Option.REQUEST_TAG,
    }
)
"""What requests of handshakes have: with these alone most of what can be wrong is not."""


@dataclass(frozen=True, slots=True)
class Stateless:
    """A response that is given without anything being kept.

    ``proven`` says that the request carried a valid Echo, so that any size may go back; ``copies``
    how often it is sent, within the bound for those that are not.
    """

    content: Content
    proven: bool = False
    copies: int = 1

    @property
    def challenges(self) -> bool:
        """Whether it asks for a proof of the address: a fresh one each time it is given."""
        return self.content.get(Option.ECHO) is not None

    @classmethod
    def of(cls, code: int, *options: OptionValue) -> Stateless:
        """A response without payload."""
        return cls(Content(code, options))


class Admitted(NamedTuple):
    """The request may pass, for ``peer``; ``contact`` tells how it came.

    ``transfer`` is the way in which its body crosses; ``begins`` whether it may be the first of it.
    """

    peer: Peer
    contact: Contact
    transfer: Transfer
    begins: bool


class Gate:
    """Decides what a request gets before anything of it is kept."""

    def __init__(
        self,
        parameters: CoapParameters,
        peers: PeerTable,
        rng: Rng,
        counters: Counter[str],
    ) -> None:
        self._parameters = parameters
        self._peers = peers
        self._rng = rng
        self._counters = counters
        self._echo = EchoValues(rng(32), parameters.state_lifetime)
        self._busy = parameters.retry_after
        self._resource = tuple(s.encode() for s in parameters.path_segments)
        own = encoding_named(parameters.encoding).content_format
        numbers = (*BY_CONTENT_FORMAT, *({own} - BY_CONTENT_FORMAT.keys()))
        self._flight_formats = frozenset({None, *numbers})
        self._all_formats = self._flight_formats | {ALERT_CONTENT_FORMAT}
        self._links = Links(parameters, with_wrapped(numbers))

    def admit(
        self, request: Message, address: Address, peer: Peer | None, now: float
    ) -> Stateless | Admitted:
        """The verdict on one request from ``address``, whose ``peer`` is known or not."""
        if self._peers.evicted.full:
            # No replay can pass with a value made by another key, so none has to be remembered.
            self._echo = EchoValues(self._rng(32), self._parameters.state_lifetime)
            self._peers.evicted.clear()
        path, numbers = request.path, {number for number, _ in request.options}
        usual = not request.unrecognised and numbers <= _USUAL
        if not usual and (wrong := self._unusual(request, path)) is not None:
            return wrong
        at_resource = path == self._resource
        if path == DISCOVERY and not at_resource:
            return self._discovery(request, address, now)
        if not at_resource and (wrong := self._no_session(request, path, peer)) is not None:
            return wrong
        transfer = transfer_of(request, self._parameters)
        alert_allowed = not (at_resource and self._parameters.location)
        formats = self._all_formats if alert_allowed else self._flight_formats
        wrong = self._bad_handshake_request(request, transfer, numbers, formats)
        if wrong is not None:
            return wrong
        if not transfer.begins(request):
            return self._continuation(request, transfer, peer)
        if peer is None or at_resource:
            return self._resource_request(request, transfer, address, peer, now)
        return self._pass(peer, Contact(proven=False, limited=peer.unproven), transfer)

    def _unusual(self, request: Message, path: tuple[bytes, ...]) -> Stateless | None:
        """What is wrong with options that requests of handshakes do not have as a rule."""
        if request.get(Option.PROXY_URI) or request.get(Option.PROXY_SCHEME):
            return Stateless.of(Code.PROXYING_NOT_SUPPORTED)
        if request.bad_option:
            return Stateless.of(Code.BAD_OPTION)
        if path != DISCOVERY and request.get(Option.URI_QUERY) is not None:
            # A query names another resource (RFC 7252 section 5.10.1).
            return Stateless.of(Code.NOT_FOUND)
        return None

    def echo_value(self, address: Address, now: float) -> bytes:
        """A fresh Echo value for ``address``."""
        return self._echo.make(address, now)

    def contact(self, request: Message, address: Address, now: float) -> Contact:
        """How a request came: with a valid Echo, or without."""
        value = request.get(Option.ECHO)
        told: Challenge | None = None
        if value is not None and self._parameters.address_check:
            told = self._echo.verify(value, address, now)
        return Contact(told is not None or not self._parameters.address_check, told)

    def _challenge(self, address: Address, now: float, asked: int = 0) -> Stateless:
        """A challenge, or as many as a request has ``asked`` for."""
        copies = max(1, asked)
        self._counters["challenged"] += copies
        value = self._echo.make(address, now, asked - 1 if asked else None)
        return Stateless(Content(Code.UNAUTHORIZED, ((int(Option.ECHO), value),)), copies=copies)

    def _resource_request(
        self,
        request: Message,
        transfer: Transfer,
        address: Address,
        peer: Peer | None,
        now: float,
    ) -> Stateless | Admitted:
        """A request that may begin a handshake."""
        contact, asked = self.contact(request, address, now), transfer.asks(request)
        if contact.proven and not (asked and self._parameters.address_check):
            return self._admit(address, contact, transfer, now)
        if peer is not None and not asked and self._goes_on(peer, transfer, request):
            return self._pass(peer, Contact(proven=False, limited=peer.unproven), transfer)
        if not asked and self._answerable(transfer, peer):
            limited = self._admit(address, Contact(proven=False, limited=True), transfer, now)
            if isinstance(limited, Admitted):
                return limited
        return self._challenge(address, now, asked)

    def _goes_on(self, peer: Peer, transfer: Transfer, request: Message) -> bool:
        """Whether a first flight without a valid Echo is for what is there already.

        Without Location-Path, flight 3 comes to the same path and carries none, and may be
        repeated after completion; a ClientHello without one is challenged once its body is whole.
        """
        if transfer.limits_itself:
            return peer.continues(transfer, request)
        if transfer.any_order and peer.continues(transfer, request):
            return True
        return not self._parameters.location and bool(peer.handshakes)

    def _answerable(self, transfer: Transfer, peer: Peer | None) -> bool:
        """Whether an address that is not proven may be answered.

        Not where something is known of its endpoint: what is not proven replaces nothing there.
        """
        return self._parameters.answer_unproven and transfer.limits_itself and peer is None

    def _admit(
        self, address: Address, contact: Contact, transfer: Transfer, now: float
    ) -> Stateless | Admitted:
        try:
            peer = self._peers.admit(address, now, unproven=contact.limited)
        except TooManyHandshakes:
            self._counters["refused: too many handshakes"] += 1
            return Stateless.of(Code.SERVICE_UNAVAILABLE, (Option.MAX_AGE, uint(self._busy)))
        return self._pass(peer, contact, transfer)

    def _continuation(
        self, request: Message, transfer: Transfer, peer: Peer | None
    ) -> Stateless | Admitted:
        if peer is None or not peer.continues(transfer, request):
            self._counters["incomplete bodies"] += 1
            return Stateless.of(Code.REQUEST_ENTITY_INCOMPLETE)
        contact = Contact(proven=False, limited=peer.unproven)
        return self._pass(peer, contact, transfer, begins=False)

    def _no_session(
        self, request: Message, path: tuple[bytes, ...], peer: Peer | None
    ) -> Stateless | None:
        """What is wrong where a path names no session of the peer's that could take a flight."""
        sibling = len(path) == len(self._resource) and path[:-1] == self._resource[:-1]
        name = path[-1].decode(errors="replace") if sibling else ""
        if peer is None or name not in peer.handshakes:
            self._counters["unknown sessions"] += 1
            return Stateless.of(Code.NOT_FOUND)
        if request.code != Code.POST:
            self._counters["ignored: not a POST"] += 1
            return Stateless.of(Code.METHOD_NOT_ALLOWED)
        return None

    def _pass(
        self, peer: Peer, contact: Contact, transfer: Transfer, *, begins: bool = True
    ) -> Stateless | Admitted:
        if peer.in_flight >= self._parameters.limits.requests_per_peer:
            self._counters["refused: too many requests"] += 1
            return Stateless.of(Code.SERVICE_UNAVAILABLE, (Option.MAX_AGE, uint(self._busy)))
        return Admitted(peer, contact, transfer, begins)

    def _bad_handshake_request(
        self,
        request: Message,
        transfer: Transfer,
        numbers: set[int],
        formats: Container[int | None],
    ) -> Stateless | None:
        """What is wrong with a request to a handshake or session resource, whoever sends it.

        ``numbers`` are those of its options, ``formats`` what is allowed.
        """
        if request.code != Code.POST:
            return Stateless.of(Code.METHOD_NOT_ALLOWED)
        if Option.ACCEPT in numbers and request.uint(Option.ACCEPT) not in self._flight_formats:
            return Stateless.of(Code.NOT_ACCEPTABLE)
        if transfer.content_format(request) not in formats:
            return Stateless.of(Code.UNSUPPORTED_CONTENT_FORMAT)
        limit = self._parameters.limits.body
        if Option.SIZE1 in numbers and (request.uint(Option.SIZE1) or 0) > limit:
            return Stateless.of(Code.REQUEST_ENTITY_TOO_LARGE, (Option.SIZE1, uint(limit)))
        if Option.REQUEST_TAG in numbers and len(request.values(Option.REQUEST_TAG)) > 1:
            return Stateless.of(Code.BAD_REQUEST)
        if numbers.isdisjoint(BLOCK_OPTIONS):
            return None
        if mixes_kinds(request):
            return Stateless.of(Code.BAD_OPTION)
        if well_formed(request):
            return None
        self._counters["refused: BadPart"] += 1
        return Stateless.of(Code.BAD_REQUEST)

    def _discovery(self, request: Message, address: Address, now: float) -> Stateless:
        answer = self._links.answer(request)
        if answer.code != Code.CONTENT:
            return Stateless(answer)
        if self.contact(request, address, now).proven:
            return Stateless(answer, proven=True)
        fits = answer.size(len(request.token)) <= AMPLIFICATION * len(request.encode())
        return Stateless(answer) if fits else self._challenge(address, now)

    def render(
        self, request: Message, received: int, answer: Stateless, *, proven: bool
    ) -> list[bytes]:
        """The answer as datagrams; ``received`` bytes came in.

        None when even the bare code would be too much for an unproven address.
        """
        most = None if proven or answer.proven else AMPLIFICATION * received
        for content in (answer.content, Content(answer.content.code)):
            size = content.size(len(request.token))
            copies = answer.copies if most is None else min(answer.copies, most // size)
            if copies:
                return [self._respond(request, content) for _ in range(copies)]
        return []

    def _respond(self, request: Message, content: Content) -> bytes:
        return respond(request, content, int.from_bytes(self._rng(2), "big"))


class EchoValues:
    """Makes and checks Echo values, which prove an address without any state (RFC 9175 section 2).

    ``key`` is 32 random bytes, ``lifetime`` in seconds; it must not exceed that of the state a
    value can open, so that a replayed request never opens a second one.

    A value is 8 bytes: 14 bits of time, in 1/32 s, 2 bits that say how many probes had gone
    unanswered before the one that drew it, and 6 bytes of a MAC over the whole time, these bits and
    the endpoint.  Whoever sends the value back has shown that it receives at its address, and the
    time since tells the server a round trip, though it kept nothing.

    Six bytes are enough for what they prove: they cannot be tried but by asking us, one value a
    datagram, and one right guess among 2^48 opens the state of one handshake; no handshake is the
    safer for them, as its transcript covers everything that the values protect.
    """

    def __init__(self, key: bytes, lifetime: float) -> None:
        self._hmac = HMAC(key, hashes.SHA256())
        self._lifetime = min(lifetime, LONGEST_LIFETIME)
        self._origin: float | None = None

    def _since(self, now: float) -> float:
        """Seconds since the first use: values tell nothing of how long the clock has run."""
        if self._origin is None:
            self._origin = now
        return now - self._origin

    def make(self, address: Address, now: float, attempts: int | None = None) -> bytes:
        """A value for an endpoint at ``now`` seconds.

        ``attempts`` is how many probes went unanswered before this one; None where none is known.
        """
        tick = int(self._since(now) * _TICKS)
        coded = _UNASKED if attempts is None else (attempts > 0) + (attempts > 2)
        return self._value(address, tick, coded)

    def verify(self, value: bytes, address: Address, now: float) -> Challenge | None:
        """What a value tells that was made here, for this endpoint, within the lifetime."""
        if len(value) != ECHO_LENGTH:
            return None
        head = int.from_bytes(value[:2], "big")
        since = self._since(now)
        current = int(since * _TICKS)
        age = (current - (head >> 2)) % _WRAP
        if age > current or age > self._lifetime * _TICKS:
            return None
        if not hmac.compare_digest(value, self._value(address, current - age, head & 3)):
            return None
        # On the average a value was made half a tick after its time.
        seconds = max(0.0, since - (current - age + 0.5) / _TICKS)
        return Challenge(seconds, None if head & 3 == _UNASKED else _ATTEMPTS[head & 3])

    def _value(self, address: Address, tick: int, coded: int) -> bytes:
        mac = self._hmac.copy()
        host = f"{address.host}%{address.scope_id}".encode()
        mac.update(
            tick.to_bytes(8, "big") + bytes([coded]) + address.port.to_bytes(2, "big") + host
        )
        head = ((tick % _WRAP) << 2 | coded).to_bytes(2, "big")
        return head + mac.finalize()[: ECHO_LENGTH - len(head)]


def transfer_of(request: Message, parameters: CoapParameters) -> Transfer:
    """The way in which a request that has reached a server crosses."""
    for each in parameters.served_transfers:
        if each.claims(request):
            return each
    return parameters.transfer


def respond(request: Message, content: Content, message_id: int) -> bytes:
    """A response to ``request``: piggybacked if it was confirmable, else non-confirmable.

    ``message_id`` is used in the latter case only.
    """
    if request.type == MessageType.CON:
        return content.encode(MessageType.ACK, request.message_id, request.token)
    return content.encode(MessageType.NON, message_id, request.token)
