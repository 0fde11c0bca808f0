"""What is due when, for many: one table of deadlines for a whole server."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, TypeVar

K = TypeVar("K")

_SPARE = 64
"""Entries that are out of date and are kept all the same: fewer are not worth the sweep."""


class Agenda(Generic[K]):
    """A deadline for each key, at most; those of one time come in the order they were set.

    ``next`` is the earliest deadline, ``None`` if there is none.
    """

    __slots__ = ("_deadlines", "_heap", "_sequence", "next")

    def __init__(self) -> None:
        self._deadlines: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = count()
        self.next: float | None = None

    def set(self, key: K, when: float | None) -> None:
        """``key`` is due at ``when`` seconds; ``None``: never."""
        if self._deadlines.get(key) == when:
            return
        if when is None:
            self._deadlines.pop(key, None)
        else:
            self._deadlines[key] = when
            heappush(self._heap, (when, next(self._sequence), key))
        if len(self._heap) > 2 * len(self._deadlines) + _SPARE:
            self._heap = [each for each in self._heap if self._deadlines.get(each[2]) == each[0]]
            heapify(self._heap)
        self._find_next()

    def _find_next(self) -> None:
        heap = self._heap
        while heap and self._deadlines.get(heap[0][2]) != heap[0][0]:
            heappop(heap)
        self.next = heap[0][0] if heap else None

    def due(self, now: float) -> list[K]:
        """The keys whose deadlines have passed at ``now``; they have none any more."""
        found = []
        while self.next is not None and self.next <= now:
            key = heappop(self._heap)[2]
            del self._deadlines[key]
            found.append(key)
            self._find_next()
        return found
