"""Random damage to any flight of DTLS 1.3: an alert at one side, and never anything else.

Two sides never both complete with different views of the handshake.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.codepoints import HandshakeType
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from tests.support import parties13
from tests.support.memory_pair13 import Items, Point, agreed, connected13, run
from tests.support.parties13 import Scenario13
from tests.support.strategies import damaged, u8s, u16s

typical = pytest.mark.parametrize("scenario", parties13.TYPICAL, ids=str)
numbers = st.integers(1, 5)
foreign_items = st.one_of(
    st.builds(HandshakeMessage, u8s, st.binary(max_size=80), u16s, st.integers(0, 4)),
    st.just(ChangeCipherSpec()),
)


def begun(scenario: Scenario13, number: int) -> Point:
    """Flight ``number`` is on its way, or the last one of the handshake itself."""
    return Point.start(scenario.client(), scenario.server()).until(
        min(number, 5 if scenario.retry else 3)
    )


def ends_in_an_alert(point: Point, items: Items) -> None:
    """The handshake goes on with ``items``: it fails with an alert, unless nothing has changed.

    After that the genuine flight completes it.
    """
    genuine = point.pending
    try:
        after = point.deliver(items)
        if after.pending or after.complete:
            after = after.finish()
    except AlertError as error:
        assert not error.received
    else:
        if after.complete:
            agreed(after)
            assert said(items) == said(genuine)
    agreed(point.finish())


def said(items: Items) -> list[tuple[int, bytes]]:
    return [(item.type, item.body) for item in items if isinstance(item, HandshakeMessage)]


@typical
def test_every_byte_of_every_message(scenario: Scenario13) -> None:
    """One bit of each byte, one after the other; long public keys and chains are sampled."""
    point = Point.start(scenario.client(), scenario.server())
    while not point.complete:
        for index, item in enumerate(point.pending):
            assert isinstance(item, HandshakeMessage)
            length = len(item.body)
            for position in range(0, length, 1 if length < 300 else 17):
                body = bytearray(item.body)
                body[position] ^= 1 << position % 8
                items = list(point.pending)
                items[index] = replace(item, body=bytes(body))
                with pytest.raises(AlertError):
                    point.deliver(tuple(items)).finish()
        point = point.deliver()
    agreed(point)


@typical
@given(data=st.data(), number=numbers)
def test_damage_to_the_content_of_a_message(
    scenario: Scenario13, data: st.DataObject, number: int
) -> None:
    point = begun(scenario, number)
    items = list(point.pending)
    index = data.draw(st.integers(0, len(items) - 1))
    item = items[index]
    assert isinstance(item, HandshakeMessage)
    items[index] = replace(item, body=data.draw(damaged(item.body)))
    ends_in_an_alert(point, tuple(items))


@typical
@given(data=st.data(), number=numbers)
def test_any_order_with_losses_repeats_and_strangers(
    scenario: Scenario13, data: st.DataObject, number: int
) -> None:
    point = begun(scenario, number)
    item = st.one_of(st.sampled_from(point.pending), foreign_items)
    ends_in_an_alert(point, tuple(data.draw(st.lists(item, max_size=len(point.pending) + 2))))


@typical
@given(data=st.data(), number=numbers)
def test_another_type_or_epoch(scenario: Scenario13, data: st.DataObject, number: int) -> None:
    point = begun(scenario, number)
    items = list(point.pending)
    index = data.draw(st.integers(0, len(items) - 1))
    item = items[index]
    assert isinstance(item, HandshakeMessage)
    if data.draw(st.booleans()):
        changed = replace(item, type=data.draw(u8s.filter(lambda kind: kind != item.type)))
    else:
        changed = replace(item, epoch=data.draw(u16s.filter(lambda epoch: epoch != item.epoch)))
    items[index] = changed
    with pytest.raises(AlertError):
        point.deliver(tuple(items)).finish()
    agreed(point.finish())


AFTERWARDS = (
    HandshakeType.new_session_ticket,
    HandshakeType.key_update,
    HandshakeType.request_connection_id,
    HandshakeType.new_connection_id,
)


@settings(max_examples=200)
@given(
    st.one_of(st.sampled_from(AFTERWARDS), u8s),
    st.binary(max_size=300),
    st.integers(2, 4),
    st.booleans(),
)
def test_whatever_comes_after_the_handshake_is_taken_or_refused(
    kind: int, body: bytes, epoch: int, to_client: bool
) -> None:
    scenario = Scenario13()
    point = run(scenario.client(connection_id=b"c"), scenario.server(connection_id=b"s"))
    side = point.client if to_client else point.server
    try:
        after, _ = side.take((HandshakeMessage(kind, body, 9, epoch),))
    except AlertError as error:
        assert not error.received
    else:
        assert epoch == 3
        assert kind in AFTERWARDS
        assert connected13(after).secrets == connected13(side).secrets
