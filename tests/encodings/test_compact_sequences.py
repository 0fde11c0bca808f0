"""Whatever is said in a handshake comes back from compact bodies, each the one encoding of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.encodings.compact import COMPACT
from handshake_over_coap.encodings.items import FlightItem, Unsealed
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.flight import HandshakeMessage, split_messages
from tests.support.compact_flights import Talk, a_talk
from tests.support.glass import PINS, GlassContext, damaged


@dataclass
class Step:
    """One flight of a talk on its way, and what is around it at both ends."""

    flight: tuple[FlightItem, ...]
    sender: GlassContext
    receiver: GlassContext

    def body(self, items: tuple[FlightItem, ...], announced: int) -> bytes:
        """What the sender makes of ``items`` where it announces so many bytes of references."""
        own = self.sender
        other = GlassContext(own.from_client, own.messages, PINS[announced], own.next_message_seq)
        other.references = own.references
        return COMPACT.encode(items, other)

    def decoded(self, body: bytes) -> tuple[tuple[FlightItem, ...], int]:
        """What the receiver finds in a body, and what its sender announces."""
        own = self.receiver
        again = GlassContext(own.from_client, own.messages, own.pins, own.next_message_seq)
        items = tuple(COMPACT.decode(body, again))
        return items, again.references


def steps(talk: Talk) -> Iterator[Step]:
    """The flights of a talk; each has to be decoded before the next is asked for."""
    messages: tuple[HandshakeMessage, ...] = ()
    heard, numbers = 0, [0, 0]
    for place, flight in enumerate(talk.flights):
        side = place % 2
        sender, receiver = (
            GlassContext(side == 0, messages, talk.pins[who], numbers[side])
            for who in (side, 1 - side)
        )
        sender.references = heard
        yield Step(flight, sender, receiver)
        heard = receiver.references
        said = tuple(each for item in flight for each in _messages(item))
        messages += said
        numbers[side] += len(said)


def _messages(item: FlightItem) -> tuple[HandshakeMessage, ...]:
    if isinstance(item, HandshakeMessage):
        return (item,)
    if isinstance(item, Unsealed) and item.content_type == 22:
        return split_messages(item.plaintext, item.epoch)
    return ()


DRAWS = st.randoms(use_true_random=False)


@given(DRAWS)
def test_every_flight_comes_back_and_has_one_encoding(draws: Random) -> None:
    for step in steps(a_talk(draws)):
        body = COMPACT.encode(step.flight, step.sender)
        assert tuple(COMPACT.decode(body, step.receiver)) == step.flight
        assert step.body(step.flight, step.receiver.references) == body


def mutate(talk: Talk, draws: Random, times: int) -> int:
    """Damage each body so often; those that are taken have to be the one encoding."""
    tried = 0
    for step in steps(talk):
        body = COMPACT.encode(step.flight, step.sender)
        assert tuple(COMPACT.decode(body, step.receiver)) == step.flight
        for _ in range(times):
            changed, tried = damaged(body, draws), tried + 1
            try:
                items, announced = step.decoded(changed)
            except AlertError as error:
                assert not error.received
                continue
            assert step.body(items, announced) == changed
    return tried


@given(DRAWS)
def test_a_damaged_body_is_refused_or_is_the_one_encoding(draws: Random) -> None:
    mutate(a_talk(draws), draws, 4)


def test_thousands_of_handshakes() -> None:
    draws = Random("handshakes")
    assert sum(mutate(a_talk(draws), draws, 1) for _ in range(1_000)) > 3_500


@pytest.mark.slow
@pytest.mark.parametrize("number", range(5))
def test_twenty_thousand_damaged_bodies(number: int) -> None:
    draws, tried = Random(number), 0
    while tried < 20_000:
        tried += mutate(a_talk(draws), draws, 10)
