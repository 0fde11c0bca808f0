"""A conversation: a value that joins the handshake's states with the records of its keys."""

from __future__ import annotations

import pytest

from handshake_over_coap.carriers.conversation import Established, begin_client, begin_server
from handshake_over_coap.carriers.protection import Protection12
from handshake_over_coap.encodings.plain import read_body, write_body
from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.records.errors import ReplayedRecord
from handshake_over_coap.records.sealer import Sealer
from handshake_over_coap.tls.alerts import (
    AlertError,
    BadRecordMac,
    CloseNotify,
    DecodeError,
    UnexpectedMessage,
)
from handshake_over_coap.tls.codepoints import AlertDescription, ContentType, NamedGroup
from handshake_over_coap.tls.flight import ChangeCipherSpec
from tests.support import parties
from tests.support.memory_pair import Point, agreed, change_item, flip, run
from tests.support.parties import Scenario

typical = pytest.mark.parametrize("scenario", parties.TYPICAL, ids=str)

PSK = Scenario(parties.PSK_CCM)
ECDHE = Scenario(parties.ECDHE_PSK_CCM, NamedGroup.x25519)


def start(scenario: Scenario) -> Point:
    return Point.start(scenario.client(), scenario.server())


def sealer_to(point: Point) -> Sealer:
    """A sealer with the keys of the side that has sent the pending flight, from number 0 on."""
    protection = point.client.protection
    assert isinstance(protection, Protection12)
    keys = protection.keys.write if point.number == 3 else protection.keys.read
    assert keys is not None
    return Sealer(keys)


def test_a_conversation_cannot_be_changed() -> None:
    conversation, _ = begin_client(PSK.client())
    with pytest.raises(AttributeError):
        conversation.next_message_seq = 7  # type: ignore[misc]


@typical
def test_nothing_is_established_before_the_last_flight(scenario: Scenario) -> None:
    point = start(scenario)
    for number in (1, 2, 3):
        assert point.number == number
        assert point.client.established is None
        assert point.server.established is None
        point = point.deliver()
    assert point.client.established is None
    assert point.server.established is not None
    assert point.deliver().client.established is not None


@typical
def test_the_server_begins_with_nothing_of_any_client(scenario: Scenario) -> None:
    server = begin_server(scenario.server())
    assert (server.next_message_seq, server.hello_random, server.protection) == (0, b"", None)


@typical
def test_the_handshakes_records_take_the_first_numbers(scenario: Scenario) -> None:
    point = run(scenario.client(), scenario.server())
    for flight in point.flights[2:]:
        (record,) = (item for item in flight if isinstance(item, SealedRecord))
        assert (record.epoch, record.sequence_number) == (1, 0)
    for side in (point.client.established, point.server.established):
        assert isinstance(side, Established)
        assert side.sealer.next_sequence_number == 1
        assert side.opener.highest == 0
        assert (side.sealer.epoch, side.opener.epoch) == (1, 1)


@typical
def test_finished_cannot_be_replayed_as_a_record(scenario: Scenario) -> None:
    point = run(scenario.client(), scenario.server())
    sides = (point.client.established, point.server.established)
    for side, flight in zip(sides, (point.flights[3], point.flights[2]), strict=True):
        assert isinstance(side, Established)
        record = flight[-1]
        assert isinstance(record, SealedRecord)
        with pytest.raises(ReplayedRecord):
            side.opener.open(record)


@typical
@pytest.mark.parametrize("number", [3, 4])
def test_a_failed_flight_leaves_no_trace_in_the_replay_window(
    scenario: Scenario, number: int
) -> None:
    # Finished itself authenticates in all of these, and still has to be acceptable afterwards.
    point = start(scenario).until(number)
    genuine = point.pending
    for damaged in (
        (*genuine, ChangeCipherSpec()),
        (*genuine, genuine[-1]),
        (*genuine, sealed_close(point)),
        (*genuine[:-2], genuine[-1]),
        (*genuine[:-2], genuine[-1], genuine[-2]),
        (genuine[-1],),
    ):
        for _ in range(3):
            with pytest.raises(AlertError):
                point.deliver(damaged)
        agreed(point.finish())


def sealed_close(point: Point) -> SealedRecord:
    sealer = sealer_to(point)
    sealer.seal(ContentType.handshake, b"")
    return sealer.seal(ContentType.alert, bytes((1, AlertDescription.close_notify)))


@typical
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_flight_that_goes_on_after_its_end_is_refused(scenario: Scenario, number: int) -> None:
    # Otherwise whoever appends an item to a flight moves its receiver on, and ends the handshake.
    point = start(scenario).until(number)
    following = run(scenario.client(), scenario.server()).flights[number - 1 :]
    for flight in following:
        with pytest.raises(UnexpectedMessage, match="after its last message"):
            point.deliver((*point.pending, *flight))
    agreed(point.finish())


