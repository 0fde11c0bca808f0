"""Nobody gives up: where no limit is set, every handshake completes in the end."""

from __future__ import annotations

import pytest

from handshake_over_coap.lab.contestants import contestants
from handshake_over_coap.lab.simulate import simulate


@pytest.mark.parametrize("name", contestants())
def test_at_half_the_datagrams_lost_every_contestant_completes(name: str) -> None:
    # At 65 bytes the last exchange may take longer than the 240 s for which RFC 9147 has a server
    # keep the keys of the handshake.
    scenario = contestants(mtu=65, loss=0.5, delay=0.05)[name]
    report = simulate(scenario, trials=20, seed=2)
    assert report.completed == report.trials
    assert report.duration_s.max is not None


@pytest.mark.parametrize("name", contestants())
def test_a_last_flight_lost_for_an_hour_or_84_datagrams_is_still_repeated(
    name: str,
) -> None:
    # Without loss the sixth datagram completes the client, the fourth where no address is proven
    # first, and the seventh where each flight has a spare piece, too.
    last = 7 if name.endswith("quick") else 4 if "-lean" in name and "echo" not in name else 6
    scenario = contestants(drop=tuple(range(last, last + 84)))[name]
    report = simulate(scenario, trials=1)
    assert report.completed == 1
    assert report.server_s.max is not None
    assert report.server_s.max < 1
    assert report.client_s.max is not None
    # A burst is repeated by several pieces at a time, all of which are lost here.
    assert report.client_s.max > (600 if "lean" in name else 3600)
