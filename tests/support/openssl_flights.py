"""DTLS 1.2 handshakes between two pyOpenSSL endpoints in memory, taken apart.

OpenSSL is the second opinion here: none of this uses our own code.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from OpenSSL._util import ffi, lib

SERVER_NAME = "coap.example"
PSK_IDENTITY = b"Client_identity"
PSK_HINT = b"the hint"
PSK_KEY = bytes(range(16))
COOKIE = b"a cookie of OpenSSL"

_HANDSHAKE = 22


@dataclass(frozen=True)
class Captured:
    """One handshake message that was sent in the clear: DTLS header (12 bytes) and body."""

    type: int
    header: bytes
    body: bytes


@dataclass(frozen=True)
class Capture:
    """What both sides said before they changed ciphers, in order."""

    client: tuple[Captured, ...]
    server: tuple[Captured, ...]
    server_key: ec.EllipticCurvePrivateKey

    def body(self, side: str, message_type: int) -> bytes:
        """The body of the last message of that type from "client" or "server"."""
        messages = self.client if side == "client" else self.server
        return next(m.body for m in reversed(messages) if m.type == message_type)


def _credential(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.derive_private_key(0xC0FFEE + len(name), ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1)
    builder = builder.not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    builder = builder.not_valid_after(dt.datetime(2120, 1, 1, tzinfo=dt.UTC))
    return builder.sign(key, hashes.SHA256()), key


def _context(ciphers: str) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_options(SSL.OP_NO_QUERY_MTU)
    context.set_cipher_list(ciphers.encode() + b":@SECLEVEL=0")
    return context


def _connection(context: SSL.Context) -> SSL.Connection:
    connection = SSL.Connection(context, None)
    connection.set_ciphertext_mtu(4096)
    return connection


def _read(connection: SSL.Connection) -> bytes:
    try:
        return connection.bio_read(65536)
    except SSL.WantReadError:
        return b""


def _records(joined: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Content type, epoch and fragment of each record in a string of them."""
    while joined:
        end = 13 + int.from_bytes(joined[11:13], "big")
        yield joined[0], int.from_bytes(joined[3:5], "big"), joined[13:end]
        joined = joined[end:]


def _clear_messages(joined: bytes) -> tuple[Captured, ...]:
    """Whole handshake messages of epoch 0; the MTU is large enough for one record each."""
    messages = []
    for content_type, epoch, fragment in _records(joined):
        if content_type != _HANDSHAKE or epoch != 0:
            continue
        header, body = fragment[:12], fragment[12:]
        if header[1:4] != header[9:12] or len(body) != int.from_bytes(header[1:4], "big"):
            raise ValueError("a fragmented message in the capture")
        messages.append(Captured(header[0], header, body))
    return tuple(messages)


def _step(connection: SSL.Connection) -> bool:
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        return False
    return True


def _prove_address(client: SSL.Connection, server: SSL.Connection, sent: list[bytes]) -> bytes:
    """The exchange of HelloVerifyRequest; returns the client's second hello."""
    server.bio_write(sent[-1])
    with contextlib.suppress(SSL.WantReadError):
        server.DTLSv1_listen()
    verify_request = _read(server)
    client.bio_write(verify_request)
    _step(client)
    sent.append(_read(client))
    server.bio_write(sent[-1])
    server.DTLSv1_listen()
    return verify_request


def _run(
    client: SSL.Connection, server: SSL.Connection, key: ec.EllipticCurvePrivateKey, cookie: bool
) -> Capture:
    client.set_connect_state()
    server.set_accept_state()
    _step(client)
    sent, answered = [_read(client)], []
    if cookie:
        answered.append(_prove_address(client, server, sent))
    else:
        server.bio_write(sent[-1])
    for _ in range(10):
        finished = _step(server)
        answered.append(_read(server))
        client.bio_write(answered[-1])
        if _step(client) and finished:
            break
        sent.append(_read(client))
        server.bio_write(sent[-1])
    else:
        raise TimeoutError("OpenSSL does not finish with itself")
    return Capture(_clear_messages(b"".join(sent)), _clear_messages(b"".join(answered)), key)


def mutual_x509() -> Capture:
    """ECDHE_ECDSA with AES_128_CCM_8, certificates on both sides, a cookie and a server name."""
    suite = "ECDHE-ECDSA-AES128-CCM8"
    contexts = []
    for name in (SERVER_NAME, "client"):
        certificate, key = _credential(name)
        context = _context(suite)
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        contexts.append(context)
    server_context, client_context = contexts
    server_context.set_cookie_generate_callback(lambda _: COOKIE)
    server_context.set_cookie_verify_callback(lambda _, cookie: cookie == COOKIE)
    server_context.add_client_ca(_credential("client")[0])
    client = _connection(client_context)
    client.set_tlsext_host_name(SERVER_NAME.encode())
    return _run(client, _connection(server_context), _credential(SERVER_NAME)[1], cookie=True)


def psk(ciphers: str) -> Capture:
    """A suite of OpenSSL's with PSK_IDENTITY, PSK_HINT and PSK_KEY."""
    client_type = (
        "unsigned int(SSL *, const char *, char *, unsigned int, unsigned char *, unsigned int)"
    )

    def use_identity(
        _s: object, _h: object, identity: object, _n: int, key: object, _m: int
    ) -> int:
        ffi.memmove(identity, PSK_IDENTITY + b"\0", len(PSK_IDENTITY) + 1)
        ffi.memmove(key, PSK_KEY, len(PSK_KEY))
        return len(PSK_KEY)

    def look_up(_s: object, _identity: object, key: object, _m: int) -> int:
        ffi.memmove(key, PSK_KEY, len(PSK_KEY))
        return len(PSK_KEY)

    server_type = "unsigned int(SSL *, const char *, unsigned char *, unsigned int)"
    callbacks: list[Callable[..., object]] = [
        ffi.callback(client_type, use_identity),
        ffi.callback(server_type, look_up),
    ]
    client_context, server_context = _context(ciphers), _context(ciphers)
    lib.SSL_CTX_set_psk_client_callback(client_context._context, callbacks[0])
    lib.SSL_CTX_set_psk_server_callback(server_context._context, callbacks[1])
    lib.SSL_CTX_use_psk_identity_hint(server_context._context, PSK_HINT)
    key = _credential(SERVER_NAME)[1]
    return _run(_connection(client_context), _connection(server_context), key, cookie=False)
