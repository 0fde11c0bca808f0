"""How much is sent at a time: what was seen of loss, and what is spent on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .burst_arriving import AT_ONCE

_SILENCE = 0.75
"""What a silence says of loss: with as many lost in both directions, rather the most than all."""
_MOST_LOSS = 0.95
_LEAST_LOSS = 0.01
_UNHEARD = 0.05
"""The last flight is sent in so many copies that all are lost with this probability at most."""
_MOST_COPIES = 16


@dataclass(frozen=True, slots=True)
class Pace:
    """How a side goes on while nothing comes.

    At the j-th silence 1 + j // ``step`` pieces are sent.  A silence weighs ``weight`` lost
    datagrams in the estimate.  ``reports`` is whether a side that has part of a flight says so:
    that pays only where its peer knows no round trip, and waits longer than it has to.  ``mixed``
    is whether a server's pieces begin after those of the source (see ``Sending``).
    """

    step: int
    weight: float
    reports: bool
    mixed: bool


MEASURED = Pace(step=4, weight=0.5, reports=False, mixed=False)
"""A challenge went before: both sides know a round trip from the beginning."""
UNMEASURED = Pace(step=2, weight=1.0, reports=True, mixed=True)
"""The first flight is answered at once."""


class Loss:
    """What one side saw of loss: gaps in the numbers of pieces, and silences.

    ``silences`` are those of earlier probes.
    """

    def __init__(self, pace: Pace, silences: int = 0) -> None:
        self._pace = pace
        self._seen: dict[int, tuple[int, int]] = {}
        self.silences = silences

    def saw(self, flight: int, sent: int, lost: int) -> None:
        """Of ``sent`` pieces of ``flight``, ``lost`` did not come so far."""
        self._seen[flight] = sent, lost

    @property
    def rate(self) -> float:
        """The probability that a datagram is lost, 0 to 0.95; 0 while nothing was seen."""
        silent = self._pace.weight * self.silences
        sent = sum(sent for sent, _ in self._seen.values())
        lost = sum(lost for _, lost in self._seen.values())
        return min(_MOST_LOSS, (lost + _SILENCE * silent) / (sent + silent + 1))

    def spare(self, k: int, *, quick: bool) -> int:
        """How many pieces more than ``k`` are sent at once, within ten in all."""
        rate = self.rate
        spare = max(int(quick), int(0.5 * k * rate / (1 - rate)))
        return spare if k > AT_ONCE else min(spare, AT_ONCE - k)

    def copies(self, *, quick: bool) -> tuple[int, int]:
        """How often the last flight is sent unasked: at once, and in all."""
        rate = max(self.rate, _LEAST_LOSS)
        copies = min(_MOST_COPIES, max(1, math.ceil(math.log(_UNHEARD) / math.log(rate))))
        at_once = max(1 + quick, copies // 2)
        return at_once, max(at_once, copies)
