"""Whole handshakes over the compact encoding: the same as over plain, in fewer bytes."""

from __future__ import annotations

import pytest

from handshake_over_coap.carriers.conversation import Conversation
from handshake_over_coap.encodings import encoding_for, encoding_named
from handshake_over_coap.encodings.compact import COMPACT
from handshake_over_coap.encodings.plain import PLAIN
from handshake_over_coap.tls.alerts import BadRecordMac
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.dtls13.connected import Connected13
from tests.support import parties, parties13
from tests.support.bodies import classic, deliveries, turns
from tests.support.parties import Scenario
from tests.support.parties13 import Scenario13

AnyScenario = Scenario | Scenario13
ALL: tuple[AnyScenario, ...] = (*parties.ALL, *parties13.ALL)
FEW: tuple[AnyScenario, ...] = (
    *parties.TYPICAL,
    parties13.PSK_ONLY,
    parties13.ECDHE_PSK,
    parties13.MUTUAL,
    parties13.X509,
    Scenario13(parties13.CCM, parties13.X25519, retry=True),
)


def both(scenario: AnyScenario) -> tuple[ClientConfig, ServerConfig]:
    return scenario.client(), scenario.server()


def test_it_goes_by_its_name_and_by_its_content_format() -> None:
    assert encoding_named("compact") is COMPACT
    assert encoding_for(65002, PLAIN) is COMPACT


@pytest.mark.parametrize("scenario", ALL, ids=str)
def test_the_flights_are_those_of_dtls_to_the_bit(scenario: AnyScenario) -> None:
    plain, compact = turns(*both(scenario), PLAIN), turns(*both(scenario), COMPACT)
    said = [classic(each.said) for each in compact]
    if scenario.group != parties13.HYBRID:  # encapsulation is never the same twice
        assert said == [classic(each.said) for each in plain]
    assert [classic(each.heard) for each in compact[1:]] == said[:-1]
    assert sum(len(each.body) for each in compact) < sum(len(each.body) for each in plain)


@pytest.mark.parametrize("scenario", FEW, ids=str)
def test_the_same_keys_come_out(scenario: AnyScenario) -> None:
    (*_, plain), (*_, compact) = (list(deliveries(*both(scenario), e)) for e in (PLAIN, COMPACT))
    ends = [each.receiver.hear(each.turn.body, encoding).after.established
            for each, encoding in ((plain, PLAIN), (compact, COMPACT))]  # fmt: skip
    one, other = (end.connected for end in ends if end is not None)
    if isinstance(one, Connected13) and isinstance(other, Connected13):
        assert one.secrets == other.secrets
    assert one.export("EXPERIMENTAL label", 32) == other.export("EXPERIMENTAL label", 32)


@pytest.mark.parametrize("scenario", FEW, ids=str)
def test_a_flight_whose_sealed_part_is_changed_does_not_authenticate(scenario: AnyScenario) -> None:
    for each in deliveries(*both(scenario), COMPACT):
        if classic(each.turn.said)[-1] == each.turn.said[-1]:
            continue  # nothing is sealed
        for bit in range(8):
            changed = each.turn.body[:-1] + bytes((each.turn.body[-1] ^ 1 << bit,))
            with pytest.raises(BadRecordMac):
                each.receiver.hear(changed, COMPACT)


@pytest.mark.parametrize("scenario", FEW, ids=str)
def test_the_sealed_part_is_bound_to_all_bodies_before_it(scenario: AnyScenario) -> None:
    for each in deliveries(*both(scenario), COMPACT):
        sealed = classic(each.turn.said)[-1] != each.turn.said[-1]
        assert isinstance(each.receiver, Conversation)
        other = each.receiver._replace(bodies=(b"another",))
        if sealed:
            with pytest.raises(BadRecordMac):
                other.hear(each.turn.body, COMPACT)


@pytest.mark.parametrize("scenario", [parties13.MUTUAL, parties.TYPICAL[0]], ids=str)
def test_records_over_udp_go_on_behind_those_of_the_bodies(scenario: AnyScenario) -> None:
    datagrams = []
    for encoding in (PLAIN, COMPACT):
        *_, last = deliveries(*both(scenario), encoding)
        established = last.receiver.hear(last.turn.body, encoding).after.established
        assert established is not None
        datagrams.append(established.sealer.seal_datagram(23, b"data"))
    assert datagrams[0] == datagrams[1]
