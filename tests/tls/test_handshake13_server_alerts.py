"""What a client of DTLS 1.3 refuses in what a server says, and with which alert."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from handshake_over_coap.tls.alerts import (
    AlertError,
    IllegalParameter,
    MissingExtension,
    ProtocolVersion,
    UnsupportedCertificate,
    UnsupportedExtension,
)
from handshake_over_coap.tls.codepoints import CertificateType, ExtensionType
from handshake_over_coap.tls.extensions import (
    ConnectionId,
    Cookie,
    Extension,
    Extensions,
    KeyShareEntry,
    RecordSizeLimit,
    SelectedClientCertificateType,
    SelectedKeyShare,
    SelectedPsk,
    SelectedServerCertificateType,
    SelectedVersion,
    ServerName,
    SupportedGroups,
)
from handshake_over_coap.tls.messages import EncryptedExtensions, ServerHello
from tests.support import parties
from tests.support.hellos13 import damaged, encrypted, server_omits, server_says
from tests.support.memory_pair13 import Point, refused, rewrite, set_fields
from tests.support.parties13 import (
    CHACHA,
    DHE_KE,
    ECDHE_PSK,
    KE,
    MUTUAL,
    P256,
    PSK_ONLY,
    RPK,
    X25519,
)


def test_a_server_without_1_3() -> None:
    damage = server_omits(ExtensionType.supported_versions)
    damaged("client", ProtocolVersion, ECDHE_PSK, 2, damage)


@pytest.mark.parametrize(
    "fields",
    [
        {"session_id": b"echo"},
        {"compression_method": 1},
        {"version": 0xFEFF},
        {"cipher_suite": 0x1302},
        {"cipher_suite": CHACHA.id},
    ],
    ids=str,
)
def test_fields_of_a_server_hello(fields: dict[str, Any]) -> None:
    damaged("client", IllegalParameter, ECDHE_PSK, 2, set_fields(ServerHello, **fields))


@pytest.mark.parametrize("version", [0xFEFD, 0xFEFF, 0x0304])
def test_another_version_in_the_extension(version: int) -> None:
    damaged("client", IllegalParameter, ECDHE_PSK, 2, server_says(SelectedVersion(version)))


def test_extensions_of_a_server_hello() -> None:
    damaged("client", UnsupportedExtension, ECDHE_PSK, 2, server_says(ConnectionId(b"1")))
    damaged("client", UnsupportedExtension, ECDHE_PSK, 2, server_says(Cookie(b"1")))
    misplaced = server_says(SupportedGroups((P256,)))
    damaged("client", IllegalParameter, ECDHE_PSK, 2, misplaced)
    selected = server_says(SelectedPsk(0))
    damaged("client", UnsupportedExtension, RPK, 2, selected)


def test_a_key_that_was_not_offered() -> None:
    damaged("client", IllegalParameter, ECDHE_PSK, 2, server_says(SelectedPsk(1)))


def test_a_server_hello_that_settles_no_keys() -> None:
    neither = server_omits(ExtensionType.key_share, ExtensionType.pre_shared_key)
    damaged("client", MissingExtension, ECDHE_PSK, 2, neither)
    no_key = server_omits(ExtensionType.pre_shared_key)
    damaged("client", MissingExtension, ECDHE_PSK, 2, no_key)
    damaged("client", MissingExtension, RPK, 2, server_omits(ExtensionType.key_share))


def test_a_mode_that_was_not_offered() -> None:
    client = ECDHE_PSK.client(psk_modes=(DHE_KE,))
    damage = {2: server_omits(ExtensionType.key_share)}
    refused("client", IllegalParameter, client, ECDHE_PSK.server(), damage)
    both = PSK_ONLY.client(psk_modes=(KE,), groups=(P256,), trust=RPK.client().trust)
    share = SelectedKeyShare(KeyShareEntry(P256, bytes(65)))
    refused("client", IllegalParameter, both, PSK_ONLY.server(), {2: server_says(share)})


def test_a_group_that_was_not_offered() -> None:
    damage = server_says(SelectedKeyShare(KeyShareEntry(X25519, bytes(32))))
    damaged("client", IllegalParameter, ECDHE_PSK, 2, damage)


def test_extensions_that_do_not_belong_among_the_encrypted_ones() -> None:
    for typed in (SelectedVersion(0xFEFC), SelectedKeyShare(KeyShareEntry(P256, bytes(65)))):
        damaged("client", IllegalParameter, RPK, 2, encrypted(typed))
    damaged("client", UnsupportedExtension, RPK, 2, encrypted(RecordSizeLimit(100)))
    early = Extensions((Extension(ExtensionType.early_data, b""),))
    client, server = RPK.client(), RPK.server()
    change = rewrite(EncryptedExtensions, lambda message: replace(message, extensions=early))
    refused("client", UnsupportedExtension, client, server, {2: change})


def test_forms_of_certificate_that_were_not_offered() -> None:
    x509 = SelectedServerCertificateType(CertificateType.X509)
    damaged("client", UnsupportedCertificate, RPK, 2, encrypted(x509))
    form = SelectedClientCertificateType(CertificateType.X509)
    damaged("client", IllegalParameter, MUTUAL, 2, encrypted(form))


def test_an_acknowledged_name_says_nothing() -> None:
    full = encrypted(ServerName(parties.NAME))
    with pytest.raises(AlertError) as caught:
        Point.start(RPK.client(), RPK.server()).finish({2: full})
    assert caught.value.name == "decode_error"
