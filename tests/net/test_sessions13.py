"""Sessions of DTLS 1.3: new keys, tickets, limits, and how they end; over either carrier."""

from __future__ import annotations

import asyncio
import random
import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.net.layers import Layer13, application_contents
from handshake_over_coap.records import limits13
from handshake_over_coap.records.errors import NumbersExhausted
from handshake_over_coap.records.opener13 import Opened
from handshake_over_coap.records.writer13 import Writer13
from handshake_over_coap.tls.alerts import (
    AccessDenied,
    Alert,
    DecodeError,
    UnexpectedMessage,
)
from handshake_over_coap.tls.codepoints import AlertDescription, AlertLevel
from handshake_over_coap.tls.dtls13 import Connected13
from tests.support.both_carriers import SERVER
from tests.support.exchange import virtual
from tests.support.network import Delivery, Sent
from tests.support.session_world import Party, World, world


def layer(session: hoc.Session) -> Layer13:
    found = session._layer
    assert isinstance(found, Layer13)
    return found


def epochs(session: hoc.Session) -> tuple[int, int]:
    """The epochs that a session reads with and writes with."""
    connected = layer(session).post.connected
    return connected.read_epoch, connected.write_epoch


async def check_data(here: World, party: Party, count: int = 3) -> None:
    for number in range(count):
        assert await party.echoed(b"datagram %d" % number)


@pytest.mark.parametrize("by_client", [True, False])
@pytest.mark.parametrize("request_too", [True, False])
@virtual
async def test_either_side_changes_its_keys_and_has_the_other_do_so_if_it_likes(
    by_client: bool, request_too: bool, over13: dict[str, Any]
) -> None:
    async with world(**over13) as here:
        party = await here.connect()
        client, server = party.session, here.at_server(party)
        await check_data(here, party)
        for update in range(1, 4):
            await (client if by_client else server).update_keys(request=request_too)
            await check_data(here, party)
            await asyncio.sleep(1)
            of_one, of_other = 3 + update, 3 + update * request_too
            expected = (of_other, of_one) if by_client else (of_one, of_other)
            assert epochs(client) == expected
            assert epochs(server) == expected[::-1]
        await check_data(here, party)
        assert client.counters == server.counters == Counter()


@virtual
async def test_both_sides_change_keys_at_once(over13: dict[str, Any]) -> None:
    async with world(**over13) as here:
        party = await here.connect()
        for update in range(1, 6):
            await party.session.update_keys()
            await here.at_server(party).update_keys()
            await check_data(here, party)
            assert epochs(party.session) == (3 + update, 3 + update)


@pytest.mark.parametrize("seed", range(5))
@virtual
async def test_keys_change_while_a_third_is_lost_doubled_and_swapped(
    seed: int, over13: dict[str, Any]
) -> None:
    draws = random.Random(seed)
    rough = False

    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        if not rough:
            return (sent.data,)
        copies = draws.choice([0, 1, 1, 1, 2])
        return [Delivery(sent.data, draws.choice([0.0, 0.0, 0.3])) for _ in range(copies)]

    got: list[bytes] = []

    async def collect(session: hoc.Session) -> None:
        while True:
            got.append(await session.receive())

    async with world(verdict=verdict, handler=collect, **over13) as here:
        party = await here.connect()
        rough = True
        for number in range(100):
            if number % 20 == 10:
                await party.session.update_keys(request=True)
            await party.session.send(number.to_bytes(1, "big"))
            await asyncio.sleep(0.2)
        rough = False
        await asyncio.sleep(200)
        assert min(epochs(party.session)) > 5
        assert epochs(party.session) == epochs(here.at_server(party))[::-1]
        assert len(got) == len(set(got)) > 60
        await party.session.send(b"last")
        await asyncio.sleep(1)
        assert got[-1] == b"last"


@virtual
async def test_a_storm_of_key_updates_is_heard_at_a_bounded_rate(over13: dict[str, Any]) -> None:
    async with world(**over13) as here:
        party = await here.connect()
        at_server = here.at_server(party)
        for _ in range(200):
            await party.session.update_keys(request=True)
            await asyncio.sleep(0.11)
        # 22 s: eight in a row, and one more for each ten seconds.
        assert 8 <= epochs(at_server)[0] - 3 <= 11
        assert at_server.counters["dropped: too many requests"] > 0
        assert len(layer(at_server)._opener.epochs) <= 4
        assert len(layer(at_server).post._sendings) <= 8
        await check_data(here, party)


