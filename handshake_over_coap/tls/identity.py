"""Who the peer of a handshake proved to be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """Who the peer proved to be; all empty for a client that was not asked.

    ``psk_identity`` is the identity both sides used; ``raw_public_key`` a DER
    SubjectPublicKeyInfo; ``certificates`` a DER chain, leaf first.
    """

    psk_identity: bytes | None = None
    raw_public_key: bytes | None = None
    certificates: tuple[bytes, ...] = ()
