"""What a server chooses from a ClientHello, and the ServerHello that says so.

Source: RFC 5246 sections 7.4.1.2 to 7.4.1.4; RFC 8422 section 4 and 5.1; RFC 7250 section 4.2;
RFC 7627 section 5.3; RFC 5746 section 3.6; RFC 9146 section 3; RFC 8449 section 4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from handshake_over_coap.tls.alerts import (
    HandshakeFailure,
    IllegalParameter,
    ProtocolVersion,
    UnsupportedCertificate,
)
from handshake_over_coap.tls.codepoints import (
    CipherSuiteId,
    NamedGroup,
    SignatureScheme,
)
from handshake_over_coap.tls.codepoints import ProtocolVersion as Version
from handshake_over_coap.tls.config import (
    MAX_RECORD_LIMIT_1_2,
    ServerConfig,
    groups12,
)
from handshake_over_coap.tls.credentials import DEFAULT_FORM, AsymmetricCredential
from handshake_over_coap.tls.extensions import (
    UNCOMPRESSED,
    ClientCertificateType,
    ConnectionId,
    ECPointFormats,
    ExtendedMasterSecret,
    Extensions,
    RecordSizeLimit,
    RenegotiationInfo,
    SelectedClientCertificateType,
    SelectedServerCertificateType,
    ServerCertificateType,
    ServerNameAcknowledged,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersions,
    TypedExtension,
)
from handshake_over_coap.tls.messages import ClientHello, ServerHello
from handshake_over_coap.tls.steps import asked_name
from handshake_over_coap.tls.suites import CipherSuite

from .common import Parameters


@dataclass(frozen=True, slots=True)
class Selection:
    """The server's choice; ``group`` and ``credential`` only where the suite uses them.

    ``client_certificate_type`` is the form asked of the client (RFC 7250); ``server_name`` is the
    client's, if it named one.
    """

    suite: CipherSuite
    group: NamedGroup | None
    credential: AsymmetricCredential | None
    client_certificate_type: int
    extended_master_secret: bool
    server_name: str | None

    def parameters(self, client_random: bytes, server_random: bytes) -> Parameters:
        """The choice together with both randoms."""
        form = DEFAULT_FORM if self.credential is None else self.credential.form
        return Parameters(
            suite=self.suite,
            client_random=client_random,
            server_random=server_random,
            extended_master_secret=self.extended_master_secret,
            server_certificate_type=form,
            client_certificate_type=self.client_certificate_type,
            server_name=self.server_name,
        )


@dataclass(frozen=True, slots=True)
class _Offer:
    """A ClientHello's extensions, decoded."""

    groups: tuple[int, ...] | None
    uncompressed: bool
    schemes: tuple[int, ...] | None
    server_types: tuple[int, ...]
    client_types: tuple[int, ...]


def select(config: ServerConfig, hello: ClientHello) -> Selection:
    """Choose from what the client offers, in the client's order of suites.

    Raises the alert to send where nothing fits.
    """
    _check_version(hello)
    _check_renegotiation(hello.extensions)
    extended = hello.extensions.find(ExtendedMasterSecret) is not None
    if not extended and config.require_extended_master_secret:
        raise HandshakeFailure("the client does without the extended master secret (RFC 7627)")
    server_name = asked_name(config, hello.extensions)
    offer = _offer(hello.extensions)
    wrong_certificate_type = False
    for number in hello.cipher_suites:
        suite = next((s for s in config.suites if s.id == number and config.can_use(s)), None)
        if suite is None:
            continue
        group = _group(config, offer) if suite.key_exchange.uses_ecdhe else None
        if suite.key_exchange.uses_ecdhe and group is None:
            continue
        credential = None
        if suite.key_exchange.uses_certificates:
            credential, wrong_certificate_type = _credential(config, offer)
            if credential is None:
                continue
        client_type = _client_type(config, offer, asked=credential is not None)
        return Selection(suite, group, credential, client_type, extended, server_name)
    if wrong_certificate_type:
        raise UnsupportedCertificate("no certificate type in common (RFC 7250)")
    raise HandshakeFailure("no cipher suite, group and key in common")


def _check_version(hello: ClientHello) -> None:
    versions = hello.extensions.find(SupportedVersions)
    if versions is not None:  # then the field means nothing (RFC 8446 section 4.2.1)
        if Version.DTLS_1_2 not in versions.versions:
            raise ProtocolVersion("the client does not offer DTLS 1.2")
    # DTLS counts versions downwards: a greater number is an older version.
    # Below the upper half are the versions of TLS, which counts upwards from 3.0.
    elif not 0x8000 <= hello.version <= Version.DTLS_1_2:
        raise ProtocolVersion(f"the client's version {hello.version:#06x} is not DTLS 1.2 or later")
    if 0 not in hello.compression_methods:
        raise IllegalParameter("null compression is not offered")


