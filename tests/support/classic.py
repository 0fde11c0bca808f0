"""Classic DTLS 1.2 framing around a conversation, so that OpenSSL can be its peer in memory.

Only what a lossless connection needs: one record for each message, one datagram for each record,
fragments put together again, no timers.  The other half of this module makes the OpenSSL side.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto
from OpenSSL._util import ffi, lib

from handshake_over_coap.carriers.conversation import (
    Conversation,
    Established,
    begin_client,
    begin_server,
)
from handshake_over_coap.encodings.items import BodyItem
from handshake_over_coap.records.dtls12 import PlaintextRecord, SealedRecord, split_datagram
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.tls.alerts import Alert, alert_error
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from handshake_over_coap.tls.messages import ClientHello, HelloVerifyRequest
from handshake_over_coap.tls.wire import Reader

NO_EXTENDED_MASTER_SECRET = 1
"""SSL_OP_NO_EXTENDED_MASTER_SECRET, which pyOpenSSL has no name for."""

_NO_AUTO_CHAIN = 8
"""SSL_MODE_NO_AUTO_CHAIN: a chain is what it is given, and not what the trust store adds to it."""

Body = tuple[BodyItem, ...]


class Framing:
    """Items to datagrams, and datagrams to items, for one side of one connection."""

    def __init__(self) -> None:
        self._next_number = 0
        self._fragments: dict[int, bytearray] = {}
        self.fragmented = 0
        """How many messages of the peer came in more than one piece."""

    def datagrams(self, items: Iterable[BodyItem]) -> list[bytes]:
        """Each item as a datagram that holds its record."""
        return [self._record(item).to_bytes() for item in items]

    def _record(self, item: BodyItem) -> PlaintextRecord | SealedRecord:
        assert not isinstance(item, CiphertextRecord), "this pair speaks DTLS 1.2"
        if isinstance(item, SealedRecord):
            return item
        number, self._next_number = self._next_number, self._next_number + 1
        if isinstance(item, ChangeCipherSpec):
            return PlaintextRecord(ContentType.change_cipher_spec, number, b"\x01")
        return PlaintextRecord(ContentType.handshake, number, item.dtls_bytes())

    def items(self, datagrams: bytes) -> Body:
        """The items in what a memory BIO holds: datagrams joined.  Raises an alert that came."""
        found: list[BodyItem] = []
        for record in split_datagram(datagrams) if datagrams else ():
            if isinstance(record, SealedRecord):
                found.append(record)
            elif record.content_type == ContentType.handshake:
                found += self._whole_messages(record.fragment)
            elif record.content_type == ContentType.change_cipher_spec:
                assert record.fragment == b"\x01"
                found.append(ChangeCipherSpec())
            else:
                alert = Alert.decode(record.fragment)
                raise alert_error(alert.description, received=True, level=alert.level)
        return tuple(found)

    def _whole_messages(self, data: bytes) -> Iterable[HandshakeMessage]:
        reader = Reader(data)
        while reader.remaining:
            kind, length, seq = reader.u8(), reader.u24(), reader.u16()
            offset, piece = reader.u24(), reader.take(reader.u24())
            body = self._fragments.setdefault(seq, bytearray())
            assert offset == len(body), "nothing is lost or moved in memory"
            self.fragmented += offset == 0 and len(piece) < length
            body += piece
            if len(body) == length:
                yield HandshakeMessage(kind, bytes(self._fragments.pop(seq)), seq)


@dataclass
class Talk:
    """Our conversation on one side and an OpenSSL connection on the other."""

    conversation: Conversation
    openssl: SSL.Connection
    framing: Framing = field(default_factory=Framing)
    ours: list[BodyItem] = field(default_factory=list)
    theirs: list[BodyItem] = field(default_factory=list)

    def say(self, items: Body) -> None:
        """Give OpenSSL a flight, datagram by datagram."""
        self.ours += items
        for datagram in self.framing.datagrams(items):
            self.openssl.bio_write(datagram)
            step(self.openssl)

    def hear(self) -> Body:
        """What OpenSSL has to say."""
        items = self.framing.items(read(self.openssl))
        self.theirs += items
        return items

    def run(self, flight: Body = ()) -> Established:
        """Go on, with ``flight`` of ours first, until both sides are done."""
        self.say(flight)
        step(self.openssl)
        for _ in range(5):
            if self.conversation.established:
                break
            self.conversation, flight = self.conversation.receive(self.hear())
            self.say(flight)
        established = self.conversation.established
        assert isinstance(established, Established)
        self.openssl.do_handshake()
        return established

    def message(self, side: Literal["ours", "theirs"], kind: HandshakeType) -> bytes:
        """The body of the last message of a type that was said in the clear."""
        items = reversed(self.ours if side == "ours" else self.theirs)
        return next(
            item.body for item in items if isinstance(item, HandshakeMessage) and item.type == kind
        )


def client_to(config: ClientConfig, openssl: SSL.Connection) -> tuple[Talk, Established]:
    """Our client against an OpenSSL server."""
    conversation, flight = begin_client(config)
    openssl.set_accept_state()
    talk = Talk(conversation, openssl)
    return talk, talk.run(flight)


def server_to(
    config: ServerConfig, openssl: SSL.Connection, *, cookie: bytes = b""
) -> tuple[Talk, Established]:
    """Our server against an OpenSSL client, after a HelloVerifyRequest if there is a ``cookie``."""
    openssl.set_connect_state()
    talk = Talk(begin_server(config), openssl)
    if cookie:
        step(openssl)
        (first,) = talk.hear()
        assert isinstance(first, HandshakeMessage)
        request = HelloVerifyRequest(0xFEFF, cookie).encode()
        talk.say((HandshakeMessage(HandshakeType.hello_verify_request, request, 0),))
        (second,) = talk.hear()
        assert isinstance(second, HandshakeMessage)
        assert ClientHello.decode(second.body).cookie == cookie
        talk.conversation = talk.conversation._replace(next_message_seq=second.message_seq)
        talk.conversation, flight = talk.conversation.receive([second])
        return talk, talk.run(flight)
    return talk, talk.run()


def step(connection: SSL.Connection) -> None:
    """Let OpenSSL go on with its handshake as far as it can."""
    with contextlib.suppress(SSL.WantReadError):
        connection.do_handshake()


def read(connection: SSL.Connection) -> bytes:
    """Everything that OpenSSL has to say, joined; possibly nothing."""
    found = b""
    with contextlib.suppress(SSL.WantReadError):
        while True:
            found += connection.bio_read(65535)
    return found


def context(ciphers: str, *, options: int = 0) -> SSL.Context:
    """DTLS 1.2 with these suites, in OpenSSL's names; an 8-byte tag needs security level 0."""
    made = SSL.Context(SSL.DTLS_METHOD)
    made.set_cipher_list(f"{ciphers}:@SECLEVEL=0".encode())
    made.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | options)
    made.set_mode(_NO_AUTO_CHAIN)
    return made


