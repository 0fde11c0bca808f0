"""A certificate authority that is made up for a run in one process, and forgotten with it."""

from __future__ import annotations

import ipaddress
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.signatures import PrivateKey, PublicKey

from .given import Workshop


class Authority:
    """An authority whose key and serial numbers come from ``workshop``."""

    def __init__(self, workshop: Workshop, server_option: str) -> None:
        """``server_option``: how the user spells the option that names the server, for errors."""
        self._workshop = workshop
        self._server_option = server_option
        self._key = workshop.p256("authority")
        self._serial = workshop.chance.stream("serial numbers")
        self._name = _common_name(workshop.called["authority"])
        self.certificate = self.at(workshop.now)

    def at(self, now: datetime) -> x509.Certificate:
        """Its own certificate, valid at ``now``."""
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            self._builder(self._name, self._key.public_key(), now)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
        )
        return self._signed(builder)

    def for_server(self, key: PrivateKey) -> x509.Certificate:
        """The certificate of the workshop's server; ConfigurationError for an impossible name."""
        names = x509.SubjectAlternativeName([self._general_name(self._workshop.server)])
        subject = _common_name(self._workshop.called["server"])
        builder = self._builder(subject, key.public_key(), self._workshop.now)
        return self._signed(builder.add_extension(names, critical=False))

    def for_client(self, key: PrivateKey, now: datetime) -> x509.Certificate:
        """The certificate of a client, valid at ``now``; it names nobody but in its subject."""
        subject = _common_name(self._workshop.called["client"])
        return self._signed(self._builder(subject, key.public_key(), now))

    def _builder(
        self, subject: x509.Name, key: PublicKey, now: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(self._serial.getrandbits(62) + 1)
            .not_valid_before(now - self._workshop.validity)
            .not_valid_after(now + self._workshop.validity)
        )

    def _signed(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        try:
            # Deterministic (RFC 6979), so that equal draws give equal bytes.
            return builder.sign(self._key, hashes.SHA256(), ecdsa_deterministic=True)
        except UnsupportedAlgorithm:
            return builder.sign(self._key, hashes.SHA256())

    def _general_name(self, name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            pass
        try:
            return x509.DNSName(name.removesuffix("."))
        except ValueError as error:
            raise ConfigurationError(f"{self._server_option} {name!r}: {error}") from None


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
