"""One seed gives one trace, byte for byte, in any process."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from handshake_over_coap.sim import Outcome, RadioOptions, Side
from tests.support.sim_handshake import RADIO, digest, handshake

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.parametrize("transport", ["coap", "udp"])
def test_a_simulation_leaves_pythons_own_generator_where_it_was(transport: str) -> None:
    state = random.getstate()
    handshake(3, transport)
    assert random.getstate() == state
