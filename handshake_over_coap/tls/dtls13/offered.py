"""A ClientHello of DTLS 1.3 as a server reads it: every extension decoded, once.

Source: RFC 8446 sections 4.1.2, 4.2 and 9.2; section 6.2 for what is malformed and not used.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from handshake_over_coap.tls.alerts import (
    DecodeError,
    IllegalParameter,
    MissingExtension,
    ProtocolVersion,
)
from handshake_over_coap.tls.codepoints import ExtensionType
from handshake_over_coap.tls.codepoints import ProtocolVersion as Version
from handshake_over_coap.tls.config import ServerConfig
from handshake_over_coap.tls.credentials import DEFAULT_FORM
from handshake_over_coap.tls.extensions import (
    CertificateAuthorities,
    ClientCertificateType,
    ConnectionId,
    KeyShares,
    OfferedPsks,
    PskKeyExchangeModes,
    RecordSizeLimit,
    ServerCertificateType,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    SupportedGroups,
    SupportedVersions,
)
from handshake_over_coap.tls.messages import ClientHello, offered_psks
from handshake_over_coap.tls.steps import asked_name

_DEFAULT_FORMS = (int(DEFAULT_FORM),)


@dataclass(frozen=True, slots=True)
class Offered:
    """What a client offers.

    Lists that it leaves out are empty, those of certificate types X.509 alone (RFC 7250 section
    4.2).
    ``modes``, ``groups``, ``schemes`` and both ``_types`` are numbers of their registries, best
    first; the last two are None where the extension is absent.
    """

    hello: ClientHello = field(repr=False)
    server_name: str | None
    psks: OfferedPsks | None = field(repr=False)
    modes: tuple[int, ...]
    groups: tuple[int, ...]
    shares: KeyShares = field(repr=False)
    schemes: tuple[int, ...]
    server_types: tuple[int, ...]
    client_types: tuple[int, ...]
    connection_id: ConnectionId | None
    record_size_limit: RecordSizeLimit | None


def read_hello(config: ServerConfig, hello: ClientHello) -> Offered:
    """What ``hello`` offers, whatever of it will be used.

    Raises the alert to send for one that is malformed, is not of 1.3, lacks an extension that goes
    with another, or asks for a server of another name.
    """
    find = hello.extensions.find
    _check_form(hello)
    psks = offered_psks(hello)
    _check_completeness(hello, psks)
    modes, groups = find(PskKeyExchangeModes), find(SupportedGroups)
    schemes, shares = find(SignatureAlgorithms), find(KeyShares)
    server_types, client_types = find(ServerCertificateType), find(ClientCertificateType)
    # Of these three only the form matters: there is no early data here, and but one chain to show,
    # whoever has signed it (section 4.4.2.2).
    if hello.extensions.get(ExtensionType.early_data):
        raise DecodeError("early_data in a ClientHello is empty")
    find(SignatureAlgorithmsCert)
    find(CertificateAuthorities)
    offered = Offered(
        hello=hello,
        server_name=asked_name(config, hello.extensions),
        psks=psks,
        modes=() if modes is None else modes.modes,
        groups=() if groups is None else groups.groups,
        shares=shares or KeyShares(),
        schemes=() if schemes is None else schemes.schemes,
        server_types=_DEFAULT_FORMS if server_types is None else server_types.types,
        client_types=_DEFAULT_FORMS if client_types is None else client_types.types,
        connection_id=find(ConnectionId),
        record_size_limit=find(RecordSizeLimit),
    )
    if any(entry.group not in offered.groups for entry in offered.shares.entries):
        raise IllegalParameter("a key share for a group that is not offered")
    return offered


def _check_form(hello: ClientHello) -> None:
    versions = hello.extensions.find(SupportedVersions)
    if versions is None or Version.DTLS_1_3 not in versions.versions:
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
