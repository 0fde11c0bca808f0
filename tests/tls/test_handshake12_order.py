"""Flights whose items are lost, repeated, moved or foreign: an alert, and nothing is broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import pytest

from handshake_over_coap.carriers.protection import Protection12
from handshake_over_coap.encodings.items import BodyItem
from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.records.sealer import Sealer
from handshake_over_coap.tls.alerts import (
    AlertError,
    DecodeError,
    NoRenegotiation,
    UnexpectedMessage,
)
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType, NamedGroup
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from tests.support import parties
from tests.support.memory_pair import (
    Body,
    Damage,
    Point,
    agreed,
    change_item,
    drop,
    duplicate,
    insert,
    position,
    renumbered,
    run,
    swap,
)
from tests.support.parties import Scenario

typical = pytest.mark.parametrize("scenario", parties.TYPICAL, ids=str)
every_flight = pytest.mark.parametrize("number", [1, 2, 3, 4])

MUTUAL = Scenario(parties.ECDSA_CCM, NamedGroup.secp256r1, "rpk-p256", "rpk-ed25519")


def start(scenario: Scenario) -> Point:
    return Point.start(scenario.client(), scenario.server())


def refuses(point: Point, damaged: Body, alert: type[AlertError] = UnexpectedMessage) -> AlertError:
    """The alert that ``damaged`` draws at once; then the genuine flight completes the handshake."""
    with pytest.raises(AlertError) as caught:
        point.deliver(damaged)
    assert type(caught.value) is alert
    assert not caught.value.received
    agreed(point.finish())
    return caught.value


def disorders(items: Body) -> Iterator[tuple[str, Damage]]:
    """Every drop, duplicate and swap."""
    for index in range(len(items)):
        yield f"drop {index}", drop(index)
        yield f"duplicate {index}", duplicate(index)
    for first, second in combinations(range(len(items)), 2):
        yield f"swap {first} and {second}", swap(first, second)


@typical
@every_flight
def test_an_item_lost_repeated_or_moved_is_refused(scenario: Scenario, number: int) -> None:
    point = start(scenario).until(number)
    for name, damage in disorders(point.pending):
        with pytest.raises(AlertError) as caught:
            point.deliver(damage(point.pending))
        assert type(caught.value) is UnexpectedMessage, (name, caught.value)
        agreed(point.finish())


@typical
@every_flight
def test_numbers_that_fit_do_not_make_disorder_acceptable(scenario: Scenario, number: int) -> None:
    # A CoAP body has no message_seq: whoever changes its order changes the numbers too.  What is
    # optional may then be missing unnoticed for a flight, but never for the whole handshake.
    point = start(scenario).until(number)
    first = point.client if point.receiver == "client" else point.server
    for name, damage in disorders(point.pending):
        damaged = renumbered(damage(point.pending), first.next_message_seq)
        with pytest.raises(AlertError):
            point.deliver(damaged).finish()
            pytest.fail(f"complete after: {name}")
        agreed(point.finish())


@typical
@every_flight
def test_an_item_of_another_flight_is_refused_in_every_place(
    scenario: Scenario, number: int
) -> None:
    point = start(scenario).until(number)
    receiver = point.client if point.receiver == "client" else point.server
    for foreign in {item for flight in run_of(scenario).flights for item in flight}:
        for place in range(len(point.pending) + 1):
            damaged = insert(place, foreign)(point.pending)
            for items in (damaged, renumbered(damaged, receiver.next_message_seq)):
                with pytest.raises(AlertError):
                    point.deliver(items).finish()
                    pytest.fail(f"complete with {foreign} at {place}")
        agreed(point.finish())


def run_of(scenario: Scenario) -> Point:
    return run(scenario.client("another"), scenario.server("other"))


@typical
@every_flight
def test_a_message_of_an_unknown_type_is_refused(scenario: Scenario, number: int) -> None:
    point = start(scenario).until(number)
    for place in range(len(point.pending) + 1):
        seq = sum(isinstance(item, HandshakeMessage) for item in point.pending[:place])
        stranger = HandshakeMessage(99, b"", seq + (point.number > 2))
        refuses(point, insert(place, stranger)(point.pending))


@typical
@every_flight
def test_an_empty_flight_is_refused(scenario: Scenario, number: int) -> None:
    refuses(start(scenario).until(number), ())


@typical
@every_flight
@pytest.mark.parametrize("added", [-1, 1, 7, 0x10000 - 8])
def test_a_wrong_message_seq_is_refused(scenario: Scenario, number: int, added: int) -> None:
    point = start(scenario).until(number)
    for index, item in enumerate(point.pending):
        if isinstance(item, HandshakeMessage):
            other = replace(item, message_seq=(item.message_seq + added) % 0x10000)
            refuses(point, (*point.pending[:index], other, *point.pending[index + 1 :]))


@typical
@every_flight
@pytest.mark.parametrize("epoch", [1, 2, 0xFFFF])
def test_a_message_in_the_clear_cannot_claim_an_epoch(
    scenario: Scenario, number: int, epoch: int
) -> None:
    point = start(scenario).until(number)
    for index, item in enumerate(point.pending):
        if isinstance(item, HandshakeMessage):
            lie = replace(item, epoch=epoch)
            refuses(point, (*point.pending[:index], lie, *point.pending[index + 1 :]))


@typical
def test_empty_and_truncated_messages_and_trailing_bytes_are_decode_errors(
    scenario: Scenario,
) -> None:
    for number in (1, 2, 3):
        point = start(scenario).until(number)
        for index, item in enumerate(point.pending):
            if not isinstance(item, HandshakeMessage):
                continue
            longer = change_item(index, lambda data: data + b"\x00")
            refuses(point, longer(point.pending), DecodeError)
            if item.body:
                cut = change_item(index, lambda data: data[:-1])
                refuses(point, cut(point.pending), DecodeError)
                nothing = change_item(index, lambda _: b"")
                refuses(point, nothing(point.pending), DecodeError)


@typical
@pytest.mark.parametrize("number", [3, 4])
def test_change_cipher_spec_early_twice_and_missing(scenario: Scenario, number: int) -> None:
    point = start(scenario).until(number)
    place = point.pending.index(ChangeCipherSpec())
    without = drop(place)(point.pending)
    assert "finished where" in str(refuses(point, without))
    for early in range(place):
        refuses(point, insert(early, ChangeCipherSpec())(without))
    for again in range(len(point.pending) + 1):
        refuses(point, insert(again, ChangeCipherSpec())(point.pending))


@typical
@pytest.mark.parametrize("number", [1, 2])
def test_change_cipher_spec_has_no_place_in_the_first_flights(
    scenario: Scenario, number: int
) -> None:
    point = start(scenario).until(number)
    for place in range(len(point.pending) + 1):
        refuses(point, insert(place, ChangeCipherSpec())(point.pending))


@typical
def test_a_certificate_request_twice_or_in_a_psk_suite_is_refused(scenario: Scenario) -> None:
    # At once, and not only by a Finished that does not fit: a bad server's would.
    asking = start(MUTUAL).until(2).pending
    request = asking[position(asking, HandshakeType.certificate_request)]
    point = start(scenario).until(2)
    done = position(point.pending, HandshakeType.server_hello_done)
    times = 1 if scenario.server_key is None else 2 - (scenario.client_key is not None)
    items = insert(done, *[request] * times)(point.pending)
    refuses(point, renumbered(items, 0))
    for place in range(done):
        refuses(point, renumbered(insert(place, request)(point.pending), 0))


def test_certificate_verify_after_change_cipher_spec_is_refused() -> None:
    # A server that takes it there, or none at all, lets anybody in (wolfSSL issue 7512).
    point = start(MUTUAL).until(3)
    items = point.pending
    verify = position(items, HandshakeType.certificate_verify)
    change = items.index(ChangeCipherSpec())
    refuses(point, swap(verify, change)(items))
    refuses(point, drop(verify)(items))
    refuses(point, renumbered(drop(verify)(items), 1))


def test_a_sealed_certificate_verify_is_refused() -> None:
    point = start(MUTUAL).until(3)
    items = point.pending
    verify = items[position(items, HandshakeType.certificate_verify)]
    assert isinstance(verify, HandshakeMessage)
    sealer = sealer_of_client(point)
    record = sealer.seal(ContentType.handshake, verify.dtls_bytes())
    before = items[: items.index(verify)]
    refuses(point, (*before, record, *items[items.index(ChangeCipherSpec()) :]))
    record = sealer_of_client(point).seal(ContentType.handshake, verify.dtls_bytes())
    refuses(point, (*before, ChangeCipherSpec(), record))


def sealer_of_client(point: Point) -> Sealer:
    """A sealer that does what the client's own does, from number 0 on."""
    protection = point.client.protection
    assert isinstance(protection, Protection12)
    assert protection.keys.write is not None
    return Sealer(protection.keys.write)


