"""The classic handshake on injected time: whatever is lost, doubled or late, it completes once."""

from __future__ import annotations

import itertools

import pytest

from tests.support.parties import TYPICAL, Scenario
from tests.support.udp_pair import ONE_WAY, UdpPair, dropping

MTUS = (1152, 128)


def wire_length(scenario: Scenario, mtu: int) -> int:
    """Datagrams of an undisturbed handshake."""
    pair = UdpPair(scenario, mtu)
    pair.run()
    assert pair.complete
    return len(pair.wire)


@pytest.mark.parametrize("mtu", [50, 64, 100, 256, 1152])
@pytest.mark.parametrize("scenario", TYPICAL, ids=str)
def test_no_datagram_passes_the_limit_and_nothing_is_sent_twice(
    scenario: Scenario, mtu: int
) -> None:
    pair = UdpPair(scenario, mtu)
    pair.run()
    assert pair.complete
    assert max(len(data) for _, _, data in pair.wire) <= mtu
    assert pair.now == pytest.approx(4 * ONE_WAY)
    assert pair.client.retransmissions == pair.server.retransmissions == 0


@pytest.mark.parametrize("mtu", MTUS)
@pytest.mark.parametrize("scenario", TYPICAL, ids=str)
def test_any_one_datagram_may_be_lost(scenario: Scenario, mtu: int) -> None:
    for lost in range(wire_length(scenario, mtu)):
        pair = UdpPair(scenario, mtu, dropping(lost))
        pair.run()
        assert pair.complete, f"datagram {lost} was lost"
        assert pair.now < 4


@pytest.mark.parametrize("mtu", MTUS)
@pytest.mark.parametrize("scenario", TYPICAL[:4], ids=str)
def test_any_two_datagrams_may_be_lost(scenario: Scenario, mtu: int) -> None:
    # Retransmissions count too: up to twice as many datagrams may be on the wire.
    for lost in itertools.combinations(range(wire_length(scenario, mtu) + 4), 2):
        pair = UdpPair(scenario, mtu, dropping(*lost))
        pair.run()
        assert pair.complete, f"datagrams {lost} were lost"
        assert pair.now < 10


@pytest.mark.parametrize("scenario", TYPICAL, ids=str)
def test_any_datagram_may_come_twice_or_late(scenario: Scenario) -> None:
    for which in range(wire_length(scenario, 128)):
        for copies in ([(0.0,), (0.0,)], [(0.5,)], [(0.0,), (0.7,)], [(3.0,)]):
            delays = [copy[0] for copy in copies]

            def fate(index: int, data: bytes) -> list[tuple[float, bytes]]:
                if index != which:  # noqa: B023
                    return [(0.0, data)]
                return [(delay, data) for delay in delays]  # noqa: B023

            pair = UdpPair(scenario, 128, fate)
            pair.run()
            assert pair.complete, f"datagram {which} with delays {delays}"


@pytest.mark.parametrize("scenario", TYPICAL[:4], ids=str)
def test_any_two_neighbours_may_change_places(scenario: Scenario) -> None:
    for which in range(wire_length(scenario, 80)):

        def fate(index: int, data: bytes) -> list[tuple[float, bytes]]:
            return [(0.001 if index == which else 0.0, data)]  # noqa: B023

        pair = UdpPair(scenario, 80, fate)
        pair.run()
        assert pair.complete
        assert pair.client.retransmissions == pair.server.retransmissions == 0


def test_the_timer_doubles_up_to_its_ceiling() -> None:
    pair = UdpPair(TYPICAL[0], fate=lambda index, data: [])
    pair.run(limit=400)
    sent = [when for when, _, _ in pair.wire]
    gaps = [later - earlier for earlier, later in itertools.pairwise(sent)]
    assert gaps == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]
