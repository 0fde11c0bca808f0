"""The server's side: handshakes with any number of clients, an address proven before anything."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Any

from handshake_over_coap.carriers.address_check import PROOF_LENGTH, AddressProof
from handshake_over_coap.carriers.agenda import Agenda
from handshake_over_coap.carriers.base import HandshakeCompleted, Output
from handshake_over_coap.carriers.carried import CarriedConversation
from handshake_over_coap.carriers.conversation import begin_server
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.udp import UdpParameters
from handshake_over_coap.carriers.udp.strangers import Strangers, repeats
from handshake_over_coap.encodings.compact import COMPACT
from handshake_over_coap.errors import Error
from handshake_over_coap.timers import Draw, earliest
from handshake_over_coap.tls.config import Rng, ServerConfig
from handshake_over_coap.tls.flight import HandshakeMessage

from .parts import Acknowledgement, Malformed, Part, acknowledging, cookie, decode
from .side import Side

NAME = "0"
"""The one handshake of an endpoint."""


@dataclass(slots=True)
class _Peer:
    """A handshake: the body that began it, and where it stands; ``ends`` is None once complete."""

    side: Side
    hello: HandshakeMessage
    conversation: CarriedConversation[Any]
    ends: float | None


class CompactServer:
    """See :class:`~handshake_over_coap.carriers.base.ServerCarrier`.

    ``counters`` counts what was refused or dropped.  At most as many handshakes as
    ``parameters.limits`` has half-open ones are kept: the oldest makes room.
    """

    def __init__(
        self,
        parameters: UdpParameters,
        config: ServerConfig,
        rng: Rng,
        draw: Draw,
        counters: Counter[str],
    ) -> None:
        self._parameters = parameters
        self._config = config
        self._proof = AddressProof(rng(32), parameters.state_lifetime)
        self._draw = draw
        self._strangers = Strangers(counters, parameters.mtu, only_13=True)
        self._peers: OrderedDict[Address, _Peer] = OrderedDict()
        self._agenda: Agenda[Address] = Agenda()
        self.counters = counters

    @property
    def retransmissions(self) -> int:
        """Datagrams sent again, in handshakes that are still known."""
        return sum(peer.side.retransmissions for peer in self._peers.values())

    @property
    def unfinished(self) -> int:
        """Handshakes under way."""
        return sum(peer.ends is not None for peer in self._peers.values())

    @property
    def known_peers(self) -> int:
        """Endpoints for which anything is kept."""
        return len(self._peers)

    @property
    def deadline(self) -> float | None:
        """When something is due."""
        return earliest(self._agenda.next, self._strangers.deadline)

    def claims(self, data: bytes) -> bool:
        """Whether the first octet is one of :mod:`.parts`."""
        return bool(data) and data[0] >> 6 == 1

    def awaits(self, address: Address) -> bool:
        """Whether a handshake is under way: records of its session may come early."""
        peer = self._peers.get(address)
        return peer is not None and peer.ends is not None

    def unopened(self, data: bytes, peer: Address, now: float) -> Output | None:
        """Records are for sessions."""
        return None

    def opened(self, peer: Address, name: str, plaintext: bytes, now: float) -> Output | None:
        """Flights are never records here."""
        return None

    def release(self, address: Address, name: str) -> None:
        """A session has ended."""
        self._drop(address)

    def receive(self, data: bytes, peer: Address, now: float) -> Output:
        """Take a datagram.  Never raises for its content."""
        output, address, known = Output(), peer, self._peers.get(peer)
        try:
            content = decode(data)
        except Malformed:
            self.counters["dropped: malformed"] += 1
            return output
        if isinstance(content, Part):
            self._part(content, address, known, now, output)
        elif isinstance(content, Acknowledgement) and known is not None:
            self._run(address, known, known.side.take_ack(content, now), output)
        else:
            self.counters["dropped: out of place"] += 1
        return output

    def on_timer(self, now: float) -> Output:
        """Repeat what is due, and give up what has had its time."""
        output = Output()
        for address in self._agenda.due(now):
            peer = self._peers[address]
            if peer.ends is not None and now >= peer.ends:
                self._drop(address)
                continue
            try:
                self._run(address, peer, peer.side.on_timer(now), output)
            except Error:
                self._drop(address)
        for address, late in self._strangers.late(now):
            self._acknowledge(address, late.acks, late.record_number, output)
        return output

    def _part(
        self, part: Part, address: Address, known: _Peer | None, now: float, output: Output
    ) -> None:
        seq = part.fragment.message_seq
        if known is not None and seq > known.hello.message_seq:
            body, out = known.side.take_part(part, now)
            if body is not None:
                out += self._hear(address, known, body, now, output)
            self._run(address, known, out, output)
        elif known is not None and repeats(part.fragment, known.hello):
            self._run(address, known, known.side.repeat(now), output)
        elif known is None or seq == 0:
            self._stranger(part, address, now, output)

    def _stranger(self, part: Part, address: Address, now: float, output: Output) -> None:
        """Part of a flight 1, with or without a cookie in front of it."""
        joined = self._strangers.join(part.fragment, part.number.sequence_number, address, now)
        if joined is None:
            return
        message = joined.message
        if message is None:
            self._acknowledge(address, joined.acks, joined.record_number, output)
        elif not self._parameters.address_check:
            self._begin(message, message.body, address, now, output)
        elif message.message_seq == 0:
            asking = cookie(self._proof.make(address, now), joined.record_number)
            self._strangers.answered(address, message, len(asking), now)
            output.send((asking,), address)
        elif self._proof.verify(message.body[:PROOF_LENGTH], address, now):
            self._begin(message, message.body[PROOF_LENGTH:], address, now, output)
        else:
            self.counters["refused: cookie"] += 1

    def _acknowledge(self, address: Address, acks: Any, number: int, output: Output) -> None:
        output.send((acknowledging(ack.record_numbers, number) for ack in acks), address)

    def _begin(
        self, hello: HandshakeMessage, body: bytes, address: Address, now: float, output: Output
    ) -> None:
        """Flight 1 of a proven address: a handshake begins."""
        while len(self._peers) >= self._parameters.limits.half_open:
            self._drop(next(iter(self._peers)))
        following = hello.message_seq + 1
        side = Side(self._parameters, self.counters, self._draw, first_seq=following)
        ends = now + self._parameters.state_lifetime
        peer = _Peer(side, hello, begin_server(self._config), ends)
        self._peers[address] = peer
        self._run(address, peer, self._hear(address, peer, body, now, output), output)

    def _hear(
        self, address: Address, peer: _Peer, body: bytes, now: float, output: Output
    ) -> list[bytes]:
        """A whole body of the client: the datagrams of our answer."""
        try:
            turn = peer.conversation.hear(body, COMPACT)
        except Error as error:
            self.counters[f"failed: {type(error).__name__}"] += 1
            self._drop(address)
            return []
        peer.conversation = turn.after
        established = turn.after.established
        if established is None:
            return peer.side.send(turn.body, now)
        peer.ends = None
        output.events.append(HandshakeCompleted(address, NAME, established))
        return peer.side.send_last(turn.body, now)

    def _run(self, address: Address, peer: _Peer, datagrams: list[bytes], output: Output) -> None:
        output.send(datagrams, address)
        if self._peers.get(address) is peer:
            self._agenda.set(address, earliest(peer.side.deadline, peer.ends))

    def _drop(self, address: Address) -> None:
        self._peers.pop(address, None)
        self._agenda.set(address, None)
