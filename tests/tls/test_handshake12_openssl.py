"""Our client against OpenSSL's server and our server against OpenSSL's client, in memory.

OpenSSL has neither ECDHE_PSK with CCM_8 nor raw public keys in DTLS 1.2, so those have no judge
here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from handshake_over_coap.carriers.conversation import Established
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import (
    BadRecordMac,
    CertificateUnknown,
    HandshakeFailure,
    UnexpectedMessage,
    UnknownCa,
)
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType, NamedGroup
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.credentials import PSK, Certificate, Trust
from handshake_over_coap.tls.messages import (
    ClientHello,
    HelloVerifyRequest,
    ServerKeyExchangeEcdheEcdsa,
)
from tests.support import classic, parties, pki
from tests.support.classic import Talk
from tests.support.parties import CLIENT_KEYS, IDENTITY, KEY, ROOT, SERVER_KEYS, Scenario

P256, X25519 = NamedGroup.secp256r1, NamedGroup.x25519
OPENSSL_NAMES = {
    parties.PSK_CCM: "PSK-AES128-CCM8",
    parties.PSK_GCM: "PSK-AES128-GCM-SHA256",
    parties.ECDSA_CCM: "ECDHE-ECDSA-AES128-CCM8",
    parties.ECDSA_GCM: "ECDHE-ECDSA-AES128-GCM-SHA256",
}
SCENARIOS = [
    *(
        Scenario(suite, hint=hint)
        for suite in (parties.PSK_CCM, parties.PSK_GCM)
        for hint in (b"", b"a hint")
    ),
    *(
        Scenario(suite, group, server_key, client_key)
        for suite in (parties.ECDSA_CCM, parties.ECDSA_GCM)
        for group in (P256, X25519)
        for server_key in ("x509", "x509-intermediate")
        for client_key in (None, "x509", "x509-intermediate")
    ),
]
every_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=str)

LABEL = b"EXPORTER-handshake-over-coap"


@dataclass
class Judge:
    """OpenSSL as a client or a server of a scenario."""

    connection: SSL.Connection
    psk: classic.PreSharedKey
    """Kept, as OpenSSL holds no reference to its callbacks."""


def judge(
    scenario: Scenario,
    side: Literal["client", "server"],
    *,
    options: int = 0,
    mtu: int = 1400,
    psk: PSK | None = None,
) -> Judge:
    """The OpenSSL side of a scenario; it checks our certificates by itself."""
    psk = psk or PSK(IDENTITY, KEY)
    made = classic.context(OPENSSL_NAMES[scenario.suite], options=options)
    made.set_cookie_generate_callback(lambda _: b"a cookie of OpenSSL")
    made.set_cookie_verify_callback(lambda _, cookie: cookie == b"a cookie of OpenSSL")
    keys = classic.PreSharedKey(psk.identity, psk.key, scenario.hint)
    if scenario.server_key is None:
        keys.install(made)
    own, of_peer = scenario.server_key, scenario.client_key
    shown: dict[str, Any] = SERVER_KEYS
    if side == "client":
        own, of_peer, shown = of_peer, own, CLIENT_KEYS
    if own is not None:
        credential = shown[own]
        assert isinstance(credential, Certificate)
        assert isinstance(credential.private_key, ec.EllipticCurvePrivateKey)
        classic.present(made, credential.chain, credential.private_key)
    if of_peer is not None:
        classic.demand(made, ROOT.certificate)
    return Judge(classic.connection(made, mtu=mtu), keys)


def our_client(scenario: Scenario, **changes: Any) -> ClientConfig:
    """A client that prefers the group; P-256 has to be there for the server's certificate."""
    if scenario.group is not None:
        changes = {"groups": tuple(dict.fromkeys((scenario.group, P256))), **changes}
    return scenario.client(**changes)


