"""Protections that hellos carry: the extended master secret, renegotiation_info, the cookie."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import (
    BadRecordMac,
    DecryptError,
    HandshakeFailure,
)
from handshake_over_coap.tls.codepoints import (
    CipherSuiteId,
    ExtensionType,
    HandshakeType,
)
from handshake_over_coap.tls.extensions import (
    ExtendedMasterSecret,
    RenegotiationInfo,
)
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.messages import (
    ClientHello,
    HelloVerifyRequest,
    ServerHello,
)
from tests.support import parties
from tests.support.hellos import (
    client_hello,
    client_says,
    damaged,
    saying,
    server_hello,
    server_says,
    with_typed,
    without,
)
from tests.support.memory_pair import Point, agreed, position, refused
from tests.support.parties import Scenario

typical = pytest.mark.parametrize("scenario", parties.TYPICAL, ids=str)

PSK = Scenario(parties.PSK_CCM)


def stripped(hello: ClientHello) -> ClientHello:
    kept = without(hello.extensions, ExtensionType.extended_master_secret)
    return replace(hello, extensions=kept)


STRIP_CLIENT = client_hello(stripped)
STRIP_SERVER = server_hello(
    lambda hello: replace(
        hello, extensions=without(hello.extensions, ExtensionType.extended_master_secret)
    )
)


@typical
def test_extended_master_secret_is_required_by_default(scenario: Scenario) -> None:
    damaged("server", HandshakeFailure, scenario, 1, STRIP_CLIENT)
    damaged("client", HandshakeFailure, scenario, 2, STRIP_SERVER)


@typical
def test_extended_master_secret_cannot_be_stripped_where_it_is_optional(
    scenario: Scenario,
) -> None:
    client = scenario.client(require_extended_master_secret=False)
    server = scenario.server(require_extended_master_secret=False)
    refused("server", DecryptError, client, server, {1: STRIP_CLIENT})
    # With EMS on one side only the keys differ; a CertificateVerify comes before they are used.
    alert = BadRecordMac if scenario.client_key is None else DecryptError
    refused("server", alert, client, server, {2: STRIP_SERVER})


@typical
def test_extended_master_secret_is_left_out_where_neither_side_insists(scenario: Scenario) -> None:
    client = scenario.client(require_extended_master_secret=False)
    server = scenario.server(require_extended_master_secret=False)
    ours, theirs = agreed(saying(client, server, stripped).finish())
    assert not ours.connected.extended_master_secret
    for side in (ours, theirs):
        with pytest.raises(ConfigurationError, match="extended master secret"):
            side.connected.export("EXPORTER-x", 16)


@typical
def test_a_server_that_insists_refuses_a_client_without(scenario: Scenario) -> None:
    client = scenario.client(require_extended_master_secret=False)
    with pytest.raises(HandshakeFailure):
        saying(client, scenario.server(), stripped).finish()


@typical
def test_extended_master_secret_is_used_where_both_can(scenario: Scenario) -> None:
    client = scenario.client(require_extended_master_secret=False)
    server = scenario.server(require_extended_master_secret=False)
    ours, _ = agreed(Point.start(client, server).finish())
    assert ours.connected.extended_master_secret


def test_extended_master_secret_is_among_what_is_offered() -> None:
    for scenario in parties.TYPICAL:
        (hello,) = Point.start(scenario.client(), scenario.server()).pending
        assert isinstance(hello, HandshakeMessage)
        assert ClientHello.decode(hello.body).extensions.find(ExtendedMasterSecret) is not None


def test_renegotiation_info_that_is_not_empty() -> None:
    for data in (b"\x00", b"0123456789ab"):
        damaged("server", HandshakeFailure, PSK, 1, client_says(RenegotiationInfo(data)))
        damaged("client", HandshakeFailure, PSK, 2, server_says(RenegotiationInfo(data)))


def test_renegotiation_info_is_answered_to_the_suite_and_to_the_extension() -> None:
    server = PSK.server()
    scsv = CipherSuiteId.TLS_EMPTY_RENEGOTIATION_INFO_SCSV

    def plain(hello: ClientHello) -> ClientHello:
        return replace(hello, cipher_suites=tuple(s for s in hello.cipher_suites if s != scsv))

    def extended(hello: ClientHello) -> ClientHello:
        return replace(plain(hello), extensions=with_typed(hello.extensions, RenegotiationInfo()))

    for change, answered in ((lambda hello: hello, True), (extended, True), (plain, False)):
        point = saying(PSK.client(), server, change).deliver()
        answer = point.pending[position(point.pending, HandshakeType.server_hello)]
        assert isinstance(answer, HandshakeMessage)
        extensions = ServerHello.decode(answer.body).extensions
        assert (RenegotiationInfo.extension_type in extensions) is answered
        agreed(point.finish())


def verify_request(cookie: bytes, seq: int) -> HandshakeMessage:
    body = HelloVerifyRequest(0xFEFF, cookie).encode()
    return HandshakeMessage(HandshakeType.hello_verify_request, body, seq)


@typical
def test_a_cookie_comes_back_in_an_otherwise_equal_hello(scenario: Scenario) -> None:
    point = Point.start(scenario.client(), scenario.server())
    (first,) = point.pending
    assert isinstance(first, HandshakeMessage)
    client, (second,) = point.client.receive([verify_request(b"a cookie", 0)])
    assert isinstance(second, HandshakeMessage)
    assert second.message_seq == 1
    hello = ClientHello.decode(second.body)
    assert hello == replace(ClientHello.decode(first.body), cookie=b"a cookie")
    # The server has kept nothing; its carrier tells it where the numbers go on.
    server = point.server._replace(next_message_seq=1)
    after = Point(client, server, ((second,),)).finish()
    ours, _ = agreed(after)
    assert ours.connected.transcript.startswith(second.dtls_bytes())


def test_a_server_that_never_stops_asking_for_a_cookie() -> None:
    client = Point.start(PSK.client(), PSK.server()).client
    for seq in range(4):
        client, answer = client.receive([verify_request(bytes([seq]), seq)])
        assert len(answer) == 1
    with pytest.raises(HandshakeFailure, match="cookie"):
        client.receive([verify_request(b"again", 4)])
