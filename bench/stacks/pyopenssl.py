"""pyOpenSSL: two connections on memory BIOs in one process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from OpenSSL import SSL, crypto
from OpenSSL._util import ffi, lib  # pre-shared keys and groups have no call of their own

from . import material

NAME = "pyOpenSSL"
_CIPHERS = {"psk": "PSK-AES128-CCM8", "x509": "ECDHE-ECDSA-AES128-CCM8"}
_ENOUGH = 1 << 16
Contexts = tuple[SSL.Context, SSL.Context]


def _client_psk(_ssl: Any, _hint: Any, identity: Any, _: int, key: Any, _max: int) -> int:
    name = material.IDENTITY.encode() + b"\x00"
    ffi.memmove(identity, name, len(name))
    ffi.memmove(key, material.PSK, len(material.PSK))
    return len(material.PSK)


def _server_psk(_ssl: Any, _identity: Any, key: Any, _max: int) -> int:
    ffi.memmove(key, material.PSK, len(material.PSK))
    return len(material.PSK)


# Kept here because OpenSSL holds no reference to them.
_CLIENT = ffi.callback(
    "unsigned(SSL *, const char *, char *, unsigned, unsigned char *, unsigned)", _client_psk
)
_SERVER = ffi.callback("unsigned(SSL *, const char *, unsigned char *, unsigned)", _server_psk)


def contexts(kind: str) -> Contexts:
    """Client and server for ``psk`` or ``x509``: the chain is verified, P-256 for ECDHE."""
    made = []
    for _ in range(2):
        context = SSL.Context(SSL.DTLS_METHOD)
        # CCM_8 counts as 64 bits of security.
        context.set_cipher_list(f"{_CIPHERS[kind]}:@SECLEVEL=0".encode())
        context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        assert lib.SSL_CTX_set1_curves_list(context._context, b"P-256") == 1
        made.append(context)
    client, server = made
    if kind == "psk":
        lib.SSL_CTX_set_psk_client_callback(client._context, _CLIENT)
        lib.SSL_CTX_set_psk_server_callback(server._context, _SERVER)
        return client, server
    given = material.server()
    server.use_certificate(crypto.load_certificate(crypto.FILETYPE_ASN1, given.certificate))
    server.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_ASN1, given.key))
    store = client.get_cert_store()
    assert store is not None
    store.add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, given.authority))
    client.set_verify(SSL.VERIFY_PEER)
    return client, server


def handshake(pair: Contexts) -> tuple[SSL.Connection, SSL.Connection]:
    """One handshake, without a cookie."""
    client, server = (SSL.Connection(context) for context in pair)
    client.set_connect_state()
    server.set_accept_state()
    sides, complete = (client, server), 0
    for side in sides:
        side.set_ciphertext_mtu(1200)
    while complete < 2:
        side, other = sides
        try:
            side.do_handshake()
            complete += 1
        except SSL.WantReadError:
            complete = 0
        with suppress(SSL.WantReadError):
            other.bio_write(side.bio_read(_ENOUGH))
        sides = other, side
    return client, server


def records(payload: bytes) -> Callable[[], bytes]:
    """Seals and opens one record of ``payload`` a call."""
    client, server = handshake(contexts("psk"))

    def once() -> bytes:
        client.send(payload)
        server.bio_write(client.bio_read(_ENOUGH))
        return server.recv(_ENOUGH)

    return once