@typical
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_part_of_a_flight_is_refused(scenario: Scenario, number: int) -> None:
    point = start(scenario).until(number)
    for length in range(len(point.pending)):
        with pytest.raises(UnexpectedMessage, match="ends too early"):
            point.deliver(point.pending[:length])
    agreed(point.finish())


@typical
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_same_flight_again_gives_an_answer_of_its_own(scenario: Scenario, number: int) -> None:
    point = start(scenario).until(number)
    first, second = point.deliver(), point.deliver()
    agreed(first.finish())
    agreed(second.finish())


@typical
@pytest.mark.parametrize("number", [3, 4])
@pytest.mark.parametrize("description", [0, 20, 40, 51, 200])
def test_a_sealed_alert_in_a_flight_is_the_peers(
    scenario: Scenario, number: int, description: int
) -> None:
    point = start(scenario).until(number)
    alert = sealer_to(point).seal(ContentType.alert, bytes((2, description)))
    change = point.pending.index(ChangeCipherSpec())
    for items in ((*point.pending[:change], alert), (*point.pending[: change + 1], alert)):
        with pytest.raises(AlertError) as caught:
            point.deliver(items)
        error = caught.value
        assert (error.received, error.authenticated) == (True, True)
        assert (error.code, error.level) == (description, 2)
    agreed(point.finish())


@pytest.mark.parametrize("content", [b"", b"\x02", b"\x02\x28\x00"])
def test_a_malformed_sealed_alert_is_a_decode_error(content: bytes) -> None:
    point = start(PSK).until(4)
    record = sealer_to(point).seal(ContentType.alert, content)
    with pytest.raises(DecodeError):
        point.deliver((record,))
    agreed(point.finish())


@typical
def test_a_sealed_close_after_completion_is_told(scenario: Scenario) -> None:
    point = start(scenario).finish()
    client, server = agreed(point)
    for sender, receiver in ((client, point.server), (server, point.client)):
        record = sender.sealer.seal(ContentType.alert, b"\x01\x00")
        with pytest.raises(CloseNotify) as caught:
            receiver.receive([record])
        assert caught.value.authenticated
        with pytest.raises(BadRecordMac):  # once: it has been seen
            receiver.receive([record])


@typical
@pytest.mark.parametrize("number", [3, 4])
@pytest.mark.parametrize("epoch", [2, 3, 0xFFFF])
def test_a_record_of_another_epoch_is_refused(scenario: Scenario, number: int, epoch: int) -> None:
    point = start(scenario).until(number)
    record = point.pending[-1]
    assert isinstance(record, SealedRecord)
    other = SealedRecord(record.content_type, epoch, record.sequence_number, record.fragment)
    with pytest.raises(BadRecordMac):
        point.deliver((*point.pending[:-1], other))
    agreed(point.finish())


def through_plain_encoding(point: Point) -> Point:
    """The handshake to its end, each flight encoded and decoded on its way."""
    while not point.complete:
        receiver = point.client if point.receiver == "client" else point.server
        coded = write_body(point.pending)
        items = read_body(coded, next_message_seq=receiver.next_message_seq)
        assert items == point.pending
        point = point.deliver(items)
    return point


@pytest.mark.parametrize("scenario", parties.ALL, ids=str)
def test_every_handshake_passes_through_the_plain_encoding(scenario: Scenario) -> None:
    direct, _ = agreed(run(scenario.client(), scenario.server()))
    coded, _ = agreed(through_plain_encoding(start(scenario)))
    assert coded.connected == direct.connected


def test_many_attempts_at_one_conversation_do_not_wear_it_out() -> None:
    point = start(ECDHE).until(3)
    last = len(point.pending) - 1
    for index in range(100):
        spoilt = change_item(last, lambda data, index=index: flip(data, index % len(data)))  # type: ignore[misc]
        with pytest.raises(BadRecordMac):
            point.deliver(spoilt(point.pending))
    agreed(point.finish())
    point = start(ECDHE).until(4)
    for index in range(100):
        spoilt = change_item(1, lambda data, index=index: flip(data, index % len(data)))  # type: ignore[misc]
        with pytest.raises(BadRecordMac):
            point.deliver(spoilt(point.pending))
    agreed(point.finish())


def test_a_finished_of_the_other_direction_is_refused() -> None:
    point = start(PSK).until(4)
    with pytest.raises(BadRecordMac):
        point.deliver(point.flights[2][-2:])
    agreed(point.finish())
