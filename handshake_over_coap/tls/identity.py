"""Who the peer of a handshake proved to be, and what a Certificate message shows of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shown:
    """What a Certificate message shows, not yet believed.

    ``form`` is the CertificateType number that was negotiated for it (RFC 7250).  ``entries`` are
    its content: for X.509 the certificates, the sender's own first; for a raw public key that key
    alone; none where the sender has nothing to show.
    """

    form: int
    entries: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """Who the peer proved to be; all empty for a client that was not asked.

    ``psk_identity`` is the identity both sides used; ``raw_public_key`` a DER
    SubjectPublicKeyInfo; ``certificates`` a DER chain, leaf first; ``other`` what a credential of
    any further kind showed.
    """

    psk_identity: bytes | None = None
    raw_public_key: bytes | None = None
    certificates: tuple[bytes, ...] = ()
    other: Shown | None = None
