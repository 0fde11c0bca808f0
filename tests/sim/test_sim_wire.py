"""The link's times are exact, its queues bounded, and its impairments independent of each other."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.sim import Draws, LinkOptions, Outcome, Side, Wire
from handshake_over_coap.sim.wire import Crossing
from tests.support.intervals import agrees, mean_agrees

TRIALS = 20_000


def crossings(
    options: LinkOptions,
    seed: int = 1,
    trials: int = TRIALS,
    *,
    side: Side = Side.CLIENT,
    interval: float = 0.0,
    size: int = 100,
) -> list[Crossing]:
    wire = Wire(options, Draws(seed))
    return [wire.cross(n * interval, side, n + 1, size) for n in range(trials)]


def lost(found: list[Crossing]) -> list[bool]:
    return [each.outcome is Outcome.LOST for each in found]


def test_without_impairments_everything_arrives_after_the_delay() -> None:
    found = crossings(LinkOptions(delay=0.25), trials=4, interval=1.0)
    assert found == [Crossing(Outcome.DELIVERED, (n + 0.25,)) for n in range(4)]


def test_the_rate_gives_exact_times_in_each_direction_by_itself() -> None:
    # 77 + 48 bytes are 1,000 bits: an eighth of a second at 8,000 bit/s.
    wire = Wire(LinkOptions(delay=0.5, rate=8000.0), Draws(1))
    up = [wire.cross(0.0, Side.CLIENT, n, 77).arrivals for n in (1, 2, 3)]
    assert up == [(0.625,), (0.75,), (0.875,)]
    assert wire.cross(0.0, Side.SERVER, 4, 77).arrivals == (0.625,)
    # The transmitter rests until the next one.
    assert wire.cross(2.0, Side.CLIENT, 5, 77 + 125).arrivals == (2.75,)


def test_headers_count_as_told() -> None:
    (bare,) = crossings(LinkOptions(delay=0.0, rate=8.0, overhead=0), trials=1, size=3)
    assert bare.arrivals == (3.0,)


def test_the_queue_is_bounded_and_drains() -> None:
    options = LinkOptions(delay=0.0, rate=8000.0, queue=2)
    wire = Wire(options, Draws(1))
    outcomes = [wire.cross(0.0, Side.CLIENT, n, 77).outcome for n in range(1, 6)]
    assert outcomes == [Outcome.DELIVERED] * 3 + [Outcome.QUEUE_FULL] * 2
    # At 0.125 s the first has been sent: there is room for one.
    later = [wire.cross(0.125, Side.CLIENT, n, 77) for n in (6, 7)]
    assert later == [Crossing(Outcome.DELIVERED, (0.5,)), Crossing(Outcome.QUEUE_FULL)]


def test_what_is_lost_has_taken_its_time_at_the_transmitter() -> None:
    wire = Wire(LinkOptions(delay=0.0, rate=8000.0, drop=frozenset({1})), Draws(1))
    assert wire.cross(0.0, Side.CLIENT, 1, 77) == Crossing(Outcome.DROPPED)
    assert wire.cross(0.0, Side.CLIENT, 2, 77).arrivals == (0.25,)


def test_a_datagram_above_the_size_limit_is_refused_and_takes_no_time() -> None:
    wire = Wire(LinkOptions(delay=0.0, rate=8000.0, max_datagram=77), Draws(1))
    assert wire.cross(0.0, Side.CLIENT, 1, 78) == Crossing(Outcome.TOO_LARGE)
    assert wire.cross(0.0, Side.CLIENT, 2, 77).arrivals == (0.125,)
    assert (wire.fits(77), wire.fits(78)) == (True, False)


def test_the_drop_list_drops_exactly_the_numbers_on_it() -> None:
    found = crossings(LinkOptions(drop=frozenset({1, 4, 9})), trials=12)
    dropped = {n for n, each in enumerate(found, 1) if each.outcome is Outcome.DROPPED}
    assert dropped == {1, 4, 9}


def test_jitter_is_uniform_and_never_reorders() -> None:
    spaced = crossings(LinkOptions(delay=1.0, jitter=0.5), interval=10.0)
    extra = [each.arrivals[0] - 10.0 * n - 1.0 for n, each in enumerate(spaced)]
    assert min(extra) >= -1e-9
    assert max(extra) <= 0.5 + 1e-9
    assert mean_agrees(sum(extra), TRIALS, 0.25, 0.5**2 / 12)
    assert agrees(sum(each < 0.125 for each in extra), TRIALS, 0.25)
    crowded = crossings(LinkOptions(delay=1.0, jitter=0.5), interval=0.01)
    times = [each.arrivals[0] for each in crowded]
    assert all(first <= second for first, second in pairwise(times))
    assert any(first == second for first, second in pairwise(times))


def test_duplicates_are_as_many_as_asked_for_and_come_with_or_after_the_first() -> None:
    found = crossings(LinkOptions(duplicate=0.3))
    assert agrees(sum(len(each.arrivals) == 2 for each in found), TRIALS, 0.3)
    assert {len(each.arrivals) for each in found} == {1, 2}
    assert all(len(set(each.arrivals)) == 1 for each in found)
    spread = crossings(LinkOptions(duplicate=1.0, jitter=0.5), interval=1.0, trials=50)
    assert all(first <= second for first, second in (each.arrivals for each in spread))
    assert any(first < second for first, second in (each.arrivals for each in spread))


def test_what_is_held_back_is_overtaken() -> None:
    options = LinkOptions(delay=0.0, reorder=0.2, hold=(0.5, 1.5))
    found = crossings(options, interval=0.1)
    held = [each.arrivals[0] - 0.1 * n for n, each in enumerate(found)]
    late = [each for each in held if each >= 0.01]
    assert agrees(len(late), TRIALS, 0.2)
    assert min(late) >= 0.5 - 1e-6
    assert max(late) <= 1.5 + 1e-6
    assert mean_agrees(sum(late), len(late), 1.0, 1 / 12)
    # The others arrive at once: nothing waits for what is held back.
    assert max(each for each in held if each < 0.01) < 1e-6


def test_each_copy_is_held_back_by_itself() -> None:
    found = crossings(LinkOptions(delay=0.0, duplicate=1.0, reorder=0.5), interval=10.0)
    both = sum(each.arrivals[0] - 10.0 * n > 0.005 for n, each in enumerate(found))
    assert agrees(both, TRIALS, 0.25)


@pytest.mark.parametrize("burst", [None, 3.0])
def test_losses_are_drawn_per_datagram_in_sending_order(burst: float | None) -> None:
    found = crossings(LinkOptions(loss=0.2, burst=burst))
    assert agrees(sum(lost(found)), TRIALS, 0.2, spread=1.0 if burst is None else 4.0)


IMPAIRMENTS = {
    "jitter": LinkOptions(loss=0.2, jitter=0.5),
    "duplicate": LinkOptions(loss=0.2, duplicate=0.5),
    "reorder": LinkOptions(loss=0.2, reorder=0.5),
    "rate": LinkOptions(loss=0.2, rate=1000.0, queue=100_000),
    "drop": LinkOptions(loss=0.2, drop=frozenset({5})),
}


@pytest.mark.parametrize("name", IMPAIRMENTS)
def test_no_impairment_shifts_which_datagrams_are_lost(name: str) -> None:
    alone = lost(crossings(LinkOptions(loss=0.2), trials=2000))
    together = lost(crossings(IMPAIRMENTS[name], trials=2000))
    if name == "drop":
        alone[4] = together[4] = False
    assert together == alone


def test_a_full_queue_does_not_shift_which_datagrams_are_lost() -> None:
    found = crossings(LinkOptions(loss=0.2, rate=8000.0, queue=1), trials=2000, interval=0.05)
    alone = lost(crossings(LinkOptions(loss=0.2), trials=2000))
    assert sum(each.outcome is Outcome.QUEUE_FULL for each in found) > 500
    assert all(
        gone == (each.outcome is Outcome.LOST)
        for each, gone in zip(found, alone, strict=True)
        if each.outcome is not Outcome.QUEUE_FULL
    )


def test_loss_does_not_shift_duplication_jitter_and_reordering() -> None:
    others = LinkOptions(duplicate=0.3, jitter=0.2, reorder=0.3)
    alone = crossings(others, trials=2000, interval=10.0)
    together = crossings(replace(others, loss=0.2), trials=2000, interval=10.0)
    survived = [pair for pair in zip(together, alone, strict=True) if pair[0].arrivals]
    assert 1000 < len(survived) < 2000
    assert all(one == other for one, other in survived)


def test_the_directions_have_draws_of_their_own() -> None:
    options = LinkOptions(loss=0.3)
    up, down = crossings(options, side=Side.CLIENT), crossings(options, side=Side.SERVER)
    assert up != down
    wire = Wire(options, Draws(1))
    mixed = []
    for n in range(TRIALS):
        wire.cross(0.0, Side.SERVER, 2 * n, 100)
        mixed.append(wire.cross(0.0, Side.CLIENT, 2 * n + 1, 100))
    assert mixed == up


def test_the_same_seed_gives_the_same_link_and_another_one_does_not() -> None:
    options = LinkOptions(loss=0.2, burst=2.0, jitter=0.1, duplicate=0.1, reorder=0.1, rate=1e6)
    assert crossings(options, trials=500) == crossings(options, trials=500)
    assert crossings(options, trials=500) != crossings(options, seed=2, trials=500)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"delay": -1.0}, "delay is a time"),
        ({"delay": float("nan")}, "delay is a time"),
        ({"jitter": float("inf")}, "jitter is a time"),
        ({"loss": 1.5}, "loss is a probability"),
        ({"loss": 0.9, "burst": 2.0}, "burst 2 is too short"),
        ({"duplicate": -0.1}, "duplicate is a probability"),
        ({"reorder": 2.0}, "reorder is a probability"),
        ({"hold": (0.2, 0.1)}, "hold is"),
        ({"rate": 0.0}, "rate is in bits per second"),
        ({"rate": float("nan")}, "rate is in bits per second"),
        ({"queue": -1}, "queue is a count"),
        ({"overhead": -1}, "overhead is a count"),
        ({"max_datagram": -1}, "max_datagram is a count"),
        ({"drop": frozenset({0})}, "drop counts datagrams from 1"),
    ],
)
def test_an_impossible_link_is_refused_by_the_name_of_what_is_wrong(
    wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        LinkOptions(**wrong)  # type: ignore[arg-type]
