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

    KEYGEN = "key generation"
    ECDH = "key agreement"
    SIGN = "signing"
    VERIFY = "verification"
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
