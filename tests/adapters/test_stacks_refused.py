"""Handshakes with a stack that do not come about: who says so, and that others still do."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from OpenSSL import SSL

import handshake_over_coap as hoc
from handshake_over_coap import adapters
from handshake_over_coap.adapters import openssl
from handshake_over_coap.adapters.conversation import begin_server, open_client
from handshake_over_coap.net.client import Client
from handshake_over_coap.net.endpoint import open_udp
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.server import Server
from handshake_over_coap.tls.alerts import BadRecordMac, HandshakeFailure, UnknownCa
from tests.support import classic
from tests.support.openssl_stacks import ECDSA_CCM_8, PSK_CCM_8, PSK_GCM, QUICK, Kind
from tests.support.parties import IDENTITY, KEY, seeded
from tests.support.sockets import LOOPBACK, bystander, echo

OTHER_KEY = Kind(
    PSK_CCM_8.cipher, PSK_CCM_8.suite, "psk", keys=classic.PreSharedKey(IDENTITY, KEY[::-1])
)


async def _echoes(address: tuple[str, int]) -> None:
    async with adapters.connect(address, PSK_CCM_8.client(), **QUICK) as session:
        await session.send(b"still here")
        assert await asyncio.wait_for(session.receive(), 5) == b"still here"


@pytest.mark.parametrize("ours", ["server", "client", "neither"])
def test_the_wrong_key_is_refused_and_others_are_served(ours: str) -> None:
    async def scenario() -> None:
        serving: Any = adapters.serve(LOOPBACK, PSK_CCM_8.server(), handler=echo)
        if ours == "server":
            serving = hoc.serve(LOOPBACK, handler=echo, **PSK_CCM_8.our_server())
        async with serving as server:
            connecting: Any = adapters.connect(server.address, OTHER_KEY.client(), **QUICK)
            if ours == "client":
                wrong = PSK_CCM_8.our_client() | {"credential": hoc.PSK(IDENTITY, KEY[::-1])}
                connecting = hoc.connect(server.address, **wrong, **QUICK)
            with pytest.raises(BadRecordMac) as caught:
                async with connecting:
                    pass
            assert caught.value.received
            assert not server.sessions
            await _echoes(server.address)

    asyncio.run(scenario())


def test_a_server_that_shares_no_suite_says_so_through_coap() -> None:
    async def scenario() -> None:
        async with adapters.serve(LOOPBACK, PSK_CCM_8.server(), handler=echo) as server:
            with pytest.raises(HandshakeFailure) as caught:
                async with adapters.connect(server.address, PSK_GCM.client(), **QUICK):
                    pass
            assert caught.value.received
            assert server.counters["rejected flight 1: handshake_failure"] == 1
            await _echoes(server.address)

    asyncio.run(scenario())


def test_a_client_that_trusts_nobody_tells_the_server_why() -> None:
    async def scenario() -> None:
        made = classic.context(ECDSA_CCM_8.cipher)
        made.set_verify(SSL.VERIFY_PEER, lambda *arguments: bool(arguments[-1]))
        async with adapters.serve(LOOPBACK, ECDSA_CCM_8.server(), handler=echo) as server:
            with pytest.raises(UnknownCa) as caught:
                async with adapters.connect(server.address, openssl.client(made), **QUICK):
                    pass
            assert not caught.value.received
            assert server.counters["unsealed alerts"] == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "option",
    [
        {"suite": PSK_CCM_8.suite},
        {"auth": "psk"},
        {"server_name": "server.example"},
        {"keylog": "keys"},
        {"transport": "udp"},
    ],
    ids=lambda option: next(iter(option)),
)
def test_what_is_the_business_of_the_stack_is_no_option(option: dict[str, Any]) -> None:
    async def scenario() -> None:
        with pytest.raises(hoc.ConfigurationError, match="DTLS stack"):
            async with adapters.serve(LOOPBACK, PSK_CCM_8.server(), handler=echo, **option):
                pass
        with pytest.raises(hoc.ConfigurationError, match="DTLS stack"):
            async with adapters.connect(("127.0.0.1", 9), PSK_CCM_8.client(), **option):
                pass

    asyncio.run(scenario())


def test_the_classic_carrier_takes_no_stack() -> None:
    async def scenario() -> None:
        options = Options(transport="udp")
        endpoint, other = await open_udp(LOOPBACK), await bystander()
        client = Client(endpoint, other.endpoint.local_address, options, seeded("client"))
        with pytest.raises(hoc.ConfigurationError, match="transport coap"):
            await client.handshake(partial(open_client, PSK_CCM_8.client()))
        await client.close()
        with pytest.raises(hoc.ConfigurationError, match="transport coap"):
            Server(
                other.endpoint,
                options,
                lambda: begin_server(PSK_CCM_8.server()),
                echo,
                seeded("server"),
            )
        other.endpoint.close()

    asyncio.run(scenario())


def test_a_session_of_a_stack_has_no_secrets_to_tell() -> None:
    async def scenario() -> None:
        async with (
            adapters.serve(LOOPBACK, PSK_CCM_8.server(), handler=echo) as server,
            adapters.connect(server.address, PSK_CCM_8.client(), **QUICK) as session,
        ):
            with pytest.raises(hoc.ConfigurationError, match="ask the DTLS stack"):
                _ = session.connected

    asyncio.run(scenario())
