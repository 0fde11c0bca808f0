"""What is kept of ClientHellos in fragments, from addresses that are not proven yet.

All strangers share one small pool.  Whoever floods it delays fragmented hellos and nothing else:
the oldest makes room, except where an ACK has named what is kept, as a client may never send that
again (RFC 9147 section 7).  Only half of the pool may be of that kind; while it is, nobody else is
sent an ACK, and clients repeat what they hear nothing of.

Sources: RFC 9147 sections 5.1, 5.8.1 and 7.1.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass

from handshake_over_coap.carriers.agenda import Agenda
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.reassembly import MESSAGE_HEADER, Fragment, Placed, Reassembly
from handshake_over_coap.carriers.receipts import Receipts
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls12 import HEADER
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.tls.flight import HandshakeMessage

POOL = 64
"""Strangers whose fragments are kept at once: the oldest makes room."""
ACKNOWLEDGED = POOL // 2
"""Those of them that have been sent an ACK, at most."""
AGE = 600.0
"""Seconds for which fragments of a stranger are kept without one more: ten of a client's waits."""
BURST = 0.25
"""Seconds within which the parts of one transmission come, and less than any timer of a client."""
PATIENCE = 0.25
"""Seconds to wait for the rest of a hello before what came is acknowledged.

A quarter of the first timer (RFC 9147 section 7.1): no round trip is known of a stranger."""
AMPLIFICATION = 3
"""An address that is not proven is sent this many times what came from it, at most."""

_OVERHEAD = HEADER.size + MESSAGE_HEADER
_SESSION_ID_LENGTH = 34
"""Where a ClientHello has the length of its session ID, behind version and random."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What a fragment leads to: the whole hello, or ACKs of what is there.

    ``record_number`` is that of our next record in the clear.
    """

    record_number: int
    message: HandshakeMessage | None = None
    acks: tuple[Ack, ...] = ()


class Stranger:
    """The hello of one address: its fragments, or all of it once it was answered.

    ``touched`` is when the last fragment came, in seconds; ``acknowledged`` says that an ACK has
    named some of it, and ``speaks_13`` that it can be no hello of 1.2; ``next_number`` is the least
    that our next record in the clear may have.
    """

    def __init__(self, message_seq: int, counters: Counter[str]) -> None:
        self.touched = 0.0
        self.acknowledged = self.speaks_13 = False
        self.message_seq = message_seq
        self.receipts = Receipts()
        self.next_number = 0
        self.whole: HandshakeMessage | None = None
        self._reassembly = Reassembly(message_seq, counters)
        self._received = 0
        self._answered_at = 0.0
        self._cost = 0

    @property
    def holes(self) -> int:
        """How many gaps show."""
        return self._reassembly.holes

    def goes_on_with(self, part: Fragment) -> bool:
        """Whether a fragment is of this hello, as far as it shows."""
        if part.message_seq != self.message_seq:
            return False
        return self.whole is None or repeats(part, self.whole)

    def is_behind(self, part: Fragment, now: float) -> bool:
        """Whether a fragment of an earlier hello has only been overtaken."""
        return part.message_seq < self.message_seq and now - self.touched < BURST

    def place(self, part: Fragment, number: int, now: float) -> Placed:
        """Take a fragment that came in the record of that number."""
        self._count(part, now)
        placed = self._reassembly.place(part)
        if placed is not Placed.REFUSED:
            self.receipts.note(RecordNumber(0, number))
            self.speaks_13 |= part.message_seq > 0 and _has_no_cookie(part)
        return placed

    def put_together(self) -> HandshakeMessage | None:
        """The hello, once nothing is missing."""
        return self._reassembly.peek()

    def answered(self, message: HandshakeMessage, size: int, now: float) -> None:
        """The whole hello has drawn an answer of ``size`` bytes."""
        self.whole, self._cost = message, size
        self.touched = self._answered_at = now
        self._received = 0

    def asks_again(self, part: Fragment, now: float) -> bool:
        """Whether ``part`` of an answered hello draws the answer once more.

        Once for all parts of a transmission (RFC 9147 section 5.8.1), and not before enough came.
        """
        self._count(part, now)
        due = now - self._answered_at >= BURST
        return due and AMPLIFICATION * self._received >= self._cost

    def acks(self, mtu: int) -> list[Ack]:
        """What to say of the fragments that are here, in datagrams of ``mtu`` bytes.

        It is no longer than what came since the last time, but for one number a record.
        """
        room = min(mtu, self._received) - HEADER.size
        self._received = 0
        self.acknowledged = True
        return self.receipts.acks(room)

    def _count(self, part: Fragment, now: float) -> None:
        self.touched = now
        self._received += _OVERHEAD + len(part.data)


