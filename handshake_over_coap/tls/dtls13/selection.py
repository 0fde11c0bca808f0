"""What a server chooses from a ClientHello of DTLS 1.3.

Source: RFC 8446 sections 4.1.1, 4.2 and 9.2, RFC 9147 section 5.3; RFC 7250 section 4.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

from handshake_over_coap.tls.alerts import (
    AlertError,
    HandshakeFailure,
    UnknownPskIdentity,
    UnsupportedCertificate,
)
from handshake_over_coap.tls.codepoints import NamedGroup, PskKeyExchangeMode
from handshake_over_coap.tls.config import ServerConfig
from handshake_over_coap.tls.credentials import (
    DEFAULT_FORM,
    AsymmetricCredential,
    PskLookup,
    shown_by,
)
from handshake_over_coap.tls.extensions import OfferedPsks
from handshake_over_coap.tls.identity import PeerIdentity
from handshake_over_coap.tls.messages import ClientHello
from handshake_over_coap.tls.suites13 import CipherSuite13

from .offered import Offered, read_hello
from .server_tickets import TicketContent, is_ticket, open_ticket

_MAX_IDENTITIES = 8
"""Identities that are looked at: each may cost a look-up."""


@dataclass(frozen=True, slots=True)
class ChosenKey:
    """The pre-shared key that a server picks: the ``index``-th of ``offered``.

    ``peer`` is who the client is by having it; ``ticket`` where it came from, if it was not agreed
    on beforehand.
    """

    index: int
    offered: OfferedPsks = field(repr=False)
    key: bytes = field(repr=False)
    peer: PeerIdentity
    ticket: TicketContent | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The server's choice.

    ``group`` is None where a pre-shared key is all there is.  ``can_resume`` tells whether a ticket
    would be of use to the client.  ``key`` and ``credential`` are both None while it is not settled
    which of them it will be.
    """

    offered: Offered
    suite: CipherSuite13
    group: NamedGroup | None
    can_resume: bool
    key: ChosenKey | None = None
    credential: AsymmetricCredential | None = None
    client_certificate_type: int = DEFAULT_FORM

    @property
    def share(self) -> bytes | None:
        """The client's public value; None where a HelloRetryRequest has to ask for it."""
        return None if self.group is None else self.offered.shares.share(self.group)

    @property
    def needs_retry(self) -> bool:
        """Whether the client has to send a share of another group."""
        return self.group is not None and self.share is None

    @property
    def server_certificate_type(self) -> int:
        """The form of our key, or of the key in the session that is resumed."""
        if self.credential is not None:
            return self.credential.form
        if self.key is not None and self.key.ticket is not None:
            return self.key.ticket.server_certificate_type
        return DEFAULT_FORM


@dataclass(frozen=True, slots=True)
class _Candidate:
    """The ``index``-th pre-shared key of a client: a ticket of ours, or one to be looked up."""

    index: int
    offered: OfferedPsks = field(repr=False)
    source: TicketContent | PskLookup = field(repr=False)

    def key(self, config: ServerConfig) -> tuple[ChosenKey, bool]:
        """The key, and whether its owner is let in."""
        if isinstance(self.source, TicketContent):
            ticket = self.source
            key = ChosenKey(self.index, self.offered, ticket.psk, ticket.peer, ticket)
            return key, _is_accepted(config, ticket.peer)
        identity = self.offered.identities[self.index].identity
        found = self.source.look_up(identity)
        peer = PeerIdentity(psk_identity=identity)
        return ChosenKey(self.index, self.offered, found.key, peer), found.known


def select(config: ServerConfig, hello: ClientHello, *, settle: bool = True) -> Selection:
    """Choose from what the client offers, in the client's order of suites.

    Without ``settle``, or where the client has to be asked for a share anyway, suite and group are
    all that is chosen: no key is looked up and no chain verified for a hello that a retry answers,
    whose sender may be anybody.  Raises the alert to send where nothing fits.  The binder is not
    looked at here.
    """
    offered = read_hello(config, hello)
    suite = select_suite(config, hello)
    can_resume = any(mode in config.psk_modes for mode in offered.modes)
    mode, group = _mode(config, offered)
    choice = Selection(offered, suite, group, can_resume)
    candidates = _candidates(config, choice) if mode is not None else iter(())
    first = next(candidates, None)
    if first is None:
        return _with_certificate(config, choice)
    if not settle and group is None and _could_sign(config, offered):
        # Where no key will turn out to be good, our certificate needs a share: there is one retry.
        return replace(choice, group=_group(config, offered))
    if choice.needs_retry or not settle:
        return choice
    return _settled(config, choice, chain((first,), candidates))


def select_suite(config: ServerConfig, hello: ClientHello) -> CipherSuite13:
    """The client's first suite that is one of ours; raises HandshakeFailure if none is."""
    known = {int(suite.id): suite for suite in config.suites13}
    for number in hello.cipher_suites:
        if number in known:
            return known[number]
    raise HandshakeFailure("no cipher suite in common")


