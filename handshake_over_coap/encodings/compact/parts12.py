"""What the flights of 1.2 have in common: ephemeral keys, and who proves what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from handshake_over_coap.tls.codepoints import HandshakeType
from handshake_over_coap.tls.wire import Reader, vec8, vec24

from . import points, proof
from .proof import Proof

CERTIFICATE: Final = int(HandshakeType.certificate)

CODES: Final = (points.EVEN, points.ODD, points.X25519, points.OTHER)
"""How an ephemeral key may stand in a body."""

Message = tuple[int, bytes]
Messages = Sequence[Message]
"""Type and body of each message of a flight."""


def short_point(key: bytes) -> tuple[int, bytes]:
    """Code and bytes of an ephemeral key, whichever its group is."""
    short = points.compressed(key)
    if short is not None:
        return short
    return (points.X25519, key) if len(key) == points.SIZE else (points.OTHER, vec8(key))


def read_point(code: int, reader: Reader) -> bytes:
    """The ephemeral key of a body; raises DecodeError."""
    if code == points.OTHER:
        return reader.vec8()
    key = reader.take(points.SIZE)
    return key if code == points.X25519 else points.restored(code, key)


def chain_of(body: bytes) -> tuple[bool, tuple[bytes, ...]] | None:
    """Whether a Certificate message holds a raw key, and the DER in it; None if it is empty."""
    whole = body[3:]
    if proof.is_raw_key(whole):
        return True, (whole,)
    entries, found = Reader(whole), []
    while entries.remaining:
        found.append(entries.vec24())
    return (False, tuple(found)) if found else None


def certificate(shown: Proof) -> bytes:
    """The Certificate message of 1.2."""
    if shown.raw:
        return vec24(shown.chain[0])
    return vec24(b"".join(map(vec24, shown.chain)))


def proof_of(certificate: bytes, signed: Reader) -> Proof | None:
    """What a certificate shows, with the scheme and signature that ``signed`` ends with."""
    scheme, signature = signed.u16(), signed.vec16()
    signed.done()
    shown = chain_of(certificate)
    return None if shown is None else Proof(*shown, scheme, signature)
