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
from handshake_over_coap.encodings import EncodingChoice
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.timers import Rfc6347, Rfc9147
from handshake_over_coap.tls.codepoints import (
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
)
from handshake_over_coap.tls.config import (
    ClientConfig,
    Clock,
    Rng,
    ServerConfig,
)
from handshake_over_coap.tls.credentials import (
    PSK_MODES,
    Credential,
    PskSource,
    Trust,
    asymmetric,
    certificate_kinds,
    kind_and_way,
    kind_by_auth,
    pre_shared,
    psk_lookup,
)
from handshake_over_coap.tls.extensions.hello import MAX_HOST_NAME
from handshake_over_coap.tls.groups import GROUPS, GROUPS13, group_by_name
from handshake_over_coap.tls.suites import SUITES, CipherSuite, suite_by_name
from handshake_over_coap.tls.suites13 import SUITES13, CipherSuite13, suite13_by_name
from handshake_over_coap.tls.tickets import Ticket

from .resumption import Expected
from .sizes import check_sizes

TRANSPORTS = ("coap", "udp")
VERSIONS = ("1.2", "1.3")
_NAMES_OF_1_3 = frozenset(suite.name for suite in SUITES13)
_VERSIONS = {"1.2": ProtocolVersion.DTLS_1_2, "1.3": ProtocolVersion.DTLS_1_3}
_UP_TO = {
    "1.2": (ProtocolVersion.DTLS_1_2,),
    "1.3": (ProtocolVersion.DTLS_1_3, ProtocolVersion.DTLS_1_2),
}
LONGEST_CID = 32
"""Bytes of the longest connection ID that this side asks for: they are in every record."""


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
    encoding: EncodingChoice
    block_size: int | None
    token_length: int
    cid: str | None
    tickets: bool
    early: bool
    mtu: int
    ack_timeout: float
    ack_random_factor: float
    max_interval: float
    adapt_timer: bool | None
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

    ``dtls`` is the version of a client, and the newest one of a server: at 1.3 it speaks 1.2 to
    those who ask for that.  ``auth`` ``None`` takes whatever the credentials allow; in 1.3 ``psk``
    is psk_ke and ``ecdhe-psk`` psk_dhe_ke.  ``suite`` and ``group`` are IANA names (one or several;
    none means all that are supported, but that a client then leaves out X25519MLKEM768, whose share
    has 1.2 kB).  ``cid`` is the connection ID in what the peer sends, in
    hexadecimal: empty to send with the peer's only; a server gives it to its first client, and
    random ones of its length to others.  ``tickets``: a server of 1.3 gives each client a ticket to
    resume with, a client asks for one.  ``early``: a client of 1.3 may send as soon as its last
    flight is on its way, before it knows that the server has it; its report ends there.  ``mtu`` is
    the largest UDP payload in bytes.

    Times are in seconds.  ``max_retransmit`` is 4 over CoAP and without limit (``None``) over UDP
    unless it is given.  ``adapt_timer``: timers are one and a half measured round trips as soon as
    one is known; ``None`` is what the standards have, on in DTLS 1.3 over UDP and off over CoAP
    (DTLS 1.2 over UDP never does it).  ``idle_timeout`` ends a session that has been silent for so
    long (``None``: an hour on a server, never on a client).  ``keylog``, ``pcap`` and ``pcap_dtls``
    name files.

    Raises ConfigurationError, naming the option and the remedy.
    """

    transport: str = "coap"
    dtls: str = "1.3"
    auth: str | None = None
    mutual: bool = False
    suite: str | Sequence[str] = ()
    group: str | Sequence[str] = ()
    server_name: str | None = None
    address_check: bool = True
    resource: str = "/.well-known/dtls"
    location: bool = True
    encoding: EncodingChoice = "plain"
    block_size: int | None = None
    token_length: int = 4
    cid: str | None = None
    tickets: bool = False
    early: bool = False
    mtu: int = 1152
    ack_timeout: float = 2.0
    ack_random_factor: float = 1.5
    max_interval: float = 60.0
    adapt_timer: bool | None = None
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
        if self.auth is not None and kind_by_auth(self.auth).form is None and self.mutual:
            able = [name for kind in certificate_kinds() for name in kind.names]
            raise ConfigurationError(
                f"mutual goes with {' and '.join(able)}: with {self.auth} both sides prove the "
                "same key"
            )
        if self.server_name is not None and not self.server_name:
            raise ConfigurationError("an empty server name is none: give one, or leave it out")
        if self.server_name is not None and len(self.server_name) > MAX_HOST_NAME:
            raise ConfigurationError(f"a server name has at most {MAX_HOST_NAME} bytes")
        self._check_suites()
        _ = self.connection_id

    def _check_suites(self) -> None:
        """At least one suite of the version has to be left."""
        if self.dtls == "1.3" and self.suites13:
            return
        if not self.suites:
            named = ", ".join(_names(self.suite))
            fit = f"DTLS {self.dtls}" + (f" with auth {self.auth}" if self.auth else "")
            raise ConfigurationError(f"none of {named} is a suite for {fit}: name others, or none")
        if self.dtls == "1.3":
            raise ConfigurationError("these suites are of DTLS 1.2: choose dtls 1.2, or others")

    @property
    def suites(self) -> tuple[CipherSuite, ...]:
        """The suites of DTLS 1.2 that ``suite`` and ``auth`` leave, in the order given."""
        names = _names(self.suite)
        every = map(any_suite_by_name, names)
        named = tuple(suite for suite in every if isinstance(suite, CipherSuite))
        left = named if names else SUITES
        if self.auth is None:
            return left
        exchange = kind_and_way(self.auth)[1].exchange
        return tuple(s for s in left if s.key_exchange is exchange)

    @property
    def suites13(self) -> tuple[CipherSuite13, ...]:
        """The suites of DTLS 1.3 that ``suite`` leaves, in the order given."""
        names = _names(self.suite)
        every = map(any_suite_by_name, names)
        named = tuple(suite for suite in every if isinstance(suite, CipherSuite13))
        return named if names else SUITES13

    @property
    def connection_id(self) -> bytes | None:
        """``cid`` as bytes."""
        if self.cid is None:
            return None
        try:
            cid = bytes.fromhex(self.cid)
        except ValueError:
            raise ConfigurationError(f"cid {self.cid!r} is not hexadecimal") from None
        if len(cid) > LONGEST_CID:
            raise ConfigurationError(f"cid of {len(cid)} bytes: at most {LONGEST_CID}")
        return cid

    @property
    def _psk_modes(self) -> tuple[PskKeyExchangeMode, ...]:
        return PSK_MODES if self.auth is None else kind_and_way(self.auth)[1].psk_modes

    @property
    def udp(self) -> UdpParameters:
        """The parameters of the classic carrier over UDP."""
        most = None if self.max_retransmit == "default" else self.max_retransmit
        return UdpParameters(
            mtu=self.mtu,
            timer=Rfc9147(
                initial_timeout=self.initial_timeout,
                max_interval=self.max_interval,
                max_retransmit=most,
                adapt=self.adapt_timer is not False,
            ),
            timer12=Rfc6347(
                initial_timeout=self.initial_timeout,
                max_interval=self.max_interval,
                max_retransmit=most,
            ),
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
            adapt_timer=self.adapt_timer is True,
            limits=self.limits,
        )

    def client_config(
        self,
        credential: Credential | None,
        trust: Trust | None,
        server_address: str,
        rng: Rng,
        clock: Clock = now_utc,
        ticket: Ticket | None = None,
    ) -> ClientConfig:
        """A client's side of the handshake with a server at ``server_address``.

        ``ticket`` resumes a session of DTLS 1.3, if the server of that is still trusted.
        """
        form = None if self.auth is None else kind_by_auth(self.auth).form
        if form is not None:
            self._require_trust(trust)
        given = () if credential is None else (credential,)
        self._check_sizes(given)
        psk, own = next(iter(pre_shared(given)), None), next(iter(asymmetric(given)), None)
        server_address = server_address.partition("%")[0]
        if ticket is not None:
            expected = Expected(self.auth, psk, trust, self.server_name, server_address, clock())
            ticket = ticket if expected.accepts(ticket) else None
        if self.auth is not None and form is None and psk is None and ticket is None:
            raise ConfigurationError(f"auth {self.auth} needs a pre-shared key (psk)")
        return ClientConfig(
            rng=rng,
            now=clock,
            versions=(_VERSIONS[self.dtls],),
            suites=self.suites,
            suites13=self.suites13,
            groups=self._groups(GROUPS),
            psk_modes=self._psk_modes,
            ticket=ticket,
            ask_for_tickets=self.tickets,
            connection_id=self.connection_id,
            psk=psk,
            credential=own,
            trust=trust,
            server_certificate_types=() if form is None else (form,),
            server_name=self.server_name,
            server_address=server_address,
        )

    def server_config(
        self,
        credentials: Iterable[Credential],
        psk: PskSource | None,
        trust: Trust | None,
        rng: Rng,
        clock: Clock = now_utc,
    ) -> ServerConfig:
        """A server's side of all its handshakes."""
        given = list(credentials)
        self._check_sizes(given)
        keys = pre_shared(given)
        if keys and psk is not None:
            raise ConfigurationError("pre-shared keys come as credentials or as psk, not as both")
        source: PskSource | None = keys or psk
        if self.mutual:
            self._require_trust(trust)
        cid = self.connection_id
        return ServerConfig(
            rng=rng,
            now=clock,
            versions=_UP_TO[self.dtls],
            suites=self.suites,
            suites13=self.suites13,
            groups=self._groups(GROUPS13),
            psk_modes=self._psk_modes,
            tickets=1 if self.tickets else 0,
            connection_id=None if cid is None else _CidSource(cid, rng),
            psk=None if source is None else psk_lookup(source, rng(32)),
            credentials=asymmetric(given),
            trust=trust,
            request_client_certificate=self.mutual,
        )

    def _check_sizes(self, given: Iterable[Credential]) -> None:
        check_sizes(given, transport=self.transport, dtls=self.dtls, body=self.limits.body)

    def _groups(self, default: tuple[NamedGroup, ...]) -> tuple[NamedGroup, ...]:
        return tuple(group_by_name(name) for name in _names(self.group)) or default

    def _require_trust(self, trust: Trust | None) -> None:
        """Certificates and raw keys prove nothing to a side that knows nobody."""
        forms = () if trust is None else trust.certificate_types
        if not (forms if self.auth is None else kind_by_auth(self.auth).form in forms):
            raise ConfigurationError(
                "nothing to check the peer's key against: give a trust anchor (ca) or a pinned raw"
                " public key (peer-key), or say insecure to accept anybody"
            )


class _CidSource:
    """A server's connection IDs: the one it was given for its first client, then random ones."""

    def __init__(self, first: bytes, rng: Rng) -> None:
        self._first: bytes | None = first
        self._length = len(first)
        self._rng = rng

    def __call__(self) -> bytes:
        first, self._first = self._first, None
        return self._rng(self._length) if first is None else first


def any_suite_by_name(name: str) -> CipherSuite | CipherSuite13:
    """The suite of an IANA name, of either version.

    Raises ConfigurationError, naming the known ones.
    """
    if name in _NAMES_OF_1_3:
        return suite13_by_name(name)
    try:
        return suite_by_name(name)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}, {', '.join(sorted(_NAMES_OF_1_3))}") from None


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
