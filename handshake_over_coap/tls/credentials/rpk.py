"""Raw public keys: a key pair whose public half stands for itself, known by being pinned.

Source: RFC 7250, RFC 7925 section 4.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from handshake_over_coap.tls import alerts
from handshake_over_coap.tls.alerts import (
    AlertError,
    BadCertificate,
    CertificateUnknown,
    UnsupportedCertificate,
)
from handshake_over_coap.tls.codepoints import CertificateType, SignatureScheme
from handshake_over_coap.tls.identity import PeerIdentity
from handshake_over_coap.tls.signatures import SCHEMES, PrivateKey, PublicKey, scheme_for_key
from handshake_over_coap.tls.suites import KeyExchange

from .base import Asked, CertificateKind, MadeUp, Way
from .given import Given, Workshop
from .keyfiles import (
    FilePath,
    load_private_key,
    load_public_key,
    read_file,
    subject_public_key_info,
    supported_key,
)


@dataclass(frozen=True, slots=True, init=False, eq=False)
class RawPublicKey:
    """A key pair whose public half stands for itself (RFC 7250).

    ``private_key`` is a P-256 or Ed25519 private key of ``cryptography``, or unencrypted PEM or
    DER bytes of one; ConfigurationError for anything else.  ``spki`` is the DER
    SubjectPublicKeyInfo that goes into the Certificate message: 91 bytes for P-256, 44 for
    Ed25519.
    """

    private_key: PrivateKey = field(repr=False)
    public_key: PublicKey = field(repr=False)
    scheme: SignatureScheme
    spki: bytes = field(repr=False)

    def __init__(self, private_key: PrivateKey | bytes) -> None:
        key = load_private_key(private_key)
        object.__setattr__(self, "private_key", key)
        object.__setattr__(self, "public_key", key.public_key())
        object.__setattr__(self, "scheme", scheme_for_key(key))
        object.__setattr__(self, "spki", subject_public_key_info(self.public_key))

    @property
    def form(self) -> int:
        """RawPublicKey."""
        return CertificateType.RawPublicKey

    @property
    def entries(self) -> tuple[bytes, ...]:
        """:attr:`spki` alone."""
        return (self.spki,)

    @classmethod
    def from_file(cls, path: FilePath) -> RawPublicKey:
        """The key pair in a PEM or DER file; raises ConfigurationError."""
        return cls(read_file(path))


@dataclass(frozen=True, slots=True, init=False)
class Pins:
    """Raw public keys that are accepted by themselves; ``keys`` as DER SubjectPublicKeyInfo."""

    keys: frozenset[bytes]
    schemes: tuple[SignatureScheme, ...]
    """Those of the pinned keys, in our order of preference."""

    def __init__(self, keys: PublicKey | bytes | Iterable[PublicKey | bytes]) -> None:
        if isinstance(keys, bytes | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
            keys = (keys,)
        loaded = [load_public_key(key) for key in keys]
        found = set(map(scheme_for_key, loaded))
        object.__setattr__(self, "keys", frozenset(map(subject_public_key_info, loaded)))
        object.__setattr__(self, "schemes", tuple(each for each in SCHEMES if each in found))

    @property
    def form(self) -> int:
        """RawPublicKey."""
        return CertificateType.RawPublicKey

    def verify(self, entries: tuple[bytes, ...], asked: Asked) -> PublicKey:
        """The key, if it is pinned; raises CertificateUnknown, and what reading it raises."""
        del asked
        key = _read(entries)
        if entries[0] not in self.keys:
            raise _not_pinned()
        return key


def _not_pinned() -> AlertError:
    return CertificateUnknown("the raw public key is not a pinned one")


def _read(entries: tuple[bytes, ...]) -> PublicKey:
    if len(entries) != 1:
        raise BadCertificate(f"{len(entries)} entries, where one raw public key belongs")
    try:
        key = serialization.load_der_public_key(entries[0])
    except UnsupportedAlgorithm:
        raise UnsupportedCertificate("a raw public key of an unknown algorithm") from None
    except (ValueError, InternalError):
        raise BadCertificate("a raw public key that cannot be decoded") from None
    return supported_key(key)


class RawPublicKeyKind(CertificateKind):
    """Raw public keys."""

    ways: ClassVar = (Way("rpk", KeyExchange.ECDHE_ECDSA),)
    form: ClassVar = CertificateType.RawPublicKey
    options: ClassVar = frozenset({"key", "peer_key"})
    advice: ClassVar[Mapping[type[AlertError], str]] = {
        alerts.HandshakeFailure: "or the key of --peer-key is of another kind than the server's",
        alerts.CertificateUnknown: "give the server's public key, its FILE.pub, with --peer-key",
    }

    def identity(self, entries: tuple[bytes, ...]) -> PeerIdentity:
        """By its key."""
        return PeerIdentity(raw_public_key=entries[0] if entries else None)

    def entries(self, peer: PeerIdentity) -> tuple[bytes, ...]:
        """The key of ``peer``."""
        return () if peer.raw_public_key is None else (peer.raw_public_key,)

    def told(self, peer: PeerIdentity) -> tuple[str, bytes | None]:
        """The fingerprint of the key."""
        digest = hashlib.sha256(peer.raw_public_key or b"").hexdigest()
        return f"raw public key, SHA-256 {digest}", None

    def read(self, entries: tuple[bytes, ...]) -> PublicKey:
        """The key; raises BadCertificate or UnsupportedCertificate."""
        return _read(entries)

    def stranger(self) -> AlertError:
        """No key is pinned."""
        return _not_pinned()

    def own(self, given: Given) -> tuple[RawPublicKey, ...]:
        """That of ``key``."""
        if given.key is None:
            return ()
        return (given.load("key", given.key, RawPublicKey),)

    def needed(self, given: Given) -> str:
        """A key, which the command can make."""
        return f"{given.spelt('key')} FILE (hoc keygen --out FILE makes one)"

    def known_by(self, given: Given) -> Pins | None:
        """The keys of ``peer_key``."""
        keys = [given.load("peer_key", path, load_public_key) for path in given.peer_key]
        return Pins(keys) if keys else None

    def unknown(self, given: Given, peer: str) -> str:
        """A key has to be pinned."""
        return (
            f"nothing to know the {peer} by; add {given.spelt('peer_key')} FILE with the {peer}'s "
            "public key"
        )

    def made_up(self, given: Given, workshop: Workshop) -> MadeUp:
        """Each side has the other's key pinned, unless the client's pins are given."""
        server, origin = self.own(given), "as given"
        if not server:
            server, origin = (RawPublicKey(workshop.key("server key")),), "made for this run"
        story = [f"the server's raw public key, {origin}"]
        pins = self.known_by(given)
        if given.insecure:
            story.append(f"the client accepts any key ({given.spelt('insecure')})")
        elif pins is not None:
            story.append(f"the client has the keys of {given.spelt('peer_key')} pinned")
        else:
            pins = Pins(server[0].public_key)
            story.append("the client has it pinned")
        client = RawPublicKey(workshop.key("client key")) if workshop.mutual else None
        if client is not None:
            story.append("the client's raw public key, made for this run; the server has it pinned")
        known = None if client is None else Pins(client.public_key)
        return MadeUp(server, client, pins, known, workshop.now, tuple(story))
