"""A chain of IEEE 802.15.4 nodes between the client and the server (or the wire to the server).

What is modelled:

* Node 0 is the client (all clients, if there are several), the last one is the server or the border
  router before the wire.  With more than one hop, those between are routers: *route-over*, each
  puts packets together, decrements the hop limit, and compresses and fragments anew for the next
  hop (RFC 4944; not the fragment forwarding of RFC 8930).
* The medium is one: all nodes hear each other, and one frame, with its acknowledgement, is in the
  air at a time.  Nodes take turns in the order in which they asked, a frame each.  Frames never
  collide, and the channel is always found idle: CSMA-CA costs its first random back-off only.
* Frames are lost at random, on each hop and in each direction by draws of their own, and so are
  acknowledgements, always independently.
* With acknowledgements a frame is repeated, with the same sequence number, at once after the time
  that macAckWaitDuration allows; the receiver tells repetitions by that number.  A sender that
  gives a frame up sends no more of that packet.  Without them, every frame is sent once.
* A packet of which a frame is missing occupies a buffer of its receiver until the reassembly
  timeout, or until it is the oldest and all are in use.  What becomes of it is told at once, when
  the last frame has been sent.

Times are those of the 2.4 GHz PHY: 250 kbit/s, IEEE 802.15.4-2006 sections 7.5.1.4 and 7.5.6.
Not modelled: interference, capture, duty cycling, beacons, link-layer security, routing messages,
neighbour discovery.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from handshake_over_coap.sim.draws import Draws
from handshake_over_coap.sim.gilbert import LossProcess
from handshake_over_coap.sim.lowpan.adaptation import Adaptation
from handshake_over_coap.sim.lowpan.errors import MalformedFrame
from handshake_over_coap.sim.lowpan.fragmentation import MAX_PACKET
from handshake_over_coap.sim.lowpan.iphc import Hop
from handshake_over_coap.sim.lowpan.mac import (
    ACK_SIZE,
    FCS_SIZE,
    AckFrame,
    DataFrame,
    decode_frame,
    encode_frame,
    header_size,
)
from handshake_over_coap.sim.lowpan.reassembly import Reassembler
from handshake_over_coap.sim.passages import Datagram, Outcome, Side
from handshake_over_coap.sim.wire import IP_UDP_HEADERS
from handshake_over_coap.trace.packets import udp_packet

from .energy import SYMBOL, air_time
from .frames import FrameFate, FrameObserver, FrameSeen
from .node import Done, Node, OutgoingPacket
from .options import RadioOptions

TURNAROUND: Final = 12 * SYMBOL
"""aTurnaroundTime: from receiving to sending."""
CCA: Final = 8 * SYMBOL
BACKOFF_UNIT: Final = 20 * SYMBOL
BACKOFF_UNITS: Final = 8
"""2 to the power of macMinBE: a back-off is 0 to 7 units."""
ACK_WAIT: Final = 54 * SYMBOL
"""macAckWaitDuration."""
SHORT_SPACING: Final = 12 * SYMBOL
LONG_SPACING: Final = 40 * SYMBOL
SHORT_FRAME: Final = 18
"""Bytes of the largest frame that is followed by the short spacing."""

_HOP_LIMIT_AT: Final = 7


class Radio:
    """The chain of nodes that ``options`` describes; all chances come from ``draws``."""

    def __init__(self, options: RadioOptions, draws: Draws) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        own = draws.below("radio")
        sequences = own.stream("sequence numbers")
        self.nodes = tuple(
            self._node(index, sequences.randrange(256)) for index in range(options.hops + 1)
        )
        self._hosts = [options.address(node.index) for node in self.nodes]
        near, far = self.nodes[0].link_address, self.nodes[-1].link_address
        self._room = options.max_frame - FCS_SIZE - header_size(near, far)
        directions = [(node.index, step) for node in self.nodes for step in (1, -1)]
        self._losses = {
            each: LossProcess(options.loss, options.burst, own.stream("frames", *each))
            for each in directions
        }
        self._ack_losses = {
            each: LossProcess(options.loss, None, own.stream("acks", *each)) for each in directions
        }
        self._backoffs = own.stream("csma")
        self._acks = options.acks or options.retries > 0
        self._observers: tuple[FrameObserver, ...] = ()
        self._waiting: deque[Node] = deque()
        self._busy = False

    def _node(self, index: int, sequence: int) -> Node:
        options = self._options
        reassembler = Reassembler(options.reassembly_timeout, options.reassembly_buffers)
        adaptation = Adaptation(options.contexts, reassembler)
        return Node(index, options.link_address(index), adaptation, sequence)

    def observe(self, observer: FrameObserver) -> None:
        """Tell ``observer`` of every frame from now on."""
        self._observers += (observer,)

    def fits(self, size: int) -> bool:
        """Whether a datagram of ``size`` bytes is within the MTU."""
        return size <= MAX_PACKET - IP_UDP_HEADERS

    def carry(self, datagram: Datagram, done: Done) -> None:
        """Take a datagram from one end to the other, and tell ``done`` what came of it.

        Raises ConfigurationError for one that does not fit.
        """
        near, far = (0, -1) if datagram.sender is Side.CLIENT else (-1, 0)
        source = (self._hosts[near], datagram.source.port)
        destination = (self._hosts[far], datagram.destination.port)
        packet = udp_packet(source, destination, datagram.data)
        self._enqueue(self.nodes[near], packet, datagram, done)

    def _enqueue(self, node: Node, packet: bytes, datagram: Datagram, done: Done) -> None:
        if len(node.queue) >= self._options.queue:
            done(datagram, Outcome.QUEUE_FULL)
            return
        step = 1 if datagram.sender is Side.CLIENT else -1
        receiver = self.nodes[node.index + step]
        hop = Hop(node.link_address, receiver.link_address)
        payloads = node.adaptation.payloads(packet, hop, self._room)
        node.queue.append(OutgoingPacket(datagram, done, receiver, payloads))
        if not node.waiting:
            self._ask(node)

    # The medium, and a node's turn.

    def _ask(self, node: Node) -> None:
        node.waiting = True
        if node.not_before > self._loop.time():
            self._loop.call_at(node.not_before, self._line_up, node)
        else:
            self._line_up(node)

    def _line_up(self, node: Node) -> None:
        self._waiting.append(node)
        if not self._busy:
            self._next_turn()

    def _next_turn(self) -> None:
        self._busy = bool(self._waiting)
        if self._busy:
            node = self._waiting.popleft()
            outgoing = node.queue[0]
            outgoing.attempt = 0
            outgoing.frame = encode_frame(
                DataFrame(
                    node.next_sequence(),
                    self._options.pan,
                    outgoing.receiver.link_address,
                    node.link_address,
                    outgoing.payloads[outgoing.place],
                    ack_request=self._acks,
                )
            )
            node.not_before = self._loop.time() + self._options.interval
            self._attempt(node, outgoing)

    def _attempt(self, node: Node, outgoing: OutgoingPacket) -> None:
        start = self._loop.time()
        if self._options.csma:
            units = self._backoffs.randrange(BACKOFF_UNITS)
            start += units * BACKOFF_UNIT + CCA + TURNAROUND
        lost = self._losses[_direction(node, outgoing)].lost()
        self._loop.call_at(start + air_time(len(outgoing.frame)), self._sent, node, outgoing, lost)

    def _sent(self, node: Node, outgoing: OutgoingPacket, lost: bool) -> None:
        """The last bit of a frame was sent, and received if it is not ``lost``."""
        now, frame = self._loop.time(), outgoing.frame
        fate = FrameFate.LOST if lost else self._hear(outgoing)
        self._account(node, outgoing, now, fate)
        after = now
        acknowledged = not self._acks
        if self._acks:
            # Drawn whether there is an acknowledgement or not: one loss does not shift the next.
            ack_lost = self._ack_losses[_direction(node, outgoing)].lost()
            if not lost:
                self._acknowledge(node, outgoing, now + TURNAROUND, ack_lost)
            acknowledged = not lost and not ack_lost
            after += TURNAROUND + air_time(ACK_SIZE) if acknowledged else ACK_WAIT
            self._spend_listening(node, after - now - (TURNAROUND if acknowledged else 0.0))
        after += SHORT_SPACING if len(frame) <= SHORT_FRAME else LONG_SPACING
        self._loop.call_at(after, self._finished, node, outgoing, acknowledged)

    def _finished(self, node: Node, outgoing: OutgoingPacket, acknowledged: bool) -> None:
        """The medium is free again after a frame and its acknowledgement, if one came."""
        if not acknowledged and outgoing.attempt < self._options.retries:
            outgoing.attempt += 1
            node.figures.repetitions += 1
            self._attempt(node, outgoing)
            return
        outgoing.place += 1
        node.figures.given_up += not acknowledged
        if not acknowledged or outgoing.place == len(outgoing.payloads):
            node.queue.popleft()
            if not outgoing.arrived:
                outgoing.done(outgoing.datagram, Outcome.RADIO)
        node.waiting = False
        if node.queue:
            self._ask(node)
        self._next_turn()

    # What the receiver makes of a frame.

    def _hear(self, outgoing: OutgoingPacket) -> FrameFate:
        node = outgoing.receiver
        try:
            frame = decode_frame(outgoing.frame)
            if not isinstance(frame, DataFrame) or node.is_repetition(frame.source, frame.sequence):
                return FrameFate.REPEATED
            node.figures.frames_received += 1
            hop = Hop(frame.source, frame.destination)
            packet = node.adaptation.receive(self._loop.time(), frame.payload, hop)
        except MalformedFrame:
            return FrameFate.LOST
        if packet is not None:
            outgoing.arrived = True
            self._arrived(node, outgoing, packet)
        return FrameFate.RECEIVED

    def _arrived(self, node: Node, outgoing: OutgoingPacket, packet: bytes) -> None:
        datagram = outgoing.datagram
        if node.index not in (0, self._options.hops):
            limit = packet[_HOP_LIMIT_AT] - 1
            routed = packet[:_HOP_LIMIT_AT] + bytes((limit,)) + packet[_HOP_LIMIT_AT + 1 :]
            self._enqueue(node, routed, datagram, outgoing.done)
            return
        intact = packet[IP_UDP_HEADERS:] == datagram.data
        outgoing.done(datagram, Outcome.DELIVERED if intact else Outcome.RADIO)

    def _acknowledge(self, node: Node, outgoing: OutgoingPacket, start: float, lost: bool) -> None:
        """``node`` is the one whose frame is acknowledged."""
        frame, receiver = encode_frame(AckFrame(outgoing.frame[2])), outgoing.receiver
        receiver.figures.acks_sent += 1
        seconds = air_time(ACK_SIZE)
        receiver.figures.time_sending += seconds
        receiver.figures.energy_sending += self._options.currents.sending(seconds)
        fate = FrameFate.LOST if lost else FrameFate.RECEIVED
        number, attempt = outgoing.datagram.number, outgoing.attempt
        self._report(
            FrameSeen(
                start, receiver.index, node.index, frame, fate, number, attempt=attempt, ack=True
            )
        )

    # Accounts.

    def _account(self, node: Node, outgoing: OutgoingPacket, end: float, fate: FrameFate) -> None:
        """Book and report a data frame that was sent until ``end``."""
        seconds = air_time(len(outgoing.frame))
        node.figures.frames_sent += 1
        node.figures.frame_bytes_sent += len(outgoing.frame)
        node.figures.time_sending += seconds
        node.figures.energy_sending += self._options.currents.sending(seconds)
        self._spend_listening(outgoing.receiver, seconds)
        receiver, number = outgoing.receiver.index, outgoing.datagram.number
        self._report(
            FrameSeen(
                end - seconds,
                node.index,
                receiver,
                outgoing.frame,
                fate,
                number,
                attempt=outgoing.attempt,
            )
        )

    def _spend_listening(self, node: Node, seconds: float) -> None:
        node.figures.time_receiving += seconds
        node.figures.energy_receiving += self._options.currents.receiving(seconds)

    def _report(self, frame: FrameSeen) -> None:
        for observer in self._observers:
            observer.seen(frame)


def _direction(node: Node, outgoing: OutgoingPacket) -> tuple[int, int]:
    """By which the draws of a frame, and of its acknowledgement, are found."""
    return node.index, outgoing.receiver.index - node.index