def sealer_of_server(point: Point) -> Sealer:
    """As :func:`sealer_of_client`, for the other direction."""
    protection = point.client.protection
    assert isinstance(protection, Protection12)
    assert protection.keys.read is not None
    return Sealer(protection.keys.read)


def finished(scenario: Scenario, number: int) -> HandshakeMessage:
    """The genuine Finished of flight 3 or 4."""
    client, _ = agreed(start(scenario).finish())
    items = start(scenario).until(number).pending
    plain = sum(isinstance(item, HandshakeMessage) for item in items)
    seq = plain + 1 if number == 3 else len(start(scenario).until(2).pending)
    data = client.connected.verify_data[number - 3]
    return HandshakeMessage(HandshakeType.finished, data, seq, 1)


@typical
@pytest.mark.parametrize("number", [3, 4])
def test_finished_in_the_clear_is_refused(scenario: Scenario, number: int) -> None:
    point = start(scenario).until(number)
    clear: BodyItem = finished(scenario, number)
    for epoch in (0, 1):
        assert isinstance(clear, HandshakeMessage)
        refuses(point, (*point.pending[:-1], replace(clear, epoch=epoch)))


@typical
@pytest.mark.parametrize("number", [3, 4])
def test_a_sealed_finished_resealed_is_the_genuine_one(scenario: Scenario, number: int) -> None:
    # The helpers above say what they mean: sealed again, the genuine message is the same record.
    point = start(scenario).until(number)
    sealer = sealer_of_client(point) if number == 3 else sealer_of_server(point)
    message = finished(scenario, number)
    assert sealer.seal(ContentType.handshake, message.dtls_bytes()) == point.pending[-1]


