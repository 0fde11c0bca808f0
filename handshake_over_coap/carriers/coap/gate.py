"""The gate in front of the message layer: what strangers get, without anything being kept.

Every request is looked at before the message layer, which would remember it.  Those from an
endpoint that has not proven its address are answered here, statelessly and with at most three
times the bytes that came in (RFC 9175 section 2.4), or dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from typing import Final, NamedTuple

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.limits import TooManyHandshakes
from handshake_over_coap.coap.codes import Code, MessageType
from handshake_over_coap.coap.message import Content, Message, MessageFormatError
from handshake_over_coap.coap.options import BLOCK_SIZES, Block, Option, OptionValue, uint
from handshake_over_coap.encodings import BY_CONTENT_FORMAT, encoding_named
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT_CONTENT_FORMAT
from handshake_over_coap.tls.config import Rng
from handshake_over_coap.transfers.base import Challenge, Contact, Transfer
from handshake_over_coap.transfers.blocks import mixes_kinds, well_formed
from handshake_over_coap.transfers.wrapping import with_wrapped

from .echo import EchoValues
from .parameters import CoapParameters
from .peers import Peer, PeerTable

AMPLIFICATION = 3
"""Bytes that may go to an unproven address for each byte that came from it."""


CONTENT_FORMAT_LINK = 40
DISCOVERY = (b".well-known", b"core")

_USUAL: Final = frozenset(
    {
        Option.URI_PATH,
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

_LINKS_ETAG: OptionValue = (int(Option.ETAG), b"\1")
"""The links of one server stay the same (RFC 9177 section 4.4 wants an ETag)."""


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
        self._busy = retry_after(parameters)
        self._resource = tuple(s.encode() for s in parameters.path_segments)
        own = encoding_named(parameters.encoding).content_format
        numbers = (*BY_CONTENT_FORMAT, *({own} - BY_CONTENT_FORMAT.keys()))
        self._flight_formats = frozenset({None, *numbers})
        self._all_formats = self._flight_formats | {ALERT_CONTENT_FORMAT}
        formats = " ".join(map(str, with_wrapped(numbers)))
        self._links = f'<{parameters.resource}>;rt=core.dtls;ct="{formats}"'.encode()

    def admit(
        self, request: Message, address: Address, peer: Peer | None, now: float
    ) -> Stateless | Admitted:
        """The verdict on one request from ``address``, whose ``peer`` is known or not."""
        if self._peers.evicted.full:
            # No replay can pass with a value made by another key, so none has to be remembered.
            self._echo = EchoValues(self._rng(32), self._parameters.state_lifetime)
            self._peers.evicted.clear()
        path = request.path
        usual = not request.unrecognised and _USUAL.issuperset(n for n, _ in request.options)
        if not usual and (wrong := self._unusual(request, path)) is not None:
            return wrong
        at_resource = path == self._resource
        if path == DISCOVERY and not at_resource:
            return self._discovery(request, address, now)
        if not at_resource and (wrong := self._no_session(request, path, peer)) is not None:
            return wrong
        transfer = self._parameters.transfer_of(request)
        alert_allowed = not (at_resource and self._parameters.location)
        formats = self._all_formats if alert_allowed else self._flight_formats
        wrong = self._bad_handshake_request(request, transfer, formats, usual=usual)
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
        self, request: Message, transfer: Transfer, formats: Container[int | None], *, usual: bool
    ) -> Stateless | None:
        """What is wrong with a request to a handshake or session resource, whoever sends it."""
        if request.code != Code.POST:
            return Stateless.of(Code.METHOD_NOT_ALLOWED)
        if not usual and request.uint(Option.ACCEPT) not in self._flight_formats:
            return Stateless.of(Code.NOT_ACCEPTABLE)
        if transfer.content_format(request) not in formats:
            return Stateless.of(Code.UNSUPPORTED_CONTENT_FORMAT)
        limit = self._parameters.limits.body
        if not usual and (request.uint(Option.SIZE1) or 0) > limit:
            return Stateless.of(Code.REQUEST_ENTITY_TOO_LARGE, (Option.SIZE1, uint(limit)))
        if len(request.values(Option.REQUEST_TAG)) > 1:
            return Stateless.of(Code.BAD_REQUEST)
        if mixes_kinds(request):
            return Stateless.of(Code.BAD_OPTION)
        if well_formed(request):
            return None
        self._counters["refused: BadPart"] += 1
        return Stateless.of(Code.BAD_REQUEST)

    def _discovery(self, request: Message, address: Address, now: float) -> Stateless:
        """``/.well-known/core`` (RFC 6690), with its query on ``rt`` honoured."""
        if request.code != Code.GET:
            return Stateless.of(Code.METHOD_NOT_ALLOWED)
        if request.uint(Option.ACCEPT) not in (None, CONTENT_FORMAT_LINK):
            return Stateless.of(Code.NOT_ACCEPTABLE)
        if mixes_kinds(request):
            return Stateless.of(Code.BAD_OPTION)
        if request.bad_block:
            return Stateless.of(Code.BAD_REQUEST)
        try:
            links = self._links_reply(request)
        except MessageFormatError:
            return Stateless.of(Code.BAD_REQUEST)
        if self.contact(request, address, now).proven:
            return Stateless(links, proven=True)
        fits = links.size(len(request.token)) <= AMPLIFICATION * len(request.encode())
        return Stateless(links) if fits else self._challenge(address, now)

    def _links_reply(self, request: Message) -> Content:
        """The links, or the block of them that is asked for or that fits a datagram."""
        links = self._links if all(map(_matches, request.values(Option.URI_QUERY))) else b""
        options = ((int(Option.CONTENT_FORMAT), uint(CONTENT_FORMAT_LINK)),)
        whole = Content(Code.CONTENT, options, links)
        quick = request.values(Option.Q_BLOCK2)
        value = next(iter((*quick, *request.values(Option.BLOCK2))), None)
        asked = None if value is None else Block.decode(value)
        fits = whole.fits(self._parameters.mtu, len(request.token))
        if fits and (asked is None or (quick and asked.more)):
            return whole
        if len(quick) > 1 or (quick and asked is not None and asked.more):
            return Content(Code.BAD_OPTION)  # several responses, and nothing is kept here
        # 32 bytes are for header, token and options.
        room = max(BLOCK_SIZES[0], self._parameters.mtu - 32)
        largest = max(s for s in BLOCK_SIZES if s <= room)
        offset, size = (asked.offset, min(asked.size, largest)) if asked else (0, largest)
        if offset and offset >= len(links):
            raise MessageFormatError("there is no such block")
        block = Block(offset // size, offset + size < len(links), size)
        payload = links[offset : offset + size]
        if quick:
            more = (int(Option.SIZE2), uint(len(links))), (int(Option.Q_BLOCK2), block.encode())
            return Content(Code.CONTENT, (_LINKS_ETAG, *options, *more), payload)
        return Content(Code.CONTENT, (*options, (int(Option.BLOCK2), block.encode())), payload)

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


def retry_after(parameters: CoapParameters) -> int:
    """Seconds after which a client that was refused for want of room may try again.

    Most handshakes are over long before their state would expire.
    """
    return max(1, int(parameters.state_lifetime / 8))


def _matches(query: bytes) -> bool:
    """Whether the handshake resource passes a filter on its resource type (RFC 6690 4.1)."""
    name, _, value = query.partition(b"=")
    if value.endswith(b"*"):
        return name == b"rt" and b"core.dtls".startswith(value[:-1])
    return name == b"rt" and value == b"core.dtls"


def respond(request: Message, content: Content, message_id: int) -> bytes:
    """A response to ``request``: piggybacked if it was confirmable, else non-confirmable.

    ``message_id`` is used in the latter case only.
    """
    if request.type == MessageType.CON:
        return content.encode(MessageType.ACK, request.message_id, request.token)
    return content.encode(MessageType.NON, message_id, request.token)
