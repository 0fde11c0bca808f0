"""--adapt-timer: a timer of one and a half measured round trips."""

from __future__ import annotations

import pytest

import handshake_over_coap as hoc


def wait_before_the_repetition(**options: object) -> float:
    """Seconds between the client's second request, which is lost, and its repetition."""
    watched = hoc.watch(hoc.Scenario(drop=(3,), delay=0.2, **options))  # type: ignore[arg-type]
    lost, again = watched.datagrams[2:4]
    assert lost.lost
    # Over UDP the repetition is a record with a number of its own.
    assert (again.from_client, len(again.data)) == (True, len(lost.data))
    return again.time - lost.time


@pytest.mark.parametrize("dtls", ["1.2", "1.3"])
def test_over_coap_the_challenge_measures_the_round_trip(dtls: str) -> None:
    # One and a half round trips of 0.4 s, times the random factor of 1 to 1.5.
    assert 0.6 <= wait_before_the_repetition(dtls=dtls, adapt_timer=True) <= 0.9


def test_over_coap_the_timers_are_those_of_the_rfc_by_default() -> None:
    assert 2.0 <= wait_before_the_repetition() <= 3.0


def test_dtls_1_3_over_udp_measures_unless_told_not_to() -> None:
    udp = {"transport": "udp", "dtls": "1.3"}
    assert wait_before_the_repetition(**udp) == pytest.approx(0.6)
    assert wait_before_the_repetition(**udp, adapt_timer=False) == pytest.approx(1.0)


def test_a_round_trip_with_a_repetition_in_it_is_not_measured() -> None:
    # The first request is lost: its answer may belong to either copy.
    watched = hoc.watch(hoc.Scenario(drop=(1, 4), delay=0.2, adapt_timer=True))
    lost, again = watched.datagrams[3:5]
    assert lost.lost
    assert 2.0 <= again.time - lost.time <= 3.0
