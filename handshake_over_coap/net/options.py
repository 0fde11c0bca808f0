"""The options of a handshake under the names that the command line uses, and what they become.

One place turns them into configurations of the layers below, so that ``hoc``, ``connect``,
``serve`` and scenarios cannot differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from handshake_over_coap.errors import ConfigurationError
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

from .choices import TRANSPORTS, VERSIONS, Choices
from .keywords import OptionValues
from .profiles import with_profiles
from .resumption import Expected
from .sizes import check_sizes

if TYPE_CHECKING:
    from typing import Unpack

__all__ = ["TRANSPORTS", "VERSIONS", "OptionValues", "Options", "any_suite_by_name"]

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


@with_profiles
@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Choices):
    """The options of a handshake; names and defaults are those of the command line.

    :mod:`.choices` declares them, ``hoc connect --help`` tells them.  ``"default"`` leaves an
    option to what it belongs to.  ``auth`` ``None`` takes whatever the credentials allow; in 1.3
    ``psk`` is psk_ke and ``ecdhe-psk`` psk_dhe_ke.  ``suite`` and ``group`` are one name or
    several; none means all that are supported.  ``timer``, ``transfer`` and ``encoding`` are names,
    objects of your own, or ``"module:Name"``; a timer's own options (``ack_timeout`` and the like)
    hold for the timer that is chosen, as far as it has them.  Times are in seconds, sizes in bytes.

    Raises ConfigurationError, naming the option and the remedy.
    """

    if TYPE_CHECKING:  # members' options are collected when the program runs

        def __init__(self, **values: Unpack[OptionValues]) -> None: ...

    def __post_init__(self) -> None:
        self.check_choices()
        kind = None if self.auth is None else kind_by_auth(self.auth)
        if kind is not None and kind.form is None and self.mutual:
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
        _ = self.connection_id, self._groups(GROUPS13)

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
            derived_random=self.derived_random,
            seeded_random=self.seeded_random,
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
            derived_random=self.derived_random,
            seeded_random=self.seeded_random,
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
    """Each name once: a list of them has a length field on the wire."""
    return (value,) if isinstance(value, str) else tuple(dict.fromkeys(value))


def options_over_coap(
    given: OptionValues, foreign: Collection[str], *, where: str, over_udp: str
) -> Options:
    """Options where somebody else does a part of the work, and CoAP carries the handshake.

    Raises ConfigurationError for those of ``foreign``, which are that one's own: ``where`` says
    what to do about them, ``over_udp`` why the transport cannot be another one.
    """
    values: Mapping[str, object] = given
    refused = [name for name in foreign if name in values]
    if refused:
        raise ConfigurationError(f"{', '.join(refused)}: {where}")
    chosen = Options(**given)
    if chosen.transport != "coap":
        raise ConfigurationError(over_udp)
    return chosen
