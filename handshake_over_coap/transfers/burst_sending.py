"""A flight on its way to the peer: fresh pieces, and when the next are due."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from handshake_over_coap.timers import Timer

from .burst_arriving import AT_ONCE
from .pieces import Piece, Source, group_size


class Sending:
    """One flight of ours.

    ``timer`` is what is known of the peer; this flight backs off on a copy of its own.  Numbers
    begin after those of the source where ``mixed``: each piece then depends on all of the body, so
    that nobody quotes from one who did not get it.  ``deadline`` is when something is due, ``owed``
    how many pieces wait for their turn, ``silences`` how often nothing came, ``taken`` whether the
    peer has said that it has all of it.
    """

    def __init__(self, source: Source, timer: Timer, tag: bytes, *, mixed: bool = False) -> None:
        self.source = source
        self.flight = source.flight
        self._learnt = timer
        self._tag = tag
        mixed = mixed and source.k > 1
        self._next = [group_size(source.k, g) if mixed else 0 for g in range(source.groups)]
        self._turn = 0
        self._sent_at: dict[tuple[int, int], float] = {}
        self.last_sent = 0.0
        self.timer = copy(timer)
        self.deadline: float | None = None
        self.owed = 0
        self.silences = 0
        self.taken = False

    @property
    def datagram(self) -> int:
        """Bytes of each payload."""
        return self.source.size + len(self._tag)

    @property
    def fresh(self) -> bool:
        """Whether nothing of it was sent so far."""
        return not self._sent_at

    def pieces(self, count: int, now: float, groups: Sequence[int] = ()) -> list[Piece]:
        """``count`` fresh pieces, of the groups in turn, or of those given; ten at most.

        The others are owed.
        """
        turns = list(groups) or [
            (self._turn + step) % self.source.groups for step in range(min(count, AT_ONCE))
        ]
        self.owed = max(0, count - AT_ONCE)
        pieces = [self._fresh(group, now) for group in turns[:AT_ONCE]]
        self._turn = (turns[-1] + 1) % self.source.groups if turns else 0
        return pieces

    def _fresh(self, group: int, now: float) -> Piece:
        piece = self.source.piece(group, self._next[group], self._tag)
        self._next[group] += 1
        self._sent_at[group, piece.number] = self.last_sent = now
        return piece

    def arm(self, now: float) -> None:
        """The next pieces are due after the timer."""
        self.deadline = now + self.timer.value

    def wait(self, now: float, seconds: float) -> None:
        """Something was heard: nothing is due for so long, and the back-off begins anew."""
        self.timer, self.silences, self.owed = copy(self._learnt), 0, 0
        self.deadline = now + seconds

    def stop(self) -> None:
        """The peer has it."""
        self.deadline, self.owed = None, 0

    def quoted(self, quotation: bytes) -> float | None:
        """When the piece was sent that ``quotation`` shows somebody has; None if it shows none."""
        key = (quotation[0], quotation[1]) if len(quotation) > 1 else (0, 0)
        sent_at = self._sent_at.get(key)
        if sent_at is None or self.source.piece(*key).quotation() != quotation:
            return None
        return sent_at
