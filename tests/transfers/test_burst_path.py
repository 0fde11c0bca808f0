"""Burst over lossy paths on virtual time: what it costs, and that it always completes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.burst_world import BODIES, ONE_WAY, Fate, World, lossy

WAYS = [
    pytest.param(True, False, id="echo"),
    pytest.param(False, False, id="at once"),
    pytest.param(False, True, id="quick"),
]


def _world(fate: Fate, seed: object = 1, **options: object) -> World:
    return World(fate, random.Random(str(seed)), **options)  # type: ignore[arg-type]


def _completes(world: World) -> World:
    world.run()
    assert set(world.completed) == {"client", "server"}
    return world


def _without(lost: Sequence[int], extra: Callable[[int], Sequence[float]] | None = None) -> Fate:
    def fate(number: int, _: bool) -> Sequence[float]:
        copies = extra(number) if extra else [ONE_WAY]
        return [] if number in lost else copies

    return fate


@pytest.mark.parametrize(
    ("echo", "quick", "datagrams", "seconds"),
    [(True, False, 10, 0.3), (False, False, 8, 0.2), (False, True, 12, 0.2)],
)
def test_a_quiet_path_takes_the_pieces_and_no_more(
    echo: bool, quick: bool, datagrams: int, seconds: float
) -> None:
    world = _completes(_world(_without(()), echo=echo, quick=quick))
    assert world.datagrams == datagrams
    assert max(world.completed.values()) == pytest.approx(seconds)


@pytest.mark.parametrize(("echo", "quick"), WAYS)
@pytest.mark.parametrize("bodies", [BODIES, (70, 200, 140, 150), (70, 30, 90, 200, 140, 20)])
def test_every_loss_of_one_or_two_datagrams_is_survived(
    echo: bool, quick: bool, bodies: tuple[int, ...]
) -> None:
    quiet = _completes(_world(_without(()), echo=echo, quick=quick, bodies=bodies)).datagrams
    reach = range(quiet + 3)
    for lost in [(one,) for one in reach] + list(combinations(reach, 2)):
        _completes(_world(_without(lost), echo=echo, quick=quick, bodies=bodies))


@pytest.mark.parametrize(("echo", "quick"), WAYS)
def test_duplicates_swaps_and_long_delays_beside_losses_are_survived(
    echo: bool, quick: bool
) -> None:
    for seed in range(150):
        rng = random.Random(f"{seed}/fates")
        lost = rng.sample(range(14), 3)

        def copies(_: int, rng: random.Random = rng) -> list[float]:
            delays = [ONE_WAY * rng.choice((1, 1, 1, 1.01, 3, 60)) for _ in range(2)]
            return delays[: 1 + (rng.random() < 0.3)]

        _completes(_world(_without(lost, copies), seed, echo=echo, quick=quick))


@given(
    st.lists(st.lists(st.floats(0.001, 20), max_size=3), max_size=40),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
)
def test_whatever_a_path_does_for_a_while_the_handshake_completes(
    fates: list[list[float]], echo: bool, quick: bool, seed: int
) -> None:
    def fate(number: int, _: bool) -> list[float]:
        return fates[number] if number < len(fates) else [ONE_WAY]

    _completes(_world(fate, seed, echo=echo, quick=quick))


@given(
    st.lists(st.lists(st.floats(0.001, 9), max_size=3), max_size=40), st.booleans(), st.booleans()
)
def test_an_unproven_address_gets_three_times_what_it_sent_at_most(
    fates: list[list[float]], mutual: bool, quick: bool
) -> None:
    def bounded(world: World) -> None:
        if not world.allowance.proven:
            assert world.sent_bytes <= 3 * world.received_bytes

    def fate(number: int, _: bool) -> list[float]:
        return fates[number] if number < len(fates) else [ONE_WAY]

    bodies = (70, 900, 140, 11) if mutual else BODIES
    _completes(_world(fate, echo=False, quick=quick, bodies=bodies, check=bounded))


@pytest.mark.parametrize("echo", [True, False])
@pytest.mark.parametrize("loss", [0.0, 0.2, 0.5])
def test_long_flights_go_ten_datagrams_at_a_time(echo: bool, loss: float) -> None:
    for seed in range(5):
        rng = random.Random(f"{seed}/{loss}")
        sizes = (1300, 5000, 2500, 30)
        world = _completes(_world(lossy(rng, loss), seed, echo=echo, bodies=sizes))
        assert world.most_at_once <= 10
        if not loss:
            pieces = -(-1300 // 36) + -(-5000 // 52) + -(-2500 // 47) + 1
            assert world.datagrams < 1.2 * pieces + 5


@pytest.mark.parametrize("echo", [True, False])
def test_slow_computing_draws_no_repetitions(echo: bool) -> None:
    world = _completes(_world(_without(()), echo=echo, computing=(3.65, 3.65)))
    quiet = 10 if echo else 8
    assert world.datagrams <= quiet + 6


# What the design has from its model: datagrams and seconds until both sides are complete.
MODEL = {
    True: {0.1: (11.6, 0.8), 0.2: (13.6, 1.7), 0.3: (16.3, 3.6), 0.5: (24.7, 15)},
    False: {0.1: (9.7, 0.4), 0.2: (11.8, 0.8), 0.3: (14.3, 1.6), 0.5: (21.7, 6)},
}


@pytest.mark.parametrize("echo", [True, False])
@pytest.mark.parametrize("loss", [0.1, 0.2, 0.3, 0.5])
def test_loss_costs_what_the_model_says(echo: bool, loss: float) -> None:
    trials, total, seconds = 250, 0, 0.0
    for seed in range(trials):
        rng = random.Random(f"{seed}/{loss}/{echo}")
        at_end: list[int] = []

        def note(world: World, at_end: list[int] = at_end) -> None:
            if len(world.completed) == 2 and not at_end:
                at_end.append(world.datagrams)

        world = _completes(_world(lossy(rng, loss), seed, echo=echo, check=note))
        total += at_end[0]
        seconds += max(world.completed.values())
    datagrams, duration = MODEL[echo][loss]
    assert total / trials == pytest.approx(datagrams, rel=0.08)
    assert seconds / trials < 1.5 * duration


@pytest.mark.parametrize(("echo", "quick"), WAYS)
def test_a_client_that_vanished_draws_little(echo: bool, quick: bool) -> None:
    def fate(number: int, client: bool) -> list[float]:
        return [ONE_WAY] if number < 5 or not client else []

    world = _world(fate, echo=echo, quick=quick, limit=60.0)
    world.run()
    assert world.sent_bytes < 60 * 65
