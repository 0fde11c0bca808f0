"""Which sequence numbers of an epoch have been accepted.

The sliding window of RFC 6347 section 4.1.2.6, and beside it an exact memory of the first 64
numbers of the epoch.  Those are the ones that bodies of the handshake take; a body may come in
long after records that were sent later, and still no record is accepted twice.
"""

from __future__ import annotations

from handshake_over_coap.errors import ConfigurationError

FIRST_NUMBERS = 64
"""How many numbers at the start of an epoch are remembered for as long as it lives."""

REPLAYED = "replayed"
TOO_OLD = "too-old"


class ReplayWindow:
    """The numbers accepted so far, in constant space.

    ``size`` is the width of the sliding window in records: 64 by default, at least 32.
    """

    __slots__ = ("_first", "_highest", "_mask", "_recent", "_size")

    def __init__(self, size: int = 64) -> None:
        if size < 32:
            raise ConfigurationError(f"replay window of {size} records: at least 32")
        self._size = size
        self._mask = (1 << size) - 1
        self._highest = -1
        self._recent = 0  # bit n: the number n below the highest
        self._first = 0  # bit n: the number n

    @property
    def highest(self) -> int:
        """The highest number accepted, -1 before the first."""
        return self._highest

    def refusal(self, number: int, *, in_body: bool = False) -> str | None:
        """Why ``number`` must not be accepted (``replayed``, ``too-old``), or None if it may.

        ``in_body``: the record came in a CoAP body.  The first 64 numbers of the epoch are then
        never too old, since whether they were seen is known.
        """
        age = self._highest - number
        if age < 0:
            return None
        if age < self._size:
            return REPLAYED if self._recent >> age & 1 else None
        if in_body and number < FIRST_NUMBERS:
            return REPLAYED if self._first >> number & 1 else None
        return TOO_OLD

    def mark(self, number: int) -> None:
        """Remember ``number`` as accepted; only after its record has been authenticated."""
        advance = number - self._highest
        if advance > 0:
            # A leap past the whole window must not build an integer as wide as the leap.
            kept = self._recent << advance if advance < self._size else 0
            self._recent = kept & self._mask | 1
            self._highest = number
        elif -advance < self._size:
            self._recent |= 1 << -advance
        if number < FIRST_NUMBERS:
            self._first |= 1 << number
