"""The options of a handshake under the names that the command line uses, and what they become.

One place turns them into configurations of the layers below, so that ``hoc``, ``connect``,
``serve`` and scenarios cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import PathLike
from typing import Literal, TypedDict

from handshake_over_coap.carriers.coap import CoapParameters
from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.carriers.udp import UdpParameters
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.codepoints import CertificateType, NamedGroup
from handshake_over_coap.tls.config import (
    AsymmetricCredential,
    ClientConfig,
    Clock,
    Rng,
    ServerConfig,
)
from handshake_over_coap.tls.credentials import PSK, PskSource, psk_lookup
from handshake_over_coap.tls.groups import GROUPS, group_by_name
from handshake_over_coap.tls.suites import SUITES, CipherSuite, KeyExchange, suite_by_name
from handshake_over_coap.tls.trust import Trust

AUTHS = ("psk", "ecdhe-psk", "rpk", "x509")
TRANSPORTS = ("coap", "udp")
VERSIONS = ("1.2", "1.3")

_EXCHANGES = {
    "psk": KeyExchange.PSK,
    "ecdhe-psk": KeyExchange.ECDHE_PSK,
    "rpk": KeyExchange.ECDHE_ECDSA,
    "x509": KeyExchange.ECDHE_ECDSA,
}
_CERTIFICATE_TYPES = {"rpk": CertificateType.RawPublicKey, "x509": CertificateType.X509}


def now_utc() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


class OptionValues(TypedDict, total=False):
    """Keyword arguments of ``connect`` and ``serve``: see :class:`Options`."""

    transport: str
    dtls: str
    auth: str | None
    mutual: bool
    suite: str | Sequence[str]
    group: str | Sequence[str]
    server_name: str | None
    address_check: bool
    resource: str
    location: bool
    encoding: str
    block_size: int | None
    token_length: int
    mtu: int
    ack_timeout: float
    ack_random_factor: float
    max_interval: float
    max_retransmit: int | Literal["default"] | None
    initial_timeout: float
    timeout: float
    keylog: str | PathLike[str] | None
    pcap: str | PathLike[str] | None
    pcap_dtls: str | PathLike[str] | None
    idle_timeout: float | None
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a handshake; names and defaults are those of the command line.

    ``auth`` ``None`` takes whatever the credentials allow.  ``suite`` and ``group`` are IANA names
    (one or several; none means all that are supported).  ``mtu`` is the largest UDP payload in
    bytes.  ``max_retransmit`` is 4 over CoAP and without limit (``None``) over UDP unless it is
    given.  Times are in seconds; ``idle_timeout`` ends a session that has been silent for so long
    (``None``: an hour on a server, never on a client).  ``keylog``, ``pcap`` and
    ``pcap_dtls`` name files.
    Raises ConfigurationError, naming the option and the remedy.
    """

    transport: str = "coap"
    dtls: str = "1.2"
    auth: str | None = None
    mutual: bool = False
    suite: str | Sequence[str] = ()
    group: str | Sequence[str] = ()
    server_name: str | None = None
    address_check: bool = True
    resource: str = "/.well-known/dtls"
    location: bool = True
    encoding: str = "plain"
    block_size: int | None = None
    token_length: int = 4
    mtu: int = 1152
    ack_timeout: float = 2.0
    ack_random_factor: float = 1.5
    max_interval: float = 60.0
    max_retransmit: int | Literal["default"] | None = "default"
    initial_timeout: float = 1.0
    timeout: float = 60.0
    keylog: str | PathLike[str] | None = None
    pcap: str | PathLike[str] | None = None
    pcap_dtls: str | PathLike[str] | None = None
    idle_timeout: float | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.transport not in TRANSPORTS:
            raise ConfigurationError(f"transport {self.transport!r} is none of coap, udp")
        if self.dtls not in VERSIONS:
            raise ConfigurationError(f"DTLS version {self.dtls!r} is none of 1.2, 1.3")
        if self.dtls == "1.3":
            raise ConfigurationError("DTLS 1.3 is not built yet: use 1.2")
        if self.auth is not None and self.auth not in AUTHS:
            raise ConfigurationError(f"auth {self.auth!r} is none of {', '.join(AUTHS)}")
        if self.mutual and self.auth in ("psk", "ecdhe-psk"):
            raise ConfigurationError(
                f"mutual goes with rpk and x509: with {self.auth} both sides prove the same key"
            )

    @property
    def suites(self) -> tuple[CipherSuite, ...]:
        """The suites that ``suite`` and ``auth`` leave, in the order given."""
        named = tuple(suite_by_name(name) for name in _names(self.suite)) or SUITES
        if self.auth is None:
            return named
        exchange = _EXCHANGES[self.auth]
        left = tuple(s for s in named if s.key_exchange is exchange)
        if not left:
            raise ConfigurationError(
                f"none of {', '.join(s.name for s in named)} is a suite for auth {self.auth}"
            )
        return left

    @property
    def udp(self) -> UdpParameters:
        """The parameters of the classic carrier over UDP."""
        return UdpParameters(
            mtu=self.mtu,
            initial_timeout=self.initial_timeout,
            max_interval=self.max_interval,
            max_retransmit=None if self.max_retransmit == "default" else self.max_retransmit,
            timeout=self.timeout,
            address_check=self.address_check,
            limits=self.limits,
        )

    @property
    def coap(self) -> CoapParameters:
        """The parameters of the carrier over CoAP."""
        return CoapParameters(
            resource=self.resource,
            location=self.location,
            encoding=self.encoding,
            block_size=self.block_size,
            token_length=self.token_length,
            mtu=self.mtu,
            ack_timeout=self.ack_timeout,
            ack_random_factor=self.ack_random_factor,
            max_interval=self.max_interval,
            max_retransmit=4 if self.max_retransmit == "default" else self.max_retransmit,
            timeout=self.timeout,
            address_check=self.address_check,
            limits=self.limits,
        )

    def client_config(
        self,
        credential: PSK | AsymmetricCredential | None,
        trust: Trust | None,
        server_address: str,
        rng: Rng,
        clock: Clock = now_utc,
    ) -> ClientConfig:
        """A client's side of the handshake with a server at ``server_address``."""
        if self.auth in _CERTIFICATE_TYPES:
            types: tuple[CertificateType, ...] = (_CERTIFICATE_TYPES[self.auth],)
            self._require_trust(trust)
        else:
            types = ()
        psk = credential if isinstance(credential, PSK) else None
        if self.auth in ("psk", "ecdhe-psk") and psk is None:
            raise ConfigurationError(f"auth {self.auth} needs a pre-shared key (psk)")
        return ClientConfig(
            rng=rng,
            now=clock,
            suites=self.suites,
            groups=self._groups(),
            psk=psk,
            credential=None if isinstance(credential, PSK) else credential,
            trust=trust,
            server_certificate_types=types,
            server_name=self.server_name,
            server_address=server_address.partition("%")[0],
        )

    def server_config(
        self,
        credentials: Iterable[PSK | AsymmetricCredential],
        psk: PskSource | None,
        trust: Trust | None,
        rng: Rng,
        clock: Clock = now_utc,
    ) -> ServerConfig:
        """A server's side of all its handshakes."""
        given = list(credentials)
        keys = [each for each in given if isinstance(each, PSK)]
        if keys and psk is not None:
            raise ConfigurationError("pre-shared keys come as credentials or as psk, not as both")
        source: PskSource | None = keys or psk
        own = tuple(each for each in given if not isinstance(each, PSK))
        if self.mutual:
            self._require_trust(trust)
        return ServerConfig(
            rng=rng,
            now=clock,
            suites=self.suites,
            groups=self._groups(),
            psk=None if source is None else psk_lookup(source, rng(32)),
            credentials=own,
            trust=trust,
            request_client_certificate=self.mutual,
        )

    def _groups(self) -> tuple[NamedGroup, ...]:
        return tuple(group_by_name(name) for name in _names(self.group)) or GROUPS

    def _require_trust(self, trust: Trust | None) -> None:
        """Certificates and raw keys prove nothing to a side that knows nobody."""
        accepts = trust is not None and (
            trust.accepts_raw_public_keys
            if self.auth == "rpk"
            else trust.accepts_x509
            if self.auth == "x509"
            else trust.accepts_x509 or trust.accepts_raw_public_keys
        )
        if not accepts:
            raise ConfigurationError(
                "nothing to check the peer's key against: give a trust anchor (ca) or a pinned raw"
                " public key (peer-key), or say insecure to accept anybody"
            )


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
