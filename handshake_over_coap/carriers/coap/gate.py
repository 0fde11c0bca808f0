"""The gate in front of aiocoap: what strangers get, without anything being kept.

Every request is looked at before aiocoap's message layer, which would remember it.  Those from an
endpoint that has not proven its address are answered here, statelessly and with at most three
times the bytes that came in (RFC 9175 section 2.4), or dropped.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import IntEnum

from handshake_over_coap.carriers.address_check import AddressProof
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.limits import TooManyHandshakes
from handshake_over_coap.encodings import BY_CONTENT_FORMAT
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT_CONTENT_FORMAT
from handshake_over_coap.tls.config import Rng

from .parameters import BLOCK_SIZES, CoapParameters
from .peers import Peer, PeerTable, TransferKey
from .scan import Block, MessageFormatError, Option, Scanned, option_bytes

AMPLIFICATION = 3
"""Bytes that may go to an unproven address for each byte that came from it."""

_FLIGHT_FORMATS = frozenset({None, *BY_CONTENT_FORMAT})
_ALL_FORMATS = _FLIGHT_FORMATS | {ALERT_CONTENT_FORMAT}

CONTENT_FORMAT_LINK = 40
DISCOVERY = (b".well-known", b"core")


class Code(IntEnum):
    """CoAP codes of the exchange as the numbers on the wire (RFC 7252 section 12.1)."""

    GET = 0x01
    POST = 0x02
    CREATED = 0x41
    CHANGED = 0x44
    CONTENT = 0x45
    CONTINUE = 0x5F
    BAD_REQUEST = 0x80
    UNAUTHORIZED = 0x81
    BAD_OPTION = 0x82
    NOT_FOUND = 0x84
    METHOD_NOT_ALLOWED = 0x85
    NOT_ACCEPTABLE = 0x86
    REQUEST_ENTITY_INCOMPLETE = 0x88
    REQUEST_ENTITY_TOO_LARGE = 0x8D
    UNSUPPORTED_CONTENT_FORMAT = 0x8F
    INTERNAL_SERVER_ERROR = 0xA0
    SERVICE_UNAVAILABLE = 0xA3
    PROXYING_NOT_SUPPORTED = 0xA5

    @property
    def dotted(self) -> str:
        """The usual form, such as "4.01"."""
        return f"{self >> 5}.{self & 31:02}"


@dataclass(frozen=True, slots=True)
class Reply:
    """A stateless response: code, options in ascending order, payload.

    ``proven`` says that the request carried a valid Echo, so that any size may go back.
    """

    code: int
    options: tuple[tuple[int, bytes], ...] = ()
    payload: bytes = b""
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request may pass to aiocoap, for ``peer``."""

    peer: Peer


