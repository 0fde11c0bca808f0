"""A handshake in datagrams whose headers are compressed by SHC (:mod:`.shc`), counted.

Explicit nonces and tags stay as they are: SHC compresses headers.  Sequence numbers and lengths are
those that the handshake really has, so each header is as long as the codec makes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from handshake_over_coap.lab.parts import SEALING
from handshake_over_coap.lab.published import Total
from handshake_over_coap.lab.reconstruction import Flight, Message
from handshake_over_coap.lab.shc import FragmentHeader, RecordHeader
from handshake_over_coap.tls.codepoints import ContentType


@dataclass(frozen=True, slots=True)
class Policy:
    """How messages go into datagrams.

    With ``share`` consecutive messages are in one record.  A message begins in what is left of a
    datagram if ``least`` bytes of its body fit there, a sealed one if ``least_sealed`` do.
    """

    share: bool = False
    least: int = 1
    least_sealed: int = 1


@dataclass(frozen=True, slots=True)
class CompressedParts:
    """The datagrams of a handshake in bytes, by what they are."""

    datagrams: int = 0
    bodies: int = 0
    record_headers: int = 0
    handshake_headers: int = 0
    sealing: int = 0

    @property
    def bytes(self) -> int:
        """All of it together."""
        return sum(self.by_name().values())

    @property
    def total(self) -> Total:
        """Datagrams and bytes, as the tables have them."""
        return Total(self.datagrams, self.bytes)

    def by_name(self) -> dict[str, int]:
        """Bytes of each part."""
        return {
            "message bodies": self.bodies,
            "record headers": self.record_headers,
            "handshake headers": self.handshake_headers,
            "nonces and tags": self.sealing,
        }

    def __add__(self, other: CompressedParts) -> CompressedParts:
        return CompressedParts(
            self.datagrams + other.datagrams,
            self.bodies + other.bodies,
            self.record_headers + other.record_headers,
            self.handshake_headers + other.handshake_headers,
            self.sealing + other.sealing,
        )


def pack(flights: Sequence[Flight], limit: int, policy: Policy) -> CompressedParts:
    """The parts of all flights, each side's in turn, in datagrams of at most ``limit`` bytes."""
    sides = (_Packing(limit, policy), _Packing(limit, policy))
    whole = CompressedParts()
    for number, flight in enumerate(flights):
        for datagram in sides[number % 2].datagrams(flight):
            whole += _counted(datagram)
    return whole


@dataclass(frozen=True, slots=True)
class _Piece:
    """A message, or ``size`` bytes of it from ``offset``."""

    message: Message
    offset: int
    size: int

    def header(self, *, ends_record: bool) -> FragmentHeader:
        whole = self.size == self.message.body
        return FragmentHeader(
            type=self.message.type,
            length=None if whole and ends_record else self.message.body,
            message_seq=self.message.seq,
            offset=self.offset,
        )


@dataclass(frozen=True, slots=True)
class _Record:
    """``pieces`` of messages, or a ChangeCipherSpec."""

    epoch: int
    number: int
    pieces: tuple[_Piece, ...] = ()

    def counted(self) -> CompressedParts:
        """What is in it, without its header."""
        if not self.pieces:
            return CompressedParts(bodies=1)
        headers = 0
        before: FragmentHeader | None = None
        for piece in self.pieces:
            header = piece.header(ends_record=piece is self.pieces[-1])
            headers += len(header.encode(before))
            before = header
        return CompressedParts(
            bodies=sum(piece.size for piece in self.pieces),
            handshake_headers=headers,
            sealing=SEALING if self.epoch else 0,
        )

    def header(self, length: int | None) -> RecordHeader:
        return RecordHeader(
            content_type=ContentType.handshake if self.pieces else ContentType.change_cipher_spec,
            epoch=self.epoch,
            sequence_number=self.number,
            length=length,
        )


_Datagram: TypeAlias = tuple[_Record, ...]


def _counted(datagram: _Datagram) -> CompressedParts:
    whole = CompressedParts(datagrams=1)
    before: RecordHeader | None = None
    for record in datagram:
        inside = record.counted()
        header = record.header(None if record is datagram[-1] else inside.bytes)
        whole += replace(inside, record_headers=len(header.encode(before)))
        before = header
    return whole


class _Packing:
    """The datagrams of one side."""

    def __init__(self, limit: int, policy: Policy) -> None:
        self._limit = limit
        self._policy = policy
        self._numbers = [0, 0]
        self._current: _Datagram = ()

    def datagrams(self, flight: Flight) -> Iterator[_Datagram]:
        """Those of a flight."""
        for message in flight:
            if message is None:
                if not self._fits(self._with_record(_Record(0, self._numbers[0]))):
                    yield self._flushed()
                self._current = self._with_record(_Record(0, self._numbers[0]))
                self._numbers[0] += 1
            else:
                yield from self._message(message)
        if self._current:
            yield self._flushed()

    def _message(self, message: Message) -> Iterator[_Datagram]:
        least = self._policy.least_sealed if message.sealed else self._policy.least
        offset = 0
        while True:
            left = message.body - offset
            room = self._room(message, offset)
            if self._current and room < min(left, least):
                yield self._flushed()
                continue
            size = min(left, room)
            self._put(_Piece(message, offset, size))
            offset += size
            if offset == message.body:
                return
            yield self._flushed()

    def _room(self, message: Message, offset: int) -> int:
        """The most bytes of the message that fit what is left of the datagram; -1: not even 0."""
        for size in range(message.body - offset, -1, -1):
            if self._fits(self._with(_Piece(message, offset, size))):
                return size
        return -1

    def _put(self, piece: _Piece) -> None:
        before = len(self._current)
        self._current = self._with(piece)
        if len(self._current) > before:
            self._numbers[int(piece.message.sealed)] += 1

    def _with(self, piece: _Piece) -> _Datagram:
        """The datagram with this in it too, in the last record if that can be shared."""
        epoch = int(piece.message.sealed)
        if self._policy.share and not epoch and self._current and self._current[-1].pieces:
            *others, last = self._current
            return (*others, replace(last, pieces=(*last.pieces, piece)))
        return self._with_record(_Record(epoch, self._numbers[epoch], (piece,)))

    def _with_record(self, record: _Record) -> _Datagram:
        return (*self._current, record)

    def _fits(self, datagram: _Datagram) -> bool:
        return _counted(datagram).bytes <= self._limit

    def _flushed(self) -> _Datagram:
        datagram, self._current = self._current, ()
        return datagram