@virtual
async def test_dtls_1_2_has_no_key_updates(over12: dict[str, Any]) -> None:
    async with world(**over12) as here:
        party = await here.connect()
        with pytest.raises(hoc.ConfigurationError, match=r"1\.2"):
            await party.session.update_keys()


@virtual
async def test_a_key_that_has_sealed_half_of_what_it_bears_is_changed(
    over13: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits13, "CCM_LIMITS", limits13.AeadLimits(40, 1000))
    async with world(**over13) as here:
        party = await here.connect()
        await check_data(here, party, 100)
        client, server = epochs(party.session), epochs(here.at_server(party))
        assert min(client) >= 3 + 4
        assert client == server[::-1]


@virtual
async def test_a_key_that_may_seal_nothing_more_ends_the_session(
    over13: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer acknowledges nothing any more, so the new keys never come into use."""
    monkeypatch.setattr(limits13, "CCM_LIMITS", limits13.AeadLimits(40, 1000))
    async with world(**over13) as here:
        party = await here.connect()
        here.network.verdict = lambda _: ()
        with pytest.raises(hoc.Closed, match="make a new handshake"):
            for _ in range(100):
                await party.session.send(b"x")
        assert party.session.closed
        with pytest.raises(hoc.Closed):
            await party.session.receive()
        await asyncio.sleep(1000)


@virtual
async def test_an_answer_that_cannot_be_sealed_ends_the_session_quietly(
    over13: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the peer sends draws an ACK, and the key for that is used up: nothing is raised."""
    async with world(**over13) as here:
        party = await here.connect()
        at_server = here.at_server(party)
        used_up, seal = layer(at_server)._writer, Writer13.seal

        def limited(writer: Writer13, *given: Any, **more: Any) -> Any:
            if writer is used_up:
                raise NumbersExhausted("the key has sealed all that it may")
            return seal(writer, *given, **more)

        monkeypatch.setattr(Writer13, "seal", limited)
        await party.session.update_keys()
        await asyncio.sleep(1)
        assert at_server.closed
        assert here.server.sessions == ()


@virtual
async def test_half_of_the_forgeries_change_the_keys_and_all_of_them_end_the_session(
    over13: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits13, "CCM_LIMITS", limits13.AeadLimits(1 << 20, 10))
    async with world(**over13) as here:
        party = await here.connect()
        at_server = here.at_server(party)

        async def forge(count: int) -> None:
            bits = 0x2C | epochs(at_server)[0] & 3
            for number in range(count):
                data = struct.pack("!BHH", bits, number, 30) + bytes([number] * 30)
                here.network.inject(data, party.address, SERVER)
            await asyncio.sleep(0.01)

        await forge(5)
        assert epochs(at_server) == (3, 3)
        await asyncio.sleep(1)
        # The server has asked for new keys to read with, under which nothing is forged yet.
        assert epochs(at_server)[0] == 4
        await check_data(here, party)
        closed_before = at_server.closed
        await forge(10)
        assert (closed_before, at_server.closed) == (False, True)
        with pytest.raises(hoc.Closed, match="too many forged records"):
            await at_server.receive()


@pytest.mark.parametrize("level", [AlertLevel.warning, AlertLevel.fatal])
@virtual
async def test_every_error_alert_ends_a_session_whatever_its_level(
    level: AlertLevel, over13: dict[str, Any]
) -> None:
    async with world(**over13) as here:
        party = await here.connect()
        here.at_server(party)._send_alert(Alert(level, AlertDescription.access_denied))
        with pytest.raises(hoc.Closed, match="access_denied") as caught:
            await party.session.receive()
        assert isinstance(caught.value.__cause__, AccessDenied)


@virtual
async def test_user_canceled_alone_ends_nothing(over13: dict[str, Any]) -> None:
    async with world(**over13) as here:
        party = await here.connect()
        alert = Alert(AlertLevel.warning, AlertDescription.user_canceled)
        here.at_server(party)._send_alert(alert)
        await check_data(here, party)
        assert party.session.counters == {"warning alerts": 1}


WRONG: dict[str, tuple[int, bytes, type[hoc.AlertError]]] = {
    # Of message_seq 0xffff nothing can be next; the other two name a type and a length only.
    "a message that has no place": (22, b"\x14\0\0\0@@\0\0\0\0\0\0", UnexpectedMessage),
    "a part of a message": (22, b"\x18\0\0", DecodeError),
    "an ACK that is none": (26, b"\0\x03abc", DecodeError),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("by_client", [True, False])
@virtual
async def test_a_message_that_is_wrong_ends_the_session_and_the_peer_is_told(
    case: str, by_client: bool, over13: dict[str, Any]
) -> None:
    content_type, body, expected = WRONG[case]
    async with world(**over13) as here:
        party = await here.connect()
        client, server = party.session, here.at_server(party)
        sender, receiver = (client, server) if by_client else (server, client)
        next_seq = layer(receiver).post._reassembly.next_seq
        data = layer(sender).seal(content_type, body.replace(b"@@", next_seq.to_bytes(2, "big")))
        here.network.send(
            data, *((party.address, SERVER) if by_client else (SERVER, party.address))
        )
        with pytest.raises(hoc.Closed) as told:
            await sender.receive()
        assert isinstance(told.value.__cause__, expected)
        assert told.value.__cause__.received
        assert receiver.closed
        with pytest.raises(hoc.Closed, match="the session was ended") as ended:
            await receiver.receive()
        assert isinstance(ended.value.__cause__, expected)


@virtual
async def test_a_ticket_resumes_a_session_once_and_again(over13: dict[str, Any]) -> None:
    async with world(tickets=True, **over13) as here:
        party = await here.connect()
        for port in (40001, 40002):
            await asyncio.sleep(1)
            (ticket,) = party.session.tickets
            party = await here.connect(port, ticket=ticket)
            connected = party.session.connected
            assert isinstance(connected, Connected13)
            assert connected.resumed
            at_server = here.at_server(party)
            assert party.session.export("EXPERIMENTAL test", 32) == at_server.export(
                "EXPERIMENTAL test", 32
            )
            assert at_server.peer == here.server.sessions[0].peer
            await check_data(here, party)


@pytest.mark.parametrize("gives", [True, False])
@virtual
async def test_tickets_come_from_a_server_that_gives_them(
    gives: bool, over13: dict[str, Any]
) -> None:
    async with world(server={"tickets": gives}, tickets=True, **over13) as here:
        party = await here.connect()
        await asyncio.sleep(1)
        assert len(party.session.tickets) == gives


@pytest.mark.parametrize(
    ("change", "options", "resumed"),
    [
        ({}, {}, True),
        ({"server_name": "other.example"}, {}, False),
        ({"lifetime": 1}, {}, True),
        ({"lifetime": 0}, {}, True),  # the clock there stands still
        ({"peer": hoc.PeerIdentity(psk_identity=b"somebody else")}, {}, False),
        ({"peer": hoc.PeerIdentity(raw_public_key=b"key")}, {}, True),
        ({"peer": hoc.PeerIdentity(raw_public_key=b"key")}, {"auth": "ecdhe-psk"}, False),
    ],
)
@virtual
async def test_a_ticket_of_another_server_is_not_used(
    change: dict[str, Any], options: dict[str, Any], resumed: bool, over13: dict[str, Any]
) -> None:
    async with world(tickets=True, **over13) as here:
        party = await here.connect()
        await asyncio.sleep(1)
        ticket = replace(party.session.tickets[0], **change)
        again = await here.connect(40001, ticket=ticket, **options)
        connected = again.session.connected
        assert isinstance(connected, Connected13)
        assert connected.resumed is resumed
        await check_data(here, again)


@virtual
async def test_a_ticket_that_the_server_cannot_read_leads_to_a_whole_handshake(
    over13: dict[str, Any],
) -> None:
    async with world(tickets=True, **over13) as here:
        party = await here.connect()
        await asyncio.sleep(1)
        (ticket,) = party.session.tickets
        spoilt = replace(ticket, ticket=ticket.ticket[:-1] + bytes([ticket.ticket[-1] ^ 1]))
        again = await here.connect(40001, ticket=spoilt)
        connected = again.session.connected
        assert isinstance(connected, Connected13)
        assert not connected.resumed
        await check_data(here, again)


@virtual
async def test_the_peers_record_limit_is_kept(over13: dict[str, Any]) -> None:
    def small(config: Any) -> Any:
        return replace(config, record_size_limit=100)

    async with world(**over13) as here:
        party = await here.connect(change=small)
        assert here.at_server(party).limit == 99  # the content type counts too
        with pytest.raises(hoc.DatagramTooLarge) as caught:
            await here.at_server(party).send(bytes(100))
        assert caught.value.limit == 99
        await here.at_server(party).send(bytes(99))
        assert await party.session.receive() == bytes(99)
        assert party.session.limit > 1000


@virtual
async def test_our_own_record_limit_is_enforced_also_after_new_keys(over13: dict[str, Any]) -> None:
    def small(config: Any) -> Any:
        return replace(config, record_size_limit=100)

    async with world(change=small, **over13) as here:
        without = await here.connect(40001)  # nothing is agreed on with a client that says nothing
        assert await without.echoed(bytes(1000))
        party = await here.connect(change=small)
        for updated in (False, True):
            if updated:
                await party.session.update_keys(request=True)
                await asyncio.sleep(1)
            for sender, receiver in (
                (party.session, here.at_server(party)),
                (here.at_server(party), party.session),
            ):
                assert sender.limit == 99
                before = receiver.counters["dropped: malformed"]
                writer = layer(sender)._writer
                assert writer.epoch == (4 if updated else 3)
                writer.limit_records(2**14)  # a peer that does not care
                await sender.send(bytes(100))
                writer.limit_records(100)
                await asyncio.sleep(1)
                assert receiver.counters["dropped: malformed"] == before + 1
            assert await party.echoed(bytes(99))


@virtual
async def test_the_timers_of_a_session_that_has_ended_are_off(over13: dict[str, Any]) -> None:
    async with world(tickets=True, **over13) as here:
        party = await here.connect()
        here.network.verdict = lambda _: ()
        await party.session.update_keys()
        assert layer(party.session).deadline is not None
        await party.session.close()
        sent = len(here.network.sent)
        await asyncio.sleep(1000)
        assert [s for s in here.network.sent[sent:] if s.source == party.address] == []


def test_application_data_under_the_keys_of_the_handshake_is_dropped() -> None:
    counters = Counter[str]()
    records = [Opened(23, b"too early", 2, 5), Opened(21, b"\2\0", 2, 6), Opened(23, b"x", 3, 0)]
    assert list(application_contents(records, counters)) == [(21, b"\2\0"), (23, b"x")]
    assert counters == {"dropped: application data of the handshake's epoch": 1}


@virtual
async def test_what_is_in_the_clear_does_not_keep_a_session_alive(over: dict[str, Any]) -> None:
    async with world(server={"idle_timeout": 10.0}, **over) as here:
        party = await here.connect()
        await check_data(here, party)
        at_server = here.at_server(party)
        clear = struct.pack("!BHHIHH", 21, 0xFEFD, 0, 0, 7, 2) + b"\1\0"
        for _ in range(20):
            here.network.inject(clear, party.address, SERVER)
            await asyncio.sleep(1)
        assert at_server.closed


_LONGER_THAN_IT_IS = b"\x2f\0\0\0\xff" + bytes(20)


@virtual
async def test_records_replayed_forged_cut_or_in_the_clear_are_dropped_and_counted(
    over13: dict[str, Any],
) -> None:
    got: list[bytes] = []

    async def collect(session: hoc.Session) -> None:
        while True:
            got.append(await session.receive())

    async with world(handler=collect, **over13) as here:
        party = await here.connect()
        await party.session.send(b"once")
        record = here.network.between(party.address, SERVER)[-1].data
        forged = record[:-1] + bytes([record[-1] ^ 1])
        other_epoch = bytes([record[0] ^ 2]) + record[1:]
        clear = struct.pack("!BHHIHH", 21, 0xFEFD, 0, 0, 7, 2) + b"\2\50"
        for data in (record, forged, other_epoch, clear, record[:20], _LONGER_THAN_IT_IS):
            here.network.inject(data, party.address, SERVER, 0.1)
        await asyncio.sleep(1)
        await party.session.send(b"after")
        await asyncio.sleep(1)
        assert got == [b"once", b"after"]
        # Over UDP what is in the clear goes to the handshake, which drops it.
        in_the_clear = {"dropped: unprotected": 1} if over13["transport"] == "coap" else {}
        assert here.at_server(party).counters == in_the_clear | {
            "dropped: replayed": 1,
            "dropped: forged": 2,  # what is cut short has no length that would tell
            "dropped: wrong-epoch": 1,
            "dropped: malformed": 1,
        }
