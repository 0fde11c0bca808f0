"""The pieces of a body, and the notes about them, as they stand in the payload of a message.

    piece   FFFKKKKK  number  [tag 2]  data               F flight 1 to 7, K = k - 1 below 31
            FFF11111  number  GGGGGKKK KKKKKKKK  [tag 2]  data      G group, K = k - 1, k >= 32
    note    000NNFFF  count  delay  [tag 2]  rest         N what it says, F about which flight

A body that takes k pieces is followed by 0x80 and zeros up to a multiple of k bytes, and cut into
k pieces of one length; further ones come from the erasure code.  Above 32 pieces the code runs over
groups of at most 32, as equal as can be, and numbers count within the group.  They are 8 bits long
and wrap.  The client's have a tag, which names the handshake at its endpoint; towards the client
the token does that.

A group is written with 5 bits and k with 11, but k is never above :data:`MOST_PIECES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import TypeAlias

from handshake_over_coap.errors import Error

from .erasure import LARGEST_GROUP, NUMBERS, piece

TAG_LENGTH = 2
"""Bytes of the tag in what a client sends."""
LAST_FLIGHT = 7
"""The largest number of a flight: a handshake with a HelloRetryRequest has six."""
MOST_PIECES = 1024
"""Pieces of one body at most, repair pieces aside."""
QUOTE_LENGTH = 8
"""Bytes of a quotation's digest."""

LONG_AGO = 255
"""A delay in a note that is too long to be told."""

_LONG = 31
_SHORT_HEADER, _LONG_HEADER, _NOTE_HEADER = 2, 4, 3
_BYTE = frozenset(range(256))


class PieceError(Error):
    """A payload that is no piece and no note, or a body that cannot be cut or put together."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Piece ``number`` (0 to 255) of ``group`` of a flight whose body was cut into ``k``.

    ``tag`` is empty in what a server sends.
    """

    flight: int
    k: int
    number: int
    data: bytes
    group: int = 0
    tag: bytes = b""

    def quotation(self) -> bytes:
        """What shows that somebody had this piece: its group and number, and a digest of it."""
        return bytes([self.group, self.number]) + sha256(self.data).digest()[:QUOTE_LENGTH]

    def encode(self) -> bytes:
        """The payload.  Raises :class:`PieceError` for what has no encoding."""
        _check_flight(self.flight)
        if not 1 <= self.k <= MOST_PIECES or not 0 <= self.group < groups_of(self.k):
            raise PieceError(f"no piece is of group {self.group} of {self.k} pieces")
        if not 0 <= self.number < NUMBERS or not self.data:
            raise PieceError("a piece has a number below 256 and at least a byte")
        if self.k <= _LONG:
            header = bytes([self.flight << 5 | self.k - 1, self.number])
        else:
            size = (self.group << 11 | self.k - 1).to_bytes(2, "big")
            header = bytes([self.flight << 5 | _LONG, self.number]) + size
        return header + self.tag + self.data


class Saying(IntEnum):
    """What a note says."""

    NEED = 0
    """``count`` more pieces of the flight are needed; the rest is a quotation from it, or empty."""
    WHOLE = 1
    """The flight has come whole and its answer takes time to compute; a quotation, or empty."""
    ASK = 2
    """Of flight 0: this endpoint asks for ``count`` copies of a challenge; the rest is padding."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something about ``flight``, 0 to 7, in place of a piece of one; ``count`` is 0 to 255.

    ``delay`` is for how long the newest piece of the flight has been there, in hundredths of a
    second, so that the peer can measure a round trip; :data:`LONG_AGO` for all that is more.
    """

    saying: Saying
    flight: int
    count: int = 0
    delay: int = 0
    rest: bytes = b""
    tag: bytes = b""

    def encode(self) -> bytes:
        """The payload.  Raises :class:`PieceError` for what has no encoding."""
        if not 0 <= self.flight <= LAST_FLIGHT or not {self.count, self.delay} <= _BYTE:
            raise PieceError("a note is about flights 0 to 7 and counts to 255")
        head = bytes([self.saying << 3 | self.flight, self.count, self.delay])
        return head + self.tag + self.rest


Part: TypeAlias = Piece | Note


