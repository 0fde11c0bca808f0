"""A flight of DTLS 1.3 on its way: cut into records, and sent until the peer has all of it.

Theory of operation.  A flight is cut once into pieces, which fill datagrams as full as the mtu
allows; within a datagram all pieces of an epoch share one record.  Each record that goes out is
remembered with its pieces, so an ACK, which names records, tells what has arrived.  What has not
is sent again in new records, and nothing else is.

A peer acknowledges a part of a flight either at once, when it sees a gap, or after a quarter of its
timer, when the rest does not come.  The first kind names a record and not one that was sent before
it: this one is lost, and of what was sent later it says nothing yet.  The second kind leaves no
gap: what was sent together with the last record that it names is lost.

Source: RFC 9147 sections 5.8.1, 5.8.3, 7.1 and 7.2.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from handshake_over_coap.carriers.reassembly import MESSAGE_HEADER, fragment
from handshake_over_coap.records.ack import RECORD_NUMBER_LENGTH
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.records.writer13 import Writer13
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.flight import Flight, HandshakeMessage

RECORDS_AT_ONCE = 10
"""Records that are sent without waiting for an ACK (RFC 9147 section 5.8.3)."""

REMEMBERED = 512
"""Records whose pieces are remembered: an ACK of older ones is not understood."""

GRACE = 0.01
"""Seconds to wait after an ACK as long as the mtu allows: the next may have the rest."""

ACK_LENGTH = 2
"""Bytes of an ACK that names nothing."""

_LEAST_FRAGMENT = 16
"""Bytes for which a message is begun in what is left of a datagram: its header has 12.

