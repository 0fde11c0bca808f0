"""Handshakes that cross: both sides begin at once, or one begins again before it is answered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.net.client import Client
from tests.support import parties13
from tests.support.both_carriers import SERVER, Place, place
from tests.support.crossing import two_peers
from tests.support.exchange import virtual
from tests.support.network import Delivery, Sent, Verdict
from tests.support.parties import TYPICAL, seeded

CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "coap 1.2 psk": (TYPICAL[0], {"dtls": "1.2"}),
    "coap 1.2 rpk": (TYPICAL[3], {"dtls": "1.2"}),
    "coap 1.3 psk": (parties13.PSK_ONLY, {"dtls": "1.3"}),
    "coap 1.3 rpk": (parties13.RPK, {"dtls": "1.3"}),
    "coap 1.3 rpk lean": (parties13.RPK, {"dtls": "1.3", "profile": "lean"}),
    "udp 1.2 psk": (TYPICAL[0], {"dtls": "1.2", "transport": "udp"}),
    "udp 1.2 rpk": (TYPICAL[3], {"dtls": "1.2", "transport": "udp"}),
    "udp 1.3 psk": (parties13.PSK_ONLY, {"dtls": "1.3", "transport": "udp"}),
    "udp 1.3 rpk": (parties13.RPK, {"dtls": "1.3", "transport": "udp"}),
    "udp 1.2 psk cid": (TYPICAL[0], {"dtls": "1.2", "transport": "udp", "cid": "c1d0"}),
    "udp 1.3 psk cid": (parties13.PSK_ONLY, {"dtls": "1.3", "transport": "udp", "cid": "c1d0"}),
}

FIRST = Address("192.0.2.7", 40000)


def lossy(seed: int) -> Verdict:
    """A fifth is lost, a tenth comes twice, and a fifth comes late."""
    draws = random.Random(seed)

    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        if draws.random() < 0.2:
            return []
        late = 0.12 if draws.random() < 0.2 else 0.0
        return [Delivery(sent.data, late)] * (2 if draws.random() < 0.1 else 1)

    return verdict


async def echoed(session: hoc.Session, data: bytes) -> None:
    async with asyncio.timeout(5):
        await session.send(data)
        assert await session.receive() == data


@virtual
@pytest.mark.parametrize("apart", [0.0, 0.03, 0.07, 0.15, 0.22])
@pytest.mark.parametrize("name", CASES)
async def test_both_sides_may_be_client_and_server_towards_each_other(
    name: str, apart: float
) -> None:
    scenario, options = CASES[name]
    async with two_peers(scenario, **options) as (_, one, other):

        async def later() -> hoc.Session:
            await asyncio.sleep(apart)
            return await other.connect()

        began = asyncio.get_running_loop().time()
        sessions = await asyncio.gather(one.connect(), later())
        assert asyncio.get_running_loop().time() - began < apart + 0.6
        await asyncio.gather(*(echoed(each, b"one") for each in sessions))
        for each in sessions:
            await echoed(each, b"after the other")
        assert len(one.server.sessions) == len(other.server.sessions) == 1


@virtual
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", CASES)
async def test_crossing_handshakes_complete_through_loss(name: str, seed: int) -> None:
    scenario, options = CASES[name]
    async with two_peers(scenario, verdict=lossy(seed), **options) as (network, one, other):
        sessions = await asyncio.gather(one.connect(), other.connect())
        network.verdict = lambda sent: [sent.data]
        await asyncio.sleep(200)
        for each in sessions:
            await echoed(each, b"data")


@virtual
@pytest.mark.parametrize("name", CASES)
async def test_two_clients_without_a_server_give_up_in_time_and_do_not_flood_each_other(
    name: str,
) -> None:
    scenario, options = CASES[name]
    async with two_peers(scenario, timeout=20.0, **options) as (network, one, other):
        await one.server.close()
        await other.server.close()
        began = asyncio.get_running_loop().time()
        results = await asyncio.gather(one.connect(), other.connect(), return_exceptions=True)
        assert asyncio.get_running_loop().time() - began <= 20.5
        assert all(isinstance(each, hoc.Error) for each in results), results
        assert len(network.sent) < 60


async def begin_again(here: Place, after: float) -> hoc.Session:
    """A client dies ``after`` seconds of its handshake, and another one begins on its port."""
    config = here.scenario.client(rng=seeded("the first"))
    first = asyncio.ensure_future(here.client().handshake(config))
    await asyncio.sleep(after)
    here.network._endpoints[FIRST].close()
    endpoint = here.network.endpoint(FIRST.host, FIRST.port)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    here.clients.clear()
    client = Client(endpoint, SERVER, here.options, seeded("the second client"))
    here.clients.append(client)
    return await client.handshake(here.scenario.client(rng=seeded("the second")))


@virtual
@pytest.mark.parametrize("name", CASES)
async def test_a_client_that_begins_again_on_its_port_at_any_time_gets_its_session(
    name: str,
) -> None:
    """What was on its way to the first handshake arrives in the second one."""
    scenario, options = CASES[name]
    for hundredths in range(1, 45, 3):
        async with place(scenario, **options) as here:
            began = asyncio.get_running_loop().time() + hundredths / 100
            session = await begin_again(here, hundredths / 100)
            assert asyncio.get_running_loop().time() - began < 3.0, hundredths
            await echoed(session, b"by the second")
            await asyncio.sleep(300)
            await echoed(session, b"and later")
            assert here.server.half_open == 0
            assert len(here.server.sessions) == 1


@virtual
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", CASES)
async def test_a_client_that_begins_again_gets_its_session_through_loss(
    name: str, seed: int
) -> None:
    scenario, options = CASES[name]
    async with place(scenario, verdict=lossy(seed), **options) as here:
        session = await begin_again(here, 0.06 * (1 + seed))
        here.network.verdict = lambda sent: [sent.data]
        await echoed(session, b"data")
