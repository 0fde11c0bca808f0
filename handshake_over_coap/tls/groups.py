"""Ephemeral key agreement over the named groups: Diffie-Hellman, and its hybrid with a KEM.

For 1.2, :func:`generate` makes a key pair from the caller's random bytes, so that equal bytes give
equal keys; the pair then takes the peer's public value once and yields the shared secret.

In 1.3 a group may be a key encapsulation mechanism, where the two sides do different things: the
client makes an :func:`offer`, the server will :func:`respond` to it, and the client finishes.

X25519MLKEM768 takes ML-KEM from ``cryptography`` 48 or newer (47 with other libraries than
OpenSSL); where that is missing the group is not in :data:`GROUPS13`.  Its client side comes from
the caller's random bytes as well; encapsulation draws its own, so equal bytes do not give the
server an equal share.

Source: RFC 8422 sections 5.4, 5.10 and 5.11, RFC 7748 section 6.1, RFC 8446 sections 4.2.8.2 and
7.4.2, draft-ietf-tls-ecdhe-mlkem section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import IllegalParameter
from handshake_over_coap.tls.codepoints import NamedGroup
from handshake_over_coap.tls.effort import Primitive, note

try:
    from cryptography.hazmat.primitives.asymmetric import mlkem
except ImportError:  # pragma: no cover - cryptography before 47
    _HAS_MLKEM = False
else:
    try:
        mlkem.MLKEM768PrivateKey.from_seed_bytes(bytes(64))
        _HAS_MLKEM = True
    except UnsupportedAlgorithm:  # pragma: no cover - its library has none
        _HAS_MLKEM = False

Rng = Callable[[int], bytes]
"""``rng(n)`` returns n random bytes."""

P256_POINT_LENGTH: Final = 65
"""Bytes of an uncompressed point of secp256r1: 0x04, x, y."""

X25519_LENGTH: Final = 32
"""Bytes of an x25519 public value, and of its shared secret."""

MLKEM768_KEY_LENGTH: Final = 1184
"""Bytes of an encapsulation key of ML-KEM-768."""

MLKEM768_CIPHERTEXT_LENGTH: Final = 1088
"""Bytes of a ciphertext of ML-KEM-768."""

_MLKEM_SEED_LENGTH: Final = 64

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
        note(Primitive.KEYGEN)
        seed = int.from_bytes(rng(_P256_SEED_LENGTH), "big")
        # FIPS 186-5 A.2.1, random bits with extra ones: in 1 .. n-1 and without a loop.
        scalar = seed % (_P256_ORDER - 1) + 1
        self._private = ec.derive_private_key(scalar, ec.SECP256R1())
        self.public = self._private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )

    def exchange(self, peer_public: bytes) -> bytes:
        note(Primitive.ECDH)
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
        note(Primitive.KEYGEN_X25519)
        self._private = x25519.X25519PrivateKey.from_private_bytes(rng(X25519_LENGTH))
        self.public = self._private.public_key().public_bytes_raw()

    def exchange(self, peer_public: bytes) -> bytes:
        note(Primitive.ECDH_X25519)
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
"""Every group of 1.2 that is supported, in our order of preference: RFC 7925 asks for secp256r1."""

GROUPS13: Final[tuple[NamedGroup, ...]] = (
    (*GROUPS, NamedGroup.X25519MLKEM768) if _HAS_MLKEM else GROUPS
)
"""Every group of 1.3 that is supported.  The hybrid comes last: its shares take 1,200 bytes."""


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


class KeyShareOffer(Protocol):
    """A client's share of 1.3 and the secret that goes with it, for one handshake."""

    @property
    def group(self) -> NamedGroup:
        """The group of the share."""

    @property
    def public(self) -> bytes:
        """The share as it stands in the ClientHello."""

    def finish(self, server_share: bytes) -> bytes:
        """The shared secret: 32 bytes, 64 of the hybrid.

        Raises IllegalParameter for a share that is not acceptable.
        """


