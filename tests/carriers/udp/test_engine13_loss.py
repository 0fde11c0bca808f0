"""The classic 1.3 handshake on injected time: whatever is lost or late, it completes once."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from handshake_over_coap.carriers import reassembly
from handshake_over_coap.carriers.delivery import RECORDS_AT_ONCE
from handshake_over_coap.errors import HandshakeTimeout
from handshake_over_coap.timers import Rfc9147
from handshake_over_coap.tls.codepoints import NamedGroup
from tests.support.udp_pair import Fate, unharmed
from tests.support.udp_pair13 import (
    CASES,
    ONE_WAY,
    PSK_DHE,
    PSK_KE,
    RETRY_GROUPS,
    RPK,
    X509,
    Case,
    Pair13,
    dropping,
)

MTUS = (1280, 512, 256, 128)
TIMER = Rfc9147(max_interval=8.0)
LATEST = 100.0
"""Seconds: later than any timer of a handshake, and earlier than old keys are forgotten."""

every_case = pytest.mark.parametrize("case", CASES, ids=str)
with_and_without_cookie = pytest.mark.parametrize("cookie", [False, True], ids=["", "cookie"])


def undisturbed(case: Case, mtu: int, cookie: bool) -> int:
    """Datagrams of a handshake that nothing happens to."""
    pair = Pair13(case, mtu=mtu, cookie=cookie)
    pair.run(LATEST)
    assert pair.complete
    return len(pair.wire)


@pytest.mark.parametrize("mtu", [*MTUS, 64])
@pytest.mark.parametrize("case", [*CASES, X509], ids=str)
@with_and_without_cookie
def test_no_datagram_passes_the_limit_and_nothing_is_sent_twice(
    case: Case, mtu: int, cookie: bool
) -> None:
    pair = Pair13(case, mtu=mtu, cookie=cookie)
    pair.run(LATEST)
    assert pair.complete
    assert max(len(data) for _, _, data in pair.wire) <= mtu
    assert pair.client.retransmissions == pair.server.retransmissions == 0
    if mtu >= 256:
        assert pair.client.completed_at == pytest.approx((4 if cookie else 2) * ONE_WAY)
        assert pair.server.completed_at == pytest.approx((5 if cookie else 3) * ONE_WAY)


def test_the_peers_record_limit_holds_from_the_handshake_on_in_both_directions() -> None:
    pair = Pair13(RPK, client={"record_size_limit": 120}, server={"record_size_limit": 100})
    pair.run(LATEST)
    assert pair.complete
    longest = {True: 0, False: 0}
    for seen in pair.records():
        if seen.opened.epoch:
            length = len(seen.opened.plaintext) + 1  # the content type counts
            longest[seen.of_client] = max(longest[seen.of_client], length)
    assert 90 < longest[True] <= 100 < longest[False] <= 120


@pytest.mark.parametrize("mtu", MTUS)
@every_case
@with_and_without_cookie
def test_any_one_datagram_may_be_lost(case: Case, mtu: int, cookie: bool) -> None:
    for lost in range(undisturbed(case, mtu, cookie)):
        pair = Pair13(case, mtu=mtu, cookie=cookie, fate=dropping(lost))
        pair.run(LATEST)
        assert pair.complete, f"datagram {lost} was lost"
        # The first flight waits for its timer; whatever is lost later, somebody knows sooner.
        assert (pair.server.completed_at or LATEST) < 1.4


@pytest.mark.parametrize("mtu", [512, 128])
@every_case
@with_and_without_cookie
def test_any_two_datagrams_may_be_lost(case: Case, mtu: int, cookie: bool) -> None:
    # Some of those that are sent because of the first loss are lost too.
    for lost in itertools.combinations(range(undisturbed(case, mtu, cookie) + 4), 2):
        pair = Pair13(case, mtu=mtu, cookie=cookie, fate=dropping(*lost))
        pair.run(LATEST)
        assert pair.complete, f"datagrams {lost} were lost"
        assert (pair.server.completed_at or LATEST) < 4


@pytest.mark.slow
@pytest.mark.parametrize("mtu", MTUS)
@pytest.mark.parametrize("case", [*CASES, X509], ids=str)
@with_and_without_cookie
def test_any_three_datagrams_may_be_lost(case: Case, mtu: int, cookie: bool) -> None:
    for lost in itertools.combinations(range(min(undisturbed(case, mtu, cookie) + 6, 24)), 3):
        pair = Pair13(case, mtu=mtu, cookie=cookie, fate=dropping(*lost))
        pair.run(LATEST)
        assert pair.complete, f"datagrams {lost} were lost"
        assert (pair.server.completed_at or LATEST) < 9


@every_case
@with_and_without_cookie
@pytest.mark.parametrize("mtu", [1280, 128])
def test_any_datagram_may_come_twice_or_late(case: Case, mtu: int, cookie: bool) -> None:
    for which in range(undisturbed(case, mtu, cookie)):
        for delays in ((0.0, 0.0), (0.0, 0.02), (0.5,), (0.0, 0.7), (3.0,), (0.0, 0.3, 0.6, 5.0)):

            def fate(index: int, data: bytes) -> Sequence[tuple[float, bytes]]:
                if index != which:  # noqa: B023
                    return [(0.0, data)]
                return [(delay, data) for delay in delays]  # noqa: B023

            pair = Pair13(case, mtu=mtu, cookie=cookie, fate=fate)
            pair.run(LATEST)
            assert pair.complete, f"datagram {which} with delays {delays}"


@every_case
@with_and_without_cookie
@pytest.mark.parametrize("mtu", [256, 128, pytest.param(64, marks=pytest.mark.slow)])
def test_any_two_datagrams_may_change_places(case: Case, mtu: int, cookie: bool) -> None:
    # Datagrams of one flight leave together; the one in front of a pair is held for as long as it
    # takes the one behind, and those between them, to overtake it.
    count = undisturbed(case, mtu, cookie)
    for first, second in itertools.combinations(range(count), 2):

        def fate(index: int, data: bytes) -> Sequence[tuple[float, bytes]]:
            if index == first:  # noqa: B023
                return [(0.001, data)]
            return [(0.002 if first < index < second else 0.0, data)]  # noqa: B023

        pair = Pair13(case, mtu=mtu, cookie=cookie, fate=fate)
        pair.run(LATEST)
        assert pair.complete
        assert (pair.server.completed_at or LATEST) < 1
        for counter in ("dropped: forged", "dropped: contradicting fragment"):
            assert counter not in pair.counters


@pytest.mark.parametrize("loss", [0.2, 0.4])
@pytest.mark.parametrize("case", [*CASES, X509], ids=str)
@with_and_without_cookie
def test_it_completes_over_a_network_that_loses_doubles_and_delays(
    case: Case, cookie: bool, loss: float
) -> None:
    for seed in range(20):
        draws = random.Random(seed)

        def fate(index: int, data: bytes) -> Sequence[tuple[float, bytes]]:
            if draws.random() < loss:  # noqa: B023
                return []
            return [(draws.random() * 0.2, data) for _ in range(draws.choice((1, 1, 2)))]  # noqa: B023

        pair = Pair13(case, mtu=draws.choice(MTUS), cookie=cookie, fate=fate, timer=TIMER)
        pair.run(200.0)
        assert pair.complete, f"seed {seed}"


@pytest.mark.parametrize("case", [RPK], ids=str)
@with_and_without_cookie
def test_a_retry_for_another_group_survives_any_one_loss(case: Case, cookie: bool) -> None:
    def pair(fate_of: int) -> Pair13:
        made = Pair13(case, mtu=256, cookie=cookie, fate=dropping(fate_of), server=RETRY_GROUPS)
        made.run(LATEST)
        return made

    whole = pair(-1)
    assert whole.complete
    # With a cookie both are asked for at once: there is one retry at most.
    assert whole.server.completed_at == pytest.approx(5 * ONE_WAY)
    for lost in range(len(whole.wire)):
        assert pair(lost).complete, f"datagram {lost} was lost"


@pytest.mark.parametrize("mtu", [148, 155, 162])
def test_a_flight_larger_than_what_is_kept_survives_the_loss_of_its_middle(
    mtu: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end came and was acknowledged: it must still be there when the rest has come."""
    whole = Pair13(X509, mtu=mtu)
    whole.run(LATEST)
    flight = [
        n for n, (when, of_client, _) in enumerate(whole.wire) if not of_client and when < 0.1
    ]
    monkeypatch.setattr(reassembly, "MAX_HANDSHAKE", 889)  # Certificate: 802, what follows: 107
    for ends in (1, 2):
        pair = Pair13(X509, mtu=mtu, fate=dropping(*flight[1:-ends]))
        pair.run(LATEST)
        assert pair.complete
        assert (pair.server.completed_at or LATEST) < 8


