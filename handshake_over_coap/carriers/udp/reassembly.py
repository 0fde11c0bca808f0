"""Fragments into whole messages: any order, any overlap, any repetition, within bounds.

A fragment that contradicts what is known of its message is left out, as nobody can tell which of
two unauthenticated fragments is the forged one; the counters say so.

Source: RFC 6347 sections 4.2.2 and 4.2.3.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.wire import Reader

MAX_HANDSHAKE = 16 * 1024
"""Bytes of messages that are kept at once while they are incomplete or out of order."""

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

    __slots__ = ("_data", "_known", "_missing", "contradicted", "epoch", "length", "type")

    def __init__(self, first: Fragment) -> None:
        self.type, self.length, self.epoch = first.type, first.length, first.epoch
        self._data = bytearray(first.length)
        self._known = bytearray(first.length)
        self._missing = first.length
        self.contradicted = False

    def add(self, part: Fragment) -> bool:
        """Put a fragment in its place; False if it contradicts what is there."""
        if (part.type, part.length, part.epoch) != (self.type, self.length, self.epoch):
            return False
        start, end = part.offset, part.offset + len(part.data)
        for position in range(start, end):
            if self._known[position] and self._data[position] != part.data[position - start]:
                return False
        self._missing -= self._known[start:end].count(0)
        self._data[start:end] = part.data
        self._known[start:end] = b"\x01" * (end - start)
        return True

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
        self._partial: dict[int, _Partial] = {}
        self._counters = counters

    def add(self, part: Fragment) -> bool:
        """Take a fragment; True if it belongs to a message that was delivered before."""
        if part.message_seq < self.next_seq:
            return True
        if part.message_seq >= self.next_seq + AHEAD:
            self._counters["dropped: message far ahead"] += 1
            return False
        partial = self._partial.get(part.message_seq)
        if partial is None:
            held = sum(other.length for other in self._partial.values())
            if held + part.length > MAX_HANDSHAKE:
                self._counters["dropped: handshake too large"] += 1
                return False
            partial = self._partial[part.message_seq] = _Partial(part)
        if not partial.add(part):
            partial.contradicted = True
            self._counters["dropped: contradicting fragment"] += 1
        return False

    def peek(self) -> HandshakeMessage | None:
        """The next message, if it is whole; it stays until :meth:`advance`."""
        partial = self._partial.get(self.next_seq)
        return None if partial is None else partial.whole(self.next_seq)

    def advance(self) -> None:
        """The next message has been taken."""
        self._partial.pop(self.next_seq, None)
        self.next_seq += 1

    def forget_contradicted(self) -> None:
        """Drop messages of which two versions came: the forged one may have come first."""
        self._partial = {
            seq: partial for seq, partial in self._partial.items() if not partial.contradicted
        }
