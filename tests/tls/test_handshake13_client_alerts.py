"""What a server of DTLS 1.3 refuses in what a client says, and with which alert."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from handshake_over_coap.tls.alerts import (
    DecodeError,
    DecryptError,
    HandshakeFailure,
    IllegalParameter,
    MissingExtension,
    ProtocolVersion,
    UnrecognizedName,
    UnsupportedCertificate,
)
from handshake_over_coap.tls.codepoints import (
    ExtensionType,
    HandshakeType,
    NamedGroup,
    SignatureScheme,
)
from handshake_over_coap.tls.credentials import PSK, psk_lookup
from handshake_over_coap.tls.dtls13 import offer
from handshake_over_coap.tls.dtls13.offer import OfferedKey
from handshake_over_coap.tls.extensions import (
    Cookie,
    Extension,
    Extensions,
    KeyShareEntry,
    KeyShares,
    OfferedPsks,
    PskKeyExchangeModes,
    SelectedKeyShare,
    SelectedPsk,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersions,
)
from handshake_over_coap.tls.messages import ClientHello, ServerHello
from tests.support import memory_pair13, parties
from tests.support.hellos13 import client_hello, client_omits, client_says, damaged, server_says
from tests.support.memory_pair13 import Point, agreed, connected13, refused, run, set_fields
from tests.support.parties13 import (
    CCM,
    DHE_KE,
    ECDHE_PSK,
    GCM,
    HYBRID,
    KE,
    MUTUAL,
    P256,
    PSK_ONLY,
    RPK,
    X509,
    X25519,
    Scenario13,
)


def test_a_wrong_key_and_an_unknown_identity_look_the_same() -> None:
    for scenario in (PSK_ONLY, ECDHE_PSK):
        server = scenario.server()
        wrong = scenario.client(psk=PSK(parties.IDENTITY, b"another key"))
        unknown = scenario.client(psk=PSK(b"somebody else", parties.KEY))
        texts = {refused("server", DecryptError, each, server) for each in (wrong, unknown)}
        assert len(texts) == 1


def test_a_wrong_key_and_an_unknown_identity_look_the_same_where_no_certificate_will_do() -> None:
    known = psk_lookup({parties.IDENTITY: parties.KEY}, parties.SECRET)
    for client, server in (
        (ECDHE_PSK.client, RPK.server),  # verifies no certificate
        (RPK.client, X509.server),  # takes none of this form
    ):
        wrong = client(psk=PSK(parties.IDENTITY, b"another key"))
        unknown = client(psk=PSK(b"somebody else", parties.KEY))
        texts = {refused("server", DecryptError, c, server(psk=known)) for c in (wrong, unknown)}
        assert len(texts) == 1


@pytest.mark.parametrize("psk_modes", [(DHE_KE,), (KE,), (KE, DHE_KE)], ids=str)
@pytest.mark.parametrize("retry", [False, True], ids=["at once", "after a retry"])
def test_an_unknown_identity_is_no_obstacle_to_a_certificate(psk_modes: Any, retry: bool) -> None:
    scenario = replace(RPK, retry=retry)
    known = psk_lookup({parties.IDENTITY: parties.KEY}, parties.SECRET)
    client = scenario.client(psk=PSK(b"somebody else", parties.KEY))
    server = scenario.server(psk=known, psk_modes=psk_modes)
    assert agreed(run(client, server))[0].auth == "rpk"


def test_the_first_identity_that_is_known_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tuple(OfferedKey(name, parties.KEY) for name in (b"nobody", parties.IDENTITY))
    for offered, index in ((keys, 1), (keys[::-1], 0)):
        monkeypatch.setattr(offer, "_keys", lambda config, offered=offered: offered)
        point = run(ECDHE_PSK.client(), ECDHE_PSK.server())
        assert connected13(point.server).peer.psk_identity == parties.IDENTITY
        hello = ServerHello.decode(
            memory_pair13.message(point.flights[1], HandshakeType.server_hello).body
        )
        assert hello.extensions.find(SelectedPsk) == SelectedPsk(index)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (ExtensionType.client_certificate_type, b"\x05\x02"),
        (ExtensionType.signature_algorithms_cert, b"\x00"),
        (ExtensionType.psk_key_exchange_modes, b"\x00"),
        (ExtensionType.early_data, b"junk"),
    ],
)
def test_what_is_malformed_is_refused_whether_it_is_used_or_not(
    kind: ExtensionType, data: bytes
) -> None:
    def change(hello: ClientHello) -> ClientHello:
        others = tuple(each for each in hello.extensions if each.type != kind)
        return replace(hello, extensions=Extensions((Extension(kind, data), *others)))

    damaged("server", DecodeError, RPK, 1, client_hello(change))


@pytest.mark.parametrize("scenario", [PSK_ONLY, ECDHE_PSK], ids=str)
@pytest.mark.parametrize("index", [0, 31])
def test_a_wrong_binder(scenario: Scenario13, index: int) -> None:
    def change(hello: ClientHello) -> ClientHello:
        psks = hello.extensions.find(OfferedPsks)
        assert psks is not None
        binder = bytearray(psks.binders[0])
        binder[index] ^= 0x80
        extension = Extension.of(psks.with_binders((bytes(binder),)))
        return replace(hello, extensions=Extensions((*hello.extensions.items[:-1], extension)))

    damaged("server", DecryptError, scenario, 1, client_hello(change))


def test_a_binder_of_another_length() -> None:
    def change(hello: ClientHello) -> ClientHello:
        psks = hello.extensions.find(OfferedPsks)
        assert psks is not None
        extension = Extension.of(psks.with_binders((psks.binders[0] + b"\x00",)))
        return replace(hello, extensions=Extensions((*hello.extensions.items[:-1], extension)))

    damaged("server", DecryptError, PSK_ONLY, 1, client_hello(change))


def test_no_key_that_the_server_knows_and_no_other_way() -> None:
    refused("server", HandshakeFailure, ECDHE_PSK.client(), RPK.server())
    both = RPK.client(psk=PSK(parties.IDENTITY, parties.KEY))
    assert run(both, RPK.server()).complete


def test_pre_shared_key_has_to_come_last() -> None:
    def change(hello: ClientHello) -> ClientHello:
        *others, last = hello.extensions
        return replace(hello, extensions=Extensions((last, *others)))

    damaged("server", IllegalParameter, ECDHE_PSK, 1, client_hello(change))


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [
        (ECDHE_PSK, ExtensionType.psk_key_exchange_modes),
        (ECDHE_PSK, ExtensionType.key_share),
        (ECDHE_PSK, ExtensionType.supported_groups),
        (RPK, ExtensionType.key_share),
        (RPK, ExtensionType.supported_groups),
        (RPK, ExtensionType.signature_algorithms),
        (PSK_ONLY, ExtensionType.pre_shared_key),
        (ECDHE_PSK, ExtensionType.pre_shared_key),
    ],
)
def test_an_extension_that_the_others_need(scenario: Scenario13, kind: ExtensionType) -> None:
    damaged("server", MissingExtension, scenario, 1, client_omits(kind))


def test_no_group_and_no_share_for_a_signature() -> None:
    both = client_omits(ExtensionType.supported_groups, ExtensionType.key_share)
    damaged("server", MissingExtension, RPK, 1, both)


@pytest.mark.parametrize(
    "fields",
    [
        {"cookie": b"of 1.2"},
        {"compression_methods": b"\x00\x01"},
        {"compression_methods": b"\x01"},
    ],
    ids=str,
)
def test_fields_that_1_3_has_given_up(fields: dict[str, Any]) -> None:
    damaged("server", IllegalParameter, ECDHE_PSK, 1, set_fields(ClientHello, **fields))


@pytest.mark.parametrize("version", [0xFEFF, 0xFEFC, 0x0303, 0])
def test_the_version_field_does_not_count(version: int) -> None:
    point = Point.start(RPK.client(), RPK.server())
    asked = set_fields(ClientHello, version=version)(point.pending)
    assert point.deliver(asked).pending[-1].type == HandshakeType.finished  # type: ignore[union-attr]


def test_a_session_id_of_the_client_is_not_echoed() -> None:
    point = Point.start(RPK.client(), RPK.server())
    asked = set_fields(ClientHello, session_id=bytes(32))(point.pending)
    hello = ServerHello.decode(point.deliver(asked).pending[0].body)  # type: ignore[union-attr]
    assert hello.session_id == b""


def test_no_version_of_ours() -> None:
    for versions in ((0xFEFF,), (0xFEFD,), (0x0304,)):
        damage = client_says(SupportedVersions(versions))
        damaged("server", ProtocolVersion, ECDHE_PSK, 1, damage)
    damage = client_omits(ExtensionType.supported_versions)
    damaged("server", ProtocolVersion, RPK, 1, damage)


def test_no_suite_group_scheme_or_form_in_common() -> None:
    refused("server", HandshakeFailure, ECDHE_PSK.client(), ECDHE_PSK.server(suites13=(GCM,)))
    one = RPK.client(groups=(X25519,), key_shares=(X25519,))
    refused("server", HandshakeFailure, one, RPK.server())
    damage = client_says(SignatureAlgorithms((SignatureScheme.ed448,)))
    damaged("server", HandshakeFailure, RPK, 1, damage)
    refused("server", UnsupportedCertificate, RPK.client(), X509.server())
    other = Scenario13(CCM, P256, "rpk-p256", "x509").client()
    refused("server", UnsupportedCertificate, other, MUTUAL.server())


def test_no_mode_in_common_is_no_fault_of_the_identity() -> None:
    refused("server", HandshakeFailure, PSK_ONLY.client(), ECDHE_PSK.server(psk_modes=(DHE_KE,)))
    refused(
        "server",
        HandshakeFailure,
        ECDHE_PSK.client(psk_modes=(DHE_KE,)),
        PSK_ONLY.server(psk_modes=(KE,)),
    )
    damage = client_says(PskKeyExchangeModes((7,)))
    damaged("server", HandshakeFailure, PSK_ONLY, 1, damage)


def test_no_group_in_common_is_no_fault_of_the_identity() -> None:
    client = ECDHE_PSK.client(psk_modes=(DHE_KE,), groups=(X25519,), key_shares=(X25519,))
    refused("server", HandshakeFailure, client, ECDHE_PSK.server(psk_modes=(DHE_KE,)))


def test_a_name_that_is_not_ours() -> None:
    server = ECDHE_PSK.server(server_names=("else.example",))
    refused("server", UnrecognizedName, ECDHE_PSK.client(), server)
    named = ECDHE_PSK.server(server_names=(parties.NAME,))
    assert run(ECDHE_PSK.client(), named).complete


@pytest.mark.parametrize("group", [P256, X25519, HYBRID])
def test_a_key_share_of_wrong_length(group: NamedGroup) -> None:
    scenario = Scenario13(CCM, group, "rpk-p256")
    for length in (1, 31, 33, 64, 66, 1183, 1215, 1217):
        damage = client_says(KeyShares((KeyShareEntry(group, bytes(length)),)))
        damaged("server", IllegalParameter, scenario, 1, damage)
        damage = server_says(SelectedKeyShare(KeyShareEntry(group, bytes(length))))
        damaged("client", IllegalParameter, scenario, 2, damage)


def test_a_key_share_that_gives_all_zeros() -> None:
    scenario = Scenario13(CCM, X25519, "rpk-p256")
    for public in (bytes(32), b"\x01" + bytes(31)):
        entry = KeyShareEntry(X25519, public)
        damaged("server", IllegalParameter, scenario, 1, client_says(KeyShares((entry,))))
        damaged("client", IllegalParameter, scenario, 2, server_says(SelectedKeyShare(entry)))


def test_a_point_that_is_not_on_the_curve() -> None:
    entry = KeyShareEntry(P256, b"\x04" + bytes(64))
    damaged("server", IllegalParameter, RPK, 1, client_says(KeyShares((entry,))))
    damaged("client", IllegalParameter, RPK, 2, server_says(SelectedKeyShare(entry)))


def test_a_key_share_for_a_group_that_is_not_offered() -> None:
    damage = client_says(SupportedGroups((X25519,)))
    damaged("server", IllegalParameter, RPK, 1, damage)


def test_a_cookie_out_of_nothing() -> None:
    damaged("server", IllegalParameter, RPK, 1, client_says(Cookie(b"invented")))


def test_early_data_that_is_announced_is_not_accepted() -> None:
    point = Point.start(RPK.client(), RPK.server())

    def announced(hello: ClientHello) -> ClientHello:
        early = Extension(ExtensionType.early_data, b"")
        return replace(hello, extensions=Extensions((*hello.extensions, early)))

    answer = point.deliver(client_hello(announced)(point.pending)).pending
    assert memory_pair13.shape(answer)[1] == ("encrypted_extensions", 2)
    body = memory_pair13.message(answer, HandshakeType.encrypted_extensions).body
    assert ExtensionType.early_data.to_bytes(2, "big") not in body