def same(talk: Talk, ours: Established) -> None:
    """OpenSSL has come to the same result, and data passes both ways."""
    openssl, connected = talk.openssl, ours.connected
    assert openssl.get_cipher_name() == OPENSSL_NAMES[connected.suite]
    assert openssl.get_protocol_version_name() == "DTLSv1.2"
    assert openssl.master_key() == connected.master_secret
    assert openssl.client_random() == connected.client_random
    assert openssl.server_random() == connected.server_random
    finished = {openssl.get_finished(), openssl.get_peer_finished()}
    assert finished == set(connected.verify_data)
    exchange_data(openssl, ours)


def exchange_data(openssl: SSL.Connection, ours: Established) -> None:
    for number in range(3):
        text = b"to OpenSSL %d" % number
        openssl.bio_write(ours.sealer.seal_datagram(ContentType.application_data, text))
        assert openssl.recv(2000) == text
        text = b"from OpenSSL %d" % number
        openssl.send(text)
        opened = ours.opener.open_datagram(classic.read(openssl))
        assert opened == (ContentType.application_data, text)
    large = bytes(1024)
    openssl.bio_write(ours.sealer.seal_datagram(ContentType.application_data, large))
    assert openssl.recv(2000) == large


def same_exports(openssl: SSL.Connection, ours: Established) -> None:
    for context in (None, b"", b"some context"):
        theirs = openssl.export_keying_material(LABEL, 45, context)
        assert ours.connected.export(LABEL.decode(), 45, context) == theirs


@every_scenario
def test_our_client_and_openssls_server(scenario: Scenario) -> None:
    peer = judge(scenario, "server")
    talk, ours = classic.client_to(our_client(scenario), peer.connection)
    same(talk, ours)
    same_exports(talk.openssl, ours)
    if scenario.server_key is None:
        assert peer.psk.seen == [IDENTITY]
        return
    assert isinstance(SERVER_KEYS[scenario.server_key], Certificate)
    assert ours.connected.peer.certificates == SERVER_KEYS[scenario.server_key].chain_der  # type: ignore[union-attr]
    message = talk.message("theirs", HandshakeType.server_key_exchange)
    assert ServerKeyExchangeEcdheEcdsa.decode(message).named_curve == scenario.group
    shown = talk.openssl.get_peer_certificate(as_cryptography=True)
    if scenario.client_key is None:
        assert shown is None
    else:
        assert shown == CLIENT_KEYS[scenario.client_key].chain[0]  # type: ignore[union-attr]


@every_scenario
@pytest.mark.parametrize("cookie", [b"", b"a cookie of ours"], ids=["", "cookie"])
def test_openssls_client_and_our_server(scenario: Scenario, cookie: bytes) -> None:
    peer = judge(scenario, "client")
    peer.connection.set_tlsext_host_name(parties.NAME.encode())
    talk, ours = classic.server_to(scenario.server(), peer.connection, cookie=cookie)
    same(talk, ours)
    same_exports(talk.openssl, ours)
    assert ours.connected.server_name == parties.NAME
    if scenario.server_key is None:
        assert ours.connected.peer.psk_identity == IDENTITY
        assert peer.psk.seen == [scenario.hint] * bool(scenario.hint)
        return
    message = talk.message("ours", HandshakeType.server_key_exchange)
    assert ServerKeyExchangeEcdheEcdsa.decode(message).named_curve == scenario.group
    certificates = ours.connected.peer.certificates
    if scenario.client_key is None:
        assert certificates == ()
    else:
        assert certificates == CLIENT_KEYS[scenario.client_key].chain_der  # type: ignore[union-attr]


@every_scenario
def test_our_client_answers_openssls_cookie(scenario: Scenario) -> None:
    peer = judge(scenario, "server", options=int(SSL.OP_COOKIE_EXCHANGE or 0))
    talk, ours = classic.client_to(our_client(scenario), peer.connection)
    same(talk, ours)
    request = talk.message("theirs", HandshakeType.hello_verify_request)
    hello = ClientHello.decode(talk.message("ours", HandshakeType.client_hello))
    assert HelloVerifyRequest.decode(request).cookie == hello.cookie == b"a cookie of OpenSSL"


