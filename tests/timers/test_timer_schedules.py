"""When each timer has something sent again, to the second."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.timers import (
    BY_NAME,
    PRESETS,
    Adaptive,
    Rfc6347,
    Rfc7252,
    Rfc7925,
    Rfc9147,
    Timer,
    TimerPolicy,
    draws_from,
    expecting,
    timer_named,
)


def never() -> float:
    raise AssertionError("this timer is not to draw")


def waits(timer: Timer, count: int) -> list[float]:
    """What one message waits, ``count`` times in a row, without an answer."""
    timer.sent(0.0)
    found = []
    for _ in range(count):
        found.append(timer.value)
        timer.expired(sum(found))
    return found


DOUBLING = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


@pytest.mark.parametrize("policy", [Rfc6347(), Rfc9147(), Rfc9147(adapt=False)], ids=repr)
def test_dtls_waits_a_second_and_doubles_to_a_minute(policy: TimerPolicy) -> None:
    assert waits(policy.start(never), 8) == DOUBLING


def test_the_profile_for_constrained_devices_waits_nine_seconds() -> None:
    assert waits(Rfc7925().start(never), 5) == [9.0, 18.0, 36.0, 60.0, 60.0]


def test_coap_draws_each_first_wait_and_doubles_it() -> None:
    draws = iter((0.0, 0.5))
    timer = Rfc7252().start(lambda: next(draws))
    assert waits(timer, 6) == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0]
    assert waits(timer, 6) == [2.5, 5.0, 10.0, 20.0, 40.0, 60.0]


@given(st.integers(0, 2**32), st.floats(0.01, 100), st.floats(1, 4))
def test_coap_draws_as_the_standard_library_does(seed: int, least: float, factor: float) -> None:
    policy = Rfc7252(ack_timeout=least, ack_random_factor=factor, max_interval=1000.0)
    timer = policy.start(random.Random(seed).random)
    timer.sent(0.0)
    assert timer.value == random.Random(seed).uniform(least, least * factor)


def test_a_wait_longer_than_the_longest_is_cut_from_the_start() -> None:
    assert waits(Rfc9147(initial_timeout=9.0, max_interval=5.0).start(never), 2) == [5.0, 5.0]
    assert waits(Rfc7252(max_interval=2.2).start(lambda: 0.9), 2) == [2.2, 2.2]


def after_a_round_trip(policy: TimerPolicy, seconds: float, repeats: int = 0) -> Timer:
    timer = policy.start(lambda: 0.0)
    timer.sent(10.0)
    for number in range(repeats):
        timer.expired(11.0 + number)
    timer.answered(10.0 + seconds, repeats)
    timer.sent(20.0)
    return timer


def test_dtls_13_adopts_one_and_a_half_round_trips() -> None:
    assert after_a_round_trip(Rfc9147(), 0.4).value == pytest.approx(0.6)
    assert after_a_round_trip(Rfc9147(), 0.001).value == 0.25
    assert after_a_round_trip(Rfc9147(initial_timeout=0.1), 0.001).value == 0.1
    assert after_a_round_trip(Rfc9147(), 100.0).value == 60.0
    assert after_a_round_trip(Rfc9147(adapt=False), 0.4).value == 1.0


def test_dtls_13_keeps_what_has_grown_until_an_answer_to_what_was_sent_once() -> None:
    timer = after_a_round_trip(Rfc9147(), 9.0, repeats=3)
    assert timer.value == 8.0
    timer.answered(20.5, 0)
    assert timer.value == pytest.approx(0.75)


def test_dtls_12_keeps_what_has_grown_until_a_flight_gets_through_without_loss() -> None:
    timer = after_a_round_trip(Rfc6347(), 3.5, repeats=2)
    assert timer.value == 4.0
    timer.answered(20.1, 0)
    assert timer.value == 1.0


def test_dtls_12_begins_anew_where_it_is_told_to() -> None:
    assert after_a_round_trip(Rfc6347(keep=False), 3.5, repeats=2).value == 1.0


def test_coap_measures_only_where_it_is_told_to() -> None:
    assert after_a_round_trip(Rfc7252(), 0.4).value == 2.0
    assert after_a_round_trip(Rfc7252(adapt=True), 0.4).value == pytest.approx(0.6)
    assert after_a_round_trip(Rfc7252(adapt=True), 0.0).value == 0.25
    assert after_a_round_trip(Rfc7252(adapt=True), 9.0, repeats=1).value == 2.0


def test_the_adaptive_timer_begins_at_random_and_follows_the_path() -> None:
    for draw, first in ((0.0, 1.0), (0.5, 1.25), (0.999, 1.4995)):
        timer = Adaptive().start([draw].pop)
        assert waits(timer, 3) == pytest.approx([first, 2 * first, 4 * first])
    assert after_a_round_trip(Adaptive(), 0.1).value == pytest.approx(0.15)
    assert after_a_round_trip(Adaptive(), 0.01).value == 0.1
    assert waits(after_a_round_trip(Adaptive(), 40.0), 2) == [60.0, 60.0]


@pytest.mark.parametrize(
    "make", [Rfc6347, Rfc7252, Rfc7925, Rfc9147, Adaptive], ids=lambda make: make.name
)
@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_limit_of_repetitions_counts_for_each_message(
    make: Callable[..., TimerPolicy], most: int
) -> None:
    timer = make(max_retransmit=most).start(lambda: 0.0)
    for start in (0.0, 1000.0):
        timer.sent(start)
        for number in range(most):
            assert not timer.exhausted
            timer.expired(start + number)
        assert timer.exhausted
    assert not after_a_round_trip(make(), 1.0, repeats=50).exhausted


def test_a_copy_goes_its_own_way() -> None:
    timer = Rfc9147().start(never)
    other = copy.copy(timer)
    other.sent(0.0)
    other.expired(1.0)
    assert (timer.value, other.value) == (1.0, 2.0)


def test_presets_are_for_what_they_say() -> None:
    first = {name: policy.start(never).value for name, policy in PRESETS.items()}
    assert first == {"1s": 1.0, "2s": 2.0, "9s": 9.0, "sleepy": 5.2, "slow-computing": 30.0}
    assert expecting(0.2).start(never).value == 1.0
    assert timer_named("round-trip=0.8").start(never).value == 1.6


def test_a_quick_first_exchange_does_not_mislead_where_computing_is_slow() -> None:
    assert after_a_round_trip(PRESETS["slow-computing"], 0.05).value == 30.0


def test_names_lead_to_policies_and_objects_to_themselves() -> None:
    for name, policy in BY_NAME.items():
        assert timer_named(name) is policy
        assert policy.name == name
    own = Rfc9147(initial_timeout=3.0)
    assert timer_named(own) is own


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'rfc1'.*rfc7252, .*adaptive, 1s, .*sleepy"):
        timer_named("rfc1")
    for wrong in ("round-trip=", "round-trip=nan", "round-trip=inf"):
        with pytest.raises(ConfigurationError, match="number of seconds"):
            timer_named(wrong)


def wrong() -> Iterator[tuple[Callable[..., TimerPolicy], str, float]]:
    for make, time in (
        (Rfc6347, "initial_timeout"),
        (Rfc7252, "ack_timeout"),
        (Rfc7925, "initial_timeout"),
        (Rfc9147, "initial_timeout"),
        (Adaptive, "first_timeout"),
        (Adaptive, "min_interval"),
    ):
        for value in (0.0, -1.0, float("nan"), float("inf")):
            yield make, time, value
            yield make, "max_interval", value
        yield make, "max_retransmit", -1
    yield Rfc7252, "ack_random_factor", 0.9
    yield Adaptive, "round_trips", 0.5
    yield Adaptive, "first_random_factor", float("nan")


@pytest.mark.parametrize(("make", "name", "value"), list(wrong()))
def test_options_that_make_no_sense_are_refused_by_name(
    make: Callable[..., TimerPolicy], name: str, value: float
) -> None:
    with pytest.raises(ConfigurationError, match=name):
        make(**{name: value})


def test_every_option_documents_itself() -> None:
    for policy in (*BY_NAME.values(), *PRESETS.values()):
        for option in fields(policy):  # type: ignore[arg-type]
            assert option.metadata["doc"], (policy.name, option.name)


def test_draws_from_bytes_are_fractions_below_one() -> None:
    assert draws_from(bytes)() == 0.0
    assert 1 - 2**-50 < draws_from(lambda count: b"\xff" * count)() < 1.0
