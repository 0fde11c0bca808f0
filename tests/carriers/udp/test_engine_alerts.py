"""Alerts of the classic handshake, at every state: can a standard peer read them, and what of his.

Our own client reads more than it has to, which hides what others cannot read.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from OpenSSL import SSL

from handshake_over_coap.carriers.udp.engine import Engine
from handshake_over_coap.carriers.udp.engine13 import Engine13
from handshake_over_coap.carriers.udp.parameters import UdpParameters
from handshake_over_coap.net.layers import Layer13
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls12 import PlaintextRecord, SealedRecord
from handshake_over_coap.records.dtls13 import CiphertextRecord, RecordNumber, split13
from handshake_over_coap.records.opener13 import Opened, Opener13
from handshake_over_coap.records.sealer13 import Sealer13
from handshake_over_coap.timers import Rfc9147, Timer, undrawn
from handshake_over_coap.tls.alerts import (
    Alert,
    AlertError,
    CloseNotify,
    DecryptError,
    IllegalParameter,
    UnexpectedMessage,
    UserCanceled,
)
from handshake_over_coap.tls.codepoints import (
    AlertLevel,
    ContentType,
    HandshakeType,
    NamedGroup,
)
from handshake_over_coap.tls.dtls12 import start_server
from handshake_over_coap.tls.flight import HandshakeMessage, Item
from handshake_over_coap.tls.handshake import State, Step
from handshake_over_coap.tls.keys import TrafficKeys
from tests.carriers.udp.test_engine12_rules import PSK, records, run_to_flight_3
from tests.carriers.udp.test_engine13_hostile import (
    LATEST,
    clear,
    engine_of,
    message,
    waiting_server,
)
from tests.carriers.udp.test_udp_engine_hostile import part, record
from tests.support import classic
from tests.support.openssl_stacks import bare
from tests.support.parties import ECDSA_GCM, ROOT, Scenario, seeded
from tests.support.udp_pair import UdpPair, unharmed
from tests.support.udp_pair13 import PSK_DHE, RPK, Case, Pair13

FATAL = DecryptError().alert.encode()
GOODBYE = CloseNotify().alert.encode()


def keys_of(case: Case) -> tuple[tuple[TrafficKeys, ...], tuple[TrafficKeys, ...]]:
    """The keys of epochs 2 and 3 that a server reads with, and a client; runs have the same."""
    reference = Pair13(case)
    reference.run(LATEST)
    return reference.read_keys


def heard(datagram: bytes, *keys: TrafficKeys) -> list[tuple[int, Alert]]:
    """Epoch and content of the alerts that a reader with ``keys`` finds, in order."""
    found = []
    for each in keys:
        opener = Opener13()
        opener.add(each)
        found += [
            (opened.epoch, Alert.decode(opened.plaintext))
            for opened in opener.open_all(datagram)
            if isinstance(opened, Opened) and opened.content_type == ContentType.alert
        ]
    return found


# -- a server of 1.3 whose client may lack Finished ------------------------------------------------


@pytest.mark.parametrize("case", [PSK_DHE, RPK], ids=str)
@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        (ContentType.ack, Ack.of([RecordNumber(3, 0)]).encode(), IllegalParameter),
        (ContentType.handshake, b"", UnexpectedMessage),
    ],
)
def test_a_client_that_has_no_more_than_the_serverhello_reads_the_servers_alert(
    case: Case, kind: int, content: bytes, expected: type[AlertError]
) -> None:
    """It has the keys of the session only after the server's Finished (RFC 8446 appendix A.1)."""
    to_server, to_client = keys_of(case)
    pair, server = waiting_server(case)
    with pytest.raises(expected) as caught:
        server.receive(Sealer13(to_server[0]).seal_datagram(kind, content), pair.now)
    datagram = server.alert(caught.value)
    assert heard(datagram, to_client[0]) == [(2, caught.value.alert)]
    # One that has Finished may have forgotten those of the handshake.
    assert heard(datagram, to_client[1]) == [(3, caught.value.alert)]


