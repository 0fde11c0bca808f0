"""One seed gives one trace, byte for byte, in any process; and aiocoap is left as it was found."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from aiocoap import messagemanager, tokenmanager

from handshake_over_coap.sim import Draws, Outcome, RadioOptions, Side, seeded_aiocoap
from tests.support.sim_handshake import RADIO, digest, handshake

ROOT = Path(__file__).resolve().parents[2]


def uniform() -> float:
    """A draw as aiocoap makes it."""
    drawn: float = messagemanager.random.uniform(2, 3)
    return drawn


def in_another_process(hash_seed: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.sim_handshake", "7"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return done.stdout.split()


def test_the_same_seed_gives_the_same_trace_in_any_process() -> None:
    one, other = in_another_process("1"), in_another_process("2")
    here = [digest(transport, radio, 7) for transport in ("coap", "udp") for radio in (None, RADIO)]
    assert len(set(one)) == 4
    assert one == other == here


def test_another_seed_gives_another_trace() -> None:
    assert len({digest("coap", RADIO, seed) for seed in (1, 2, 3)}) == 3


def test_what_came_before_in_the_process_does_not_matter() -> None:
    first = digest("coap", None, 5)
    random.seed(1)
    digest("udp", None, 6)
    assert digest("coap", None, 5) == first


@pytest.mark.parametrize("transport", ["coap", "udp"])
@pytest.mark.parametrize("radio", [None, RADIO], ids=["wire", "radio"])
def test_real_handshakes_complete_on_a_simulated_network(
    transport: str, radio: RadioOptions | None
) -> None:
    completed = [handshake(seed, transport, radio=radio) for seed in range(8)]
    assert sum(each[0] for each in completed) >= 6
    outcomes = {passage.outcome for _, passages, _ in completed for passage in passages}
    assert {Outcome.DELIVERED, Outcome.LOST} <= outcomes
    senders = {passage.datagram.sender for _, passages, _ in completed for passage in passages}
    assert senders == set(Side)
    assert all(bool(frames) is (radio is not None) for _, _, frames in completed)


def test_aiocoap_draws_from_the_seed_within_and_is_left_as_it_was_found() -> None:
    found = messagemanager.random
    with seeded_aiocoap(3):
        drawn = [uniform(), uniform()]
    assert messagemanager.random is found
    expected = Draws(3).stream("aiocoap")
    assert drawn == [expected.uniform(2, 3), expected.uniform(2, 3)]


def test_aiocoap_is_left_as_it_was_found_after_a_failure() -> None:
    found = messagemanager.random
    with pytest.raises(ZeroDivisionError), seeded_aiocoap(3):
        raise ZeroDivisionError
    assert messagemanager.random is found


@pytest.mark.parametrize("transport", ["coap", "udp"])
def test_a_simulation_leaves_pythons_own_generator_where_it_was(transport: str) -> None:
    managers = (messagemanager.random, tokenmanager.random)
    state = random.getstate()
    handshake(3, transport)
    assert random.getstate() == state
    with pytest.raises(ZeroDivisionError), seeded_aiocoap(3):
        tokenmanager.random.randint(0, 65535)
        raise ZeroDivisionError
    assert random.getstate() == state
    assert (messagemanager.random, tokenmanager.random) == managers


def test_seeds_nest() -> None:
    found = messagemanager.random
    with seeded_aiocoap(3):
        outer = [uniform()]
        with seeded_aiocoap(4):
            inner = uniform()
        outer.append(uniform())
    assert messagemanager.random is found
    with seeded_aiocoap(Draws(3)):
        assert [uniform(), uniform()] == outer
    with seeded_aiocoap(4):
        assert uniform() == inner


def test_other_threads_are_not_disturbed_and_may_have_seeds_of_their_own() -> None:
    found = messagemanager.random
    seeded, waiting, release = list[float](), threading.Event(), threading.Event()

    def simulate() -> None:
        with seeded_aiocoap(3):
            seeded.append(uniform())
            waiting.set()
            release.wait(10)
            seeded.append(uniform())

    def in_thread(work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work)
        thread.start()
        return thread

    other = in_thread(simulate)
    assert waiting.wait(10)
    state = random.getstate()
    ours = uniform()
    random.setstate(state)
    assert ours == random.uniform(2, 3), "not drawn from Python's own generator"
    with seeded_aiocoap(4):
        uniform()
        release.set()
        other.join(10)
        uniform()
    assert messagemanager.random is found
    with seeded_aiocoap(3):
        assert seeded == [uniform(), uniform()]


def test_a_simulation_runs_within_a_notebooks_loop() -> None:
    alone = digest("coap", None, 9)

    async def notebook() -> str:
        return digest("coap", None, 9)

    found = messagemanager.random
    assert asyncio.run(notebook()) == alone
    assert messagemanager.random is found
