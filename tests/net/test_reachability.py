"""What goes to an address that a peer seems to have moved to, before it is proven."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.net.outgoing import AMPLIFICATION, HELD, OutgoingDatagrams
from tests.support.both_carriers import SERVER
from tests.support.exchange import virtual
from tests.support.network import Sent
from tests.support.session_world import world

VICTIM = Address("203.0.113.66", 9)


class Wire:
    """Counts the bytes that are sent to each address."""

    def __init__(self) -> None:
        self.sent: Counter[Address] = Counter()
        self.newest: list[bytes] = []

    def send(self, data: bytes, address: Address) -> None:
        self.sent[address] += len(data)
        self.newest = [*self.newest, data][-HELD:]


def proven(session: hoc.Session) -> bool:
    """Whether the peer is known to be where it is sent to."""
    return session._out.proven


def test_at_most_three_times_as_much_goes_there_as_came_from_there() -> None:
    wire, counters = Wire(), Counter[str]()
    home = Address("home", 1)
    out = OutgoingDatagrams(wire, home, counters, tested=False)  # type: ignore[arg-type]
    out.send(bytes(1000))
    out.move(VICTIM)
    out.send_data(b"x")
    assert wire.sent == {home: 1000}
    out.heard(10)
    for _ in range(10):
        out.send(bytes(7))
    assert wire.sent[VICTIM] == 28
    assert counters["held back: address not proven"] == 1 + 6
    out.prove()
    out.send(bytes(1000))
    assert wire.sent[VICTIM] == 1028


def test_data_goes_to_the_proven_address_and_the_newest_of_it_follows_the_proof() -> None:
    wire, home = Wire(), Address("home", 1)
    out = OutgoingDatagrams(wire, home, Counter(), tested=True)  # type: ignore[arg-type]
    out.move(VICTIM)
    out.heard(100)
    data = [b"%02d" % number for number in range(HELD + 4)]
    for each in data:
        out.send_data(each)
    assert wire.sent == {home: 2 * len(data)}
    out.prove()
    assert wire.sent == {home: 2 * len(data), VICTIM: 2 * HELD}
    assert wire.newest == data[-HELD:]
    out.send_data(b"on")
    assert wire.sent[VICTIM] == 2 * HELD + 2


def test_data_that_went_home_does_not_go_there_again_with_a_peer_that_never_left() -> None:
    wire, home = Wire(), Address("home", 1)
    out = OutgoingDatagrams(wire, home, Counter(), tested=True)  # type: ignore[arg-type]
    out.move(VICTIM)
    out.send_data(b"once")
    out.move(home)
    out.prove()
    assert wire.sent == {home: 4}


@pytest.mark.parametrize("transport", ["coap", "udp"])
@virtual
async def test_dtls_1_3_sends_data_to_no_address_that_is_not_proven(transport: str) -> None:
    async with world(server={"cid": "c1d0"}, cid="", transport=transport, dtls="1.3") as here:
        party = await here.connect()
        at_server = here.at_server(party)

        def overtake(sent: Sent) -> tuple[bytes, ...]:
            if sent.source == party.address:
                here.network.inject(sent.data, VICTIM, sent.destination)
            return (sent.data,)

        here.network.verdict = overtake
        await party.session.send(b"one record")
        await asyncio.sleep(0.01)
        here.network.verdict = lambda sent: (sent.data,)
        assert at_server.address == VICTIM
        await at_server.send(bytes(500))
        # The peer is where it always was, and misses nothing.
        assert [await party.session.receive() for _ in range(2)] == [b"one record", bytes(500)]
        there = here.network.between(None, VICTIM)
        assert all(len(each.data) < 50 for each in there)


@pytest.mark.parametrize("transport", ["coap", "udp"])
@virtual
async def test_dtls_1_3_proves_the_new_address_by_the_ack_of_a_key_update(transport: str) -> None:
    async with world(server={"cid": "c1d0"}, cid="", transport=transport, dtls="1.3") as here:
        party = await here.connect()
        assert await party.echoed(b"at home")
        at_server = here.at_server(party)
        here.network.rebind(party.endpoint, "198.51.100.9", 50000)
        assert await party.echoed(b"away")
        await asyncio.sleep(1)
        for _ in range(20):
            await at_server.send(bytes(500))
        for _ in range(20):
            assert await party.session.receive() == bytes(500)
        assert at_server.counters["held back: address not proven"] == 0


@virtual
async def test_an_ack_of_what_was_sent_before_the_move_proves_nothing(
    over13: dict[str, Any],
) -> None:
    async with world(server={"cid": "c1d0"}, cid="", **over13) as here:
        party = await here.connect()
        at_server = here.at_server(party)
        acks: list[bytes] = []

        def keep_acks(sent: Sent) -> tuple[bytes, ...]:
            if sent.source == party.address:
                acks.append(sent.data)
                return ()
            return (sent.data,)

        here.network.verdict = keep_acks
        await at_server.update_keys()
        await asyncio.sleep(0.1)
        away = here.network.rebind(party.endpoint, "198.51.100.9", 50000)
        here.network.verdict = lambda sent: (sent.data,) * (sent.destination != away)
        await party.session.send(b"away")
        await asyncio.sleep(0.1)
        (ack,) = acks
        here.network.inject(ack, away, SERVER)
        await asyncio.sleep(0.1)
        assert at_server.address == away
        assert not proven(at_server)
        here.network.verdict = lambda sent: (sent.data,)
        await asyncio.sleep(10)
        assert proven(at_server)
        assert await party.echoed(b"still away")


@virtual
async def test_dtls_1_2_sends_no_more_than_it_hears(over: dict[str, Any]) -> None:
    if over["dtls"] != "1.2":
        return
    async with world(server={"cid": "c1d0"}, cid="", **over) as here:
        party = await here.connect()
        at_server = here.at_server(party)
        away = here.network.rebind(party.endpoint, "198.51.100.9", 50000)
        assert await party.echoed(b"away")
        for _ in range(20):
            await at_server.send(bytes(50))
        await asyncio.sleep(1)
        came = sum(len(each.data) for each in here.network.between(away, None))
        went = sum(len(each.data) for each in here.network.between(None, away))
        assert went <= AMPLIFICATION * came
        assert at_server.counters["held back: address not proven"] > 0
        assert await party.echoed(b"still there")


@virtual
async def test_a_copy_that_arrives_first_cannot_have_a_stranger_flooded(
    over: dict[str, Any],
) -> None:
    async with world(server={"cid": "c1d0"}, cid="", **over) as here:
        party = await here.connect()
        at_server = here.at_server(party)
        copied: list[bytes] = []

        def overtake(sent: Sent) -> tuple[bytes, ...]:
            if sent.source == party.address:
                copied.append(sent.data)
                here.network.inject(sent.data, VICTIM, sent.destination)
            return (sent.data,)

        here.network.verdict = overtake
        await party.session.send(b"one small record")
        await asyncio.sleep(0.01)
        assert at_server.address == VICTIM
        for _ in range(50):
            await at_server.send(bytes(500))
        await asyncio.sleep(30)
        there = sum(len(each.data) for each in here.network.between(None, VICTIM))
        assert there <= AMPLIFICATION * sum(map(len, copied))
        here.network.verdict = lambda sent: (sent.data,)
        if over["dtls"] == "1.3":  # nothing was lost on the peer, which is where it was
            arrived = [await party.session.receive() for _ in range(51)]
            assert arrived == [b"one small record"] + 50 * [bytes(500)]
        assert await party.echoed(b"back again")
        assert at_server.address == party.address
        for _ in range(5):
            await at_server.send(bytes(500))
        for _ in range(5):
            assert await party.session.receive() == bytes(500)
