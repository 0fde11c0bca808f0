"""Connection IDs: which session a record belongs to when its sender has moved, and when not.

RFC 9146 section 6 and RFC 9147 section 9.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.records.errors import NumbersExhausted
from handshake_over_coap.records.writer13 import Writer13
from handshake_over_coap.tls.dtls13.connected import Connected13
from tests.support.both_carriers import SERVER
from tests.support.exchange import virtual
from tests.support.network import Delivery, Sent
from tests.support.sealing import sealing
from tests.support.session_world import Party, World, world

ELSEWHERE = Address("198.51.100.9", 50000)


def records_of(here: World, party: Party) -> list[bytes]:
    """The records that ``party`` has sent, in order: application data and what comes with it."""
    sent = here.network.between(party.address, SERVER)
    return [each.data for each in sent if each.data[0] in (23, 25) or each.data[0] >> 5 == 1]


@pytest.mark.parametrize(("cid", "survives"), [("c1d0", True), (None, False)])
@virtual
async def test_a_session_survives_a_change_of_address_if_and_only_if_it_has_a_connection_id(
    cid: str | None, survives: bool, over: dict[str, Any]
) -> None:
    async with world(server={"cid": cid}, cid="", **over) as here:
        party = await here.connect()
        assert await party.echoed(b"at home")
        at_server = here.at_server(party)
        away = here.network.rebind(party.endpoint, "198.51.100.9", 50000)
        assert await party.echoed(b"away") is survives
        assert await party.echoed(b"and again") is survives
        assert (at_server.address == away) is survives
        assert at_server.counters["address changes"] == survives
        lost = here.server.counters["dropped: record without a session"]
        assert (lost == 0) is survives


@virtual
async def test_what_the_server_sends_by_itself_goes_where_the_client_is_now(
    over: dict[str, Any],
) -> None:
    async with world(server={"cid": "c1d0"}, cid="aa", **over) as here:
        party = await here.connect()
        at_server = here.at_server(party)
        for port in (50000, 50001, 50000):
            here.network.rebind(party.endpoint, "198.51.100.9", port)
            assert await party.echoed(b"here I am")
            await at_server.send(b"news")
            assert await party.session.receive() == b"news"
        assert at_server.counters["address changes"] == 3
        # The client has told the server an ID of its own, and nothing without it is taken.
        assert party.session.own_cid == b"\xaa"
        assert here.server.sessions == (at_server,)


@virtual
async def test_a_stranger_who_is_said_to_be_the_client_gets_three_times_what_came_from_it(
    over: dict[str, Any],
) -> None:
    """A datagram of the client's that never arrived is sent again, as if from elsewhere."""
    held: list[bytes] = []
    holding = False

    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        if holding and sent.source != SERVER:
            held.append(sent.data)
            return ()
        return (sent.data,)

    async with world(verdict=verdict, server={"cid": "c1d0"}, cid="", **over) as here:
        party = await here.connect()
        assert await party.echoed(b"at home")
        at_server = here.at_server(party)
        holding = True
        await party.session.send(b"to be copied")
        here.network.inject(held[0], ELSEWHERE, SERVER)
        await asyncio.sleep(1)
        assert at_server.address == ELSEWHERE
        for _ in range(100):
            await at_server.send(bytes(50))
            await asyncio.sleep(1)
        there = here.network.between(SERVER, ELSEWHERE)
        assert 0 < sum(len(each.data) for each in there) <= 3 * len(held[0])
        holding = False
        if over["dtls"] == "1.2":
            assert at_server.counters["held back: address not proven"] >= 98
        else:  # where there is a test, the stranger gets nothing but that
            arrived = [await party.session.receive() for _ in range(101)]
            assert arrived == [b"to be copied"] + 100 * [bytes(50)]
        assert await party.echoed(b"at home all the time")
        for _ in range(100):
            await at_server.send(bytes(50))
            assert await party.session.receive() == bytes(50)


@virtual
async def test_in_1_3_an_acknowledgement_proves_the_new_address(over13: dict[str, Any]) -> None:
    async with world(server={"cid": "c1d0"}, cid="", **over13) as here:
        party = await here.connect()
        at_server = here.at_server(party)
        for port in (50000, 50001):
            here.network.rebind(party.endpoint, "198.51.100.9", port)
            assert await party.echoed(b"here")
            await asyncio.sleep(1)
            for _ in range(100):
                await at_server.send(bytes(50))
                assert await party.session.receive() == bytes(50)


