"""How much there is to compute, for whoever wants to know.

Primitives note what they do.  On a real network nobody listens, and a note costs a look at a
context variable; a simulation learns from it how long a slow device would have computed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from enum import Enum
from typing import TypeAlias


class Primitive(Enum):
    """What is noted."""

    KEYGEN = "key generation, secp256r1"
    ECDH = "key agreement, secp256r1"
    SIGN = "signing, secp256r1"
    VERIFY = "verification, secp256r1"
    KEYGEN_X25519 = "key generation, x25519"
    ECDH_X25519 = "key agreement, x25519"
    SIGN_ED25519 = "signing, Ed25519"
    VERIFY_ED25519 = "verification, Ed25519"
    MLKEM768 = "ML-KEM-768"
    """Key generation, encapsulation or decapsulation."""
    HASH_BLOCK = "hash, 64 bytes"


HMAC_BLOCKS = 4
"""Compressions of a hash in an HMAC over a short message: two for the key, two for the rest."""

Listener: TypeAlias = Callable[[Primitive, int], None]

LISTENER: ContextVar[Listener | None] = ContextVar("LISTENER", default=None)
"""Who is told, in this context and the tasks begun in it."""


def note(primitive: Primitive, count: int = 1) -> None:
    """``count`` of ``primitive`` were, or are about to be, computed."""
    listener = LISTENER.get()
    if listener is not None:
        listener(primitive, count)
