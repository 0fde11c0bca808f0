"""Hellos and parameters that do not fit: each draws its own alert, from the right side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import (
    DecodeError,
    HandshakeFailure,
    IllegalParameter,
    ProtocolVersion,
    UnrecognizedName,
    UnsupportedCertificate,
    UnsupportedExtension,
)
from handshake_over_coap.tls.codepoints import (
    CertificateType,
    CipherSuiteId,
    ExtensionType,
    HandshakeType,
    NamedGroup,
    SignatureScheme,
)
from handshake_over_coap.tls.credentials import Trust
from handshake_over_coap.tls.extensions import (
    ClientCertificateType,
    ECPointFormats,
    Extension,
    Extensions,
    SelectedClientCertificateType,
    SelectedServerCertificateType,
    ServerCertificateType,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersions,
)
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.groups import generate
from handshake_over_coap.tls.messages import (
    CertificateRequest,
    ClientHello,
    ClientKeyExchangeEcdhePsk,
    ServerHello,
    ServerKeyExchangeEcdhePsk,
)
from handshake_over_coap.tls.suites import SUITES
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
from tests.support.memory_pair import Damage, Point, agreed, refused, rewrite
from tests.support.parties import CLIENT_KEYS, SERVER_KEYS, Scenario

typical = pytest.mark.parametrize("scenario", parties.TYPICAL, ids=str)

PSK = Scenario(parties.PSK_CCM)
ECDHE_PSK = Scenario(parties.ECDHE_PSK_CCM, NamedGroup.secp256r1)
RAW = Scenario(parties.ECDSA_CCM, None, "rpk-p256")
MUTUAL_RAW = Scenario(parties.ECDSA_CCM, None, "rpk-p256", "rpk-ed25519")
X509 = Scenario(parties.ECDSA_CCM, None, "x509")


def test_no_suite_in_common() -> None:
    client = PSK.client(suites=(parties.PSK_CCM,))
    refused("server", HandshakeFailure, client, PSK.server(suites=(parties.PSK_GCM,)))
    refused("server", HandshakeFailure, client, RAW.server(suites=SUITES))
    refused("server", HandshakeFailure, RAW.client(), PSK.server())


def test_no_group_in_common() -> None:
    client = ECDHE_PSK.client(groups=(NamedGroup.x25519,))
    refused("server", HandshakeFailure, client, ECDHE_PSK.server())
    damaged("server", HandshakeFailure, ECDHE_PSK, 1, client_says(SupportedGroups((0xFFFF,))))


def test_a_p256_key_does_not_serve_a_client_that_leaves_the_curve_out() -> None:
    client = RAW.client(groups=(NamedGroup.x25519,))
    refused("server", HandshakeFailure, client, RAW.server())
    ed25519 = replace(RAW, server_key="rpk-ed25519")
    client = ed25519.client(groups=(NamedGroup.x25519,))
    agreed(Point.start(client, ed25519.server()).finish())


def test_no_signature_scheme_in_common() -> None:
    only = client_says(SignatureAlgorithms((SignatureScheme.ed25519,)))
    damaged("server", HandshakeFailure, RAW, 1, only)
    none = client_hello(
        lambda hello: replace(
            hello, extensions=without(hello.extensions, ExtensionType.signature_algorithms)
        )
    )
    damaged("server", HandshakeFailure, RAW, 1, none)


def test_no_uncompressed_points() -> None:
    damaged("server", HandshakeFailure, ECDHE_PSK, 1, client_says(ECPointFormats((1, 2))))
    damaged("client", IllegalParameter, ECDHE_PSK, 2, server_says(ECPointFormats((1,))))


@typical
@pytest.mark.parametrize("version", [0xFEFF, 0x0303, 0x0000, 0x0100, 0xFFFF, 0xFEFE])
def test_a_version_before_1_2_or_not_of_dtls(scenario: Scenario, version: int) -> None:
    old = client_hello(lambda hello: replace(hello, version=version))
    damaged("server", ProtocolVersion, scenario, 1, old)
    other = server_hello(lambda hello: replace(hello, version=version))
    damaged("client", ProtocolVersion, scenario, 2, other)


def test_the_version_field_does_not_count_beside_the_extension() -> None:
    """RFC 8446 section 4.2.1."""

    def saying(field: int, *versions: int) -> Damage:
        listed = SupportedVersions(versions)
        return client_hello(
            lambda h: replace(h, version=field, extensions=with_typed(h.extensions, listed))
        )

    point = Point.start(PSK.client(), PSK.server())
    answer, *_ = point.deliver(saying(0xFEFF, 0xFEFD)(point.pending)).pending
    assert isinstance(answer, HandshakeMessage)
    assert ServerHello.decode(answer.body).version == 0xFEFD
    damaged("server", ProtocolVersion, PSK, 1, saying(0xFEFD, 0xFEFF, 0xFEFC))


def test_a_client_of_a_later_version_gets_1_2() -> None:
    later = client_hello(lambda hello: replace(hello, version=0xFEFC))
    point = Point.start(PSK.client(), PSK.server())
    answer = point.deliver(later(point.pending)).pending[0]
    assert isinstance(answer, HandshakeMessage)
    assert ServerHello.decode(answer.body).version == 0xFEFD
    damaged("client", ProtocolVersion, PSK, 2, server_hello(lambda h: replace(h, version=0xFEFC)))


def test_null_compression_has_to_be_offered_and_is_the_only_choice() -> None:
    other = client_hello(lambda hello: replace(hello, compression_methods=b"\x01"))
    damaged("server", IllegalParameter, PSK, 1, other)
    chosen = server_hello(lambda hello: replace(hello, compression_method=1))
    damaged("client", IllegalParameter, PSK, 2, chosen)


@typical
def test_an_extension_that_was_not_offered(scenario: Scenario) -> None:
    for number in (0xABCD, ExtensionType.connection_id, ExtensionType.record_size_limit):
        added = server_hello(
            lambda hello, number=number: replace(  # type: ignore[misc]
                hello, extensions=Extensions((*hello.extensions, Extension(number, b"\x00")))
            )
        )
        damaged("client", UnsupportedExtension, scenario, 2, added)


@typical
def test_a_malformed_extension_is_a_decode_error(scenario: Scenario) -> None:
    longer = Extension(ExtensionType.extended_master_secret, b"\x00")

    def spoil(extensions: Extensions) -> Extensions:
        return Extensions((*without(extensions, ExtensionType.extended_master_secret), longer))

    said = client_hello(lambda hello: replace(hello, extensions=spoil(hello.extensions)))
    damaged("server", DecodeError, scenario, 1, said)
    answered = server_hello(lambda hello: replace(hello, extensions=spoil(hello.extensions)))
    damaged("client", DecodeError, scenario, 2, answered)


@typical
def test_a_suite_that_was_not_offered(scenario: Scenario) -> None:
    offered = {suite.id for suite in scenario.client().usable_suites}
    foreign = [suite.id for suite in SUITES if suite.id not in offered]
    for number in (*foreign, 0x0000, 0xFFFF, CipherSuiteId.TLS_EMPTY_RENEGOTIATION_INFO_SCSV):
        chosen = server_hello(lambda hello, n=number: replace(hello, cipher_suite=n))  # type: ignore[misc]
        damaged("client", IllegalParameter, scenario, 2, chosen)


@pytest.mark.parametrize("group", [NamedGroup.x25519, 24, 0xFFFF])
def test_a_group_that_was_not_offered(group: int) -> None:
    client = ECDHE_PSK.client(groups=(NamedGroup.secp256r1,))
    public = generate(NamedGroup.x25519, parties.seeded(1)).public
    chosen = rewrite(
        ServerKeyExchangeEcdhePsk,
        lambda message: replace(message, named_curve=int(group), public=public),
    )
    refused("client", IllegalParameter, client, ECDHE_PSK.server(), {2: chosen})


@pytest.mark.parametrize("group", [NamedGroup.secp256r1, NamedGroup.x25519])
@pytest.mark.parametrize("public", [b"\x00", b"\x04" + bytes(64), bytes(32), b"\x01" + bytes(31)])
def test_a_public_value_that_is_not_of_the_group(group: NamedGroup, public: bytes) -> None:
    scenario = replace(ECDHE_PSK, group=group)
    of_server = rewrite(ServerKeyExchangeEcdhePsk, lambda m: replace(m, public=public))
    damaged("client", IllegalParameter, scenario, 2, of_server)
    of_client = rewrite(ClientKeyExchangeEcdhePsk, lambda m: replace(m, public=public))
    damaged("server", IllegalParameter, scenario, 3, of_client)


class TestCertificateTypes:
    def test_none_in_common_for_the_servers_key(self) -> None:
        refused("server", UnsupportedCertificate, X509.client(), RAW.server())
        refused("server", UnsupportedCertificate, RAW.client(), X509.server())
        strange = client_says(ServerCertificateType((200,)))
        damaged("server", UnsupportedCertificate, RAW, 1, strange)

    def test_none_in_common_for_the_clients_key(self) -> None:
        unable = MUTUAL_RAW.client(credential=None)
        refused("server", UnsupportedCertificate, unable, MUTUAL_RAW.server())
        unable = MUTUAL_RAW.client(credential=CLIENT_KEYS["x509"])
        refused("server", UnsupportedCertificate, unable, MUTUAL_RAW.server())
        strange = client_says(ClientCertificateType((200,)))
        damaged("server", UnsupportedCertificate, MUTUAL_RAW, 1, strange)

    @pytest.mark.parametrize("chosen", [0, 1, 3, 255])
    def test_one_that_was_not_offered(self, chosen: int) -> None:
        other = server_says(SelectedServerCertificateType(chosen))
        damaged("client", UnsupportedCertificate, RAW, 2, other)
        other = server_says(SelectedClientCertificateType(chosen))
        damaged("client", IllegalParameter, MUTUAL_RAW, 2, other)

    def test_x509_where_only_raw_keys_are_welcome_and_nothing_is_said(self) -> None:
        silent = server_hello(
            lambda hello: replace(
                hello,
                extensions=without(hello.extensions, ExtensionType.server_certificate_type),
            )
        )
        damaged("client", UnsupportedCertificate, RAW, 2, silent)

    def test_a_selection_where_nothing_was_offered(self) -> None:
        both = SelectedServerCertificateType(0), SelectedClientCertificateType(0)
        for extension in both:
            damaged("client", UnsupportedExtension, X509, 2, server_says(extension))
            damaged("client", UnsupportedExtension, PSK, 2, server_says(extension))

    def test_a_client_keeps_a_key_that_the_request_does_not_take(self) -> None:
        for change in (
            rewrite(CertificateRequest, lambda m: replace(m, certificate_types=(1,))),
            rewrite(CertificateRequest, lambda m: replace(m, signature_algorithms=(0x0401,))),
        ):
            scenario = Scenario(parties.ECDSA_CCM, None, "x509", "x509")
            point = Point.start(scenario.client(), scenario.server()).until(2)
            answer = point.deliver(change(point.pending)).pending[0]
            assert isinstance(answer, HandshakeMessage)
            assert (answer.type, answer.body) == (HandshakeType.certificate, bytes(3))
            damaged("server", HandshakeFailure, scenario, 2, change)

    def test_a_raw_key_is_not_shown_to_a_server_that_does_not_answer_its_extension(self) -> None:
        silent = server_hello(
            lambda hello: replace(
                hello,
                extensions=without(hello.extensions, ExtensionType.client_certificate_type),
            )
        )
        point = Point.start(MUTUAL_RAW.client(), MUTUAL_RAW.server()).until(2)
        answer = point.deliver(silent(point.pending)).pending
        assert isinstance(answer[0], HandshakeMessage)
        assert (answer[0].type, answer[0].body) == (HandshakeType.certificate, bytes(3))
        agreed(point.finish())

    def test_a_raw_key_is_not_shown_to_a_server_that_knows_x509_only(self) -> None:
        anybody = Trust(parties.ROOT.certificate, insecure=True)
        scenario = Scenario(parties.ECDSA_CCM, None, "x509", "rpk-p256")
        client = scenario.client(trust=anybody, server_certificate_types=(CertificateType.X509,))
        server = scenario.server(trust=Trust(parties.ROOT.certificate))
        refused("server", UnsupportedCertificate, client, server)


def test_a_server_name_that_the_server_does_not_go_by() -> None:
    server = PSK.server(server_names=("other.example",))
    refused("server", UnrecognizedName, PSK.client(), server)
    server = PSK.server(server_names=("other.example", parties.NAME.upper()))
    agreed(Point.start(PSK.client(), server).finish())
    agreed(Point.start(PSK.client(server_name=None), server).finish())


def test_an_address_is_never_sent_as_a_server_name() -> None:
    point = Point.start(PSK.client(server_name="192.0.2.1"), PSK.server())
    hello = point.pending[0]
    assert isinstance(hello, HandshakeMessage)
    assert ExtensionType.server_name not in ClientHello.decode(hello.body).extensions
    assert agreed(point.finish())[1].connected.server_name is None


def test_a_configuration_that_cannot_work_is_refused_at_once() -> None:
    for make in (
        lambda: PSK.client(psk=None),
        lambda: PSK.server(psk=None),
        lambda: RAW.client(trust=Trust()),
        lambda: RAW.server(credentials=()),
        lambda: RAW.client(groups=()),
        lambda: RAW.server(groups=()),
        lambda: PSK.client(suites=()),
        lambda: RAW.server(request_client_certificate=True),
        lambda: RAW.server(request_client_certificate=True, trust=Trust()),
    ):
        with pytest.raises(ConfigurationError):
            make()


def test_server_keys_are_kept_apart_by_the_signature_scheme() -> None:
    both = RAW.server(credentials=(SERVER_KEYS["rpk-p256"], SERVER_KEYS["rpk-ed25519"]))
    client = replace(RAW, server_key="rpk-ed25519").client()

    def only_ed25519(hello: ClientHello) -> ClientHello:
        extension = SignatureAlgorithms((SignatureScheme.ed25519,))
        return replace(hello, extensions=with_typed(hello.extensions, extension))

    peer = agreed(saying(client, both, only_ed25519).finish())[0].connected.peer
    assert peer.raw_public_key == SERVER_KEYS["rpk-ed25519"].spki  # type: ignore[union-attr]