def test_to_a_client_that_has_answered_the_alert_is_said_once() -> None:
    to_server, to_client = keys_of(RPK)
    pair, server = waiting_server(RPK)
    empty = message(HandshakeType.certificate, b"\0\0\0\0", 1)
    with pytest.raises(AlertError) as caught:
        server.receive(Sealer13(to_server[0]).seal_datagram(ContentType.handshake, empty), pair.now)
    datagram = server.alert(caught.value)
    assert len(list(split13(datagram))) == 1
    assert heard(datagram, to_client[1]) == [(3, caught.value.alert)]


def test_before_the_serverhello_and_at_the_client_there_is_one_way_to_say_it() -> None:
    pair = Pair13(RPK)
    client = engine_of(pair, client=True)
    assert client.alert(DecryptError())[0] == ContentType.alert  # no keys yet
    pair = Pair13(RPK, mtu=256)
    client = engine_of(pair, client=True)
    while pair.now < 0.1 or client.established is not None:
        pair.step()
    (only,) = split13(client.alert(DecryptError()))
    assert isinstance(only, CiphertextRecord)
    assert only.epoch_bits == 2


def test_a_client_that_has_gone_back_to_the_clear_seals_nothing_under_keys_that_were_none() -> None:
    other = Pair13(RPK, server={"rng": seeded("another")})
    other.run(LATEST)
    forged = next(iter(split13(other.sent(False)[0])))
    retrying = Pair13(RPK, server={"rng": seeded("a third")}, cookie=True)
    retrying.run(LATEST)
    retry = next(iter(split13(retrying.sent(False)[0])))
    pair = Pair13(RPK)
    client = engine_of(pair, client=True)
    client.receive(forged.to_bytes(), 0.01)
    (sealed,) = split13(client.alert(DecryptError()))
    assert isinstance(sealed, CiphertextRecord)
    client.receive(retry.to_bytes(), 0.02)
    assert pair.counters["messages taken back"] == 1
    (alert,) = split13(client.alert(DecryptError()))
    assert isinstance(alert, PlaintextRecord)


def test_a_session_whose_finished_may_be_lost_gives_up_in_words_that_its_server_can_read() -> None:
    pair = Pair13(RPK, fate=lambda index, data: unharmed(index, data) if index < 2 else [])
    while pair.client.established is None:
        pair.step()
    to_server, _ = keys_of(RPK)
    layer = Layer13(
        pair.client.end, mtu=1152, timer=undrawn_timer(), counters=Counter(), now=pair.now
    )
    assert [epoch for epoch, _ in heard(layer.seal(ContentType.alert, FATAL), *to_server)] == [2, 3]
    # Goodbye may come before what was said, and data is for the session alone.
    assert [epoch for epoch, _ in heard(layer.seal(ContentType.alert, GOODBYE), *to_server)] == [3]
    pair.fate = unharmed
    pair.run(5.0)
    assert pair.complete
    assert [epoch for epoch, _ in heard(layer.seal(ContentType.alert, FATAL), *to_server)] == [3]


def undrawn_timer() -> Timer:
    return Rfc9147().start(undrawn)


# -- what a peer says ------------------------------------------------------------------------------


def server_and_epoch_3() -> tuple[Pair13, Engine13, Sealer13]:
    """A server that waits for Finished, and what its client seals with after that."""
    to_server, _ = keys_of(PSK_DHE)
    pair, server = waiting_server(PSK_DHE)
    return pair, server, Sealer13(to_server[1])


def test_a_client_that_gives_up_after_its_lost_finished_is_heard_at_once() -> None:
    pair, server, sealer = server_and_epoch_3()
    with pytest.raises(DecryptError) as caught:
        server.receive(sealer.seal_datagram(ContentType.alert, FATAL), pair.now)
    assert caught.value.received
    assert caught.value.authenticated


