"""Certificate authorities and certificates made on the spot, of any validity and any names.

Everything is deterministic: keys derive from a text, serial numbers count up, signatures have no
randomness.  Validity spans the years 2020 to 2119 unless a test says otherwise, so that real
clocks fit in.
"""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

from handshake_over_coap.tls.codepoints import SignatureScheme

VALID_FROM = datetime(2020, 1, 1, tzinfo=UTC)
VALID_UNTIL = datetime(2119, 12, 31, tzinfo=UTC)

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

SigningKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
AnyKey = SigningKey | rsa.RSAPrivateKey
_HASHES: dict[str, hashes.SHA384 | hashes.SHA512] = {
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
Extension = tuple[x509.ExtensionType, bool]
"""An extension and whether it is critical."""


def p256_key(text: str) -> ec.EllipticCurvePrivateKey:
    """The P-256 key that always belongs to ``text``."""
    scalar = int.from_bytes(hashlib.sha512(text.encode()).digest(), "big") % (P256_ORDER - 1) + 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


def ed25519_key(text: str) -> ed25519.Ed25519PrivateKey:
    """The Ed25519 key that always belongs to ``text``."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(text.encode()).digest())


def private_pem(key: AnyKey) -> bytes:
    """A private key as unencrypted PKCS #8 in PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_pem(key: AnyKey) -> bytes:
    """The public half of a private key in PEM."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def public_der(key: AnyKey) -> bytes:
    """The same in DER."""
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@dataclass(frozen=True)
class Issued:
    """A certificate, its private key, and the intermediates up to (not including) the root."""

    certificate: x509.Certificate
    private_key: AnyKey
    intermediates: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        return (self.certificate, *self.intermediates)

    @property
    def chain_der(self) -> list[bytes]:
        return [each.public_bytes(serialization.Encoding.DER) for each in self.chain]

    @property
    def chain_pem(self) -> bytes:
        return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in self.chain)

    @property
    def key_pem(self) -> bytes:
        return private_pem(self.private_key)

    def write(self, folder: Path, stem: str = "peer") -> tuple[Path, Path]:
        """Write ``stem``.pem (the chain) and ``stem``.key; both paths."""
        chain, key = folder / f"{stem}.pem", folder / f"{stem}.key"
        chain.write_bytes(self.chain_pem)
        key.write_bytes(self.key_pem)
        return chain, key


class CertificateAuthority:
    """A root, or with ``issuer`` an intermediate, that issues certificates."""

    def __init__(
        self,
        name: str = "Test CA",
        *,
        key: AnyKey | None = None,
        scheme: SignatureScheme | None = None,
        issuer: CertificateAuthority | None = None,
        not_before: datetime = VALID_FROM,
        not_after: datetime = VALID_UNTIL,
    ) -> None:
        self.name = name
        self._scheme = scheme
        self.private_key = key or p256_key(f"authority {name}")
        self._serials = itertools.count(2)
        subject = _common_name(name)
        self.certificate: x509.Certificate = build(
            subject=subject,
            issuer=issuer.certificate.subject if issuer else subject,
            key=self.private_key,
            signer=issuer.private_key if issuer else self.private_key,
            scheme=issuer._scheme if issuer else scheme,
            serial=issuer.next_serial() if issuer else 1,
            validity=(not_before, not_after),
            extensions=[
                (x509.BasicConstraints(ca=True, path_length=None), True),
                (key_usage(key_cert_sign=True, crl_sign=True), True),
                (_subject_key_identifier(self.private_key), False),
                *([(_authority_key_identifier(issuer.private_key), False)] if issuer else []),
            ],
        )
        self._intermediates: tuple[x509.Certificate, ...] = (
            (self.certificate, *issuer._intermediates) if issuer else ()
        )

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def next_serial(self) -> int:
        return next(self._serials)

    def intermediate(self, name: str = "Test intermediate") -> CertificateAuthority:
        """An authority that this one certifies."""
        return CertificateAuthority(name, issuer=self)

    def issue(
        self,
        name: str | None = None,
        address: str | None = None,
        *,
        subject: str = "a device",
        key: AnyKey | None = None,
        not_before: datetime = VALID_FROM,
        not_after: datetime = VALID_UNTIL,
        usages: Sequence[ObjectIdentifier] = (),
        extensions: Iterable[Extension] = (),
        authority_key_identifier: bool = True,
    ) -> Issued:
        """A leaf certificate for a DNS name, an IP address, both, or (for clients) neither.

        ``usages`` becomes extendedKeyUsage; ``extensions`` are added as they are.
        """
        serial = self.next_serial()
        key = key or p256_key(f"{self.name} {serial}")
        added: list[Extension] = list(extensions)
        if name or address:
            added.append((alternative_names(name, address), not subject))
        if usages:
            added.append((x509.ExtendedKeyUsage(usages), False))
        if authority_key_identifier:
            added.append((_authority_key_identifier(self.private_key), False))
        certificate = build(
            subject=_common_name(subject),
            issuer=self.certificate.subject,
            key=key,
            signer=self.private_key,
            scheme=self._scheme,
            serial=serial,
            validity=(not_before, not_after),
            extensions=added,
        )
        return Issued(certificate, key, self._intermediates)


def self_signed(name: str, *, key: AnyKey | None = None) -> Issued:
    """A leaf certificate that nobody but its own key vouches for."""
    key = key or p256_key(f"self-signed {name}")
    certificate = build(
        subject=_common_name(name),
        issuer=_common_name(name),
        key=key,
        signer=key,
        serial=1,
        validity=(VALID_FROM, VALID_UNTIL),
        extensions=[(alternative_names(name, None), False)],
    )
    return Issued(certificate, key)


def build(
    *,
    subject: x509.Name,
    issuer: x509.Name,
    key: AnyKey,
    signer: AnyKey,
    serial: int,
    validity: tuple[datetime, datetime],
    extensions: Iterable[Extension],
    scheme: SignatureScheme | None = None,
) -> x509.Certificate:
    """Any certificate at all: what the functions above are made of.

    ``scheme`` is that of its signature, SHA-256 and PKCS #1 padding unless given.
    """
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        return builder.sign(signer, None)
    name = "" if scheme is None else scheme.name
    digest = next((h for end, h in _HASHES.items() if name.endswith(end)), hashes.SHA256())
    if isinstance(signer, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return builder.sign(signer, digest, rsa_padding=pss if "pss" in name else None)
    return builder.sign(signer, digest, ecdsa_deterministic=True)


def key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    """A keyUsage extension with just these bits."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def alternative_names(name: str | None, address: str | None) -> x509.SubjectAlternativeName:
    """A subjectAltName extension with a DNS name, an IP address, or both."""
    names: list[x509.GeneralName] = []
    if name:
        names.append(x509.DNSName(name))
    if address:
        names.append(x509.IPAddress(ipaddress.ip_address(address)))
    return x509.SubjectAlternativeName(names)


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


def _subject_key_identifier(key: AnyKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


def _authority_key_identifier(key: AnyKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