class Strangers:
    """The pool.

    ``mtu`` is the largest datagram in bytes; ``only_13`` says that nothing else is spoken here.
    """

    def __init__(self, counters: Counter[str], mtu: int, *, only_13: bool) -> None:
        self._counters = counters
        self._mtu = mtu
        self._only_13 = only_13
        self._pool: OrderedDict[Address, Stranger] = OrderedDict()
        self._acks_due: Agenda[Address] = Agenda()

    def __len__(self) -> int:
        return len(self._pool)

    @property
    def deadline(self) -> float | None:
        """When :meth:`late` has something to say."""
        return self._acks_due.next

    def join(self, part: Fragment, number: int, address: Address, now: float) -> Joined | None:
        """Take a fragment that came in the record of that number: what there is to say, if any."""
        while self._pool and next(iter(self._pool.values())).touched < now - AGE:
            self._drop(next(iter(self._pool)))
        known = self._of(address, part, now)
        if known is None:
            self._counters["dropped: late part of a hello"] += 1
            return None
        known.next_number = max(known.next_number, number)
        if known.whole is not None:
            again = known.asks_again(part, now)
            return Joined(known.next_number, known.whole) if again else None
        if known.place(part, number, now) is Placed.REFUSED:
            # One of two that contradict each other is forged: another try of the client decides.
            self._drop(address)
            return None
        message = known.put_together()
        if message is not None:
            self._drop(address)
            return Joined(known.next_number, message)
        return self._acknowledge(address, known, now)

    def answered(self, address: Address, message: HandshakeMessage, size: int, now: float) -> None:
        """A hello that came in fragments has drawn an answer of so many bytes: it may ask again."""
        known = self._pool[address] = Stranger(message.message_seq, self._counters)
        known.answered(message, size, now)
        self._make_room()

    def late(self, now: float) -> list[tuple[Address, Joined]]:
        """ACKs for those of whose hellos the rest has not come."""
        found = []
        for address in self._acks_due.due(now):
            known = self._pool[address]
            if self._may_acknowledge(known):
                found.append((address, self._acks(known)))
        return found

    def _of(self, address: Address, part: Fragment, now: float) -> Stranger | None:
        """What is kept of the hello of ``part``, from now on if nothing was.

        None if the part is only late, as one of a later hello is being put together.
        """
        known = self._pool.get(address)
        if known is not None and known.goes_on_with(part):
            # Whoever is still sending is a client of ours: it makes room last.
            self._pool.move_to_end(address)
            return known
        if known is not None and known.acknowledged and known.is_behind(part, now):
            return None
        self._drop(address)
        known = self._pool[address] = Stranger(part.message_seq, self._counters)
        self._make_room()
        return known

    def _acknowledge(self, address: Address, known: Stranger, now: float) -> Joined | None:
        """An ACK of a second hello, where a gap shows; later where the rest does not come."""
        if not known.message_seq or not (self._only_13 or known.speaks_13):
            return None
        if not self._may_acknowledge(known):
            return None
        at_once = known.receipts.wanted(known.holes, now, PATIENCE)
        said = self._acks(known) if at_once else None
        self._acks_due.set(address, known.receipts.deadline)
        return said

    def _acks(self, known: Stranger) -> Joined:
        acks = known.acks(self._mtu)
        number = known.next_number
        known.next_number += len(acks)
        return Joined(number, acks=tuple(acks))

    def _may_acknowledge(self, known: Stranger) -> bool:
        """Whether an ACK of ``known`` leaves the pool room enough for others."""
        others = sum(each.acknowledged for each in self._pool.values() if each is not known)
        return others < ACKNOWLEDGED

    def _make_room(self) -> None:
        while len(self._pool) > POOL:
            self._drop(next(each for each, known in self._pool.items() if not known.acknowledged))

    def _drop(self, address: Address) -> None:
        self._pool.pop(address, None)
        self._acks_due.set(address, None)


def repeats(part: Fragment, message: HandshakeMessage) -> bool:
    """Whether ``part`` is a part of that very message."""
    said = message.body[part.offset : part.offset + len(part.data)]
    mine = (message.type, message.message_seq, len(message.body), said)
    return (part.type, part.message_seq, part.length, part.data) == mine


def _has_no_cookie(part: Fragment) -> bool:
    """Whether ``part`` shows that its hello has nothing where those of 1.2 have their cookie."""
    data = part.data
    if part.offset or len(data) <= _SESSION_ID_LENGTH:
        return False
    behind = _SESSION_ID_LENGTH + 1 + data[_SESSION_ID_LENGTH]
    return data[behind : behind + 1] == b"\0"
