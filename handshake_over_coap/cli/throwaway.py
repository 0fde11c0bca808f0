"""Credentials of the demonstration: those that were given, and for the rest some made on the spot.

They live as long as the process and are worth nothing outside it.
"""

from __future__ import annotations

import ipaddress
import secrets
from argparse import Namespace
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from handshake_over_coap.cli.credentials import given_trust, own_credential, warn_of_unused
from handshake_over_coap.cli.keygen import generate
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.config import AsymmetricCredential
from handshake_over_coap.tls.credentials import PSK, Certificate, RawPublicKey
from handshake_over_coap.tls.signatures import PrivateKey, PublicKey
from handshake_over_coap.tls.trust import Trust

_VALIDITY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Cast:
    """What both sides of the demonstration have; ``story`` says it in one line each."""

    server: tuple[PSK | AsymmetricCredential, ...]
    client: PSK | AsymmetricCredential | None
    server_trust: Trust | None
    client_trust: Trust | None
    story: tuple[str, ...]


def cast(arguments: Namespace, host: str) -> Cast:
    """Credentials for a server at the address ``host`` and its client.

    --key, --cert and --ca are the server's; with --mutual the client's are always made here.
    Raises ConfigurationError for files that do not fit together.
    """
    warn_of_unused(arguments)
    if arguments.auth in ("psk", "ecdhe-psk"):
        return _pre_shared(arguments)
    if arguments.auth == "rpk":
        return _raw_public_keys(arguments)
    return _certificates(arguments, host)


def _pre_shared(arguments: Namespace) -> Cast:
    if arguments.psk:
        keys, origin = tuple(arguments.psk), "as given"
    else:
        keys, origin = (PSK("demo", secrets.token_bytes(16)),), "made for this run"
    return Cast(keys, keys[0], None, None, (f"a pre-shared key, {origin}",))


def _raw_public_keys(arguments: Namespace) -> Cast:
    given = own_credential(arguments)
    server = given or RawPublicKey(_new_key(arguments))
    story = [f"the server's raw public key, {'as given' if given else 'made for this run'}"]
    trust = given_trust(arguments)
    if trust.insecure:
        story.append("the client accepts any key (--insecure)")
    elif trust.accepts_raw_public_keys:
        story.append("the client has the keys of --peer-key pinned")
    else:
        trust = Trust(raw_public_keys=server.public_key)
        story.append("the client has it pinned")
    client = RawPublicKey(_new_key(arguments)) if arguments.mutual else None
    if client is not None:
        story.append("the client's raw public key, made for this run; the server has it pinned")
    asked = None if client is None else Trust(raw_public_keys=client.public_key)
    return Cast((server,), client, asked, trust, tuple(story))


def _certificates(arguments: Namespace, host: str) -> Cast:
    trust = given_trust(arguments)
    server = own_credential(arguments)
    if server is None and arguments.ca:
        raise ConfigurationError(
            "--ca without the server's certificate: add --cert FILE and --key FILE, or leave --ca "
            "out and have everything made for this run"
        )
    if server is not None and not trust.accepts_x509:
        raise ConfigurationError(
            "--cert without its authority: add --ca FILE, or --insecure to accept anybody"
        )
    authority = _Authority()
    story = ["the server's certificate and its authority, as given"]
    if server is None:
        server = authority.issue(_new_key(arguments), arguments.server_name or host)
        story = ["the server's certificate, from an authority made for this run"]
        if not trust.insecure:
            trust = Trust(authority.certificate)
    if trust.insecure:
        story.append("the client accepts any certificate (--insecure)")
    client = authority.issue(_new_key(arguments), None) if arguments.mutual else None
    if client is not None:
        story.append("the client's certificate, from an authority made for this run")
    asked = None if client is None else Trust(authority.certificate)
    return Cast((server,), client, asked, trust, tuple(story))


def _new_key(arguments: Namespace) -> PrivateKey:
    """P-256, unless --group leaves out its curve (RFC 8422 section 5.1 counts keys too)."""
    groups = arguments.group
    return generate("ed25519" if groups and "secp256r1" not in groups else "p256")


class _Authority:
    """A certificate authority that is forgotten with the process."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _common_name("throw-away authority of hoc demo")
        self._valid = (datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + _VALIDITY)
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
        self.certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def issue(self, key: PrivateKey, server: str | None) -> Certificate:
        """A certificate for the server of this name or address, or for a client."""
        builder = self._builder(
            _common_name("server of hoc demo" if server else "client of hoc demo"),
            key.public_key(),
        )
        if server is not None:
            names = x509.SubjectAlternativeName([_general_name(server)])
            builder = builder.add_extension(names, critical=False)
        return Certificate(builder.sign(self._key, hashes.SHA256()), key)

    def _builder(self, subject: x509.Name, key: PublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._valid[0])
            .not_valid_after(self._valid[1])
        )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name.removesuffix("."))
    except ValueError as error:
        raise ConfigurationError(f"--server-name {name!r}: {error}") from None
