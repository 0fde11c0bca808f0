"""What compact bodies seal is accepted in its own place and nowhere else.

Every sealed part of a handshake is tried in every other place: later, earlier, back to its sender,
in another handshake with the same keys, in another content format, and as a standard record.  Why
none of them takes it is argued in spec/encode-then-seal.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from handshake_over_coap.encodings import Encoding
from handshake_over_coap.encodings.compact import COMPACT
from handshake_over_coap.encodings.compact.codec import CompactEncoding
from handshake_over_coap.encodings.plain import PLAIN
from handshake_over_coap.tls.alerts import AlertError
from tests.support import parties, parties13
from tests.support.bodies import AnyConversation, Delivery, classic, deliveries

SCENARIOS = (*parties.TYPICAL, parties13.PSK_ONLY, parties13.ECDHE_PSK, parties13.MUTUAL)


@dataclass(frozen=True)
class OtherFormat(CompactEncoding):
    """The same under another number."""

    content_format: int = 65003


def both(scenario: object, encoding: Encoding = COMPACT) -> list[Delivery]:
    """The deliveries of a handshake; each receiver is as it was before."""
    assert isinstance(scenario, parties.Scenario | parties13.Scenario13)
    return list(deliveries(scenario.client(), scenario.server(), encoding))


def sealed(each: Delivery) -> bool:
    """Whether a body has a sealed part."""
    return classic(each.turn.said)[-1] != each.turn.said[-1]


def refused(receiver: AnyConversation, body: bytes, encoding: Encoding = COMPACT) -> bool:
    """Whether a body is refused by one of our alerts."""
    try:
        receiver.hear(body, encoding)
    except AlertError:
        return True
    return False


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_body_is_taken_in_its_own_place_alone(scenario: object) -> None:
    made = both(scenario)
    for each in filter(sealed, made):
        for place in made:
            if place.number != each.number:
                assert refused(place.receiver, each.turn.body)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_sealed_part_behind_the_clear_part_of_another_place_is_refused(scenario: object) -> None:
    made = [each for each in both(scenario) if sealed(each)]
    for each in made:
        for place in made:
            if place.number == each.number:
                continue
            for end in range(len(place.turn.body)):
                for length in (8, 16, 20, 28, 40, 48):
                    moved = place.turn.body[:end] + each.turn.body[-length:]
                    assert refused(place.receiver, moved)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_body_of_the_same_handshake_in_another_format_is_refused(scenario: object) -> None:
    """Both sides draw the same, and so have the same keys: the format alone is another."""
    ours, others = both(scenario), both(scenario, OtherFormat())
    for mine, other in zip(ours, others, strict=True):
        if sealed(mine):
            assert mine.turn.body != other.turn.body
            assert refused(mine.receiver, other.turn.body)
            assert refused(other.receiver, mine.turn.body, OtherFormat())


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_body_of_another_handshake_with_the_same_credentials_is_refused(scenario: object) -> None:
    assert isinstance(scenario, parties.Scenario | parties13.Scenario13)
    made = both(scenario)
    rng = parties.seeded("another client")
    others = list(deliveries(scenario.client(rng=rng), scenario.server(), COMPACT))
    for mine, other in zip(made, others, strict=True):
        if sealed(mine):
            assert refused(mine.receiver, other.turn.body)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_what_is_sealed_opens_under_no_standard_key_nor_the_other_way_round(
    scenario: object,
) -> None:
    """The same handshake in both encodings: all standard keys are the same."""
    for compact, plain in zip(both(scenario), both(scenario, PLAIN), strict=True):
        if not sealed(compact):
            continue
        record = plain.turn.body[-(len(plain.turn.body) // 2) :]
        assert refused(compact.receiver, plain.turn.body)
        assert refused(plain.receiver, compact.turn.body, PLAIN)
        for length in range(8, len(record)):
            assert refused(compact.receiver, compact.turn.body[:1] + record[-length:])


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_body_before_it_with_one_other_bit_takes_its_place_away(scenario: object) -> None:
    """Also where that bit changes no message: the digest is over bodies."""
    for each in filter(sealed, both(scenario)):
        for bit in (0, 100, 255):
            *before, last = each.receiver.bodies  # type: ignore[attr-defined]
            changed = bytearray(last)
            changed[bit // 8] ^= 1 << bit % 8
            bodies = (*before, bytes(changed))
            other = each.receiver._replace(bodies=bodies)  # type: ignore[attr-defined]
            assert refused(other, each.turn.body)
