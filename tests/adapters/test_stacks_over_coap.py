"""OpenSSL behind CoAP, unmodified and with its keys to itself, through a network that misbehaves.

Against our handshake, in both directions, and against itself: what CoAP carries is DTLS.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap import adapters
from tests.support.openssl_stacks import FOREIGN, OURS, PSK_CCM_8, QUICK, Kind, echoed
from tests.support.parties import IDENTITY
from tests.support.relay import Direction, Hook, Impairments, Relay
from tests.support.sockets import LOOPBACK, echo

SIDES = ("openssl to ours", "ours to openssl", "openssl to openssl")
EVERY = [
    *((kind, sides) for kind in OURS for sides in SIDES),
    *((kind, "openssl to openssl") for kind in FOREIGN),
]
LOSSY = Impairments(drop=0.2, duplicate=0.2, reorder=0.2)
LABEL = "EXPERIMENTAL adapters"


def _serve(kind: Kind, sides: str, **options: Any) -> Any:
    if sides.endswith("openssl"):
        return adapters.serve(LOOPBACK, kind.server(), handler=echo, **options)
    return hoc.serve(LOOPBACK, handler=echo, **kind.our_server(), **options)


def _connect(kind: Kind, sides: str, address: tuple[str, int], **options: Any) -> Any:
    chosen = QUICK | options
    if sides.startswith("openssl"):
        return adapters.connect(address, kind.client(), **chosen)
    return hoc.connect(address, **kind.our_client(), **chosen)


@asynccontextmanager
async def _talk(
    kind: Kind, sides: str, seed: int = 0, hook: Hook | None = None, **options: Any
) -> AsyncIterator[tuple[hoc.Session, hoc.Server, Relay]]:
    impairments = LOSSY if hook is None else None
    async with (
        _serve(kind, sides, **options) as server,
        Relay(server.address, impairments=impairments, seed=seed, hook=hook) as relay,
        _connect(kind, sides, relay.address, **options) as session,
    ):
        yield session, server, relay


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3))])
@pytest.mark.parametrize(("kind", "sides"), EVERY, ids=str)
def test_a_handshake_survives_the_lossy_relay_and_data_follows_as_records(
    kind: Kind, sides: str, seed: int
) -> None:
    async def scenario() -> None:
        async with _talk(kind, sides, seed, block_size=64) as (session, server, relay):
            handshake = len(relay.deliveries)
            assert sum(relay.counts[way].dropped for way in Direction) > 0
            assert {each.data[0] >> 6 for each in relay.deliveries} == {1}, "CoAP and nothing else"
            await echoed(session, 5)
            (other,) = server.sessions
            assert session.export(LABEL, 32) == other.export(LABEL, 32)
            assert session.report.auth == other.report.auth
            records = [each.data for each in relay.deliveries[handshake:] if each.data[0] == 23]
            assert len(records) >= 10

    asyncio.run(scenario())


@pytest.mark.parametrize("sides", SIDES)
def test_each_datagram_of_the_handshake_may_be_lost(sides: str) -> None:
    async def scenario(way: Direction, index: int) -> bool:
        """Whether there was such a datagram to lose."""
        lost: list[bytes] = []

        def lose(direction: Direction, number: int, data: bytes) -> list[bytes] | None:
            if (direction, number) != (way, index) or data[0] >> 6 != 1:
                return None
            lost.append(data)
            return []

        async with _talk(PSK_CCM_8, sides, hook=lose, ack_timeout=0.02, block_size=64) as (
            session,
            _,
            _,
        ):
            await echoed(session, 1)
        return bool(lost)

    for way in Direction:
        count = 0
        while asyncio.run(scenario(way, count)):
            count += 1
        assert count >= 3


@pytest.mark.parametrize("kind", OURS, ids=str)
@pytest.mark.parametrize("sides", SIDES)
def test_a_session_says_who_the_peer_is_and_how_it_proved_that(kind: Kind, sides: str) -> None:
    async def scenario() -> None:
        async with _talk(kind, sides, hook=lambda *_: None) as (session, server, _):
            (other,) = server.sessions
            for end in (session, other):
                assert end.report.auth == kind.auth
                assert end.report.completed == 1
                assert len(end.report.body_bytes) == 4
            if kind.auth == "psk":
                assert session.peer.psk_identity == other.peer.psk_identity == IDENTITY
            else:
                assert len(session.peer.certificates) >= 1
                assert bool(other.peer.certificates) == kind.mutual

    asyncio.run(scenario())


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("closing", ["client", "server"])
def test_close_notify_ends_the_other_side(sides: str, closing: str) -> None:
    async def scenario() -> None:
        async with _talk(PSK_CCM_8, sides, hook=lambda *_: None) as (session, server, _):
            (other,) = server.sessions
            first, second = (session, other) if closing == "client" else (other, session)
            await first.close()
            with pytest.raises(hoc.Closed, match="the peer closed"):
                await asyncio.wait_for(second.receive(), 5)

    asyncio.run(scenario())


@pytest.mark.parametrize("sides", SIDES)
def test_records_forged_or_replayed_are_dropped_and_counted(sides: str) -> None:
    def twice_and_forged(_: Direction, __: int, data: bytes) -> list[bytes] | None:
        if data[0] != 23:
            return None
        return [data[:-1] + bytes([data[-1] ^ 1]), data, data]

    async def scenario() -> None:
        async with _talk(PSK_CCM_8, sides, hook=twice_and_forged) as (session, server, _):
            (other,) = server.sessions
            await session.send(b"once")
            assert await asyncio.wait_for(session.receive(), 5) == b"once"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(session.receive(), 0.1)
            # Either side drops the forged record and the repetition of the genuine one.
            assert sum(other.counters.values()) == sum(session.counters.values()) == 2

    asyncio.run(scenario())


def test_the_limit_of_a_datagram_is_that_of_the_stack() -> None:
    async def scenario(kind: Kind) -> None:
        async with _talk(kind, "openssl to openssl", hook=lambda *_: None, mtu=300) as talk:
            session, _, relay = talk
            with pytest.raises(hoc.DatagramTooLarge) as caught:
                await session.send(bytes(300))
            await session.send(bytes(caught.value.limit))
            assert await asyncio.wait_for(session.receive(), 5) == bytes(caught.value.limit)
            assert max(map(len, relay.payloads(Direction.TO_SERVER))) <= 300

    for kind in (PSK_CCM_8, *FOREIGN):
        asyncio.run(scenario(kind))


def test_a_client_that_begins_again_on_its_port_is_served_again() -> None:
    async def scenario() -> None:
        kind = PSK_CCM_8
        async with _serve(kind, "openssl to openssl") as server:
            local = ("127.0.0.1", 0)
            for _ in range(3):
                async with _connect(kind, "openssl", server.address, local=local) as session:
                    await session.send(b"x")
                    assert await asyncio.wait_for(session.receive(), 5) == b"x"
                    (peer,) = [each.address for each in server.sessions if not each.closed]
                    local = (peer.host, peer.port)
            assert server.counters["handshakes completed"] == 3

    asyncio.run(scenario())
