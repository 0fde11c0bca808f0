"""Messages that OpenSSL wrote: decoded to what it meant, encoded to the same bytes."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import load_der_x509_certificate

from handshake_over_coap.tls import extensions as ext
from handshake_over_coap.tls import messages as msg
from handshake_over_coap.tls.codepoints import (
    CipherSuiteId,
    ClientCertificateType,
    HandshakeType,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from handshake_over_coap.tls.flight import HandshakeMessage
from tests.support import openssl_flights as openssl
from tests.support.openssl_flights import Capture

X509_FORMS: dict[int, type[msg.Message]] = {
    HandshakeType.client_hello: msg.ClientHello,
    HandshakeType.hello_verify_request: msg.HelloVerifyRequest,
    HandshakeType.server_hello: msg.ServerHello,
    HandshakeType.certificate: msg.Certificate,
    HandshakeType.server_key_exchange: msg.ServerKeyExchangeEcdheEcdsa,
    HandshakeType.certificate_request: msg.CertificateRequest,
    HandshakeType.server_hello_done: msg.ServerHelloDone,
    HandshakeType.client_key_exchange: msg.ClientKeyExchangeEcdhe,
    HandshakeType.certificate_verify: msg.CertificateVerify,
}


@pytest.fixture(scope="module")
def x509() -> Capture:
    return openssl.mutual_x509()


@pytest.fixture(scope="module")
def psk() -> Capture:
    return openssl.psk("PSK-AES128-CCM8")


@pytest.fixture(scope="module")
def ecdhe_psk() -> Capture:
    return openssl.psk("ECDHE-PSK-CHACHA20-POLY1305")


def test_every_clear_message_of_a_mutual_handshake_encodes_to_the_same_bytes(
    x509: Capture,
) -> None:
    seen = set()
    for captured in x509.client + x509.server:
        if captured.type not in X509_FORMS:
            assert captured.type == HandshakeType.new_session_ticket
            continue
        assert X509_FORMS[captured.type].decode(captured.body).encode() == captured.body
        seen.add(captured.type)
    assert seen == set(X509_FORMS)


def test_headers_are_those_of_openssl(x509: Capture) -> None:
    for captured in x509.client + x509.server:
        message_seq = int.from_bytes(captured.header[4:6], "big")
        message = HandshakeMessage(captured.type, captured.body, message_seq)
        assert message.dtls_bytes() == captured.header + captured.body


def test_client_hello(x509: Capture) -> None:
    hello = msg.ClientHello.decode(x509.body("client", HandshakeType.client_hello))
    assert hello.version == ProtocolVersion.DTLS_1_2
    assert hello.cookie == openssl.COOKIE
    assert CipherSuiteId.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 in hello.cipher_suites
    assert hello.compression_methods == b"\x00"
    assert hello.extensions.find(ext.ServerName) == ext.ServerName(openssl.SERVER_NAME)
    assert hello.extensions.find(ext.ExtendedMasterSecret) is not None
    groups = hello.extensions.find(ext.SupportedGroups)
    assert groups is not None
    assert {NamedGroup.secp256r1, NamedGroup.x25519} <= set(groups.groups)
    schemes = hello.extensions.find(ext.SignatureAlgorithms)
    assert schemes is not None
    assert SignatureScheme.ecdsa_secp256r1_sha256 in schemes.schemes


def test_hello_verify_request(x509: Capture) -> None:
    body = x509.body("server", HandshakeType.hello_verify_request)
    assert msg.HelloVerifyRequest.decode(body).cookie == openssl.COOKIE


def test_server_hello(x509: Capture) -> None:
    hello = msg.ServerHello.decode(x509.body("server", HandshakeType.server_hello))
    assert hello.version == ProtocolVersion.DTLS_1_2
    assert hello.cipher_suite == CipherSuiteId.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
    assert hello.compression_method == 0
    assert hello.extensions.find(ext.ExtendedMasterSecret) is not None
    assert hello.extensions.find(ext.RenegotiationInfo) == ext.RenegotiationInfo()


def test_certificates_carry_der(x509: Capture) -> None:
    for side, name in (("server", openssl.SERVER_NAME), ("client", "client")):
        message = msg.Certificate.decode(x509.body(side, HandshakeType.certificate))
        (der,) = message.chain
        subject = load_der_x509_certificate(der).subject
        assert subject.rfc4514_string() == f"CN={name}"


def test_the_signature_covers_both_randoms_and_the_parameters(x509: Capture) -> None:
    client_hello = msg.ClientHello.decode(x509.body("client", HandshakeType.client_hello))
    server_hello = msg.ServerHello.decode(x509.body("server", HandshakeType.server_hello))
    body = x509.body("server", HandshakeType.server_key_exchange)
    exchange = msg.ServerKeyExchangeEcdheEcdsa.decode(body)
    assert exchange.scheme == SignatureScheme.ecdsa_secp256r1_sha256
    signed = client_hello.random + server_hello.random + exchange.signed_params()
    key = x509.server_key.public_key()
    key.verify(exchange.signature, signed, ec.ECDSA(hashes.SHA256()))  # raises if it does not fit


def test_certificate_request_and_verify(x509: Capture) -> None:
    body = x509.body("server", HandshakeType.certificate_request)
    request = msg.CertificateRequest.decode(body)
    assert ClientCertificateType.ecdsa_sign in request.certificate_types
    assert SignatureScheme.ecdsa_secp256r1_sha256 in request.signature_algorithms
    (authority,) = request.authorities
    assert b"client" in authority
    verify = msg.CertificateVerify.decode(x509.body("client", HandshakeType.certificate_verify))
    assert verify.scheme in request.signature_algorithms


def test_psk_hint_and_identity(psk: Capture) -> None:
    server = psk.body("server", HandshakeType.server_key_exchange)
    client = psk.body("client", HandshakeType.client_key_exchange)
    assert msg.ServerKeyExchangePsk.decode(server).hint == openssl.PSK_HINT
    assert msg.ClientKeyExchangePsk.decode(client).identity == openssl.PSK_IDENTITY
    assert msg.ServerKeyExchangePsk(openssl.PSK_HINT).encode() == server
    assert msg.ClientKeyExchangePsk(openssl.PSK_IDENTITY).encode() == client


def test_ecdhe_psk_hint_identity_and_public_values(ecdhe_psk: Capture) -> None:
    server_body = ecdhe_psk.body("server", HandshakeType.server_key_exchange)
    client_body = ecdhe_psk.body("client", HandshakeType.client_key_exchange)
    server = msg.ServerKeyExchangeEcdhePsk.decode(server_body)
    client = msg.ClientKeyExchangeEcdhePsk.decode(client_body)
    assert server.hint == openssl.PSK_HINT
    assert client.identity == openssl.PSK_IDENTITY
    assert server.named_curve == NamedGroup.x25519
    assert len(server.public) == len(client.public) == 32
    assert server.encode() == server_body
    assert client.encode() == client_body
