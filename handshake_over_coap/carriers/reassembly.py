"""Handshake messages and their fragments: cut, and joined again, within bounds.

Fragments come in any order, overlapping and repeated.  One that contradicts what is known of its
message is left out, as nobody can tell which of two unauthenticated fragments is the forged one;
the counters say so.

Source: RFC 6347 sections 4.2.2 and 4.2.3, RFC 9147 sections 5.2 and 5.5.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.wire import Reader, u8, u16, u24

MESSAGE_HEADER = 12
"""Bytes of the header that each fragment of a handshake message has."""

MAX_HANDSHAKE = 16 * 1024
"""Bytes of messages that are kept at once while they are incomplete or out of order.

The next message has as much beside it where those further ahead came sealed."""

AHEAD = 10
"""How far ahead of the next message another may be: no flight has more messages."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a handshake message: ``data`` from ``offset`` of the ``length`` bytes in all."""

    type: int
    length: int
    message_seq: int
    offset: int
    data: bytes
    epoch: int


class Placed(Enum):
    """What became of a fragment."""

    NEW = auto()
    """It brought bytes that were missing, or a whole message without any."""
    KNOWN = auto()
    """All of it was there already, in a message that is not delivered yet."""
    OLD = auto()
    """Its message was delivered before."""
    REFUSED = auto()
    """It was left out: too far ahead, too large, or in contradiction to what is there."""


def fragment(message: HandshakeMessage, offset: int, length: int) -> bytes:
    """``length`` bytes of ``message`` from ``offset``, with the header of a fragment."""
    if not offset and length == len(message.body):
        return message.dtls_bytes()
    header = u8(message.type) + u24(len(message.body)) + u16(message.message_seq)
    return header + u24(offset) + u24(length) + message.body[offset : offset + length]


def read_fragments(data: bytes, epoch: int) -> list[Fragment]:
    """The fragments that fill a record's plaintext; raises DecodeError for anything else."""
    reader, found = Reader(data), list[Fragment]()
    while not found or reader.remaining:
        kind, length, seq = reader.u8(), reader.u24(), reader.u16()
        offset, size = reader.u24(), reader.u24()
        if offset + size > length:
            raise DecodeError("a fragment reaches past the end of its message")
        found.append(Fragment(kind, length, seq, offset, reader.take(size), epoch))
    return found


class _Partial:
    """One message on its way in."""

    __slots__ = (
        "_data",
        "_known",
        "_missing",
        "contradicted",
        "epoch",
        "length",
        "touched",
        "type",
    )

    def __init__(self, first: Fragment) -> None:
        self.type, self.length, self.epoch = first.type, first.length, first.epoch
        self._data = bytearray(first.length)
        self._known = bytearray(first.length)  # 255 where a byte is known
        self._missing = first.length
        self.contradicted = False
        self.touched = False

    def add(self, part: Fragment) -> Placed:
        """Put a fragment in its place, unless it contradicts what is there."""
        if (part.type, part.length, part.epoch) != (self.type, self.length, self.epoch):
            return Placed.REFUSED
        start, end = part.offset, part.offset + len(part.data)
        missing = self._known.count(0, start, end)
        if missing < end - start and not self._agrees(part.data, start, end):
            return Placed.REFUSED
        first = not self.touched
        self.touched = True
        self._missing -= missing
        self._data[start:end] = part.data
        self._known[start:end] = b"\xff" * (end - start)
        return Placed.NEW if missing or first else Placed.KNOWN

    def _agrees(self, data: bytes, start: int, end: int) -> bool:
        """Whether ``data`` says the same as the bytes that are known between the two offsets."""
        here = int.from_bytes(self._data[start:end], "big")
        known = int.from_bytes(self._known[start:end], "big")
        return not (here ^ int.from_bytes(data, "big")) & known

    def holes(self, *, last: bool) -> int:
        """How many stretches are missing; of the ``last`` message only before its last byte."""
        known = self._known
        found = known.count(b"\xff\x00") + known.startswith(b"\x00")
        return found - (last and known.endswith(b"\x00"))

    def whole(self, seq: int) -> HandshakeMessage | None:
        """The message once nothing is missing."""
        if self._missing:
            return None
        return HandshakeMessage(self.type, bytes(self._data), seq, self.epoch)


