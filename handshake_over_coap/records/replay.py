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
    ``highest`` is the highest number accepted, -1 before the first; every number above it is new.
    """

    __slots__ = ("_first", "_mask", "_missing", "_size", "highest")

    def __init__(self, size: int = 64) -> None:
        if size < 32:
            raise ConfigurationError(f"replay window of {size} records: at least 32")
        self._size = size
        self._mask = (1 << size) - 1
        self.highest = -1
        # What is missing rather than what was seen: nothing, as long as records come in order.
        self._missing = 0  # bit n: the number n below the highest
        self._first = 0  # bit n: the number n was accepted

    def refusal(self, number: int, *, in_body: bool = False) -> str | None:
        """Why ``number`` must not be accepted (``replayed``, ``too-old``), or None if it may.

        ``in_body``: the record came in a CoAP body.  The first 64 numbers of the epoch are then
        never too old, since whether they were seen is known.
        """
        age = self.highest - number
        if age < 0:
            return None
        if age < self._size:
            return None if self._missing >> age & 1 else REPLAYED
        if in_body and number < FIRST_NUMBERS:
            return REPLAYED if self._first >> number & 1 else None
        return TOO_OLD

    def mark(self, number: int) -> None:
        """Remember ``number`` as accepted; only after its record has been authenticated."""
        advance = number - self.highest
        if advance > 0:
            if advance > 1 or self._missing:
                self._skip(advance)
            self.highest = number
        elif -advance < self._size:
            self._missing &= ~(1 << -advance)
        if number < FIRST_NUMBERS:
            self._first |= 1 << number

    def _skip(self, advance: int) -> None:
        """The window moves by ``advance``; the numbers between its old and new end are missing."""
        # A leap past the whole window must not build an integer as wide as the leap.
        advance = min(advance, self._size)
        self._missing = (self._missing << advance | (1 << advance) - 2) & self._mask
