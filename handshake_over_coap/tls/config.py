"""What an endpoint brings to a handshake: suites, groups, credentials, trust.

Time and randomness come in as functions, so that a handshake can be repeated byte for byte.
A configuration that can never complete is refused when it is made.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from handshake_over_coap.errors import ConfigurationError

from .codepoints import CertificateType, NamedGroup
from .credentials import PSK, Certificate, PskLookup, RawPublicKey
from .groups import GROUPS
from .suites import SUITES, CipherSuite
from .trust import Address, Trust

Rng: TypeAlias = Callable[[int], bytes]
"""``rng(n)`` returns ``n`` random bytes."""

Clock: TypeAlias = Callable[[], datetime]
"""Tells the time of day, with a time zone, for the validity of certificates."""

AsymmetricCredential: TypeAlias = RawPublicKey | Certificate


def certificate_type(credential: AsymmetricCredential) -> CertificateType:
    """The form of the Certificate message that ``credential`` takes (RFC 7250)."""
    if isinstance(credential, RawPublicKey):
        return CertificateType.RawPublicKey
    return CertificateType.X509


def _check_groups(groups: tuple[NamedGroup, ...]) -> None:
    for group in groups:
        if group not in GROUPS:
            raise ConfigurationError(f"group {group} is not supported")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """A client's side of a handshake.

    ``suites`` and ``groups`` in order of preference.  ``psk`` serves the PSK suites; ``trust`` is
    what the server's certificate or raw public key is checked against, and ``server_name`` or
    ``server_address`` the name it has to be for; ``server_certificate_types`` says which forms are
    welcome.  ``credential`` answers a certificate request.  ``require_extended_master_secret``:
    a server without RFC 7627 is refused.  Raises ConfigurationError where no suite is left.
    """

    rng: Rng
    now: Clock
    suites: tuple[CipherSuite, ...] = SUITES
    groups: tuple[NamedGroup, ...] = GROUPS
    psk: PSK | None = None
    credential: AsymmetricCredential | None = None
    trust: Trust | None = None
    server_certificate_types: tuple[CertificateType, ...] = ()
    server_name: str | None = None
    server_address: Address | None = None
    require_extended_master_secret: bool = True
    usable_suites: tuple[CipherSuite, ...] = field(init=False)

    def __post_init__(self) -> None:
        usable = tuple(s for s in self.suites if self._can_use(s))
        if not usable:
            raise ConfigurationError(
                "no cipher suite is left that fits the credentials: give a pre-shared key, or a"
                " trust anchor or pinned raw public key, and suites (and a group) that use it"
            )
        object.__setattr__(self, "usable_suites", usable)
        _check_groups(self.groups)
        if not self.server_certificate_types and self.trust is not None:
            kinds = []
            if self.trust.accepts_raw_public_keys:
                kinds.append(CertificateType.RawPublicKey)
            if self.trust.accepts_x509:
                kinds.append(CertificateType.X509)
            object.__setattr__(self, "server_certificate_types", tuple(kinds))
        self._check_server_name()

    def _check_server_name(self) -> None:
        """A chain proves nothing where it is not known who it should be for."""
        if self.trust is None or not self.trust.anchors or self.trust.insecure:
            return
        unknown = self.server_name is None and self.server_address is None
        if unknown and CertificateType.X509 in self.server_certificate_types:
            raise ConfigurationError(
                "a server's certificate is checked for a name or address: give one of them"
            )

    def _can_use(self, suite: CipherSuite) -> bool:
        exchange = suite.key_exchange
        if exchange.uses_ecdhe and not self.groups:
            return False
        if exchange.uses_psk:
            return self.psk is not None
        return self.trust is not None and (
            self.trust.accepts_x509 or self.trust.accepts_raw_public_keys
        )

    @property
    def sni(self) -> str | None:
        """The name for the server_name extension: never an address (RFC 6066 section 3)."""
        if self.server_name is None:
            return None
        try:
            ipaddress.ip_address(self.server_name)
        except ValueError:
            return self.server_name.removesuffix(".")
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """A server's side of its handshakes.

    ``psk`` gives a key for every identity (:func:`~.credentials.psk_lookup`);
    ``psk_identity_hint`` is sent if it is not empty.  ``credentials`` are the server's own keys, in
    order of preference.  With ``request_client_certificate`` a client has to present a key that
    ``trust`` accepts.  ``server_names``, where given, are the only names answered to.
    Raises ConfigurationError where no handshake could complete.
    """

    rng: Rng
    now: Clock
    suites: tuple[CipherSuite, ...] = SUITES
    groups: tuple[NamedGroup, ...] = GROUPS
    psk: PskLookup | None = None
    psk_identity_hint: bytes = b""
    credentials: tuple[AsymmetricCredential, ...] = ()
    trust: Trust | None = None
    request_client_certificate: bool = False
    server_names: tuple[str, ...] = ()
    require_extended_master_secret: bool = True

    def __post_init__(self) -> None:
        if not any(self.can_use(s) for s in self.suites):
            raise ConfigurationError(
                "no cipher suite is left that fits the credentials: give pre-shared keys, a raw"
                " public key or a certificate, and suites (and a group) that use them"
            )
        _check_groups(self.groups)
        if self.request_client_certificate:
            if self.trust is None:
                raise ConfigurationError("client keys are asked for, and none could be trusted")
            self.trust.require_usable()

    def can_use(self, suite: CipherSuite) -> bool:
        """Whether the credentials serve ``suite``."""
        if suite.key_exchange.uses_ecdhe and not self.groups:
            return False
        if suite.key_exchange.uses_psk:
            return self.psk is not None
        return bool(self.credentials)

    @property
    def client_certificate_types(self) -> tuple[CertificateType, ...]:
        """The forms in which a client's key is accepted, in order of preference."""
        if self.trust is None:
            return ()
        kinds = []
        if self.trust.accepts_raw_public_keys:
            kinds.append(CertificateType.RawPublicKey)
        if self.trust.accepts_x509:
            kinds.append(CertificateType.X509)
        return tuple(kinds)
