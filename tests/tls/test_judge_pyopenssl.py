"""The key schedule against an independent one: two pyOpenSSL endpoints in memory.

OpenSSL does a DTLS 1.2 handshake with itself.  From its datagrams and its key log our code
recomputes the master secret, the key block, both Finished messages and exported keying material.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import pytest
from OpenSSL import SSL

# pyOpenSSL has no call of its own for pre-shared keys.
from OpenSSL._util import ffi, lib

from handshake_over_coap.tls import schedule12
from handshake_over_coap.tls.alerts import DecryptError
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType, NamedGroup
from handshake_over_coap.tls.credentials import PeerRole, Trust
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.groups import generate
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.signatures import verify
from handshake_over_coap.tls.suites import CipherSuite, suite_by_id, suite_by_name
from handshake_over_coap.tls.transcript import Transcript
from tests.support import pki

PSK_IDENTITY, PSK_KEY = b"Client_identity", bytes.fromhex("000102030405060708090a0b0c0d0e0f")
AUTHORITY = pki.CertificateAuthority()

Side = Literal["client", "server"]


@dataclass(frozen=True)
class Record:
    """A DTLS record as it was captured."""

    content_type: int
    sequence: bytes
    """Epoch and sequence number: 8 bytes."""
    fragment: bytes

    @property
    def epoch(self) -> int:
        return int.from_bytes(self.sequence[:2], "big")


@dataclass(frozen=True)
class Conversation:
    """What OpenSSL said and what it says about it."""

    client: SSL.Connection
    server: SSL.Connection
    master: bytes
    """The master secret of the key log."""
    sent: dict[Side, list[Record]] = field(repr=False)

    def messages(self, side: Side) -> list[HandshakeMessage]:
        """The side's handshake messages in the clear; none of them is fragmented."""
        found = []
        for record in self.sent[side]:
            data = record.fragment
            while data and (record.content_type, record.epoch) == (ContentType.handshake, 0):
                length = int.from_bytes(data[1:4], "big")
                assert data[6:12] == bytes(3) + data[1:4]
                sequence = int.from_bytes(data[4:6], "big")
                found.append(HandshakeMessage(data[0], data[12 : 12 + length], sequence))
                data = data[12 + length :]
        return found

    def message(self, side: Side, kind: HandshakeType) -> HandshakeMessage:
        return next(each for each in self.messages(side) if each.type == kind)

    def sealed(self, side: Side, content_type: ContentType) -> Record:
        """The side's only record of that type in epoch 1."""
        (record,) = (
            each
            for each in self.sent[side]
            if each.content_type == content_type and each.epoch == 1
        )
        return record

    @property
    def suite(self) -> CipherSuite:
        body = self.message("server", HandshakeType.server_hello).body
        session_id = body[34]
        suite = suite_by_id(int.from_bytes(body[35 + session_id : 37 + session_id], "big"))
        assert suite is not None
        return suite

    @property
    def client_random(self) -> bytes:
        return self.message("client", HandshakeType.client_hello).body[2:34]

    @property
    def server_random(self) -> bytes:
        return self.message("server", HandshakeType.server_hello).body[2:34]

    def transcript(self, *, before: HandshakeType | None = None) -> Transcript:
        """Every message in the clear, or those before the first of type ``before``."""
        hello, *rest = self.messages("client")
        transcript = Transcript()
        for message in (hello, *self.messages("server"), *rest):
            if message.type == before:
                break
            transcript = transcript.append(message)
        return transcript

    def keys(self) -> schedule12.ConnectionKeys:
        return schedule12.connection_keys(
            self.master, self.suite.aead, self.client_random, self.server_random
        )


def split(datagrams: bytes) -> list[Record]:
    """Records of a flight; a memory BIO joins its datagrams."""
    records = []
    while datagrams:
        end = 13 + int.from_bytes(datagrams[11:13], "big")
        assert datagrams[1:3] in {b"\xfe\xff", b"\xfe\xfd"}
        records.append(Record(datagrams[0], datagrams[3:11], datagrams[13:end]))
        datagrams = datagrams[end:]
    return records


def context(cipher: str, log: list[bytes]) -> SSL.Context:
    made = SSL.Context(SSL.DTLS_METHOD)
    made.set_cipher_list(f"{cipher}:@SECLEVEL=0".encode())  # CCM_8 counts as 64 bits of security
    made.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET)
    made.set_keylog_callback(lambda _, line: log.append(line))
    return made


