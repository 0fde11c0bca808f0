"""Whole handshakes recomputed from the RFCs with nothing but ``hashlib`` and ``hmac``.

Neither the library's key schedule nor its transcript takes part: what was sent is framed, hashed
and expanded here once more (RFC 8446 sections 4.2.11.2, 4.4 and 7, RFC 9147 sections 5.2 and 5.9).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.suites13 import CipherSuite13
from tests.support import parties
from tests.support.memory_pair13 import Items, Point, connected13, resume, run
from tests.support.parties13 import CCM, CHACHA, P256, X25519, Scenario13

EMPTY = hashlib.sha256(b"").digest()


def extract(salt: bytes, material: bytes) -> bytes:
    return hmac.digest(salt, material, "sha256")


def expand_label(secret: bytes, label: str, context: bytes, length: int) -> bytes:
    full = b"dtls13" + label.encode()
    info = length.to_bytes(2, "big") + bytes([len(full)]) + full
    info += bytes([len(context)]) + context
    out, block, number = b"", b"", 0
    while len(out) < length:
        number += 1
        block = hmac.digest(secret, block + info + bytes([number]), "sha256")
        out += block
    return out[:length]


def finished(secret: bytes, digest: bytes) -> bytes:
    return hmac.digest(expand_label(secret, "finished", b"", 32), digest, "sha256")


def framed(message: HandshakeMessage) -> bytes:
    return bytes([message.type]) + len(message.body).to_bytes(3, "big") + message.body


def messages(flight: Items) -> list[HandshakeMessage]:
    return [item for item in flight if isinstance(item, HandshakeMessage)]


@dataclass
class Recomputed:
    """The key schedule over what was really sent."""

    point: Point
    psk: bytes
    shared: bytes

    def __post_init__(self) -> None:
        *self.hellos, flight, last = [messages(flight) for flight in self.point.flights[:-1]]
        self.server_flight, self.client_flight = flight, last
        self.early = extract(bytes(32), self.psk)
        secret = extract(expand_label(self.early, "derived", EMPTY, 32), self.shared)
        digest = self.until(self.server_flight[0])
        self.client_handshake = expand_label(secret, "c hs traffic", digest, 32)
        self.server_handshake = expand_label(secret, "s hs traffic", digest, 32)
        master = extract(expand_label(secret, "derived", EMPTY, 32), bytes(32))
        digest = self.until(self.server_flight[-1])
        self.client_application = expand_label(master, "c ap traffic", digest, 32)
        self.server_application = expand_label(master, "s ap traffic", digest, 32)
        self.exporter = expand_label(master, "exp master", digest, 32)
        digest = self.until(self.client_flight[-1])
        self.resumption = expand_label(master, "res master", digest, 32)

    def transcript(self) -> Iterator[tuple[HandshakeMessage, bytes]]:
        """Each message and its bytes; a first hello that was answered by a retry as its hash."""
        if len(self.hellos) == 3:
            first, retry, second = (flight[0] for flight in self.hellos)
            yield first, b"\xfe\x00\x00\x20" + hashlib.sha256(framed(first)).digest()
            yield retry, framed(retry)
            yield second, framed(second)
        else:
            yield self.hellos[0][0], framed(self.hellos[0][0])
        for message in (*self.server_flight, *self.client_flight):
            yield message, framed(message)

    def until(self, last: HandshakeMessage, *, before: bool = False, cut: int = 0) -> bytes:
        """The hash up to ``last``, or before it, or without its last ``cut`` bytes."""
        data = b""
        for message, content in self.transcript():
            if message is last:
                data += b"" if before else content[: len(content) - cut]
                return hashlib.sha256(data).digest()
            data += content
        raise AssertionError("not in the transcript")

    def binder(self, label: str) -> bytes:
        """The binder of the last hello, which offers one key: 3 bytes of lengths and 32 more."""
        hello = self.hellos[-1][0]
        key = expand_label(self.early, label, EMPTY, 32)
        return finished(key, self.until(hello, cut=35))


def check(recomputed: Recomputed) -> None:
    """Everything that both sides derived and said, against what is derived here."""
    point = recomputed.point
    for side in (point.client, point.server):
        state = connected13(side)
        assert state.secrets.client_handshake == recomputed.client_handshake
        assert state.secrets.server_handshake == recomputed.server_handshake
        assert state.secrets.client_application == recomputed.client_application
        assert state.secrets.server_application == recomputed.server_application
        secret = expand_label(recomputed.exporter, "EXPORTER-a", EMPTY, 32)
        context = hashlib.sha256(b"some context").digest()
        exported = expand_label(secret, "exporter", context, 40)
        assert state.export("EXPORTER-a", 40, b"some context") == exported
    server_finished, client_finished = recomputed.server_flight[-1], recomputed.client_flight[-1]
    assert server_finished.body == finished(
        recomputed.server_handshake, recomputed.until(server_finished, before=True)
    )
    assert client_finished.body == finished(
        recomputed.client_handshake, recomputed.until(client_finished, before=True)
    )
    check_keys(recomputed)


def check_keys(recomputed: Recomputed) -> None:
    """The client's keys of both epochs; that the server's are the same is shown elsewhere."""
    handshake, application = recomputed.point.client.keys
    expect_keys(handshake.read, recomputed.server_handshake)
    expect_keys(handshake.write, recomputed.client_handshake)
    expect_keys(application.read, recomputed.server_application)
    expect_keys(application.write, recomputed.client_application)


def expect_keys(keys: TrafficKeys | None, secret: bytes) -> None:
    assert keys is not None
    length = keys.aead.key_length
    assert keys.key == expand_label(secret, "key", b"", length)
    assert keys.iv == expand_label(secret, "iv", b"", 12)
    assert keys.sn_key == expand_label(secret, "sn", b"", length)


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def shared_p256(point: Point, seed: str, *drawn_before: int) -> bytes:
    """The shared secret, from the client's random bytes and the server's share.

    The hello's 32 random bytes are drawn first, then ``drawn_before``, then 48 for the key
    (FIPS 186-5 A.2.1).
    """
    rng = parties.seeded(seed)
    for length in (32, *drawn_before):
        rng(length)
    scalar = int.from_bytes(rng(48), "big") % (ORDER - 1) + 1
    private = ec.derive_private_key(scalar, ec.SECP256R1())
    hello = messages(point.flights[-3])[0].body
    # The share stands after group 23 and its length, 65 bytes from 0x04 on.
    start = hello.index(bytes.fromhex("00170041")) + 4
    share = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), hello[start : start + 65])
    return private.exchange(ec.ECDH(), share)


@pytest.mark.parametrize("suite", [CCM, CHACHA], ids=str)
def test_a_pre_shared_key_alone(suite: CipherSuite13) -> None:
    scenario = Scenario13(suite, None)
    recomputed = Recomputed(run(scenario.client(), scenario.server()), parties.KEY, bytes(32))
    assert recomputed.hellos[-1][0].body[-32:] == recomputed.binder("ext binder")
    check(recomputed)


def test_a_pre_shared_key_with_ephemeral_keys_and_its_resumption() -> None:
    scenario = Scenario13(CCM, P256)
    server = scenario.server()
    first = run(scenario.client("one"), server)
    recomputed = Recomputed(first, parties.KEY, shared_p256(first, "one"))
    assert recomputed.hellos[-1][0].body[-32:] == recomputed.binder("ext binder")
    check(recomputed)
    ticket = resume(first)
    nonce = messages(first.flights[-1])[0].body[8:10]
    assert nonce[0] == 1
    psk = expand_label(recomputed.resumption, "resumption", nonce[1:], 32)
    assert ticket.psk == psk

    again = run(scenario.client("two", ticket=ticket, psk=None), server)
    recomputed = Recomputed(again, psk, shared_p256(again, "two"))
    assert recomputed.hellos[-1][0].body[-32:] == recomputed.binder("res binder")
    check(recomputed)


def test_certificates_on_both_sides() -> None:
    scenario = Scenario13(CCM, P256, "x509", "rpk-p256")
    point = run(scenario.client("one"), scenario.server())
    check(Recomputed(point, bytes(32), shared_p256(point, "one")))


def test_a_pre_shared_key_after_a_retry() -> None:
    scenario = Scenario13(CCM, P256, retry=True)
    point = run(scenario.client("one"), scenario.server())
    recomputed = Recomputed(point, parties.KEY, shared_p256(point, "one"))
    assert recomputed.hellos[-1][0].body[-32:] == recomputed.binder("ext binder")
    check(recomputed)


def test_a_retry_for_another_group_hashes_the_first_hello() -> None:
    scenario = Scenario13(CCM, P256, "rpk-ed25519")
    client = scenario.client("one", groups=(X25519, P256), key_shares=(X25519,))
    point = run(client, scenario.server())
    # 32 bytes went into the x25519 share that was of no use.
    check(Recomputed(point, bytes(32), shared_p256(point, "one", 32)))
