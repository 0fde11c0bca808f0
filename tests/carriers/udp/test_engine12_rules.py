"""What RFC 5246 and RFC 6347 ask of the classic 1.2 handshake, as tests of others look at it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from handshake_over_coap.carriers.udp.fragments import Numbers, Packer
from handshake_over_coap.carriers.udp.turn import RIVALS
from handshake_over_coap.records.dtls12 import (
    MAX_PLAINTEXT,
    PlaintextRecord,
    SealedRecord,
    split_datagram,
)
from handshake_over_coap.tls.alerts import (
    Alert,
    AlertError,
    CloseNotify,
    DecodeError,
    DecryptError,
    UnexpectedMessage,
    sealed_alert,
)
from handshake_over_coap.tls.codepoints import AlertLevel, ContentType, HandshakeType
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.messages import ClientKeyExchangePsk
from tests.carriers.udp.test_udp_engine_hostile import part, record
from tests.support.parties import TYPICAL, Scenario
from tests.support.udp_pair import UdpPair, dropping, unharmed

PSK, MUTUAL = TYPICAL[0], TYPICAL[3]
FINISHED = part(HandshakeType.finished, 12, 2, 0, bytes(12))


def records(data: bytes) -> list[PlaintextRecord | SealedRecord]:
    return list(split_datagram(data))


def run_to_flight_3(scenario: Scenario = PSK) -> tuple[UdpPair, bytes]:
    """Both sides up to the client's last flight, which is on its way: one datagram with PSK."""
    pair = UdpPair(scenario)
    while pair.client._sealer is None:
        pair.step()
    return pair, pair.wire[-1][2]


# -- alerts ----------------------------------------------------------------------------------------


def test_a_server_that_has_not_said_change_cipher_spec_sends_its_alert_in_the_clear() -> None:
    pair, flight = run_to_flight_3()
    sealer = pair.client._sealer
    assert sealer is not None
    key_exchange, change, _ = records(flight)
    assert isinstance(key_exchange, PlaintextRecord)
    assert isinstance(change, PlaintextRecord)
    forged = sealer.seal_datagram(ContentType.handshake, FINISHED)
    with pytest.raises(DecryptError) as caught:
        pair.server.receive(key_exchange.to_bytes() + change.to_bytes() + forged, pair.now)
    (alert,) = records(pair.server.alert(caught.value))
    assert isinstance(alert, PlaintextRecord)
    assert Alert.decode(alert.fragment) == caught.value.alert


def test_a_client_that_has_said_it_seals_its_alert() -> None:
    pair, _ = run_to_flight_3()
    (alert,) = records(pair.client.alert(DecryptError()))
    assert isinstance(alert, SealedRecord)
    before = UdpPair(PSK)
    assert isinstance(records(before.client.alert(DecryptError()))[0], PlaintextRecord)


def test_a_client_whose_finished_is_refused_learns_it_from_the_clear() -> None:
    pair, flight = run_to_flight_3()
    alert = record(ContentType.alert, DecryptError().alert.encode())
    pair._events.clear()
    with pytest.raises(DecryptError) as caught:
        for _ in range(4):
            pair.client.receive(alert, pair.now)
            assert pair.client.deadline is not None
            pair.now = pair.client.deadline
            pair.client.on_timer(pair.now)
    assert caught.value.received
    assert not caught.value.authenticated
    assert flight


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", DecodeError),
        (b"\x02", DecodeError),
        (b"\x02\x28\x00", DecodeError),
        (b"\x01\x00", CloseNotify),
        (b"\x01\x5a\x02\x33", DecryptError),  # several may share a record: the gravest counts
        (b"\x01\x5a\x01\x00", CloseNotify),
    ],
)
def test_a_sealed_record_holds_whole_alerts(content: bytes, expected: type[AlertError]) -> None:
    pair, _ = run_to_flight_3()
    pair.step()
    server = pair.server._sealer
    assert server is not None
    with pytest.raises(expected) as caught:
        pair.client.receive(server.seal_datagram(ContentType.alert, content), pair.now)
    assert caught.value.received == (expected is not DecodeError)


def test_a_record_of_1_3_holds_one_alert() -> None:
    fatal = bytes((AlertLevel.fatal, 51))
    assert isinstance(sealed_alert(fatal, single=True), DecryptError)
    with pytest.raises(UnexpectedMessage):
        sealed_alert(b"", single=True)
    with pytest.raises(DecodeError):
        sealed_alert(fatal + fatal, single=True)


