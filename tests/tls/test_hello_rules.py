"""Extensions and versions in hellos, as their RFCs have them and tests of others look at them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.codepoints import ExtensionType, NamedGroup, ProtocolVersion
from handshake_over_coap.tls.extensions import (
    CertificateAuthorities,
    ECPointFormats,
    Extension,
    Extensions,
    ServerName,
)
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.messages import CertificateRequest13, ClientHello, ServerHello
from handshake_over_coap.tls.negotiation import start_client
from tests.support import hellos, hellos13, memory_pair13, parties, parties13
from tests.support.memory_pair import Point, agreed
from tests.support.parties import Scenario

PSK = Scenario(parties.PSK_CCM)
ECDHE_PSK = Scenario(parties.ECDHE_PSK_CCM, NamedGroup.secp256r1)
RAW = Scenario(parties.ECDSA_CCM, None, "rpk-p256")
BOTH = (ProtocolVersion.DTLS_1_2, ProtocolVersion.DTLS_1_3)


def answer_of(scenario: Scenario) -> ServerHello:
    point = Point.start(scenario.client(), scenario.server()).deliver()
    message = point.pending[0]
    assert isinstance(message, HandshakeMessage)
    return ServerHello.decode(message.body)


@pytest.mark.parametrize("version", [0xFDFF, 0xFDFD, 0xFEFC, 0xFE00, 0x8000])
def test_a_client_of_a_version_yet_to_come_gets_1_2(version: int) -> None:
    """RFC 5246 appendix E.1: versions of DTLS count downwards."""
    for scenario in (PSK, RAW):
        later = hellos.client_hello(lambda hello: replace(hello, version=version))
        point = Point.start(scenario.client(), scenario.server())
        (message, *_) = point.deliver(later(point.pending)).pending
        assert isinstance(message, HandshakeMessage)
        assert ServerHello.decode(message.body).version == ProtocolVersion.DTLS_1_2


def test_a_name_that_was_asked_for_is_acknowledged() -> None:
    """RFC 6066 section 3."""
    for scenario in (PSK, RAW):
        assert answer_of(scenario).extensions.get(ExtensionType.server_name) == b""
        agreed(Point.start(scenario.client(), scenario.server()).finish())
        nameless = scenario.client(server_name=None)
        point = Point.start(nameless, scenario.server()).deliver()
        message = point.pending[0]
        assert isinstance(message, HandshakeMessage)
        hello = ServerHello.decode(message.body)
        assert hello.extensions.get(ExtensionType.server_name) is None


def test_an_acknowledgement_that_says_more_is_a_decode_error() -> None:
    full = hellos.server_says(ServerName(parties.NAME))
    for scenario in (PSK, RAW):
        hellos.damaged("client", DecodeError, scenario, 2, full)


def test_a_server_of_1_3_acknowledges_it_among_its_encrypted_extensions() -> None:
    case = parties13.RPK
    point = memory_pair13.Point.start(case.client(), case.server()).deliver()
    found = [
        message.body
        for message in point.pending
        if isinstance(message, HandshakeMessage) and message.epoch == 2
    ]
    assert b"\x00\x00\x00\x00" in found[0]


def point_formats(flight: tuple[object, ...]) -> ECPointFormats | None:
    message = flight[0]
    assert isinstance(message, HandshakeMessage)
    return ClientHello.decode(message.body).extensions.find(ECPointFormats)


def test_point_formats_are_offered_where_1_2_may_use_a_curve() -> None:
    """RFC 8422 section 4: some servers refuse a hello without them."""
    for scenario in (ECDHE_PSK, RAW):
        assert point_formats(start_client(scenario.client()).flight) == ECPointFormats((0,))
        assert answer_of(scenario).extensions.find(ECPointFormats) == ECPointFormats((0,))
    assert point_formats(start_client(PSK.client()).flight) is None
    assert answer_of(PSK).extensions.find(ECPointFormats) is None
    both = parties13.RPK.client(versions=BOTH)
    assert point_formats(start_client(both).flight) == ECPointFormats((0,))
    assert point_formats(start_client(parties13.RPK.client()).flight) is None


def test_a_server_answers_point_formats_only_where_they_were_offered() -> None:
    without = hellos.client_hello(
        lambda h: replace(
            h, extensions=hellos.without(h.extensions, ExtensionType.ec_point_formats)
        )
    )
    point = Point.start(RAW.client(), RAW.server())
    message = point.deliver(without(point.pending)).pending[0]
    assert isinstance(message, HandshakeMessage)
    assert ServerHello.decode(message.body).extensions.find(ECPointFormats) is None


EMPTY = Extension(CertificateAuthorities.extension_type, b"\x00\x00")


def test_a_list_of_authorities_without_any_is_a_decode_error_in_a_hello() -> None:
    """RFC 8446 section 4.2.4: from 3 bytes up."""
    damage = hellos13.client_hello(
        lambda hello: replace(hello, extensions=Extensions((EMPTY, *hello.extensions)))
    )
    hellos13.damaged("server", DecodeError, parties13.RPK, 1, damage)


def test_a_list_of_authorities_without_any_is_a_decode_error_in_a_request() -> None:
    def with_empty(request: CertificateRequest13) -> CertificateRequest13:
        return replace(request, extensions=Extensions((EMPTY, *request.extensions)))

    damage = memory_pair13.rewrite(CertificateRequest13, with_empty)
    case = parties13.MUTUAL
    memory_pair13.refused("client", DecodeError, case.client(), case.server(), {2: damage})
