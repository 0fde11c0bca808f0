"""What a side proves its identity with: pre-shared keys, raw public keys, certificates.

The text form of a credential never shows a secret.  A server's pre-shared keys become one lookup
(:func:`psk_lookup`) that answers for every identity, known or not, with the same steps.

Source: RFC 4279 (pre-shared keys), RFC 7250 (raw public keys), RFC 5246 section 7.4.2 (chains).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, hmac, serialization

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.codepoints import SignatureScheme
from handshake_over_coap.tls.keyfiles import (
    CertificateSources,
    FilePath,
    load_certificates,
    load_private_key,
    read_file,
    subject_public_key_info,
)
from handshake_over_coap.tls.signatures import (
    PrivateKey,
    PublicKey,
    is_supported,
    scheme_for_key,
)

log = logging.getLogger(__name__)

MAX_PSK_LENGTH: Final = 64
"""Bytes of the longest pre-shared key: what RFC 4279 section 5.3 asks everybody to support."""

MAX_IDENTITY_LENGTH: Final = 0xFFFF
"""Bytes of the longest PSK identity: the limit of its field (RFC 4279 section 2)."""


@dataclass(frozen=True, slots=True, init=False)
class PSK:
    """A pre-shared key and the identity it goes by.

    ``identity`` is bytes, or text that is taken as UTF-8 (RFC 4279 section 5.1): 1 to 65,535
    bytes, and in the clear on the wire.  ``key`` is 1 to 64 bytes.  Raises ConfigurationError for
    anything else.
    """

    identity: bytes
    key: bytes = field(repr=False)

    def __init__(self, identity: bytes | str, key: bytes) -> None:
        object.__setattr__(self, "identity", _identity(identity))
        object.__setattr__(self, "key", _psk_key(key))


def _identity(identity: object) -> bytes:
    if isinstance(identity, str):
        identity = identity.encode()
    if not isinstance(identity, bytes):
        raise ConfigurationError("a PSK identity is bytes or text")
    if not 1 <= len(identity) <= MAX_IDENTITY_LENGTH:
        raise ConfigurationError(
            f"a PSK identity has 1 to {MAX_IDENTITY_LENGTH} bytes, not {len(identity)}"
        )
    return identity


def _psk_key(key: object) -> bytes:
    if not isinstance(key, bytes):
        raise ConfigurationError("a pre-shared key is bytes")
    if not 1 <= len(key) <= MAX_PSK_LENGTH:
        raise ConfigurationError(f"a pre-shared key has 1 to {MAX_PSK_LENGTH} bytes")
    return key


PskSource: TypeAlias = (
    PSK
    | Iterable[PSK]
    | Mapping[bytes, bytes]
    | Mapping[str, bytes]
    | Callable[[bytes], bytes | None]
)
"""Where a server's keys come from: keys, a mapping from identity to key, or a callable that gives
the key of an identity, or None.  A callable should take the same time for both."""

_DUMMY_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class FoundKey:
    """The key of an identity: the shared one or, if it is not ``known``, one that nobody has."""

    key: bytes = field(repr=False)
    known: bool


class PskLookup:
    """A server's pre-shared keys; made by :func:`psk_lookup`."""

    __slots__ = ("_find", "_lengths", "_secret")

    def __init__(self, find: Callable[[bytes], object], lengths: list[int], secret: bytes) -> None:
        self._find, self._lengths, self._secret = find, lengths, secret

    def __call__(self, identity: bytes) -> bytes:
        """A key for every identity: the shared one, or one that nobody has."""
        return self.look_up(identity).key

    def look_up(self, identity: bytes) -> FoundKey:
        """The same, and whether the identity is known."""
        dummy = _dummy_key(self._secret, identity, self._lengths)
        try:
            found = self._find(identity)
            key = None if found is None else _psk_key(found)
        except Exception:
            # The caller's own fault, but told apart from an unknown identity it must not be.
            log.exception("looking up a pre-shared key failed")
            key = None
        return FoundKey(dummy, known=False) if key is None else FoundKey(key, known=True)


