"""Who takes part in a scenario: credentials, trust, and the time of day.

What is not given derives from the seed, so that a run repeats byte for byte.  Such keys are known
to whoever knows the seed: they are for simulation and nothing else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.network import SERVER_HOST
from handshake_over_coap.sim.draws import Draws
from handshake_over_coap.tls.config import AsymmetricCredential, ClientConfig, Rng, ServerConfig
from handshake_over_coap.tls.credentials import PSK, Certificate, RawPublicKey
from handshake_over_coap.tls.keyfiles import (
    load_certificates,
    load_private_key,
    load_public_key,
    read_file,
)
from handshake_over_coap.tls.signatures import PrivateKey, PublicKey
from handshake_over_coap.tls.trust import Trust

if TYPE_CHECKING:
    from handshake_over_coap.lab.scenario import File, Scenario
    from handshake_over_coap.net.options import Options

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""The time of day in every simulation without certificate files."""

_VALID: Final = (NOW - timedelta(days=1), NOW + timedelta(days=1))
_P256_SEED_LENGTH: Final = 31
_PSK_LENGTH: Final = 16

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Cast:
    """What both sides have; ``now`` is the time of day for both."""

    server: tuple[PSK | AsymmetricCredential, ...]
    client: PSK | AsymmetricCredential | None
    server_trust: Trust | None
    client_trust: Trust | None
    now: datetime

    def client_config(self, scenario: Scenario, host: str, rng: Rng) -> ClientConfig:
        """The client's side of a handshake with the server at ``host``."""
        options = _options(scenario)
        return options.client_config(self.client, self.client_trust, host, rng, lambda: self.now)

    def server_config(self, scenario: Scenario, rng: Rng) -> ServerConfig:
        """The server's side."""
        options = _options(scenario)
        return options.server_config(self.server, None, self.server_trust, rng, lambda: self.now)


@lru_cache(maxsize=64)
def _options(scenario: Scenario) -> Options:
    return scenario.options


@lru_cache(maxsize=64)
def cast(scenario: Scenario, seed: int) -> Cast:
    """The credentials of ``scenario``; raises ConfigurationError for files that do not fit."""
    draws = Draws(seed, "credentials")
    if scenario.auth in ("psk", "ecdhe-psk"):
        return _pre_shared(scenario, draws)
    if scenario.auth == "rpk":
        return _raw_public_keys(scenario, draws)
    return _certificates(scenario, draws)


def _pre_shared(scenario: Scenario, draws: Draws) -> Cast:
    given = (scenario.psk,) if isinstance(scenario.psk, PSK | str) else scenario.psk
    keys = tuple(psk_of(each) if isinstance(each, str) else each for each in given)
    if not keys:
        keys = (PSK("client", draws.rng("psk")(_PSK_LENGTH)),)
    return Cast(keys, keys[0], None, None, NOW)


def psk_of(text: str) -> PSK:
    """A key written as IDENTITY:HEXKEY; the error never repeats the text, which holds a secret."""
    identity, colon, key = text.rpartition(":")
    try:
        secret = bytes.fromhex(key)
    except ValueError:
        colon = ""
    if not colon:
        raise ConfigurationError(
            "psk: a key is given as IDENTITY:HEXKEY, such as device-1:00112233445566778899aabb"
        )
    return PSK(identity, secret)


def _raw_public_keys(scenario: Scenario, draws: Draws) -> Cast:
    if scenario.cert is not None or _files(scenario.ca):
        raise ConfigurationError("cert and ca go with auth x509: leave them out, or change auth")
    server = RawPublicKey(_server_key(scenario, draws))
    pins: list[PublicKey] = [
        _load("peer_key", path, load_public_key) for path in _files(scenario.peer_key)
    ]
    trust = Trust(
        raw_public_keys=[] if scenario.insecure else pins or [server.public_key],
        insecure=scenario.insecure,
    )
    client = RawPublicKey(_new_key(scenario, draws, "client key")) if scenario.mutual else None
    asked = None if client is None else Trust(raw_public_keys=client.public_key)
    return Cast((server,), client, asked, trust, NOW)


