"""Real stacks through a relay that loses 20 %, doubles and re-orders: each handshake completes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.support.stacks.cases import THROUGH_THE_RELAY, Case
from tests.support.stacks.material import Material
from tests.support.stacks.runs import COMMANDS, connect_to_their_server, serve_their_client

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]

SEEDS = range(3)

Verdicts = dict[Case, list[BaseException]]


def _side(case: Case) -> tuple[str, ...]:
    """What its runs have in common with those that are tried at the same time."""
    return (case.stack, case.dtls, case.direction)


@pytest.fixture(scope="module")
def verdicts(files: Material) -> Callable[[Case, str], list[BaseException]]:
    """What went wrong in each case; the first who asks has all cases of that side tried."""
    known: Verdicts = {}

    async def attempt(case: Case, program: str, seed: int, found: Verdicts) -> None:
        run = serve_their_client if case.direction == "their client" else connect_to_their_server
        try:
            await run(case, program, files, seed)
        except Exception as error:  # noqa: BLE001 - every failure is the case's verdict
            found[case].append(error)

    async def together(cases: list[Case], program: str) -> Verdicts:
        found: Verdicts = {case: [] for case in cases}
        runs = (attempt(case, program, seed, found) for case in cases for seed in SEEDS)
        await asyncio.gather(*runs)
        return found

    def verdict(asked: Case, program: str) -> list[BaseException]:
        if asked not in known:
            cases = [case for case in THROUGH_THE_RELAY if _side(case) == _side(asked)]
            known.update(asyncio.run(together(cases, program)))
        return known[asked]

    return verdict


@pytest.mark.parametrize("case", THROUGH_THE_RELAY, ids=str)
def test_handshakes_complete_and_data_comes_back(
    case: Case,
    require_stack: Callable[[str], str],
    verdicts: Callable[[Case, str], list[BaseException]],
) -> None:
    program = require_stack(COMMANDS[case.stack, case.direction][0])
    if failures := verdicts(case, program):
        raise ExceptionGroup(str(case), [f for f in failures if isinstance(f, Exception)])