def decode(payload: bytes, *, tagged: bool) -> Part:
    """The piece or note in ``payload``, which has a tag where a client sent it.

    Raises :class:`PieceError` for anything else.
    """
    if len(payload) < _SHORT_HEADER:
        raise PieceError("too short for a piece")
    flight, low, number = payload[0] >> 5, payload[0] & 31, payload[1]
    start = _SHORT_HEADER if flight else _NOTE_HEADER
    k, group = low + 1, 0
    if flight and low == _LONG:
        start = _LONG_HEADER
        size = int.from_bytes(payload[2:4], "big")
        k, group = (size & 0x7FF) + 1, size >> 11
        if not LARGEST_GROUP <= k <= MOST_PIECES or group >= groups_of(k):
            raise PieceError("a group that the body does not have")
    tag = payload[start : start + TAG_LENGTH] if tagged else b""
    if (tagged and len(tag) < TAG_LENGTH) or len(payload) < start:
        raise PieceError("too short for a piece")
    rest = payload[start + len(tag) :]
    if flight:
        if not rest:
            raise PieceError("a piece without a byte")
        return Piece(flight, k, number, rest, group, tag)
    return _note(payload, rest, tag)


def _note(payload: bytes, rest: bytes, tag: bytes) -> Note:
    saying, flight = payload[0] >> 3, payload[0] & 7
    if saying not in Saying.__members__.values():
        raise PieceError("a note that says nothing known")
    if (saying == Saying.ASK) != (flight == 0):
        raise PieceError("a note about a flight that it cannot be about")
    return Note(Saying(saying), flight, payload[1], payload[2], rest, tag)


def groups_of(k: int) -> int:
    """In how many groups ``k`` pieces are coded."""
    return -(-k // LARGEST_GROUP)


def group_size(k: int, group: int) -> int:
    """How many source pieces ``group`` of ``k`` pieces has; all groups differ by one at most."""
    groups = groups_of(k)
    return k * (group + 1) // groups - k * group // groups


class Source:
    """A body cut into equal pieces, of which any number can be made.

    ``room`` bytes are for each piece, header included and tag excluded.  ``least`` bytes the piece
    takes in any case: a client that pads its first flight may be answered with more.  ``k`` is in
    how many it was cut.  Raises :class:`PieceError` where that would take too many pieces.
    """

    def __init__(self, flight: int, body: bytes, room: int, *, least: int = 0) -> None:
        _check_flight(flight)
        self.flight = flight
        size, header = len(body) + 1, _SHORT_HEADER
        self.k = _parts(size, room - header)
        if self.k > _LONG:
            header = _LONG_HEADER
            self.k = max(_LONG + 1, _parts(size, room - header))
        if self.k > MOST_PIECES:
            raise PieceError(f"{len(body)} bytes take more than {MOST_PIECES} pieces of {room}")
        length = max(_parts(size, self.k), min(least, room) - header)
        padded = (body + b"\x80").ljust(self.k * length, b"\0")
        pieces = [padded[at : at + length] for at in range(0, len(padded), length)]
        self._groups: list[list[bytes]] = []
        for group in range(groups_of(self.k)):
            count = group_size(self.k, group)
            self._groups.append(pieces[:count])
            del pieces[:count]
        self.size = header + length
        """Bytes of an encoded piece without its tag."""

    @property
    def groups(self) -> int:
        """In how many groups it is coded."""
        return len(self._groups)

    def piece(self, group: int, number: int, tag: bytes = b"") -> Piece:
        """Piece ``number``, which wraps at 256, of ``group``."""
        number %= NUMBERS
        data = piece(self._groups[group], number)
        return Piece(self.flight, self.k, number, data, group, tag)


def _parts(size: int, room: int) -> int:
    """How many pieces of at most ``room`` bytes it takes to carry ``size``."""
    if room < 1:
        raise PieceError("no room for a byte of a piece")
    return -(-size // room)


def joined(pieces: list[bytes]) -> bytes:
    """The body from all its source pieces.  Raises :class:`PieceError` for bad padding."""
    padded = b"".join(pieces).rstrip(b"\0")
    if not padded.endswith(b"\x80"):
        raise PieceError("a body that was not padded")
    return padded[:-1]


def _check_flight(flight: int) -> None:
    if not 1 <= flight <= LAST_FLIGHT:
        raise PieceError(f"flights are numbered from 1 to {LAST_FLIGHT}")
