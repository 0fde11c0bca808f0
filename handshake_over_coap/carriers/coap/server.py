"""The server's side of the exchange: the handshake resource and the resources of its sessions.

Theory of operation.  Datagrams pass the gate (:mod:`.gate`), which answers strangers statelessly;
what is admitted goes through the message layer of its peer (:mod:`.server_exchange`), which knows
repetitions, and then to the transfer that joins bodies.  A whole body is answered once
(:mod:`.answers`), and the answer is kept: the same flight from the same endpoint gets the same
bytes for as long as the handshake or its session lives.  All of it is an engine without I/O.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable

from handshake_over_coap.carriers.agenda import Agenda
from handshake_over_coap.carriers.base import Output
from handshake_over_coap.carriers.carried import CarriedConversation, CompletedT
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.coap.codes import Code, MessageType
from handshake_over_coap.coap.message import Content, Message, MessageFormatError, rejection
from handshake_over_coap.coap.options import Option, uint
from handshake_over_coap.errors import CarrierError
from handshake_over_coap.timers.base import Draw, earliest
from handshake_over_coap.tls.config import Rng
from handshake_over_coap.transfers.base import (
    Answer,
    BadPart,
    BodyIncomplete,
    BodyTooLarge,
    Outgoing,
    ServerSide,
    Whole,
)

from .answers import FlightAnswers
from .confirmable import MessageIds
from .gate import AMPLIFICATION, Admitted, Gate, Stateless
from .parameters import CoapParameters
from .peers import Computing, Peer, PeerTable
from .server_exchange import ServerExchange


class CoapServer:
    """Handshakes over CoAP, for any number of clients: an engine without I/O.

    ``begin`` makes a fresh server conversation; ``rng`` gives random bytes, ``draw`` numbers in
    [0, 1) for the timers.  ``counters`` counts what was refused or dropped, by reason.  ``think``
    gives the seconds that answering a body of so many bytes takes beyond computing it (a slow
    device), for experiments.  ``keep_flights``: what is in the flights is told on completion.
    """

    def __init__(
        self,
        parameters: CoapParameters,
        begin: Callable[[], CarriedConversation[CompletedT]],
        rng: Rng,
        draw: Draw,
        counters: Counter[str] | None = None,
        think: Callable[[bytes], float] | None = None,
        *,
        keep_flights: bool = False,
    ) -> None:
        self._parameters = parameters
        self.counters: Counter[str] = Counter() if counters is None else counters
        self.peers = PeerTable(parameters.limits, parameters.state_lifetime, self._exchange)
        self._gate = Gate(parameters, self.peers, rng, self.counters)
        self._answers = FlightAnswers(
            parameters,
            self.peers,
            begin,
            rng,
            self.counters,
            think,
            self._gate.echo_value,
            keep_flights=keep_flights,
        )
        self._ids = MessageIds(int.from_bytes(rng(2), "big"))
        self._draw = draw
        self._separate = parameters.separate_timing, parameters.separate_after
        self._terms = parameters.terms(rng, draw)
        self._agenda: Agenda[Address] = Agenda()
        self.retransmissions = 0

    def _exchange(self) -> ServerExchange:
        """The message layer of a new peer."""
        timing, after = self._separate
        return ServerExchange(self._ids, timing, self._draw, after)

    # -- what is known

    @property
    def unfinished(self) -> int:
        """Handshakes under way."""
        return self.peers.unfinished

    @property
    def known_peers(self) -> int:
        """Endpoints for which anything is kept."""
        return len(self.peers)

    @property
    def deadline(self) -> float | None:
        """When something is due: a repetition, an answer, the end of what is kept."""
        ends, due = self.peers.next_deadline, self._agenda.next
        return ends if due is None else earliest(due, ends)

    def awaits(self, address: Address) -> bool:
        """Whether a handshake with ``address`` is under way."""
        peer = self.peers.get(address)
        return peer is not None and peer.half_open is not None

    def claims(self, data: bytes) -> bool:
        """Whether the first octet says CoAP."""
        return bool(data) and data[0] >> 6 == 1

    def unopened(self, data: bytes, peer: Address, now: float) -> Output | None:
        """Records are for sessions: they may be kept until there is one."""
        return None

    def opened(self, peer: Address, name: str, plaintext: bytes, now: float) -> Output | None:
        """Flights are never records here."""
        return None

    def release(self, address: Address, name: str) -> None:
        """A session has ended: what was kept to repeat its flights can go."""
        self.peers.release(address, name)

    # -- what happens

    def receive(self, data: bytes, peer: Address, now: float) -> Output:
        """Take a datagram whose first octet says CoAP.  Never raises for what is in it."""
        output, address = Output(), peer
        try:
            message = Message.decode(data)
        except MessageFormatError:
            self.counters["dropped: not CoAP"] += 1
            output.send(rejection(data), address)
            return output
        self._expire(now)
        known = self.peers.get(address)
        known_by_answer = message.is_request and message.bad_abbreviation
        if message.bad_option and message.type == MessageType.NON and not known_by_answer:
            # RFC 7252 section 5.4.1; but whoever abbreviates a path has to know at once.
            self.counters["dropped: unknown critical option"] += 1
        elif message.is_request and message.type in (MessageType.CON, MessageType.NON):
            self._request(message, len(data), address, known, now, output)
        elif message.type == MessageType.CON:
            # A ping, or what no server can take: a response, a code of a reserved class.
            self.counters["dropped: CoAP message out of place"] += message.code != 0
            output.send(rejection(data), address)
        elif message.code == 0 and message.type != MessageType.NON and known is not None:
            self._send(known, known.exchange.acknowledged(message, now), output)
            self._schedule(known)
        else:
            self.counters["dropped: CoAP message out of place"] += 1
        return output

    def _request(
        self,
        message: Message,
        size: int,
        address: Address,
        known: Peer | None,
        now: float,
        output: Output,
    ) -> None:
        verdict = None
        if known is None or not known.exchange.knows(message, now):
            # What was taken once is not judged again: its Echo may be too old by now.
            verdict = self._gate.admit(message, address, known, now)
        if isinstance(verdict, Stateless):
            proven = known is not None and not known.unproven
            drawn = self._gate.render(message, size, verdict, proven=proven)
            output.send(drawn, address)
            if known is not None and not verdict.challenges:
                self.peers.touch(known, now)
                known.exchange.reacted(message, drawn, now)
            return
        peer = known if verdict is None else verdict.peer
        assert peer is not None  # noqa: S101 - what is known has a peer
        # The same client may turn to another of our addresses, which then has to answer.
        peer.address = address
        self.peers.touch(peer, now)
        peer.datagrams += 1
        peer.bytes += size
        peer.left += AMPLIFICATION * size
        repeated = peer.exchange.repeated(message, now)
        if verdict is not None and repeated is None:
            self._respond(verdict, message, now, output)
        else:
            self._send(peer, repeated or (), output)
        self._schedule(peer)

    def _respond(self, admitted: Admitted, request: Message, now: float, output: Output) -> None:
        """Take an admitted request; every path ends in a response, now or later."""
        peer = admitted.peer
        side = peer.side(admitted.transfer, self._terms)
        try:
            received = side.receive(request, admitted.contact, now)
        except (BadPart, BodyIncomplete, BodyTooLarge) as error:
            self.peers.hold(peer)
            self.counters[f"refused: {type(error).__name__}"] += 1
            self._reply(peer, request, (Outgoing(self._refusal(error)),), now, output)
            return
        if not admitted.begins:
            self.peers.go_on(peer, now)
        if dropped := self.peers.hold(peer):
            self.counters["endpoints whose bodies gave way"] += dropped
        self._see_proof(peer, side)
        self._reply(peer, request, received.send, now, output)
        whole = received.whole
        if whole is not None:
            self._answer(peer, side, whole, now, output)
        elif not any(each.token is None for each in received.send):
            peer.exchange.postpone(
                request, now, part=True
            )  # else a confirmable one is never acknowledged

    def _see_proof(self, peer: Peer, side: ServerSide) -> None:
        """What came in a transfer's own way may prove an address that was answered before."""
        if peer.unproven and side.proves:
            self.peers.prove(peer)

    def _answer(
        self, peer: Peer, side: ServerSide, whole: Whole, now: float, output: Output
    ) -> None:
        """Answer a body; where it is refused, whatever else its parts may be."""
        other: Whole | None = whole
        while other is not None:
            if peer.unproven and self.peers.unproven.may_compute(now):
                other = other._replace(proven=True)
            answer = self._answers.answer(peer, other, now)
            if isinstance(answer, Computing):
                answer.waiting.append((side, other))
                peer.in_flight += 1
                peer.exchange.postpone(other.request, now)
                return
            self._deliver(peer, side, other, answer, now, output)
            other = side.another(other, now)

    def _deliver(
        self, peer: Peer, side: ServerSide, whole: Whole, answer: Answer, now: float, output: Output
    ) -> None:
        """Send an answer, and tell of what was completed by it."""
        try:
            outgoing = side.answer(whole, answer, now)
        except CarrierError as error:
            self._answers.rejections.tell(
                now, "%s cannot be answered: %s", peer.address, error, level=logging.WARNING
            )
            outgoing = (Outgoing(Content(Code.INTERNAL_SERVER_ERROR)),)
        self._see_proof(peer, side)
        self._reply(peer, whole.request, outgoing, now, output)
        output.events += self._answers.completed
        self._answers.completed = []

    def _reply(
        self,
        peer: Peer,
        request: Message,
        outgoing: Iterable[Outgoing],
        now: float,
        output: Output,
    ) -> None:
        for each in outgoing:
            if each.token is None:
                self._send(peer, peer.exchange.respond(request, each.content, now), output)
            else:
                self._send(peer, (peer.exchange.send(each.content, each.token),), output)

    def _refusal(self, error: BadPart | BodyIncomplete | BodyTooLarge) -> Content:
        if isinstance(error, BodyTooLarge):
            size = uint(self._parameters.limits.body)
            return Content(Code.REQUEST_ENTITY_TOO_LARGE, ((int(Option.SIZE1), size),))
        if isinstance(error, BodyIncomplete):
            return Content(Code.REQUEST_ENTITY_INCOMPLETE)
        return Content(Code.BAD_REQUEST)

    def _send(self, peer: Peer, datagrams: Iterable[bytes], output: Output) -> None:
        for each in datagrams:
            if not peer.may_get(len(each)):
                # Whatever wants to send: acknowledgements and repeated responses count as well.
                self.counters["withheld from an unproven address"] += 1
                continue
            peer.datagrams += 1
            peer.bytes += len(each)
            output.datagrams.append((each, peer.address))

    # -- time

    def on_timer(self, now: float) -> Output:
        """Answer, repeat and forget: whatever is due."""
        output = Output()
        self._expire(now)
        for address in self._agenda.due(now):
            peer = self.peers.get(address)
            if peer is not None:
                peer.scheduled = None
                self._on_peer_timer(peer, now, output)
                self._schedule(peer)
        return output

    def _on_peer_timer(self, peer: Peer, now: float, output: Output) -> None:
        before = peer.exchange.retransmissions
        self._send(peer, peer.exchange.on_timer(now), output)
        self.retransmissions += peer.exchange.retransmissions - before
        for computing, answer in self._answers.computed(peer, now):
            for side, whole in computing.waiting:
                peer.in_flight -= 1
                self._deliver(peer, side, whole, answer, now, output)
        for side in peer.sides.values():
            if side.deadline is not None and side.deadline <= now:
                for each in side.on_timer(now):
                    datagram = peer.exchange.send(each.content, each.token or b"")
                    self._send(peer, (datagram,), output)
                    self.retransmissions += 1

    def _schedule(self, peer: Peer) -> None:
        deadline = peer.deadline
        if deadline != peer.scheduled:
            peer.scheduled = deadline
            self._agenda.set(peer.address, deadline)

    def _expire(self, now: float) -> None:
        ends = self.peers.next_deadline
        if ends is None or ends > now:
            return
        for expired in self.peers.expire(now):
            peer = expired.peer
            if expired.lost:
                self.counters["half-open handshakes expired"] += 1
                self._answers.rejections.tell(
                    now, "the handshake of %s was not finished in time", peer.address
                )
            if self.peers.get(peer.address) is None:
                peer.exchange.stop()
                self._agenda.set(peer.address, None)
