"""Which version client and server end up with, and that nobody can talk them into an older one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import (
    AlertError,
    IllegalParameter,
    ProtocolVersion,
    UnexpectedMessage,
    UnsupportedExtension,
)
from handshake_over_coap.tls.codepoints import CipherSuiteId, ExtensionType, NamedGroup
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.credentials import PSK, psk_lookup
from handshake_over_coap.tls.dtls12 import start_client as start_client12
from handshake_over_coap.tls.extensions import (
    ConnectionId,
    KeyShareEntry,
    RecordSizeLimit,
    SelectedKeyShare,
    SupportedGroups,
    SupportedVersions,
)
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.groups import GROUPS13
from handshake_over_coap.tls.handshake import Connected
from handshake_over_coap.tls.messages import ClientHello, HelloVerifyRequest, ServerHello
from handshake_over_coap.tls.negotiation import Completed, Connected13, start_client, version_for
from tests.support import parties, parties13
from tests.support.hellos13 import client_hello, client_omits, client_says, server_says
from tests.support.memory_pair13 import Items, Point, Side, refused, run, set_fields
from tests.support.parties import Scenario, trust_in
from tests.support.parties13 import CCM, DTLS_1_2, DTLS_1_3, P256, X25519, Scenario13

BOTH = (DTLS_1_3, DTLS_1_2)
OLD, NEW = (DTLS_1_2,), (DTLS_1_3,)
NAMES = {OLD: "1.2", NEW: "1.3", BOTH: "both"}

KINDS = [None, "rpk-p256", "x509"]


def client_of(versions: tuple[Any, ...], kind: str | None, **changes: Any) -> ClientConfig:
    fields: dict[str, Any] = {"versions": versions, "server_name": parties.NAME}
    if kind is None:
        fields["psk"] = PSK(parties.IDENTITY, parties.KEY)
    else:
        fields["trust"] = trust_in(parties.SERVER_KEYS[kind])
    return ClientConfig(
        **{"rng": parties.seeded("client"), "now": lambda: parties.NOW, **fields, **changes}
    )


def server_of(versions: tuple[Any, ...], kind: str | None, **changes: Any) -> ServerConfig:
    fields: dict[str, Any] = {"versions": versions}
    if kind is None:
        fields["psk"] = psk_lookup({parties.IDENTITY: parties.KEY}, parties.SECRET)
    else:
        fields["credentials"] = (parties.SERVER_KEYS[kind],)
    return ServerConfig(
        **{"rng": parties.seeded("server"), "now": lambda: parties.NOW, **fields, **changes}
    )


def agreed(point: Point) -> tuple[Completed, Completed]:
    """Both last states, after asserting that they have the same view, whatever the version."""
    client, server = point.client.state, point.server.state
    assert isinstance(client, Completed)
    assert isinstance(server, Completed)
    assert client.version == server.version
    assert client.transcript == server.transcript
    assert client.verify_data == server.verify_data
    assert client.export("EXPORTER-test", 16) == server.export("EXPORTER-test", 16)
    return client, server


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("server", NAMES, ids=NAMES.get)
@pytest.mark.parametrize("client", NAMES, ids=NAMES.get)
def test_the_newest_version_that_both_speak(
    client: tuple[Any, ...], server: tuple[Any, ...], kind: str | None
) -> None:
    common = [version for version in BOTH if version in client and version in server]
    clients, servers = client_of(client, kind), server_of(server, kind)
    if not common:
        refused("server", ProtocolVersion, clients, servers)
        return
    point = run12(clients, servers) if common == [DTLS_1_2] else run(clients, servers)
    connected, _ = agreed(point)
    assert connected.version == common[0]
    assert isinstance(connected, Connected13 if common[0] == DTLS_1_3 else Connected)
    (hello,) = point.flights[0]
    assert isinstance(hello, HandshakeMessage)
    assert version_for(servers, hello) == common[0]


def run12(client: ClientConfig, server: ServerConfig) -> Point:
    """A handshake that turns out to be one of 1.2: the client takes a fourth flight."""
    point = Point.start(client, server)
    while not point.complete:
        point = point.deliver()
    return point


@pytest.mark.parametrize("order", [BOTH, BOTH[::-1]], ids=["newer first", "older first"])
def test_the_order_in_a_configuration_does_not_matter(order: tuple[Any, ...]) -> None:
    assert agreed(run(client_of(order, None), server_of(BOTH, None)))[0].version == DTLS_1_3
    assert agreed(run(client_of(BOTH, None), server_of(order, None)))[0].version == DTLS_1_3


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_of_both_says_so_in_the_random_of_1_2(kind: str | None) -> None:
    for versions, marked in ((BOTH, True), (OLD, False)):
        point = run12(client_of(OLD, kind), server_of(versions, kind))
        connected, _ = agreed(point)
        assert isinstance(connected, Connected)
        assert connected.server_random.endswith(b"DOWNGRD\x01") == marked
    point = run(client_of(BOTH, kind), server_of(BOTH, kind))
    connected, _ = agreed(point)
    assert b"DOWNGRD" not in connected.server_random


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "stripped",
    [client_omits(ExtensionType.supported_versions), client_says(SupportedVersions((0xFEFD,)))],
    ids=["without the extension", "with 1.2 alone"],
)
def test_who_strips_the_offer_of_1_3_is_found_out(kind: str | None, stripped: Any) -> None:
    client, server = client_of(BOTH, kind), server_of(BOTH, kind)
    text = refused("client", IllegalParameter, client, server, {1: stripped})
    assert "both sides speak 1.3" in text


def test_the_sentinel_of_still_older_versions_counts_too() -> None:
    point = Point.start(client_of(BOTH, None), server_of(OLD, None)).until(2)
    for sentinel in (b"DOWNGRD\x00", b"DOWNGRD\x01"):
        damage = set_fields(ServerHello, random=bytes(24) + sentinel)
        with pytest.raises(IllegalParameter):
            point.deliver(damage(point.pending))
    damage = set_fields(ServerHello, random=bytes(24) + b"DOWNGRD\x02")
    with pytest.raises(AlertError) as caught:
        Point.start(client_of(BOTH, None), server_of(OLD, None)).finish({2: damage})
    assert caught.value.name in ("decrypt_error", "bad_record_mac")


def test_a_client_of_1_2_alone_does_not_mind_the_sentinel() -> None:
    assert run12(client_of(OLD, "x509"), server_of(BOTH, "x509")).complete


def test_a_server_that_cannot_do_1_3_does_not_claim_to() -> None:
    """Without a suite of 1.3 it is a server of 1.2, whatever its list of versions says."""
    server = server_of(BOTH, None, suites13=())
    assert server.usable_versions == OLD
    assert agreed(run12(client_of(BOTH, None), server))[0].version == DTLS_1_2
    client = client_of(BOTH, None, suites=())
    assert client.usable_versions == NEW
    refused("server", ProtocolVersion, client, server)


def test_a_hello_for_both_versions() -> None:
    step = start_client(client_of(BOTH, "rpk-p256", groups=GROUPS13))
    (message,) = step.flight
    assert isinstance(message, HandshakeMessage)
    hello = ClientHello.decode(message.body)
    assert hello.version == DTLS_1_2
    assert (hello.session_id, hello.cookie) == (b"", b"")
    assert hello.cipher_suites[0] == CCM.id
    assert CipherSuiteId.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 in hello.cipher_suites
    assert hello.cipher_suites[-1] == CipherSuiteId.TLS_EMPTY_RENEGOTIATION_INFO_SCSV
    assert hello.extensions.find(SupportedVersions) == SupportedVersions(BOTH)
    assert ExtensionType.extended_master_secret in hello.extensions


def test_a_hello_for_1_3_alone_has_nothing_of_1_2() -> None:
    (message,) = start_client(client_of(NEW, None)).flight
    assert isinstance(message, HandshakeMessage)
    hello = ClientHello.decode(message.body)
    assert all(suite >> 8 == 0x13 for suite in hello.cipher_suites)
    assert ExtensionType.extended_master_secret not in hello.extensions
    assert hello.extensions.find(SupportedVersions) == SupportedVersions(NEW)


def test_a_hello_for_1_2_alone_is_what_it_was_before_there_was_1_3() -> None:
    config = Scenario(parties.ECDHE_PSK_CCM).client
    assert start_client(config()).flight == start_client12(config()).flight
    (message,) = start_client(config(groups=(NamedGroup.X25519MLKEM768, X25519))).flight
    assert isinstance(message, HandshakeMessage)
    found = ClientHello.decode(message.body).extensions.find(SupportedGroups)
    assert found == SupportedGroups((X25519,))


# A client of both, and a server of 1.2 that wants a cookie


def verify_request(cookie: bytes = b"cookie of 1.2") -> Items:
    request = HelloVerifyRequest(0xFEFF, cookie)
    return (HandshakeMessage(request.msg_type, request.encode()),)


def test_a_hello_verify_request_leads_to_1_2() -> None:
    client, server = client_of(BOTH, "rpk-p256"), server_of(OLD, "rpk-p256")
    step = start_client(client)
    side, second = Side(step.state).take(verify_request())
    (message,) = second
    assert isinstance(message, HandshakeMessage)
    assert message.message_seq == 1
    assert ClientHello.decode(message.body).cookie == b"cookie of 1.2"
    point = Point(side, Point.start(client, server).server, (second,))
    while not point.complete:
        point = point.deliver()
    assert agreed(point)[0].version == DTLS_1_2


def test_a_hello_verify_request_is_no_way_to_1_3() -> None:
    """RFC 9147 section 5.3: a server of 1.3 refuses a hello with a cookie of 1.2."""
    client, server = client_of(BOTH, None), server_of(BOTH, None)
    side, second = Side(start_client(client).state).take(verify_request())
    with pytest.raises(IllegalParameter):
        Point(side, Point.start(client, server).server, (second,)).deliver()
    genuine = Point.start(client, server).until(2).pending
    with pytest.raises((IllegalParameter, UnsupportedExtension)):
        side.take(genuine)


def test_a_client_of_1_3_alone_knows_no_hello_verify_request() -> None:
    side = Side(start_client(client_of(NEW, None)).state)
    with pytest.raises(UnexpectedMessage):
        side.take(verify_request())


def test_a_server_hello_of_1_2_with_an_extension_of_1_3() -> None:
    share = server_says(SelectedKeyShare(KeyShareEntry(P256, bytes(65))))
    client, server = client_of(BOTH, "rpk-p256"), server_of(OLD, "rpk-p256")
    point = Point.start(client, server).until(2)
    with pytest.raises(IllegalParameter):
        point.deliver(share(point.pending))


def test_a_retry_is_answered_by_a_client_of_both() -> None:
    client = client_of(BOTH, "x509", key_shares=())
    point = run(client, server_of(BOTH, "x509"))
    assert agreed(point)[0].version == DTLS_1_3
    assert len(point.flights) == 6


def test_malformed_lists_of_versions() -> None:
    for data in (b"", b"\x00", b"\x01\xfe", b"\x03\xfe\xfc\xfe", b"\x02\xfe\xfc\x00"):

        def change(hello: ClientHello, data: bytes = data) -> ClientHello:
            items = tuple(
                replace(item, data=data) if item.type == ExtensionType.supported_versions else item
                for item in hello.extensions
            )
            return replace(hello, extensions=replace(hello.extensions, items=items))

        for versions in (BOTH, NEW):
            point = Point.start(client_of(versions, None), server_of(BOTH, None))
            with pytest.raises(AlertError) as caught:
                point.deliver(client_hello(change)(point.pending))
            assert caught.value.name == "decode_error"


# Connection IDs and record limits, negotiated alike in both versions


@pytest.mark.parametrize("versions", [OLD, NEW], ids=NAMES.get)
@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (b"cc", b"s", (b"cc", b"s")),
        (b"", b"s", (b"", b"s")),
        (b"cc", b"", (b"cc", b"")),
        (b"", b"", (b"", b"")),
        (None, b"s", (None, None)),
        (b"cc", None, (None, None)),
    ],
)
def test_connection_ids(
    versions: tuple[Any, ...],
    ours: bytes | None,
    theirs: bytes | None,
    expected: tuple[bytes | None, bytes | None],
) -> None:
    client = client_of(versions, None, connection_id=ours)
    server = server_of(versions, None, connection_id=theirs)
    point = run12(client, server)
    one, other = agreed(point)
    assert (one.own_cid, one.peer_cid) == expected
    assert (other.peer_cid, other.own_cid) == expected
    on_the_wire = tuple(cid or b"" for cid in expected)
    for keys in point.client.keys:
        assert (keys.own_cid, keys.peer_cid) == on_the_wire
    for keys in point.server.keys:
        assert (keys.peer_cid, keys.own_cid) == on_the_wire


@pytest.mark.parametrize("versions", [OLD, NEW], ids=NAMES.get)
def test_each_client_gets_another_connection_id(versions: tuple[Any, ...]) -> None:
    given = iter((b"1", b"2", b"3"))
    server = server_of(versions, None, connection_id=lambda: next(given))
    client = client_of(versions, None, connection_id=b"")
    without = client_of(versions, None)
    seen = [agreed(run12(each, server))[1].own_cid for each in (client, without, client)]
    assert seen == [b"1", None, b"2"]


@pytest.mark.parametrize("versions", [OLD, NEW], ids=NAMES.get)
def test_a_connection_id_that_no_field_can_hold(versions: tuple[Any, ...]) -> None:
    """It is the server's own fault, and shows at the first client."""
    server = server_of(versions, None, connection_id=lambda: bytes(256))
    client = client_of(versions, None, connection_id=b"")
    with pytest.raises(ConfigurationError):
        run12(client, server)


