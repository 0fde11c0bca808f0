"""A flight as it arrives in pieces, some of which may be forged.

Pieces of one cut (the same k and the same length) are joined; whoever changes either begins
another cut, and the fullest few are kept.  As soon as a cut has enough pieces it gives a body.
Nothing here can tell whether that is genuine: the caller says so, and after :meth:`Arriving.reject`
other choices of the pieces are tried, each with a new one in it, a bounded number of times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import combinations
from math import comb
from random import Random

from .erasure import NUMBERS, ErasureError, restore
from .erasure import piece as repair
from .pieces import Piece, PieceError, group_size, groups_of, joined

SURPLUS = 8
"""Pieces of a group kept beyond those that it takes."""
CUTS = 3
"""Cuts of one flight kept at a time."""
CHOICES = 64
"""Choices of pieces compared at most for each that comes in, once a body was rejected."""
WORK = 4096
"""Multiplications of a piece that comparing them takes at most: fewer choices of long groups, or a
datagram of ten bytes could cost a server more than a handshake does."""
TRIED = 8
"""Those of them that are tried, which most other pieces agree with."""
REJECTIONS = 64
"""Bodies of one flight that may turn out not to be genuine; then no more are given."""
AT_ONCE = 10
"""Datagrams that follow one another without news (RFC 9147 section 5.8.3, RFC 9177 section 7.2)."""


class _Group:
    """The pieces of one group, in their order of arrival, and what their numbers tell of loss."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pieces: list[Piece] = []
        self._first: int | None = None
        self._highest = 0
        self._distinct: set[int] = set()
        self._first_restored: tuple[dict[int, bytes], list[bytes]] = ({}, [])

    @property
    def missing(self) -> int:
        return max(0, self.size - len({piece.number for piece in self.pieces}))

    @property
    def sent(self) -> int:
        """How many were sent, as far as their numbers tell."""
        return 0 if self._first is None else self._highest - self._first + 1

    @property
    def lost(self) -> int:
        return max(0, self.sent - len(self._distinct))

    def add(self, piece: Piece) -> bool:
        """Keep a piece, the oldest one going where there are too many; False if known."""
        if piece in self.pieces:
            return False
        self._count(piece.number)
        self.pieces.append(piece)
        del self.pieces[: -self.size - SURPLUS]
        return True

    def _count(self, number: int) -> None:
        """Numbers begin at 0, or at the first that is not a piece of the source, and wrap."""
        self._distinct.add(number)
        if self._first is None:
            self._first, self._highest = (0 if number < self.size else self.size), number
            return
        ahead = (number - self._highest) % NUMBERS
        if ahead < NUMBERS // 2:
            self._highest += ahead
        elif number < self._first:
            self._first = 0

    def first_choice(self) -> dict[int, bytes]:
        """Enough pieces, those that came first."""
        chosen: dict[int, bytes] = {}
        for piece in self.pieces:
            if len(chosen) < self.size:
                chosen.setdefault(piece.number, piece.data)
        return chosen

    def first_restored(self) -> list[bytes]:
        """The source, by the pieces that came first; worked out anew only when those change."""
        chosen = self.first_choice()
        if self._first_restored[0] != chosen:
            self._first_restored = chosen, restore(self.size, chosen)
        return self._first_restored[1]

    def choices(self) -> Iterator[dict[int, bytes]]:
        """Ways to choose enough pieces, the newest among them: all, or some of very many."""
        *earlier, newest = self.pieces
        others = [piece for piece in earlier if piece.number != newest.number]
        wanted = self.size - 1
        most = min(CHOICES, max(1, WORK // (self.size * (self.size + SURPLUS))))
        if comb(len(others), wanted) <= most:
            ways: Iterable[Sequence[Piece]] = combinations(others, wanted)
        else:  # spread evenly, and the same at each run: nothing depends on what cannot be guessed
            shuffle = Random(len(others))  # noqa: S311
            ways = (shuffle.sample(others, wanted) for _ in range(most))
        for chosen in ways:
            pieces = {piece.number: piece.data for piece in (*chosen, newest)}
            if len(pieces) == self.size:
                yield pieces

    def dissent(self, chosen: dict[int, bytes]) -> int:
        """How many pieces do not fit those that were chosen."""
        source, dissent = restore(self.size, chosen), 0
        for piece in self.pieces:
            known = chosen.get(piece.number)
            should_be = repair(source, piece.number) if known is None else known
            dissent += should_be != piece.data
        return dissent


class _Cut:
    """All groups of a body that was cut into ``k`` pieces of ``length`` bytes."""

    def __init__(self, k: int, length: int) -> None:
        self.k, self.length = k, length
        self.groups = [_Group(group_size(k, group)) for group in range(groups_of(k))]

    @property
    def missing(self) -> tuple[int, ...]:
        """How many pieces each group still takes."""
        return tuple(group.missing for group in self.groups)

    @property
    def count(self) -> int:
        return sum(len(group.pieces) for group in self.groups)

    def bodies(self, newest: int) -> Iterator[bytes]:
        """What the pieces may be, for each choice of those of the group that has a new one.

        Those come first with which most of the other pieces agree: a forged one hardly does.
        """
        group = self.groups[newest]
        choices = list(group.choices())
        if len(choices) > 1:
            choices.sort(key=group.dissent)
        for chosen in choices[:TRIED]:
            try:
                restored = [
                    restore(group.size, chosen) if each is group else each.first_restored()
                    for each in self.groups
                ]
                yield joined([piece for pieces in restored for piece in pieces])
            except (PieceError, ErasureError):
                continue


class Arriving:
    """One flight of the peer.  A body is never longer than ``limit`` bytes.

    ``newest`` is the piece that came last, for a quotation, and ``newest_at`` its time in seconds.
    """

    def __init__(self, flight: int, limit: int) -> None:
        self.flight = flight
        self._limit = limit
        self._cuts: dict[tuple[int, int], _Cut] = {}
        self._current: _Cut | None = None
        self._untried: deque[Iterator[bytes]] = deque(maxlen=CUTS * SURPLUS)
        self._rejected: set[bytes] = set()
        self._offered = b""
        self._unreported = 0
        self.newest: Piece | None = None
        self.newest_at = 0.0

    def add(self, piece: Piece, now: float) -> bool:
        """Take a piece of this flight; False if it tells nothing new."""
        length = len(piece.data)
        if piece.k * length > self._limit + piece.k + length:
            return False
        cut = self._cuts.get((piece.k, length)) or self._begin(piece.k, length)
        if not cut.groups[piece.group].add(piece):
            return False
        self._current, self.newest, self.newest_at = cut, piece, now
        self._unreported += 1
        if not any(cut.missing):
            self._untried.append(cut.bodies(piece.group))
        return True

    def _begin(self, k: int, length: int) -> _Cut:
        if len(self._cuts) >= CUTS:
            emptiest = min(self._cuts, key=lambda key: self._cuts[key].count)
            del self._cuts[emptiest]
        cut = self._cuts[k, length] = _Cut(k, length)
        return cut

    def body(self) -> bytes | None:
        """The next body that the pieces give and that was not rejected, if any."""
        while self._untried and len(self._rejected) < REJECTIONS:
            for body in self._untried[0]:
                if self._digest(body) not in self._rejected:
                    self._offered = body
                    return body
            self._untried.popleft()
        return None

    @property
    def unanimous(self) -> bool:
        """Whether more pieces came than the body given last takes, and all fit that body."""
        cut = self._current
        if cut is None or len(self._cuts) > 1 or any(cut.missing):
            return False
        return all(
            len(group.pieces) > group.size and not group.dissent(group.first_choice())
            for group in cut.groups
        )

    def reject(self) -> None:
        """The body given last is not genuine."""
        self._rejected.add(self._digest(self._offered))

    @staticmethod
    def _digest(body: bytes) -> bytes:
        return sha256(body).digest()[:8]

    @property
    def missing(self) -> tuple[int, ...]:
        """How many pieces each group still takes: another one where what came was not genuine."""
        if self._current is None:
            return (1,)
        missing = self._current.missing
        return missing if any(missing) else (1,) * len(missing)

    @property
    def held(self) -> int:
        """Bytes of all pieces that are kept."""
        return sum(cut.count * cut.length for cut in self._cuts.values())

    @property
    def begun(self) -> bool:
        """Whether there is any piece."""
        return self._current is not None

    @property
    def seen(self) -> tuple[int, int]:
        """How many pieces were sent, as their numbers tell, and how many of them were lost."""
        groups = self._current.groups if self._current else []
        return sum(group.sent for group in groups), sum(group.lost for group in groups)

    @property
    def report_due(self) -> bool:
        """Whether the sender waits to hear that it may go on with a long flight."""
        long = self._current is not None and self._current.k > AT_ONCE
        return long and self._unreported >= AT_ONCE

    def reported(self) -> None:
        """A report is on its way."""
        self._unreported = 0