@pytest.mark.parametrize("said", [GOODBYE, UserCanceled().alert.encode()])
def test_goodbye_that_overtakes_finished_waits_for_what_was_said_before(said: bytes) -> None:
    pair, server, sealer = server_and_epoch_3()
    server.receive(sealer.seal_datagram(ContentType.alert, said), pair.now)
    assert [each.plaintext for each in server._incoming.early] == [said]


@pytest.mark.parametrize("description", [90, 100, 112])  # user_canceled, no_renegotiation, a name
def test_a_sealed_warning_ends_no_handshake_of_1_2(description: int) -> None:
    """RFC 5246 section 7.2.2: the connection can go on."""
    pair, flight = run_to_flight_3()
    sealer = pair.client._sealer
    assert sealer is not None
    warning = bytes((AlertLevel.warning, description))
    key_exchange = records(flight)[0].to_bytes()
    sealed = sealer.seal_datagram(ContentType.alert, warning)
    assert pair.server.receive(key_exchange + sealed, pair.now) == []
    assert pair.counters["warning alerts"] == 1
    pair.run()
    assert pair.complete


@pytest.mark.parametrize("level", [AlertLevel.fatal, 0, 255])
def test_whatever_is_sealed_and_no_warning_ends_a_handshake_of_1_2(level: int) -> None:
    pair, flight = run_to_flight_3()
    sealer = pair.client._sealer
    assert sealer is not None
    sealed = sealer.seal_datagram(ContentType.alert, bytes((level, 51)))
    with pytest.raises(DecryptError):
        pair.server.receive(records(flight)[0].to_bytes() + sealed, pair.now)


def test_a_server_that_says_goodbye_in_the_clear_is_not_waited_for() -> None:
    """RFC 5246 section 7.2.1: either side may close at any time; anybody may say so here."""
    pair = Pair13(PSK_DHE, fate=lambda index, data: [])
    client = engine_of(pair, client=True)
    for now in (0.01, 1.1):
        client.receive(clear(ContentType.alert, GOODBYE), now)
        if now < 1:
            client.on_timer(1.0)
    with pytest.raises(CloseNotify):
        client.on_timer(2.0)
    only_1_2 = UdpPair(PSK)
    only_1_2._events.clear()
    with pytest.raises(CloseNotify):
        for _ in range(4):
            only_1_2.client.receive(record(ContentType.alert, GOODBYE), only_1_2.now)
            assert only_1_2.client.deadline is not None
            only_1_2.now = only_1_2.client.deadline
            only_1_2.client.on_timer(only_1_2.now)


# -- what came sealed counts more than what came in the clear --------------------------------------


@pytest.mark.parametrize("first", [True, False])
def test_a_finished_in_the_clear_is_in_the_way_of_no_sealed_one(first: bool) -> None:
    pair, flight = run_to_flight_3()
    cut = part(HandshakeType.finished, 12, 2, 0, b"forged")
    forged = record(ContentType.handshake, cut, number=1000)
    key_exchange, change, finished = (each.to_bytes() for each in records(flight))
    pair.server.receive(key_exchange, pair.now)
    if first:
        pair.server.receive(forged, pair.now)
    pair.server.receive(finished, pair.now)
    if not first:
        pair.server.receive(forged, pair.now)
        assert pair.server.deadline is not None
        pair.server.on_timer(pair.server.deadline)  # forgets what was contradicted
    assert pair.server.receive(change, pair.now)
    assert pair.server.established is not None


# -- behind Finished of 1.2 ------------------------------------------------------------------------


def behind_finished(pair: UdpPair, flight: bytes, *, kind: int, client: bool) -> bytes:
    """A last flight, and one more message under the keys behind it."""
    sealer = (pair.client if client else pair.server)._sealer
    assert sealer is not None
    message = part(kind, 4, 3, 0, bytes(4))
    if kind == HandshakeType.hello_request:
        message = part(kind, 0, 3, 0, b"")
    return flight + sealer.seal_datagram(ContentType.handshake, message)


