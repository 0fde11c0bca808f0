"""A stack's side of a handshake, flight by flight: what passes, what is left out, what fails."""

from __future__ import annotations

import time

import pytest
from OpenSSL import SSL

from handshake_over_coap.adapters import DtlsStack, openssl
from handshake_over_coap.adapters.conversation import (
    begin_client,
    begin_server,
)
from handshake_over_coap.adapters.framing import ToStack
from handshake_over_coap.carriers.reassembly import read_fragments
from handshake_over_coap.encodings.items import BodyItem
from handshake_over_coap.encodings.plain import read_body, write_body
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records.dtls12 import SealedRecord, split_datagram
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.records.errors import NumbersExhausted
from handshake_over_coap.tls.alerts import (
    AlertError,
    BadCertificate,
    BadRecordMac,
    HandshakeFailure,
    UnexpectedMessage,
    UnknownCa,
)
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from tests.support import classic
from tests.support.openssl_stacks import (
    ECDSA_CCM_8,
    FOREIGN,
    MUTUAL_GCM,
    OURS,
    PSK_CCM_8,
    PSK_GCM,
    Kind,
    Pair,
    pair,
)
from tests.support.parties import IDENTITY

Flight = tuple[BodyItem, ...]


def shape(flight: Flight) -> list[str]:
    """The flight in words."""
    return [
        HandshakeType(item.type).name
        if isinstance(item, HandshakeMessage)
        else "change_cipher_spec"
        if isinstance(item, ChangeCipherSpec)
        else f"sealed {ContentType(item.content_type).name}"
        if isinstance(item, SealedRecord)
        else "record of DTLS 1.3"
        for item in flight
    ]


FLIGHTS = {
    "psk": (
        ["client_hello"],
        ["server_hello", "server_hello_done"],
        ["client_key_exchange", "change_cipher_spec", "sealed handshake"],
        ["change_cipher_spec", "sealed handshake"],
    ),
    "mutual": (
        ["client_hello"],
        [
            "server_hello",
            "certificate",
            "server_key_exchange",
            "certificate_request",
            "server_hello_done",
        ],
        [
            "certificate",
            "client_key_exchange",
            "certificate_verify",
            "change_cipher_spec",
            "sealed handshake",
        ],
        ["change_cipher_spec", "sealed handshake"],
    ),
}


def complete(talk: Pair) -> Pair:
    while len(talk.flights) < 4:
        talk.next()
    talk.client.receive(talk.flights[3])
    return talk


def garbled(record: SealedRecord) -> SealedRecord:
    """The same number, and a fragment that is not what it was."""
    fragment = record.fragment[:-1] + bytes([record.fragment[-1] ^ 1])
    return SealedRecord(record.content_type, record.epoch, record.sequence_number, fragment)


def with_garbled_finished(flight: Flight) -> Flight:
    return tuple(garbled(item) if isinstance(item, SealedRecord) else item for item in flight)


@pytest.mark.parametrize(("kind", "name"), [(PSK_CCM_8, "psk"), (MUTUAL_GCM, "mutual")], ids=str)
def test_the_flights_of_openssl_are_those_of_the_standard(kind: Kind, name: str) -> None:
    talk = complete(pair(kind))
    assert [shape(flight) for flight in talk.flights] == list(FLIGHTS[name])
    for side in (talk.flights[0::2], talk.flights[1::2]):
        said = [item for flight in side for item in flight if isinstance(item, HandshakeMessage)]
        assert [message.message_seq for message in said] == list(range(len(said)))


@pytest.mark.parametrize("kind", [*OURS, *FOREIGN], ids=str)
def test_bodies_hold_the_flights_of_openssl_without_loss(kind: Kind) -> None:
    """Explicit nonces that start at random, and fragments without one, take the long form."""
    talk = complete(pair(kind))
    first_of_side = [0, 0]
    for number, flight in enumerate(talk.flights):
        side = number % 2
        body = write_body(flight)
        assert read_body(body, next_message_seq=first_of_side[side]) == flight
        first_of_side[side] += sum(isinstance(item, HandshakeMessage) for item in flight)
    (finished,) = (item for item in talk.flights[3] if isinstance(item, SealedRecord))
    short = len(write_body(talk.flights[3])) == 3 + len(finished.fragment) - 8
    assert short == ("CCM8" in kind.cipher)


