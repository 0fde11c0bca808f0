"""Connection IDs on real sockets, and on a network that loses, doubles and swaps."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import Any

import handshake_over_coap as hoc
from tests.support.exchange import virtual
from tests.support.network import Delivery, Sent
from tests.support.relay import Relay
from tests.support.session_world import world
from tests.support.sockets import LOOPBACK, PSK, QUICK, echo, until


@virtual
async def test_handshakes_with_connection_ids_complete_however_the_network_is(
    over: dict[str, Any],
) -> None:
    draws = random.Random(str(over))
    rough = True

    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        copies = draws.choice([0, 1, 1, 1, 2]) if rough else 1
        return [Delivery(sent.data, rough * draws.choice([0.0, 0.0, 0.3])) for _ in range(copies)]

    patient: dict[str, Any] = {
        "timeout": 600.0,
        "max_retransmit": None,
        "mtu": 200,
        "ack_timeout": 1.0,
    }
    async with world(verdict=verdict, server={"cid": "c1d0"}, cid="aa", **over, **patient) as here:
        for number in range(20):
            rough = True
            party = await here.connect(40000 + number)
            rough = False
            await asyncio.sleep(100)
            assert await party.echoed(b"at home")
            here.network.rebind(party.endpoint, "198.51.100.9", 50000 + number)
            assert await party.echoed(b"away")


def test_on_real_sockets_a_session_outlives_a_nat_that_forgets(over: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with (
            hoc.serve(LOOPBACK, PSK, handler=echo, cid="c1d0", **over) as server,
            Relay(server.address) as relay,
            hoc.connect(relay.address, PSK, cid="", **QUICK, **over) as session,
        ):
            for text in (b"one", b"two", b"three"):
                await session.send(text)
                assert await asyncio.wait_for(session.receive(), 5) == text
                relay.rebind()
            await session.send(b"four")
            assert await asyncio.wait_for(session.receive(), 5) == b"four"
            (at_server,) = server.sessions
            assert at_server.counters["address changes"] == 3

    asyncio.run(scenario())


def test_on_real_sockets_a_session_without_one_does_not(over: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with (
            hoc.serve(LOOPBACK, PSK, handler=echo, **over) as server,
            Relay(server.address) as relay,
            hoc.connect(relay.address, PSK, **QUICK, **over) as session,
        ):
            await session.send(b"one")
            assert await asyncio.wait_for(session.receive(), 5) == b"one"
            relay.rebind()
            await session.send(b"two")
            await until(lambda: server.counters["dropped: record without a session"] == 1)

    asyncio.run(scenario())