@typical
@pytest.mark.parametrize("number", [3, 4])
def test_more_in_the_record_of_finished_is_refused(scenario: Scenario, number: int) -> None:
    point = start(scenario).until(number)
    make = sealer_of_client if number == 3 else sealer_of_server
    message = finished(scenario, number)
    again = replace(message, message_seq=message.message_seq + 1)
    for content, alert in (
        (message.dtls_bytes() * 2, UnexpectedMessage),
        (message.dtls_bytes() + again.dtls_bytes(), UnexpectedMessage),
        (message.dtls_bytes() + b"\x00", DecodeError),
        (message.dtls_bytes()[:-1], DecodeError),
        (replace(message, body=message.body[:-1]).dtls_bytes(), DecodeError),
        (replace(message, body=message.body + b"\x00").dtls_bytes(), DecodeError),
        (b"", DecodeError),
        (again.dtls_bytes(), UnexpectedMessage),
        (replace(message, type=HandshakeType.server_hello_done).dtls_bytes(), UnexpectedMessage),
    ):
        record = make(point).seal(ContentType.handshake, content)
        refuses(point, (*point.pending[:-1], record), alert)


@typical
@pytest.mark.parametrize("number", [3, 4])
def test_data_sealed_in_a_flight_is_refused(scenario: Scenario, number: int) -> None:
    point = start(scenario).until(number)
    make = sealer_of_client if number == 3 else sealer_of_server
    for content_type in (ContentType.application_data, ContentType.change_cipher_spec):
        record = make(point).seal(content_type, b"\x01")
        refuses(point, (*point.pending[:-1], record))


@typical
@pytest.mark.parametrize("number", [1, 2])
def test_a_sealed_record_before_there_are_keys_is_refused(scenario: Scenario, number: int) -> None:
    point = start(scenario).until(number)
    for place in range(len(point.pending) + 1):
        record = SealedRecord(ContentType.handshake, 1, 0, bytes(40))
        refuses(point, insert(place, record)(point.pending))


@typical
def test_there_is_no_renegotiation(scenario: Scenario) -> None:
    point = start(scenario).finish()
    hello = run_of(scenario).flights[0][0]
    assert isinstance(hello, HandshakeMessage)
    request = HandshakeMessage(HandshakeType.hello_request, b"")
    for seq in (0, 1, 5):
        with pytest.raises(NoRenegotiation):
            point.server.receive([replace(hello, message_seq=seq)])
        with pytest.raises(NoRenegotiation):
            point.client.receive([replace(request, message_seq=seq)])
    client, server = agreed(point)
    sealed = client.sealer.seal(ContentType.handshake, hello.dtls_bytes())
    with pytest.raises(NoRenegotiation):
        point.server.receive([sealed])
    sealed = server.sealer.seal(ContentType.handshake, request.dtls_bytes())
    with pytest.raises(NoRenegotiation):
        point.client.receive([sealed])
    agreed(point)


@typical
def test_after_completion_no_flight_is_accepted_again(scenario: Scenario) -> None:
    point = start(scenario).finish()
    for number in (2, 4):
        with pytest.raises(AlertError):
            point.client.receive(point.flights[number - 1])
    for number in (1, 3):
        with pytest.raises(AlertError):
            point.server.receive(point.flights[number - 1])
    agreed(point)


@typical
@every_flight
def test_a_flight_of_another_handshake_is_refused(scenario: Scenario, number: int) -> None:
    point = start(scenario).until(number)
    other = run_of(scenario).flights[number - 1]
    with pytest.raises(AlertError):
        point.deliver(other).finish()
    agreed(point.finish())
