"""A random that follows from the share: only where that is new in each handshake."""

from __future__ import annotations

import pytest

from handshake_over_coap.encodings.compact import COMPACT
from handshake_over_coap.encodings.plain import PLAIN
from handshake_over_coap.tls.derived import derived_random, is_seeded, random_of
from handshake_over_coap.tls.flight import HandshakeMessage
from tests.support.bodies import turns
from tests.support.parties13 import CCM, HYBRID, P256, X25519, Scenario13


def randoms(scenario: Scenario13, **options: bool) -> list[bytes]:
    """The randoms of the hellos, in order."""
    made = turns(scenario.client(**options), scenario.server(**options), PLAIN)
    hellos = [turn.said[0] for turn in made[:-2]]
    assert all(isinstance(hello, HandshakeMessage) for hello in hellos)
    return [hello.body[2:34] for hello in hellos if isinstance(hello, HandshakeMessage)]


@pytest.mark.parametrize("group", [P256, X25519], ids=str)
def test_the_hello_of_a_side_that_wants_it_has_a_random_that_follows(group: int) -> None:
    scenario = Scenario13(CCM, P256 if group == P256 else X25519)
    made = turns(scenario.client(derived_random=True), scenario.server(derived_random=True), PLAIN)
    for turn in made[:2]:
        hello = turn.said[0]
        assert isinstance(hello, HandshakeMessage)
        at = hello.body.index(bytes((0, 65, 4)) if group == P256 else bytes((0, 0x1D, 0, 32)))
        start = at + 3 if group == P256 else at + 4
        assert hello.body[2:34] == derived_random(hello.body[start : start + 32])


def test_there_is_none_without_a_share_or_for_other_groups() -> None:
    for scenario in (Scenario13(CCM, None), Scenario13(CCM, HYBRID)):
        assert randoms(scenario, derived_random=True) == randoms(scenario)
    assert random_of(HYBRID, bytes(1216)) is None
    assert random_of(P256, bytes(65)) is None


def test_the_random_of_a_second_hello_stays() -> None:
    first, retry, second, _ = randoms(Scenario13(CCM, X25519, retry=True), derived_random=True)
    assert first == second != retry


def test_with_psk_ke_half_of_a_random_follows_from_a_seed() -> None:
    seeded = randoms(Scenario13(CCM, None), seeded_random=True)
    assert len(set(seeded)) == 2
    assert all(map(is_seeded, seeded))
    assert [each[:16] for each in seeded] == [each[:16] for each in randoms(Scenario13(CCM, None))]


def test_a_seed_is_for_hellos_without_a_share() -> None:
    for group in (P256, X25519):
        scenario = Scenario13(CCM, group)
        assert randoms(scenario, seeded_random=True) == randoms(scenario)


def test_each_side_chooses_its_own_random() -> None:
    scenario = Scenario13(CCM, None)
    made = turns(scenario.client(), scenario.server(seeded_random=True), COMPACT)
    hellos = [turn.said[0] for turn in made[:2]]
    assert [isinstance(each, HandshakeMessage) and is_seeded(each.body[2:34])
            for each in hellos] == [False, True]  # fmt: skip
