"""Certificates, signatures and the order of messages of DTLS 1.3, with exact alerts."""

from __future__ import annotations

import pytest

from handshake_over_coap.tls.alerts import (
    CertificateRequired,
    CertificateUnknown,
    DecodeError,
    DecryptError,
    HandshakeFailure,
    IllegalParameter,
    MissingExtension,
    UnexpectedMessage,
    UnsupportedCertificate,
    UnsupportedExtension,
)
from handshake_over_coap.tls.codepoints import ExtensionType, HandshakeType, SignatureScheme
from handshake_over_coap.tls.dtls13.client_flight import ExpectCertificate
from handshake_over_coap.tls.extensions import (
    CertificateAuthorities,
    ConnectionId,
    Extension,
    Extensions,
    KeyShareEntry,
    SelectedKeyShare,
    SelectedPsk,
    SelectedVersion,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    TypedExtension,
)
from handshake_over_coap.tls.messages import (
    Certificate13,
    CertificateEntry,
    CertificateRequest13,
    CertificateVerify,
    ClientHello,
)
from tests.support import memory_pair13, parties
from tests.support.hellos13 import damaged, requested
from tests.support.memory_pair13 import (
    Damage,
    Point,
    drop,
    message,
    refused,
    rewrite,
    set_fields,
)
from tests.support.parties import CLIENT_KEYS
from tests.support.parties13 import CCM, ECDHE_PSK, MUTUAL, P256, RPK, X509, Scenario13


def test_a_server_that_shows_nothing_or_somebody_else() -> None:
    damaged("client", DecodeError, RPK, 2, set_fields(Certificate13, entries=()))
    other = RPK.server(credentials=(CLIENT_KEYS["rpk-p256"],))
    refused("client", CertificateUnknown, RPK.client(), other)


def test_signatures_of_other_kinds_than_those_of_the_pinned_keys_are_not_asked_for() -> None:
    both = (SignatureScheme.ecdsa_secp256r1_sha256, SignatureScheme.ed25519)
    for client_key, asked in (("rpk-p256", both[:1]), ("rpk-ed25519", both[1:]), ("x509", both)):
        scenario = Scenario13(CCM, P256, "rpk-ed25519", client_key)
        point = Point.start(scenario.client(), scenario.server()).until(2)
        hello = ClientHello.decode(message(point.flights[0], HandshakeType.client_hello).body)
        assert hello.extensions.find(SignatureAlgorithms) == SignatureAlgorithms(both[1:])
        kind = HandshakeType.certificate_request
        request = CertificateRequest13.decode(message(point.pending, kind).body)
        assert request.extensions.find(SignatureAlgorithms) == SignatureAlgorithms(asked)
        assert point.finish().complete
    other = Scenario13(CCM, P256, "rpk-ed25519").server()
    refused("server", HandshakeFailure, RPK.client(), other)
    mutual = Scenario13(CCM, P256, "rpk-p256", "rpk-p256")
    stranger = mutual.client(credential=CLIENT_KEYS["rpk-ed25519"])
    refused("server", CertificateRequired, stranger, mutual.server())


def test_certificates_with_a_context_or_extensions() -> None:
    damaged("client", IllegalParameter, RPK, 2, set_fields(Certificate13, context=b"c"))
    damaged("server", IllegalParameter, MUTUAL, 3, set_fields(Certificate13, context=b"c"))
    status = Extensions((Extension(ExtensionType.status_request, b""),))

    def change(message: Certificate13) -> Certificate13:
        return Certificate13(tuple(CertificateEntry(e.data, status) for e in message.entries))

    damaged("client", UnsupportedExtension, RPK, 2, rewrite(Certificate13, change))
    damaged("server", UnsupportedExtension, MUTUAL, 3, rewrite(Certificate13, change))


def test_two_raw_public_keys() -> None:
    def twice(message: Certificate13) -> Certificate13:
        return Certificate13(message.entries * 2)

    damaged("client", IllegalParameter, RPK, 2, rewrite(Certificate13, twice))
    damaged("server", IllegalParameter, MUTUAL, 3, rewrite(Certificate13, twice))


@pytest.mark.parametrize("scenario", [MUTUAL, X509], ids=str)
def test_a_client_without_a_key_says_so_and_is_refused(scenario: Scenario13) -> None:
    client = scenario.client(credential=None)
    # A client that cannot show the form that is asked for does not even get that far.
    alert = CertificateRequired if scenario is X509 else UnsupportedCertificate
    refused("server", alert, client, scenario.server())


def test_a_client_whose_scheme_is_not_asked_for_shows_nothing() -> None:
    schemes = Extensions.of(SignatureAlgorithms((SignatureScheme.ed448,)))
    point = Point.start(X509.client(), X509.server()).until(2)
    # The changed request is not in the server's transcript, so its Finished does not fit either.
    with pytest.raises(DecryptError):
        point.deliver(requested(schemes)(point.pending))


