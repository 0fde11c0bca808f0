"""Reads a capture of DTLS 1.2 and recomputes what its handshake proves.

Shares no code with the library, and must not: it is a judge.  Of the capture it takes the records
and the key log in it; everything else is computed here from RFC 5246, RFC 6347 and RFC 7627 with
hashlib, hmac and the AEAD and curve of ``cryptography``.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
GCM_SUITES = {0x00A8, 0xC02B}
HELLO_REQUEST, CLIENT_HELLO, SERVER_HELLO, SERVER_KEY_EXCHANGE = 0, 1, 2, 12
CLIENT_KEY_EXCHANGE, FINISHED = 16, 20
PSK_SUITES, ECDHE_PSK_SUITES = {0x00A8, 0xC0A8}, {0xD003}


@dataclass
class Verified:
    """What the checker saw and found right; sizes in bytes."""

    messages: list[int] = field(default_factory=list)
    verify_data: list[bytes] = field(default_factory=list)
    application: list[bytes] = field(default_factory=list)
    extended_master_secret: bool = False


def check(path: Path, secrets: Iterable[bytes]) -> Verified:
    """Recompute both Finished and the extended master secret of the one handshake in ``path``.

    ``secrets`` are what the endpoints drew from their random source, and pre-shared keys: among
    them is what the premaster secret is made of.  Fails an assertion where something differs.
    """
    packets, key_log = read_pcapng(path)
    return _Reading(key_log, tuple(secrets)).run(packets)


def read_pcapng(path: Path) -> tuple[list[tuple[int, bytes]], dict[bytes, bytes]]:
    """(source port, UDP payload) of each packet, and master secrets by client random."""
    data, offset = path.read_bytes(), 0
    packets: list[tuple[int, bytes]] = []
    key_log: dict[bytes, bytes] = {}
    while offset < len(data):
        kind, length = struct.unpack_from("<II", data, offset)
        body = data[offset + 8 : offset + length - 4]
        if kind == 6:
            (captured,) = struct.unpack_from("<I", body, 12)
            packets.append(_udp(body[20 : 20 + captured]))
        elif kind == 10:
            (size,) = struct.unpack_from("<I", body, 4)
            for line in body[8 : 8 + size].decode().split("\n"):
                if not line:
                    continue
                label, random, secret = line.split()
                if label == "CLIENT_RANDOM":
                    key_log[bytes.fromhex(random)] = bytes.fromhex(secret)
        offset += length
    return packets, key_log


def _udp(packet: bytes) -> tuple[int, bytes]:
    header = 40 if packet[0] >> 4 == 6 else 4 * (packet[0] & 15)
    return struct.unpack_from(">H", packet, header)[0], packet[header + 8 :]


def prf(secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """P_SHA256 (RFC 5246 section 5)."""
    out, a = b"", label + seed
    while len(out) < length:
        a = hmac.new(secret, a, hashlib.sha256).digest()
        out += hmac.new(secret, a + label + seed, hashlib.sha256).digest()
    return out[:length]


class _Reading:
    def __init__(self, key_log: dict[bytes, bytes], secrets: tuple[bytes, ...]) -> None:
        self.key_log = key_log
        self.secrets = secrets
        self.transcript = b""
        self.master = b""
        self.randoms: dict[bool, bytes] = {}
        self.suite = 0
        self.client_port = 0
        self.server_share = b""
        self.found = Verified()

    def run(self, packets: list[tuple[int, bytes]]) -> Verified:
        self.client_port = packets[0][0]
        for port, payload in packets:
            offset = 0
            while offset < len(payload):
                kind, _, number, length = struct.unpack_from(">BHQH", payload, offset)
                fragment = payload[offset + 13 : offset + 13 + length]
                self.record(kind, number, fragment, client=port == self.client_port)
                offset += 13 + length
        return self.found

    def record(self, kind: int, number: int, fragment: bytes, *, client: bool) -> None:
        if number >> 48:
            fragment = self.open(kind, number, fragment, client=client)
        if kind == 22:
            self.message(fragment, client=client)
        elif kind == 23:
            self.found.application.append(fragment)

    def open(self, kind: int, number: int, fragment: bytes, *, client: bool) -> bytes:
        block = prf(self.master, b"key expansion", self.randoms[False] + self.randoms[True], 40)
        key, iv = (block[:16], block[32:36]) if client else (block[16:32], block[36:40])
        gcm = self.suite in GCM_SUITES
        aead = AESGCM(key) if gcm else AESCCM(key, tag_length=8)
        plain = len(fragment) - 8 - (16 if gcm else 8)
        additional = struct.pack(">QBHH", number, kind, 0xFEFD, plain)
        return aead.decrypt(iv + fragment[:8], fragment[8:], additional)

    def message(self, data: bytes, *, client: bool) -> None:
        kind, body = data[0], data[12:]
        assert int.from_bytes(data[1:4], "big") == len(body), "a message in fragments"
        self.found.messages.append(kind)
        if kind == FINISHED:
            self.finished(body, client=client)
        elif kind in {CLIENT_HELLO, SERVER_HELLO}:
            self.randoms[client] = body[2:34]
        if kind == SERVER_HELLO:
            self.suite = struct.unpack_from(">H", body, 35 + body[34])[0]
            self.found.extended_master_secret = b"\x00\x17\x00\x00" in body[35 + body[34] :]
        elif kind == SERVER_KEY_EXCHANGE:
            self.server_share = body
        self.transcript += data
        if kind == CLIENT_KEY_EXCHANGE:
            self.agree(body)

    def agree(self, body: bytes) -> None:
        """The master secret from the premaster, as RFC 7627 says; the key log must tell the same.

        Any of the secrets may be the one that counts: exactly one gives the master secret.
        """
        self.master = self.key_log[self.randoms[True]]
        session_hash = hashlib.sha256(self.transcript).digest()
        seed = (b"extended master secret", session_hash)
        if not self.found.extended_master_secret:
            seed = (b"master secret", self.randoms[True] + self.randoms[False])
        assert any(
            prf(premaster, *seed, 48) == self.master for premaster in self.premasters(body)
        ), "no secret gives the master secret of the key log"

    def premasters(self, body: bytes) -> Iterable[bytes]:
        if self.suite in PSK_SUITES:
            for key in self.secrets:
                length = struct.pack(">H", len(key))
                yield length + bytes(len(key)) + length + key
            return
        shared = list(self.shared_secrets(body))
        if self.suite not in ECDHE_PSK_SUITES:
            yield from shared
            return
        for key in self.secrets:
            for secret in shared:
                yield struct.pack(">H", len(secret)) + secret + struct.pack(">H", len(key)) + key

    def shared_secrets(self, body: bytes) -> Iterable[bytes]:
        """ECDH of the server's share with every draw that could be the client's private key."""
        client = body
        if self.suite in ECDHE_PSK_SUITES:
            client = body[2 + struct.unpack_from(">H", body)[0] :]
        client = client[1:]
        start = self.server_share.index(b"\x03\x00")
        group, length = struct.unpack_from(">HB", self.server_share, start + 1)
        server = self.server_share[start + 4 : start + 4 + length]
        for draw in self.secrets:
            if group == 29 and len(draw) == 32:
                private = x25519.X25519PrivateKey.from_private_bytes(draw)
                if private.public_key().public_bytes_raw() == client:
                    yield private.exchange(x25519.X25519PublicKey.from_public_bytes(server))
            elif group == 23 and len(draw) == 48:
                scalar = int.from_bytes(draw, "big") % (P256_ORDER - 1) + 1
                key = ec.derive_private_key(scalar, ec.SECP256R1())
                form = (Encoding.X962, PublicFormat.UncompressedPoint)
                if key.public_key().public_bytes(*form) == client:
                    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), server)
                    yield key.exchange(ec.ECDH(), point)

    def finished(self, body: bytes, *, client: bool) -> None:
        label = b"client finished" if client else b"server finished"
        expected = prf(self.master, label, hashlib.sha256(self.transcript).digest(), 12)
        assert body == expected, f"{label.decode()} does not fit the transcript"
        self.found.verify_data.append(body)
