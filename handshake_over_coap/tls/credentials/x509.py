"""X.509 certificates: a chain that leads from a side's own key to an authority.

How a chain is checked stands in :mod:`.chains`, and what its certificates need in :mod:`.profile`.

Source: RFC 5246 section 7.4.2, RFC 5280.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls import alerts
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.codepoints import CertificateType, SignatureScheme
from handshake_over_coap.tls.identity import PeerIdentity
from handshake_over_coap.tls.signatures import (
    CERTIFICATE_SCHEMES,
    PrivateKey,
    PublicKey,
    is_supported,
    scheme_for_key,
)
from handshake_over_coap.tls.suites import KeyExchange

from .authority import Authority
from .base import CertificateKind, MadeUp, Way
from .chains import Anchors, read_chain
from .given import Given, Workshop
from .keyfiles import (
    UNREADABLE,
    CertificateSources,
    FilePath,
    load_certificates,
    load_private_key,
    read_file,
)


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
    def form(self) -> int:
        """X509."""
        return CertificateType.X509

    @property
    def entries(self) -> tuple[bytes, ...]:
        """:attr:`chain_der`."""
        return self.chain_der

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
    except UNREADABLE:
        return False
    return is_supported(certified) and certified == public_key


class CertificateChainKind(CertificateKind):
    """Certificates."""

    ways: ClassVar = (Way("x509", KeyExchange.ECDHE_ECDSA, bodies=4096),)
    form: ClassVar = CertificateType.X509
    listed: ClassVar = True
    known_by_name: ClassVar = True
    issuer_schemes: ClassVar[tuple[SignatureScheme, ...]] = CERTIFICATE_SCHEMES
    options: ClassVar = frozenset({"key", "cert", "ca"})
    advice: ClassVar[Mapping[type[AlertError], str]] = {
        alerts.CertificateUnknown: "say with --server-name which name the certificate is for",
    }

    def identity(self, entries: tuple[bytes, ...]) -> PeerIdentity:
        """By its chain."""
        return PeerIdentity(certificates=entries)

    def entries(self, peer: PeerIdentity) -> tuple[bytes, ...]:
        """The chain of ``peer``."""
        return peer.certificates

    def told(self, peer: PeerIdentity) -> tuple[str, bytes | None]:
        """The names that its own certificate is for, else its subject."""
        # It was parsed, and judged, by the handshake.
        leaf = x509.load_der_x509_certificate(peer.certificates[0])
        return "certificate of", _names(leaf).encode()

    def read(self, entries: tuple[bytes, ...]) -> PublicKey:
        """The leaf's key; raises BadCertificate or UnsupportedCertificate."""
        return read_chain(entries)[1]

    def stranger(self) -> AlertError:
        """No authority is believed."""
        return alerts.UnknownCa("no trust anchor is configured")

    def own(self, given: Given) -> tuple[Certificate, ...]:
        """The chain of ``cert`` with the key of ``key``; raises ConfigurationError for half."""
        auth, key, cert = map(given.spelt, ("auth", "key", "cert"))
        if given.cert is None:
            if given.key is not None:
                raise ConfigurationError(
                    f"{auth} x509 presents a certificate: add {cert} FILE beside {key} (or use "
                    f"{auth} rpk)"
                )
            return ()
        if given.key is None:
            raise ConfigurationError(f"{cert} without {key}: give {key}, the certificate's own")
        chain = given.load("cert", given.cert, load_certificates)
        private_key = given.load("key", given.key, load_private_key)
        try:
            return (Certificate(chain, private_key),)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{cert} {given.cert} and {key} {given.key}: {error}"
            ) from None

    def needed(self, given: Given) -> str:
        """Both files."""
        return f"{given.spelt('cert')} FILE and {given.spelt('key')} FILE"

    def known_by(self, given: Given) -> Anchors | None:
        """The authorities of ``ca``."""
        found = [c for path in given.ca for c in given.load("ca", path, load_certificates)]
        return Anchors(found) if found else None

    def unknown(self, given: Given, peer: str) -> str:
        """A chain has to lead somewhere."""
        return (
            f"nothing to check the {peer}'s certificate against; add {given.spelt('ca')} FILE with "
            "a trust anchor"
        )

    def made_up(self, given: Given, workshop: Workshop) -> MadeUp:
        """From an authority of the workshop; valid when the last of what is given becomes so."""
        cert, key, ca = map(given.spelt, ("cert", "key", "ca"))
        if given.cert is None and given.names & {"key", "ca"}:
            raise ConfigurationError(
                f"{key} or {ca} without {cert}: give {cert}, {key} and {ca}, or none of them and "
                "have everything made up"
            )
        authority = Authority(workshop, given.spelt("server_name"))
        server, anchors, now = self.own(given), self.known_by(given), workshop.now
        if server:
            story = ["the server's certificate and its authority, as given"]
            if anchors is None and not given.insecure:
                raise ConfigurationError(
                    f"{cert} without {ca}: give {ca}, its authority, or say "
                    f"{given.spelt('insecure')} to accept anybody"
                )
            known = () if anchors is None else anchors.certificates
            if workshop.moves:
                now = max(each.not_valid_before_utc for each in (*server[0].chain, *known))
        else:
            private_key = workshop.key("server key")
            server = (Certificate(authority.for_server(private_key), private_key),)
            story = ["the server's certificate, from an authority made for this run"]
            anchors = Anchors(authority.certificate)
        if given.insecure:
            story.append(f"the client accepts any certificate ({given.spelt('insecure')})")
        client = None
        if workshop.mutual:
            private_key = workshop.key("client key")
            client = Certificate(authority.for_client(private_key, now), private_key)
            story.append("the client's certificate, from an authority made for this run")
        known_to_server = None if client is None else Anchors(authority.at(now))
        return MadeUp(server, client, anchors, known_to_server, now, tuple(story))


def _names(leaf: x509.Certificate) -> str:
    """The names a certificate is for, else its subject."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return leaf.subject.rfc4514_string()
    hosts = names.get_values_for_type(x509.DNSName)
    addresses = names.get_values_for_type(x509.IPAddress)
    return ", ".join([*hosts, *map(str, addresses)]) or leaf.subject.rfc4514_string()