def psk_of_client(_ssl: Any, _hint: Any, identity: Any, _: int, key: Any, _max: int) -> int:
    ffi.memmove(identity, PSK_IDENTITY + b"\x00", len(PSK_IDENTITY) + 1)
    ffi.memmove(key, PSK_KEY, len(PSK_KEY))
    return len(PSK_KEY)


def psk_of_server(_ssl: Any, _identity: Any, key: Any, _max: int) -> int:
    ffi.memmove(key, PSK_KEY, len(PSK_KEY))
    return len(PSK_KEY)


# Kept here because OpenSSL holds no reference to them.
CLIENT_CALLBACK = ffi.callback(
    "unsigned(SSL *, const char *, char *, unsigned, unsigned char *, unsigned)", psk_of_client
)
SERVER_CALLBACK = ffi.callback(
    "unsigned(SSL *, const char *, unsigned char *, unsigned)", psk_of_server
)


def with_psk(client: SSL.Context, server: SSL.Context) -> None:
    lib.SSL_CTX_set_psk_client_callback(client._context, CLIENT_CALLBACK)
    lib.SSL_CTX_set_psk_server_callback(server._context, SERVER_CALLBACK)


def with_certificate(_client: SSL.Context, server: SSL.Context) -> None:
    issued = AUTHORITY.issue("server.example")
    server.use_certificate(issued.certificate)
    server.use_privatekey(issued.private_key)


def with_both_certificates(client: SSL.Context, server: SSL.Context) -> None:
    with_certificate(client, server)
    issued = AUTHORITY.issue(key=pki.p256_key("client"))
    client.use_certificate(issued.certificate)
    client.use_privatekey(issued.private_key)
    server.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)


# No Ed25519: OpenSSL takes such keys in TLS 1.2 but not in DTLS 1.2.
CASES: dict[str, tuple[str, str, Callable[[SSL.Context, SSL.Context], None]]] = {
    "psk ccm_8": ("PSK-AES128-CCM8", "TLS_PSK_WITH_AES_128_CCM_8", with_psk),
    "psk gcm": ("PSK-AES128-GCM-SHA256", "TLS_PSK_WITH_AES_128_GCM_SHA256", with_psk),
    "ecdsa ccm_8": (
        "ECDHE-ECDSA-AES128-CCM8",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
        with_certificate,
    ),
    "ecdsa gcm": (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        with_certificate,
    ),
    "mutual ccm_8": (
        "ECDHE-ECDSA-AES128-CCM8",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
        with_both_certificates,
    ),
}


@cache
def conversation(case: str) -> Conversation:
    """A handshake of OpenSSL with itself, then one datagram of data each way."""
    cipher, _, prepare = CASES[case]
    log: list[bytes] = []
    contexts = context(cipher, log), context(cipher, log)
    prepare(*contexts)
    client, server = (SSL.Connection(each, None) for each in contexts)
    client.set_connect_state()
    server.set_accept_state()
    sent: dict[Side, list[Record]] = {"client": [], "server": []}

    def carry(side: Side, source: SSL.Connection, sink: SSL.Connection) -> None:
        try:
            data = source.bio_read(65535)
        except SSL.WantReadError:
            return
        sent[side].extend(split(data))
        sink.bio_write(data)

    for each in (client, server):
        each.set_ciphertext_mtu(1400)
    turns: list[tuple[Side, SSL.Connection, SSL.Connection]]
    turns = [("client", client, server), ("server", server, client)]
    for _ in range(4):
        for side, source, sink in turns:
            with contextlib.suppress(SSL.WantReadError):
                source.do_handshake()
            carry(side, source, sink)
    client.send(b"from the client")
    carry("client", client, server)
    server.send(b"from the server")
    carry("server", server, client)
    label, _, master = log[0].split()
    assert label == b"CLIENT_RANDOM"
    return Conversation(client, server, bytes.fromhex(master.decode()), sent)


