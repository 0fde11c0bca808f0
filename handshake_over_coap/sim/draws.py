"""Seeded draws: one independent stream for each purpose, so that one does not shift another.

A stream depends on the seed and on its own name alone: not on the order in which streams are made,
nor on the process (Python's own ``hash`` of a string differs from process to process).
"""

from __future__ import annotations

import hashlib
from random import Random
from typing import TypeAlias

from handshake_over_coap.tls.config import Rng

Name: TypeAlias = str | int


class Draws:
    """The streams of one ``seed``, below ``names``: as for one trial among many."""

    __slots__ = ("_names", "seed")

    def __init__(self, seed: int, *names: Name) -> None:
        self.seed = seed
        self._names = names

    def below(self, *names: Name) -> Draws:
        """The streams whose names begin with ``names``."""
        return Draws(self.seed, *self._names, *names)

    def stream(self, *names: Name) -> Random:
        """A stream from its beginning; the same ``names`` give the same draws."""
        text = "\0".join(map(str, (self.seed, *self._names, *names)))
        digest = hashlib.sha256(text.encode()).digest()
        return Random(int.from_bytes(digest, "big"))

    def rng(self, *names: Name) -> Rng:
        """The stream of ``names`` as a source of bytes, for what takes one."""
        return self.stream(*names).randbytes