def _check_renegotiation(extensions: Extensions) -> None:
    renegotiation = extensions.find(RenegotiationInfo)
    if renegotiation is not None and renegotiation.renegotiated_connection:
        raise HandshakeFailure("renegotiation_info is not empty in a first handshake")


def _offer(extensions: Extensions) -> _Offer:
    groups = extensions.find(SupportedGroups)
    formats = extensions.find(ECPointFormats)
    schemes = extensions.find(SignatureAlgorithms)
    server_types = extensions.find(ServerCertificateType)
    client_types = extensions.find(ClientCertificateType)
    default = (int(DEFAULT_FORM),)
    return _Offer(
        groups=None if groups is None else groups.groups,
        uncompressed=formats is None or UNCOMPRESSED in formats.formats,
        schemes=None if schemes is None else schemes.schemes,
        server_types=default if server_types is None else server_types.types,
        client_types=default if client_types is None else client_types.types,
    )


def _group(config: ServerConfig, offer: _Offer) -> NamedGroup | None:
    """A common group, in our order; without the extension any group will do (RFC 8422 4)."""
    if not offer.uncompressed:
        return None
    known = groups12(config.groups)
    return next((g for g in known if offer.groups is None or g in offer.groups), None)


def _credential(config: ServerConfig, offer: _Offer) -> tuple[AsymmetricCredential | None, bool]:
    """A key whose signature and form the client takes; and whether only the form was wrong."""
    # Without signature_algorithms the default would be SHA-1 (RFC 5246 7.4.1.4.1), which nobody
    # should sign with any more: such a client gets no signature.
    schemes = offer.schemes or ()
    fitting = [
        c for c in config.credentials if c.scheme in schemes and _curve_offered(c.scheme, offer)
    ]
    for form in offer.server_types:
        for credential in fitting:
            if credential.form == form:
                return credential, False
    return None, bool(fitting)


def _curve_offered(scheme: SignatureScheme, offer: _Offer) -> bool:
    """In 1.2 the groups restrict the curve of an ECDSA key too (RFC 8422 section 5.1)."""
    if scheme != SignatureScheme.ecdsa_secp256r1_sha256 or offer.groups is None:
        return True
    return NamedGroup.secp256r1 in offer.groups


def _client_type(config: ServerConfig, offer: _Offer, *, asked: bool) -> int:
    """The form in which the client shall show its key; the default where it is not asked."""
    if not (asked and config.request_client_certificate):
        return DEFAULT_FORM
    for form in config.client_certificate_types:
        if form in offer.client_types:
            return form
    raise UnsupportedCertificate("no client certificate type in common (RFC 7250)")


def with_connection(config: ServerConfig, hello: ClientHello, parameters: Parameters) -> Parameters:
    """With connection IDs and the client's record limit, if it offers them (RFC 9146, RFC 8449)."""
    peer_cid = hello.extensions.find(ConnectionId)
    own_cid = None if peer_cid is None else config.new_connection_id()
    limit = hello.extensions.find(RecordSizeLimit)
    return replace(
        parameters,
        own_cid=own_cid,
        peer_cid=None if peer_cid is None or own_cid is None else peer_cid.cid,
        peer_record_limit=None if limit is None else min(limit.limit, MAX_RECORD_LIMIT_1_2),
        own_record_limit=None if limit is None else config.record_size_limit,
    )


def server_hello(
    config: ServerConfig, hello: ClientHello, choice: Selection, parameters: Parameters
) -> ServerHello:
    """The ServerHello that announces ``choice``: no session ID, as nothing is resumed."""
    found: list[TypedExtension] = []
    signalled = CipherSuiteId.TLS_EMPTY_RENEGOTIATION_INFO_SCSV in hello.cipher_suites
    if signalled or RenegotiationInfo.extension_type in hello.extensions:
        found.append(RenegotiationInfo(b""))
    if choice.server_name is not None:
        found.append(ServerNameAcknowledged())
    if choice.suite.key_exchange.uses_ecdhe and ECPointFormats.extension_type in hello.extensions:
        found.append(ECPointFormats((UNCOMPRESSED,)))
    if choice.credential is not None:
        if ServerCertificateType.extension_type in hello.extensions:
            found.append(SelectedServerCertificateType(choice.credential.form))
        asked = config.request_client_certificate
        if asked and ClientCertificateType.extension_type in hello.extensions:
            found.append(SelectedClientCertificateType(choice.client_certificate_type))
    if choice.extended_master_secret:
        found.append(ExtendedMasterSecret())
    if parameters.peer_record_limit is not None:
        own_limit = config.record_size_limit or MAX_RECORD_LIMIT_1_2
        found.append(RecordSizeLimit(min(own_limit, MAX_RECORD_LIMIT_1_2)))
    if parameters.own_cid is not None:
        found.append(ConnectionId(parameters.own_cid))
    return ServerHello(
        version=Version.DTLS_1_2,
        random=parameters.server_random,
        session_id=b"",
        cipher_suite=choice.suite.id,
        extensions=Extensions.of(*found),
    )
