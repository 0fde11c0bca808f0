"""Every handshake that the library can make, client against server: what both sides end up with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.codepoints import CertificateType, HandshakeType, NamedGroup
from handshake_over_coap.tls.credentials import PSK, Certificate, RawPublicKey, Trust, psk_lookup
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.groups import GROUPS
from handshake_over_coap.tls.handshake import PeerIdentity
from handshake_over_coap.tls.messages import (
    ServerKeyExchangeEcdheEcdsa,
    ServerKeyExchangePsk,
)
from handshake_over_coap.tls.suites import SUITES
from tests.support import parties, pki
from tests.support.memory_pair import Body, Point, agreed, body, run
from tests.support.parties import CLIENT_KEYS, SERVER_KEYS, Scenario

every_handshake = pytest.mark.parametrize("scenario", parties.ALL, ids=str)

LABEL = "EXPORTER-handshake-over-coap"


def identity(kind: str | None, keys: dict[str, RawPublicKey | Certificate]) -> PeerIdentity:
    """What the other side should learn of the key of that kind."""
    if kind is None:
        return PeerIdentity()
    credential = keys[kind]
    if isinstance(credential, RawPublicKey):
        return PeerIdentity(raw_public_key=credential.spki)
    return PeerIdentity(certificates=credential.chain_der)


@every_handshake
def test_both_sides_agree_and_know_each_other(scenario: Scenario) -> None:
    client, server = agreed(run(scenario.client(), scenario.server()))
    assert client.connected.suite is scenario.suite
    assert client.connected.extended_master_secret
    assert server.connected.server_name == parties.NAME
    assert len(client.connected.master_secret) == 48
    assert [len(each) for each in client.connected.verify_data] == [12, 12]
    for context in (None, b"", b"context"):
        exported = [side.connected.export(LABEL, 40, context) for side in (client, server)]
        assert exported[0] == exported[1]
        assert len(exported[0]) == 40
    if scenario.server_key is None:
        known = PeerIdentity(psk_identity=parties.IDENTITY)
        assert (client.connected.peer, server.connected.peer) == (known, known)
    else:
        assert client.connected.peer == identity(scenario.server_key, SERVER_KEYS)
        assert server.connected.peer == identity(scenario.client_key, CLIENT_KEYS)


@every_handshake
def test_equal_seeds_give_equal_flights(scenario: Scenario) -> None:
    first = run(scenario.client(1), scenario.server(2))
    assert run(scenario.client(1), scenario.server(2)).flights == first.flights
    other = run(scenario.client(1), scenario.server(3))
    assert other.flights[0] == first.flights[0]
    assert other.flights[1] != first.flights[1]


def shape(items: Body) -> list[str]:
    return [
        HandshakeType(item.type).name if isinstance(item, HandshakeMessage) else type(item).__name__
        for item in items
    ]


FINISH = ["ChangeCipherSpec", "SealedRecord"]


@every_handshake
def test_flights_are_those_of_the_rfc(scenario: Scenario) -> None:
    flights = run(scenario.client(), scenario.server()).flights
    signed, mutual = scenario.server_key is not None, scenario.client_key is not None
    key_exchange = scenario.group is not None or bool(scenario.hint)
    assert [shape(flight) for flight in flights] == [
        ["client_hello"],
        [
            "server_hello",
            *["certificate"] * signed,
            *["server_key_exchange"] * key_exchange,
            *["certificate_request"] * mutual,
            "server_hello_done",
        ],
        [
            *["certificate"] * mutual,
            "client_key_exchange",
            *["certificate_verify"] * mutual,
            *FINISH,
        ],
        FINISH,
    ]


@pytest.mark.parametrize("group", GROUPS)
def test_the_group_is_the_one_that_both_have(group: NamedGroup) -> None:
    scenario = Scenario(parties.ECDSA_CCM, None, "rpk-ed25519")
    for client, server in (((group,), GROUPS), (GROUPS, (group,))):
        point = run(scenario.client(groups=client), scenario.server(groups=server))
        agreed(point)
        message = body(point.flights[1], HandshakeType.server_key_exchange)
        assert ServerKeyExchangeEcdheEcdsa.decode(message).named_curve == group


def test_a_hint_is_sent_as_it_is() -> None:
    scenario = Scenario(parties.PSK_CCM, hint=b"which key")
    flights = run(scenario.client(), scenario.server()).flights
    message = body(flights[1], HandshakeType.server_key_exchange)
    assert ServerKeyExchangePsk.decode(message).hint == b"which key"


@pytest.mark.parametrize("suite", SUITES, ids=str)
def test_the_clients_first_suite_wins(suite: object) -> None:
    order = sorted(SUITES, key=lambda each: each is not suite)
    scenario = Scenario(parties.PSK_CCM)
    client = scenario.client(suites=order, trust=parties.trust_in(SERVER_KEYS["rpk-p256"]))
    server = scenario.server(suites=SUITES, credentials=(SERVER_KEYS["rpk-p256"],))
    assert agreed(run(client, server))[0].connected.suite is suite


def test_the_server_picks_the_key_in_the_form_that_the_client_takes() -> None:
    credentials = SERVER_KEYS["rpk-p256"], SERVER_KEYS["x509"], SERVER_KEYS["rpk-ed25519"]
    server = Scenario(parties.ECDSA_CCM, None, "x509").server(credentials=credentials)
    for kind in ("x509", "rpk-p256"):
        scenario = Scenario(parties.ECDSA_CCM, None, kind)
        client = agreed(run(scenario.client(), server))[0]
        assert client.connected.peer == identity(kind, SERVER_KEYS)
    everybody = Trust(parties.ROOT.certificate, insecure=True)
    for first in (CertificateType.X509, CertificateType.RawPublicKey):
        second = CertificateType(2 - first)
        config = replace(
            Scenario(parties.ECDSA_CCM, None, "x509").client(),
            trust=everybody,
            server_certificate_types=(first, second),
        )
        peer = agreed(run(config, server))[0].connected.peer
        assert (peer.raw_public_key is None) == (first == CertificateType.X509)


def test_a_client_with_a_key_is_not_asked_by_a_server_that_does_not_ask() -> None:
    scenario = Scenario(parties.ECDSA_CCM, None, "rpk-p256", "rpk-p256")
    config = scenario.server(request_client_certificate=False)
    assert agreed(run(scenario.client(), config))[1].connected.peer == PeerIdentity()


def test_both_forms_of_client_keys_are_told_apart() -> None:
    both = Trust(
        parties.ROOT.certificate,
        [key.public_key for key in CLIENT_KEYS.values() if isinstance(key, RawPublicKey)],
    )
    for kind, credential in CLIENT_KEYS.items():
        scenario = Scenario(parties.ECDSA_CCM, None, "rpk-p256", kind)
        server = agreed(run(scenario.client(), scenario.server(trust=both)))[1]
        assert server.connected.peer == identity(kind, CLIENT_KEYS)
        raw = credential.form == CertificateType.RawPublicKey
        assert bool(server.connected.peer.raw_public_key) == raw


def test_several_identities_each_with_their_own_key() -> None:
    keys = {b"one": b"1" * 16, b"two": b"2" * 32, b"drei": b"3"}
    scenario = Scenario(parties.PSK_CCM)
    masters = set()
    for source in (keys, keys.get):
        server = scenario.server(psk=psk_lookup(source, parties.SECRET))
        for name, key in keys.items():
            client = scenario.client(psk=PSK(name, key))
            connected = agreed(run(client, server))[1].connected
            assert connected.peer.psk_identity == name
            masters.add(connected.master_secret)
    assert len(masters) == len(keys)


def test_a_server_is_checked_by_its_address_where_it_has_no_name() -> None:
    scenario = Scenario(parties.ECDSA_CCM, None, "x509")
    client = scenario.client(server_name=None, server_address=parties.ADDRESS)
    _, server = agreed(run(client, scenario.server()))
    assert server.connected.server_name is None


def test_without_trust_anybody_is_accepted_only_on_demand() -> None:
    scenario = Scenario(parties.ECDSA_CCM, None, "x509")
    stranger = Certificate(pki.self_signed("anything").chain, pki.self_signed("anything").key_pem)
    server = scenario.server(credentials=(stranger,))
    client = scenario.client(trust=Trust(insecure=True))
    assert agreed(run(client, server))[0].connected.peer.certificates == stranger.chain_der


def test_one_server_state_serves_many_clients() -> None:
    scenario = Scenario(parties.ECDHE_PSK_CCM)
    config = scenario.server()
    points = [Point.start(scenario.client(seed), config) for seed in range(8)]
    for _ in range(3):
        points = [point.deliver() for point in points]
    masters = {agreed(point.deliver())[0].connected.master_secret for point in points}
    assert len(masters) == 8


def test_no_secret_shows_in_any_text_form() -> None:
    for scenario in parties.TYPICAL:
        point = Point.start(scenario.client(), scenario.server())
        seen = [point]
        while not point.complete:
            point = point.deliver()
            seen.append(point)
        established = agreed(point)[0]
        text = repr(seen)
        assert repr(established.connected.master_secret) not in text
        assert repr(parties.KEY) not in text


def test_reserved_labels_are_not_exported() -> None:
    scenario = parties.TYPICAL[0]
    connected = agreed(run(scenario.client(), scenario.server()))[0].connected
    with pytest.raises(ConfigurationError, match="reserved"):
        connected.export("client finished", 12)
