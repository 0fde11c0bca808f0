"""What a server chooses from a ClientHello of DTLS 1.3.

Source: RFC 8446 sections 4.1.1, 4.2 and 9.2, RFC 9147 section 5.3; RFC 7250 section 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from handshake_over_coap.tls.alerts import (
    AlertError,
    HandshakeFailure,
    IllegalParameter,
    InternalError,
    MissingExtension,
    ProtocolVersion,
    UnknownPskIdentity,
    UnrecognizedName,
    UnsupportedCertificate,
)
from handshake_over_coap.tls.codepoints import CertificateType, NamedGroup, PskKeyExchangeMode
from handshake_over_coap.tls.codepoints import ProtocolVersion as Version
from handshake_over_coap.tls.config import AsymmetricCredential, ServerConfig, certificate_type
from handshake_over_coap.tls.credentials import PskLookup
from handshake_over_coap.tls.extensions import (
    ClientCertificateType,
    KeyShares,
    OfferedPsks,
    PskKeyExchangeModes,
    ServerCertificateType,
    ServerName,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersions,
)
from handshake_over_coap.tls.identity import PeerIdentity
from handshake_over_coap.tls.messages import ClientHello, offered_psks
from handshake_over_coap.tls.suites13 import CipherSuite13
from handshake_over_coap.tls.trust import PeerRole

from .server_tickets import TicketContent, is_ticket, open_ticket

_MAX_IDENTITIES = 8
"""Identities that are looked at: each may cost a look-up."""


@dataclass(frozen=True, slots=True)
class ChosenKey:
    """The pre-shared key that a server picks: the ``index``-th of ``offered``.

    ``ticket`` is where it came from, if not agreed on beforehand: then ``lookup`` gives the key.
    It is asked once, when the handshake goes on, and not for a hello that is answered by a retry,
    whose sender may be anybody.
    """

    index: int
    offered: OfferedPsks = field(repr=False)
    ticket: TicketContent | None = None
    lookup: PskLookup | None = field(default=None, repr=False)

    def key(self) -> bytes:
        """The key itself; for an unknown identity one that nobody has."""
        if self.ticket is not None:
            return self.ticket.psk
        if self.lookup is None:
            raise InternalError("a pre-shared key was chosen without keys")
        return self.lookup(self.offered.identities[self.index].identity)

    @property
    def peer(self) -> PeerIdentity:
        """Who the client is by having this key."""
        if self.ticket is not None:
            return self.ticket.peer
        return PeerIdentity(psk_identity=self.offered.identities[self.index].identity)


@dataclass(frozen=True, slots=True)
class Selection:
    """The server's choice.

    ``group`` is None where a pre-shared key is all there is; ``share`` is the client's public
    value, None where a HelloRetryRequest has to ask for it.  ``can_resume`` tells whether a
    ticket would be of use to the client.
    """

    suite: CipherSuite13
    group: NamedGroup | None
    share: bytes | None = field(repr=False)
    key: ChosenKey | None
    credential: AsymmetricCredential | None
    client_certificate_type: CertificateType
    server_name: str | None
    can_resume: bool

    @property
    def needs_retry(self) -> bool:
        """Whether the client has to send a share of another group."""
        return self.group is not None and self.share is None

    @property
    def server_certificate_type(self) -> CertificateType:
        """The form of our key, or of the key in the session that is resumed."""
        if self.credential is not None:
            return certificate_type(self.credential)
        if self.key is not None and self.key.ticket is not None:
            return self.key.ticket.server_certificate_type
        return CertificateType.X509


def offers_version(hello: ClientHello, version: Version) -> bool:
    """Whether supported_versions lists ``version``."""
    versions = hello.extensions.find(SupportedVersions)
    return versions is not None and version in versions.versions


def select(config: ServerConfig, hello: ClientHello) -> Selection:
    """Choose from what the client offers, in the client's order of suites.

    Raises the alert to send where nothing fits.  The binder is not looked at here.
    """
    _check_form(hello)
    psks = offered_psks(hello)
    _check_completeness(hello, psks)
    server_name = _server_name(config, hello)
    suite = select_suite(config, hello)
    shares = _shares(hello)
    modes = hello.extensions.find(PskKeyExchangeModes)
    offered_modes = () if modes is None else modes.modes
    can_resume = any(mode in config.psk_modes for mode in offered_modes)
    mode, group = _mode(config, hello, shares, offered_modes)
    key = None
    if psks is not None and mode is not None:
        key = _key(config, psks, suite, server_name)
    credential, form = None, CertificateType.X509
    if key is None:
        if psks is not None and not _could_sign(config, hello):
            raise UnknownPskIdentity("no pre-shared key of the client's is good here")
        group = _group(config, hello, shares)
        credential, form = _by_certificate(config, hello, group)
    share = None if group is None else shares.share(group)
    return Selection(suite, group, share, key, credential, form, server_name, can_resume)


def _check_form(hello: ClientHello) -> None:
    if not offers_version(hello, Version.DTLS_1_3):
        raise ProtocolVersion("the client does not offer DTLS 1.3")
    # legacy_version is not looked at: the extension takes its place (RFC 8446 section 4.2.1).
    if hello.compression_methods != b"\x00":
        raise IllegalParameter("compression methods besides null")
    if hello.cookie:
        raise IllegalParameter("a cookie of DTLS 1.2 in a ClientHello of 1.3")


def _check_completeness(hello: ClientHello, psks: OfferedPsks | None) -> None:
    """What has to come together does (RFC 8446 sections 4.2.9 and 9.2)."""
    extensions = hello.extensions
    groups = SupportedGroups.extension_type in extensions
    if groups != (KeyShares.extension_type in extensions):
        raise MissingExtension("supported_groups and key_share come together")
    if psks is not None:
        if PskKeyExchangeModes.extension_type not in extensions:
            raise MissingExtension("pre_shared_key without psk_key_exchange_modes")
        return
    if not groups or SignatureAlgorithms.extension_type not in extensions:
        raise MissingExtension("without pre_shared_key, groups and signature_algorithms are needed")


def _server_name(config: ServerConfig, hello: ClientHello) -> str | None:
    extension = hello.extensions.find(ServerName)
    name = None if extension is None else extension.host_name
    if (
        name is not None
        and config.server_names
        and name.lower() not in {known.lower() for known in config.server_names}
    ):
        raise UnrecognizedName("this server does not go by that name")
    return name


def select_suite(config: ServerConfig, hello: ClientHello) -> CipherSuite13:
    """The client's first suite that is one of ours; raises HandshakeFailure if none is."""
    known = {int(suite.id): suite for suite in config.suites13}
    for number in hello.cipher_suites:
        if number in known:
            return known[number]
    raise HandshakeFailure("no cipher suite in common")


