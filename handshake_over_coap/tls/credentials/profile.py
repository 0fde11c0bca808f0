"""What the verifier of certificates misses, in words: it explains itself by object identifiers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from .keyfiles import UNREADABLE

_T = TypeVar("_T", bound=x509.ExtensionType)

_KEY_USAGE = (
    "an authority's certificate has no keyUsage with keyCertSign (RFC 5280 section 4.2.1.3)"
)
_CONSTRAINTS = (
    "an authority's certificate has no critical basicConstraints with CA (RFC 5280 section 4.2.1.9)"
)
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_RSA_BITS = 2048
_WRONG_SORT = (
    "an authority's key is of {}: certificates are taken from keys of P-256, P-384, P-521 and RSA "
    "(2048 bits or more)"
)
_IS_CA = "the peer's own certificate is an authority's (basicConstraints CA, or keyCertSign)"
_NO_NAME = "the server's certificate names nobody: it needs a subjectAltName (RFC 9525)"


def shortcoming(
    leaf: x509.Certificate, issuers: Iterable[x509.Certificate], *, server: bool
) -> str | None:
    """What a chain lacks most often; None where it is something else.

    ``issuers`` are those that the chain may lead through, anchors included; all can be read
    (:func:`~.keyfiles.parse_certificate`); ``server`` tells that the leaf is a server's.
    """
    if server and _extension(leaf, x509.SubjectAlternativeName) is None:
        return _NO_NAME
    if _signs_certificates(leaf) or _is_authority(leaf):
        return _IS_CA
    for issuer in issuers:
        sort = _sort_of_key(issuer)
        if sort is not None:
            return _WRONG_SORT.format(sort)
        if not _signs_certificates(issuer):
            return _KEY_USAGE
        constraints = _extension(issuer, x509.BasicConstraints)
        if constraints is None or not (constraints.critical and constraints.value.ca):
            return _CONSTRAINTS
    return None


def _sort_of_key(issuer: x509.Certificate) -> str | None:
    """What an authority's key is, where it is of a sort that may not certify; else None."""
    try:
        key = issuer.public_key()
    except UNREADABLE:
        return "an unknown sort"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return None if key.curve.name in _CURVES else key.curve.name
    if isinstance(key, rsa.RSAPublicKey):
        return None if key.key_size >= _RSA_BITS else f"RSA with {key.key_size} bits"
    return "Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "another sort"


def _signs_certificates(certificate: x509.Certificate) -> bool:
    usage = _extension(certificate, x509.KeyUsage)
    return usage is not None and usage.value.key_cert_sign


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.value.ca


def _extension(certificate: x509.Certificate, kind: type[_T]) -> x509.Extension[_T] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None