def psk_lookup(source: PskSource, secret: bytes) -> PskLookup:
    """The lookup over ``source`` for a server that keeps ``secret`` (32 random bytes) to itself.

    An unknown identity gets a key made of the secret and the identity: nobody has it, so that
    the handshake goes on and fails at Finished exactly as with a wrong key, with the same
    messages and the same work.  It is always computed, also when it is not used, and it is as
    long as one of the known keys, since a premaster secret over 64 bytes costs HMAC one more
    block.  Keys are copied when this is called; a callable is asked each time, and where it raises
    or returns a malformed key, that is logged and the identity is an unknown one.  In DTLS 1.3 an
    unknown identity leads to the server's certificate instead, if there is one that the client
    takes.

    Raises ConfigurationError for a malformed key, an identity that stands twice, or no key at all.
    """
    find: Callable[[bytes], object]
    if callable(source):
        find, lengths = source, [_DUMMY_LENGTH]
    else:
        keys = _table(source)
        find, lengths = keys.get, sorted(len(key) for key in keys.values())
    return PskLookup(find, lengths, secret)


def _table(
    source: PSK | Iterable[PSK] | Mapping[bytes, bytes] | Mapping[str, bytes],
) -> dict[bytes, bytes]:
    if isinstance(source, PSK):
        source = (source,)
    elif isinstance(source, Mapping):
        source = [PSK(identity, key) for identity, key in source.items()]
    table: dict[bytes, bytes] = {}
    for psk in source:
        if psk.identity in table:
            identity = psk.identity.decode(errors="backslashreplace")
            raise ConfigurationError(f"two keys for the PSK identity {identity!r}")
        table[psk.identity] = psk.key
    if not table:
        raise ConfigurationError("no pre-shared key is given")
    return table


def _dummy_key(secret: bytes, identity: bytes, lengths: list[int]) -> bytes:
    # SHA-512: 64 bytes, as many as the longest key has.
    context = hmac.HMAC(secret, hashes.SHA512())
    context.update(b"unknown PSK identity" + identity)
    digest = context.finalize()
    # The same identity always meets the same length, as it would if it were known.
    return digest[: lengths[int.from_bytes(digest, "big") % len(lengths)]]


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

    @classmethod
    def from_file(cls, path: FilePath) -> RawPublicKey:
        """The key pair in a PEM or DER file; raises ConfigurationError."""
        return cls(read_file(path))


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Certificate:
    """An X.509 chain, the leaf first, and the private key of the leaf.

    ``chain`` is certificates of ``cryptography``, or PEM (one or several in each) or DER bytes;
    each further certificate should certify the one before it, and the root may be left out
    (RFC 5246 section 7.4.2).  The leaf's key is P-256 or Ed25519.  Raises ConfigurationError for
    an empty chain, an unsupported key, or a private key that is not the leaf's.
    """

    chain: tuple[x509.Certificate, ...]
    private_key: PrivateKey = field(repr=False)
    scheme: SignatureScheme
    chain_der: tuple[bytes, ...] = field(repr=False)
    """The chain as it stands in the Certificate message."""

    def __init__(self, chain: CertificateSources, private_key: PrivateKey | bytes) -> None:
        certificates = load_certificates(chain)
        if not certificates:
            raise ConfigurationError("a certificate chain needs at least the leaf")
        key = load_private_key(private_key)
        if not _certifies(certificates[0], key.public_key()):
            raise ConfigurationError("the private key is not that of the chain's first certificate")
        der = tuple(item.public_bytes(serialization.Encoding.DER) for item in certificates)
        object.__setattr__(self, "chain", certificates)
        object.__setattr__(self, "private_key", key)
        object.__setattr__(self, "scheme", scheme_for_key(key))
        object.__setattr__(self, "chain_der", der)

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate of ``private_key``."""
        return self.chain[0]

    @property
    def public_key(self) -> PublicKey:
        """The public half of ``private_key``."""
        return self.private_key.public_key()

    @classmethod
    def from_files(cls, chain: FilePath, private_key: FilePath) -> Certificate:
        """The chain and the key in two files (the same, if it holds both in PEM).

        Raises ConfigurationError.
        """
        return cls(read_file(chain), read_file(private_key))


def _certifies(leaf: x509.Certificate, public_key: PublicKey) -> bool:
    try:
        certified = leaf.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    return is_supported(certified) and certified == public_key