class _DhOffer:
    """A key pair of a Diffie-Hellman group."""

    __slots__ = ("_key", "group", "public")

    def __init__(self, group: int, rng: Rng) -> None:
        self._key = generate(group, rng)
        self.group = self._key.group
        self.public = self._key.public

    def finish(self, server_share: bytes) -> bytes:
        return self._key.exchange(server_share)


class _HybridOffer:
    """X25519MLKEM768: the ML-KEM part stands first in shares and secret."""

    __slots__ = ("_mlkem", "_x25519", "public")

    group = NamedGroup.X25519MLKEM768

    def __init__(self, rng: Rng) -> None:
        note(Primitive.MLKEM768)
        self._mlkem = mlkem.MLKEM768PrivateKey.from_seed_bytes(rng(_MLKEM_SEED_LENGTH))
        self._x25519 = _X25519Key(rng)
        self.public = self._mlkem.public_key().public_bytes_raw() + self._x25519.public

    def finish(self, server_share: bytes) -> bytes:
        if len(server_share) != MLKEM768_CIPHERTEXT_LENGTH + X25519_LENGTH:
            raise IllegalParameter(f"an X25519MLKEM768 ciphertext of {len(server_share)} bytes")
        ciphertext = server_share[:MLKEM768_CIPHERTEXT_LENGTH]
        # The public value first: an unacceptable one then costs no decapsulation.
        classical = self._x25519.exchange(server_share[MLKEM768_CIPHERTEXT_LENGTH:])
        note(Primitive.MLKEM768)
        return self._mlkem.decapsulate(ciphertext) + classical


def _respond_hybrid(client_share: bytes, rng: Rng) -> tuple[bytes, bytes]:
    if len(client_share) != MLKEM768_KEY_LENGTH + X25519_LENGTH:
        raise IllegalParameter(f"an X25519MLKEM768 share of {len(client_share)} bytes")
    key = _X25519Key(rng)
    classical = key.exchange(client_share[MLKEM768_KEY_LENGTH:])
    try:
        encapsulation = mlkem.MLKEM768PublicKey.from_public_bytes(
            client_share[:MLKEM768_KEY_LENGTH]
        )
    except ValueError:  # a coefficient beyond the modulus (FIPS 203 section 7.2)
        raise IllegalParameter("not an encapsulation key of ML-KEM-768") from None
    note(Primitive.MLKEM768)
    secret, ciphertext = encapsulation.encapsulate()
    return ciphertext + key.public, secret + classical


def _require_group13(group: int) -> None:
    if group not in GROUPS13:
        known = ", ".join(g.name for g in GROUPS13)
        raise ConfigurationError(f"group {group} is not supported; known are {known}")


def offer(group: int, rng: Rng) -> KeyShareOffer:
    """A client's share of ``group``.

    Made of bytes from ``rng``: as :func:`generate` does, or 64 for ML-KEM and then 32 for x25519.
    Raises ConfigurationError for a group that is not supported.
    """
    _require_group13(group)
    return _HybridOffer(rng) if group == NamedGroup.X25519MLKEM768 else _DhOffer(group, rng)


def respond(group: int, client_share: bytes, rng: Rng) -> tuple[bytes, bytes]:
    """A server's answer to ``client_share``: its own share, and the shared secret.

    Raises IllegalParameter for a share that is not acceptable, ConfigurationError for a group that
    is not supported.
    """
    _require_group13(group)
    if group == NamedGroup.X25519MLKEM768:
        return _respond_hybrid(client_share, rng)
    key = generate(group, rng)
    return key.public, key.exchange(client_share)


def group_by_name(name: str) -> NamedGroup:
    """The supported group of an IANA name; raises ConfigurationError, naming the known ones."""
    for group in GROUPS13:
        if group.name == name:
            return group
    known = ", ".join(g.name for g in GROUPS13)
    raise ConfigurationError(f"unknown group {name!r}; known are {known}")
