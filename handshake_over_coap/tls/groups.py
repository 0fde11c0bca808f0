"""Ephemeral Diffie-Hellman over the named groups.

:func:`generate` makes a key pair from the caller's random bytes, so that equal bytes give equal
keys; the pair then takes the peer's public value once and yields the shared secret.

Source: RFC 8422 sections 5.4, 5.10 and 5.11, RFC 7748 section 6.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import IllegalParameter
from handshake_over_coap.tls.codepoints import NamedGroup

Rng = Callable[[int], bytes]
"""``rng(n)`` returns n random bytes."""

P256_POINT_LENGTH: Final = 65
"""Bytes of an uncompressed point of secp256r1: 0x04, x, y."""

X25519_LENGTH: Final = 32
"""Bytes of an x25519 public value, and of its shared secret."""

# Order of the base point of secp256r1 (SEC 2 section 2.4.2, FIPS 186-4 D.1.2.3).
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

# 128 bits more than the order has: the bias of the reduction is then below 2^-128.
_P256_SEED_LENGTH: Final = 48


class EphemeralKey(Protocol):
    """A key pair for one handshake."""

    @property
    def group(self) -> NamedGroup:
        """The group both sides compute in."""

    @property
    def public(self) -> bytes:
        """The public value as it stands in a key exchange message."""

    def exchange(self, peer_public: bytes) -> bytes:
        """The shared secret, 32 bytes; raises IllegalParameter for an unacceptable value."""


class _P256Key:
    """ECDH over secp256r1; the shared secret is the x coordinate, leading zeros kept."""

    __slots__ = ("_private", "public")

    group = NamedGroup.secp256r1

    def __init__(self, rng: Rng) -> None:
        seed = int.from_bytes(rng(_P256_SEED_LENGTH), "big")
        # FIPS 186-5 A.2.1, random bits with extra ones: in 1 .. n-1 and without a loop.
        scalar = seed % (_P256_ORDER - 1) + 1
        self._private = ec.derive_private_key(scalar, ec.SECP256R1())
        self.public = self._private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )

    def exchange(self, peer_public: bytes) -> bytes:
        # The decoder below takes compressed points too, which RFC 8422 5.1.2 has done away with.
        if len(peer_public) != P256_POINT_LENGTH or peer_public[0] != 0x04:
            raise IllegalParameter("not an uncompressed point of secp256r1")
        try:
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), peer_public)
        except ValueError:
            raise IllegalParameter("a point that is not on secp256r1") from None
        return self._private.exchange(ec.ECDH(), point)


class _X25519Key:
    """X25519 of RFC 7748."""

    __slots__ = ("_private", "public")

    group = NamedGroup.x25519

    def __init__(self, rng: Rng) -> None:
        self._private = x25519.X25519PrivateKey.from_private_bytes(rng(X25519_LENGTH))
        self.public = self._private.public_key().public_bytes_raw()

    def exchange(self, peer_public: bytes) -> bytes:
        if len(peer_public) != X25519_LENGTH:
            raise IllegalParameter(f"an x25519 value of {len(peer_public)} bytes")
        try:
            return self._private.exchange(
                x25519.X25519PublicKey.from_public_bytes(peer_public),
            )
        except ValueError:  # an all-zero secret: the peer's value has small order (RFC 8422 5.11)
            raise IllegalParameter("an x25519 value of small order") from None


_KINDS: Final[Mapping[int, Callable[[Rng], EphemeralKey]]] = MappingProxyType(
    {NamedGroup.secp256r1: _P256Key, NamedGroup.x25519: _X25519Key}
)

GROUPS: Final[tuple[NamedGroup, ...]] = (NamedGroup.secp256r1, NamedGroup.x25519)
"""Every group that is supported, in our order of preference: RFC 7925 asks for secp256r1."""


def generate(group: int, rng: Rng) -> EphemeralKey:
    """A key pair of ``group``, made of 48 (secp256r1) or 32 (x25519) bytes from ``rng``.

    Raises ConfigurationError for a group that is not supported.
    """
    try:
        kind = _KINDS[group]
    except KeyError:
        known = ", ".join(g.name for g in GROUPS)
        raise ConfigurationError(f"group {group} is not supported; known are {known}") from None
    return kind(rng)


def group_by_name(name: str) -> NamedGroup:
    """The supported group of an IANA name; raises ConfigurationError, naming the known ones."""
    for group in GROUPS:
        if group.name == name:
            return group
    known = ", ".join(g.name for g in GROUPS)
    raise ConfigurationError(f"unknown group {name!r}; known are {known}")
