"""Records that OpenSSL seals, opened by ours, and the other way round."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import pytest
from OpenSSL import SSL
from OpenSSL._util import ffi, lib

from handshake_over_coap.records import (
    Opener,
    PlaintextRecord,
    RawRecord,
    SealedRecord,
    Sealer,
    split_datagram,
)
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.schedule12 import connection_keys
from handshake_over_coap.tls.suites import AES_128_CCM_8, AES_128_GCM, AeadAlgorithm

PSK = bytes(range(16))
SUITES = pytest.mark.parametrize(
    ("ciphers", "aead"),
    [
        (b"PSK-AES128-CCM8:@SECLEVEL=0", AES_128_CCM_8),
        (b"PSK-AES128-GCM-SHA256:@SECLEVEL=0", AES_128_GCM),
    ],
    ids=["ccm-8", "gcm"],
)


@dataclass
class OpenSslPair:
    """Two endpoints after their handshake, and what went over the wire between them."""

    client: SSL.Connection
    server: SSL.Connection
    client_keys: TrafficKeys
    server_keys: TrafficKeys
    from_client: list[RawRecord]
    from_server: list[RawRecord]
    callbacks: list[Any]  # cffi keeps no reference to them


def context(ciphers: bytes, callbacks: list[Any], secrets: list[bytes]) -> SSL.Context:
    made = SSL.Context(SSL.DTLS_METHOD)
    made.set_cipher_list(ciphers)
    made.set_options(SSL.OP_NO_QUERY_MTU)
    made.set_keylog_callback(lambda _, line: secrets.append(line))

    def use_identity(_s: Any, _hint: Any, identity: Any, _i: int, key: Any, _k: int) -> int:
        ffi.memmove(identity, b"device\x00", 7)
        ffi.memmove(key, PSK, len(PSK))
        return len(PSK)

    def look_up(_s: Any, _identity: Any, key: Any, _k: int) -> int:
        ffi.memmove(key, PSK, len(PSK))
        return len(PSK)

    client_type = (
        "unsigned int(SSL *, const char *, char *, unsigned int, unsigned char *, unsigned int)"
    )
    server_type = "unsigned int(SSL *, const char *, unsigned char *, unsigned int)"
    client_psk = ffi.callback(client_type, use_identity)
    server_psk = ffi.callback(server_type, look_up)
    callbacks += [client_psk, server_psk]
    lib.SSL_CTX_set_psk_client_callback(made._context, client_psk)
    lib.SSL_CTX_set_psk_server_callback(made._context, server_psk)
    return made


def flush(source: SSL.Connection, target: SSL.Connection) -> list[RawRecord]:
    """Move what ``source`` has to say, record by record."""
    records: list[RawRecord] = []
    while True:
        try:
            data = source.bio_read(65535)
        except SSL.WantReadError:
            return records
        for record in split_datagram(data):
            target.bio_write(record.to_bytes())
            records.append(record)


def handshake(ciphers: bytes, aead: AeadAlgorithm) -> OpenSslPair:
    callbacks: list[Any] = []
    secrets: list[bytes] = []
    client = SSL.Connection(context(ciphers, callbacks, secrets), None)
    server = SSL.Connection(context(ciphers, callbacks, secrets), None)
    client.set_connect_state()
    server.set_accept_state()
    from_client: list[RawRecord] = []
    from_server: list[RawRecord] = []
    for endpoint in (client, server):
        endpoint.set_ciphertext_mtu(1400)
    for _ in range(10):
        for side, other, seen in ((client, server, from_client), (server, client, from_server)):
            with contextlib.suppress(SSL.WantReadError):
                side.do_handshake()
            seen.extend(flush(side, other))
    label, client_random, master = secrets[0].split()
    assert label == b"CLIENT_RANDOM"
    hello = from_server[0]
    assert hello.fragment[0] == 2  # ServerHello: header 12, version 2, then the random
    schedule = connection_keys(
        bytes.fromhex(master.decode()),
        aead,
        bytes.fromhex(client_random.decode()),
        hello.fragment[14:46],
    )
    return OpenSslPair(
        client,
        server,
        schedule.client_write,
        schedule.server_write,
        from_client,
        from_server,
        callbacks,
    )


@SUITES
def test_finished_and_data_of_openssl_open(ciphers: bytes, aead: AeadAlgorithm) -> None:
    pair = handshake(ciphers, aead)
    opener = Opener(pair.server_keys)
    sealed = [r for r in pair.from_server if isinstance(r, SealedRecord)]
    assert [r.content_type for r in pair.from_server if isinstance(r, PlaintextRecord)][-1] == 20
    finished = opener.open_in_body(sealed[0])
    assert finished[:4] == b"\x14\x00\x00\x0c"
    assert len(finished) == 12 + 12
    pair.server.send(b"data of openssl")
    (record,) = flush(pair.server, pair.client)
    assert opener.open_datagram(record.to_bytes()) == (23, b"data of openssl")


@SUITES
def test_openssl_opens_what_we_seal(ciphers: bytes, aead: AeadAlgorithm) -> None:
    pair = handshake(ciphers, aead)
    sent = [r.sequence_number for r in pair.from_client if isinstance(r, SealedRecord)]
    sealer = Sealer(pair.client_keys, next_sequence_number=max(sent) + 1)
    pair.server.bio_write(sealer.seal_datagram(23, b"data of ours"))
    assert pair.server.recv(100) == b"data of ours"


@SUITES
def test_openssl_takes_our_close_notify(ciphers: bytes, aead: AeadAlgorithm) -> None:
    pair = handshake(ciphers, aead)
    sealer = Sealer(pair.client_keys, next_sequence_number=50)
    pair.server.bio_write(sealer.seal_datagram(21, b"\x01\x00"))
    with pytest.raises(SSL.ZeroReturnError):
        pair.server.recv(100)
    assert pair.server.get_shutdown() & SSL.RECEIVED_SHUTDOWN