def _group(config: ServerConfig, offered: Offered) -> NamedGroup | None:
    """A common group in our order, one with a share if there is any."""
    common = [g for g in config.groups if g in offered.groups]
    at_once = [g for g in common if offered.shares.share(g) is not None]
    return next(iter(at_once or common), None)


def _mode(
    config: ServerConfig, offered: Offered
) -> tuple[PskKeyExchangeMode | None, NamedGroup | None]:
    """How a pre-shared key would be used, and the group where one takes part."""
    for mode in config.psk_modes:
        if mode not in offered.modes:
            continue
        if mode == PskKeyExchangeMode.psk_ke:
            return mode, None
        group = _group(config, offered)
        if group is not None:
            return mode, group
    return None, None


def _candidates(config: ServerConfig, choice: Selection) -> Iterator[_Candidate]:
    """The tickets that were given for such a session as this one will be, then other identities."""
    psks = choice.offered.psks
    if psks is None:
        return
    others: list[_Candidate] = []
    for index, entry in enumerate(psks.identities[:_MAX_IDENTITIES]):
        if is_ticket(entry.identity):
            content = open_ticket(config, entry.identity)
            if (
                content is not None
                and content.suite == choice.suite.id
                and content.server_name == choice.offered.server_name
            ):
                yield _Candidate(index, psks, content)
        elif config.psk is not None:
            others.append(_Candidate(index, psks, config.psk))
    yield from others


def _settled(
    config: ServerConfig, choice: Selection, candidates: Iterable[_Candidate]
) -> Selection:
    """With the first key that is good here, else with our certificate (RFC 8446 section 4.2.11).

    Where that is no way either, an unknown identity gets a key that nobody has, so that it fails at
    its binder, as one with a wrong key does (appendix E.6).
    """
    unknown: ChosenKey | None = None
    for candidate in candidates:
        key, good = candidate.key(config)
        if good:
            return replace(choice, key=key)
        if key.ticket is None and unknown is None:
            unknown = key
    with_unknown = replace(choice, key=unknown)
    if unknown is not None and not _could_sign(config, choice.offered):
        return with_unknown
    try:
        return _with_certificate(config, choice)
    except AlertError:
        if unknown is None:
            raise
        return with_unknown


def _is_accepted(config: ServerConfig, peer: PeerIdentity) -> bool:
    """Whether the client would be let in now by what it showed when it got its ticket.

    It may have expired since, be known no more, or trusted no more.
    """
    if peer.psk_identity is not None:
        return config.psk is not None and config.psk.look_up(peer.psk_identity).known
    if not config.request_client_certificate:
        return True
    shown = shown_by(peer)
    if shown is None or config.trust is None:
        return False
    try:
        config.trust.verify(shown, config.asked_of_client())
    except AlertError:
        return False
    return True


def _could_sign(config: ServerConfig, offered: Offered) -> bool:
    return bool(config.credentials and offered.schemes)


def _with_certificate(config: ServerConfig, choice: Selection) -> Selection:
    """With our key, and the form in which the client shall show its own, if it is asked."""
    offered = choice.offered
    if offered.psks is not None and not _could_sign(config, offered):
        raise _no_key(config, offered, offered.psks)
    group = _group(config, offered)
    if group is None:
        raise HandshakeFailure("no group in common")
    fitting = [c for c in config.credentials if c.scheme in offered.schemes]
    for form in offered.server_types:
        for credential in fitting:
            if credential.form == form:
                return replace(
                    choice,
                    group=group,
                    credential=credential,
                    client_certificate_type=_client_type(config, offered),
                )
    if fitting:
        raise UnsupportedCertificate("no server certificate type in common (RFC 7250)")
    raise HandshakeFailure("no pre-shared key and no signature that both sides can use")


def _no_key(config: ServerConfig, offered: Offered, psks: OfferedPsks) -> AlertError:
    """Why a client that has nothing but pre-shared keys cannot be served.

    Its identity is at fault only where it would have been looked at: else the client's user would
    look for a mistake in the keys.
    """
    if _mode(config, offered)[0] is None:
        return HandshakeFailure("no way to use a pre-shared key in common, or no group for it")
    if any(is_ticket(entry.identity) for entry in psks.identities):
        return UnknownPskIdentity("no ticket of the client's is good here")
    return HandshakeFailure("the client has only pre-shared keys, and here are none")


def _client_type(config: ServerConfig, offered: Offered) -> int:
    """The default where the client's key is not asked for."""
    if not config.request_client_certificate:
        return DEFAULT_FORM
    for form in config.client_certificate_types:
        if form in offered.client_types:
            return form
    raise UnsupportedCertificate("no client certificate type in common (RFC 7250)")