class Reassembly:
    """The messages of one peer, in order, from fragments in any order.

    ``next_seq`` is the number of the message that :meth:`next` waits for.
    """

    def __init__(self, next_seq: int, counters: Counter[str]) -> None:
        self.next_seq = next_seq
        self._lost = 0
        self._partial: dict[int, _Partial] = {}
        self.counters = counters

    def add(self, part: Fragment) -> bool:
        """Take a fragment; True if it belongs to a message that was delivered before."""
        return self.place(part) is Placed.OLD

    def place(self, part: Fragment) -> Placed:
        """Take a fragment, and say what became of it."""
        self._skip_to(part.message_seq)
        if part.message_seq < self.next_seq:
            return Placed.OLD
        if part.message_seq >= self.next_seq + AHEAD:
            self.counters["dropped: message far ahead"] += 1
            return Placed.REFUSED
        partial = self._partial.get(part.message_seq)
        if partial is not None and partial.epoch == 0 < part.epoch:
            partial = None  # what comes in the clear may be forged, what comes sealed is not
            self.forget(part.message_seq)
        if partial is None:
            if not self._room_for(part):
                self.counters["dropped: handshake too large"] += 1
                return Placed.REFUSED
            partial = self._partial[part.message_seq] = _Partial(part)
        placed = partial.add(part)
        if placed is Placed.REFUSED:
            partial.contradicted = partial.epoch == part.epoch
            self.counters["dropped: contradicting fragment"] += 1
        return placed

    def skip(self, most: int) -> None:
        """Messages are lost for good, as many as ``most``: go on with the first that is there.

        Or that comes, where none is.
        """
        self._lost = most
        if self._partial:
            self._skip_to(min(self._partial))

    def _skip_to(self, seq: int) -> None:
        if 0 < seq - self.next_seq <= self._lost:
            self.next_seq = seq
        self._lost = 0

    def _room_for(self, part: Fragment) -> bool:
        """Whether another message may be kept: those further ahead, perhaps forged, make room.

        What came sealed does not: an ACK may have named it, and then it would never come again.
        """
        if part.length > MAX_HANDSHAKE:
            return False
        is_next = part.epoch > 0 and part.message_seq == self.next_seq
        most = 2 * MAX_HANDSHAKE if is_next else MAX_HANDSHAKE
        held = sum(other.length for other in self._partial.values())
        for seq in sorted(self._partial, reverse=True):
            if held + part.length <= most or seq < part.message_seq:
                break
            if self._partial[seq].epoch == 0:
                held -= self._partial.pop(seq).length
        return held + part.length <= most

    @property
    def holes(self) -> int:
        """How many stretches are missing before the furthest byte that has come."""
        furthest = max(self._partial, default=self.next_seq - 1)
        return sum(
            self._partial[seq].holes(last=seq == furthest) if seq in self._partial else 1
            for seq in range(self.next_seq, furthest + 1)
        )

    @property
    def empty(self) -> bool:
        """Whether nothing is kept."""
        return not self._partial

    @property
    def protected(self) -> bool:
        """Whether anything is kept that came sealed."""
        return any(partial.epoch for partial in self._partial.values())

    def peek(self) -> HandshakeMessage | None:
        """The next message, if it is whole; it stays until :meth:`advance`."""
        return self.whole(self.next_seq)

    def whole(self, seq: int) -> HandshakeMessage | None:
        """The message of that number, if it is whole."""
        partial = self._partial.get(seq)
        return None if partial is None else partial.whole(seq)

    def holds(self, seq: int) -> bool:
        """Whether anything of that message is kept."""
        return seq in self._partial

    def advance(self) -> None:
        """The next message has been taken."""
        self._partial.pop(self.next_seq, None)
        self.next_seq += 1

    def forget_contradicted(self) -> None:
        """Drop messages of which two versions came: the forged one may have come first."""
        self._partial = {
            seq: partial for seq, partial in self._partial.items() if not partial.contradicted
        }

    def forget_next(self) -> None:
        """Drop the next message, which was wrong: another may come in its place."""
        self.forget(self.next_seq)

    def forget(self, seq: int) -> None:
        """Drop what has come of that message."""
        self._partial.pop(seq, None)

    def forget_unprotected(self) -> None:
        """Drop what came in the clear: from here on everything is protected."""
        self._partial = {seq: partial for seq, partial in self._partial.items() if partial.epoch}
