"""ECDHE_PSK with CCM_8 recomputed from the text of its RFCs: no other stack at hand has the suite.

Nothing of ``handshake_over_coap.tls.schedule12`` is used: hash and HMAC are the standard library's,
the curves and AES-CCM those of `cryptography`, and the bytes are taken from the wire.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from handshake_over_coap.encodings.items import BodyItem
from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.tls import groups
from handshake_over_coap.tls.codepoints import ContentType, NamedGroup
from handshake_over_coap.tls.flight import HandshakeMessage
from tests.support import memory_pair, parties
from tests.support.parties import HINT, IDENTITY, KEY, Scenario

CLIENT_HELLO, SERVER_HELLO = 1, 2
SERVER_KEY_EXCHANGE, CLIENT_KEY_EXCHANGE, FINISHED = 12, 16, 20


def p_sha256(secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """P_SHA256 over label and seed: PRF of RFC 5246 section 5."""
    text = label + seed
    a, out = text, b""
    while len(out) < length:
        a = hmac.new(secret, a, sha256).digest()
        out += hmac.new(secret, a + text, sha256).digest()
    return out[:length]


def premaster(shared: bytes, key: bytes) -> bytes:
    """RFC 5489 section 2: the ECDH secret, then the key, each behind its length in 16 bits."""
    return len(shared).to_bytes(2, "big") + shared + len(key).to_bytes(2, "big") + key


class Recorded:
    """A source of randomness that remembers what it gave."""

    def __init__(self, seed: str) -> None:
        self._source = parties.seeded(seed)
        self.given: list[bytes] = []

    def __call__(self, length: int) -> bytes:
        self.given.append(self._source(length))
        return self.given[-1]


def p256_secret(drawn: bytes, own: bytes, peer: bytes) -> bytes | None:
    """The ECDH secret if ``own`` is the point of the key that was made of ``drawn``."""
    scalar = int.from_bytes(drawn, "big") % (groups._P256_ORDER - 1) + 1
    private = ec.derive_private_key(scalar, ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    if own != b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big"):
        return None
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), peer)
    return private.exchange(ec.ECDH(), point)


def x25519_secret(drawn: bytes, own: bytes, peer: bytes) -> bytes | None:
    """The same of X25519."""
    if len(drawn) != 32:
        return None
    private = X25519PrivateKey.from_private_bytes(drawn)
    if own != private.public_key().public_bytes_raw():
        return None
    return private.exchange(X25519PublicKey.from_public_bytes(peer))


def message(items: tuple[BodyItem, ...], kind: int) -> HandshakeMessage:
    """The message of a type in a flight."""
    (found,) = (i for i in items if isinstance(i, HandshakeMessage) and i.type == kind)
    return found


def vector(data: bytes, width: int) -> tuple[bytes, bytes]:
    """A vector with its length in ``width`` bytes, and what follows."""
    end = width + int.from_bytes(data[:width], "big")
    return data[width:end], data[end:]


def on_the_wire(items: tuple[BodyItem, ...]) -> bytes:
    """The messages in the clear with their DTLS headers, as RFC 6347 section 4.2.6 hashes them."""
    return b"".join(
        bytes([i.type])
        + len(i.body).to_bytes(3, "big")
        + i.message_seq.to_bytes(2, "big")
        + bytes(3)
        + len(i.body).to_bytes(3, "big")
        + i.body
        for i in items
        if isinstance(i, HandshakeMessage)
    )


def opened(record: BodyItem, key: bytes, salt: bytes) -> bytes:
    """A sealed record by RFC 6655 section 3 and RFC 6347 section 4.1.2.1, CCM_8."""
    assert isinstance(record, SealedRecord)
    explicit, sealed = record.fragment[:8], record.fragment[8:]
    number = record.epoch.to_bytes(2, "big") + record.sequence_number.to_bytes(6, "big")
    header = bytes([ContentType.handshake, 0xFE, 0xFD]) + (len(sealed) - 8).to_bytes(2, "big")
    return AESCCM(key, tag_length=8).decrypt(salt + explicit, sealed, number + header)


@pytest.mark.parametrize("hint", [b"", HINT])
@pytest.mark.parametrize("group", [NamedGroup.secp256r1, NamedGroup.x25519])
def test_secrets_keys_and_finished_follow_from_the_wire(group: NamedGroup, hint: bytes) -> None:
    scenario = Scenario(parties.ECDHE_PSK_CCM, group, hint=hint)
    drawn = Recorded("recomputed")
    point = memory_pair.run(scenario.client(rng=drawn), scenario.server())
    ours, theirs = memory_pair.agreed(point)
    flight_1, flight_2, flight_3, flight_4 = point.flights

    said, curve = vector(message(flight_2, SERVER_KEY_EXCHANGE).body, 2)
    server_public, end = vector(curve[3:], 1)
    assert (said, curve[:3], end) == (hint, b"\x03" + group.to_bytes(2, "big"), b"")
    identity, rest = vector(message(flight_3, CLIENT_KEY_EXCHANGE).body, 2)
    client_public, end = vector(rest, 1)
    assert (identity, end) == (IDENTITY, b"")

    secret = p256_secret if group == NamedGroup.secp256r1 else x25519_secret
    shared = [secret(each, client_public, server_public) for each in drawn.given]
    (known,) = [each for each in shared if each is not None]

    hashed = on_the_wire(flight_1 + flight_2 + flight_3)
    session_hash = sha256(hashed).digest()  # RFC 7627 section 4
    master = p_sha256(premaster(known, KEY), b"extended master secret", session_hash, 48)
    assert ours.connected.extended_master_secret
    assert ours.connected.master_secret == theirs.connected.master_secret == master

    # RFC 5246 section 6.3: no MAC keys with an AEAD; keys of 16 bytes, then salts of 4.
    client_random = message(flight_1, CLIENT_HELLO).body[2:34]
    server_random = message(flight_2, SERVER_HELLO).body[2:34]
    block = p_sha256(master, b"key expansion", server_random + client_random, 40)
    client_finished = opened(flight_3[-1], block[:16], block[32:36])
    server_finished = opened(flight_4[-1], block[16:32], block[36:40])

    # RFC 5246 section 7.4.9; the header of a DTLS handshake message has 12 bytes.
    assert client_finished[0] == server_finished[0] == FINISHED
    assert client_finished[12:] == p_sha256(master, b"client finished", session_hash, 12)
    both = sha256(hashed + client_finished).digest()
    assert server_finished[12:] == p_sha256(master, b"server finished", both, 12)
