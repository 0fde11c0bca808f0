"""A conversation of DTLS 1.3: flights sealed in epoch 2, an answer in epoch 3."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handshake_over_coap.carriers.conversation import (
    Established13,
)
from handshake_over_coap.carriers.post_handshake import MOST_TICKETS, Heard
from handshake_over_coap.encodings.plain import read_body, write_body
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls13 import CiphertextRecord, RecordNumber
from handshake_over_coap.records.errors import ReplayedRecord
from handshake_over_coap.tls.alerts import (
    BadRecordMac,
)
from handshake_over_coap.tls.codepoints import (
    HandshakeType,
    NamedGroup,
)
from handshake_over_coap.tls.dtls13.connected import Connected13
from handshake_over_coap.tls.flight import HandshakeMessage, split_messages
from tests.support import memory_pair13, parties13
from tests.support.memory_pair import (
    Point,
    agreed13,
    change_item,
    flip,
    insert,
    run,
)
from tests.support.moments13 import (
    ACK,
    ALERT,
    APPLICATION,
    HANDSHAKE,
    PSK_DHE,
    PSK_KE,
    RPK,
    Moments,
    last_number,
    moments,
    names,
    opened_in,
    post_of,
    protection_of,
    reader_of,
    record,
    start,
    unchanged,
    writer_of,
)
from tests.support.parties13 import CCM, P256, X25519, Scenario13
from tests.support.udp_pair13 import Pair13

typical = pytest.mark.parametrize("scenario", parties13.TYPICAL, ids=str)


@typical
def test_nothing_is_established_before_its_time(scenario: Scenario13) -> None:
    point = start(scenario)
    for number in range(1, last_number(scenario) + 1):
        assert point.number == number
        assert point.client.established is None
        assert point.server.established is None
        point = point.deliver()
    # The client has the server's Finished, and still does not know whether its own has come.
    assert isinstance(point.client.state, Connected13)
    assert point.client.established is None
    assert isinstance(point.server.established, Established13)
    agreed13(point.deliver())


@pytest.mark.parametrize("scenario", parties13.ALL, ids=str)
def test_every_handshake_passes_through_the_plain_encoding(scenario: Scenario13) -> None:
    point = start(scenario)
    while not point.complete:
        receiver = point.client if point.receiver == "client" else point.server
        coded = write_body(point.pending)
        items = read_body(coded, next_message_seq=receiver.next_message_seq)
        assert items == point.pending
        point = point.deliver(items)
    agreed13(point)


@pytest.mark.parametrize("retry", [False, True])
@pytest.mark.parametrize("group", [None, P256, X25519])
def test_the_transcript_is_that_of_the_states_and_of_the_classic_carrier(
    group: NamedGroup | None, retry: bool
) -> None:
    # With pre-shared keys nothing is drawn but from the seeds: all three have to be equal.
    scenario = Scenario13(CCM, group, retry=retry and group is not None)
    carried, _ = agreed13(run(scenario.client(), scenario.server()))
    alone, _ = memory_pair13.agreed(memory_pair13.run(scenario.client(), scenario.server()))
    classic = Pair13(scenario)
    classic.run()
    for other in (alone, classic.client.end.connected):
        for name in ("transcript", "secrets", "verify_data", "suite", "group", "auth"):
            assert getattr(carried.connected, name) == getattr(other, name), name


@typical
def test_a_flight_is_one_record_and_the_last_answer_acknowledges_the_clients(
    scenario: Scenario13,
) -> None:
    here = moments(scenario)
    *hellos, flight2, flight3, flight4 = here.last_answer.flights
    assert [len(flight) for flight in hellos] == [1] * len(hellos)
    clear, _ = flight2
    assert isinstance(clear, HandshakeMessage)
    assert clear.type == HandshakeType.server_hello
    (of_server,), (of_client,) = opened_in(flight2, here.client), opened_in(flight3, here.server)
    assert (of_server.number, of_client.number) == ((2, 0), (2, 0))
    assert names(of_server)[0] == "encrypted_extensions"
    assert names(of_server)[-1] == names(of_client)[-1] == "finished"
    ack, *tickets = opened_in(flight4, here.client)
    assert (ack.content_type, ack.number) == (ACK, (3, 0))
    assert Ack.decode(ack.plaintext).record_numbers == (RecordNumber(2, 0),)
    assert [names(each) for each in tickets] == [["new_session_ticket"]] * len(tickets)


@typical
def test_the_session_goes_on_with_the_numbers_after_those_of_the_handshake(
    scenario: Scenario13,
) -> None:
    here = moments(scenario)
    reader = reader_of(here.client)
    flight4 = here.last_answer.pending
    for item in flight4:
        assert isinstance(item, CiphertextRecord)
        reader.open_in_body(item)
    point = here.finished
    client, server = point.client.established, point.server.established
    assert isinstance(client, Established13)
    assert isinstance(server, Established13)
    after = reader.open_datagram(server.sealer.seal_datagram(APPLICATION, b"x"))
    assert after is not None
    assert after.number == (3, len(flight4))
    assert client.opener.highest(3) == len(flight4) - 1
    assert client.sealer.seal(3, APPLICATION, b"x")[1] == (3, 0)
    assert (client.sealer.epoch, server.sealer.epoch) == (3, 3)


@typical
def test_no_record_of_the_handshakes_epoch_is_taken_or_made_after_it(scenario: Scenario13) -> None:
    client, server = agreed13(run(scenario.client(), scenario.server()))
    assert client.opener.epochs == server.opener.epochs == (3,)
    for side in (client, server):
        with pytest.raises(ConfigurationError, match="no keys to write epoch 2"):
            side.sealer.seal(2, HANDSHAKE, b"x")


@typical
def test_the_last_answer_cannot_be_replayed_as_a_record(scenario: Scenario13) -> None:
    point = run(scenario.client(), scenario.server())
    client, _ = agreed13(point)
    for item in point.flights[-1]:
        assert isinstance(item, CiphertextRecord)
        with pytest.raises(ReplayedRecord):
            client.opener.open(item)


@typical
def test_the_same_last_flight_again_gives_an_answer_of_its_own_and_no_number_twice(
    scenario: Scenario13,
) -> None:
    here = moments(scenario)
    answers = [here.last_answer, *(here.client_flight.deliver() for _ in range(3))]
    opened = [each.number for at in answers for each in opened_in(at.pending, here.client)]
    assert len(set(opened)) == len(opened) >= 4
    for answer in answers[1:]:
        agreed13(answer.finish())


@typical
def test_failures_before_cost_no_side_a_number_and_none_is_used_twice(
    scenario: Scenario13,
) -> None:
    point = start(scenario).until(last_number(scenario) - 1)
    for _ in range(5):
        with pytest.raises(BadRecordMac):
            point.deliver(change_item(1, flip)(point.pending))
    point = point.deliver()
    for _ in range(5):
        with pytest.raises(BadRecordMac):
            point.deliver(change_item(0, flip)(point.pending))
    client, server = protection_of(point.client), protection_of(point.server)
    assert [each.number for each in opened_in(point.pending, server)] == [(2, 0)]
    point = point.deliver()
    opened = opened_in(point.pending, client)
    assert [each.number for each in opened] == [(3, n) for n in range(len(opened))]
    alert = point.client.sealed_alert(BadRecordMac("the last answer is never right"))
    assert alert is not None
    (told,) = opened_in((CiphertextRecord.from_bytes(alert),), server)
    assert (told.number, told.content_type, told.plaintext) == ((3, 0), ALERT, b"\2\x14")
    unchanged(point)


def test_an_ack_within_a_flight_changes_nothing() -> None:
    ack = Ack((RecordNumber(0, 0),)).encode()
    for point, epoch, writer in moments(RPK).senders:
        place = len(point.pending) - 1
        unchanged(point.deliver(insert(place, record(writer, epoch, ACK, ack))(point.pending)))


def test_an_ack_in_the_handshakes_epoch_does_not_complete_the_client() -> None:
    here = moments(PSK_KE)
    ack = record(writer_of(here.server), 2, ACK, Ack((RecordNumber(2, 0),)).encode())
    after, answer = here.last_answer.client.receive([ack])
    assert after.established is None
    assert answer == ()
    agreed13(here.last_answer.deliver((ack, *here.last_answer.pending)))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_tickets_come_with_the_last_answer_and_count_as_messages(count: int) -> None:
    server_config = PSK_DHE.server(tickets=count)
    client, server = agreed13(run(PSK_DHE.client(), server_config))
    assert len(client.tickets) == count
    assert server.tickets == ()
    assert client.peer_seq == server.connected.ongoing.next_seq
    (update,) = server.connected.update_keys().flight
    assert isinstance(update, HandshakeMessage)
    assert update.message_seq == client.peer_seq
    for ticket in client.tickets:
        again = run(PSK_DHE.client("later", ticket=ticket), server_config)
        assert agreed13(again)[0].connected.resumed


def test_the_last_answer_may_be_tickets_alone() -> None:
    here = moments(PSK_DHE, tickets=2)
    client, _ = agreed13(here.last_answer.deliver(here.last_answer.pending[1:]))
    assert len(client.tickets) == 2


def test_no_more_tickets_are_handed_on_than_a_session_would() -> None:
    here = moments(PSK_DHE)
    _, one = opened_in(here.last_answer.pending, here.client)
    (ticket,) = split_messages(one.plaintext, 3)
    first, count = ticket.message_seq, MOST_TICKETS + 3
    many = b"".join(replace(ticket, message_seq=first + n).dtls_bytes() for n in range(count))
    after = here.last_answer.deliver((record(writer_of(here.server), 3, HANDSHAKE, many),))
    client = after.client.established
    assert isinstance(client, Established13)
    assert len(client.tickets) == MOST_TICKETS
    assert client.peer_seq == first + count


@pytest.mark.parametrize("limit", [64, 300, 600])
def test_tickets_that_the_client_cannot_take_are_not_sent_and_take_no_number(limit: int) -> None:
    point = run(PSK_DHE.client(record_size_limit=limit), PSK_DHE.server(tickets=4))
    client, server = agreed13(point)
    assert len(client.tickets) < 4
    assert (len(client.tickets) > 0) is (limit > 64)
    assert client.peer_seq == server.connected.ongoing.next_seq


@typical
def test_any_genuine_record_of_epoch_3_confirms_and_nothing_else(scenario: Scenario13) -> None:
    here = moments(scenario)
    ours, theirs = writer_of(here.client), writer_of(here.server)
    client = here.last_answer.client
    for content_type in (APPLICATION, HANDSHAKE, ALERT, ACK):
        datagram = theirs.seal(3, content_type, b"some content")[0]
        for index in range(len(datagram)):
            assert client.confirm(flip(datagram, index)) is None
        assert client.confirm(datagram + datagram) is None
        established = client.confirm(datagram)
        assert isinstance(established, Established13)
        (early,) = established.early
        assert (early.content_type, early.plaintext) == (content_type, b"some content")
        with pytest.raises(ReplayedRecord):
            established.opener.open_datagram(datagram)
    for other in (
        b"",
        theirs.seal(2, APPLICATION, b"epoch 2")[0],
        ours.seal(3, APPLICATION, b"our own")[0],
        ours.seal(2, APPLICATION, b"our own")[0],
        b"\x17\xfe\xfd" + bytes(30),
    ):
        assert client.confirm(other) is None
    assert client.established is None
    for side in (here.server_flight.client, here.server_flight.server, here.last_answer.server):
        if isinstance(side.state, Connected13):
            continue
        assert side.confirm(theirs.seal(3, APPLICATION, b"too early")[0]) is None
    unchanged(here.last_answer)


@typical
def test_a_client_confirmed_by_a_record_goes_on_like_any_other(scenario: Scenario13) -> None:
    here = moments(scenario)
    server = here.last_answer.server.established
    assert isinstance(server, Established13)
    client = here.last_answer.client.confirm(server.sealer.seal_datagram(APPLICATION, b"hello"))
    assert isinstance(client, Established13)
    assert client.opener.epochs == (3,)
    for one, other in ((client, server), (server, client)):
        for text in (b"once", b"twice"):
            opened = other.opener.open_datagram(one.sealer.seal_datagram(APPLICATION, text))
            assert opened is not None
            assert opened.plaintext == text


@pytest.mark.parametrize("tickets", [0, 1, 8])
@pytest.mark.parametrize("confirmed", [True, False])
def test_messages_after_the_handshake_go_on_whether_or_not_the_tickets_were_lost(
    tickets: int, confirmed: bool
) -> None:
    here = moments(PSK_DHE, tickets=tickets)
    server = here.last_answer.server.established
    assert isinstance(server, Established13)
    if confirmed:
        datagram = server.sealer.seal_datagram(APPLICATION, b"hello")
        client = here.last_answer.client.confirm(datagram)
    else:
        client, _ = agreed13(here.finished)
    assert isinstance(client, Established13)
    ours, theirs = post_of(client), post_of(server)
    if confirmed:
        assert ours.unanswered(0.0) == Heard()
    for epoch in (4, 5):
        for sender, receiver, end, other in (
            (theirs, ours, server, client),
            (ours, theirs, client, server),
        ):
            (update,) = sender.update_keys(0.0)
            opened = other.opener.open_datagram(update)
            assert opened is not None
            (ack,) = receiver.receive(opened, 0.0).datagrams
            opened = end.opener.open_datagram(ack)
            assert opened is not None
            assert sender.receive(opened, 0.0).datagrams == ()
            assert end.sealer.epoch == epoch
            opened = other.opener.open_datagram(end.sealer.seal_datagram(APPLICATION, b"new keys"))
            assert opened is not None
            assert (opened.epoch, opened.plaintext) == (epoch, b"new keys")


def test_connection_ids_stand_in_records_after_the_handshake_and_in_none_of_a_body() -> None:
    config = PSK_DHE.client(connection_id=b"client"), PSK_DHE.server(connection_id=b"server")
    here = Moments.of(Point.start(*config).until(2))
    for flight in here.last_answer.flights:
        assert all(item.cid == b"" for item in flight if isinstance(item, CiphertextRecord))
    server = here.last_answer.server.established
    assert isinstance(server, Established13)
    data = server.sealer.seal_datagram(APPLICATION, b"early")
    assert data[1:7] == b"client"
    early = here.last_answer.client.confirm(data)
    assert isinstance(early, Established13)
    client, _ = agreed13(here.finished)
    assert client.sealer.seal_datagram(APPLICATION, b"late")[1:7] == b"server"


def test_an_alert_of_a_client_that_never_completes_has_the_servers_connection_id() -> None:
    config = PSK_DHE.client(connection_id=b"client"), PSK_DHE.server(connection_id=b"server")
    here = Moments.of(Point.start(*config).until(2))
    alert = here.last_answer.client.sealed_alert(BadRecordMac("the answer is never right"))
    assert alert is not None
    assert alert[1:7] == b"server"
    server = here.last_answer.server.established
    assert isinstance(server, Established13)
    opened = server.opener.open_datagram(alert)
    assert opened is not None
    assert (opened.content_type, opened.plaintext) == (ALERT, b"\x02\x14")
    assert start(PSK_DHE).client.sealed_alert(BadRecordMac("no keys yet")) is None