# -- ChangeCipherSpec, and what is too long --------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x02", b"\x01\x01"])
def test_a_change_cipher_spec_of_another_content_changes_nothing(body: bytes) -> None:
    pair, flight = run_to_flight_3()
    key_exchange, _, finished = (each.to_bytes() for each in records(flight))
    other = record(ContentType.change_cipher_spec, body, number=9)
    assert pair.server.receive(key_exchange + other + finished, pair.now) == []
    assert pair.server.established is None
    pair.server.receive(other, pair.now)
    assert isinstance(pair.server.reason, DecodeError)
    pair.run()
    assert pair.complete


def test_a_change_cipher_spec_under_the_new_keys_ends_the_handshake() -> None:
    pair, flight = run_to_flight_3()
    sealer = pair.client._sealer
    assert sealer is not None
    key_exchange, change, _ = (each.to_bytes() for each in records(flight))
    again = sealer.seal_datagram(ContentType.change_cipher_spec, b"\x01")
    with pytest.raises(UnexpectedMessage):
        pair.server.receive(key_exchange + change + again, pair.now)


def test_no_record_is_longer_than_a_record_may_be() -> None:
    message = HandshakeMessage(HandshakeType.certificate, bytes(40_000), 0)
    datagrams = Packer(65507, Numbers()).pack((message,), None)
    lengths = [len(each.fragment) for data in datagrams for each in records(data)]
    assert max(lengths) == MAX_PLAINTEXT
    assert sum(lengths) == 40_000 + 12 * len(lengths)


# -- a flight that comes twice ---------------------------------------------------------------------


@pytest.mark.parametrize("scenario", TYPICAL[1:4], ids=str)
def test_a_duplicate_in_a_flight_that_still_comes_draws_no_hello(scenario: Scenario) -> None:
    def fate(index: int, data: bytes) -> Sequence[tuple[float, bytes]]:
        # The server's flight trickles in, and the first of it comes again and again.
        if data[13] == HandshakeType.client_hello:
            return unharmed(index, data)
        if data[13] == HandshakeType.server_hello:
            return [(0.0, data), (0.3, data), (0.6, data)]
        return [(2.0, data)]

    pair = UdpPair(scenario, 64, fate)
    hello = len(pair.wire)
    pair.run(0.99)
    assert sum(from_client for when, from_client, _ in pair.wire if when < 0.99) == hello


def test_the_last_flight_is_still_sent_again_when_the_one_before_it_is() -> None:
    pair = UdpPair(PSK, fate=dropping(3))
    pair.run()
    assert pair.complete
    assert pair.server.retransmissions == 1


# -- forged messages in the clear ------------------------------------------------------------------


def forged_key_exchange() -> bytes:
    body = ClientKeyExchangePsk(b"client").encode()
    return part(HandshakeType.client_key_exchange, len(body), 1, 0, body)


def other_messages(scenario: Scenario, *, of_client: bool) -> dict[int, bytes]:
    """Genuine messages in the clear from another handshake: well-formed, and wrong in this one."""
    pair = UdpPair(scenario)
    pair.run()
    return {
        int.from_bytes(each.fragment[4:6], "big"): each.fragment
        for _, from_client, data in pair.wire
        if from_client is of_client
        for each in split_datagram(data)
        if isinstance(each, PlaintextRecord) and each.content_type == ContentType.handshake
    }


@pytest.mark.parametrize("mtu", [1152, 128])
@pytest.mark.parametrize("scenario", TYPICAL[:4], ids=str)
def test_one_forged_message_of_the_client_ends_no_handshake(scenario: Scenario, mtu: int) -> None:
    for seq, message in other_messages(scenario, of_client=True).items():
        if seq == 0:
            continue
        forged = record(ContentType.handshake, message, number=1000)
        pair = UdpPair(scenario, mtu)
        while pair.server._flight == ():
            pair.step()
        assert pair.server.receive(forged, pair.now) == []
        pair.run(60.0)
        assert pair.complete, f"message {seq}"
        assert pair.now < 4


