"""Signatures over handshake data with the keys of certificates and raw public keys.

ECDSA signs deterministically (RFC 6979) wherever OpenSSL can (3.2 and later, which every wheel of
``cryptography`` carries).  A nonce that repeats or is biased gives the private key away, and the
devices of this field have poor random sources; besides, equal inputs then give equal bytes, which
simulated runs rely on.  Verifiers cannot tell the difference.

In TLS 1.2 the scheme "ecdsa with SHA-256" names no curve, but P-256 is the only one supported, so
one scheme serves both versions.

Source: RFC 5246 section 4.7, RFC 8422 section 5.10 (Ed25519 signs the data unhashed), RFC 8446
sections 4.2.3 and 4.4.3.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import DecryptError, IllegalParameter
from handshake_over_coap.tls.codepoints import SignatureScheme
from handshake_over_coap.tls.effort import Primitive, note

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

SCHEMES: Final[tuple[SignatureScheme, ...]] = (
    SignatureScheme.ecdsa_secp256r1_sha256,
    SignatureScheme.ed25519,
)
"""Every scheme of a handshake signature that is supported, in our order of preference."""

CERTIFICATE_SCHEMES: Final[tuple[SignatureScheme, ...]] = (
    SignatureScheme.ecdsa_secp256r1_sha256,
    SignatureScheme.ecdsa_secp384r1_sha384,
    SignatureScheme.ecdsa_secp521r1_sha512,
    SignatureScheme.rsa_pkcs1_sha256,
    SignatureScheme.rsa_pkcs1_sha384,
    SignatureScheme.rsa_pkcs1_sha512,
    SignatureScheme.rsa_pss_rsae_sha256,
    SignatureScheme.rsa_pss_rsae_sha384,
    SignatureScheme.rsa_pss_rsae_sha512,
)
"""Every scheme of a certificate's signature that :mod:`.trust` takes: those of its profile."""


def _deterministic() -> ec.ECDSA:
    try:
        return ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    except UnsupportedAlgorithm:
        return ec.ECDSA(hashes.SHA256())


_ECDSA_TO_SIGN: Final = _deterministic()
_ECDSA_TO_VERIFY: Final = ec.ECDSA(hashes.SHA256())

_PADDING: Final = b" " * 64
_SERVER_CONTEXT: Final = b"TLS 1.3, server CertificateVerify\x00"
_CLIENT_CONTEXT: Final = b"TLS 1.3, client CertificateVerify\x00"


def scheme_for_key(key: object) -> SignatureScheme:
    """The scheme that a private or public key signs with.

    Raises ConfigurationError for anything but a P-256 or an Ed25519 key.
    """
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        if isinstance(key.curve, ec.SECP256R1):
            return SignatureScheme.ecdsa_secp256r1_sha256
        raise ConfigurationError(f"a key on {key.curve.name}: only P-256 and Ed25519 will do")
    if isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
        return SignatureScheme.ed25519
    raise ConfigurationError(f"{type(key).__name__}: only P-256 and Ed25519 keys will do")


def is_supported(key: object) -> bool:
    """Whether ``key`` is a P-256 or an Ed25519 key."""
    try:
        scheme_for_key(key)
    except ConfigurationError:
        return False
    return True


def signed_content(transcript_hash: bytes, *, by_server: bool) -> bytes:
    """What a CertificateVerify of 1.3 signs: the side and the hash (RFC 8446 section 4.4.3).

    ``transcript_hash`` covers the messages up to that side's Certificate.  DTLS 1.3 keeps the
    strings of TLS.
    """
    return _PADDING + (_SERVER_CONTEXT if by_server else _CLIENT_CONTEXT) + transcript_hash


def sign(private_key: PrivateKey, scheme: int, data: bytes) -> bytes:
    """Sign ``data``: 64 bytes of Ed25519, or a DER ECDSA-Sig-Value of 70 to 72 bytes, rarely less.

    Raises ConfigurationError if the key does not sign with ``scheme``.
    """
    if scheme != scheme_for_key(private_key):
        raise ConfigurationError(f"the key does not sign with scheme {scheme:#06x}")
    if isinstance(private_key, ed25519.Ed25519PrivateKey):
        note(Primitive.SIGN_ED25519)
        return private_key.sign(data)
    note(Primitive.SIGN)
    return private_key.sign(data, _ECDSA_TO_SIGN)


def verify(public_key: PublicKey, scheme: int, data: bytes, signature: bytes) -> None:
    """Check the peer's ``signature`` over ``data``.

    Raises IllegalParameter if ``scheme`` is not the one of the peer's key, DecryptError if the
    signature does not verify, malformed ones included.
    """
    if scheme != scheme_for_key(public_key):
        raise IllegalParameter(f"signature scheme {scheme:#06x} does not fit the peer's key")
    try:
        if isinstance(public_key, ed25519.Ed25519PublicKey):
            note(Primitive.VERIFY_ED25519)
            public_key.verify(signature, data)
        else:
            note(Primitive.VERIFY)
            public_key.verify(signature, data, _ECDSA_TO_VERIFY)
    except InvalidSignature:
        raise DecryptError("a signature does not verify") from None
