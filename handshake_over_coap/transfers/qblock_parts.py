"""The two ends of a body by blocks of RFC 9177: one that goes out in sets, one that comes in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from handshake_over_coap.coap.message import Content
from handshake_over_coap.coap.options import Block

from .base import BadPart


class Departing:
    """A body on its way out.

    ``count`` is the number of its blocks, ``make`` gives the message with one of them.  At most
    ``most`` go out at once; which blocks those are is a *set*: MAX_PAYLOADS_SET in the RFC.
    ``spacing`` is in seconds: a block does not go again earlier.
    """

    def __init__(
        self, count: int, make: Callable[[int], Content], *, most: int, spacing: float
    ) -> None:
        self.count = count
        self._make = make
        self._most, self._spacing = most, spacing
        self._went: dict[int, float] = {}
        self.next = 0

    @property
    def whole(self) -> bool:
        """Whether every block has gone once at least."""
        return self.next >= self.count

    def next_set(self, now: float) -> list[Content]:
        """The blocks of the next set, which are asked for or whose time has come."""
        numbers = range(self.next, min(self.next + self._most, self.count))
        self.next = numbers.stop
        return self.again(numbers, now)

    def first_set(self, now: float) -> list[Content]:
        """The first set again: whoever asks has none of it, or it is new."""
        self.next = 0
        return self.next_set(now)

    def again(self, numbers: Iterable[int], now: float) -> list[Content]:
        """Those of these blocks that have been sent, but not just now; at most a set."""
        chosen: list[Content] = []
        for number in numbers:
            if len(chosen) == self._most:
                break
            went = self._went.get(number)
            if number < self.next and (went is None or now - went >= self._spacing):
                self._went[number] = now
                chosen.append(self._make(number))
        return chosen


class Arriving:
    """A body on its way in, of ``total`` bytes in blocks of ``size``; the last one may be shorter.

    What is there is a bit for each block, so that any pattern of loss is known exactly.  ``most``
    is the number of blocks in a set.
    """

    def __init__(self, total: int, size: int, most: int) -> None:
        self.total, self.size = total, size
        self.count = max(1, -(-total // size))
        self._most = most
        self._data = bytearray(total)
        self._have = 0
        self._highest = -1

    def add(self, block: Block, total: int | None, payload: bytes) -> bool:
        """Take a block; tells whether it is new.  What comes again is ignored.

        Raises :class:`BadPart` for one that cannot be of this body.
        """
        number, end = block.num, min(block.offset + self.size, self.total)
        if block.size != self.size or total != self.total:
            raise BadPart("a block of another size, or of a body of another size")
        last = number == self.count - 1
        if number >= self.count or block.more == last or len(payload) != end - block.offset:
            raise BadPart(f"block {number} with {len(payload)} bytes in a body of {self.total}")
        if self._have >> number & 1:
            return False
        self._have |= 1 << number
        self._highest = max(self._highest, number)
        self._data[block.offset : end] = payload
        return True

    @property
    def whole(self) -> bytes | None:
        """The body, once all of it is there."""
        return None if self._missing(self.count) else bytes(self._data)

    @property
    def confirmed(self) -> int:
        """How many blocks from the first on are there without a gap, in whole sets."""
        gaps = ~self._have & (1 << self.count) - 1
        first = (gaps & -gaps).bit_length() - 1 if gaps else self.count
        return first if first == self.count else first - first % self._most

    def begins_set(self, number: int) -> bool:
        """Whether this block is the only one of its set, or of a later one, that is there."""
        return not self._have >> (number - number % self._most) & ~(1 << number % self._most)

    def missing_before(self, number: int) -> list[int]:
        """What is missing of the sets before that of ``number``."""
        return self._missing(number - number % self._most)

    def missing(self) -> list[int]:
        """What is missing by now: of the sets that have begun, or of the next one."""
        end = self._highest - self._highest % self._most + self._most
        return self._missing(min(end, self.count)) or self._missing(
            min(end + self._most, self.count)
        )

    def _missing(self, end: int) -> list[int]:
        gaps = ~self._have & (1 << end) - 1
        found: list[int] = []
        while gaps:
            lowest = gaps & -gaps
            found.append(lowest.bit_length() - 1)
            gaps ^= lowest
        return found


def largest_size(total: int, sizes: Sequence[int], fits: Callable[[Block], bool]) -> int | None:
    """The largest of these block sizes with which each block of a body fits, ``None`` if none does.

    ``fits`` tells it of one block; the first one and the last ones decide.
    """
    for size in sizes:
        count = max(1, -(-total // size))
        numbers = {0, max(0, count - 2), count - 1}
        if all(fits(Block(number, number < count - 1, size)) for number in numbers):
            return size
    return None
