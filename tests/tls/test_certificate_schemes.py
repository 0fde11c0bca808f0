"""What a side says of signatures in certificates, and what it takes."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from handshake_over_coap.tls.alerts import BadCertificate
from handshake_over_coap.tls.codepoints import HandshakeType, SignatureScheme
from handshake_over_coap.tls.credentials import Certificate, Trust
from handshake_over_coap.tls.extensions import SignatureAlgorithms, SignatureAlgorithmsCert
from handshake_over_coap.tls.messages import CertificateRequest13, ClientHello
from handshake_over_coap.tls.signatures import CERTIFICATE_SCHEMES, SCHEMES
from tests.support import parties, pki
from tests.support.memory_pair13 import Point, message, refused, run
from tests.support.parties13 import CCM, MUTUAL, P256, X509, Scenario13

RSA_KEY = rsa.generate_private_key(65537, 2048)
CURVES = {"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1(), "secp521r1": ec.SECP521R1()}


def authority(scheme: SignatureScheme) -> pki.CertificateAuthority:
    """A root whose signatures are of that scheme."""
    if scheme is SignatureScheme.ed25519:
        return pki.CertificateAuthority("root", key=pki.ed25519_key("root"))
    curve = next((curve for name, curve in CURVES.items() if name in scheme.name), None)
    key = RSA_KEY if curve is None else ec.derive_private_key(7, curve)
    return pki.CertificateAuthority("root", key=key, scheme=scheme)


def credential(root: pki.CertificateAuthority) -> Certificate:
    issued = root.issue(parties.NAME)
    return Certificate(issued.chain, pki.private_pem(issued.private_key))


@pytest.mark.parametrize("scheme", [*CERTIFICATE_SCHEMES, SignatureScheme.ed25519])
def test_what_is_claimed_of_certificates_is_what_the_verifier_takes(
    scheme: SignatureScheme,
) -> None:
    root, scenario = authority(scheme), Scenario13(CCM, P256, "x509")
    client = scenario.client(trust=Trust(root.certificate))
    server = scenario.server(credentials=(credential(root),))
    if scheme in CERTIFICATE_SCHEMES:
        assert run(client, server).complete
    else:
        refused("client", BadCertificate, client, server)


def test_signatures_of_handshakes_and_of_certificates_are_told_apart() -> None:
    point = Point.start(X509.client(), X509.server()).until(2)
    hello = ClientHello.decode(message(point.flights[0], HandshakeType.client_hello).body)
    kind = HandshakeType.certificate_request
    request = CertificateRequest13.decode(message(point.pending, kind).body)
    for extensions in (hello.extensions, request.extensions):
        assert extensions.find(SignatureAlgorithms) == SignatureAlgorithms(SCHEMES)
        found = extensions.find(SignatureAlgorithmsCert)
        assert found == SignatureAlgorithmsCert(CERTIFICATE_SCHEMES)


def test_nothing_is_said_of_certificates_where_only_raw_public_keys_will_do() -> None:
    point = Point.start(MUTUAL.client(), MUTUAL.server()).until(2)
    hello = ClientHello.decode(message(point.flights[0], HandshakeType.client_hello).body)
    assert SignatureAlgorithmsCert.extension_type not in hello.extensions
    kind = HandshakeType.certificate_request
    request = CertificateRequest13.decode(message(point.pending, kind).body)
    assert SignatureAlgorithmsCert.extension_type not in request.extensions
