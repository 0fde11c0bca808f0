"""How much a side keeps for later during a classic handshake.

That is what is sealed for keys that are not there yet, and what belongs to the session already.
Anybody can send the former, so there is a bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

EARLY_RECORDS = 16
"""Records, or datagrams of them, that are kept at once."""
EARLY_BYTES = 32 * 1024
"""Bytes that are kept like that."""


def has_room(kept: Iterable[int], size: int, counters: Counter[str]) -> bool:
    """Whether ``size`` bytes may be kept beside ``kept``, also sizes; counts it otherwise."""
    sizes = list(kept)
    if len(sizes) < EARLY_RECORDS and sum(sizes) + size <= EARLY_BYTES:
        return True
    counters["dropped: early record"] += 1
    return False
