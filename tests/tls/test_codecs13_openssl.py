"""The parts of 1.3 put together by hand, as a client of OpenSSL's TLS 1.3 server.

TLS 1.3 differs from DTLS 1.3 in labels, record headers and the ClientHello's cookie; everything
else that the two share is judged here by a stack that others wrote.
"""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from handshake_over_coap.tls import extensions as ext
from handshake_over_coap.tls import messages as msg
from handshake_over_coap.tls import schedule13 as ks
from handshake_over_coap.tls.codepoints import (
    ContentType,
    HandshakeType,
    KeyUpdateRequest,
    NamedGroup,
    PskKeyExchangeMode,
)
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.groups import GROUPS13, offer
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.signatures import SCHEMES, signed_content, verify
from handshake_over_coap.tls.suites13 import SUITES13, CipherSuite13, suite13_by_name
from tests.support import pki
from tests.support.traces13 import as_tls, digest, open_tls, split

TLS13 = 0x0304
PREFIX = ks.TLS13_PREFIX
KEY = pki.p256_key("TLS 1.3 server")
ISSUED = pki.self_signed("server.example", key=KEY)
CCM = suite13_by_name("TLS_AES_128_CCM_SHA256")


def _server(suite: CipherSuite13) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")  # CCM_8 is below its usual level
    context.set_tls13_ciphersuites(suite.name.encode())
    context.use_certificate(ISSUED.certificate)
    context.use_privatekey(KEY)
    return context


def _record(content_type: int, data: bytes) -> bytes:
    return bytes((content_type, 3, 3)) + len(data).to_bytes(2, "big") + data


def _records(data: bytes) -> list[bytes]:
    found = []
    while data:
        end = 5 + int.from_bytes(data[3:5], "big")
        found.append(data[:end])
        data = data[end:]
    return found


class Direction:
    """The traffic secret of one side and the number of its next record."""

    def __init__(self, secret: bytes, suite: CipherSuite13) -> None:
        self.secret = secret
        self._suite = suite
        self._number = 0

    @property
    def _keys(self) -> TrafficKeys:
        return ks.traffic_keys(self.secret, 3, self._suite.aead, PREFIX)

    def open(self, record: bytes) -> tuple[int, bytes]:
        opened = open_tls(self._keys, record, self._number)
        self._number += 1
        return opened

    def seal(self, content_type: int, data: bytes) -> bytes:
        keys = self._keys
        plain = data + bytes((content_type,))
        header = b"\x17\x03\x03" + (len(plain) + keys.aead.tag_length).to_bytes(2, "big")
        nonce = (int.from_bytes(keys.iv, "big") ^ self._number).to_bytes(12, "big")
        self._number += 1
        return header + keys.aead.make(keys.key).encrypt(nonce, plain, header)

    def update(self) -> None:
        self.secret = ks.next_traffic_secret(self.secret, PREFIX)
        self._number = 0