HYBRID: dict[str, Any] = {"groups": (NamedGroup.X25519MLKEM768,)}
"""A group whose key shares have more than 1,000 bytes: hellos of up to 52 records."""


def with_long_hellos(mtu: int, cookie: bool, fate: Fate = unharmed) -> Pair13:
    client = HYBRID | {"key_shares": HYBRID["groups"]}
    return Pair13(PSK_DHE, mtu=mtu, cookie=cookie, fate=fate, client=client, server=HYBRID)


@pytest.mark.parametrize("mtu", [50, 64, 100, 128])
@with_and_without_cookie
def test_hellos_of_many_records_go_out_ten_at_a_time_and_wait_for_no_ack(
    mtu: int, cookie: bool
) -> None:
    pair = with_long_hellos(mtu, cookie)
    pair.run(LATEST)
    assert pair.complete
    assert (pair.server.completed_at or LATEST) < 3.5
    hello = [(when, data) for when, of_client, data in pair.wire if of_client and data[13] == 1]
    assert max(Counter(when for when, _ in hello).values()) == RECORDS_AT_ONCE
    # Elsewhere the server's hello takes longer than the client's timer, which the cookie's round
    # trip has made short.
    if mtu > 64 or (mtu == 64 and not cookie):
        assert len({data[11:25] for _, data in hello}) == len(hello)  # no fragment of it twice
    # What is sent twice is what an ACK in the clear could not name in time.
    assert len(pair.wire) < 5 * 1300 // (mtu - 25)


