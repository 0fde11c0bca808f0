from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records import ReplayWindow

# Close together, so that windows overlap, and now and then a leap.
NUMBERS = st.integers(0, 200) | st.sampled_from([1000, 1001, 1063, 1064, 1065, 2**48 - 1])
ARRIVALS = st.lists(st.tuples(NUMBERS, st.booleans()), max_size=300)


class NaiveWindow:
    """What the window stands for, with all the memory in the world."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.seen: set[int] = set()

    def refusal(self, number: int, *, in_body: bool) -> str | None:
        recent = number > max(self.seen, default=-1) - self.size
        if not recent and not (in_body and number < 64):
            return "too-old"
        return "replayed" if number in self.seen else None


@given(ARRIVALS, st.sampled_from([32, 64, 100]))
def test_decides_as_a_plain_set_would(arrivals: list[tuple[int, bool]], size: int) -> None:
    window, naive = ReplayWindow(size), NaiveWindow(size)
    for number, in_body in arrivals:
        expected = naive.refusal(number, in_body=in_body)
        assert window.refusal(number, in_body=in_body) == expected
        if expected is None:
            assert number not in naive.seen  # nothing is ever accepted twice
            window.mark(number)
            naive.seen.add(number)
            assert window.highest == max(naive.seen)


def test_holds_64_records() -> None:
    window = ReplayWindow()
    for number in range(1000, 1064):
        window.mark(number)
    assert window.refusal(999) == "too-old"
    assert window.refusal(1000) == "replayed"
    assert window.refusal(1063) == "replayed"
    assert window.refusal(1064) is None
    window.mark(1064)
    assert window.refusal(1000) == "too-old"


def test_looking_does_not_mark() -> None:
    window = ReplayWindow()
    assert window.refusal(5) is None
    assert window.refusal(5) is None
    assert window.highest == -1


def test_the_first_numbers_are_open_to_bodies_for_good_and_once() -> None:
    window = ReplayWindow()
    window.mark(2**40)
    assert window.refusal(0) == "too-old"
    assert window.refusal(0, in_body=True) is None
    window.mark(0)
    assert window.refusal(0, in_body=True) == "replayed"
    assert window.refusal(64, in_body=True) == "too-old"
    assert window.highest == 2**40


def test_a_number_seen_in_a_datagram_is_refused_in_a_body_after_any_time() -> None:
    window = ReplayWindow()
    window.mark(3)
    window.mark(100_000)
    assert window.refusal(3, in_body=True) == "replayed"


def test_a_leap_keeps_the_state_small() -> None:
    window = ReplayWindow()
    window.mark(0)
    window.mark(2**48 - 1)
    assert window._missing.bit_length() <= 64
    assert window._first.bit_length() <= 64


def test_a_window_below_32_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        ReplayWindow(31)
