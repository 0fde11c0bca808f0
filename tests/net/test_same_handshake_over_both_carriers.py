"""The handshake is the same one whatever carries it: with equal randomness, equal to the byte."""

from __future__ import annotations

import asyncio

import pytest

from handshake_over_coap.tls.codepoints import NamedGroup
from handshake_over_coap.tls.dtls13 import Connected13
from handshake_over_coap.tls.handshake import Connected
from tests.support.both_carriers import place
from tests.support.exchange import virtual
from tests.support.parties import ALL, Scenario
from tests.support.parties13 import ALL as ALL_13
from tests.support.parties13 import ECDHE_PSK, Scenario13

Sides = tuple[Connected | Connected13, Connected | Connected13]

SEEDED_13 = [each for each in ALL_13 if each.group is not NamedGroup.X25519MLKEM768]
"""Encapsulation draws its own randomness: that no two handshakes with it are the same is right."""


async def handshake(scenario: Scenario | Scenario13, transport: str, mtu: int) -> Sides:
    """What client and server agreed on over one carrier, after data went both ways."""
    async with place(scenario, transport=transport, address_check=False, mtu=mtu) as here:
        session = await here.connect()
        await session.send(b"hello")
        assert await session.receive() == b"hello"
        (at_server,) = here.server.sessions
        return session.connected, at_server.connected


@pytest.mark.parametrize("mtu", [1152, 200])
@pytest.mark.parametrize("scenario", ALL, ids=str)
@virtual
async def test_transcript_secrets_and_finished_are_identical(scenario: Scenario, mtu: int) -> None:
    over_coap = await handshake(scenario, "coap", mtu)
    over_udp = await handshake(scenario, "udp", mtu)
    for coap, udp in zip(over_coap, over_udp, strict=True):
        assert isinstance(coap, Connected)
        assert isinstance(udp, Connected)
        assert coap.transcript == udp.transcript
        assert coap.master_secret == udp.master_secret
        assert coap.verify_data == udp.verify_data
        assert (coap.client_random, coap.server_random) == (udp.client_random, udp.server_random)
    client, server = over_udp
    assert client.transcript == server.transcript
    assert isinstance(client, Connected)
    assert isinstance(server, Connected)
    assert client.master_secret == server.master_secret


@pytest.mark.parametrize("mtu", [1152, 200])
@pytest.mark.parametrize("scenario", SEEDED_13, ids=str)
@virtual
async def test_transcript_and_secrets_of_1_3_are_identical(scenario: Scenario13, mtu: int) -> None:
    over_coap = await handshake(scenario, "coap", mtu)
    over_udp = await handshake(scenario, "udp", mtu)
    for coap, udp in zip(over_coap, over_udp, strict=True):
        assert isinstance(coap, Connected13)
        assert isinstance(udp, Connected13)
        assert coap.transcript == udp.transcript
        assert coap.secrets == udp.secrets
        assert coap.verify_data == udp.verify_data
        assert coap.export("EXPERIMENTAL test", 32) == udp.export("EXPERIMENTAL test", 32)
    client, server = over_udp
    assert client.transcript == server.transcript
    assert isinstance(client, Connected13)
    assert isinstance(server, Connected13)
    assert client.secrets == server.secrets


@virtual
async def test_other_randomness_gives_other_secrets_of_1_3() -> None:
    """Equality above is not for want of randomness."""
    async with place(ECDHE_PSK, transport="udp", address_check=False) as here:
        first = await here.connect()
        second = await here.client(port=40001).handshake(ECDHE_PSK.client(seed="other"))
        assert first.export("EXPERIMENTAL test", 32) != second.export("EXPERIMENTAL test", 32)
        await asyncio.sleep(0.1)


@virtual
async def test_other_randomness_gives_another_transcript() -> None:
    """Equality above is not for want of randomness."""
    async with place(ALL[0], transport="udp", address_check=False) as here:
        first = await here.connect()
        client = here.client(port=40001)
        second = await client.handshake(ALL[0].client(seed="other"))
        assert first.connected.transcript != second.connected.transcript
        await asyncio.sleep(0.1)


@virtual
async def test_a_cookie_exchange_changes_the_transcript_as_the_rfc_says() -> None:
    """The second ClientHello has the cookie and message_seq 1 (RFC 6347 section 4.2.1)."""
    async with place(ALL[0], transport="udp") as here:
        session = await here.connect()
        with_cookie = session.connected.transcript
    without, _ = await handshake(ALL[0], "udp", 1152)
    assert with_cookie != without.transcript
    # The DTLS header of the first message: type, length, message_seq.
    assert with_cookie[0] == without.transcript[0] == 1
    assert with_cookie[4:6] == b"\0\1"
    assert without.transcript[4:6] == b"\0\0"