@pytest.mark.parametrize("mtu", [64, 128])
@with_and_without_cookie
def test_any_one_datagram_of_a_long_hello_may_be_lost(mtu: int, cookie: bool) -> None:
    for lost in range(0, 60, 3):
        pair = with_long_hellos(mtu, cookie, dropping(lost))
        pair.run(LATEST)
        assert pair.complete, f"datagram {lost} was lost"
        assert (pair.server.completed_at or LATEST) < 6


def test_the_timer_doubles_up_to_its_ceiling() -> None:
    pair = Pair13(PSK_KE, fate=lambda index, data: [])
    pair.run(limit=400)
    sent = [when for when, _, _ in pair.wire]
    gaps = [later - earlier for earlier, later in itertools.pairwise(sent)]
    assert gaps == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]


def test_a_client_that_nobody_answers_gives_up() -> None:
    pair = Pair13(PSK_KE, fate=lambda index, data: [], timer=Rfc9147(max_retransmit=3))
    with pytest.raises(HandshakeTimeout, match="sent 4 times"):
        pair.run(LATEST)
    assert len(pair.wire) == 4


def test_a_server_whose_client_is_gone_gives_up() -> None:
    def fate(index: int, data: bytes) -> Sequence[tuple[float, bytes]]:
        return [(0.0, data)] if index == 0 else []

    pair = Pair13(PSK_KE, fate=fate, timer=Rfc9147(max_retransmit=3))
    pair.step()
    pair.client.engine = None
    with pytest.raises(HandshakeTimeout, match="sent 4 times"):
        pair.run(LATEST)
    assert len(pair.sent(from_client=False)) == 4


def test_the_timer_follows_the_first_measured_round_trip_unless_told_not_to() -> None:
    def second_hello_again(**parameters: Any) -> float:
        # The server's flight is lost: when does the client send its second hello again?
        pair = Pair13(PSK_KE, cookie=True, fate=dropping(3), **parameters)
        pair.run(LATEST)
        sent = [when for when, of_client, _ in pair.wire if of_client]
        return sent[2] - sent[1]

    assert second_hello_again() == pytest.approx(0.25)
    assert second_hello_again(timer=Rfc9147(adapt=False)) == pytest.approx(1.0)
