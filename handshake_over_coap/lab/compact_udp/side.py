"""One side of a handshake: bodies out and in, by the rules of RFC 9147 and the code that has them.

Our body is on its way until an ACK or the peer's next one covers all of it; of the peer's body is
known which parts came, and when an ACK has to say so, as in
:class:`~handshake_over_coap.carriers.udp.engine13.Engine13`.
"""

from __future__ import annotations

from collections import Counter

from handshake_over_coap.carriers.delivery import Delivery
from handshake_over_coap.carriers.post_handshake import COPY
from handshake_over_coap.carriers.reassembly import Placed, Reassembly
from handshake_over_coap.carriers.receipts import Receipts
from handshake_over_coap.carriers.udp import UdpParameters
from handshake_over_coap.carriers.udp.clear import Hint
from handshake_over_coap.carriers.udp.outgoing13 import OutgoingFlights
from handshake_over_coap.timers import Draw, earliest

from .parts import Acknowledgement, Part, PartWriter, body_message

_EVERYTHING = 1 << 16
"""Bytes of room for an ACK: its numbers take two bytes and not sixteen."""


class Side:
    """The bodies of one side.

    ``first_seq`` counts the peer's bodies that came before, ``own_seq`` ours.
    """

    def __init__(
        self,
        parameters: UdpParameters,
        counters: Counter[str],
        draw: Draw,
        *,
        first_seq: int = 0,
    ) -> None:
        self._mtu = parameters.mtu
        self._writer = PartWriter()
        self._outgoing = OutgoingFlights(self._writer, parameters.timer.start(draw), self._mtu)
        self._reassembly = Reassembly(first_seq, counters)
        self._receipts = Receipts()
        self._flight_start = first_seq
        self._own_seq = 0
        self._last: Delivery | None = None

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` has something to do."""
        return earliest(*self._outgoing.deadlines, self._receipts.deadline)

    @property
    def retransmissions(self) -> int:
        """Datagrams that held anything for a second time."""
        return self._outgoing.retransmissions + (0 if self._last is None else self._last.repeated)

    def send(self, body: bytes, now: float) -> list[bytes]:
        """The datagrams of our next body."""
        self._goes_on()
        message = body_message(body, self._own_seq)
        self._own_seq += 1
        return self._outgoing.send((message,), now)

    def send_last(self, body: bytes, now: float) -> list[bytes]:
        """The same of the last one, which is repeated only where the peer repeats."""
        self._goes_on()
        self._last = Delivery((body_message(body, self._own_seq),), self._writer, self._mtu)
        return self._last.send(now)

    def _goes_on(self) -> None:
        self._flight_start = self._reassembly.next_seq
        self._receipts.clear()

    def taken(self, now: float) -> None:
        """The peer's first body was put together by the caller, or our first has its answer."""
        self._outgoing.answered(now)

    def repeat(self, now: float) -> list[bytes]:
        """The peer's body before our latest one came again."""
        if self._last is None:
            return self._outgoing.repetition(now)
        return self._last.resend(now) if now - self._last.last_sent >= COPY else []

    def take_part(self, part: Part, now: float) -> tuple[bytes | None, list[bytes]]:
        """Take a part of a body: the body, if it is whole now, and datagrams to send."""
        seq, reassembly = part.fragment.message_seq, self._reassembly
        placed = reassembly.place(part.fragment)
        if placed is Placed.NEW:
            self._outgoing.answered(now)
        if seq < self._flight_start:
            return None, self.repeat(now)
        if placed is not Placed.REFUSED:
            self._receipts.note(part.number)
        message = reassembly.peek()
        if message is not None:
            reassembly.advance()
            return message.body, []
        wanted = self._receipts.wanted(reassembly.holes, now, self._outgoing.patience)
        return None, self._acknowledge() if wanted else []

    def take_ack(self, ack: Acknowledgement, now: float) -> list[bytes]:
        """Take an ACK: the datagrams of what it shows to be lost."""
        return self._outgoing.acked(ack.numbers, now, authentic=True)

    def _acknowledge(self) -> list[bytes]:
        acks = self._receipts.acks(_EVERYTHING)
        return [self._writer.acknowledge(ack.record_numbers) for ack in acks]

    def on_timer(self, now: float) -> list[bytes]:
        """Acknowledge what came of a body, or send ours again; raises HandshakeTimeout."""
        out: list[bytes] = []
        if self._receipts.deadline is not None and now >= self._receipts.deadline:
            out += self._acknowledge()
        out += self._outgoing.ask(now)
        if self._outgoing.due(now):
            out += self._outgoing.again(Hint(), now)
        return out
