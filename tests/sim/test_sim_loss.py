"""Draws that do not disturb each other, and losses as often and as bursty as asked for."""

from __future__ import annotations

from itertools import groupby, pairwise
from random import Random

import pytest

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.sim import Draws
from handshake_over_coap.sim.gilbert import LossProcess
from tests.support.intervals import agrees, mean_agrees

TRIALS = 60_000


def losses(loss: float, burst: float | None, seed: int = 1, trials: int = TRIALS) -> list[bool]:
    model = LossProcess(loss, burst, Random(seed))
    return [model.lost() for _ in range(trials)]


def test_a_stream_depends_on_the_seed_and_its_name_alone() -> None:
    draws = Draws(5)
    other = draws.stream("other")
    first = [draws.stream("a", 1).random(), draws.stream("a", 1).random()]
    other.random()
    assert first[0] == first[1] == Draws(5).stream("a", 1).random()
    assert Draws(5).below("a").stream(1).random() == first[0]
    unlike = {
        Draws(6).stream("a", 1).random(),
        draws.stream("a", 2).random(),
        draws.stream("b", 1).random(),
        draws.below("a").stream("1", "").random(),
        other.random(),
    }
    assert len(unlike) == 5
    assert first[0] not in unlike


def test_a_stream_of_bytes_is_that_of_its_name() -> None:
    rng = Draws(5).rng("server")
    assert rng(4) + rng(28) != bytes(32)
    assert Draws(5).rng("server")(8) == Draws(5).rng("server")(8)
    assert Draws(5).rng("server")(8) != Draws(5).rng("client")(8)


@pytest.mark.parametrize("loss", [0.01, 0.2, 0.5, 0.85])
def test_independent_losses_are_as_many_as_asked_for_and_independent(loss: float) -> None:
    lost = losses(loss, None)
    assert agrees(sum(lost), TRIALS, loss)
    after_loss = [second for first, second in pairwise(lost) if first]
    assert agrees(sum(after_loss), len(after_loss), loss)


@pytest.mark.parametrize(
    ("loss", "burst"), [(0.1, 1.0), (0.1, 4.0), (0.2, 2.0), (0.5, 8.0), (0.6, 1.5)]
)
def test_bursts_have_the_mean_length_and_the_overall_loss_asked_for(
    loss: float, burst: float
) -> None:
    lost = losses(loss, burst)
    # Of a chain of two states the sum has (1 + c) / (1 - c) times the variance of independent
    # draws, c being the correlation of neighbours, 1 - p - r.
    correlation = 1 - loss / ((1 - loss) * burst) - 1 / burst
    spread = (1 + correlation) / (1 - correlation)
    assert agrees(sum(lost), TRIALS, loss, max(spread, 1.0))
    # The first and the last run may be cut short.
    runs = [sum(1 for _ in run) for state, run in groupby(lost) if state][1:-1]
    # Lengths are geometric with parameter 1 / burst.
    assert mean_agrees(sum(runs), len(runs), burst, burst * (burst - 1) + 1e-9)


def test_the_first_is_lost_as_often_as_any() -> None:
    lost = sum(LossProcess(0.3, 5.0, Random(seed)).lost() for seed in range(4000))
    assert agrees(lost, 4000, 0.3)


def test_a_burst_of_the_length_that_chance_gives_is_independent_loss() -> None:
    assert losses(0.5, 2.0, trials=500) == losses(0.5, None, trials=500)


@pytest.mark.parametrize("burst", [None, 3.0])
def test_nothing_and_everything_can_be_lost(burst: float | None) -> None:
    assert not any(losses(0.0, burst, trials=500))
    assert all(losses(1.0, burst, trials=500))


@pytest.mark.parametrize(
    ("loss", "burst", "said"),
    [
        (-0.1, None, "loss is a probability"),
        (1.1, None, "loss is a probability"),
        (float("nan"), None, "loss is a probability"),
        (0.5, 0.5, "burst is a mean length"),
        (0.5, float("inf"), "burst is a mean length"),
        (0.5, float("nan"), "burst is a mean length"),
        (0.8, 2.0, "burst 2 is too short for a loss of 0.8: give 4 or more"),
    ],
)
def test_losses_that_cannot_be_are_refused(loss: float, burst: float | None, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        LossProcess(loss, burst, Random(1))


def test_the_shortest_possible_burst_is_accepted() -> None:
    lost = losses(0.8, 4.0)
    assert agrees(sum(lost), TRIALS, 0.8)
    assert not any(not first and not second for first, second in pairwise(lost))
