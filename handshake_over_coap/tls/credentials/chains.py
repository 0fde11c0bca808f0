"""Whether a chain of certificates leads to a trust anchor and belongs to whom it should.

Chains are checked by the verifier of ``cryptography`` under its Web PKI profile, with two
extensions relaxed for constrained devices: what it asks of each certificate is

- the server's leaf: subjectAltName with the name or address (critical if and only if the subject
  is empty); no basicConstraints CA and no keyCertSign; extendedKeyUsage, if present, with
  serverAuth; authorityKeyIdentifier may be missing (the profile itself requires it);
- a client's leaf: the same with clientAuth, and subjectAltName may be missing, since a client's
  name may stand in the subject alone (RFC 7925 section 4.4.2);
- every issuer, the anchor too: basicConstraints CA, critical, and keyUsage with keyCertSign; its
  signatures by P-256, P-384, P-521 or RSA keys of 2048 bits, never Ed25519;
- all: X.509 version 3, valid at the given time, and no critical extension that is not understood.

On top of that, the leaf's own key must be P-256 or Ed25519 (this library speaks no other), and its
keyUsage, if present, must allow digitalSignature (RFC 5246 section 7.4.2).

Each failure is the alert that names it: :class:`UnknownCa` for an issuer that leads to no anchor,
self-signed leaves included; :class:`CertificateExpired` for one expired or not valid yet;
:class:`UnsupportedCertificate` for a leaf's key that is not supported or may not sign; and
:class:`CertificateUnknown` for a certificate in perfect order that belongs to somebody else (a
wrong name): :class:`BadCertificate` is kept for those that are corrupt, forged or against the
profile, extendedKeyUsage included, so that a caller can tell the two apart.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.x509 import verification

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import (
    AlertError,
    BadCertificate,
    CertificateExpired,
    CertificateUnknown,
    UnknownCa,
    UnsupportedCertificate,
)
from handshake_over_coap.tls.codepoints import CertificateType, SignatureScheme
from handshake_over_coap.tls.effort import Primitive, note
from handshake_over_coap.tls.signatures import SCHEMES, PublicKey

from .base import Address, Asked, PeerRole
from .keyfiles import CertificateSources, load_certificates, parse_certificate, supported_key
from .profile import shortcoming

MAX_CHAIN_LENGTH: Final = 8
"""Certificates that a peer may send at most: it bounds the work of building a path."""


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Anchors:
    """The ``certificates`` of authorities that are believed.

    Made of objects, PEM or DER bytes; raises ConfigurationError for what cannot be loaded.
    """

    certificates: tuple[x509.Certificate, ...]
    _store: verification.Store | None = field(repr=False)

    def __init__(self, certificates: CertificateSources) -> None:
        loaded = load_certificates(certificates)
        object.__setattr__(self, "certificates", loaded)
        object.__setattr__(self, "_store", verification.Store(list(loaded)) if loaded else None)

    @property
    def form(self) -> int:
        """X509."""
        return CertificateType.X509

    @property
    def schemes(self) -> tuple[SignatureScheme, ...]:
        """All, as an authority may certify any key; none without an authority."""
        return SCHEMES if self.certificates else ()

    def verify(self, entries: tuple[bytes, ...], asked: Asked) -> PublicKey:
        """The leaf's key, if the chain (DER, leaf first) leads to an anchor and fits the peer.

        A client's names are not looked at.  Raises the alerts that the module's docstring lists,
        and ConfigurationError for a server without name and address, a name that is no DNS name,
        or a time without zone.
        """
        chain, key = read_chain(entries)
        leaf, *others = chain
        if asked.now.tzinfo is None:
            raise ConfigurationError("the time of verification needs a time zone")
        if self._store is None:
            raise UnknownCa("no trust anchor is configured")
        check = _Check(leaf, others, self.certificates, self._store, asked.now)
        if asked.role is PeerRole.SERVER:
            check.server(_subject(asked.server_name, asked.server_address))
        else:
            check.client()
        _require_digital_signature(leaf)
        return key


def read_chain(chain_der: Sequence[bytes]) -> tuple[list[x509.Certificate], PublicKey]:
    """A peer's certificates and the leaf's key, whoever's they are.

    Raises BadCertificate or UnsupportedCertificate.
    """
    chain = _decode(chain_der)
    return chain, _leaf_key(chain[0])


@dataclass(frozen=True, slots=True)
class _Check:
    """One chain against the anchors at one time."""

    leaf: x509.Certificate
    others: list[x509.Certificate]
    anchors: tuple[x509.Certificate, ...]
    store: verification.Store
    now: datetime

    def server(self, subject: verification.Subject) -> None:
        try:
            verifier = self._builder().build_server_verifier(subject)
        except ValueError as error:
            raise ConfigurationError(f"server name {subject.value}: {error}") from None
        note(Primitive.VERIFY, 1 + len(self.others))
        try:
            verifier.verify(self.leaf, self.others)
        except verification.VerificationError as error:
            raise self._alert(error, server=True) from error

    def client(self) -> None:
        verifier = self._builder(names_optional=True).build_client_verifier()
        note(Primitive.VERIFY, 1 + len(self.others))
        try:
            verifier.verify(self.leaf, self.others)
        except verification.VerificationError as error:
            raise self._alert(error, server=False) from error

    def _builder(self, *, names_optional: bool = False) -> verification.PolicyBuilder:
        leaf_policy = verification.ExtensionPolicy.webpki_defaults_ee().may_be_present(
            x509.AuthorityKeyIdentifier, verification.Criticality.NON_CRITICAL, None
        )
        if names_optional:
            leaf_policy = leaf_policy.may_be_present(
                x509.SubjectAlternativeName, verification.Criticality.AGNOSTIC, None
            )
        return (
            verification.PolicyBuilder()
            .store(self.store)
            .time(self.now)
            .extension_policies(
                ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(),
                ee_policy=leaf_policy,
            )
        )

    def _alert(self, error: verification.VerificationError, *, server: bool) -> AlertError:
        # The verifier explains itself in prose only, so the cause is looked for here once more.
        if not _leads_to_anchor(self.leaf, self.others, self.anchors):
            return UnknownCa("the chain leads to no trust anchor")
        valid = [item for item in self.others if self._is_current(item)]
        anchors = [item for item in self.anchors if self._is_current(item)]
        if not (self._is_current(self.leaf) and _leads_to_anchor(self.leaf, valid, anchors)):
            return CertificateExpired("the chain is not valid at this time")
        if server and self._verifies_for_a_name_of_its_own():
            return CertificateUnknown("the certificate is for another name or address")
        issuers = [item for item in (*self.others, *self.anchors) if self._is_issuer(item)]
        said = shortcoming(self.leaf, issuers, server=server)
        # What the verifier says is about its own parts: it stays with the error, as its cause.
        return BadCertificate(
            said
            or "the chain does not verify: a signature, an extendedKeyUsage or a critical extension"
        )

    def _is_issuer(self, item: x509.Certificate) -> bool:
        return any(_names_as_issuer(each, item) for each in (self.leaf, *self.others))

    def _is_current(self, certificate: x509.Certificate) -> bool:
        return certificate.not_valid_before_utc <= self.now <= certificate.not_valid_after_utc

    def _verifies_for_a_name_of_its_own(self) -> bool:
        for name in _own_names(self.leaf):
            try:
                subject = _subject_of(name)
                self._builder().build_server_verifier(subject).verify(self.leaf, self.others)
            except ValueError:  # a name that nobody could ask for; try another
                continue
            except verification.VerificationError:
                return False
            return True
        return False


def _decode(chain_der: Sequence[bytes]) -> list[x509.Certificate]:
    if not 1 <= len(chain_der) <= MAX_CHAIN_LENGTH:
        raise BadCertificate(f"a chain of {len(chain_der)} certificates")
    chain = []
    for der in chain_der:
        try:
            chain.append(parse_certificate(der))
        except ValueError:
            raise BadCertificate("a certificate that cannot be decoded") from None
    return chain


def _leaf_key(leaf: x509.Certificate) -> PublicKey:
    try:
        key = leaf.public_key()
    except UnsupportedAlgorithm:
        raise UnsupportedCertificate("a certified key of an unknown algorithm") from None
    except (ValueError, InternalError):
        raise BadCertificate("a certified key that cannot be decoded") from None
    return supported_key(key)


def _require_digital_signature(leaf: x509.Certificate) -> None:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.digital_signature:
        raise UnsupportedCertificate("the certified key may not sign")


def _subject(name: str | None, address: Address | None) -> verification.Subject:
    wanted = address if name is None else name
    if wanted is None:
        raise ConfigurationError("a server's name or address is needed to verify its certificate")
    try:
        # An address of link scope carries a zone that means nothing to a certificate.
        return x509.IPAddress(ipaddress.ip_address(str(wanted).partition("%")[0]))
    except ValueError:
        pass
    try:
        return x509.DNSName(str(wanted).removesuffix("."))
    except ValueError as error:
        raise ConfigurationError(f"server name {wanted!r}: {error}") from None


def _own_names(leaf: x509.Certificate) -> list[str | Address]:
    """Names and addresses as they stand in the leaf: whatever its maker liked."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    hosts = names.get_values_for_type(x509.DNSName)
    addresses = names.get_values_for_type(x509.IPAddress)
    return [*hosts, *(each for each in addresses if not hasattr(each, "netmask"))]


def _subject_of(name: str | Address) -> verification.Subject:
    """A name of a leaf as somebody would ask for it; ValueError for one that nobody could."""
    if isinstance(name, str):
        return x509.DNSName(name.replace("*", "a", 1))  # some host of a wildcard
    return x509.IPAddress(name)


def _leads_to_anchor(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
) -> bool:
    """Whether names lead from the leaf to an anchor; signatures are not looked at."""
    pending, unseen = [leaf], list(others)
    while pending:
        current = pending.pop()
        if any(_names_as_issuer(current, anchor) for anchor in anchors):
            return True
        issuers = [item for item in unseen if _names_as_issuer(current, item)]
        unseen = [item for item in unseen if item not in issuers]
        pending.extend(issuers)
    return False


def _names_as_issuer(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the certificate names ``issuer``: its subject and, where both say so, its key."""
    if certificate.issuer != issuer.subject:
        return False
    try:
        named = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        owned = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return True
    return named.key_identifier is None or named.key_identifier == owned.key_identifier