@pytest.mark.parametrize("kind", [HandshakeType.certificate_verify, HandshakeType.client_hello, 99])
def test_what_stands_behind_the_clients_finished_draws_an_alert_that_it_can_read(kind: int) -> None:
    """The server has not said ChangeCipherSpec yet, and does not say it any more."""
    pair, flight = run_to_flight_3()
    data = behind_finished(pair, flight, kind=kind, client=True)
    with pytest.raises(UnexpectedMessage) as caught:
        pair.server.receive(data, pair.now)
    (alert,) = records(pair.server.alert(caught.value))
    assert isinstance(alert, PlaintextRecord)
    assert Alert.decode(alert.fragment) == Alert(AlertLevel.fatal, 10)
    assert pair.server.established is None


@pytest.mark.parametrize("kind", [HandshakeType.certificate_verify, HandshakeType.client_hello, 99])
def test_what_stands_behind_the_servers_finished_is_unexpected_too(kind: int) -> None:
    pair, flight = run_to_flight_3()
    last = b"".join(pair.server.receive(flight, pair.now))
    with pytest.raises(UnexpectedMessage) as caught:
        pair.client.receive(behind_finished(pair, last, kind=kind, client=False), pair.now)
    (alert,) = records(pair.client.alert(caught.value))
    assert isinstance(alert, SealedRecord)


def test_a_request_for_another_handshake_behind_finished_is_passed_over() -> None:
    """RFC 5246 section 7.4.1.1: a client may ignore it."""
    pair, flight = run_to_flight_3()
    last = b"".join(pair.server.receive(flight, pair.now))
    asked = behind_finished(pair, last, kind=HandshakeType.hello_request, client=False)
    assert pair.client.receive(asked, pair.now) == []
    assert pair.complete


# -- what another stack reads ----------------------------------------------------------------------


class Refusing:
    """A state that finds fault with the message of one type, and with no other."""

    def __init__(self, state: State, kind: int) -> None:
        self._state, self._kind = state, kind

    def handle(self, item: Item) -> Step:
        if isinstance(item, HandshakeMessage) and item.type == self._kind:
            raise DecryptError("a test says so")
        step = self._state.handle(item)
        return step._replace(state=Refusing(step.state, self._kind))


@pytest.mark.parametrize("kind", [HandshakeType.certificate_verify, HandshakeType.finished])
def test_openssl_reads_our_servers_alert_though_it_has_said_change_cipher_spec(kind: int) -> None:
    """RFC 5246 section 7.1: what it reads is in the clear until it has had ours."""
    scenario = Scenario(ECDSA_GCM, NamedGroup.secp256r1, "x509", "x509")
    context, issued = bare("ECDHE-ECDSA-AES128-GCM-SHA256"), ROOT.issue(subject="a client")
    classic.demand(context, ROOT.certificate)
    key: Any = issued.private_key
    classic.present(context, issued.chain, key)
    theirs = SSL.Connection(context, None)
    theirs.set_connect_state()
    theirs.set_ciphertext_mtu(1200)
    state = Refusing(start_server(scenario.server()), kind)
    server = Engine(state, UdpParameters(), Counter())
    refused: AlertError | None = None
    while refused is None:
        with pytest.raises(SSL.WantReadError):
            theirs.do_handshake()
        for each in records(theirs.bio_read(1 << 16)):
            try:
                for datagram in server.receive(each.to_bytes(), 0.0):
                    theirs.bio_write(datagram)
            except DecryptError as error:
                refused = error
        if server.reason is not None:
            refused = server.reason  # a message in the clear: said at a timer, and no sooner
    theirs.bio_write(server.alert(refused))
    with pytest.raises(SSL.Error, match="alert decrypt error"):
        theirs.do_handshake()
