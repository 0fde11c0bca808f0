"""What has gone wrong in other stacks, each story told once to this one, on injected time."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from handshake_over_coap.carriers.reassembly import MAX_HANDSHAKE
from handshake_over_coap.carriers.udp.early import EARLY_RECORDS
from handshake_over_coap.carriers.udp.fragments import Packer
from handshake_over_coap.records.dtls12 import SealedRecord, split_datagram
from tests.support.parties import TYPICAL, Scenario
from tests.support.udp_pair import ONE_WAY, UdpPair, dropping, unharmed

PSK, MUTUAL = TYPICAL[0], TYPICAL[3]

Arrivals = Sequence[tuple[float, bytes]]


def undisturbed(scenario: Scenario, mtu: int) -> UdpPair:
    """A pair that has completed without trouble."""
    pair = UdpPair(scenario, mtu)
    pair.run()
    assert pair.complete
    return pair


def of_server_finish(pair: UdpPair) -> list[int]:
    """Numbers of the datagrams of the server's last flight."""
    last = max(when for when, _, _ in pair.wire)
    return [n for n, (when, _, _) in enumerate(pair.wire) if when == last]


@pytest.mark.parametrize("scenario", TYPICAL, ids=str)
def test_story_1_a_server_that_has_completed_answers_the_repeated_flight(
    scenario: Scenario,
) -> None:
    """pion/dtls#478, #479, Mbed-TLS/mbedtls#9911: the repetition met silence."""
    for lost in of_server_finish(undisturbed(scenario, 64)):
        pair = UdpPair(scenario, 64, dropping(lost))
        pair.run()
        assert pair.complete
        assert pair.server.retransmissions > 0


def test_story_1_every_copy_of_the_last_flight_may_be_lost_for_a_while() -> None:
    seen = 0

    def fate(index: int, data: bytes) -> Arrivals:
        nonlocal seen
        finished = data[0] == 20 and data[13:14] == b"\x01"
        if finished:
            seen += 1
        return [] if finished and seen <= 4 else [(0.0, data)]

    pair = UdpPair(PSK, fate=fate)
    pair.run()
    assert pair.complete
    assert seen == 5


def test_story_1_a_client_that_has_completed_does_not_answer_the_repeated_flight() -> None:
    """Two sides that answer each other's last flights would never fall silent."""
    pair = undisturbed(PSK, 1152)
    for later in (1.0, 2.0, 4.0):
        again = b"".join(pair.server.repeat(pair.now + later))
        assert pair.client.receive(again, pair.now + later) == []
        *_, finished = split_datagram(again)
        assert isinstance(finished, SealedRecord)
        assert pair.client._incoming.opener is not None
        plaintext = pair.client._incoming.opener.open(finished)
        assert pair.client.take_opened(plaintext, pair.now + later) == []


def test_story_2_changecipherspec_without_finished_stops_no_timer() -> None:
    """eclipse-tinydtls/tinydtls#119: the Finished is lost, its ChangeCipherSpec is not."""
    for mtu in (64, 80):
        sealed = [
            number
            for number, (_, _, data) in enumerate(undisturbed(PSK, mtu).wire)
            if data[3:5] == b"\0\1"
        ]
        assert sealed
        for lost in sealed:
            pair = UdpPair(PSK, mtu, dropping(lost))
            pair.run()
            assert pair.complete


def thinking(seconds: float) -> UdpPair:
    """A server that is deaf for ``seconds`` from the first hello on."""
    busy_until = ONE_WAY + seconds
    pairs = list[UdpPair]()

    def fate(index: int, data: bytes) -> Arrivals:
        now, from_client, _ = pairs[0].wire[index] if pairs else (0.0, True, b"")
        return [(max(0.0, busy_until - now - ONE_WAY) if from_client else 0.0, data)]

    pairs.append(UdpPair(PSK, 1152, fate))
    return pairs[0]


def test_story_3_slow_cryptography_draws_no_storm_of_answers() -> None:
    """eclipse-californium/californium#1034, Mbed-TLS/mbedtls#2825: one answer to each spurious
    repetition, all of them waiting when the server has done its sums."""
    pair = thinking(8.0)
    pair.run()
    assert pair.complete
    assert pair.client.retransmissions == 3  # at 1, 3 and 7 s
    answers = [when for when, from_client, _ in pair.wire if not from_client]
    assert len(answers) == 2  # its two flights, each once
    assert pair.now < 8.5


