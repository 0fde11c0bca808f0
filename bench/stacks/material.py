"""What every stack is given: one pre-shared key, one certificate authority, one server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SERVER_NAME = "server.example"
IDENTITY = "Client_identity"
PSK = bytes(range(16))


@dataclass(frozen=True)
class Server:
    """A P-256 key (PKCS #8), its certificate and the authority's certificate, all in DER.

    ``client_key`` is a key of the same kind for a client that has no certificate.
    """

    key: bytes
    certificate: bytes
    authority: bytes
    client_key: bytes


@cache
def server() -> Server:
    """The chain that clients verify: a leaf with the server's name under one root."""
    root_key, leaf_key, client_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root_name, leaf_name = _name("Root of the benchmarks"), _name("a device")
    root = _certificate(root_name, root_name, root_key, root_key, is_authority=True)
    leaf = _certificate(leaf_name, root_name, leaf_key, root_key, is_authority=False)
    certificates = (each.public_bytes(serialization.Encoding.DER) for each in (leaf, root))
    return Server(_private(leaf_key), *certificates, _private(client_key))


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(_usage(is_authority=is_authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not is_authority:
        names = x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