@every_scenario
def test_fragments_of_openssl_make_the_same_messages(scenario: Scenario) -> None:
    peer = judge(scenario, "server", mtu=300)
    talk, ours = classic.client_to(our_client(scenario), peer.connection)
    same(talk, ours)
    assert bool(talk.framing.fragmented) == (scenario.server_key is not None)


@every_scenario
def test_without_extended_master_secret_only_where_that_is_allowed(scenario: Scenario) -> None:
    options = classic.NO_EXTENDED_MASTER_SECRET
    with pytest.raises(HandshakeFailure, match="extended master secret"):
        classic.client_to(
            our_client(scenario), judge(scenario, "server", options=options).connection
        )
    with pytest.raises(HandshakeFailure, match="extended master secret"):
        classic.server_to(scenario.server(), judge(scenario, "client", options=options).connection)
    peer = judge(scenario, "server", options=options)
    client = our_client(scenario, require_extended_master_secret=False)
    talk, ours = classic.client_to(client, peer.connection)
    same(talk, ours)
    peer = judge(scenario, "client", options=options)
    server = scenario.server(require_extended_master_secret=False)
    talk, ours = classic.server_to(server, peer.connection)
    same(talk, ours)
    assert not ours.connected.extended_master_secret
    with pytest.raises(ConfigurationError):
        ours.connected.export(LABEL.decode(), 16)


@every_scenario
def test_openssl_takes_our_close_and_we_take_openssls(scenario: Scenario) -> None:
    peer = judge(scenario, "server")
    talk, ours = classic.client_to(our_client(scenario), peer.connection)
    talk.openssl.shutdown()
    assert ours.opener.open_datagram(classic.read(talk.openssl)) == (ContentType.alert, b"\x01\x00")
    talk.openssl.bio_write(ours.sealer.seal_datagram(ContentType.alert, b"\x01\x00"))
    with pytest.raises(SSL.ZeroReturnError):
        talk.openssl.recv(100)


@pytest.mark.parametrize("suite", [parties.PSK_CCM, parties.PSK_GCM], ids=str)
def test_openssl_does_not_complete_with_a_wrong_key(suite: Any) -> None:
    scenario = Scenario(suite)
    peer = judge(scenario, "server", psk=PSK(IDENTITY, b"a wrong key"))
    # OpenSSL drops a record that does not authenticate, and says nothing.
    with pytest.raises(UnexpectedMessage, match="ends too early"):
        classic.client_to(our_client(scenario), peer.connection)
    with pytest.raises(SSL.WantReadError):
        peer.connection.do_handshake()
    peer = judge(scenario, "client", psk=PSK(IDENTITY, b"a wrong key"))
    with pytest.raises(BadRecordMac):
        classic.server_to(scenario.server(), peer.connection)


def test_our_client_refuses_a_certificate_of_openssls_server() -> None:
    scenario = Scenario(parties.ECDSA_GCM, P256, "x509")
    for change, alert in (
        ({"trust": Trust(pki.CertificateAuthority("Another root").certificate)}, UnknownCa),
        ({"server_name": "other.example"}, CertificateUnknown),
    ):
        peer = judge(scenario, "server")
        with pytest.raises(alert):
            classic.client_to(our_client(scenario, **change), peer.connection)


def test_openssl_refuses_a_certificate_of_our_client() -> None:
    scenario = Scenario(parties.ECDSA_GCM, P256, "x509", "x509")
    stranger = pki.CertificateAuthority("Another root").issue(subject="a client")
    credential = Certificate(stranger.chain, stranger.key_pem)
    peer = judge(scenario, "server")
    with pytest.raises(SSL.Error, match="certificate verify failed"):
        classic.client_to(our_client(scenario, credential=credential), peer.connection)


def test_openssls_client_without_a_certificate_is_refused_where_one_is_required() -> None:
    scenario = Scenario(parties.ECDSA_GCM, P256, "x509")
    server: ServerConfig = Scenario(parties.ECDSA_GCM, P256, "x509", "x509").server()
    with pytest.raises(HandshakeFailure, match="no certificate"):
        classic.server_to(server, judge(scenario, "client").connection)
