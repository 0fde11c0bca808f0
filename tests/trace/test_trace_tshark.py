"""tshark, which shares nothing with us, reads our captures."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from OpenSSL import SSL

from handshake_over_coap.trace import (
    Capture,
    DatagramSeen,
    Direction,
    KeyLogLabel,
    key_log_line,
)
from tests.support.pki import self_signed

pytestmark = pytest.mark.peer

RequirePeer = Callable[[str], str]

POST = bytes.fromhex("44021234deadbeef bb") + b".well-known\x04dtls"
ECHO = bytes.fromhex("64811234deadbeef d8ef 0102030405060708")
BLOCK = (
    POST[:3]
    + b"\x35"
    + POST[4:]
    + bytes.fromhex("d1030a d8d4 0102030405060708 ff")
    + bytes(range(64))
)


def tshark(program: str, path: Path, *options: str) -> list[list[str]]:
    command = [program, "-r", str(path), "-n", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [line.split("\t") for line in done.stdout.splitlines()]


def fields(program: str, path: Path, *names: str, options: tuple[str, ...] = ()) -> list[list[str]]:
    checked = ("-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE")
    chosen = [word for name in names for word in ("-e", name)]
    return tshark(program, path, *checked, *options, "-T", "fields", *chosen)


@pytest.mark.parametrize(
    ("local", "peer"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("::", "::ffff:192.0.2.2"),
        ("2001:db8::1", "fe80::2%eth0"),
        ("server", "client"),
    ],
    ids=["ipv4", "mapped", "ipv6", "simulated"],
)
def test_coap_is_dissected_with_good_checksums(
    require_peer: RequirePeer, tmp_path: Path, local: str, peer: str
) -> None:
    program, path = require_peer("tshark"), tmp_path / "coap.pcapng"
    with Capture(path, local_host=local, local_port=5683, time_zero_ns=10**18) as capture:
        for place, data in enumerate((POST, ECHO, BLOCK)):
            direction = Direction.SENT if data is ECHO else Direction.RECEIVED
            capture.observe(DatagramSeen(place / 8, direction, peer, 40000, data))
    names = ("frame.time_epoch", "udp.srcport", "coap.code", "coap.opt.uri_path_recon")
    assert fields(program, path, *names) == [
        ["1000000000.000000000", "40000", "2", "/.well-known/dtls"],
        # The response's path is the one tshark found by its token.
        ["1000000000.125000000", "5683", "129", "/.well-known/dtls"],
        ["1000000000.250000000", "40000", "2", "/.well-known/dtls"],
    ]
    ipv4 = "." in peer
    sums = fields(program, path, "ip.checksum.status", "udp.checksum.status")
    assert sums == [["1" if ipv4 else "", "1"]] * 3
    # tshark 4.0 does not know the number of Echo (RFC 9175).
    complaints = fields(program, path, "_ws.expert.message", options=("-Y", "_ws.expert"))
    assert {text for row in complaints for text in row} <= {"Invalid Option Number 252"}
    directions = fields(program, path, "frame.packet_flags_direction")
    assert directions == [["0x00000001"], ["0x00000002"], ["0x00000001"]]


def side(kind: str, secrets: list[bytes]) -> SSL.Connection:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_options(SSL.OP_NO_QUERY_MTU)
    context.set_cipher_list(b"ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0")
    issued = self_signed("server.example")
    context.use_certificate(issued.certificate)
    context.use_privatekey(issued.private_key)
    if kind == "client":
        context.set_keylog_callback(lambda _, line: secrets.append(line))
    connection = SSL.Connection(context, None)
    connection.set_ciphertext_mtu(1400)
    if kind == "client":
        connection.set_connect_state()
    else:
        connection.set_accept_state()
    return connection


def openssl_conversation() -> tuple[list[tuple[Direction, bytes]], bytes]:
    """Each datagram of a handshake and one text each way, as the client saw it; and the key log."""
    secrets: list[bytes] = []
    client, server = side("client", secrets), side("server", secrets)
    seen: list[tuple[Direction, bytes]] = []

    def flush() -> None:
        for source, target, direction in (
            (client, server, Direction.SENT),
            (server, client, Direction.RECEIVED),
        ):
            with contextlib.suppress(SSL.WantReadError):
                joined = source.bio_read(65535)
                while joined:
                    end = 13 + int.from_bytes(joined[11:13], "big")
                    seen.append((direction, joined[:end]))
                    target.bio_write(joined[:end])
                    joined = joined[end:]

    for _ in range(6):
        for endpoint in (client, server):
            with contextlib.suppress(SSL.WantReadError):
                endpoint.do_handshake()
            flush()
    client.send(b"a question")
    flush()
    server.send(b"an answer")
    flush()
    return seen, secrets[0]


@pytest.mark.parametrize("when", ["first", "in room that was kept"])
def test_records_are_decrypted_by_the_secrets_in_the_capture(
    require_peer: RequirePeer, tmp_path: Path, when: str
) -> None:
    program, path = require_peer("tshark"), tmp_path / "dtls.pcapng"
    seen, openssl_line = openssl_conversation()
    label, client_random, secret = openssl_line.decode().split()
    line = key_log_line(KeyLogLabel(label), bytes.fromhex(client_random), bytes.fromhex(secret))
    assert line == openssl_line.decode()
    with Capture(path, local_host="::1", local_port=40000, time_zero_ns=0) as capture:
        room = None if when == "first" else capture.reserve()
        if room is None:
            capture.secrets(line)
        for place, (direction, data) in enumerate(seen):
            capture.observe(DatagramSeen(float(place), direction, "::1", 40001, data))
        if room is not None:
            capture.secrets(line, room)
    as_dtls = ("-d", "udp.port==40001,dtls")
    rows = fields(program, path, "dtls.handshake.type", "data.data", options=as_dtls)
    assert [types for types, _ in rows].count("20") == 2
    assert [bytes.fromhex(text) for _, text in rows if text] == [b"a question", b"an answer"]
