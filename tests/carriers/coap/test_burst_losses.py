"""Every loss of one, two and three datagrams, with copies, swaps and long delays beside it.

For each version and credential.  What is lost is counted among all datagrams of both sides, one
more than the quiet handshake has, so that repetitions may be lost as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from typing import Any

import pytest

from handshake_over_coap.timers import Adaptive
from handshake_over_coap.transfers.burst import Burst
from tests.support import parties, parties13
from tests.support.exchange import complete, exchange, virtual
from tests.support.network import Delivery, Sent, Verdict, deliver_all
from tests.support.parties import Scenario
from tests.support.parties13 import Scenario13

LEAN: dict[str, Any] = {
    "resource": "/d",
    "encoding": "compact",
    "timer": Adaptive(),
    "transfer": Burst(),
    "timeout": 600.0,
}
CHECKS: dict[str, dict[str, Any]] = {
    "always": {},
    "adaptive": {"answer_unproven": True},
}
MTU = 127
EVERY: list[Scenario | Scenario13] = [*parties13.TYPICAL, *parties.TYPICAL]

scenarios = pytest.mark.parametrize("scenario", EVERY, ids=str)
checks = pytest.mark.parametrize("check", CHECKS)


async def _count(scenario: Scenario | Scenario13, check: str, verdict: Verdict) -> int:
    """Make one handshake, see that it is whole, and give the number of its datagrams."""
    async with exchange(scenario, verdict=verdict, mtu=MTU, **LEAN, **CHECKS[check]) as here:
        await complete(here, scenario)
        assert len(here.completed) == 1
        assert here.begun == 1
        return len(here.network.sent)


def _without(lost: Iterable[int]) -> Verdict:
    return lambda sent: () if sent.index in lost else (sent.data,)


def _rough(lost: Iterable[int], draw: random.Random) -> Verdict:
    """The same, with copies of some of the others, swaps of neighbours, and long delays."""

    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        if sent.index in lost:
            return ()
        later = draw.choice((0.0, 0.0, 0.0, 0.0, 0.003, 0.11, 3.0, 25.0))
        copies = [Delivery(sent.data, later)]
        if draw.random() < 0.2:
            copies.append(Delivery(sent.data, draw.choice((0.0, 0.02, 1.0, 40.0))))
        return copies

    return verdict


def _each(count: int, most: int) -> Iterator[tuple[int, ...]]:
    for number in range(1, most + 1):
        yield from combinations(range(count + 1), number)


async def _survives(
    scenario: Scenario | Scenario13,
    check: str,
    losses: Iterable[tuple[int, ...]],
    path: Callable[[tuple[int, ...]], Verdict],
) -> None:
    for lost in losses:
        try:
            await _count(scenario, check, path(lost))
        except Exception as failure:
            raise AssertionError(f"{scenario} {check}, lost {lost}") from failure


@checks
@scenarios
@virtual
async def test_any_one_and_some_two_or_three_lost_datagrams_are_made_good(
    scenario: Scenario | Scenario13, check: str
) -> None:
    count = await _count(scenario, check, deliver_all)
    draw = random.Random(f"{scenario} {check}")
    some = [tuple(draw.sample(range(count + 1), draw.choice((2, 3)))) for _ in range(12)]
    await _survives(scenario, check, [*_each(count, 1), *some], _without)
    await _survives(scenario, check, some, lambda lost: _rough(lost, draw))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@checks
@scenarios
@virtual
async def test_every_one_and_two_and_many_three_lost_datagrams_are_made_good(
    scenario: Scenario | Scenario13, check: str
) -> None:
    count = await _count(scenario, check, deliver_all)
    draw = random.Random(f"{scenario} {check}")
    triples = list(combinations(range(count + 1), 3))
    losses = [*_each(count, 2), *draw.sample(triples, min(len(triples), 60))]
    await _survives(scenario, check, losses, _without)
    rough = draw.sample(losses, min(len(losses), 100))
    await _survives(scenario, check, rough, lambda lost: _rough(lost, draw))
