"""What a server keeps is bounded in number and in time, and many clients are served at once."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from handshake_over_coap.carriers.coap import CoapParameters
from handshake_over_coap.carriers.coap.peers import HANDSHAKES_PER_PEER, PeerTable
from handshake_over_coap.carriers.coap.server_exchange import ServerExchange
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.limits import Limits, TooManyHandshakes
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT
from handshake_over_coap.errors import CarrierError
from handshake_over_coap.tls.codepoints import AlertDescription
from tests.support.by_hand import answer_to, hello, open_half, session_path
from tests.support.exchange import (
    BLOCK1,
    BLOCK2,
    CONTENT_FORMAT,
    ECHO,
    REQUEST_TAG,
    RESOURCE,
    agree,
    block,
    exchange,
    uint,
    virtual,
)

FATAL = bytes([2, AlertDescription.handshake_failure])


@virtual
async def test_what_is_kept_of_one_endpoint_is_bounded_whatever_it_completes() -> None:
    async with exchange() as here:
        raw = here.raw()
        codes = []
        for number in range(HANDSHAKES_PER_PEER + 3):
            conversation, flight1 = hello(f"number {number}")
            response = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
            codes.append(response.code)
            if response.code == 0x41:
                flight3 = answer_to(conversation, response.payload)[1]
                name = response.values(8)[-1]
                assert (await raw.ask(*session_path(name), payload=flight3)).code == 0x44
        assert codes == [0x41] * HANDSHAKES_PER_PEER + [0xA3] * 3
        # Ended sessions make room.
        for done in here.completed[:2]:
            here.server.release(done.address, done.name)
        await open_half(raw, "room again")


@virtual
async def test_a_handshake_that_was_worn_out_counts_until_it_is_forgotten() -> None:
    """No credential is needed for any of this, so nothing of it may be kept beyond the bounds."""
    limits = Limits(half_open=2, per_address=2, lifetime=60)
    async with exchange(limits=limits) as here:
        codes = []
        raws = [here.raw(port=50000 + number) for number in range(4)]
        for raw in raws:
            flight1 = hello(str(raw.address))[1]
            response = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
            codes.append(response.code)
            if response.code == 0x41:
                path = session_path(response.values(8)[-1])
                for _ in range(limits.failures + 1):
                    await raw.ask(*path, (CONTENT_FORMAT, uint(ALERT)), payload=FATAL)
            await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
        assert codes == [0x41, 0x41, 0xA3, 0xA3]
        assert here.server.known_peers == 2
        # Nor is it kept by repeating the flight.
        for _ in range(3):
            await asyncio.sleep(15)
            for raw in raws[:2]:
                flight1 = hello(str(raw.address))[1]
                await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
        await asyncio.sleep(15)
        assert here.server.known_peers == here.server.unfinished == 0


@virtual
async def test_a_session_does_not_count_as_half_open_when_its_flight_1_is_repeated() -> None:
    async with exchange(limits=Limits(half_open=1)) as here:
        raw = here.raw()
        conversation, flight1 = hello()
        response = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
        flight3 = answer_to(conversation, response.payload)[1]
        await raw.ask(*session_path(response.values(8)[-1]), payload=flight3)
        again = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
        assert again.payload == response.payload
        assert here.server.unfinished == 0
        # So it is answered even where no other handshake may begin.
        await open_half(here.raw(port=50_001))
        again = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
        assert again.payload == response.payload
        another = hello("another")[1]
        refused = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=another)
        assert refused.code == 0xA3


@virtual
async def test_first_blocks_for_a_session_do_not_drive_out_what_goes_on_at_the_resource() -> None:
    """They need no Echo, so anybody can send them in the client's name."""
    async with exchange(block_size=16) as here:
        raw = here.raw()
        _, flight1 = hello()
        tag = (REQUEST_TAG, b"of the client")
        echo = (ECHO, await raw.echo())
        for number in range(0, len(flight1), 64):
            each = (BLOCK1, block(number // 64, number + 64 < len(flight1), 64))
            part = flight1[number : number + 64]
            answer = await raw.ask(*RESOURCE, each, tag, *[echo][number:], payload=part)
        assert answer.code == 0x41
        path = session_path(answer.values(8)[-1])
        for number in range(20):
            spoofed = (BLOCK1, block(0, True, 16)), (REQUEST_TAG, bytes([number]))
            assert (await raw.ask(*path, *spoofed, payload=bytes(16))).code == 0x5F
        (peer,) = here.server.peers
        assert len(peer.sides["blockwise"].assemblies) == here.parameters.limits.bodies_per_peer
        more = await raw.ask(*RESOURCE, (BLOCK2, block(1, False, 16)), tag)
        assert more.code == 0x41
        assert more.payload


@virtual
async def test_hundreds_of_half_open_handshakes_of_one_endpoint_leave_a_few() -> None:
    async with exchange() as here:
        raw = here.raw()
        echo = await raw.echo()
        for number in range(300):
            _, flight1 = hello(f"number {number}")
            response = await raw.ask(*RESOURCE, (ECHO, echo), payload=flight1, wait=0.11)
            assert response.code == 0x41
        (peer,) = here.server.peers
        assert len(peer.handshakes) <= HANDSHAKES_PER_PEER
        assert len(peer.exchange._recent) <= 16
        assert here.server.peers.unfinished == 1
        await asyncio.sleep(61)
        assert here.residue() == {}


@virtual
async def test_sixteen_clients_behind_one_address_complete() -> None:
    async with exchange() as here:
        clients = [here.client(port=40_000 + n) for n in range(16)]
        results = await asyncio.gather(*(c.handshake() for c in clients))
        by_address = {c.address: c.established for c in here.completed}
        assert len(by_address) == 16
        for client, established in zip(clients, results, strict=True):
            assert agree(established, by_address[client.address])


@virtual
async def test_two_hundred_clients_at_once_complete() -> None:
    async with exchange(block_size=64) as here:
        clients = [here.client(host=f"192.0.2.{n}") for n in range(10, 210)]
        results = await asyncio.gather(*(c.handshake() for c in clients))
        assert len({r.connected.master_secret for r in results}) == 200
        assert {r.connected.master_secret for r in results} == {
            c.established.connected.master_secret for c in here.completed
        }
        assert len(here.completed) == 200
        await asyncio.sleep(61)
        assert here.residue() == {"peers": 200}


@pytest.mark.parametrize("limits", [Limits(half_open=3), Limits(per_address=3)])
@virtual
async def test_too_many_half_open_handshakes_are_told_to_wait_and_then_served(
    limits: Limits,
) -> None:
    async with exchange(limits=limits) as here:
        for port in range(3):
            await open_half(here.raw("192.0.2.3", 50_000 + port), f"holder {port}")
        assert here.server.peers.unfinished == 3
        late = here.raw("192.0.2.3", 50_010)
        refused = await late.ask(*RESOURCE, (ECHO, await late.echo()), payload=hello()[1])
        assert refused.code == 0xA3
        assert 1 <= (refused.uint(14) or 0) < 60
        patient = here.client("192.0.2.3", parameters=CoapParameters(timeout=90))
        established = await patient.handshake()  # once the three have expired
        assert agree(established, here.completed[0].established)
        assert asyncio.get_running_loop().time() > 55
        assert here.server.counters["half-open handshakes expired"] == 3


@virtual
async def test_a_client_that_cannot_wait_that_long_is_told_so() -> None:
    async with exchange(limits=Limits(half_open=1)) as here:
        await open_half(here.raw())
        with pytest.raises(CarrierError, match="busy") as caught:
            await here.client("192.0.2.3", parameters=CoapParameters(timeout=5)).handshake()
        assert caught.value.code == "5.03"


@virtual
async def test_other_addresses_are_served_while_one_is_full() -> None:
    async with exchange(limits=Limits(per_address=2)) as here:
        for port in range(2):
            await open_half(here.raw("2001:db8::1", 50_000 + port), f"holder {port}")
        same = here.raw("2001:db8::2", 50_000)  # the same /64
        echo = await same.echo()
        assert (await same.ask(*RESOURCE, (ECHO, echo), payload=hello()[1])).code == 0xA3
        established = await here.client("2001:db8:0:1::1").handshake()
        assert agree(established, here.completed[0].established)


@virtual
async def test_the_number_of_sessions_is_bounded() -> None:
    async with exchange(limits=Limits(sessions=2, half_open=1)) as here:
        for number in range(3):
            await here.client(f"192.0.2.{20 + number}").handshake()
        with pytest.raises(CarrierError) as caught:
            await here.client("192.0.2.30").handshake()
        assert caught.value.code == "5.03"
        for done in here.completed:
            here.server.release(done.address, done.name)
        await asyncio.sleep(61)
        await here.client("192.0.2.31").handshake()


@virtual
async def test_a_peer_that_vanishes_is_forgotten_after_sixty_seconds() -> None:
    async with exchange() as here:
        raw = here.raw()
        name, flight3 = await open_half(raw)
        opened = asyncio.get_running_loop().time()
        await asyncio.sleep(59)
        assert here.residue()["peers"] == 1
        await asyncio.sleep(opened + 60.1 - asyncio.get_running_loop().time())
        assert here.residue() == {}
        assert here.server.counters["half-open handshakes expired"] == 1
        assert (await raw.ask(*session_path(name), payload=flight3)).code == 0x84


@virtual
async def test_a_trickle_of_repetitions_does_not_keep_a_handshake_alive() -> None:
    async with exchange() as here:
        raw = here.raw()
        _, flight1 = hello()
        await open_half(raw)
        for _ in range(10):
            await asyncio.sleep(5)
            echo = await raw.echo()  # always fresh
            assert (await raw.ask(*RESOURCE, (ECHO, echo), payload=flight1)).code == 0x41
            assert (await raw.ask(*session_path(b"zz"), payload=b"x")).code == 0x84
        assert here.begun == 1
        await asyncio.sleep(61 - asyncio.get_running_loop().time())
        assert here.residue() == {}


@virtual
async def test_blocks_for_a_live_session_are_forgotten_in_time_too() -> None:
    async with exchange() as here:
        raw = here.raw()
        name, flight3 = await open_half(raw)
        assert (await raw.ask(*session_path(name), payload=flight3)).code == 0x44
        await asyncio.sleep(100)
        for tag in range(6):
            first = ((27, b"\x0e"), (292, bytes([tag])))  # block 0 of 1024 bytes, more to come
            assert (await raw.ask(*session_path(name), *first, payload=bytes(1024))).code == 0x5F
        (peer,) = here.server.peers
        assert len(peer.sides["blockwise"].assemblies) == 4
        await asyncio.sleep(61)
        assert len(peer.sides["blockwise"].assemblies) == 0
        assert len(peer.exchange._recent) == 0
        assert here.residue() == {"peers": 1}


@virtual
async def test_nothing_stays_behind_of_a_rejected_first_flight() -> None:
    async with exchange() as here:
        raw = here.raw()
        for payload in (b"", b"\1", b"\1\0\0", bytes(300), hello()[1] + b"\0", hello()[1][:-1]):
            response = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=payload)
            assert (response.code, response.uint(CONTENT_FORMAT)) == (0x80, ALERT)
            assert len(response.payload) == 2
        assert here.completed == []
        await open_half(raw)
        await asyncio.sleep(61)
        assert here.residue() == {}


def test_sessions_of_one_address_are_bounded_too() -> None:
    limits = Limits(sessions_per_address=2, per_address=1)
    table = PeerTable(limits, 60.0, exchange=lambda: cast(ServerExchange, None))
    peers = []
    for port in range(1, 4):
        peers.append(table.admit(Address("192.0.2.9", port), 0.0))
        table.finish(peers[-1])
    with pytest.raises(TooManyHandshakes):
        table.admit(Address("192.0.2.9", 4), 0.0)
    assert table.unfinished == 0
    assert table.admit(Address("192.0.2.10", 4), 0.0).unfinished
