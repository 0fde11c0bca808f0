"""Honest clients complete while others fill the server: small cases of bench/denial.py."""

from __future__ import annotations

import pytest

from bench.denying.over_coap import OverCoap
from bench.denying.over_udp import OverUdp
from bench.denying.world import Attack, World
from handshake_over_coap.carriers.limits import Limits

SMALL = Limits(half_open=40, per_address=16)

ATTACKS = [
    Attack("as seen", 4, 10),
    Attack("ten times as much", 4, 100),
    Attack("from more addresses", 16, 25),
    Attack("from more networks", 16, 25, host="203.0.{}.1".format),
    Attack("from a 48 of IPv6", 16, 25, host="2001:db8:0:{:x}::1".format),
    Attack("from more of them", 16, 25, host="2001:db8:{:x}::1".format),
]


@pytest.mark.parametrize(
    ("carriage", "version"), [(OverCoap, "1.3"), (OverUdp, "1.2"), (OverUdp, "1.3")]
)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_honest_clients_complete_while_others_fill_the_server(
    attack: Attack, carriage: type[OverCoap | OverUdp], version: str
) -> None:
    quiet = World(Attack("none", 0, 0), 2.0, carriage(version, 1, SMALL), 1).run()
    world = World(attack, 12.0, carriage(version, 1, SMALL), 1)
    attacked = world.run()
    assert (len(attacked.times), attacked.failed) == (6, 0)
    assert attacked.most_half_open == 40
    assert max(attacked.times) <= 3 * max(quiet.times)
    # Who is refused is told so: by 5.03 over CoAP, by internal_error over UDP.
    assert world.carriage.refused > 0 or attack.rate < 2