def test_both_sides_export_the_same_and_know_each_other() -> None:
    talk = complete(pair(MUTUAL_GCM))
    client, server = talk.client.established, talk.server.established
    assert client is not None
    assert server is not None
    label = "EXPERIMENTAL adapters"
    assert client.connected.export(label, 40) == server.connected.export(label, 40)
    assert client.connected.auth == server.connected.auth == "x509"
    assert client.connected.peer.certificates
    assert server.connected.peer.certificates
    assert client.connected.peer != server.connected.peer


def test_what_openssl_repeats_when_its_timer_has_run_out_is_left_out() -> None:
    talk = pair(PSK_GCM)
    for _ in range(3):
        time.sleep(1.05)  # OpenSSL's timer starts at one second
        talk.next()
    assert [shape(flight) for flight in talk.flights] == list(FLIGHTS["psk"])
    time.sleep(1.05)
    assert talk.client.receive(talk.flights[3])[1] == ()
    assert talk.client.established is not None
    record = talk.client.established.sealer.seal_datagram(ContentType.application_data, b"data")
    opener = talk.server.established
    assert opener is not None
    assert opener.opener.open(SealedRecord.from_bytes(record)) == b"data"


@pytest.mark.parametrize("number", [2, 3])
def test_a_finished_that_was_garbled_does_no_harm(number: int) -> None:
    talk = pair(PSK_CCM_8)
    while len(talk.flights) <= number:
        talk.next()
    side = talk.server if number == 2 else talk.client
    for _ in range(3):
        with pytest.raises(BadRecordMac):
            side.receive(with_garbled_finished(talk.flights[number]))
        assert side.established is None
    side.receive(talk.flights[number])
    assert side.established is not None


def test_a_message_that_contradicts_what_the_stack_was_told_is_refused() -> None:
    """A forged flight 3 with another identity: neither it nor the genuine one completes."""
    talk = pair(PSK_CCM_8)
    talk.next()
    talk.next()
    exchange, *rest = talk.flights[2]
    assert isinstance(exchange, HandshakeMessage)
    body = b"\x00\x0f" + IDENTITY[::-1]
    forged = HandshakeMessage(exchange.type, body, exchange.message_seq)
    with pytest.raises(AlertError):
        talk.server.receive((forged, *rest))
    with pytest.raises(AlertError):
        talk.server.receive(talk.flights[2])
    assert talk.server.established is None


@pytest.mark.parametrize("number", range(4))
def test_a_record_of_dtls_13_does_not_reach_the_stack(number: int) -> None:
    new = CiphertextRecord(b"\x2c\x00", bytes(40))
    talk = pair(PSK_CCM_8)
    while len(talk.flights) <= number:
        talk.next()
    side = talk.client if number % 2 else talk.server
    genuine = talk.flights[number]
    for flight in ((new,), (*genuine, new), (*genuine[:-1], new)):
        with pytest.raises(UnexpectedMessage, match=r"DTLS 1\.3"):
            side.receive(flight)
    complete(talk)


def test_a_flight_is_not_believed_a_second_time_in_another_form() -> None:
    """The identity that is reported has to be the one that the stack has seen."""
    talk = pair(PSK_CCM_8)
    talk.next()
    talk.next()
    exchange, *rest = talk.flights[2]
    with pytest.raises(UnexpectedMessage, match="too early"):
        talk.server.receive((exchange,))
    assert isinstance(exchange, HandshakeMessage)
    other = HandshakeMessage(exchange.type, b"\x00\x05other", exchange.message_seq)
    with pytest.raises(UnexpectedMessage, match="told before"):
        talk.server.receive((other, *rest))
    talk.server.receive(talk.flights[2])
    assert talk.server.established is not None
    assert talk.server.established.connected.peer.psk_identity == IDENTITY


def test_nothing_reaches_a_stack_whose_handshake_is_complete() -> None:
    talk = complete(pair(PSK_CCM_8))
    for side in (talk.client, talk.server):
        with pytest.raises(UnexpectedMessage, match="complete"):
            side.receive(talk.flights[0])


