"""How many bytes other handshakes take, as published, and what these figures leave out.

Source: draft-ietf-iotops-security-protocol-comparison (version 09, June 2025), with CCM_8 and
without connection IDs where nothing else is said; flights in order.  Its figures for cTLS are those
of the example in draft-ietf-tls-ctls-10, carried over to P-256.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_COMPARISON: Final = "draft-ietf-iotops-security-protocol-comparison-09"


@dataclass(frozen=True, slots=True)
class Rival:
    """A published handshake: ``total`` bytes, of ``flights`` where these are published, too."""

    name: str
    total: int
    flights: tuple[int, ...]
    leaves_out: str
    source: str = _COMPARISON


_DTLS: Final = (
    "the ACK of the last flight (29 bytes), without which the client says it again; the address "
    "check; headers of UDP and IP"
)
_TLS: Final = "TCP, which it needs: 3 segments before it, headers of 20 bytes and more, its ACKs"
_CTLS: Final = (
    "the template with suite, group and certificates, agreed on beforehand; 24 of the 32 bytes of "
    "each Finished; what carries it and sends it again; the address check. Its transcript is not "
    "that of TLS"
)
_EDHOC: Final = (
    "the CoAP around it (12, 5 and 12 bytes); message 4, where the other side shall know that it "
    "is complete; the address check; a second version or any record layer. Keys are named, not "
    "shown: both sides hold them"
)

RIVALS: Final[Mapping[str, tuple[Rival, ...]]] = MappingProxyType(
    {
        "1.3 RPK, mutual": (
            Rival("DTLS 1.3", 880, (179, 447, 254), _DTLS),
            Rival("TLS 1.3", 789, (), _TLS),
            Rival("cTLS, certificates by reference", 405, (107, 200, 98), _CTLS),
            Rival("EDHOC, signatures, keys by reference", 216, (37, 102, 77), _EDHOC),
            Rival("EDHOC, static Diffie-Hellman", 101, (37, 45, 19), _EDHOC),
        ),
        "1.3 RPK, mutual, x25519": (
            Rival("DTLS 1.3", 706, (146, 360, 200), _DTLS),
            Rival("TLS 1.3", 615, (), _TLS),
            Rival("cTLS, certificates by reference", 325, (74, 160, 91), _CTLS),
        ),
        "1.3 PSK, ECDHE": (
            Rival("DTLS 1.3", 487, (213, 219, 55), _DTLS),
            Rival("TLS 1.3", 436, (), _TLS),
        ),
        "1.3 PSK": (
            Rival("DTLS 1.3", 331, (130, 146, 55), _DTLS),
            Rival("TLS 1.3", 280, (), _TLS),
        ),
    }
)
"""By the name of our handshake that compares with them.

The draft's figures for cTLS with a pre-shared key are left out: they have no room for a binder.
"""