And what a datagram holds at least, whatever the mtu: a peer that asks for a long connection ID
must not have a flight cut into single bytes, each of which carries that ID."""


@dataclass(slots=True, eq=False)
class Piece:
    """A part of a message, and what is known of its fate.

    ``order`` counts the records of the flight, ``datagram`` the datagrams, and ``turn`` the times
    when there was something to send; -1 for a piece that was never sent.  ``again`` says that it
    was sent more than once, ``hinted`` that an ACK in the clear named it, which anybody may have
    written, and ``spared`` that it was left out for that when the timer ran out last.
    ``offset`` and ``length`` are bytes of the message; ``acked`` says that the peer is known
    to have it.
    """

    message: HandshakeMessage
    offset: int
    length: int
    order: int = -1
    datagram: int = -1
    turn: int = -1
    again: bool = False
    acked: bool = False
    hinted: bool = False
    spared: bool = False

    @property
    def size(self) -> int:
        """Bytes that it takes in a record."""
        return MESSAGE_HEADER + self.length

    def to_bytes(self) -> bytes:
        """The fragment."""
        return fragment(self.message, self.offset, self.length)


class _Sent(NamedTuple):
    """A record that went out."""

    order: int
    turn: int
    at: float
    pieces: tuple[Piece, ...]

    @property
    def measures(self) -> bool:
        """Whether an ACK of it measures a round trip: all in it is new, and was sent once."""
        return not any(piece.again or piece.acked or piece.hinted for piece in self.pieces)


class Delivery:
    """One flight until the peer has it; ``mtu`` is the largest datagram in bytes.

    ``repeated`` counts the datagrams that held anything for a second time.  ``ask_at`` is when to
    ask :meth:`resend_lost`, None where no ACK has come since.  ``turns`` counts the times when
    there was something to send, and ``highest_turn`` is the latest, from 0, of which an ACK has
    named a record; -1 for none.  ``measured_from`` is when the latest record was sent of those that
    the last ACK named first and whose pieces were sent once; None if it named none of that kind.
    """

    def __init__(self, flight: Flight, writer: Writer13, mtu: int) -> None:
        self.messages = tuple(item for item in flight if isinstance(item, HandshakeMessage))
        self._writer = writer
        self._mtu = mtu
        layout = _Layout(writer, mtu)
        self._pieces = tuple(_cut(self.messages, layout))
        self._layout: _Layout | None = layout
        self._records: OrderedDict[RecordNumber, _Sent] = OrderedDict()
        self._orders = self._datagrams = self.turns = self._round = 0
        self._highest = self.highest_turn = -1
        self.first_sent = self.last_sent = 0.0
        self.ask_at: float | None = None
        self.measured_from: float | None = None
        self.repeated = 0
        self.attempts = 0

    @property
    def repeats(self) -> int:
        """How often any of it was sent again, for whatever reason."""
        return max(self.attempts, self.repeated)

    @property
    def done(self) -> bool:
        """Whether the peer has said that it has everything."""
        return all(piece.acked for piece in self._pieces)

    @property
    def touched(self) -> bool:
        """Whether the peer has said that it has anything, and nobody else can have said so."""
        return any(piece.acked for piece in self._pieces)

    @property
    def all_clear(self) -> bool:
        """Whether no key is needed to read it, as with a hello."""
        return not any(message.epoch for message in self.messages)

    def send(self, now: float) -> list[bytes]:
        """The datagrams of the whole flight, or of its first ten records."""
        self.first_sent = now
        layout, self._layout = self._layout, None  # everything goes as it was cut
        return self._transmit(self._pieces, now, layout=layout)

    def resend(self, now: float) -> list[bytes]:
        """The datagrams of all that the peer has not acknowledged, ten records at most.

        What waits longest goes first.  An ACK in the clear is believed once: what only it has named
        is left out this time and not the next, nor ever where nothing else is left.
        """
        for piece in self._pieces:
            piece.hinted = piece.spared = piece.hinted and not piece.spared
        if not any(self._open()):
            for piece in self._pieces:
                piece.hinted = piece.spared = False
        self._round = self._orders
        return self.go_on(now)

    def go_on(self, now: float) -> list[bytes]:
        """The datagrams of what was left over by :meth:`send` or :meth:`resend`, as far again."""
        return self._transmit(sorted(self._rest(), key=lambda piece: piece.order), now)

    @property
    def rest_is_clear(self) -> bool:
        """Whether that begins in the clear: a peer without keys may have no way to ask for it."""
        return any(piece.message.epoch == 0 for piece in self._rest())

    def _rest(self) -> Iterator[Piece]:
        return (piece for piece in self._open() if piece.order < self._round)

    def resend_lost(self, now: float) -> list[bytes]:
        """The datagrams of what the last ACK shows to be lost, and of what was never sent.

        Nothing while more ACKs may follow, which is until :attr:`ask_at`.
        """
        if self.ask_at is not None and now < self.ask_at:
            return []
        self.ask_at = None
        missing = list(self._open())
        lost = [piece for piece in missing if 0 <= piece.order < self._highest]
        if not lost:
            lost = [piece for piece in missing if 0 <= piece.turn <= self.highest_turn]
        under_way = {piece.order for piece in missing if piece.order >= 0 and piece not in lost}
        fresh = [piece for piece in missing if piece.order < 0]
        return self._transmit(lost + fresh, now, RECORDS_AT_ONCE - len(under_way))

    def resend_first(self, now: float) -> list[bytes]:
        """The datagrams of what a peer lacks that can read nothing sealed.

        That is what came with the messages in the clear, without which it has no keys; or all.
        Nothing while more ACKs may follow.
        """
        if self.ask_at is not None and now < self.ask_at:
            return []
        missing = list(self._open())
        lost = {piece.datagram for piece in missing if piece.message.epoch == 0}
        return self._transmit([p for p in missing if not lost or p.datagram in lost], now)

    def acknowledge(self, numbers: Sequence[RecordNumber], now: float, *, authentic: bool) -> bool:
        """Take an ACK; True if it says anything new.  Records never sent are passed over."""
        news = False
        room = self._mtu - self._writer.overhead - ACK_LENGTH
        full = len(numbers) >= max(room // RECORD_NUMBER_LENGTH, 1)
        self.ask_at = now + GRACE if full else None
        self.measured_from = None
        for number in numbers:
            sent = self._records.get(number)
            if sent is None:
                continue
            if sent.measures:
                self.measured_from = max(sent.at, self.measured_from or sent.at)
            self._highest = max(self._highest, sent.order)
            self.highest_turn = max(self.highest_turn, sent.turn)
            for piece in sent.pieces:
                news |= not (piece.acked or (piece.hinted and not authentic))
                piece.acked |= authentic
                piece.hinted = True
        return news

    def has_keys(self) -> bool:
        """The peer has all that was said in the clear, as its keys show; True if that is new."""
        clear = [piece for piece in self._pieces if not (piece.message.epoch or piece.acked)]
        for piece in clear:
            piece.acked = True
        return bool(clear)

    def _open(self) -> Iterator[Piece]:
        return (piece for piece in self._pieces if not (piece.acked or piece.hinted))

    def _transmit(
        self,
        pieces: Iterable[Piece],
        now: float,
        left: int = RECORDS_AT_ONCE,
        *,
        layout: _Layout | None = None,
    ) -> list[bytes]:
        """The datagrams of ``pieces``, as far as ``left`` records hold them.

        What goes out goes in the order of the flight: what is in the clear comes first, and a peer
        without keys can read it.
        """
        pieces = tuple(pieces)
        layout = layout or self._laid_out(set(pieces))
        if layout.records > left:
            layout = self._laid_out(set(self._fitting(pieces, left)))
        if not layout.records:
            return []
        self.last_sent = now
        sent = [self._datagram(records) for records in layout.datagrams]
        self.turns += 1
        return sent

    def _laid_out(self, chosen: Collection[Piece]) -> _Layout:
        """The layout of some pieces, in the order of the flight."""
        layout = _Layout(self._writer, self._mtu)
        for piece in self._pieces:
            if piece in chosen:
                layout.put(piece)
        return layout

    def _fitting(self, pieces: Iterable[Piece], left: int) -> Iterator[Piece]:
        """The first of ``pieces``, as far as ``left`` records hold them."""
        layout = _Layout(self._writer, self._mtu)
        for piece in pieces:
            layout.put(piece)
        for records in layout.datagrams:
            left -= len(records)
            if left < 0:
                return
            for record in records:
                yield from record.pieces

    def _datagram(self, records: list[_Record]) -> bytes:
        data = b""
        self.repeated += any(piece.order >= 0 for record in records for piece in record.pieces)
        for record in records:
            content = b"".join(piece.to_bytes() for piece in record.pieces)
            sealed, number = self._writer.seal(
                record.epoch, ContentType.handshake, content, last=record is records[-1]
            )
            data += sealed
            self._remember(number, tuple(record.pieces))
        self._datagrams += 1
        return data

    def _remember(self, number: RecordNumber, pieces: tuple[Piece, ...]) -> None:
        self._records[number] = _Sent(self._orders, self.turns, self.last_sent, pieces)
        while len(self._records) > REMEMBERED:
            self._records.popitem(last=False)
        for piece in pieces:
            piece.again = piece.order >= 0
            piece.order, piece.turn, piece.datagram = self._orders, self.turns, self._datagrams
        self._orders += 1


class _Record:
    """A record that is being filled."""

    __slots__ = ("epoch", "pieces", "size")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.size = 0
        self.pieces: list[Piece] = []


class _Layout:
    """Puts pieces into records, and records into datagrams."""

    def __init__(self, writer: Writer13, mtu: int) -> None:
        self._writer = writer
        self._mtu = mtu
        self.datagrams: list[list[_Record]] = []
        self._left = 0

    @property
    def records(self) -> int:
        """How many records there are."""
        return sum(map(len, self.datagrams))

    def room(self, epoch: int) -> int:
        """How long a piece of ``epoch`` may be to fit this datagram; below zero for none."""
        longest = self._writer.longest(epoch)
        record = self._last_record(epoch)
        joined = -1 if record is None else min(self._left, longest - record.size)
        apart = min(self._left - self._writer.overhead_of(epoch), longest)
        return max(joined, apart) - MESSAGE_HEADER

    def put(self, piece: Piece) -> None:
        """Add a piece, to a new datagram if it does not fit this one."""
        if piece.length > self.room(piece.message.epoch):
            self.next_datagram()
        self.add(piece)

    def add(self, piece: Piece) -> None:
        """Add a piece that fits this datagram."""
        epoch = piece.message.epoch
        record = self._last_record(epoch)
        if record is None or piece.size > min(
            self._left, self._writer.longest(epoch) - record.size
        ):
            record = _Record(epoch)
            self.datagrams[-1].append(record)
            self._left -= self._writer.overhead_of(epoch)
        record.pieces.append(piece)
        record.size += piece.size
        self._left -= piece.size

    def next_datagram(self) -> None:
        """Begin another datagram."""
        if not self.datagrams or self.datagrams[-1]:
            self.datagrams.append([])
        self._left = self._mtu

    def _last_record(self, epoch: int) -> _Record | None:
        """The record that a piece of ``epoch`` may go on in."""
        records = self.datagrams[-1] if self.datagrams else []
        return records[-1] if records and records[-1].epoch == epoch else None


def _cut(messages: Iterable[HandshakeMessage], layout: _Layout) -> Iterator[Piece]:
    """The pieces of a flight, each filling what is left of a datagram of ``layout``."""
    layout.next_datagram()
    for message in messages:
        offset, size = 0, len(message.body)
        while True:
            room = layout.room(message.epoch)
            if room < min(size - offset, _LEAST_FRAGMENT):
                layout.next_datagram()
                room = layout.room(message.epoch)
            length = min(size - offset, max(room, _LEAST_FRAGMENT))
            piece = Piece(message, offset, length)
            if length <= room:
                layout.add(piece)
            else:
                layout.put(piece)
            yield piece
            offset += length
            if offset >= size:
                break
