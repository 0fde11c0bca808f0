"""What the verifier of certificates misses, in words: it explains itself by object identifiers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from cryptography import x509

_T = TypeVar("_T", bound=x509.ExtensionType)

_KEY_USAGE = (
    "an authority's certificate has no keyUsage with keyCertSign (RFC 5280 section 4.2.1.3)"
)
_CONSTRAINTS = (
    "an authority's certificate has no critical basicConstraints with CA (RFC 5280 section 4.2.1.9)"
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
        if not _signs_certificates(issuer):
            return _KEY_USAGE
        constraints = _extension(issuer, x509.BasicConstraints)
        if constraints is None or not (constraints.critical and constraints.value.ca):
            return _CONSTRAINTS
    return None


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
