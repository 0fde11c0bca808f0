"""A random that follows from the key share: an experiment, and off unless asked for.

The random of a hello makes each handshake new, and so does a fresh ephemeral key; with both, one of
them is redundant.  A side that derives its random from its share leaves nothing else about the
handshake different, and an encoding may then leave the random out.  It must not be done where the
key is used again, or where there is none (psk_ke).

Each side decides for itself: to the other, such a random looks like any.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from .codepoints import NamedGroup

_LABEL: Final = b"handshake-over-coap derived random"
_SEED_LABEL: Final = b"handshake-over-coap seeded random"
SEED_SIZE: Final = 16
"""Bytes of a seed."""

_X: Final = slice(1, 33)
_UNCOMPRESSED: Final = 4


def derived_random(coordinate: bytes) -> bytes:
    """SHA-256 of a label and the 32 bytes that a share has: x on P-256, all of it for X25519."""
    return sha256(_LABEL + coordinate).digest()


def random_of(group: int, share: bytes) -> bytes | None:
    """The random that follows from a share; None for groups that it is not defined for."""
    if group == NamedGroup.secp256r1 and share[:1] == bytes((_UNCOMPRESSED,)):
        return derived_random(share[_X])
    return derived_random(share) if group == NamedGroup.x25519 else None


def seeded_random(seed: bytes) -> bytes:
    """A random of 32 bytes from a seed of 16: the seed, and as much of a hash of it."""
    return seed + sha256(_SEED_LABEL + seed).digest()[:SEED_SIZE]


def is_seeded(random: bytes) -> bool:
    """Whether the second half of a random follows from the first."""
    return random == seeded_random(random[:SEED_SIZE])
