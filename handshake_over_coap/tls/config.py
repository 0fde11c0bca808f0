"""What an endpoint brings to a handshake: suites, groups, credentials, trust.

Time and randomness come in as functions, so that a handshake can be repeated byte for byte.
A configuration that can never complete is refused when it is made.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from handshake_over_coap.errors import ConfigurationError

from .codepoints import NamedGroup, ProtocolVersion, PskKeyExchangeMode
from .credentials import (
    PSK,
    PSK_MODES,
    Address,
    Asked,
    AsymmetricCredential,
    PeerRole,
    PskLookup,
    Trust,
)
from .groups import GROUPS, GROUPS13
from .suites import SUITES, CipherSuite
from .suites13 import SUITES13, CipherSuite13
from .tickets import MAX_TICKET_LIFETIME, Ticket

Rng: TypeAlias = Callable[[int], bytes]
"""``rng(n)`` returns ``n`` random bytes."""

Clock: TypeAlias = Callable[[], datetime]
"""Tells the time of day, with a time zone, for the validity of certificates."""

ConnectionIdSource: TypeAlias = bytes | Callable[[], bytes]
"""The connection ID that a server wants for the next client, or what makes one."""

VERSIONS: Final = (ProtocolVersion.DTLS_1_3, ProtocolVersion.DTLS_1_2)
"""Every version that is supported, the newest first."""

TICKET_KEY_LENGTH: Final = 32
_MAX_TICKETS: Final = 8
_MIN_RECORD_LIMIT: Final = 64

MAX_RECORD_LIMIT_1_2: Final = 2**14
"""Bytes of the longest plaintext of a record of 1.2 (RFC 5246 section 6.2.1)."""

MAX_RECORD_LIMIT_1_3: Final = 2**14 + 1
"""The same of 1.3, where the content type counts (RFC 8449 section 4)."""

_MAX_CID: Final = 255


def groups12(groups: tuple[NamedGroup, ...]) -> tuple[NamedGroup, ...]:
    """Those of ``groups`` that 1.2 knows: a KEM has no place in its key exchanges."""
    return tuple(group for group in groups if group in GROUPS)


def _check_groups(groups: tuple[NamedGroup, ...]) -> None:
    for group in groups:
        if group not in GROUPS13:
            raise ConfigurationError(f"group {group} is not supported")


def _check_versions(versions: tuple[ProtocolVersion, ...]) -> None:
    if not versions or not set(versions) <= set(VERSIONS):
        raise ConfigurationError("the versions are DTLS 1.2, DTLS 1.3 or both")


def _check_record_limit(limit: int | None) -> None:
    if limit is not None and not _MIN_RECORD_LIMIT <= limit <= MAX_RECORD_LIMIT_1_3:
        raise ConfigurationError(
            f"a record size limit has {_MIN_RECORD_LIMIT} to {MAX_RECORD_LIMIT_1_3} bytes"
        )


def _psk_mode_works(modes: tuple[PskKeyExchangeMode, ...], groups: tuple[NamedGroup, ...]) -> bool:
    return PskKeyExchangeMode.psk_ke in modes or bool(modes and groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """A client's side of a handshake.

    ``suites`` of 1.2, ``suites13`` and ``groups`` in order of preference.  ``psk`` serves the PSK
    suites of 1.2 and, in the ways of ``psk_modes``, 1.3; ``trust`` is what the server's certificate
    or raw public key is checked against, and ``server_name`` or ``server_address`` the name it has
    to be for; ``server_certificate_types`` says which forms are welcome.  ``credential`` answers a
    certificate request.  ``require_extended_master_secret``: a server of 1.2 without RFC 7627 is
    refused.

    For 1.3: the first hello has a share for each of ``key_shares``, the first of ``groups`` unless
    given; ``ticket`` resumes a session while it is usable, and ``ask_for_tickets`` lets the server
    send more.  ``connection_id`` is what the server shall put on its records (RFC 9146): empty
    for none while one of the server's is welcome.  ``record_size_limit`` is the longest plaintext
    that is taken, 64 to 16,385 bytes (RFC 8449).  ``derived_random``: the random follows from the
    one share, if there is one; ``seeded_random``: with psk_ke half of it follows from the other
    (:mod:`.derived`).

    Raises ConfigurationError where no suite is left of any version.
    """

    rng: Rng
    now: Clock
    versions: tuple[ProtocolVersion, ...] = (ProtocolVersion.DTLS_1_2,)
    suites: tuple[CipherSuite, ...] = SUITES
    suites13: tuple[CipherSuite13, ...] = SUITES13
    groups: tuple[NamedGroup, ...] = GROUPS
    key_shares: tuple[NamedGroup, ...] | None = None
    psk_modes: tuple[PskKeyExchangeMode, ...] = PSK_MODES
    ticket: Ticket | None = field(default=None, repr=False)
    ask_for_tickets: bool = True
    derived_random: bool = False
    seeded_random: bool = False
    connection_id: bytes | None = None
    record_size_limit: int | None = None
    psk: PSK | None = None
    credential: AsymmetricCredential | None = None
    trust: Trust | None = None
    server_certificate_types: tuple[int, ...] = ()
    server_name: str | None = None
    server_address: Address | None = None
    require_extended_master_secret: bool = True
    usable_suites: tuple[CipherSuite, ...] = field(init=False)
    """The suites of 1.2 that fit the credentials; none where 1.2 is not spoken."""

    def __post_init__(self) -> None:
        _check_versions(self.versions)
        spoken = ProtocolVersion.DTLS_1_2 in self.versions
        usable = tuple(s for s in self.suites if spoken and self._can_use(s))
        object.__setattr__(self, "usable_suites", usable)
        if not self.usable_versions:
            raise ConfigurationError(
                "no cipher suite is left that fits the credentials: give a pre-shared key, or a"
                " trust anchor or pinned raw public key, and suites (and a group) that use it"
            )
        _check_groups(self.groups)
        if self.key_shares is not None and not set(self.key_shares) <= set(self.groups):
            raise ConfigurationError("a key share for a group that is not offered")
        _check_record_limit(self.record_size_limit)
        if self.connection_id is not None and len(self.connection_id) > _MAX_CID:
            raise ConfigurationError(f"a connection ID of {len(self.connection_id)} bytes")
        if not self.server_certificate_types and self.trust is not None:
            object.__setattr__(self, "server_certificate_types", self.trust.certificate_types)
        self._check_server_name()

    def _check_server_name(self) -> None:
        """A chain proves nothing where it is not known who it should be for."""
        unknown = self.server_name is None and self.server_address is None
        if (
            unknown
            and self.trust is not None
            and self.trust.needs_name(self.server_certificate_types)
        ):
            raise ConfigurationError(
                "a server's certificate is checked for a name or address: give one of them"
            )

    def _can_use(self, suite: CipherSuite) -> bool:
        exchange = suite.key_exchange
        if exchange.uses_ecdhe and not groups12(self.groups):
            return False
        return self.psk is not None if exchange.uses_psk else self.offers_certificates

    @property
    def offers_certificates(self) -> bool:
        """Whether a server may prove itself with a certificate or a raw public key."""
        return self.trust is not None and bool(self.trust.certificate_types)

    def asked_of_server(self) -> Asked:
        """Whom the server has to prove to be, now."""
        return Asked(PeerRole.SERVER, self.now(), self.server_name, self.server_address)

    @property
    def usable_versions(self) -> tuple[ProtocolVersion, ...]:
        """The versions in which a handshake could complete, the newest first."""
        has_psk = self.psk is not None or self.ticket is not None
        works_13 = (has_psk and _psk_mode_works(self.psk_modes, self.groups)) or (
            self.offers_certificates and bool(self.groups)
        )
        found = []
        if ProtocolVersion.DTLS_1_3 in self.versions and works_13 and self.suites13:
            found.append(ProtocolVersion.DTLS_1_3)
        if self.usable_suites:
            found.append(ProtocolVersion.DTLS_1_2)
        return tuple(found)

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

    ``psk`` has a key for every identity (:func:`~.credentials.psk_lookup`);
    ``psk_identity_hint`` is sent if it is not empty.  ``credentials`` are the server's own keys, in
    order of preference.  With ``request_client_certificate`` a client to whom the server proves
    itself with one of them has to present a key that ``trust`` accepts; one that shares a
    pre-shared key with the server proves itself by that alone.  ``server_names``, where given, are
    the only names answered to.

    For 1.3: ``psk_modes`` in order of preference.  A client that can resume gets ``tickets`` of
    them (0 to 8) after its handshake, good for ``ticket_lifetime`` seconds and sealed with
    ``ticket_key`` (32 bytes, from ``rng`` unless given), so that nothing is kept for them.
    ``connection_id`` and ``record_size_limit`` as in :class:`ClientConfig`; each client should get
    another ID, so that a function can be given; ``derived_random`` and ``seeded_random`` too.

    Raises ConfigurationError where no handshake could complete.
    """

    rng: Rng
    now: Clock
    versions: tuple[ProtocolVersion, ...] = (ProtocolVersion.DTLS_1_2,)
    suites: tuple[CipherSuite, ...] = SUITES
    suites13: tuple[CipherSuite13, ...] = SUITES13
    groups: tuple[NamedGroup, ...] = GROUPS
    psk_modes: tuple[PskKeyExchangeMode, ...] = PSK_MODES
    tickets: int = 1
    derived_random: bool = False
    seeded_random: bool = False
    ticket_lifetime: int = 86_400
    ticket_key: bytes = field(default=b"", repr=False)
    connection_id: ConnectionIdSource | None = None
    record_size_limit: int | None = None
    psk: PskLookup | None = None
    psk_identity_hint: bytes = b""
    credentials: tuple[AsymmetricCredential, ...] = ()
    trust: Trust | None = None
    request_client_certificate: bool = False
    server_names: tuple[str, ...] = ()
    require_extended_master_secret: bool = True

    def __post_init__(self) -> None:
        _check_versions(self.versions)
        if not self.usable_versions:
            raise ConfigurationError(
                "no cipher suite is left that fits the credentials: give pre-shared keys, a raw"
                " public key or a certificate, and suites (and a group) that use them"
            )
        _check_groups(self.groups)
        _check_record_limit(self.record_size_limit)
        self._prepare_tickets()
        if self.request_client_certificate:
            if self.trust is None:
                raise ConfigurationError("client keys are asked for, and none could be trusted")
            self.trust.require_usable()

    def _prepare_tickets(self) -> None:
        if not 0 <= self.tickets <= _MAX_TICKETS:
            raise ConfigurationError(f"a client gets 0 to {_MAX_TICKETS} tickets")
        if not 1 <= self.ticket_lifetime <= MAX_TICKET_LIFETIME:
            raise ConfigurationError(f"a ticket lives 1 to {MAX_TICKET_LIFETIME} seconds")
        if not self.ticket_key and ProtocolVersion.DTLS_1_3 in self.versions:
            object.__setattr__(self, "ticket_key", self.rng(TICKET_KEY_LENGTH))
        if len(self.ticket_key) not in (0, TICKET_KEY_LENGTH):
            raise ConfigurationError(f"a ticket key has {TICKET_KEY_LENGTH} bytes")

    @property
    def usable_versions(self) -> tuple[ProtocolVersion, ...]:
        """The versions in which a handshake could complete, the newest first."""
        works_13 = (self.psk is not None and _psk_mode_works(self.psk_modes, self.groups)) or (
            bool(self.credentials) and bool(self.groups)
        )
        found = []
        if ProtocolVersion.DTLS_1_3 in self.versions and works_13 and self.suites13:
            found.append(ProtocolVersion.DTLS_1_3)
        if ProtocolVersion.DTLS_1_2 in self.versions and any(map(self.can_use, self.suites)):
            found.append(ProtocolVersion.DTLS_1_2)
        return tuple(found)

    def new_connection_id(self) -> bytes | None:
        """The connection ID for the next client; raises ConfigurationError if it is too long."""
        source = self.connection_id
        cid = source() if callable(source) else source
        if cid is not None and len(cid) > _MAX_CID:
            raise ConfigurationError(f"a connection ID of {len(cid)} bytes")
        return cid

    def can_use(self, suite: CipherSuite) -> bool:
        """Whether the credentials serve ``suite``, one of 1.2."""
        if suite.key_exchange.uses_ecdhe and not groups12(self.groups):
            return False
        if suite.key_exchange.uses_psk:
            return self.psk is not None
        return bool(self.credentials)

    @property
    def client_certificate_types(self) -> tuple[int, ...]:
        """The forms in which a client's key is accepted, in order of preference."""
        return () if self.trust is None else self.trust.certificate_types

    def asked_of_client(self) -> Asked:
        """Whom a client has to prove to be, now: anybody who is trusted."""
        return Asked(PeerRole.CLIENT, self.now())
