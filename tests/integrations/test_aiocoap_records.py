"""Records after a handshake through aiocoap: on ports of their own, or by connection ID."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.integrations.aiocoap import CompletedHandshake, handshake
from tests.support.aiocoap_world import HOST, PATH, Handshakes, client_context, site_of, uri
from tests.support.sockets import LOOPBACK, PSK, QUICK, echo, until

versions = pytest.mark.parametrize("dtls", ["1.2", "1.3"])


async def _completed(dtls: str, **options: Any) -> tuple[CompletedHandshake, CompletedHandshake]:
    """A handshake between two programs that use aiocoap: the client's and the server's."""
    each = Handshakes(credentials=PSK, **options)
    async with site_of({PATH: each.resource}) as address, client_context() as context:
        ours = await handshake(context, uri(address), PSK, dtls=dtls, **QUICK, **options)
    return ours, await each.first()


async def _reply(session: hoc.Session) -> bytes:
    async with asyncio.timeout(5):
        return await session.receive()


@versions
def test_records_pass_between_ports_of_their_own(dtls: str) -> None:
    async def talk() -> None:
        client, server = await _completed(dtls)
        async with server.records((HOST, 0)) as there:
            assert server.local is not None
            async with client.records(peer=server.local) as here:
                await here.send(b"hello")
                assert await _reply(there) == b"hello"
                # Only now it is known where the client's records come from.
                await there.send(b"and back")
                assert await _reply(here) == b"and back"
            await until(lambda: there.closed)
            with pytest.raises(hoc.Closed):
                await there.receive()

    asyncio.run(talk())


@versions
def test_with_a_connection_id_they_reach_our_server_at_its_one_port(dtls: str) -> None:
    async def talk() -> None:
        async with (
            hoc.serve(LOOPBACK, PSK, handler=echo, cid="0a0b0c") as server,
            client_context() as context,
        ):
            done = await handshake(context, uri(server.address), PSK, dtls=dtls, cid="", **QUICK)
            async with done.records(peer=server.address) as session:
                await session.send(b"hello")
                assert await _reply(session) == b"hello"

    asyncio.run(talk())


def test_a_stranger_at_the_port_of_a_session_changes_nothing() -> None:
    async def talk() -> None:
        client, server = await _completed("1.3")
        other, _ = await _completed("1.3")
        async with server.records((HOST, 0)) as there:
            assert server.local is not None
            home = there.address
            async with other.records(peer=server.local) as stranger:
                await stranger.send(b"not for you")
                await until(lambda: bool(there.counters))
            assert there.address == home
            async with client.records(peer=server.local) as here:
                await here.send(b"hello")
                assert await _reply(there) == b"hello"

    asyncio.run(talk())


def test_they_are_had_once_and_need_an_address() -> None:
    async def ask() -> None:
        client, _ = await _completed("1.2")
        with pytest.raises(hoc.ConfigurationError, match="where to bind"):
            async with client.records():
                pass
        async with client.records((HOST, 0)):
            with pytest.raises(hoc.ConfigurationError, match="in use"):
                async with client.records((HOST, 0)):
                    pass

    asyncio.run(ask())


@versions
def test_what_a_completed_handshake_shows(dtls: str) -> None:
    client, server = asyncio.run(_completed(dtls))
    assert client.peer.psk_identity == server.peer.psk_identity == PSK.identity
    assert set(client.key_log) == set(server.key_log) != set()
    assert client.report.dtls == server.report.dtls == dtls
    assert client.report.body_bytes == server.report.body_bytes
    for secret in (PSK.key.hex(), client.key_log[0].split()[-1]):
        assert secret not in repr(client) + repr(server)
