"""Who a side is, and its signature: a raw key, a reference to one, or a chain; then 64 bytes.

::

    key 32 | reference | count chain        signature 64

A key of P-256 is its x, one of Ed25519 as it is.  A receiver that has pinned keys says how many
bytes of SHA-256 of the SubjectPublicKeyInfo name one of them; the sender then writes these bytes in
place of its key, whichever that is.  In a chain all certificates but the last have 16-bit lengths.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.wire import Reader, u8, vec16

from . import points, signatures

MAX_REFERENCE: Final = 3
"""Bytes of the longest reference."""

EVEN, ODD, RAW_ED25519, REFERENCE, CHAIN_ECDSA, CHAIN_ED25519 = range(6)
"""How the key stands in a body: x with even or odd y, Ed25519, a reference, or a chain whose key
signs with ECDSA or Ed25519."""
FORMS: Final = 6

_P256_PREFIX: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
_ED25519_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")
_MAX_CHAIN: Final = 0xFF


class Proof(NamedTuple):
    """What a side shows: with ``raw`` one SubjectPublicKeyInfo, otherwise a chain, DER all of it.

    ``scheme`` is the number of its signature scheme.
    """

    raw: bool
    chain: tuple[bytes, ...]
    scheme: int
    signature: bytes


class Known(NamedTuple):
    """What the receiver of a body has said of the keys it knows: ``size`` bytes name one of them.

    ``pins`` are the keys, as far as this side is the receiver.
    """

    size: int = 0
    pins: frozenset[bytes] = frozenset()

    def name(self, spki: bytes) -> bytes:
        """The reference to a key."""
        return sha256(spki).digest()[: self.size]

    def find(self, reference: bytes) -> bytes:
        """The key that a reference names; raises DecodeError for none and for two."""
        found = _by_name(self.pins, self.size).get(reference, ())
        if len(found) != 1:
            raise DecodeError(f"a reference to {len(found)} known keys")
        return found[0]


@lru_cache(maxsize=8)
def _by_name(pins: frozenset[bytes], size: int) -> dict[bytes, list[bytes]]:
    """Keys by the references that name them."""
    found: dict[bytes, list[bytes]] = {}
    for pin in pins:
        found.setdefault(sha256(pin).digest()[:size], []).append(pin)
    return found


@lru_cache(maxsize=8)
def reference_size(pins: frozenset[bytes]) -> int:
    """How many bytes tell ``pins`` from each other, at least one; 0 for no pins, or too many."""
    for size in range(1, MAX_REFERENCE + 1):
        if len({sha256(pin).digest()[:size] for pin in pins}) == len(pins):
            return size if pins else 0
    return 0


def is_raw_key(spki: bytes) -> bool:
    """Whether these bytes are a SubjectPublicKeyInfo of a kind that has a form here."""
    return _raw(spki) is not None


@lru_cache(maxsize=64)
def _raw(spki: bytes) -> tuple[int, bytes, int] | None:
    """Form, bytes and scheme of a raw key; None for one of another kind."""
    if spki.startswith(_P256_PREFIX):
        short = points.compressed(spki[len(_P256_PREFIX) :])
        return None if short is None else (*short, signatures.ECDSA)
    if spki.startswith(_ED25519_PREFIX) and len(spki) == len(_ED25519_PREFIX) + points.SIZE:
        return RAW_ED25519, spki[len(_ED25519_PREFIX) :], signatures.ED25519
    return None


def write(proof: Proof, known: Known) -> tuple[int, bytes] | None:
    """Form and bytes; None where there is no short form."""
    signature = signatures.short(proof.scheme, proof.signature)
    shown = None if signature is None else _shown(proof, known)
    return None if shown is None or signature is None else (shown[0], shown[1] + signature)


def _shown(proof: Proof, known: Known) -> tuple[int, bytes] | None:
    if proof.raw:
        raw = _raw(proof.chain[0])
        if raw is None or raw[2] != proof.scheme:
            return None
        return (REFERENCE, known.name(proof.chain[0])) if known.size else raw[:2]
    *others, last = proof.chain
    if not others and is_raw_key(last):
        return None
    if not last or len(proof.chain) > _MAX_CHAIN or any(len(each) > 0xFFFF for each in others):
        return None
    form = CHAIN_ECDSA if proof.scheme == signatures.ECDSA else CHAIN_ED25519
    return form, u8(len(proof.chain)) + b"".join(map(vec16, others)) + last


def read(form: int, reader: Reader, known: Known, after: int) -> Proof:
    """A proof of that form, with ``after`` bytes following it.

    Raises DecodeError for anything that :func:`write` does not produce.
    """
    if form >= CHAIN_ECDSA:
        return _read_chain(form, reader, after)
    if form == REFERENCE:
        if not known.size:
            raise DecodeError("a reference that was not asked for")
        spki = known.find(reader.take(known.size))
        raw = _raw(spki)
        if raw is None:
            raise DecodeError("a reference to a key that has no form here")
        scheme = raw[2]
    else:
        if known.size:
            raise DecodeError("a key where a reference was asked for")
        scheme = signatures.ED25519 if form == RAW_ED25519 else signatures.ECDSA
        key = reader.take(points.SIZE)
        spki = _ED25519_PREFIX + key if form == RAW_ED25519 else _p256(form, key)
    return Proof(True, (spki,), scheme, _signature(scheme, reader))


def _p256(parity: int, x: bytes) -> bytes:
    return _P256_PREFIX + points.restored(parity, x)


def _read_chain(form: int, reader: Reader, after: int) -> Proof:
    scheme = signatures.ECDSA if form == CHAIN_ECDSA else signatures.ED25519
    count = reader.u8()
    others = [reader.vec16() for _ in range(count - 1)]
    left = reader.remaining - after - signatures.SIZE
    if left < 1 or count < 1:
        raise DecodeError("a chain without a certificate")
    chain = (*others, reader.take(left))
    if count == 1 and is_raw_key(chain[0]):
        raise DecodeError("a raw key as a chain")
    return Proof(False, chain, scheme, _signature(scheme, reader))


def _signature(scheme: int, reader: Reader) -> bytes:
    return signatures.whole(scheme, reader.take(signatures.SIZE))
