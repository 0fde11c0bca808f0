"""Who has a place among the half-open handshakes when there are too few for all who want one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from handshake_over_coap.carriers import limits as bounds
from handshake_over_coap.carriers.coap.peers import HANDSHAKES_PER_PEER
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.limits import Bodies, Limits
from handshake_over_coap.coap.message import Message
from tests.support.by_hand import answer_to, hello, open_half, session_path
from tests.support.exchange import (
    BLOCK1,
    ECHO,
    REQUEST_TAG,
    RESOURCE,
    SERVER,
    Raw,
    agree,
    block,
    exchange,
    virtual,
)
from tests.support.network import Sent

LATE = 8.0


async def _flight_1(raw: Raw, name: str, echo: bytes) -> int:
    return (await raw.ask(*RESOURCE, (ECHO, echo), payload=hello(name)[1])).code


@virtual
async def test_a_flight_1_that_is_replayed_never_opens_a_second_handshake() -> None:
    """Nine different ones from one endpoint, and then the first again while its Echo is valid."""
    async with exchange() as here:
        raw = here.raw()
        echo = await raw.echo()
        flights = [f"number {number}" for number in range(HANDSHAKES_PER_PEER + 1)]
        assert {await _flight_1(raw, name, echo) for name in flights} == {0x41}
        assert await _flight_1(raw, flights[0], echo) == 0xA3
        assert await _flight_1(raw, flights[1], echo) == 0x41  # kept, and answered as before
        assert here.begun == len(flights)


@virtual
async def test_a_flight_1_is_no_more_than_a_replay_after_others_have_had_its_place() -> None:
    async with exchange(limits=Limits(half_open=2)) as here:
        raws = [here.raw(port=50_000 + number) for number in range(2)]
        echoes = [await raw.echo() for raw in raws]
        flights = [(raw, str(raw.address), echo) for raw, echo in zip(raws, echoes, strict=True)]
        for each in flights:
            assert await _flight_1(*each) == 0x41
        await here.client("192.0.2.9").handshake()  # in the place of the first
        assert here.server.peers.evictions == 1
        assert await _flight_1(*flights[0]) == 0xA3
        assert await _flight_1(*flights[1]) == 0x41
        assert here.begun == 3
        # What it has lost is its handshake; another one it may begin.
        assert await _flight_1(raws[0], "another", echoes[0]) == 0x41


@virtual
async def test_where_too_many_have_had_to_go_their_echo_values_go_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "MOST_EVICTED", 3)
    async with exchange() as here:
        raw = here.raw()
        echo = await raw.echo()
        flights = [f"number {number}" for number in range(HANDSHAKES_PER_PEER + 3)]
        assert {await _flight_1(raw, name, echo) for name in flights} == {0x41}
        assert await _flight_1(raw, flights[0], echo) == 0x81
        assert len(here.server.peers.evicted) == 0


@virtual
async def test_a_client_whose_handshake_gave_way_begins_again() -> None:
    def verdict(sent: Sent) -> Iterable[bytes]:
        last_flight = sent.source.host == "192.0.2.9" and b"dtls" not in sent.data
        return () if last_flight and sent.time < LATE + 1 else (sent.data,)

    async with exchange(limits=Limits(half_open=1), verdict=verdict) as here:
        client = here.client("192.0.2.9")
        handshake = asyncio.ensure_future(client.handshake())
        await asyncio.sleep(LATE)
        other = here.raw()
        name, flight3 = await open_half(other)
        assert here.server.peers.evictions == 1
        assert (await other.ask(*session_path(name), payload=flight3)).code == 0x44
        assert agree(await handshake, here.completed[-1].established)
        assert here.begun == 3


@virtual
async def test_a_session_outlives_the_place_of_a_handshake_beside_it() -> None:
    async with exchange(limits=Limits(half_open=2)) as here:
        first, second = here.raw(port=50_001), here.raw(port=50_002)
        conversation, flight1 = hello("complete")
        echo = await first.echo()
        response = await first.ask(*RESOURCE, (ECHO, echo), payload=flight1)
        path = session_path(response.values(8)[-1])
        flight3 = answer_to(conversation, response.payload)[1]
        answer = await first.ask(*path, payload=flight3)
        assert await _flight_1(first, "beside it", echo) == 0x41
        await open_half(second, "second")
        await here.client("192.0.2.9").handshake()
        assert here.server.peers.evictions == 1
        again = await first.ask(*path, payload=flight3)
        assert (again.code, again.payload) == (0x44, answer.payload)
        assert await _flight_1(first, "beside it", echo) == 0xA3


async def _begin_bodies(raw: Raw, size: int, parts: int) -> None:
    """Send so many blocks of 1024 bytes of bodies that are never finished."""
    echo = await raw.echo()
    for number in range(parts):
        tag = (REQUEST_TAG, bytes([number]))
        for index in range(size // 1024):
            proof = [(ECHO, echo)] if index == 0 else []
            first = (BLOCK1, block(index, True, 1024))
            answer = await raw.ask(*RESOURCE, first, tag, *proof, payload=bytes(1024), wait=0.11)
            assert answer.code == 0x5F


@virtual
async def test_bodies_under_way_are_bounded_in_all_and_the_greediest_gives_way() -> None:
    limits = Limits(bodies=32 * 1024)
    async with exchange(limits=limits, block_size=16, delay=0.05) as here:
        honest = asyncio.ensure_future(here.client("192.0.2.9").handshake())
        raws = [here.raw(port=50_000 + number) for number in range(4)]
        most = 0
        for raw in raws:
            await _begin_bodies(raw, 4096, 4)
            bodies = here.server.peers.bodies
            held = sum(side.held for peer in here.server.peers for side in peer.sides.values())
            assert bodies.total == held <= limits.bodies
            most = max(most, held)
        assert most > limits.bodies - 2 * 16 * 1024
        assert here.server.counters["endpoints whose bodies gave way"] >= 2
        assert agree(await honest, here.completed[0].established)
        await asyncio.sleep(61)
        assert here.server.peers.bodies.total == 0


def test_the_bodies_that_go_are_those_of_the_greediest_and_never_ones_own() -> None:
    bodies = Bodies(100)
    greedy, small, alone = (Address(f"2001:db8:{n}::1", 1) for n in (1, 2, 3))
    neighbour = Address("2001:db8:1:7::1", 1)
    assert bodies.hold(greedy, 40) is bodies.hold(neighbour, 30) is bodies.hold(small, 30) is None
    assert bodies.hold(alone, 10) == greedy
    assert bodies.hold(greedy, 0) is None
    assert bodies.hold(alone, 200) in (neighbour, small)
    for each in (neighbour, small):
        bodies.hold(each, 0)
    assert bodies.hold(alone, 200) is None
    assert bodies.hold(alone, 0) is None
    assert bodies.total == 0


@virtual
async def test_a_client_that_was_told_to_wait_comes_back_with_a_new_flight_1() -> None:
    """The one that it has sent may have had its place and lost it."""
    async with exchange(limits=Limits(half_open=1)) as here:
        holder = here.raw("192.0.2.9", 50_000)
        name, flight3 = await open_half(holder)
        handshake = asyncio.ensure_future(here.client("192.0.2.9").handshake())
        await asyncio.sleep(1)
        assert (await holder.ask(*session_path(name), payload=flight3)).code == 0x44
        assert agree(await handshake, here.completed[-1].established)
        (client,) = here.clients
        sent = here.network.between(client.address, SERVER)
        hellos = [m.payload for m in (Message.decode(each.data) for each in sent) if m.code == 2]
        challenged, refused, taken = hellos[:3]
        assert challenged == refused != taken