def test_the_alert_of_a_server_that_shares_no_suite_is_told() -> None:
    _, flight = begin_client(PSK_GCM.client())
    server = begin_server(PSK_CCM_8.server())
    with pytest.raises(HandshakeFailure, match="no shared cipher") as caught:
        server.receive(flight)
    assert not caught.value.received
    with pytest.raises(HandshakeFailure):
        server.receive(flight)


def test_the_alert_of_a_client_that_trusts_nobody_is_told() -> None:
    made = classic.context(ECDSA_CCM_8.cipher)
    made.set_verify(SSL.VERIFY_PEER, lambda *arguments: bool(arguments[-1]))
    client, flight = begin_client(openssl.client(made))
    _, answer = begin_server(ECDSA_CCM_8.server()).receive(flight)
    with pytest.raises((UnknownCa, BadCertificate), match="certificate verify failed") as caught:
        client.receive(answer)
    assert not caught.value.received
    assert client.sealed_alert(caught.value) is None


def test_messages_that_openssl_fragments_are_joined() -> None:
    made: list[SSL.Connection] = []
    whole, small = pair(ECDSA_CCM_8), pair(ECDSA_CCM_8, prepare=made.append)
    (connection,) = made
    connection.set_ciphertext_mtu(256)
    whole.next()
    small.next()
    assert shape(small.flights[1]) == shape(whole.flights[1])
    complete(small)
    assert small.client.established is not None


def test_openssl_is_told_to_fragment_nothing() -> None:
    """A Finished in two records could not be joined by anybody else."""
    _, flight = begin_client(ECDSA_CCM_8.client())
    (hello,) = flight
    stack = ECDSA_CCM_8.server()()
    stack.start()
    for datagram in ToStack().datagrams(hello):
        stack.receive(datagram)
    for record in split_datagram(stack.take()):
        assert [part.length for part in read_fragments(record.fragment, 0)] == [
            len(record.fragment) - 12
        ]


def test_a_resumed_session_is_refused() -> None:
    """Its flights are others: the server's Finished comes first, and there is no flight 4."""
    contexts = [classic.context(PSK_CCM_8.cipher) for _ in range(2)]
    for made in contexts:
        PSK_CCM_8.keys.install(made)
        made.set_session_cache_mode(SSL.SESS_CACHE_BOTH)
    contexts[1].set_session_id(b"tests")
    connections: list[SSL.Connection] = []

    def stack(side: int) -> DtlsStack:
        connection = SSL.Connection(contexts[side], None)
        connections.append(connection)
        if side:
            connection.set_accept_state()
        else:
            connection.set_connect_state()
            if len(connections) > 2:
                session = connections[0].get_session()
                assert session is not None
                connection.set_session(session)
        return openssl.OpenSslStack(connection)

    client, flight = begin_client(lambda: stack(0))
    complete(Pair(client, begin_server(lambda: stack(1)), [flight]))
    client, flight = begin_client(lambda: stack(0))
    server = begin_server(lambda: stack(1))
    _, answer = server.receive(flight)
    assert "change_cipher_spec" in shape(answer)
    with pytest.raises(HandshakeFailure, match="resum"):
        client.receive(answer)


def test_contexts_with_cookies_are_refused() -> None:
    for make in (openssl.client, openssl.server):
        made = classic.context(PSK_CCM_8.cipher, options=SSL.OP_COOKIE_EXCHANGE or 0)
        with pytest.raises(ConfigurationError, match="OP_COOKIE_EXCHANGE"):
            make(made)


def test_openssl_sends_no_empty_datagram_and_nothing_after_its_end() -> None:
    talk = complete(pair(PSK_CCM_8))
    established = talk.client.established
    assert established is not None
    with pytest.raises(ConfigurationError, match="at least one byte"):
        established.sealer.seal_datagram(ContentType.application_data, b"")
    end = established.sealer.seal_datagram(ContentType.alert, b"\x01\x00")
    assert end[0] == ContentType.alert
    for kind, data in ((ContentType.application_data, b"x"), (ContentType.alert, b"\x01\x64")):
        with pytest.raises(NumbersExhausted):
            established.sealer.seal_datagram(kind, data)
