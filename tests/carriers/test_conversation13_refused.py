"""A conversation of DTLS 1.3: what is refused, and that nothing is left of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.carriers.conversation import (
    begin_client,
    begin_server,
)
from handshake_over_coap.encodings.plain import read_body, write_body
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.records.dtls13 import CiphertextRecord, RecordNumber
from handshake_over_coap.tls.alerts import (
    AlertError,
    BadRecordMac,
    DecodeError,
    IllegalParameter,
    InternalError,
    UnexpectedMessage,
)
from handshake_over_coap.tls.codepoints import (
    ConnectionIdUsage,
    ContentType,
    HandshakeType,
    KeyUpdateRequest,
)
from handshake_over_coap.tls.flight import HandshakeMessage, split_messages
from handshake_over_coap.tls.messages import ClientHello, KeyUpdate, Message, NewConnectionId
from tests.support import parties, parties13
from tests.support.memory_pair import (
    Point,
    agreed,
    agreed13,
    change_item,
    flip,
    insert,
    renumbered,
    run,
    set_fields,
)
from tests.support.moments13 import (
    ACK,
    ALERT,
    APPLICATION,
    HANDSHAKE,
    HYBRID_RETRY,
    PSK_DHE,
    PSK_KE,
    RETRY,
    RPK,
    last_number,
    moments,
    opened_in,
    protection_of,
    record,
    start,
    unchanged,
    writer_of,
)
from tests.support.parties13 import Scenario13
from tests.support.strategies import damaged

typical = pytest.mark.parametrize("scenario", parties13.TYPICAL, ids=str)


@typical
def test_a_damaged_item_is_refused_wherever_it_is_and_leaves_the_conversation(
    scenario: Scenario13,
) -> None:
    point = start(scenario)
    while not point.complete:
        for index, item in enumerate(point.pending):
            sealed = isinstance(item, CiphertextRecord)
            if point.number == 1 or (isinstance(item, HandshakeMessage) and point.number % 2):
                continue  # a hello in the clear: its damage shows later, if it does no harm
            data = item.ciphertext if isinstance(item, CiphertextRecord) else b"x" * 34
            for place in range(0, len(data), max(1, len(data) // 7)):
                spoilt = change_item(index, lambda old, place=place: flip(old, place))  # type: ignore[misc]
                with pytest.raises(AlertError) as caught:
                    point.deliver(spoilt(point.pending))
                assert not caught.value.received
                assert isinstance(caught.value, BadRecordMac) or not sealed
        point = point.deliver()
    agreed13(point)


@typical
def test_part_of_a_flight_or_one_out_of_order_is_refused(scenario: Scenario13) -> None:
    for number in range(1, last_number(scenario) + 1):
        point = start(scenario).until(number)
        for length in range(len(point.pending)):
            with pytest.raises(UnexpectedMessage, match="ends too early"):
                point.deliver(point.pending[:length])
        if len(point.pending) > 1:
            with pytest.raises(UnexpectedMessage):
                point.deliver(point.pending[::-1])
        unchanged(point)


@typical
def test_a_flight_that_goes_on_after_its_end_is_refused(scenario: Scenario13) -> None:
    genuine = run(scenario.client(), scenario.server()).flights
    for number in range(1, last_number(scenario) + 1):
        point = start(scenario).until(number)
        for flight in genuine[number - 1 :]:
            with pytest.raises(UnexpectedMessage, match="after its last message"):
                point.deliver((*point.pending, *flight))
        unchanged(point)


@typical
@pytest.mark.parametrize("epoch", [2, 3])
@pytest.mark.parametrize(
    ("kind", "content"), [(ACK, b"\0\0"), (HANDSHAKE, b"x"), (APPLICATION, b"x"), (ALERT, b"\1\0")]
)
def test_a_genuine_record_after_the_end_of_a_flight_is_refused(
    scenario: Scenario13, epoch: int, kind: ContentType, content: bytes
) -> None:
    # A server could else complete its client before the client's Finished has even been sent.
    for point, _, writer in moments(scenario).senders[:2]:
        with pytest.raises(UnexpectedMessage, match="after its last message"):
            point.deliver((*point.pending, record(writer, epoch, kind, content)))
        unchanged(point)


@typical
@pytest.mark.parametrize("description", [0, 20, 40, 51, 200])
def test_a_sealed_alert_in_a_flight_is_the_peers(scenario: Scenario13, description: int) -> None:
    for point, epoch, writer in moments(scenario).senders:
        clear = [item for item in point.pending if isinstance(item, HandshakeMessage)]
        with pytest.raises(AlertError) as caught:
            point.deliver((*clear, record(writer, epoch, ALERT, bytes((2, description)))))
        error = caught.value
        assert (error.received, error.authenticated) == (True, True)
        assert (error.code, error.level) == (description, 2)
        unchanged(point)


@pytest.mark.parametrize("scenario", [PSK_KE, RPK], ids=str)
@pytest.mark.parametrize(
    ("kind", "content", "alert"),
    [
        (HANDSHAKE, b"", DecodeError),
        (ALERT, b"", DecodeError),
        (ALERT, b"\2\x28\0", DecodeError),
        (ACK, b"", DecodeError),
        (ACK, b"\0\x0f" + bytes(15), DecodeError),
        (ACK, Ack((RecordNumber(4, 0),)).encode(), IllegalParameter),
        (APPLICATION, b"not yet", UnexpectedMessage),
        (APPLICATION, b"", UnexpectedMessage),
    ],
)
def test_a_genuine_record_with_content_that_does_not_belong_is_refused(
    scenario: Scenario13, kind: ContentType, content: bytes, alert: type[AlertError]
) -> None:
    for point, epoch, writer in moments(scenario).senders:
        place = len(point.pending) - 1
        with pytest.raises(alert):
            point.deliver(insert(place, record(writer, epoch, kind, content))(point.pending))
        unchanged(point)


@pytest.mark.parametrize("number", [2, 3])
def test_a_record_of_dtls_12_is_refused(number: int) -> None:
    point = start(PSK_KE).until(number)
    old = SealedRecord(HANDSHAKE, 1, 0, bytes(8) + bytes(40))
    with pytest.raises(BadRecordMac):
        point.deliver((*point.pending[:-1], old))
    unchanged(point)


def test_a_record_of_dtls_13_is_refused_in_a_handshake_of_dtls_12() -> None:
    new = CiphertextRecord(b"\x2c\0", bytes(40))
    for number in (1, 2, 3, 4):
        scenario = parties.TYPICAL[0]
        point = Point.start(scenario.client(), scenario.server()).until(number)
        with pytest.raises((BadRecordMac, UnexpectedMessage)):
            point.deliver((*point.pending[:-1], new))
        agreed(point.finish())


def test_handshake_messages_of_epoch_2_in_the_clear_are_refused() -> None:
    here = moments(RPK)
    for point, reader in ((here.server_flight, here.client), (here.client_flight, here.server)):
        clear = [item for item in point.pending if isinstance(item, HandshakeMessage)]
        (opened,) = opened_in(point.pending, reader)
        for epoch in (0, 2):
            inside = split_messages(opened.plaintext, epoch)
            with pytest.raises(UnexpectedMessage):
                point.deliver((*clear, *inside))
        unchanged(point)


@pytest.mark.parametrize(
    "message",
    [
        KeyUpdate(KeyUpdateRequest.update_requested),
        NewConnectionId((b"new",), ConnectionIdUsage.cid_immediate),
    ],
    ids=lambda m: type(m).__name__,
)
def test_the_last_answer_brings_nothing_but_tickets(message: Message) -> None:
    here = moments(PSK_DHE)
    seq = here.last_answer.client.next_message_seq
    wrong = HandshakeMessage(message.msg_type, message.encode(), seq, 3)
    extra = record(writer_of(here.server), 3, HANDSHAKE, wrong.dtls_bytes())
    with pytest.raises(UnexpectedMessage, match="after the handshake"):
        here.last_answer.deliver((extra, *here.last_answer.pending))
    unchanged(here.last_answer)


def test_tickets_out_of_order_are_refused() -> None:
    here = moments(PSK_DHE, tickets=2)
    (_, both) = opened_in(here.last_answer.pending, here.client)
    first, second = split_messages(both.plaintext, 3)
    for wrong in ((second, first), (second,), (first, first)):
        content = b"".join(message.dtls_bytes() for message in wrong)
        with pytest.raises(UnexpectedMessage, match="message_seq"):
            here.last_answer.deliver((record(writer_of(here.server), 3, HANDSHAKE, content),))
    unchanged(here.last_answer)


def test_a_flight_that_no_record_holds_is_our_own_fault() -> None:
    protection = protection_of(start(PSK_KE).deliver().server)
    message = HandshakeMessage(HandshakeType.certificate, bytes(2**14), 2, 2)
    with pytest.raises(InternalError, match="no record holds"):
        protection.plan([message])


@pytest.mark.parametrize("scenario", [RETRY, HYBRID_RETRY], ids=str)
def test_only_the_hello_that_was_asked_for_continues(scenario: Scenario13) -> None:
    point = start(scenario)
    (first,) = point.pending
    assert isinstance(first, HandshakeMessage)
    assert not point.server.continues(first)
    asked = point.until(3)
    (second,) = asked.pending
    assert isinstance(second, HandshakeMessage)
    assert asked.server.continues(second)
    other = start(replace(scenario, retry=False)).pending[0]
    assert isinstance(other, HandshakeMessage)
    assert asked.server.continues(other)  # the same random, as the seeds are the same
    _, (stranger,) = begin_client(scenario.client("stranger"))
    assert isinstance(stranger, HandshakeMessage)
    assert not asked.server.continues(stranger)
    assert not asked.deliver().server.continues(second)
    assert not begin_server(scenario.server()).continues(first)
    unchanged(asked)


def test_a_server_that_asks_for_a_hello_twice_is_refused() -> None:
    asked = start(RETRY).until(3)
    again = renumbered(asked.flights[1], 1)
    point = replace(asked, flights=(*asked.flights, again))
    with pytest.raises(UnexpectedMessage):
        point.deliver()
    unchanged(asked)


def test_a_second_hello_that_changes_more_than_it_may_is_refused() -> None:
    asked = start(RETRY).until(3)
    for damage in (
        set_fields(ClientHello, random=bytes(32)),
        set_fields(ClientHello, session_id=b"x"),
    ):
        with pytest.raises(AlertError):
            asked.deliver(damage(asked.pending))
    unchanged(asked)


@given(data=st.data())
@pytest.mark.parametrize("scenario", [PSK_KE, RPK, RETRY], ids=str)
def test_mutated_bodies_raise_only_alerts_and_complete_nobody(
    scenario: Scenario13, data: st.DataObject
) -> None:
    point = start(scenario)
    while not point.complete:
        receiver = point.client if point.receiver == "client" else point.server
        seq = receiver.next_message_seq
        body = write_body(point.pending)
        mutated = data.draw(damaged(body))
        try:
            items = read_body(mutated, next_message_seq=seq)
            after = point.deliver(items)
        except AlertError as error:
            assert not error.received
        else:
            # Hellos may say something else and be good; what is sealed may not.  The last answer
            # may do without its tickets.
            done = after.client.established if point.receiver == "client" else None
            done = done or after.server.established
            genuine = items == point.pending[: len(items)]
            assert done is None or genuine
        point = point.deliver()
    agreed13(point)