@pytest.mark.parametrize(
    "misplaced",
    [
        SelectedKeyShare(KeyShareEntry(P256, bytes(65))),
        SelectedVersion(0xFEFC),
        SelectedPsk(0),
        ConnectionId(b"x"),
    ],
    ids=lambda extension: extension.extension_type.name,
)
def test_a_request_with_an_extension_that_belongs_elsewhere(misplaced: TypedExtension) -> None:
    schemes = SignatureAlgorithms((SignatureScheme.ed25519,))
    damaged("client", IllegalParameter, MUTUAL, 2, requested(Extensions.of(schemes, misplaced)))


@pytest.mark.parametrize(
    "kind", [ExtensionType.signature_algorithms_cert, ExtensionType.certificate_authorities]
)
def test_a_request_with_a_malformed_extension(kind: ExtensionType) -> None:
    schemes = Extension.of(SignatureAlgorithms((SignatureScheme.ed25519,)))
    both = Extensions((schemes, Extension(kind, b"\x00")))
    damaged("client", DecodeError, MUTUAL, 2, requested(both))


def test_what_a_request_may_say_besides_and_what_is_not_known_is_passed_over() -> None:
    besides = Extensions(
        (
            Extension.of(SignatureAlgorithms((SignatureScheme.ed25519,))),
            Extension.of(SignatureAlgorithmsCert((SignatureScheme.ed448,))),
            Extension.of(CertificateAuthorities((b"\x30\x00",))),
            Extension(0xFAFA, b"grease"),
        )
    )
    point = Point.start(MUTUAL.client(), MUTUAL.server()).until(2)
    items = requested(besides)(point.pending)
    after, _ = point.client.take(items[:3])
    assert isinstance(after.state, ExpectCertificate)
    assert after.state.request is not None


def test_requests_that_ask_for_nothing() -> None:
    damaged("client", MissingExtension, MUTUAL, 2, requested(Extensions(empty_block=True)))
    schemes = Extensions.of(SignatureAlgorithms((SignatureScheme.ed25519,)))
    damaged("client", IllegalParameter, MUTUAL, 2, requested(schemes, b"context"))


def test_a_client_nobody_knows() -> None:
    client = MUTUAL.client(credential=parties.SERVER_KEYS["rpk-ed25519"])
    refused("server", CertificateUnknown, client, MUTUAL.server())


@pytest.mark.parametrize("number", [2, 3])
def test_a_signature_that_does_not_verify_or_is_of_another_kind(number: int) -> None:
    by = "client" if number == 2 else "server"
    damage = set_fields(CertificateVerify, signature=bytes(64))
    damaged(by, DecryptError, MUTUAL, number, damage)
    other = SignatureScheme.ed25519 if number == 2 else SignatureScheme.ecdsa_secp256r1_sha256
    damaged(by, IllegalParameter, MUTUAL, number, set_fields(CertificateVerify, scheme=other))


def test_the_servers_signature_does_not_serve_the_client() -> None:
    """Both sides sign the same kind of content, told apart by a context string."""
    scenario = Scenario13(CCM, P256, "rpk-p256", "rpk-p256")
    same = parties.SERVER_KEYS["rpk-p256"]
    trust = parties.trust_in(same)
    point = Point.start(scenario.client(credential=same), scenario.server(trust=trust)).until(3)
    stolen = memory_pair13.message(point.flights[1], HandshakeType.certificate_verify)
    replayed = set_fields(
        CertificateVerify, signature=CertificateVerify.decode(stolen.body).signature
    )
    with pytest.raises(DecryptError):
        point.deliver(replayed(point.pending))
    assert point.finish().complete


@pytest.mark.parametrize(
    ("scenario", "number", "kind"),
    [
        (RPK, 2, HandshakeType.server_hello),
        (RPK, 2, HandshakeType.encrypted_extensions),
        (RPK, 2, HandshakeType.certificate),
        (RPK, 2, HandshakeType.certificate_verify),
        (MUTUAL, 3, HandshakeType.certificate),
        (MUTUAL, 3, HandshakeType.certificate_verify),
        (ECDHE_PSK, 2, HandshakeType.encrypted_extensions),
    ],
)
def test_a_message_left_out(scenario: Scenario13, number: int, kind: HandshakeType) -> None:
    by = "client" if number == 2 else "server"
    damaged(by, UnexpectedMessage, scenario, number, drop(kind))


def test_a_request_for_a_certificate_beside_a_pre_shared_key() -> None:
    request = memory_pair13.message(
        Point.start(MUTUAL.client(), MUTUAL.server()).until(2).pending,
        HandshakeType.certificate_request,
    )
    damage: Damage = lambda items: (*items[:2], request, *items[2:])  # noqa: E731
    damaged("client", UnexpectedMessage, ECDHE_PSK, 2, damage)


def test_two_requests_for_a_certificate() -> None:
    damage: Damage = lambda items: (*items[:3], items[2], *items[3:])  # noqa: E731
    damaged("client", UnexpectedMessage, MUTUAL, 2, damage)
