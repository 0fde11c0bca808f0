"""Messages of 1.3: round trips, vectors by hand, and the messages of recorded handshakes."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509 import load_der_x509_certificate
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls import extensions as ext
from handshake_over_coap.tls import messages as msg
from handshake_over_coap.tls.alerts import AlertError, DecodeError, DecryptError, IllegalParameter
from handshake_over_coap.tls.codepoints import (
    ConnectionIdUsage,
    HandshakeType,
    KeyUpdateRequest,
    SignatureScheme,
)
from handshake_over_coap.tls.signatures import PublicKey, signed_content, verify
from tests.support.strategies import damaged
from tests.support.strategies13 import MESSAGES_13
from tests.support.traces13 import TLS_TRACES, TRACES, as_dtls, as_tls, digest, follow

Kind = type[msg.Message]
every_kind = pytest.mark.parametrize("kind", MESSAGES_13)

EMPTY = ext.Extensions()
UNKNOWN = ext.Extensions((ext.Extension(0xABCD, b"?"),))

VECTORS: list[tuple[msg.Message, int, str]] = [
    (msg.EncryptedExtensions(EMPTY), 8, "0000"),
    (msg.EncryptedExtensions(UNKNOWN), 8, "0005 abcd 0001 3f"),
    (msg.Certificate13(), 11, "00 000000"),
    (
        msg.Certificate13((msg.CertificateEntry(b"ab", UNKNOWN),), b"c"),
        11,
        "01 63 00000c 000002 6162 0005 abcd 0001 3f",
    ),
    (msg.CertificateRequest13(UNKNOWN), 13, "00 0005 abcd 0001 3f"),
    (msg.Finished13(b"\x11" * 32), 20, "11" * 32),
    (msg.MessageHash(b"\x22" * 32), 254, "22" * 32),
    (
        msg.NewSessionTicket(604800, 0x01020304, b"\x00", b"tick", EMPTY),
        4,
        "00093a80 01020304 01 00 0004 7469636b 0000",
    ),
    (msg.KeyUpdate(KeyUpdateRequest.update_requested), 24, "01"),
    (msg.RequestConnectionId(3), 9, "03"),
    (msg.NewConnectionId((b"ab", b""), ConnectionIdUsage.cid_spare), 10, "0004 02 6162 00 01"),
    (msg.NewConnectionId((), ConnectionIdUsage.cid_immediate), 10, "0000 00"),
]

MALFORMED: list[tuple[Kind, str, type[AlertError]]] = [
    (msg.EncryptedExtensions, "", DecodeError),
    (msg.EncryptedExtensions, "0008 0017 0000 0017 0000", DecodeError),
    (msg.Certificate13, "00", DecodeError),
    (msg.Certificate13, "00 000005 000000 0000", DecodeError),  # an empty certificate
    (msg.Certificate13, "00 000005 000002 6162", DecodeError),  # no extensions
    (msg.CertificateRequest13, "00", DecodeError),
    (msg.Finished13, "11" * 31, DecodeError),
    (msg.Finished13, "11" * 33, DecodeError),
    (msg.NewSessionTicket, "00093a80 01020304 01 00 0000 0000", DecodeError),
    (msg.KeyUpdate, "", DecodeError),
    (msg.KeyUpdate, "02", IllegalParameter),
    (msg.KeyUpdate, "0100", DecodeError),
    (msg.RequestConnectionId, "", DecodeError),
    (msg.NewConnectionId, "0001 01 00", DecodeError),
    (msg.NewConnectionId, "0000 02", IllegalParameter),
    (msg.NewConnectionId, "0000", DecodeError),
]

UNSENDABLE: list[msg.Message] = [
    msg.Certificate13((msg.CertificateEntry(b""),)),
    msg.Certificate13((), bytes(256)),
    msg.CertificateRequest13(EMPTY, bytes(256)),
    msg.Finished13(bytes(12)),
    msg.MessageHash(bytes(31)),
    msg.NewSessionTicket(1 << 32, 0, b"", b"t"),
    msg.NewSessionTicket(0, 0, b"", b""),
    msg.RequestConnectionId(256),
    msg.NewConnectionId((bytes(256),), ConnectionIdUsage.cid_spare),
]


@pytest.mark.parametrize(("message", "number", "expected"), VECTORS, ids=lambda v: str(v)[:40])
def test_messages_of_1_3_as_the_rfcs_lay_them_out(
    message: msg.Message, number: int, expected: str
) -> None:
    assert message.msg_type == number
    assert message.encode() == bytes.fromhex(expected)
    assert type(message).decode(bytes.fromhex(expected)) == message


def test_every_message_of_1_3_has_a_vector() -> None:
    assert {type(message) for message, _, _ in VECTORS} == set(MESSAGES_13)


@pytest.mark.parametrize(("kind", "body", "error"), MALFORMED)
def test_impossible_messages_of_1_3_draw_the_right_alert(
    kind: Kind, body: str, error: type[AlertError]
) -> None:
    with pytest.raises(error):
        kind.decode(bytes.fromhex(body))


@pytest.mark.parametrize("message", UNSENDABLE, ids=lambda value: str(value)[:40])
def test_a_message_of_1_3_that_no_peer_could_accept_is_not_encoded(message: msg.Message) -> None:
    with pytest.raises(ConfigurationError):
        message.encode()


@every_kind
@given(data=st.data())
def test_messages_of_1_3_come_back(kind: Kind, data: st.DataObject) -> None:
    message = data.draw(MESSAGES_13[kind])
    assert kind.decode(message.encode()) == message


@every_kind
@given(data=st.data())
def test_damaged_messages_of_1_3_raise_alerts_or_mean_what_they_say(
    kind: Kind, data: st.DataObject
) -> None:
    mutated = data.draw(damaged(data.draw(MESSAGES_13[kind]).encode()))
    try:
        message = kind.decode(mutated)
    except AlertError:
        return
    assert message.encode() == mutated


@pytest.mark.parametrize("name", TLS_TRACES)
def test_the_hellos_of_recorded_handshakes_come_back(name: str) -> None:
    trace = TRACES[name]
    for key in {"client_hello", "client_hello_2"} & set(trace):
        body = trace[key][4:]
        assert as_tls(msg.ClientHello.decode(as_dtls(body)).encode()) == body
    for key in {"server_hello", "hello_retry_request"} & set(trace):
        hello = msg.ServerHello.decode(trace[key][4:])
        assert hello.encode() == trace[key][4:]
        assert msg.is_hello_retry_request(hello) == (key == "hello_retry_request")
        assert hello.extensions.find(ext.SelectedVersion) == ext.SelectedVersion(0x0304)


CODECS: dict[int, Kind] = {
    HandshakeType.encrypted_extensions: msg.EncryptedExtensions,
    HandshakeType.certificate_request: msg.CertificateRequest13,
    HandshakeType.certificate: msg.Certificate13,
    HandshakeType.certificate_verify: msg.CertificateVerify,
    HandshakeType.finished: msg.Finished13,
}


@pytest.mark.parametrize("name", TLS_TRACES)
def test_the_sealed_messages_of_recorded_handshakes_come_back(name: str) -> None:
    done = follow(name)
    for message in (*done.server_flight, *done.client_flight):
        assert CODECS[message.type].decode(message.body).encode() == message.body


def test_the_retry_of_rfc_8448_asks_for_a_group_and_gives_a_cookie() -> None:
    trace = TRACES["retry"]
    retry = msg.ServerHello.decode(trace["hello_retry_request"][4:])
    assert retry.extensions.find(ext.RequestedGroup) == ext.RequestedGroup(23)
    second = msg.ClientHello.decode(as_dtls(trace["client_hello_2"][4:]))
    assert second.extensions.find(ext.Cookie) == retry.extensions.find(ext.Cookie)
    shares = second.extensions.find(ext.KeyShares)
    assert shares is not None
    assert [entry.group for entry in shares.entries] == [23]


def test_the_recorded_hellos_of_dtls_are_those_of_wolfssl() -> None:
    body = TRACES["dtls"]["client_hello"][25:]
    hello = msg.ClientHello.decode(body)
    assert hello.encode() == body
    assert (hello.version, hello.cookie, hello.session_id) == (0xFEFD, b"", b"")
    assert hello.extensions.find(ext.SupportedVersions) == ext.SupportedVersions((0xFEFC,))
    body = TRACES["dtls"]["server_hello"][25:]
    answer = msg.ServerHello.decode(body)
    assert answer.encode() == body
    assert answer.extensions.find(ext.SelectedVersion) == ext.SelectedVersion(0xFEFC)


def _server_key(name: str, certificate: msg.Certificate13) -> PublicKey:
    if name == "raw_public_key":
        assert certificate.raw_public_key is not None
        key = load_der_public_key(certificate.raw_public_key)
    else:
        key = load_der_x509_certificate(certificate.chain[0]).public_key()
    return key  # type: ignore[return-value]


@pytest.mark.parametrize("name", ["client_auth", "raw_public_key"])
def test_the_recorded_signature_of_a_server_verifies(name: str) -> None:
    done = follow(name)
    transcript = done.hellos
    key = None
    for message in done.server_flight:
        if message.type == HandshakeType.certificate:
            key = _server_key(name, msg.Certificate13.decode(message.body))
        if message.type == HandshakeType.certificate_verify:
            proof = msg.CertificateVerify.decode(message.body)
            break
        transcript += message.tls_bytes()
    assert key is not None
    assert proof.scheme == SignatureScheme.ecdsa_secp256r1_sha256
    content = signed_content(digest(transcript), by_server=True)
    verify(key, proof.scheme, content, proof.signature)
    with pytest.raises(DecryptError):
        other = signed_content(digest(transcript), by_server=False)
        verify(key, proof.scheme, other, proof.signature)


def test_the_recorded_signature_of_a_client_verifies() -> None:
    done = follow("raw_public_key")
    certificate, verification, _ = done.client_flight
    transcript = done.hellos + b"".join(m.tls_bytes() for m in done.server_flight)
    transcript += certificate.tls_bytes()
    proof = msg.CertificateVerify.decode(verification.body)
    key = _server_key("raw_public_key", msg.Certificate13.decode(certificate.body))
    verify(key, proof.scheme, signed_content(digest(transcript), by_server=False), proof.signature)


def test_a_block_that_has_to_be_there_is_empty_in_one_way_only() -> None:
    assert msg.EncryptedExtensions.decode(b"\x00\x00") == msg.EncryptedExtensions()
    certificate = msg.Certificate13.of([b"leaf"])
    assert msg.Certificate13.decode(certificate.encode()) == certificate


def test_a_certificate_is_a_chain_or_one_raw_key() -> None:
    assert msg.Certificate13.of([b"leaf", b"ca"]).chain == (b"leaf", b"ca")
    assert msg.Certificate13.of([b"spki"]).raw_public_key == b"spki"
    assert msg.Certificate13().raw_public_key is None
    with pytest.raises(IllegalParameter):
        _ = msg.Certificate13.of([b"a", b"b"]).raw_public_key


def test_the_random_of_a_retry_is_the_hash_of_its_name() -> None:
    assert digest(b"HelloRetryRequest") == msg.HELLO_RETRY_RANDOM
    assert msg.DOWNGRADE_TO_1_2.hex() == "444f574e47524401"
    assert msg.DOWNGRADE_TO_1_0.hex() == "444f574e47524400"
