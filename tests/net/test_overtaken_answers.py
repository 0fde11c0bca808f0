"""Over CoAP a record may come before the server's last answer, and complete the handshake."""

from __future__ import annotations

import asyncio
from typing import Any

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.net.client import Client
from handshake_over_coap.net.layers import Layer13
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.server import Server
from handshake_over_coap.net.session import Session
from handshake_over_coap.sim.loop import run
from handshake_over_coap.tls.credentials import PSK
from tests.support.both_carriers import SERVER
from tests.support.exchange import virtual
from tests.support.network import Network, Sent, dropping
from tests.support.parties import seeded
from tests.support.session_world import World, world

KEY = PSK("me", bytes(16))
CHANGED = b"\x44"
LAST_ANSWER = 5
"""The number of the server's answer to the last flight, counted from 0."""


async def _change_keys_at_once(session: Session) -> None:
    await session.update_keys()
    await asyncio.sleep(2)
    await session.send(b"under new keys")
    await asyncio.Event().wait()


async def _greet_then_change_keys(session: Session) -> None:
    await session.send(b"hello")
    await session.receive()
    await session.update_keys()
    await asyncio.sleep(1)
    await session.send(b"under new keys")
    await asyncio.Event().wait()


async def _overtaken() -> tuple[float, Session, list[bytes], Network]:
    network = Network(verdict=dropping(LAST_ANSWER))
    options = Options(dtls="1.3", auth="psk", tickets=True)
    server = Server(
        network.endpoint("server"),
        options,
        options.server_config([KEY], None, None, seeded("server")),
        _greet_then_change_keys,
        seeded("server's carrier"),
    )
    client = Client(network.endpoint("client"), Address("server", 5684), options, seeded("coap"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    session = await client.handshake(options.client_config(KEY, None, "server", seeded("client")))
    took = loop.time() - began
    heard = [await session.receive()]
    await asyncio.sleep(5)  # the answer is asked for again
    await session.send(b"go on")
    heard.append(await session.receive())
    await client.close()
    await server.close()
    return took, session, heard, network


def test_a_record_completes_the_handshake_when_the_answer_is_lost() -> None:
    took, _, heard, network = run(_overtaken())
    assert network.sent[LAST_ANSWER].data[1:2] == CHANGED
    assert heard[0] == b"hello"
    # Three round trips of 0.1 s, and no time-out.
    assert round(took, 6) == 0.3


def test_the_ticket_in_the_lost_answer_is_fetched_and_later_messages_keep_their_numbers() -> None:
    _, session, heard, _ = run(_overtaken())
    assert len(session.tickets) == 1
    assert heard[1] == b"under new keys"
    assert read_epoch(session) == 4


def read_epoch(session: Session) -> int:
    """The epoch of the keys that the peer writes with."""
    assert isinstance(session._layer, Layer13)
    return session._layer.post.connected.read_epoch


def lose_last_answer(here: World, times: int) -> None:
    """Have the first ``times`` copies of the server's 2.04 lost."""
    left = times

    def verdict(sent: Sent) -> tuple[bytes, ...]:
        nonlocal left
        if sent.source == SERVER and sent.data[1:2] == CHANGED:
            left -= 1
            return () if left >= 0 else (sent.data,)
        return (sent.data,)

    here.network.verdict = verdict


@virtual
async def test_a_key_update_may_be_the_first_record_that_a_client_sees() -> None:
    for lost in (0, 1):
        async with world(transport="coap", dtls="1.3", handler=_change_keys_at_once) as here:
            lose_last_answer(here, lost)
            party = await here.connect()
            async with asyncio.timeout(20):
                assert await party.session.receive() == b"under new keys"
            assert party.session.counters["dropped: handshake record"] == 0
            assert not here.at_server(party).closed


async def _greet_and_change_keys_soon(session: Session) -> None:
    await session.send(b"hello")
    await asyncio.sleep(0.5)
    await session.update_keys()
    while True:
        await session.send(await session.receive())


@virtual
async def test_a_key_update_that_comes_before_the_answer_does_not_cost_the_ticket_in_it() -> None:
    options: Any = {"transport": "coap", "dtls": "1.3", "tickets": True}
    async with world(**options, handler=_greet_and_change_keys_soon) as here:
        lose_last_answer(here, 2)
        party = await here.connect()
        assert await party.session.receive() == b"hello"
        assert await party.echoed(b"before the answer")
        await asyncio.sleep(30)
        assert len(party.session.tickets) == 1
        assert read_epoch(party.session) == 4
        assert await party.echoed(b"after it")


@virtual
async def test_a_session_goes_on_without_an_answer_that_is_never_had() -> None:
    options: Any = {"transport": "coap", "dtls": "1.3", "tickets": True}
    async with world(**options, handler=_greet_and_change_keys_soon) as here:
        lose_last_answer(here, 10**6)
        party = await here.connect()
        assert await party.session.receive() == b"hello"
        await asyncio.sleep(300)
        assert party.session.tickets == []
        assert await party.echoed(b"still here")
        await asyncio.sleep(30)
        assert read_epoch(party.session) == 4
        assert await party.echoed(b"under new keys")


@virtual
async def test_an_answer_that_comes_together_with_a_record_is_not_asked_for_again() -> None:
    for handler in (_greet_and_change_keys_soon, _change_keys_at_once):
        options: Any = {"transport": "coap", "dtls": "1.3", "tickets": True}
        async with world(**options, handler=handler) as here:
            party = await here.connect()
            await party.session.receive()
            await asyncio.sleep(5)
            assert len(party.session.tickets) == 1
            assert read_epoch(party.session) == 4
            assert here.server.counters["repeated flights"] == 0
