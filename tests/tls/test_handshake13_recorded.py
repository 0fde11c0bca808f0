"""The client's states before a handshake that wolfSSL recorded: "The Illustrated DTLS Connection".

Our client takes the place of the one that was recorded: its hello, its private key.  It has to
follow the server through records that another implementation sealed, and end with the very
Finished that was sent.  The server's key is RSA, which this library does not speak, so that its
Certificate and CertificateVerify go into the transcript unread.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.records.opener13 import Opener13
from handshake_over_coap.tls.alerts import DecryptError, UnexpectedMessage, UnsupportedCertificate
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType, NamedGroup
from handshake_over_coap.tls.config import ClientConfig
from handshake_over_coap.tls.credentials import Trust
from handshake_over_coap.tls.dtls13.client import ExpectServerHello
from handshake_over_coap.tls.dtls13.client_flight import ExpectCertificate, ExpectFinished
from handshake_over_coap.tls.dtls13.common import empty_transcript
from handshake_over_coap.tls.dtls13.offer import Offer
from handshake_over_coap.tls.flight import HandshakeMessage, split_messages
from handshake_over_coap.tls.groups import offer as offer_share
from handshake_over_coap.tls.handshake import PeerIdentity, Step
from handshake_over_coap.tls.messages import ClientHello
from handshake_over_coap.tls.negotiation import Connected13
from handshake_over_coap.tls.suites13 import suite13_by_name
from tests.support.parties13 import ONLY_1_3
from tests.support.traces13 import TRACES, scripted

TRACE = TRACES["dtls"]
RECORD_HEADER = 13
GCM = suite13_by_name("TLS_AES_128_GCM_SHA256")


def config() -> ClientConfig:
    return ClientConfig(
        rng=lambda count: pytest.fail("nothing is drawn after the hello"),
        now=lambda: datetime(2019, 1, 1, tzinfo=UTC),
        versions=ONLY_1_3,
        suites13=(GCM,),
        groups=(NamedGroup.x25519,),
        trust=Trust(insecure=True),
    )


def plain(name: str) -> HandshakeMessage:
    """A message that was recorded in the clear."""
    (message,) = split_messages(TRACE[name][RECORD_HEADER:], 0)
    return message


def sealed(opener: Opener13, name: str) -> HandshakeMessage:
    """A message that was recorded in a sealed record of epoch 2."""
    opened = opener.open(CiphertextRecord.from_bytes(TRACE[name]))
    assert opened.content_type == ContentType.handshake
    (message,) = split_messages(opened.plaintext, opened.epoch)
    return message


@pytest.fixture
def begun() -> Step:
    """ServerHello has been taken by a client that has said the recorded hello."""
    hello = plain("client_hello")
    share = offer_share(NamedGroup.x25519, scripted(TRACE["client_private"], NamedGroup.x25519))
    said = Offer(ClientHello.decode(hello.body), hello, (share,), ())
    return ExpectServerHello(config(), said, empty_transcript()).handle(plain("server_hello"))


@pytest.fixture
def opener(begun: Step) -> Opener13:
    (keys,) = begun.keys
    assert keys.read is not None
    opener = Opener13()
    opener.add(keys.read)
    return opener


def authenticated(begun: Step, opener: Opener13) -> ExpectFinished:
    """The state before Finished, reached without looking into the server's RSA key."""
    state = begun.state.handle(sealed(opener, "encrypted_extensions")).state
    assert isinstance(state, ExpectCertificate)
    transcript = state.transcript
    for name in ("certificate", "certificate_verify"):
        transcript = transcript.append(sealed(opener, name))
    return ExpectFinished(state.common, state.parameters, transcript, PeerIdentity())


def test_the_client_follows_the_server_and_ends_as_the_recorded_one_did(
    begun: Step, opener: Opener13
) -> None:
    before = authenticated(begun, opener)
    end = before.handle(sealed(opener, "server_finished"))
    assert isinstance(end.state, Connected13)
    (finished,) = end.flight
    (keys,) = begun.keys
    assert keys.write is not None
    of_client = Opener13()
    of_client.add(keys.write)
    assert finished == sealed(of_client, "client_finished")
    secrets = end.state.secrets
    assert secrets.client_handshake == TRACE["client_handshake_traffic_secret"]
    assert secrets.server_handshake == TRACE["server_handshake_traffic_secret"]
    assert secrets.client_application == TRACE["client_traffic_secret"]
    assert secrets.server_application == TRACE["server_traffic_secret"]


def test_the_keys_of_epoch_3_open_what_was_said_then(begun: Step, opener: Opener13) -> None:
    before = authenticated(begun, opener)
    end = before.handle(sealed(opener, "server_finished"))
    (keys,) = end.keys
    assert keys.read is not None
    assert keys.write is not None
    opener.add(keys.read)
    opened = opener.open(CiphertextRecord.from_bytes(TRACE["ack"]))
    assert opened.content_type == ContentType.ack
    assert opener.open(CiphertextRecord.from_bytes(TRACE["server_data"])).plaintext == b"pong"
    of_client = Opener13()
    of_client.add(keys.write)
    assert of_client.open(CiphertextRecord.from_bytes(TRACE["client_data"])).plaintext == b"ping"


def test_finished_does_not_fit_a_transcript_without_the_certificate(
    begun: Step, opener: Opener13
) -> None:
    state = begun.state.handle(sealed(opener, "encrypted_extensions")).state
    assert isinstance(state, ExpectCertificate)
    short = ExpectFinished(state.common, state.parameters, state.transcript, PeerIdentity())
    with pytest.raises(DecryptError):
        short.handle(sealed(opener, "server_finished"))
    with pytest.raises(UnexpectedMessage):
        state.handle(sealed(opener, "certificate_verify"))


def test_an_rsa_key_is_refused_by_name(begun: Step, opener: Opener13) -> None:
    state = begun.state.handle(sealed(opener, "encrypted_extensions")).state
    message = sealed(opener, "certificate")
    assert message.type == HandshakeType.certificate
    with pytest.raises(UnsupportedCertificate):
        state.handle(message)