def open_record(keys: TrafficKeys, record: Record) -> bytes:
    """The plaintext of a sealed record, with nonce and AAD of RFC 5246 section 6.2.3.3."""
    explicit, sealed = record.fragment[:8], record.fragment[8:]
    length = len(sealed) - keys.aead.tag_length
    aad = record.sequence + bytes([record.content_type]) + b"\xfe\xfd" + length.to_bytes(2, "big")
    return keys.aead.make(keys.key).decrypt(keys.iv + explicit, sealed, aad)


every_case = pytest.mark.parametrize("case", CASES)


@every_case
def test_openssl_speaks_the_suite_under_test(case: str) -> None:
    talk = conversation(case)
    assert talk.suite is suite_by_name(CASES[case][1])
    assert talk.client.client_random() == talk.client_random
    assert talk.server.server_random() == talk.server_random
    assert talk.client.master_key() == talk.master


@pytest.mark.parametrize("case", ["psk ccm_8", "psk gcm"])
def test_extended_master_secret_from_the_pre_shared_key(case: str) -> None:
    talk = conversation(case)
    premaster = schedule12.psk_premaster(PSK_KEY)
    assert schedule12.extended_master_secret(premaster, talk.transcript().hash()) == talk.master


@every_case
def test_key_block_opens_and_finished_verifies(case: str) -> None:
    talk, keys = conversation(case), conversation(case).keys()
    transcript = talk.transcript()
    expected = schedule12.client_verify_data(talk.master, transcript.hash())
    header = bytes.fromhex("14 00000c") + len(talk.messages("client")).to_bytes(2, "big")
    client = open_record(keys.client_write, talk.sealed("client", ContentType.handshake))
    assert client == header + bytes.fromhex("000000 00000c") + expected

    finished = HandshakeMessage(HandshakeType.finished, expected, len(talk.messages("client")))
    expected = schedule12.server_verify_data(talk.master, transcript.append(finished).hash())
    server = open_record(keys.server_write, talk.sealed("server", ContentType.handshake))
    assert server[12:] == expected
    assert talk.client.get_peer_finished() == expected


@every_case
def test_key_block_opens_application_data_of_both_sides(case: str) -> None:
    talk, keys = conversation(case), conversation(case).keys()
    client = talk.sealed("client", ContentType.application_data)
    server = talk.sealed("server", ContentType.application_data)
    assert open_record(keys.client_write, client) == b"from the client"
    assert open_record(keys.server_write, server) == b"from the server"


@every_case
@pytest.mark.parametrize("material", [None, b"", b"some context"])
def test_exported_keying_material(case: str, material: bytes | None) -> None:
    talk = conversation(case)
    ours = schedule12.export(
        talk.master,
        "EXPORTER-handshake-over-coap",
        talk.client_random,
        talk.server_random,
        77,
        material,
    )
    for end in (talk.client, talk.server):
        assert ours == end.export_keying_material(b"EXPORTER-handshake-over-coap", 77, material)


@pytest.mark.parametrize("case", ["ecdsa ccm_8", "ecdsa gcm", "mutual ccm_8"])
def test_server_key_exchange_and_chain_verify(case: str) -> None:
    talk = conversation(case)
    certificate = talk.message("server", HandshakeType.certificate).body
    leaf = certificate[6 : 6 + int.from_bytes(certificate[3:6], "big")]
    key = Trust(AUTHORITY.certificate).verify_chain(
        [leaf], role=PeerRole.SERVER, now=pki.VALID_FROM, server_name="server.example"
    )
    body = talk.message("server", HandshakeType.server_key_exchange).body
    end = 4 + body[3]
    scheme, signature = int.from_bytes(body[end : end + 2], "big"), body[end + 4 :]
    verify(key, scheme, talk.client_random + talk.server_random + body[:end], signature)
    # The public value is one that our own groups take.
    group = NamedGroup(int.from_bytes(body[1:3], "big"))
    assert len(generate(group, lambda n: b"\x66" * n).exchange(body[4:end])) == 32


def test_certificate_verify_signs_the_bytes_of_our_transcript() -> None:
    talk = conversation("mutual ccm_8")
    body = talk.message("client", HandshakeType.certificate_verify).body
    signed = talk.transcript(before=HandshakeType.certificate_verify).bytes
    key = pki.p256_key("client").public_key()
    verify(key, int.from_bytes(body[:2], "big"), signed, body[4:])
    with pytest.raises(DecryptError):
        verify(key, int.from_bytes(body[:2], "big"), signed + b"\x00", body[4:])
