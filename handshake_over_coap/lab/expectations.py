"""The exact means of the models in :mod:`.strategies`; p is the loss, q = 1 - p.

**Stop-and-wait.**  A fragment is sent until it and its acknowledgement come through: 1 / q^2 times
on average.  It arrives 1 / q times until one of its acknowledgements does.  For N fragments
together N (1 / q^2 + 1 / q).

**Bulk.**  A flight of n fragments is complete after the largest of n geometric numbers of rounds,
on average M(n) = sum over k = 1..n of (-1)^(k+1) C(n, k) / (1 - p^k), by inclusion and exclusion;
each round costs n.  As long as nothing of it has come, the flight before, of m fragments, is
repeated too.  A round brings nothing with probability r = p^n; the number of such rounds at the
beginning is r / (1 - r) on average.  The last flight is sent M(n) times as well, all but the first
in answer to the flight before, of which something arrives every 1 / (1 - p^m) rounds.

**Cumulative.**  A flight of n fragments is a Markov chain.  Its state is how many fragments are
missing at the receiver, and how many are not acknowledged at the sender, the missing ones among
them; it begins with n and n and ends with none missing.  Either number only falls, so its mean
costs follow from the end backwards.  What is then unacknowledged is repeated r / (1 - r) times as
above, or, in the last flight, until an acknowledgement comes: 1 / q of them are sent, each but the
first in answer to a repetition that is heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from math import comb, fsum
from types import MappingProxyType
from typing import Final, TypeAlias

Expectation: TypeAlias = Callable[[Sequence[int], float], float]


def stop_and_wait(flights: Sequence[int], loss: float) -> float:
    """The mean number of transmissions; ``flights`` are fragments, ``loss`` is below 1."""
    arrives = 1 - loss
    return sum(flights) * (1 / arrives**2 + 1 / arrives)


def bulk(flights: Sequence[int], loss: float) -> float:
    """The mean number of transmissions."""
    costs = [size * rounds_to_complete(size, loss) for size in flights]
    for before, size in pairwise(flights[:-1]):
        costs.append(before * _silent_rounds(size, loss))
    asking, last = flights[-2:]
    answers = rounds_to_complete(last, loss)
    costs.append(asking * (answers - 1) / (1 - loss**asking))
    return fsum(costs)


def rounds_to_complete(size: int, loss: float) -> float:
    """How often ``size`` fragments are sent together until each has arrived once: M(n)."""
    return fsum((-1) ** (k + 1) * comb(size, k) / (1 - loss**k) for k in range(1, size + 1))


def _silent_rounds(size: int, loss: float) -> float:
    """How many rounds of ``size`` fragments pass before any fragment arrives."""
    silent = loss**size
    return silent / (1 - silent)


def cumulative(flights: Sequence[int], loss: float) -> float:
    """The mean number of transmissions."""
    sizes = [*flights, None]
    return fsum(
        _Chain(loss, following).cost(size)
        for size, following in zip(flights, sizes[1:], strict=True)
    )


class _Chain:
    """One flight with cumulative acknowledgements; ``following`` is the size of the next one."""

    def __init__(self, loss: float, following: int | None) -> None:
        self._loss = loss
        self._following = following
        self._from = lru_cache(maxsize=None)(self._from_state)

    def cost(self, size: int) -> float:
        """Transmissions for it on average, acknowledgements and later repetitions included."""
        return self._from(size, size)

    def _complete(self, unacknowledged: int) -> float:
        """Transmissions that follow once nothing is missing."""
        if self._following is not None:
            return unacknowledged * _silent_rounds(self._following, self._loss)
        acknowledgements = 1 / (1 - self._loss)
        repeated = (acknowledgements - 1) / (1 - self._loss**unacknowledged)
        return acknowledgements + repeated * unacknowledged

    def _from_state(self, missing: int, unacknowledged: int) -> float:
        """Transmissions from a state on.  A round that changes nothing is solved for."""
        loss = self._loss
        again_unheard = loss ** (unacknowledged - missing)
        stays, costs = 0.0, [float(unacknowledged)]
        for new in range(missing + 1):
            chance = comb(missing, new) * (1 - loss) ** new * loss ** (missing - new)
            left = missing - new
            if not left:
                costs.append(chance * self._complete(unacknowledged))
                continue
            acknowledged = chance if new else chance * (1 - again_unheard)
            costs.append(acknowledged)
            for state, weight in (
                ((left, left), acknowledged * (1 - loss)),
                ((left, unacknowledged), acknowledged * loss + (chance - acknowledged)),
            ):
                if state == (missing, unacknowledged):
                    stays += weight
                elif weight:
                    costs.append(weight * self._from(*state))
        return fsum(costs) / (1 - stays)


EXPECTATIONS: Final[Mapping[str, Expectation]] = MappingProxyType(
    {"bulk": bulk, "stop_and_wait": stop_and_wait, "cumulative": cumulative}
)
"""The exact means by the names of the table's columns."""