def _shares(hello: ClientHello) -> KeyShares:
    shares = hello.extensions.find(KeyShares)
    if shares is None:
        return KeyShares()
    groups = hello.extensions.find(SupportedGroups)
    if groups is not None and any(e.group not in groups.groups for e in shares.entries):
        raise IllegalParameter("a key share for a group that is not offered")
    return shares


def _group(config: ServerConfig, hello: ClientHello, shares: KeyShares) -> NamedGroup | None:
    """A common group in our order, one with a share if there is any."""
    offered = hello.extensions.find(SupportedGroups)
    common = [g for g in config.groups if offered is not None and g in offered.groups]
    at_once = [g for g in common if shares.share(g) is not None]
    return next(iter(at_once or common), None)


def _mode(
    config: ServerConfig, hello: ClientHello, shares: KeyShares, offered: tuple[int, ...]
) -> tuple[PskKeyExchangeMode | None, NamedGroup | None]:
    """How a pre-shared key would be used, and the group where one takes part."""
    for mode in config.psk_modes:
        if mode not in offered:
            continue
        if mode == PskKeyExchangeMode.psk_ke:
            return mode, None
        group = _group(config, hello, shares)
        if group is not None:
            return mode, group
    return None, None


def _key(
    config: ServerConfig, psks: OfferedPsks, suite: CipherSuite13, server_name: str | None
) -> ChosenKey | None:
    """The first ticket that is good here, or the first other identity.

    The look-up answers for every identity, so that an unknown one fails at its binder, as one with
    a wrong key does (RFC 8446 appendix E.6).
    """
    found: ChosenKey | None = None
    for index, entry in enumerate(psks.identities[:_MAX_IDENTITIES]):
        if is_ticket(entry.identity):
            content = open_ticket(config, entry.identity)
            if content is not None and _fits(config, content, suite, server_name):
                return ChosenKey(index, psks, content)
        elif found is None and config.psk is not None:
            found = ChosenKey(index, psks, lookup=config.psk)
    return found


def _fits(
    config: ServerConfig, content: TicketContent, suite: CipherSuite13, server_name: str | None
) -> bool:
    """Whether a ticket was given for such a session as this one will be."""
    return (
        content.suite == suite.id
        and content.server_name == server_name
        and (not config.request_client_certificate or _is_accepted(config, content.peer))
    )


def _is_accepted(config: ServerConfig, peer: PeerIdentity) -> bool:
    """Whether the client would be let in now by what it showed when it got its ticket.

    It may have expired since, or be trusted no more.
    """
    trust = config.trust
    try:
        if peer.raw_public_key is not None and trust is not None:
            trust.verify_raw_public_key(peer.raw_public_key)
        elif peer.certificates and trust is not None:
            trust.verify_chain(peer.certificates, role=PeerRole.CLIENT, now=config.now())
    except AlertError:
        return False
    return peer != PeerIdentity()


def _could_sign(config: ServerConfig, hello: ClientHello) -> bool:
    return bool(config.credentials) and SignatureAlgorithms.extension_type in hello.extensions


def _by_certificate(
    config: ServerConfig, hello: ClientHello, group: NamedGroup | None
) -> tuple[AsymmetricCredential, CertificateType]:
    """Our key, and the form in which the client shall show its own; X.509 where it is not asked."""
    if group is None:
        raise HandshakeFailure("no group in common")
    schemes = hello.extensions.find(SignatureAlgorithms)
    offered = () if schemes is None else schemes.schemes
    fitting = [c for c in config.credentials if c.scheme in offered]
    for form in _types(hello, ServerCertificateType):
        for credential in fitting:
            if certificate_type(credential) == form:
                return credential, _client_type(config, hello)
    if fitting:
        raise UnsupportedCertificate("no server certificate type in common (RFC 7250)")
    raise HandshakeFailure("no pre-shared key and no signature that both sides can use")


def _types(
    hello: ClientHello, kind: type[ServerCertificateType | ClientCertificateType]
) -> tuple[int, ...]:
    found = hello.extensions.find(kind)
    return (int(CertificateType.X509),) if found is None else found.types


def _client_type(config: ServerConfig, hello: ClientHello) -> CertificateType:
    if not config.request_client_certificate:
        return CertificateType.X509
    offered = _types(hello, ClientCertificateType)
    for form in config.client_certificate_types:
        if form in offered:
            return form
    raise UnsupportedCertificate("no client certificate type in common (RFC 7250)")
