"""The keys that protect the records of one direction in one epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from handshake_over_coap.tls.suites import AeadAlgorithm

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
