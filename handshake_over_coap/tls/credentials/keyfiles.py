"""Keys and certificates from what a caller has: objects, PEM or DER bytes, files.

Everything here is the caller's own configuration, so that every failure is a ConfigurationError;
its text names the file or the kind of thing, never the content.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.utils import CryptographyDeprecationWarning

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import UnsupportedCertificate
from handshake_over_coap.tls.signatures import (
    PrivateKey,
    PublicKey,
    is_supported,
    scheme_for_key,
)

FilePath: TypeAlias = str | Path
CertificateSource: TypeAlias = x509.Certificate | bytes
CertificateSources: TypeAlias = CertificateSource | Iterable[CertificateSource]

_PEM_MARK = b"-----BEGIN "

UNREADABLE = (ValueError, UnsupportedAlgorithm, InternalError)
"""What ``cryptography`` raises for a key that it cannot read.

InternalError is what its OpenSSL leaves behind where a key has another length than its algorithm
says, such as one of 32 bytes that claims to be of X448.
"""


def load_private_key(source: PrivateKey | bytes) -> PrivateKey:
    """A P-256 or Ed25519 private key from itself, unencrypted PEM or DER (PKCS #8, SEC 1).

    Raises ConfigurationError for anything else.
    """
    key: object = source
    if isinstance(source, bytes):
        try:
            if _PEM_MARK in source:
                key = serialization.load_pem_private_key(source, None)
            else:
                key = serialization.load_der_private_key(source, None)
        except TypeError:
            raise ConfigurationError("the private key is encrypted: decrypt it first") from None
        except UNREADABLE:
            raise ConfigurationError("not a private key in PEM or DER") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise ConfigurationError("not a private key of P-256 or Ed25519")
    scheme_for_key(key)
    return key


def load_public_key(source: PublicKey | bytes) -> PublicKey:
    """A P-256 or Ed25519 public key from itself, PEM, or DER (SubjectPublicKeyInfo).

    Raises ConfigurationError for anything else.
    """
    key: object = source
    if isinstance(source, bytes):
        try:
            if _PEM_MARK in source:
                key = serialization.load_pem_public_key(source)
            else:
                key = serialization.load_der_public_key(source)
        except UNREADABLE:
            raise ConfigurationError("not a public key in PEM or DER") from None
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise ConfigurationError("not a public key of P-256 or Ed25519")
    scheme_for_key(key)
    return key


def load_certificates(source: CertificateSources) -> tuple[x509.Certificate, ...]:
    """Certificates in their order, from objects, PEM (one or several each) or DER, or a mix.

    Raises ConfigurationError for bytes that hold no certificate.
    """
    if isinstance(source, x509.Certificate | bytes):
        source = (source,)
    found: list[x509.Certificate] = []
    for item in source:
        if isinstance(item, x509.Certificate):
            found.append(item)
        else:
            found.extend(_parse_certificates(item))
    return tuple(found)


def _parse_certificates(data: bytes) -> list[x509.Certificate]:
    try:
        if _PEM_MARK not in data:
            return [parse_certificate(data)]
        found = x509.load_pem_x509_certificates(data)
        for certificate in found:
            _parse_every_field(certificate)
    except (*UNREADABLE, x509.InvalidVersion, CryptographyDeprecationWarning):
        raise ConfigurationError("not a certificate in PEM or DER") from None
    return found


def parse_certificate(der: bytes) -> x509.Certificate:
    """One certificate in DER with every field that is used later; raises ValueError."""
    try:
        certificate = x509.load_der_x509_certificate(der)
    except (x509.InvalidVersion, CryptographyDeprecationWarning) as error:
        raise ValueError(str(error)) from None
    _parse_every_field(certificate)
    return certificate


def _parse_every_field(certificate: x509.Certificate) -> None:
    # Fields are parsed when they are asked for; asking now makes a bad one fail now.
    if certificate.serial_number <= 0:
        # RFC 5280 section 4.1.2.2. On loading this is a warning, or, where the process turns
        # warnings into errors, an exception of that type: refused in both cases.
        raise ValueError("the serial number is not positive")
    try:
        _ = (certificate.subject, certificate.issuer, certificate.extensions)
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType, TypeError) as error:
        # TypeError: an attribute of a name that is a bit string where it may not be one.
        raise ValueError(str(error)) from None


def subject_public_key_info(key: PublicKey) -> bytes:
    """The DER SubjectPublicKeyInfo of a key: 91 bytes for P-256, 44 for Ed25519."""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def supported_key(key: object) -> PublicKey:
    """A peer's public key, if it is one of P-256 or Ed25519; raises UnsupportedCertificate."""
    kinds = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
    if isinstance(key, kinds) and is_supported(key):
        return key
    raise UnsupportedCertificate("the peer's key is neither P-256 nor Ed25519")


def read_file(path: FilePath) -> bytes:
    """The content of a file; raises ConfigurationError, with its name, if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