@pytest.mark.parametrize("scenario", TYPICAL[:4], ids=str)
def test_one_forged_message_of_the_server_ends_no_handshake(scenario: Scenario) -> None:
    for seq, message in other_messages(scenario, of_client=False).items():
        forged = record(ContentType.handshake, message, number=1000)
        pair = UdpPair(scenario)
        pair.client.receive(forged, pair.now)
        pair.run(60.0)
        assert pair.complete, f"message {seq}"
        assert pair.now < 8


def test_a_forgery_after_the_genuine_message_ends_nothing_either() -> None:
    forged = record(ContentType.handshake, forged_key_exchange(), number=1000)

    def fate(index: int, data: bytes) -> Sequence[tuple[float, bytes]]:
        return [(0.0, data), (0.001, forged)]

    pair = UdpPair(PSK, 64, fate)
    pair.run(60.0)
    assert pair.complete


def test_of_rivals_no_more_than_a_few_are_looked_at() -> None:
    pair = UdpPair(PSK)
    while pair.server._flight == ():
        pair.step()
    for number in range(4 * RIVALS):
        body = ClientKeyExchangePsk(b"client" + bytes([number])).encode()
        message = part(HandshakeType.client_key_exchange, len(body), 1, 0, body)
        pair.server.receive(record(ContentType.handshake, message, number=number), pair.now)
    counted = pair.counters["messages taken back"]
    counted += pair.counters["dropped: wrong message in the clear"]
    assert counted <= RIVALS + 4 * RIVALS
    assert pair.server._incoming._rivals.seen <= RIVALS


def test_a_rival_that_the_handshake_cannot_go_on_with_changes_nothing() -> None:
    pair, flight = run_to_flight_3()
    key_exchange, change, finished = (each.to_bytes() for each in records(flight))
    assert pair.server.receive(key_exchange, pair.now) == []
    malformed = part(HandshakeType.client_key_exchange, 3, 1, 0, b"\xff\xff\xff")
    assert pair.server.receive(record(ContentType.handshake, malformed), pair.now) == []
    assert pair.server.receive(change + finished, pair.now)
    assert pair.server.established is not None


def test_a_client_that_goes_back_uses_no_number_of_a_key_twice() -> None:
    hint = part(HandshakeType.server_key_exchange, 5, 1, 0, b"\x00\x03abc")
    done = part(HandshakeType.server_hello_done, 0, 2, 0, b"")
    pair = UdpPair(PSK, fate=lambda index, data: unharmed(index, data) if index != 2 else [])
    while len(pair.wire) < 2:
        pair.step()
    hello = records(pair.wire[1][2])[0].to_bytes()
    made = pair.client.receive(hello + record(22, hint) + record(22, done), pair.now)
    assert made
    (first,) = (each for each in records(made[-1]) if isinstance(each, SealedRecord))
    pair.run(60.0)
    assert pair.complete
    later = [
        each.sequence_number
        for _, from_client, data in pair.wire
        if from_client
        for each in records(data)
        if isinstance(each, SealedRecord)
    ]
    assert first.sequence_number < later[0]
    assert later == sorted(set(later))


def test_what_is_authenticated_stays() -> None:
    pair, flight = run_to_flight_3()
    forged = record(ContentType.handshake, forged_key_exchange(), number=1000)
    finish = records(flight)
    pair.server.receive(b"".join(each.to_bytes() for each in finish), pair.now)
    assert pair.server.established is not None
    pair.server.receive(forged, pair.now + 1)
    assert pair.counters["messages taken back"] == 0


# -- the timer -------------------------------------------------------------------------------------


def wait_for_flight_4(*lost: int) -> float:
    """How long the client waits for the server's last flight, where datagrams were lost before."""
    pair = UdpPair(PSK, fate=dropping(*lost))
    while pair.client._sealer is None:
        pair.step()
    assert pair.client.deadline is not None
    return pair.client.deadline - pair.now


def test_a_wait_that_has_grown_stays_until_a_flight_gets_through_without_loss() -> None:
    """RFC 6347 section 4.2.4.1."""
    assert wait_for_flight_4() == pytest.approx(1.0)
    assert wait_for_flight_4(0) == pytest.approx(2.0)
    assert wait_for_flight_4(0, 1) == pytest.approx(4.0)


def test_engines_that_nobody_disturbs_take_nothing_back() -> None:
    for scenario in TYPICAL:
        pair = UdpPair(scenario, 64)
        pair.run()
        assert pair.complete
        assert not [name for name in pair.counters if "taken back" in name]
