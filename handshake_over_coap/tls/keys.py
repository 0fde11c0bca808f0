"""The keys that protect the records of one direction in one epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from handshake_over_coap.tls.suites import NONCE_LENGTH, AeadAlgorithm

Derive: TypeAlias = Callable[[str, int], bytes]
"""Makes as many bytes of key material as it is told, for a label: other keys than those here."""


@dataclass(frozen=True, slots=True)
class TrafficKeys:
    """What one side seals with, and the other opens with, in ``epoch``.

    ``key`` is the AEAD key; ``iv`` the part of the nonce that does not travel: in 1.2 the fixed
    IV of ``aead.fixed_iv_length`` bytes (RFC 5246 section 6.3), in 1.3 the whole 12 bytes of
    write_iv (RFC 8446 section 5.3).  ``sn_key`` encrypts record numbers in 1.3 (RFC 9147 section
    4.2.3) and is empty in 1.2.  ``derive`` makes further keys of this direction and epoch from what
    these come from; None where that would not be bound to the handshake (RFC 7627 section 5.4).
    The text form shows none of them.
    """

    epoch: int
    aead: AeadAlgorithm
    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)
    sn_key: bytes = field(default=b"", repr=False)
    derive: Derive | None = field(default=None, repr=False, compare=False)


class DerivedKeys(TrafficKeys):
    """Keys that are derived when they are asked for: those of an epoch may never be.

    ``make`` gives so many bytes for the label of each, "key", "iv" and "sn" (RFC 8446 section 7.3,
    RFC 9147 section 4.2.3), so that their lengths are those of ``aead``.
    """

    __slots__ = ("_made", "_make")
    _make: Callable[[bytes, int], bytes]
    _made: dict[bytes, bytes]

    def __init__(
        self, epoch: int, aead: AeadAlgorithm, make: Callable[[bytes, int], bytes], derive: Derive
    ) -> None:
        keep = object.__setattr__
        keep(self, "epoch", epoch)
        keep(self, "aead", aead)
        keep(self, "derive", derive)
        keep(self, "_make", make)
        keep(self, "_made", {})

    def _of(self, label: bytes, length: int) -> bytes:
        made = self._made.get(label)
        if made is None:
            made = self._made[label] = self._make(label, length)
        return made

    @property
    def key(self) -> bytes:
        """The AEAD key."""
        return self._of(b"key", self.aead.key_length)

    @property
    def iv(self) -> bytes:
        """write_iv."""
        return self._of(b"iv", NONCE_LENGTH)

    @property
    def sn_key(self) -> bytes:
        """The key of record numbers."""
        return self._of(b"sn", self.aead.key_length)

    def __eq__(self, other: object) -> bool:
        """Whether they are the same keys, derived or not."""
        if not isinstance(other, TrafficKeys):
            return NotImplemented
        return _values(self) == _values(other)

    def __hash__(self) -> int:
        """A hash that needs no key."""
        return hash((self.epoch, self.aead))


def _values(keys: TrafficKeys) -> tuple[int, AeadAlgorithm, bytes, bytes, bytes]:
    return keys.epoch, keys.aead, keys.key, keys.iv, keys.sn_key
