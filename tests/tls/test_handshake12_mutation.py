"""Random damage to any flight: an alert at one side or the other, and never anything else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.encodings.items import BodyItem
from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from tests.support import parties
from tests.support.memory_pair import Body, Point, agreed, renumbered
from tests.support.parties import Scenario
from tests.support.strategies import damaged, u8s, u16s

typical = pytest.mark.parametrize("scenario", parties.TYPICAL, ids=str)
numbers = st.integers(1, 4)

foreign_messages = st.builds(HandshakeMessage, u8s, st.binary(max_size=80), u16s, u16s)
foreign_records = st.builds(
    SealedRecord, u8s, st.integers(1, 0xFFFF), st.integers(0, 2**48 - 1), st.binary(max_size=80)
)
foreign_items = st.one_of(foreign_messages, foreign_records, st.just(ChangeCipherSpec()))


def ends_in_an_alert(point: Point, items: Body) -> None:
    """The handshake goes on with ``items``: it fails with an alert, unless nothing has changed.

    After that the genuine flight completes it.
    """
    genuine = point.pending
    try:
        end = point.deliver(items).finish()
    except AlertError as error:
        assert not error.received
    else:
        agreed(end)
        assert items == genuine
    agreed(point.finish())


def begun(scenario: Scenario, number: int) -> Point:
    return Point.start(scenario.client(), scenario.server()).until(number)


def spoilt(data: st.DataObject, item: BodyItem) -> BodyItem:
    if isinstance(item, HandshakeMessage):
        return replace(item, body=data.draw(damaged(item.body)))
    if isinstance(item, SealedRecord):
        return replace(item, fragment=data.draw(damaged(item.fragment)))
    return item


@typical
@given(data=st.data(), number=numbers)
def test_damage_to_the_content_of_an_item(
    scenario: Scenario, data: st.DataObject, number: int
) -> None:
    point = begun(scenario, number)
    items = list(point.pending)
    index = data.draw(st.integers(0, len(items) - 1))
    items[index] = spoilt(data, items[index])
    ends_in_an_alert(point, tuple(items))


@typical
@given(data=st.data(), number=numbers)
def test_one_byte_changed_anywhere(scenario: Scenario, data: st.DataObject, number: int) -> None:
    point = begun(scenario, number)
    items = list(point.pending)
    places = [
        index
        for index, item in enumerate(items)
        if (isinstance(item, HandshakeMessage) and item.body) or isinstance(item, SealedRecord)
    ]
    index = data.draw(st.sampled_from(places))
    item = items[index]
    assert isinstance(item, HandshakeMessage | SealedRecord)
    content = bytearray(item.body if isinstance(item, HandshakeMessage) else item.fragment)
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    if isinstance(item, HandshakeMessage):
        items[index] = replace(item, body=bytes(content))
    else:
        items[index] = replace(item, fragment=bytes(content))
    with pytest.raises(AlertError):
        point.deliver(tuple(items)).finish()
    agreed(point.finish())


@typical
@given(data=st.data(), number=numbers)
def test_damage_to_what_stands_around_an_item(
    scenario: Scenario, data: st.DataObject, number: int
) -> None:
    point = begun(scenario, number)
    items = list(point.pending)
    index = data.draw(st.integers(0, len(items) - 1))
    item = items[index]
    fields: dict[str, Any]
    if isinstance(item, HandshakeMessage):
        name = data.draw(st.sampled_from(["type", "message_seq", "epoch"]))
        fields = {name: data.draw(u8s if name == "type" else u16s)}
        items[index] = replace(item, **fields)
    elif isinstance(item, SealedRecord):
        name = data.draw(st.sampled_from(["content_type", "epoch", "sequence_number"]))
        fields = {name: data.draw(st.integers(1, 0xFF))}
        items[index] = replace(item, **fields)
    else:
        items[index] = data.draw(foreign_items)
    ends_in_an_alert(point, tuple(items))


@typical
@given(data=st.data(), number=numbers)
def test_any_order_with_losses_repeats_strangers_and_damage(
    scenario: Scenario, data: st.DataObject, number: int
) -> None:
    point = begun(scenario, number)
    receiver = point.client if point.receiver == "client" else point.server
    item = st.one_of(st.sampled_from(point.pending), foreign_items)
    items: list[BodyItem] = data.draw(st.lists(item, max_size=len(point.pending) + 2))
    spoil, renumber = data.draw(st.tuples(st.booleans(), st.booleans()))
    if items and spoil:
        items[0] = spoilt(data, items[0])
    chosen = tuple(items)
    if renumber:
        chosen = renumbered(chosen, receiver.next_message_seq)
    ends_in_an_alert(point, chosen)