def connection(made: SSL.Context, *, mtu: int = 1400) -> SSL.Connection:
    """A connection over memory; datagrams hold ``mtu`` bytes at most."""
    result = SSL.Connection(made, None)
    result.set_ciphertext_mtu(mtu)
    return result


def present(
    made: SSL.Context,
    chain: Iterable[x509.Certificate],
    key: ec.EllipticCurvePrivateKey,
) -> None:
    """The certificates and the key that OpenSSL shows."""
    leaf, *others = chain
    made.use_certificate(leaf)
    made.use_privatekey(key)
    for each in others:
        made.add_extra_chain_cert(each)


def demand(made: SSL.Context, anchor: x509.Certificate) -> None:
    """OpenSSL wants a certificate that leads to ``anchor``, and checks it by itself."""
    store = made.get_cert_store()
    assert store is not None
    store.add_cert(crypto.X509.from_cryptography(anchor))
    made.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *a: bool(a[-1]))


class PreSharedKey:
    """One identity and key for OpenSSL, on either side; keep it as long as the context."""

    def __init__(self, identity: bytes, key: bytes, hint: bytes = b"") -> None:
        self.identity, self.key, self.hint = identity, key, hint
        self.seen: list[bytes] = []
        """Identities or hints that the other side has sent."""
        self._callbacks: list[Any] = [
            ffi.callback(
                "unsigned(SSL *, const char *, char *, unsigned, unsigned char *, unsigned)",
                self._of_client,
            ),
            ffi.callback(
                "unsigned(SSL *, const char *, unsigned char *, unsigned)", self._of_server
            ),
        ]

    def install(self, made: SSL.Context) -> None:
        """Have ``made`` use the key, whichever side it becomes."""
        client, server = self._callbacks
        lib.SSL_CTX_set_psk_client_callback(made._context, client)
        lib.SSL_CTX_set_psk_server_callback(made._context, server)
        if self.hint:
            lib.SSL_CTX_use_psk_identity_hint(made._context, self.hint)

    def _of_client(self, _ssl: Any, hint: Any, identity: Any, _i: int, key: Any, _k: int) -> int:
        if hint != ffi.NULL:
            self.seen.append(ffi.string(hint))
        ffi.memmove(identity, self.identity + b"\x00", len(self.identity) + 1)
        ffi.memmove(key, self.key, len(self.key))
        return len(self.key)

    def _of_server(self, _ssl: Any, identity: Any, key: Any, _k: int) -> int:
        self.seen.append(ffi.string(identity))
        if self.seen[-1] != self.identity:
            return 0
        ffi.memmove(key, self.key, len(self.key))
        return len(self.key)