def test_story_5_a_client_hello_in_fragments_is_taken() -> None:
    """Mbed-TLS/mbedtls#7549, wolfSSL/wolfssl#9266."""
    for scenario in TYPICAL:
        pair = undisturbed(scenario, 50)
        hello = [data for when, from_client, data in pair.wire if when == 0 and from_client]
        assert len(hello) > 2
        assert pair.now == pytest.approx(4 * ONE_WAY)


@pytest.mark.parametrize("before", [50, 80, 256])
@pytest.mark.parametrize("after", [50, 77, 200])
def test_story_6_retransmission_at_other_boundaries_is_put_together(
    before: int, after: int
) -> None:
    """pion/dtls#1099: a half-received flight comes again in other fragments."""
    flight = [
        number
        for number, (when, from_client, _) in enumerate(undisturbed(MUTUAL, before).wire)
        if not from_client and when == ONE_WAY
    ]
    for lost in (flight[0], flight[len(flight) // 2], flight[-1]):
        pair = UdpPair(MUTUAL, before, dropping(lost))
        while len(pair.wire) <= flight[-1]:
            pair.step()
        for engine in (pair.client, pair.server):
            engine._packer = Packer(after, engine._numbers)
        pair.run()
        assert pair.complete
        assert pair.now < 2


def flights(pair: UdpPair) -> list[list[int]]:
    """Numbers of the datagrams sent by one side at one time."""
    found: dict[tuple[float, bool], list[int]] = {}
    for number, (when, from_client, _) in enumerate(pair.wire):
        found.setdefault((when, from_client), []).append(number)
    return list(found.values())


@pytest.mark.parametrize("mtu", [100, 160])
def test_story_7_any_two_datagrams_of_a_flight_may_change_places(mtu: int) -> None:
    """wolfSSL/wolfssl#7512: CertificateVerify after ChangeCipherSpec killed the handshake."""
    for flight in flights(undisturbed(MUTUAL, mtu)):
        for i, first in enumerate(flight):
            for j, second in enumerate(flight[:i]):
                places = {number: 0.001 * place for place, number in enumerate(flight)}
                places |= {first: 0.001 * j, second: 0.001 * i}

                def fate(index: int, data: bytes, places: dict[int, float] = places) -> Arrivals:
                    return [(places.get(index, 0.0), data)]

                pair = UdpPair(MUTUAL, mtu, fate)
                pair.run()
                assert pair.complete, f"datagrams {first} and {second} changed places"
                assert pair.client.retransmissions == pair.server.retransmissions == 0


@pytest.mark.parametrize("seed", range(20))
def test_story_8_ten_percent_loss_with_many_fragments_completes_within_bounds(seed: int) -> None:
    """wolfSSL/wolfssl#568: a fixed pool of messages, and it never completed."""
    draws = random.Random(seed)
    pair = UdpPair(
        MUTUAL, 64, lambda index, data: [] if draws.random() < 0.1 else unharmed(index, data)
    )
    largest = 0
    while pair.step():
        for engine in (pair.client, pair.server):
            held = sum(each.length for each in engine._incoming.reassembly._partial.values())
            largest = max(largest, held)
            assert len(engine._incoming._sealed) <= EARLY_RECORDS
    assert pair.complete
    assert 0 < largest <= MAX_HANDSHAKE
    assert len(pair.wire) < 8 * len(undisturbed(MUTUAL, 64).wire)
    assert pair.now < 60


def test_story_10_each_repeated_hello_is_answered() -> None:
    """openssl/openssl#18635: the answer was lost, and the repeated ClientHello met silence."""
    pair = UdpPair(PSK)
    (_, _, hello) = pair.wire[0]
    first = pair.server.receive(hello, 0.0)
    for now in (1.0, 3.0, 7.0):
        again = pair.server.receive(hello, now)
        assert [len(each) for each in again] == [len(each) for each in first]
        assert again != first  # new record numbers
