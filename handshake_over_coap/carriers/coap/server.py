"""The server's side of the exchange: the handshake resource and the resources of its sessions.

Theory of operation.  Datagrams pass the gate (:mod:`.gate`), which answers strangers statelessly;
what is admitted goes through aiocoap's message layer and comes out in :meth:`CoapServer._render`.
Blocks are joined here, a whole body is answered once, and the answer is kept: the same flight
from the same endpoint gets the same bytes for as long as the handshake or its session lives.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from aiocoap.error import NetworkError

from handshake_over_coap.carriers.carried import (
    CarriedConversation,
    CompletedT,
    OnCompleted,
    OnFlights,
)
from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint
from handshake_over_coap.errors import CarrierError
from handshake_over_coap.tls.config import Rng

from .aiocoap_layer import CoapLayer
from .answers import FlightAnswers
from .blocks import (
    Answer,
    BadBlock,
    BodyIncomplete,
    BodyTooLarge,
    Transfer,
    as_option,
    block_at,
    sizes_up_to,
)
from .gate import Code, Gate, Reply
from .messages import CoapMessage, Remote
from .parameters import BLOCK_SIZES, CoapParameters
from .peers import Peer, PeerTable
from .scan import Block, MessageFormatError, Scanned, reset, scan

log = logging.getLogger(__name__)


class CoapServer:
    """Handshakes over CoAP on one datagram endpoint, for any number of clients.

    ``begin`` makes a fresh server conversation; ``counters`` counts what was refused or dropped, by
    reason.  ``think`` gives the seconds that answering a body of so many bytes takes beyond
    computing it (a slow device), for experiments.  ``on_flights`` gets the flights of each
    completed handshake.
    """

    def __init__(
        self,
        endpoint: DatagramEndpoint,
        parameters: CoapParameters,
        begin: Callable[[], CarriedConversation[CompletedT]],
        on_established: OnCompleted[CompletedT],
        rng: Rng,
        counters: Counter[str] | None = None,
        think: Callable[[bytes], float] | None = None,
        on_flights: OnFlights | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._parameters = parameters
        self._loop = asyncio.get_running_loop()
        self.counters: Counter[str] = Counter() if counters is None else counters
        self.peers = PeerTable(parameters.limits, parameters.state_lifetime)
        self._gate = Gate(parameters, self.peers, rng, self.counters)
        self._answers = FlightAnswers(
            parameters,
            self.peers,
            begin,
            on_established,
            rng,
            self.counters,
            think,
            challenge=lambda address: self._gate.echo_value(address, self._loop.time()),
            on_flights=on_flights,
        )
        self._layer = CoapLayer(
            self._send, parameters, rng, self._loop, self._render, waits=think is not None
        )
        self._closed = False
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def unfinished(self) -> int:
        """Handshakes under way."""
        return self.peers.unfinished

    @property
    def known_peers(self) -> int:
        """Endpoints for which anything is kept."""
        return len(self.peers)

    @property
    def retransmissions(self) -> int:
        """Confirmable messages sent again so far."""
        return self._layer.messages.retransmissions

    def receive(self, data: bytes, address: Address) -> None:
        """Take a datagram whose first octet says CoAP.  Never raises for what is in it."""
        if self._closed:
            return
        try:
            message = scan(data)
        except MessageFormatError:
            self.counters["dropped: not CoAP"] += 1
            if len(data) >= 4 and data[0] >> 4 == 4:  # confirmable: rejected (RFC 7252 4.2)
                self._endpoint.send(reset(data[2:4]), address)
            return
        now = self._loop.time()
        self._expire(now)
        peer = self.peers.get(address)
        if message.is_request and message.type in (0, 1):
            self._request(message, len(data), address, now)
        elif message.code == 0 and message.type in (2, 3) and peer is not None:
            self._layer.receive(message, peer.remote)
        elif message.code == 0 and message.type == 0:
            self._endpoint.send(reset(data[2:4]), address)  # CoAP ping
        else:
            self.counters["dropped: CoAP message out of place"] += 1

    def _request(self, message: Scanned, size: int, address: Address, now: float) -> None:
        verdict = self._gate.admit(message, address, now)
        if isinstance(verdict, Reply):
            proven = self.peers.get(address) is not None
            reply = self._gate.render(message, size, verdict, proven=proven)
            if reply:
                self._endpoint.send(reply, address)
            return
        # The same client may turn to another of our addresses, which then has to answer.
        verdict.peer.address = verdict.peer.remote.address = address
        self.peers.touch(verdict.peer, now)
        self._schedule_expiry()
        verdict.peer.datagrams += 1
        verdict.peer.bytes += size
        self._layer.receive(message, verdict.peer.remote)

    def awaits(self, address: Address) -> bool:
        """Whether a handshake with ``address`` is under way."""
        peer = self.peers.get(address)
        return peer is not None and peer.half_open is not None

    def release(self, address: Address, name: str) -> None:
        """A session has ended: what was kept to repeat its flights can go."""
        self.peers.release(address, name)

    async def close(self) -> None:
        """Stop answering; the endpoint stays open."""
        self._closed = True
        if self._expiry is not None:
            self._expiry.cancel()
        await self._answers.close()
        await self._layer.close()

    def _send(self, datagram: bytes, remote: Remote) -> None:
        peer = self.peers.get(remote.address)
        if peer is not None:
            peer.datagrams += 1
            peer.bytes += len(datagram)
        self._endpoint.send(datagram, remote.address)

    def _schedule_expiry(self) -> None:
        deadline = None if self._closed else self.peers.next_deadline
        if self._expiry is None and deadline is not None:
            self._expiry = self._loop.call_at(deadline, self._on_expiry)

    def _on_expiry(self) -> None:
        self._expiry = None
        self._expire(self._loop.time())
        self._schedule_expiry()

    def _expire(self, now: float) -> None:
        for expired in self.peers.expire(now):
            peer = expired.peer
            if expired.lost:
                self.counters["half-open handshakes expired"] += 1
                log.info("the handshake of %s was not finished in time", peer.address)
            if self.peers.get(peer.address) is None:
                self._layer.fail(NetworkError("the peer has vanished"), peer.remote)

    async def _render(self, request: CoapMessage) -> CoapMessage:
        """Answer an admitted request; every path ends in a response."""
        peer = self.peers.get(request.remote.address)
        if peer is None:
            return CoapMessage(Code.NOT_FOUND)
        peer.in_flight += 1
        try:
            return await self._respond(peer, request)
        finally:
            peer.in_flight -= 1
            self._schedule_expiry()

    async def _respond(self, peer: Peer, request: CoapMessage) -> CoapMessage:
        tags = request.opt.request_tag
        key = (request.opt.uri_path, tags[0] if tags else None)
        block2 = request.opt.block2
        if block2 is not None:
            peer.block_size = BLOCK_SIZES[block2.size_exponent]
            if block2.block_number > 0:
                return self._later_block(peer.transfers.get(key), block2)
        transfer = peer.transfer(key, self._parameters.limits)
        try:
            body = self._join(peer, transfer, request)
        except (BadBlock, BodyIncomplete, BodyTooLarge) as error:
            peer.transfers.pop(key, None)
            self.counters[f"refused: {type(error).__name__}"] += 1
            return self._block_error(error)
        if body is None:
            return self._continue(request)
        answer = await self._answers.answer(peer, request, body, proven=transfer.proven)
        transfer.answer = answer
        try:
            return self._first_block(peer, request, answer)
        except CarrierError as error:
            log.warning("%s cannot be answered: %s", peer.address, error)
            return CoapMessage(Code.INTERNAL_SERVER_ERROR)

    def _join(self, peer: Peer, transfer: Transfer, request: CoapMessage) -> bytes | None:
        """The whole body that ``request`` is, or is the last block of; ``None`` before that."""
        option, payload = request.opt.block1, request.payload
        if option is None or option.block_number == 0:
            transfer.content_format = request.opt.content_format
            transfer.proven = self._gate.proves(request.opt.echo, peer.address, self._loop.time())
        if option is None:
            if len(payload) > self._parameters.limits.body:
                raise BodyTooLarge("in a single datagram")
            return payload
        size = BLOCK_SIZES[option.size_exponent]
        if request.opt.block2 is None:
            peer.block_size = size
        transfer.check_format(request.opt.content_format)
        return transfer.add(Block(option.block_number, option.more, size), payload)

    def _continue(self, request: CoapMessage) -> CoapMessage:
        """2.31; asks for smaller blocks where we prefer them (RFC 7959 section 2.3)."""
        number, _, exponent = request.opt.block1
        exponent = min(exponent, BLOCK_SIZES.index(self._parameters.largest_block))
        response = CoapMessage(Code.CONTINUE)
        response.opt.block1 = (number, True, exponent)
        return response

    def _block_error(self, error: BadBlock | BodyIncomplete | BodyTooLarge) -> CoapMessage:
        if isinstance(error, BodyTooLarge):
            response = CoapMessage(Code.REQUEST_ENTITY_TOO_LARGE)
            response.opt.size1 = self._parameters.limits.body
            return response
        if isinstance(error, BodyIncomplete):
            return CoapMessage(Code.REQUEST_ENTITY_INCOMPLETE)
        return CoapMessage(Code.BAD_REQUEST)

    def _first_block(self, peer: Peer, request: CoapMessage, answer: Answer) -> CoapMessage:
        """The response to the last block of a request, with the first block of the answer."""
        response = CoapMessage(answer.code, answer.payload)
        response.opt.location_path = answer.location
        response.opt.max_age = answer.max_age
        response.opt.content_format = answer.content_format
        response.opt.echo = answer.echo
        response.opt.block1 = request.opt.block1
        size = self._block_size(peer)
        if len(answer.payload) > size or self._too_large(response, request):
            response.opt.etag = answer.etag
            self._cut(response, request, answer, size)
        return response

    def _block_size(self, peer: Peer) -> int:
        return min(self._parameters.largest_block, peer.block_size or BLOCK_SIZES[-1])

    def _too_large(self, response: CoapMessage, request: CoapMessage) -> bool:
        return response.size(len(request.token)) > self._parameters.mtu

    def _cut(self, response: CoapMessage, request: CoapMessage, answer: Answer, size: int) -> None:
        """Leave as much of the payload in ``response`` as fits, by blocks of at most ``size``."""
        for smaller in sizes_up_to(size):
            block = block_at(0, len(answer.payload), smaller)
            response.opt.block2 = as_option(block)
            response.payload = answer.payload[: block.size]
            if not self._too_large(response, request):
                return
        raise CarrierError(f"no block fits an mtu of {self._parameters.mtu} bytes")

    def _later_block(self, transfer: Transfer | None, option: tuple[int, bool, int]) -> CoapMessage:
        number, _, exponent = option
        if transfer is None or transfer.answer is None:
            return CoapMessage(Code.REQUEST_ENTITY_INCOMPLETE)
        answer = transfer.answer
        size = min(BLOCK_SIZES[exponent], self._parameters.largest_block)
        offset = number * BLOCK_SIZES[exponent]
        if offset >= len(answer.payload):
            return CoapMessage(Code.BAD_REQUEST)
        block = Block(offset // size, offset + size < len(answer.payload), size)
        response = CoapMessage(answer.code, answer.payload[offset : offset + size])
        response.opt.etag = answer.etag
        response.opt.block2 = as_option(block)
        return response
