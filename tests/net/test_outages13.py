"""What a session of DTLS 1.3 gives up while its peer is out of reach, and takes up again."""

from __future__ import annotations

import asyncio
from typing import Any

from handshake_over_coap.net.layers import Layer13
from tests.support.exchange import virtual
from tests.support.session_world import world

AGES = 300.0
"""Seconds after which everything has been given up."""


@virtual
async def test_a_key_update_that_was_given_up_goes_on_when_the_peer_is_heard_again(
    over13: dict[str, Any],
) -> None:
    async with world(**over13) as here:
        party = await here.connect()
        assert await party.echoed(b"before")
        here.network.verdict = lambda _: ()
        await party.session.update_keys()
        await asyncio.sleep(AGES)
        assert party.session.counters["post-handshake messages given up"] == 1
        here.network.verdict = lambda sent: (sent.data,)
        assert await party.echoed(b"after")
        await asyncio.sleep(1)
        layer = party.session._layer
        assert isinstance(layer, Layer13)
        assert layer._writer.epoch == 4
        assert await party.echoed(b"under new keys")


@virtual
async def test_an_address_is_proven_when_a_peer_wakes_that_slept_through_the_probe(
    over13: dict[str, Any],
) -> None:
    async with world(server={"cid": "c1d0"}, cid="", **over13) as here:
        party = await here.connect()
        at_server = here.at_server(party)
        here.network.rebind(party.endpoint, "198.51.100.9", 50000)
        here.network.verdict = lambda sent: (sent.data,) * (sent.destination != party.address)
        await party.session.send(b"a reading, and to sleep")
        await asyncio.sleep(AGES)
        assert at_server.counters["post-handshake messages given up"] == 1
        here.network.verdict = lambda sent: (sent.data,)
        await party.session.send(b"another reading")
        await asyncio.sleep(1)
        held_back = at_server.counters["held back: address not proven"]
        for _ in range(10):
            await at_server.send(bytes(500))
        assert at_server.counters["held back: address not proven"] == held_back