class Client:
    """A client of TLS 1.3 by hand; every step checks what the server said."""

    def __init__(self, context: SSL.Context, suite: CipherSuite13, group: NamedGroup) -> None:
        self.connection = SSL.Connection(context)
        self.connection.set_accept_state()
        self.suite, self.group = suite, group
        self.offer = offer(group, lambda count: b"\x5a" * count)
        self.transcript = b""
        self.early = ks.EarlySecret.of(None, PREFIX)
        self.psk: tuple[ext.PskIdentity, bytes] | None = None

    def say(self, data: bytes) -> list[bytes]:
        """Give the server bytes and take the records it answers with."""
        self.connection.bio_write(data)
        try:
            self.connection.do_handshake()
            self.connection.recv(1)
        except SSL.WantReadError:
            pass
        try:
            return _records(self.connection.bio_read(0x10000))
        except SSL.WantReadError:
            return []

    def hello(self, *more: ext.TypedExtension, share: bool = True) -> HandshakeMessage:
        entries = (ext.KeyShareEntry(self.group, self.offer.public),) if share else ()
        typed: list[ext.TypedExtension] = [
            ext.SupportedVersions((TLS13,)),
            ext.SupportedGroups((self.group,)),
            ext.SignatureAlgorithms(tuple(map(int, SCHEMES))),
            ext.KeyShares(entries),
            ext.PskKeyExchangeModes((PskKeyExchangeMode.psk_dhe_ke,)),
            *more,
        ]
        if self.psk is None:
            return self._message(typed)
        identity, key = self.psk
        self.early = ks.EarlySecret.of(key, PREFIX)
        unbound = ext.OfferedPsks.unbound([identity])
        so_far = msg.binder_input(self._message([*typed, unbound]).body, unbound)
        binder_key = self.early.resumption_binder_key()
        binder = ks.verify_data(binder_key, digest(self.transcript + so_far), PREFIX)
        return self._message([*typed, unbound.with_binders([binder])])

    def _message(self, typed: list[ext.TypedExtension]) -> HandshakeMessage:
        hello = msg.ClientHello(
            0x0303, bytes(range(32)), b"", b"", (self.suite.id,), b"\x00", ext.Extensions.of(*typed)
        )
        return HandshakeMessage(HandshakeType.client_hello, as_tls(hello.encode()))

    def send_hello(self, hello: HandshakeMessage) -> tuple[msg.ServerHello, list[bytes]]:
        self.transcript += hello.tls_bytes()
        first, *rest = self.say(_record(ContentType.handshake, hello.tls_bytes()))
        assert first[0] == ContentType.handshake, f"an alert: {first.hex()}"
        (message,) = split(first[5:])
        answer = msg.ServerHello.decode(message.body)
        assert answer.encode() == message.body
        if msg.is_hello_retry_request(answer):
            self.transcript = self._stand_in()
        self.transcript += message.tls_bytes()
        return answer, [record for record in rest if record[0] == ContentType.application_data]

    def _stand_in(self) -> bytes:
        stand_in = msg.MessageHash(digest(self.transcript))
        return HandshakeMessage(stand_in.msg_type, stand_in.encode()).tls_bytes()

    def finish(self, answer: msg.ServerHello, records: list[bytes]) -> list[HandshakeMessage]:
        """From ServerHello to the tickets; gives the server's sealed flight."""
        share = answer.extensions.find(ext.SelectedKeyShare)
        assert share is not None
        assert share.entry.group == self.group
        handshake = self.early.handshake(self.offer.finish(share.entry.key_exchange))
        hellos = digest(self.transcript)
        reading = Direction(handshake.server_traffic(hellos), self.suite)
        writing = Direction(handshake.client_traffic(hellos), self.suite)
        flight = split(b"".join(reading.open(record)[1] for record in records))
        for message in flight:
            self._check(message, reading.secret)
            self.transcript += message.tls_bytes()
        done = digest(self.transcript)
        self.master = handshake.master()
        self.exporter = self.master.exporter(done)
        self.reading = Direction(self.master.server_traffic(done), self.suite)
        self.writing = Direction(self.master.client_traffic(done), self.suite)
        finished = msg.Finished13(ks.verify_data(writing.secret, done, PREFIX))
        message = HandshakeMessage(finished.msg_type, finished.encode())
        self.transcript += message.tls_bytes()
        answers = self.say(writing.seal(ContentType.handshake, message.tls_bytes()))
        opened = [self.reading.open(record)[1] for record in answers]
        self.tickets = [msg.NewSessionTicket.decode(m.body) for m in split(b"".join(opened))]
        return flight

    def _check(self, message: HandshakeMessage, secret: bytes) -> None:
        if message.type == HandshakeType.certificate:
            certificate = msg.Certificate13.decode(message.body)
            assert certificate.chain == tuple(ISSUED.chain_der)
        elif message.type == HandshakeType.certificate_verify:
            proof = msg.CertificateVerify.decode(message.body)
            content = signed_content(digest(self.transcript), by_server=True)
            verify(KEY.public_key(), proof.scheme, content, proof.signature)
        elif message.type == HandshakeType.finished:
            expected = ks.verify_data(secret, digest(self.transcript), PREFIX)
            assert msg.Finished13.decode(message.body).verify_data == expected

    def exchange_data(self) -> int:
        """Data in both directions; gives how often the server has changed its keys before."""
        self.connection.bio_write(self.writing.seal(ContentType.application_data, b"ping"))
        assert self.connection.recv(100) == b"ping"
        self.connection.send(b"pong")
        *before, record = _records(self.connection.bio_read(0x10000))
        for update in before:
            self.take_key_update(update)
        assert self.reading.open(record) == (ContentType.application_data, b"pong")
        return len(before)

    def take_key_update(self, record: bytes) -> None:
        (message,) = split(self.reading.open(record)[1])
        assert message.type == HandshakeType.key_update
        update = msg.KeyUpdate.decode(message.body)
        assert update.request_update is KeyUpdateRequest.update_not_requested
        self.reading.update()

    def connect(self) -> list[HandshakeType]:
        flight = self.finish(*self.send_hello(self.hello()))
        return [HandshakeType(message.type) for message in flight]


