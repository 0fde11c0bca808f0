"""The key schedule of DTLS 1.2, for suites whose PRF is the one of TLS 1.2 with SHA-256.

From the premaster secret to the keys of epoch 1, the two Finished values and the exporter.  All
functions are pure; secrets come and go as bytes.

Source: RFC 5246 sections 5, 6.3, 7.4.9 and 8.1; RFC 4279 section 2 and RFC 5489 section 2
(premaster secrets); RFC 7627 section 4 (extended master secret); RFC 5705 (exporter).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes, hmac

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.effort import HMAC_BLOCKS, Primitive, note
from handshake_over_coap.tls.keys import Derive, TrafficKeys
from handshake_over_coap.tls.suites import AeadAlgorithm

MASTER_SECRET_LENGTH: Final = 48
VERIFY_DATA_LENGTH: Final = 12

_SHA256: Final = hashes.SHA256()
_HASH_LENGTH: Final = 32

_RESERVED_LABELS: Final = frozenset(
    {
        b"client finished",
        b"server finished",
        b"master secret",
        b"extended master secret",
        b"key expansion",
    }
)


def prf(secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """``length`` bytes of PRF(secret, label, seed), which is P_SHA256 (RFC 5246 section 5)."""
    return _prf(hmac.HMAC(secret, _SHA256), label + seed, length)


def _prf(keyed: hmac.HMAC, labelled: bytes, length: int) -> bytes:
    """The same with an HMAC that has its key: a copy costs a quarter of a new one."""
    note(Primitive.HASH_BLOCK, 2 * HMAC_BLOCKS * -(-length // _HASH_LENGTH))
    chained, out = labelled, b""
    while len(out) < length:
        step = keyed.copy()
        step.update(chained)
        chained = step.finalize()
        step = keyed.copy()
        step.update(chained + labelled)
        out += step.finalize()
    return out[:length]


def psk_premaster(psk: bytes) -> bytes:
    """The premaster secret of plain PSK: as many zeros as the key is long, then the key.

    Both parts carry a 16-bit length (RFC 4279 section 2).
    """
    return _premaster(bytes(len(psk)), psk)


def ecdhe_psk_premaster(shared_secret: bytes, psk: bytes) -> bytes:
    """The premaster secret of ECDHE_PSK: the ECDH secret, then the key (RFC 5489 section 2)."""
    return _premaster(shared_secret, psk)


def _premaster(other_secret: bytes, psk: bytes) -> bytes:
    return b"".join(len(part).to_bytes(2, "big") + part for part in (other_secret, psk))


def master_secret(premaster: bytes, client_random: bytes, server_random: bytes) -> bytes:
    """The 48-byte master secret of a peer without RFC 7627 (RFC 5246 section 8.1)."""
    seed = client_random + server_random
    return prf(premaster, b"master secret", seed, MASTER_SECRET_LENGTH)


def extended_master_secret(premaster: bytes, session_hash: bytes) -> bytes:
    """The 48-byte master secret bound to the handshake (RFC 7627 section 4).

    ``session_hash`` is the transcript's hash up to and including ClientKeyExchange.
    """
    return prf(premaster, b"extended master secret", session_hash, MASTER_SECRET_LENGTH)


@dataclass(frozen=True, slots=True)
class ConnectionKeys:
    """The keys of both directions, named after the side that seals with them."""

    client_write: TrafficKeys
    server_write: TrafficKeys


def connection_keys(
    master: bytes,
    aead: AeadAlgorithm,
    client_random: bytes,
    server_random: bytes,
    further: tuple[Derive | None, Derive | None] = (None, None),
) -> ConnectionKeys:
    """The keys of epoch 1, cut from the key block: both keys, then both fixed IVs.

    An AEAD suite takes no MAC keys (RFC 5246 section 6.3).  ``further`` is what derives further
    keys of the client's and the server's direction.
    """
    key, iv = aead.key_length, aead.fixed_iv_length
    block = prf(master, b"key expansion", server_random + client_random, 2 * (key + iv))
    ivs = 2 * key
    return ConnectionKeys(
        client_write=TrafficKeys(1, aead, block[:key], block[ivs : ivs + iv], derive=further[0]),
        server_write=TrafficKeys(1, aead, block[key:ivs], block[ivs + iv :], derive=further[1]),
    )


def client_verify_data(master: bytes, transcript_hash: bytes) -> bytes:
    """The 12 bytes of the client's Finished (RFC 5246 section 7.4.9)."""
    return prf(master, b"client finished", transcript_hash, VERIFY_DATA_LENGTH)


def server_verify_data(master: bytes, transcript_hash: bytes) -> bytes:
    """The 12 bytes of the server's Finished; its transcript includes the client's."""
    return prf(master, b"server finished", transcript_hash, VERIFY_DATA_LENGTH)


def exporter(
    master: bytes, client_random: bytes, server_random: bytes
) -> Callable[[bytes, int], bytes]:
    """Exports without a context, for labels that are known to be good: see :func:`export`.

    What they have in common is computed once, when the first is asked for.
    """
    seed = client_random + server_random
    keyed: list[hmac.HMAC] = []

    def exports(label: bytes, length: int) -> bytes:
        if not keyed:
            keyed.append(hmac.HMAC(master, _SHA256))
        return _prf(keyed[0], label + seed, length)

    return exports


def export(
    master: bytes,
    label: str,
    client_random: bytes,
    server_random: bytes,
    length: int,
    context: bytes | None = None,
) -> bytes:
    """``length`` bytes of keying material for the application (RFC 5705 section 4).

    No context and an empty context give different bytes.  Raises ConfigurationError for a label
    that is empty, not ASCII or used by TLS itself, a context over 65,535 bytes, or a length below
    one byte.  Only a master secret from RFC 7627 is safe to export from; that is the caller's to
    know.
    """
    try:
        octets = label.encode("ascii")
    except UnicodeEncodeError:
        raise ConfigurationError(f"exporter label {label!r} is not ASCII") from None
    if not octets or octets in _RESERVED_LABELS:
        raise ConfigurationError(f"exporter label {label!r} is reserved")
    if length < 1:
        raise ConfigurationError(f"cannot export {length} bytes")
    seed = client_random + server_random
    if context is not None:
        if len(context) > 0xFFFF:
            raise ConfigurationError(f"an exporter context of {len(context)} bytes is too long")
        seed += len(context).to_bytes(2, "big") + context
    return prf(master, octets, seed, length)
