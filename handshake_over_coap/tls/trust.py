"""Whom a side believes: trust anchors, pinned raw public keys, or anybody.

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
wrong name, a key that is not pinned): :class:`BadCertificate` is kept for those that are corrupt,
forged or against the profile, extendedKeyUsage included, so that a caller can tell the two apart.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
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
from handshake_over_coap.tls.keyfiles import (
    CertificateSources,
    FilePath,
    load_certificates,
    load_public_key,
    parse_certificate,
    read_file,
    subject_public_key_info,
)
from handshake_over_coap.tls.profile import shortcoming
from handshake_over_coap.tls.signatures import SCHEMES, PublicKey, is_supported, scheme_for_key

MAX_CHAIN_LENGTH: Final = 8
"""Certificates that a peer may send at most: it bounds the work of building a path."""

Address: TypeAlias = str | ipaddress.IPv4Address | ipaddress.IPv6Address


class PeerRole(Enum):
    """Which side of the handshake the peer to be verified is."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Trust:
    """What a peer's certificate or raw public key is checked against.

    ``anchors`` are certificates of authorities, as objects, PEM or DER bytes; ``raw_public_keys``
    the public keys that are accepted by themselves, as objects, PEM or DER bytes.  ``insecure``
    accepts every well-formed certificate and key of a supported kind, whatever else is given.
    Raises ConfigurationError for what cannot be loaded.
    """

    anchors: tuple[x509.Certificate, ...]
    raw_public_keys: frozenset[bytes]
    """The pinned keys as DER SubjectPublicKeyInfo."""
    insecure: bool
    _store: verification.Store | None = field(repr=False)
    _pinned_schemes: frozenset[SignatureScheme] = field(repr=False)

    def __init__(
        self,
        anchors: CertificateSources = (),
        raw_public_keys: PublicKey | bytes | Iterable[PublicKey | bytes] = (),
        insecure: bool = False,
    ) -> None:
        certificates = load_certificates(anchors)
        if isinstance(
            raw_public_keys, bytes | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
        ):
            raw_public_keys = (raw_public_keys,)
        keys = [load_public_key(key) for key in raw_public_keys]
        pins = frozenset(map(subject_public_key_info, keys))
        store = verification.Store(list(certificates)) if certificates else None
        object.__setattr__(self, "anchors", certificates)
        object.__setattr__(self, "raw_public_keys", pins)
        object.__setattr__(self, "insecure", insecure)
        object.__setattr__(self, "_store", store)
        object.__setattr__(self, "_pinned_schemes", frozenset(map(scheme_for_key, keys)))

    @classmethod
    def from_files(
        cls,
        anchors: Iterable[FilePath] = (),
        raw_public_keys: Iterable[FilePath] = (),
        *,
        insecure: bool = False,
    ) -> Trust:
        """Anchors (one or several in a file) and pinned keys (one in a file) in PEM or DER.

        Raises ConfigurationError.
        """
        return cls(
            anchors=[read_file(path) for path in anchors],
            raw_public_keys=[read_file(path) for path in raw_public_keys],
            insecure=insecure,
        )

    @property
    def accepts_x509(self) -> bool:
        """Whether any X.509 chain can be accepted."""
        return self.insecure or bool(self.anchors)

    @property
    def accepts_raw_public_keys(self) -> bool:
        """Whether any raw public key can be accepted."""
        return self.insecure or bool(self.raw_public_keys)

    @property
    def certificate_types(self) -> tuple[CertificateType, ...]:
        """The forms in which a peer's key may be accepted, in order of preference."""
        raw, x509_chain = CertificateType.RawPublicKey, CertificateType.X509
        accepted = {raw: self.accepts_raw_public_keys, x509_chain: self.accepts_x509}
        return tuple(form for form, is_accepted in accepted.items() if is_accepted)

    def schemes(self, forms: Iterable[CertificateType]) -> tuple[SignatureScheme, ...]:
        """The signatures of a peer that could be accepted, if it shows its key in one of ``forms``.

        Those of the pinned keys where nothing but a pinned key will do, or all that are supported.
        """
        pinned_only = not self.insecure and set(forms) == {CertificateType.RawPublicKey}
        found = tuple(scheme for scheme in SCHEMES if scheme in self._pinned_schemes)
        return found if pinned_only and found else SCHEMES

    def require_usable(self) -> None:
        """Raise ConfigurationError if no peer could ever be accepted."""
        if not (self.accepts_x509 or self.accepts_raw_public_keys):
            raise ConfigurationError(
                "a trust anchor or a pinned raw public key is needed to know the peer by"
                " (or insecure=True, to accept anybody)"
            )

    def verify_raw_public_key(self, spki: bytes) -> PublicKey:
        """The key in a peer's DER SubjectPublicKeyInfo, if it is one of the pinned ones.

        Raises BadCertificate (not a key), UnsupportedCertificate (neither P-256 nor Ed25519) or
        CertificateUnknown (not pinned).
        """
        try:
            key = serialization.load_der_public_key(spki)
        except UnsupportedAlgorithm:
            raise UnsupportedCertificate("a raw public key of an unknown algorithm") from None
        except ValueError:
            raise BadCertificate("a raw public key that cannot be decoded") from None
        supported = _supported(key)
        if not self.insecure and spki not in self.raw_public_keys:
            raise CertificateUnknown("the raw public key is not a pinned one")
        return supported

    def verify_chain(
        self,
        chain_der: Sequence[bytes],
        *,
        role: PeerRole,
        now: datetime,
        server_name: str | None = None,
        server_address: Address | None = None,
    ) -> PublicKey:
        """The leaf's key, if the chain (DER, leaf first) leads to an anchor and fits the peer.

        ``role`` is the peer's.  A server must be certified for ``server_name`` or, where that is
        None, for ``server_address``; a ``server_name`` that is the text of an IP address counts as
        one.  A client's names are not looked at.  ``now`` carries a time zone.

        Raises the alerts that the module's docstring lists, and ConfigurationError for a
        server without name and address, a name that is no DNS name, or a ``now`` without zone.
        """
        leaf, *others = _decode(chain_der)
        key = _leaf_key(leaf)
        if self.insecure:
            return key
        if now.tzinfo is None:
            raise ConfigurationError("the time of verification needs a time zone")
        if self._store is None:
            raise UnknownCa("no trust anchor is configured")
        check = _Check(leaf, others, self.anchors, self._store, now)
        if role is PeerRole.SERVER:
            check.server(_subject(server_name, server_address))
        else:
            check.client()
        _require_digital_signature(leaf)
        return key


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
        return BadCertificate(shortcoming(self.leaf, issuers, server=server) or str(error))

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
    except ValueError:
        raise BadCertificate("a certified key that cannot be decoded") from None
    return _supported(key)


def _supported(key: object) -> PublicKey:
    kinds = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
    if isinstance(key, kinds) and is_supported(key):
        return key
    raise UnsupportedCertificate("the peer's key is neither P-256 nor Ed25519")


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