@pytest.mark.parametrize("suite", SUITES13, ids=lambda suite: suite.name)
@pytest.mark.parametrize("group", GROUPS13, ids=lambda group: group.name)
def test_openssl_completes_a_handshake(suite: CipherSuite13, group: NamedGroup) -> None:
    client = Client(_server(suite), suite, group)
    assert client.connect() == [
        HandshakeType.encrypted_extensions,
        HandshakeType.certificate,
        HandshakeType.certificate_verify,
        HandshakeType.finished,
    ]
    client.exchange_data()


def test_openssl_exports_the_same_keying_material() -> None:
    client = Client(_server(CCM), CCM, NamedGroup.x25519)
    client.connect()
    for label, length, context in (
        ("EXPORTER-Channel-Binding", 32, b""),
        ("EXPERIMENTAL label", 77, b"context"),
    ):
        theirs = client.connection.export_keying_material(label.encode(), length, context)
        assert ks.export(client.exporter, label, length, context, PREFIX) == theirs


def test_openssl_takes_its_ticket_back() -> None:
    context = _server(CCM)
    context.set_session_id(b"test")
    first = Client(context, CCM, NamedGroup.secp256r1)
    first.connect()
    ticket = first.tickets[0]
    assert ticket.nonce != first.tickets[1].nonce
    resumption = first.master.resumption(digest(first.transcript))
    second = Client(context, CCM, NamedGroup.secp256r1)
    identity = ext.PskIdentity(ticket.ticket, ticket.age_add)
    second.psk = (identity, ks.ticket_psk(resumption, ticket.nonce, PREFIX))
    answer, records = second.send_hello(second.hello())
    assert answer.extensions.find(ext.SelectedPsk) == ext.SelectedPsk(0)
    flight = second.finish(answer, records)
    assert [message.type for message in flight] == [
        HandshakeType.encrypted_extensions,
        HandshakeType.finished,
    ]
    second.exchange_data()


def test_openssl_asks_for_the_share_that_is_missing() -> None:
    client = Client(_server(CCM), CCM, NamedGroup.secp256r1)
    retry, _ = client.send_hello(client.hello(share=False))
    assert msg.is_hello_retry_request(retry)
    requested = retry.extensions.find(ext.RequestedGroup)
    assert requested == ext.RequestedGroup(NamedGroup.secp256r1)
    answer, records = client.send_hello(client.hello())
    client.finish(answer, records)
    client.exchange_data()


def test_openssl_follows_a_key_update() -> None:
    client = Client(_server(CCM), CCM, NamedGroup.x25519)
    client.connect()
    update = msg.KeyUpdate(KeyUpdateRequest.update_requested)
    message = HandshakeMessage(update.msg_type, update.encode())
    answers = client.say(client.writing.seal(ContentType.handshake, message.tls_bytes()))
    client.writing.update()
    for answer in answers:
        client.take_key_update(answer)
    assert len(answers) + client.exchange_data() == 1
    assert client.exchange_data() == 0