@pytest.mark.parametrize("versions", [OLD, NEW], ids=NAMES.get)
def test_a_connection_id_that_was_not_offered(versions: tuple[Any, ...]) -> None:
    point = Point.start(client_of(versions, None), server_of(versions, None)).until(2)
    with pytest.raises(UnsupportedExtension):
        point.deliver(server_says(ConnectionId(b"x"))(point.pending))


@pytest.mark.parametrize(("versions", "most"), [(OLD, 2**14), (NEW, 2**14 + 1)], ids=["1.2", "1.3"])
def test_record_limits(versions: tuple[Any, ...], most: int) -> None:
    for ours, theirs, expected in (
        (None, None, (None, None)),
        (None, 100, (None, None)),
        (64, None, (most, 64)),
        (200, 100, (100, 200)),
        (2**14 + 1, 2**14 + 1, (most, most)),
    ):
        client = client_of(versions, None, record_size_limit=ours)
        server = server_of(versions, None, record_size_limit=theirs)
        point = run12(client, server)
        one, other = agreed(point)
        assert (one.peer_record_limit, other.peer_record_limit) == expected
        assert point.client.keys[-1].peer_record_limit == expected[0]
        assert {keys.peer_record_limit for keys in point.server.keys} == {expected[1]}


def test_a_limit_beyond_the_versions_own_means_that_one() -> None:
    """A newer peer may name more; it is not refused (RFC 8449 section 4)."""
    for versions, most in ((OLD, 2**14), (NEW, 2**14 + 1)):
        client = client_of(versions, "rpk-p256", record_size_limit=100)
        point = Point.start(client, server_of(versions, "rpk-p256"))
        point = point.deliver(client_says(RecordSizeLimit(0xFFFF))(point.pending))
        limits = {keys.peer_record_limit for keys in point.server.keys}
        assert limits <= {most}


@pytest.mark.parametrize("versions", [OLD, NEW], ids=NAMES.get)
def test_a_limit_below_64_is_refused(versions: tuple[Any, ...]) -> None:
    def change(hello: ClientHello) -> ClientHello:
        items = tuple(
            replace(item, data=b"\x00\x3f")
            if item.type == ExtensionType.record_size_limit
            else item
            for item in hello.extensions
        )
        return replace(hello, extensions=replace(hello.extensions, items=items))

    client = client_of(versions, "rpk-p256", record_size_limit=100)
    point = Point.start(client, server_of(versions, "rpk-p256"))
    with pytest.raises(IllegalParameter):
        point.deliver(client_hello(change)(point.pending))


def test_typical_handshakes_go_the_same_with_1_2_offered_besides() -> None:
    for scenario in parties13.TYPICAL:
        client = scenario.client(versions=BOTH, suites=())
        assert agreed(run(client, scenario.server(versions=BOTH)))[0].version == DTLS_1_3
    assert Scenario13().client(versions=BOTH).usable_versions == BOTH