@virtual
async def test_a_move_while_keys_change_is_proven_by_the_next_change(
    over13: dict[str, Any],
) -> None:
    """The acknowledgement of a KeyUpdate that was sent to the old address proves nothing."""
    async with world(server={"cid": "c1d0"}, cid="", **over13) as here:
        party = await here.connect()
        at_server = here.at_server(party)
        await at_server.update_keys()
        here.network.rebind(party.endpoint, "198.51.100.9", 50000)
        assert await party.echoed(b"here")
        await asyncio.sleep(10)
        for _ in range(100):
            await at_server.send(bytes(50))
            assert await party.session.receive() == bytes(50)


@virtual
async def test_a_move_when_the_key_is_used_up_ends_the_session_and_raises_nothing(
    over13: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(server={"cid": "c1d0"}, cid="", **over13) as here:
        party = await here.connect()
        at_server = here.at_server(party)
        used_up: Any = at_server._layer
        seal = Writer13.seal

        def limited(writer: Writer13, *given: Any, **more: Any) -> Any:
            if writer is used_up._writer:
                raise NumbersExhausted("the key has sealed all that it may")
            return seal(writer, *given, **more)

        monkeypatch.setattr(Writer13, "seal", limited)
        here.network.rebind(party.endpoint, "198.51.100.9", 50000)
        await party.session.send(b"from elsewhere")
        await asyncio.sleep(1)
        assert here.server.sessions == ()
        assert here.server._sessions._by_address == {}


@virtual
async def test_a_record_seen_before_moves_nothing_when_it_comes_from_elsewhere(
    over: dict[str, Any],
) -> None:
    async with world(server={"cid": "c1d0"}, cid="", **over) as here:
        party = await here.connect()
        assert await party.echoed(b"once")
        for old in records_of(here, party):
            here.network.inject(old, ELSEWHERE, SERVER)
        await asyncio.sleep(1)
        at_server = here.at_server(party)
        assert at_server.address == party.address
        assert at_server.counters["address changes"] == 0
        assert here.server.counters["dropped: record without a session"] > 0
        assert here.network.between(SERVER, ELSEWHERE) == []
        assert await party.echoed(b"twice")


@virtual
async def test_a_late_record_is_taken_from_elsewhere_and_moves_nothing(
    over: dict[str, Any],
) -> None:
    """It is genuine but older than others: its sender may have been there before."""
    held: list[bytes] = []
    holding = False

    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        if holding and sent.destination == SERVER:
            held.append(sent.data)
            return ()
        return (sent.data,)

    async with world(verdict=verdict, server={"cid": "c1d0"}, cid="", **over) as here:
        party = await here.connect()
        holding = True
        await party.session.send(b"late")
        holding = False
        assert await party.echoed(b"in time")
        here.network.inject(held[0], ELSEWHERE, SERVER)
        async with asyncio.timeout(1):
            assert await party.session.receive() == b"late"
        assert here.at_server(party).address == party.address


@virtual
async def test_a_record_with_the_right_connection_id_that_is_forged_moves_nothing(
    over: dict[str, Any],
) -> None:
    async with world(server={"cid": "c1d0"}, cid="", **over) as here:
        party = await here.connect()
        await party.session.send(b"genuine")
        genuine = records_of(here, party)[-1]
        await party.session.receive()
        at_server = here.at_server(party)
        for index in range(len(genuine)):
            forged = bytearray(genuine)
            forged[index] ^= 1
            here.network.inject(bytes(forged), ELSEWHERE, SERVER)
        await asyncio.sleep(1)
        assert at_server.address == party.address
        assert here.network.between(SERVER, ELSEWHERE) == []
        assert await party.echoed(b"go on")


@virtual
async def test_forgeries_from_elsewhere_end_a_session_no_later_than_those_from_its_address(
    over: dict[str, Any],
) -> None:
    async with world(server={"cid": "c1d0"}, cid="", **over) as here:
        party = await here.connect()
        await party.session.send(b"genuine")
        genuine = records_of(here, party)[-1]
        at_server = here.at_server(party)
        limit_forgeries(at_server, 5)
        for last in range(4):
            here.network.inject(genuine[:-1] + bytes([genuine[-1] ^ last + 1]), ELSEWHERE, SERVER)
        await asyncio.sleep(0.01)
        after_4 = at_server.closed
        here.network.inject(genuine[:-1] + bytes([genuine[-1] ^ 5]), ELSEWHERE, SERVER)
        await asyncio.sleep(0.01)
        assert (after_4, at_server.closed) == (False, True)
        assert here.server.sessions == ()


def limit_forgeries(session: hoc.Session, count: int) -> None:
    """Have the key that ``session`` reads with bear no more than ``count`` forgeries."""
    opener: Any = session._layer._opener  # type: ignore[attr-defined]
    (getattr(opener, "_newest", None) or opener).forgery_limit = count


@virtual
async def test_two_sessions_with_the_same_short_connection_id_do_not_disturb_each_other(
    over: dict[str, Any],
) -> None:
    def always_7(config: Any) -> Any:
        return replace(config, connection_id=lambda: b"\7")

    async with world(change=always_7, server={"cid": "07"}, cid="", **over) as here:
        first, second = await here.connect(40000), await here.connect(40001)
        for _ in range(10):
            assert await first.echoed(b"of the first")
            assert await second.echoed(b"of the second")
        openers: list[Any] = [s._layer._opener for s in here.server.sessions]  # type: ignore[attr-defined]
        # A record that is tried with the other's key counts as a forgery there.
        assert [opener.forgeries for opener in openers] == [0, 0]
        here.network.rebind(second.endpoint, "198.51.100.9", 50000)
        assert await second.echoed(b"moved")
        assert await first.echoed(b"stayed")
        here.network.rebind(first.endpoint, "198.51.100.9", 50001)
        assert await first.echoed(b"moved too")
        assert await second.echoed(b"stays")
        assert len(here.server.sessions) == 2


@virtual
async def test_of_too_many_sessions_with_one_connection_id_the_oldest_stays_where_it_is(
    over: dict[str, Any],
) -> None:
    def always_7(config: Any) -> Any:
        return replace(config, connection_id=lambda: b"\7")

    roomy = hoc.Limits(per_address=20, sessions=20)
    async with world(change=always_7, server={"cid": "07"}, cid="", limits=roomy, **over) as here:
        parties = [await here.connect(40000 + number) for number in range(9)]
        for number, party in enumerate(parties):
            assert await party.echoed(b"at home")
            here.network.rebind(party.endpoint, "198.51.100.9", 50000 + number)
            assert await party.echoed(b"away", 1.0) is (number > 0)


@virtual
async def test_records_with_unknown_connection_ids_are_dropped_and_counted(
    over: dict[str, Any],
) -> None:
    async with world(server={"cid": "c1d0"}, cid="", **over) as here:
        party = await here.connect()
        await party.session.send(b"genuine")
        genuine = records_of(here, party)[-1]
        await party.session.receive()
        unknown = genuine.replace(b"\xc1\xd0", b"\xc1\xd1", 1)
        assert unknown != genuine
        here.network.inject(unknown, ELSEWHERE, SERVER)
        here.network.inject(unknown, party.address, SERVER)
        await asyncio.sleep(0.01)
        assert here.server.counters["dropped: record without a session"] == 1
        assert here.at_server(party).counters["dropped: connection-id"] == 1
        assert await party.echoed(b"go on")


@virtual
async def test_the_first_client_gets_the_connection_id_given_and_others_random_ones(
    over: dict[str, Any],
) -> None:
    async with world(server={"cid": "c1d0c1d0"}, cid="", **over) as here:
        parties = [await here.connect(40000 + number) for number in range(4)]
        given = [here.at_server(party).own_cid for party in parties]
        assert given[0] == bytes.fromhex("c1d0c1d0")
        assert {len(cid) for cid in given} == {4}
        assert len(set(given)) == 4


@virtual
async def test_a_client_that_wants_no_connection_ids_gets_none(over: dict[str, Any]) -> None:
    async with world(server={"cid": "c1d0"}, **over) as here:
        party = await here.connect()
        assert here.at_server(party).own_cid == party.session.own_cid == b""
        assert await party.echoed(b"without")


@virtual
async def test_a_goodbye_from_elsewhere_leaves_nothing_behind(over: dict[str, Any]) -> None:
    short = hoc.Limits(lifetime=1.0)
    async with world(server={"cid": "c1d0"}, cid="", limits=short, timeout=1.0, **over) as here:
        party = await here.connect()
        here.network.rebind(party.endpoint, "198.51.100.9", 50000)
        await party.client.close()
        await asyncio.sleep(5)
        assert here.server.sessions == ()
        assert here.server.peers == 0
        assert here.server._sessions._by_address == {}
        assert here.server._sessions._by_cid == {}
        # Who comes next to either address finds no trace of it.
        for host, port in (("192.0.2.7", 40000), ("198.51.100.9", 50000)):
            successor = await here.connect(port + 1)
            here.network.rebind(successor.endpoint, host, port)
            assert await successor.echoed(b"next")


@virtual
async def test_nobody_is_driven_out_of_an_address_by_a_record_that_claims_to_come_from_there(
    over: dict[str, Any],
) -> None:
    """A client can put any source into its datagrams; that ends no session of others."""
    held: list[bytes] = []
    thief_port = 40001

    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        if holding and sent.source.port == thief_port:
            held.append(sent.data)
            return ()
        return (sent.data,)

    holding = False
    async with world(verdict=verdict, server={"cid": "c1d0"}, **over) as here:
        victim, thief = await here.connect(40000), await here.connect(thief_port, cid="")
        assert await victim.echoed(b"mine")
        assert await thief.echoed(b"yours")
        holding = True
        await thief.session.send(b"as if from the victim")
        holding = False
        here.network.inject(held[0], victim.address, SERVER)
        await asyncio.sleep(1)
        assert here.at_server(thief).address == victim.address
        assert await victim.echoed(b"still mine")
        if over["dtls"] == "1.3":  # the answer went where the thief really is
            assert await thief.session.receive() == b"as if from the victim"
        assert await thief.echoed(b"back home")
        assert here.at_server(thief).address == thief.address
        assert await victim.echoed(b"mine for good")
        assert len(here.server.sessions) == 2


@virtual
async def test_a_reboot_replaces_a_session_with_a_connection_id_too(over: dict[str, Any]) -> None:
    async with world(server={"cid": "c1d0"}, cid="", **over) as here:
        first = await here.connect()
        assert await first.echoed(b"before")
        old = here.at_server(first)
        here.network.detach(first.endpoint)
        second = await here.connect()
        before = old.closed
        assert await second.echoed(b"after")
        assert (before, old.closed) == (False, True)
        assert len(here.server.sessions) == 1


@virtual
async def test_sessions_that_move_away_do_not_make_room_for_any_number_of_others(
    over: dict[str, Any],
) -> None:
    async with world(server={"cid": "c1d0"}, cid="", timeout=5, **over) as here:
        for port in range(50000, 50008):
            party = await here.connect()
            here.network.rebind(party.endpoint, "198.51.100.9", port)
            assert await party.echoed(b"away")
        with pytest.raises(hoc.Error):
            await here.connect()
        assert here.server.counters["refused: too many handshakes"] > 0
        assert len(here.server.sessions) == 8
        await here.parties[0].session.close()
        await asyncio.sleep(300)  # CoAP forgets the messages of the client that was refused
        assert len([s for s in here.server.sessions if not s.closed]) == 7
        await here.connect()


@virtual
async def test_a_connection_id_that_fills_the_mtu_leaves_no_room_for_data() -> None:
    async with world(
        server={"cid": "c1" * 32}, cid="", mtu=50, transport="udp", dtls="1.2"
    ) as here:
        session = (await here.connect()).session
        assert session.limit == 0
        with pytest.raises(hoc.DatagramTooLarge):
            await session.send(b"x")


@virtual
async def test_resumed_moved_and_with_several_records_in_a_datagram_all_at_once(
    over13: dict[str, Any],
) -> None:
    """Records with a connection ID have a length unless last (RFC 9147 section 4)."""
    got: list[bytes] = []

    async def handler(session: hoc.Session) -> None:
        while True:
            got.append(await session.receive())

    world_of = world(server={"cid": "c1d0"}, cid="aa", tickets=True, handler=handler, **over13)
    async with world_of as here:
        first = await here.connect()
        await asyncio.sleep(1)
        (ticket,) = first.session.tickets
        party = await here.connect(40001, ticket=ticket)
        assert isinstance(party.session.connected, Connected13)
        assert party.session.connected.resumed
        at_server = here.at_server(party)
        away = here.network.rebind(party.endpoint, "198.51.100.9", 50000)
        seal = sealing(party.session)
        packed = seal(b"one") + seal(b"two") + seal(b"three")
        here.network.inject(packed, away, SERVER)
        await asyncio.sleep(0.1)
        assert got == [b"one", b"two", b"three"]
        assert at_server.address == away
        assert at_server.counters["address changes"] == 1
        await at_server.send(b"news")
        assert await party.session.receive() == b"news"
        # The session before is where it was, under the same connection ID or another.
        await first.session.send(b"four")
        await asyncio.sleep(0.1)
        assert got[3:] == [b"four"]
        assert here.at_server(first).address == first.address