def _certificates(scenario: Scenario, draws: Draws) -> Cast:
    authority = _Authority(draws)
    now = NOW
    if scenario.cert is None:
        if scenario.key is not None or _files(scenario.ca):
            raise ConfigurationError(
                "key or ca without cert: with auth x509 give cert, key and ca, or none of them"
            )
        key = _new_key(scenario, draws, "server key")
        server = authority.issue(key, scenario.server_name or SERVER_HOST)
        trust = Trust(authority.certificate)
    else:
        if scenario.key is None:
            raise ConfigurationError("cert without key: give key, the certificate's own")
        chain = _load("cert", scenario.cert, load_certificates)
        server = Certificate(chain, _load("key", scenario.key, load_private_key))
        anchors = [c for path in _files(scenario.ca) for c in _load("ca", path, load_certificates)]
        if not anchors and not scenario.insecure:
            raise ConfigurationError("cert without ca: give ca, its authority, or say insecure")
        trust = Trust(anchors)
        now = max(each.not_valid_before_utc for each in [*chain, *anchors])
    client = None
    if scenario.mutual:
        client = authority.issue(_new_key(scenario, draws, "client key"), None, now)
    asked = None if client is None else Trust(authority.at(now))
    if scenario.insecure:
        trust = Trust(insecure=True)
    return Cast((server,), client, asked, trust, now)


def _server_key(scenario: Scenario, draws: Draws) -> PrivateKey:
    if scenario.key is not None:
        return _load("key", scenario.key, load_private_key)
    return _new_key(scenario, draws, "server key")


def _new_key(scenario: Scenario, draws: Draws, purpose: str) -> PrivateKey:
    """P-256, unless ``group`` leaves out its curve (RFC 8422 section 5.1 counts keys too)."""
    rng = draws.rng(purpose)
    groups = (scenario.group,) if isinstance(scenario.group, str) else scenario.group
    if groups and "secp256r1" not in groups:
        return ed25519.Ed25519PrivateKey.from_private_bytes(rng(32))
    return _p256(rng)


def _p256(rng: Rng) -> ec.EllipticCurvePrivateKey:
    """A key in 1 .. 2^248, all of which are below the order of the curve: good enough to play."""
    return ec.derive_private_key(int.from_bytes(rng(_P256_SEED_LENGTH), "big") + 1, ec.SECP256R1())


class _Authority:
    """A certificate authority that derives from the seed."""

    def __init__(self, draws: Draws) -> None:
        self._key = _p256(draws.rng("authority"))
        self._serial = draws.stream("serial numbers")
        self._name = _common_name("authority of a simulation")
        self.certificate = self.at(NOW)

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

    def issue(self, key: PrivateKey, server: str | None, now: datetime = NOW) -> Certificate:
        """A certificate for the server of this name, or for a client."""
        subject = _common_name("server" if server else "client")
        builder = self._builder(subject, key.public_key(), now)
        if server is not None:
            names = x509.SubjectAlternativeName([_general_name(server)])
            builder = builder.add_extension(names, critical=False)
        return Certificate(self._signed(builder), key)

    def _builder(
        self, subject: x509.Name, key: PublicKey, now: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(self._serial.getrandbits(62) + 1)
            .not_valid_before(now + (_VALID[0] - NOW))
            .not_valid_after(now + (_VALID[1] - NOW))
        )

    def _signed(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.sign(self._key, hashes.SHA256(), ecdsa_deterministic=True)


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
        raise ConfigurationError(f"server_name {name!r}: {error}") from None


def _files(value: File | Sequence[File]) -> Sequence[File]:
    return (value,) if isinstance(value, str | PathLike) else value


def _load(option: str, path: File, parse: Callable[[bytes], _T]) -> _T:
    """What ``parse`` makes of the file; a ConfigurationError names option and file."""
    try:
        return parse(read_file(Path(path)))
    except ConfigurationError as error:
        raise ConfigurationError(f"{option} {path}: {error}") from None
