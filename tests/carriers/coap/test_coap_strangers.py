"""A flood of forged first flights where addresses need not be proven first: what it costs."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from handshake_over_coap.carriers.base import HandshakeCompleted
from handshake_over_coap.carriers.coap import CoapParameters
from handshake_over_coap.carriers.coap.client import CoapClient
from handshake_over_coap.carriers.coap.server import CoapServer
from handshake_over_coap.carriers.conversation import begin_server, open_client
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.timers import Adaptive
from handshake_over_coap.transfers.burst import Burst
from tests.support.exchange import SERVER
from tests.support.parties import seeded
from tests.support.parties13 import CCM_8, P256, Scenario13

RPK = Scenario13(CCM_8, P256, "rpk-p256")
SECONDS = 10.0
LIMITS = Limits(lifetime=2.0)


def _parameters() -> CoapParameters:
    return CoapParameters(
        resource="/d",
        timer=Adaptive(),
        transfer=Burst(),
        answer_unproven=True,
        timeout=2.0,
        limits=LIMITS,
    )


class _Flooded:
    """A server, and how many conversations it began and bytes it sent to strangers."""

    def __init__(self) -> None:
        self.begun = 0
        config = RPK.server("server")
        rng = seeded("server")

        def begin() -> Any:
            self.begun += 1
            return begin_server(config)

        self.server = CoapServer(_parameters(), begin, rng, random.Random(1).random)

    def client(self, seed: str) -> CoapClient:
        config = RPK.client(f"client {seed}")
        draw = random.Random(seed).random
        return CoapClient(
            SERVER,
            _parameters(),
            lambda encoding: open_client(config, encoding),
            seeded(seed),
            draw,
        )


def _first_flight() -> bytes:
    """The datagram of a genuine first flight; anybody may send it from any address."""
    flooded = _Flooded()
    (datagram,) = (data for data, _ in flooded.client("forged").start(0.0).datagrams)
    return datagram


def _flood(count: int) -> tuple[_Flooded, int]:
    """``count`` forged flights in ten seconds, an honest client each second; how many completed."""
    flooded, datagram, draw = _Flooded(), _first_flight(), random.Random(2)
    completed, honest = 0, _honest(flooded)
    for number in range(count):
        now = SECONDS * number / count
        host = f"10.{draw.randrange(256)}.{draw.randrange(256)}.{draw.randrange(256)}"
        while flooded.server.deadline is not None and flooded.server.deadline <= now:
            flooded.server.on_timer(flooded.server.deadline)
        forged = datagram[:2] + number.to_bytes(4, "big")[2:] + datagram[4:]
        output = flooded.server.receive(forged, Address(host, draw.randrange(1, 65536)), now)
        assert sum(len(data) for data, _ in output.datagrams) <= 3 * len(forged)
        if number % (count // 10) == count // 20:
            completed += honest(now, str(number))
    return flooded, completed


def _honest(flooded: _Flooded) -> Callable[[float, str], bool]:
    def handshake(now: float, seed: str) -> bool:
        """All of one client's handshake between two forged datagrams, a second of its own time."""
        client, address = flooded.client(seed), Address("192.0.2.2", 40000 + int(seed) % 20000)
        way = [(data, True) for data, _ in client.start(now).datagrams]
        done = False
        while way:
            data, to_server = way.pop(0)
            if to_server:
                output = flooded.server.receive(data, address, now)
                way += [(each, False) for each, to in output.datagrams if to == address]
            else:
                output = client.receive(data, SERVER, now)
                way += [(each, True) for each, _ in output.datagrams]
                done = done or any(isinstance(e, HandshakeCompleted) for e in output.events)
        return done

    return handshake


@pytest.mark.parametrize(
    "count", [4_000, pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_forged_first_flights_cost_so_many_signatures_a_second_and_honest_clients_complete(
    count: int,
) -> None:
    flooded, completed = _flood(count)
    assert completed == 10
    assert flooded.begun <= (SECONDS + 1) * LIMITS.unproven_rate + completed
    assert flooded.begun > 10
    assert flooded.server.peers.unproven.count <= LIMITS.unproven
    assert flooded.server.known_peers <= LIMITS.unproven + completed
