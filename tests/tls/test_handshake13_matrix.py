"""Every handshake of DTLS 1.3 that the library can make: what both sides end up with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handshake_over_coap.tls.codepoints import CertificateType, NamedGroup, ProtocolVersion
from handshake_over_coap.tls.credentials import PSK, Certificate, RawPublicKey, Trust, psk_lookup
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.groups import GROUPS13
from handshake_over_coap.tls.handshake import PeerIdentity
from handshake_over_coap.tls.suites13 import SUITES13, CipherSuite13
from tests.support import parties, parties13
from tests.support.memory_pair13 import Point, agreed, connected13, resume, run, shape
from tests.support.parties import CLIENT_KEYS, SERVER_KEYS
from tests.support.parties13 import (
    CCM,
    CCM_8,
    DHE_KE,
    ECDHE_PSK,
    HYBRID,
    KE,
    MUTUAL,
    P256,
    X25519,
    Scenario13,
)

every_handshake = pytest.mark.parametrize("scenario", parties13.ALL, ids=str)


def identity(kind: str | None, keys: dict[str, RawPublicKey | Certificate]) -> PeerIdentity:
    """What the other side should learn of the key of that kind."""
    if kind is None:
        return PeerIdentity()
    credential = keys[kind]
    if isinstance(credential, RawPublicKey):
        return PeerIdentity(raw_public_key=credential.spki)
    return PeerIdentity(certificates=credential.chain_der)


def auth(scenario: Scenario13) -> str:
    if scenario.server_key is not None:
        return "rpk" if scenario.server_key.startswith("rpk") else "x509"
    return "psk" if scenario.group is None else "ecdhe-psk"


@every_handshake
def test_both_sides_agree_know_each_other_and_can_resume(scenario: Scenario13) -> None:
    server_config = scenario.server()
    point = run(scenario.client(), server_config)
    client, server = agreed(point)
    assert client.version == ProtocolVersion.DTLS_1_3
    assert client.suite is scenario.suite
    assert client.group == scenario.group
    assert client.auth == auth(scenario)
    assert not client.resumed
    assert server.server_name == parties.NAME
    assert [len(each) for each in client.verify_data] == [32, 32]
    if scenario.server_key is None:
        known = PeerIdentity(psk_identity=parties.IDENTITY)
        assert (client.peer, server.peer) == (known, known)
    else:
        assert client.peer == identity(scenario.server_key, SERVER_KEYS)
        assert server.peer == identity(scenario.client_key, CLIENT_KEYS)

    again = run(scenario.client("later", ticket=resume(point)), server_config)
    resumed_client, resumed_server = agreed(again)
    assert resumed_client.resumed
    assert (resumed_client.peer, resumed_server.peer) == (client.peer, server.peer)
    assert resumed_client.auth == ("psk" if scenario.group is None else "ecdhe-psk")
    assert resumed_client.server_certificate_type == client.server_certificate_type
    assert resumed_client.secrets != client.secrets


@every_handshake
def test_flights_are_those_of_the_rfc(scenario: Scenario13) -> None:
    point = run(scenario.client(), scenario.server())
    signed, mutual = scenario.server_key is not None, scenario.client_key is not None
    hello = [("client_hello", 0)]
    assert [shape(flight) for flight in point.flights] == [
        hello,
        *[[("server_hello", 0)], hello] * scenario.retry,
        [
            ("server_hello", 0),
            ("encrypted_extensions", 2),
            *[("certificate_request", 2)] * mutual,
            *[("certificate", 2), ("certificate_verify", 2)] * signed,
            ("finished", 2),
        ],
        [*[("certificate", 2), ("certificate_verify", 2)] * mutual, ("finished", 2)],
        [("new_session_ticket", 3)],
    ]
    for receiver in (0, 1):
        sent = [i for flight in point.flights[receiver::2] for i in flight]
        numbers = [item.message_seq for item in sent if isinstance(item, HandshakeMessage)]
        assert numbers == list(range(len(numbers)))


# Encapsulation draws randomness of its own.
repeatable = [scenario for scenario in parties13.ALL if scenario.group != HYBRID]


@pytest.mark.parametrize("scenario", repeatable, ids=str)
def test_equal_seeds_give_equal_flights(scenario: Scenario13) -> None:
    first = run(scenario.client(1), scenario.server(2))
    assert run(scenario.client(1), scenario.server(2)).flights == first.flights
    other = run(scenario.client(1), scenario.server(3))
    assert other.flights[0] == first.flights[0]
    assert other.flights[-2] != first.flights[-2]


@pytest.mark.parametrize("scenario", parties13.TYPICAL, ids=str)
def test_keys_come_before_the_flight_that_uses_them(scenario: Scenario13) -> None:
    point = Point.start(scenario.client(), scenario.server())
    while not point.complete:
        point = point.deliver()
        side = point.server if point.receiver == "client" else point.client
        epochs = [keys.write.epoch for keys in side.keys if keys.write is not None]
        assert all(
            item.epoch == 0 or item.epoch in epochs
            for item in point.pending
            if isinstance(item, HandshakeMessage)
        )
        assert epochs == sorted(set(epochs))
    for side in (point.client, point.server):
        assert [keys.read and keys.read.epoch for keys in side.keys] == [2, 3]


@pytest.mark.parametrize("group", GROUPS13)
def test_the_group_is_one_that_both_have(group: NamedGroup) -> None:
    scenario = Scenario13(CCM, group, "rpk-ed25519")
    for client, server in (((group,), GROUPS13), (GROUPS13, (group,))):
        shares = (client[0],)
        point = run(
            scenario.client(groups=client, key_shares=shares), scenario.server(groups=server)
        )
        assert agreed(point)[0].group == group


def test_a_share_that_is_there_saves_a_retry() -> None:
    scenario = Scenario13(CCM, P256)
    client = scenario.client(groups=(P256, X25519), key_shares=(P256, X25519))
    for preferred in (P256, X25519):
        other = X25519 if preferred == P256 else P256
        point = run(client, scenario.server(groups=(preferred, other)))
        assert agreed(point)[0].group == preferred
        one = scenario.client(groups=(P256, X25519), key_shares=(other,))
        point = run(one, scenario.server(groups=(preferred, other)))
        assert agreed(point)[0].group == other
        assert len(point.flights) == 4


@pytest.mark.parametrize("suite", SUITES13, ids=str)
def test_the_clients_first_suite_wins(suite: CipherSuite13) -> None:
    order = tuple(sorted(SUITES13, key=lambda each: each is not suite))
    scenario = Scenario13(CCM)
    point = run(scenario.client(suites13=order), scenario.server(suites13=SUITES13))
    assert agreed(point)[0].suite is suite


def test_the_server_decides_how_a_key_is_used() -> None:
    scenario = Scenario13(CCM)
    for modes, expected in (((DHE_KE, KE), "ecdhe-psk"), ((KE, DHE_KE), "psk"), ((KE,), "psk")):
        point = run(scenario.client(), scenario.server(psk_modes=modes))
        assert agreed(point)[0].auth == expected


def test_a_key_is_preferred_to_certificates_where_both_are_possible() -> None:
    scenario = Scenario13(CCM, P256, "rpk-p256")
    server = scenario.server(psk=psk_lookup({parties.IDENTITY: parties.KEY}, parties.SECRET))
    client = scenario.client(psk=PSK(parties.IDENTITY, parties.KEY))
    assert agreed(run(client, server))[0].auth == "ecdhe-psk"
    assert agreed(run(scenario.client(), server))[0].auth == "rpk"
    assert agreed(run(client, scenario.server()))[0].auth == "rpk"


def test_the_server_picks_the_key_in_the_form_that_the_client_takes() -> None:
    credentials = SERVER_KEYS["rpk-p256"], SERVER_KEYS["x509"], SERVER_KEYS["rpk-ed25519"]
    server = Scenario13(CCM, P256, "x509").server(credentials=credentials)
    for kind in ("x509", "rpk-p256"):
        client = agreed(run(Scenario13(CCM, P256, kind).client(), server))[0]
        assert client.peer == identity(kind, SERVER_KEYS)
    everybody = Trust(parties.ROOT.certificate, insecure=True)
    for first in (CertificateType.X509, CertificateType.RawPublicKey):
        config = replace(
            Scenario13(CCM, P256, "x509").client(),
            trust=everybody,
            server_certificate_types=(first, CertificateType(2 - first)),
        )
        peer = agreed(run(config, server))[0].peer
        assert (peer.raw_public_key is None) == (first == CertificateType.X509)


def test_both_forms_of_client_keys_are_told_apart() -> None:
    both = Trust(
        parties.ROOT.certificate,
        [key.public_key for key in CLIENT_KEYS.values() if isinstance(key, RawPublicKey)],
    )
    for kind, credential in CLIENT_KEYS.items():
        scenario = Scenario13(CCM, P256, "rpk-p256", kind)
        server = agreed(run(scenario.client(), scenario.server(trust=both)))[1]
        assert server.peer == identity(kind, CLIENT_KEYS)
        raw = credential.form == CertificateType.RawPublicKey
        assert bool(server.peer.raw_public_key) == raw


def test_a_client_with_a_key_is_not_asked_by_a_server_that_does_not_ask() -> None:
    scenario = Scenario13(CCM, P256, "rpk-p256", "rpk-p256")
    config = scenario.server(request_client_certificate=False)
    assert agreed(run(scenario.client(), config))[1].peer == PeerIdentity()


def test_a_client_with_a_pre_shared_key_alone_is_not_asked_for_another() -> None:
    known = psk_lookup({parties.IDENTITY: parties.KEY}, parties.SECRET)
    server = MUTUAL.server(psk=known)
    connected = agreed(run(ECDHE_PSK.client(), server))[1]
    assert connected.peer.psk_identity == parties.IDENTITY


def test_one_server_state_serves_many_clients() -> None:
    scenario = Scenario13(CCM_8)
    config = scenario.server()
    points = [Point.start(scenario.client(seed), config) for seed in range(8)]
    points = [point.finish() for point in points]
    assert len({agreed(point)[0].secrets.exporter for point in points}) == 8


def test_no_secret_shows_in_any_text_form() -> None:
    for scenario in parties13.TYPICAL:
        server = scenario.server()
        first = run(scenario.client(), server)
        seen = [Point.start(scenario.client(ticket=resume(first)), server)]
        while not seen[-1].complete:
            seen.append(seen[-1].deliver())
        seen.append(seen[-1].deliver())
        text = repr(seen)
        last = connected13(seen[-1].client)
        (ticket,) = seen[-1].client.tickets
        secrets = last.secrets
        hidden = [
            secrets.client_handshake,
            secrets.server_handshake,
            secrets.client_application,
            secrets.server_application,
            secrets.exporter,
            last.ongoing.resumption,
            ticket.psk,
            server.ticket_key,
            parties.KEY,
        ]
        assert [each for each in hidden if repr(each) in text or each.hex() in text] == []