class Gate:
    """Decides what a request gets before aiocoap sees it."""

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
        self._echo = AddressProof(rng(32), parameters.state_lifetime)
        self._busy = retry_after(parameters)
        self._resource = tuple(s.encode() for s in parameters.path_segments)
        formats = " ".join(map(str, BY_CONTENT_FORMAT))
        self._links = f'<{parameters.resource}>;rt=core.dtls;ct="{formats}"'.encode()

    def admit(self, request: Scanned, address: Address, now: float) -> Reply | Admitted:
        """The verdict on one request from ``address`` at ``now`` seconds."""
        if request.get(Option.PROXY_URI) or request.get(Option.PROXY_SCHEME):
            return Reply(Code.PROXYING_NOT_SUPPORTED)
        if request.bad_option:
            return Reply(Code.BAD_OPTION)
        path = request.path
        if path != DISCOVERY and request.get(Option.URI_QUERY) is not None:
            return Reply(Code.NOT_FOUND)  # a query names another resource (RFC 7252 section 5.10.1)
        if path == self._resource:
            refusal = self._bad_handshake_request(
                request, alert_allowed=not self._parameters.location
            )
            return refusal or self._resource_request(request, address, now)
        if path == DISCOVERY:
            return self._discovery(request, address, now)
        return self._session_request(request, address)

    def echo_value(self, address: Address, now: float) -> bytes:
        """A fresh Echo value for ``address``."""
        return self._echo.make(address, now)

    def proves(self, value: bytes | None, address: Address, now: float) -> bool:
        """Whether an Echo option with ``value`` proves the address, or the check is off."""
        if not self._parameters.address_check:
            return True
        return value is not None and self._echo.verify(value, address, now)

    def _challenge(self, address: Address, now: float) -> Reply:
        self._counters["challenged"] += 1
        return Reply(Code.UNAUTHORIZED, ((Option.ECHO, self.echo_value(address, now)),))

    def _resource_request(self, request: Scanned, address: Address, now: float) -> Reply | Admitted:
        peer = self._peers.get(address)
        if not _is_first(request):
            return self._continuation(request, peer)
        if self.proves(request.get(Option.ECHO), address, now):
            try:
                peer = self._peers.admit(address, now)
            except TooManyHandshakes:
                self._counters["refused: too many handshakes"] += 1
                return Reply(Code.SERVICE_UNAVAILABLE, ((Option.MAX_AGE, uint(self._busy)),))
            return self._pass(peer)
        if not self._parameters.location and peer is not None and peer.handshakes:
            # Flight 3 comes to the same path and carries no Echo, and may be repeated after
            # completion; a ClientHello without one is challenged once its body is whole.
            return self._pass(peer)
        return self._challenge(address, now)

    def _continuation(self, request: Scanned, peer: Peer | None) -> Reply | Admitted:
        if peer is None or transfer_key(request) not in peer.transfers:
            self._counters["incomplete bodies"] += 1
            return Reply(Code.REQUEST_ENTITY_INCOMPLETE)
        return self._pass(peer)

    def _session_request(self, request: Scanned, address: Address) -> Reply | Admitted:
        path, peer = request.path, self._peers.get(address)
        sibling = len(path) == len(self._resource) and path[:-1] == self._resource[:-1]
        name = path[-1].decode(errors="replace") if sibling else ""
        if peer is None or name not in peer.handshakes:
            self._counters["unknown sessions"] += 1
            return Reply(Code.NOT_FOUND)
        if request.code != Code.POST:
            self._counters["ignored: not a POST"] += 1
            return Reply(Code.METHOD_NOT_ALLOWED)
        refusal = self._bad_handshake_request(request, alert_allowed=True)
        if refusal is not None:
            return refusal
        return self._pass(peer) if _is_first(request) else self._continuation(request, peer)

    def _pass(self, peer: Peer) -> Reply | Admitted:
        if peer.in_flight >= self._parameters.limits.requests_per_peer:
            self._counters["refused: too many requests"] += 1
            return Reply(Code.SERVICE_UNAVAILABLE, ((Option.MAX_AGE, uint(self._busy)),))
        return Admitted(peer)

    def _bad_handshake_request(
        self, request: Scanned, *, alert_allowed: bool = False
    ) -> Reply | None:
        """What is wrong with a request to a handshake or session resource, whoever sends it."""
        if request.code != Code.POST:
            return Reply(Code.METHOD_NOT_ALLOWED)
        if request.uint(Option.ACCEPT) not in _FLIGHT_FORMATS:
            return Reply(Code.NOT_ACCEPTABLE)
        allowed = _ALL_FORMATS if alert_allowed else _FLIGHT_FORMATS
        if request.uint(Option.CONTENT_FORMAT) not in allowed:
            return Reply(Code.UNSUPPORTED_CONTENT_FORMAT)
        limit = self._parameters.limits.body
        if (request.uint(Option.SIZE1) or 0) > limit:
            return Reply(Code.REQUEST_ENTITY_TOO_LARGE, ((Option.SIZE1, uint(limit)),))
        if len(request.values(Option.REQUEST_TAG)) > 1:
            return Reply(Code.BAD_REQUEST)
        return Reply(Code.BAD_REQUEST) if request.bad_block else None

    def _discovery(self, request: Scanned, address: Address, now: float) -> Reply:
        """``/.well-known/core`` (RFC 6690), with its query on ``rt`` honoured."""
        if request.code != Code.GET:
            return Reply(Code.METHOD_NOT_ALLOWED)
        if request.uint(Option.ACCEPT) not in (None, CONTENT_FORMAT_LINK):
            return Reply(Code.NOT_ACCEPTABLE)
        try:
            reply = self._links_reply(request)
        except MessageFormatError:
            return Reply(Code.BAD_REQUEST)
        if self.proves(request.get(Option.ECHO), address, now):
            return replace(reply, proven=True)
        fits = len(encode_reply(request, reply, 0)) <= AMPLIFICATION * len(request.sanitised())
        return reply if fits else self._challenge(address, now)

    def _links_reply(self, request: Scanned) -> Reply:
        """The links, or the block of them that is asked for or that fits a datagram."""
        links = self._links if all(map(_matches, request.values(Option.URI_QUERY))) else b""
        options = ((Option.CONTENT_FORMAT, uint(CONTENT_FORMAT_LINK)),)
        whole = Reply(Code.CONTENT, options, links)
        asked = blocks(request)[1]
        if asked is None and len(encode_reply(request, whole, 0)) <= self._parameters.mtu:
            return whole
        # 32 bytes are for header, token and options.
        room = max(BLOCK_SIZES[0], self._parameters.mtu - 32)
        largest = max(s for s in BLOCK_SIZES if s <= room)
        offset, size = (asked.offset, min(asked.size, largest)) if asked else (0, largest)
        if offset and offset >= len(links):
            raise MessageFormatError("there is no such block")
        block = Block(offset // size, offset + size < len(links), size)
        payload = links[offset : offset + size]
        return Reply(Code.CONTENT, (*options, (Option.BLOCK2, block.encode())), payload)

    def render(self, request: Scanned, received: int, reply: Reply, *, proven: bool) -> bytes:
        """The reply as a datagram; ``received`` bytes came in.

        Empty when even the bare code would be too much for an unproven address.
        """
        message_id = int.from_bytes(self._rng(2), "big")
        datagram = encode_reply(request, reply, message_id)
        if proven or reply.proven or len(datagram) <= AMPLIFICATION * received:
            return datagram
        datagram = encode_reply(request, Reply(reply.code), message_id)
        return datagram if len(datagram) <= AMPLIFICATION * received else b""


def retry_after(parameters: CoapParameters) -> int:
    """Seconds after which a client that was refused for want of room may try again.

    Most handshakes are over long before their state would expire.
    """
    return max(1, int(parameters.state_lifetime / 8))


def blocks(request: Scanned) -> tuple[Block | None, Block | None]:
    """Block1 and Block2 of a request; raises :class:`MessageFormatError` for a bad one."""
    block1, block2 = request.get(Option.BLOCK1), request.get(Option.BLOCK2)
    return (
        None if block1 is None else Block.decode(block1),
        None if block2 is None else Block.decode(block2),
    )


def transfer_key(request: Scanned) -> TransferKey:
    """Under what a body is joined, besides its endpoint."""
    path = tuple(segment.decode(errors="replace") for segment in request.path)
    return path, request.get(Option.REQUEST_TAG)


def _matches(query: bytes) -> bool:
    """Whether the handshake resource passes a filter on its resource type (RFC 6690 4.1)."""
    name, _, value = query.partition(b"=")
    if value.endswith(b"*"):
        return name == b"rt" and b"core.dtls".startswith(value[:-1])
    return name == b"rt" and value == b"core.dtls"


def _is_first(request: Scanned) -> bool:
    """Whether this is block 0 of a request body: the only one that needs an Echo."""
    return (request.uint(Option.BLOCK1) or 0) < 16 and (request.uint(Option.BLOCK2) or 0) < 16


def uint(value: int) -> bytes:
    """A CoAP option value of format uint: no leading zeros."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def encode_reply(request: Scanned, reply: Reply, message_id: int) -> bytes:
    """A response to ``request``: piggybacked if it was confirmable, else non-confirmable.

    ``message_id`` is used in the latter case only.
    """
    confirmable = request.type == 0
    first = 0x40 | (0x20 if confirmable else 0x10) | len(request.token)
    chosen = request.message_id if confirmable else message_id
    header = bytes([first, reply.code]) + chosen.to_bytes(2, "big") + request.token
    payload = b"\xff" + reply.payload if reply.payload else b""
    return header + option_bytes(reply.options) + payload
