"""Q-Block over faulty paths on virtual time: it completes, and at the times of RFC 9177."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handshake_over_coap.coap.codes import Code, MessageType
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Option
from handshake_over_coap.errors import HandshakeTimeout
from handshake_over_coap.transfers.base import Outgoing, Posting, Reply, Upload
from handshake_over_coap.transfers.missing_blocks import CONTENT_FORMAT, decode_missing
from handshake_over_coap.transfers.qblock import QBlock
from tests.support.qblock_world import ONE_WAY, Fate, World, quiet, without


def _known(fate: Fate = quiet, **options: object) -> World:
    """A world whose client has met the server before: no message is confirmable."""
    world = World(fate, **options)  # type: ignore[arg-type]
    world.side.known = True
    return world


def _delaying(late: int) -> Fate:
    """A path on which the datagram with this number is overtaken by the next ones."""
    return lambda number, _: (ONE_WAY + 0.01 * (number == late),)


def _completes(world: World) -> World:
    world.post()
    world.run()
    outcome = world.client.outcome
    assert isinstance(outcome, Reply), outcome
    assert (outcome.code, outcome.payload, outcome.location) == (0x41, world.down, ("n",))
    assert set(world.taken) == {world.up}
    return world


def _from_server(world: World) -> list[tuple[float, Message]]:
    return [(at, Message.decode(data)) for at, up, data in world.sent if not up]


def _to_server(world: World) -> list[tuple[float, Message]]:
    return [(at, Message.decode(data)) for at, up, data in world.sent if up]


def test_on_a_quiet_path_each_block_goes_once_and_nothing_waits() -> None:
    world = _completes(_known())
    assert len(world.sent) == 16
    assert world.now == pytest.approx(2 * ONE_WAY)


@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
def test_every_loss_of_one_or_two_datagrams_is_survived(known: bool) -> None:
    first = World()
    first.side.known = True if known else None
    reach = range(len(_completes(first).sent) + 4)
    for lost in [(one,) for one in reach] + list(combinations(reach, 2)):
        world = World(without(*lost))
        world.side.known = True if known else None
        _completes(world)


@pytest.mark.parametrize("pause", [0.0, 0.01, 3.0, 30.0])
def test_every_datagram_may_come_twice(pause: float) -> None:
    _completes(_known(lambda number, _: (ONE_WAY, ONE_WAY + pause)))


def test_every_two_datagrams_may_change_places() -> None:
    for swapped in range(17):
        _completes(_known(_delaying(swapped)))


@given(st.integers(0, 10**9), st.sampled_from([0.1, 0.3, 0.5, 0.7]), st.sampled_from([8, 25, 60]))
@settings(max_examples=60, deadline=None)
def test_any_pattern_of_loss_duplication_and_delay_is_survived(
    seed: int, loss: float, blocks: int
) -> None:
    draw = random.Random(seed)

    def fate(number: int, to_server: bool) -> Sequence[float]:
        copies = 1 + (draw.random() < 0.1)
        return [ONE_WAY + draw.random() for _ in range(copies) if draw.random() >= loss]

    body = random.Random(seed + 1).randbytes(blocks * 16 - 5)
    _completes(
        World(fate, up=body, down=body[::-1], seed=seed, max_retransmit=None, max_interval=20.0)
    )


def test_scattered_loss_is_reported_exactly() -> None:
    world = _completes(_known(without(1, 3, 5, 7), down=b"short"))
    reports = [m for _, m in _from_server(world) if m.code == Code.REQUEST_ENTITY_INCOMPLETE]
    assert [decode_missing(each.payload, 99) for each in reports] == [(1, 3, 5, 7)]
    assert reports[0].uint(Option.CONTENT_FORMAT) == CONTENT_FORMAT


def test_missing_blocks_are_asked_for_after_4_s_and_twice_as_long_each_time() -> None:
    """RFC 9177 section 10.1.4: after 4, 8, 16 and 32 s more, and then no more."""

    def fate(number: int, to_server: bool) -> Sequence[float]:
        return () if number == 1 or not to_server or number > 7 else (ONE_WAY,)

    world = _known(fate)
    world.post()
    world.run(until=200.0)
    asked = [at - ONE_WAY for at, _ in _from_server(world)]
    assert asked == pytest.approx([4, 12, 28, 60])
    assert not world.quick.bodies


def test_a_set_that_has_come_is_confirmed_and_the_next_one_follows_at_once() -> None:
    body = bytes(range(25 * 8)) * 2
    world = _completes(_known(up=body, down=body))
    assert world.now == pytest.approx(6 * ONE_WAY + 4 * ONE_WAY)
    confirmed = [m.get(Option.Q_BLOCK1) for _, m in _from_server(world) if m.code == 0x5F]
    assert confirmed == [b"\x98", b"\x01\x38"]  # blocks 9 and 19, as more follow
    asked = [m for _, m in _to_server(world) if m.get(Option.Q_BLOCK2) is not None]
    assert [each.get(Option.Q_BLOCK2) for each in asked] == [b"\xa8", b"\x01\x48"]
    tokens = {m.token for _, m in _from_server(world) if m.code == Code.CREATED}
    assert len(tokens) == 1  # those that follow have the token of the first ones


def test_without_a_word_the_next_set_follows_after_a_pause() -> None:
    body = bytes(range(25 * 8)) * 2
    world = _known(lambda number, to_server: (ONE_WAY,) if to_server else (), up=body)
    world.post()
    world.run(until=7.0)
    times = [at for at, _ in _to_server(world)][:25]
    pause = times[10]
    assert 2.0 <= pause <= 3.0
    assert times == pytest.approx([0.0] * 10 + [pause] * 10 + [2 * pause] * 5)
    assert set(world.taken) == {body}


def test_what_is_missing_of_a_set_is_reported_when_the_next_one_begins() -> None:
    """RFC 9177 section 10.1.3."""
    body = bytes(range(12 * 16))
    world = _completes(_known(without(1, 9), up=body, down=b"short"))
    reports = [(at, m) for at, m in _from_server(world) if m.payload and m.code == 0x88]
    assert [decode_missing(m.payload, 99) for _, m in reports] == [(1, 9)]
    assert 2.0 <= reports[0][0] <= 3.0 + 2 * ONE_WAY


def test_a_server_without_the_options_gets_blocks_of_rfc_7959() -> None:
    world = _completes(World(knows=False))
    options = {number for _, m in _to_server(world)[1:] for number, _ in m.options}
    assert not options & {Option.Q_BLOCK1, Option.Q_BLOCK2}
    assert world.side.known is False
    _completes(world)  # and does not meet them again


def test_every_loss_is_survived_on_the_way_back_to_rfc_7959() -> None:
    for lost in range(len(_completes(World(knows=False)).sent) + 2):
        _completes(World(without(lost), knows=False))


def test_a_refusal_that_comes_twice_refuses_once() -> None:
    _completes(World(lambda n, _: (ONE_WAY, 1.5 * ONE_WAY) if n == 1 else (ONE_WAY,), knows=False))


def test_who_hears_nothing_gives_up_when_the_timer_says_so() -> None:
    world = _known(lambda number, to_server: (), max_retransmit=3)
    world.post()
    world.run()
    assert isinstance(world.client.outcome, HandshakeTimeout)
    assert len(world.sent) == 8 + 3


def test_the_sets_of_both_sides_have_the_size_that_is_asked_for() -> None:
    body = bytes(10 * 16)
    world = _completes(_known(up=body, down=body, transfer=QBlock(max_payloads=3)))
    assert sum(m.code == 0x5F for _, m in _from_server(world)) == 3


def test_a_reply_in_blocks_of_rfc_7959_is_fetched_in_their_way() -> None:
    posting, first = _posting(_known())
    half = Content(Code.CREATED, ((int(Option.BLOCK2), b"\x08"),), bytes(16))
    response = Message.decode(half.encode(MessageType.NON, 1, b"t"))
    (asked,) = posting.answered(response, first, 1.0)
    assert asked.confirmable
    assert asked.content.get(Option.BLOCK2) == b"\x10"
    assert asked.content.get(Option.REQUEST_TAG) == first.content.get(Option.REQUEST_TAG)
    rest = Content(Code.CREATED, ((int(Option.BLOCK2), b"\x10"),), b"end")
    posting.answered(Message.decode(rest.encode(MessageType.ACK, 1, b"t")), asked, 1.1)
    assert posting.reply is not None
    assert posting.reply.payload == bytes(16) + b"end"


def _posting(world: World) -> tuple[Posting, Outgoing]:
    posting = world.side.post(Upload(("d",), world.up))
    (first, *_) = posting.start(0.0)
    return posting, first


def _response(code: int, *options: tuple[int, bytes], payload: bytes = b"") -> Message:
    content = Content(code, options, payload)
    return Message.decode(content.encode(MessageType.NON, 1, b"t"))


def test_reports_of_what_was_never_sent_or_was_sent_just_now_draw_nothing() -> None:
    posting, first = _posting(_known(up=bytes(25 * 16)))
    options = ((int(Option.CONTENT_FORMAT), CONTENT_FORMAT.to_bytes(2, "big")),)

    def draw(payload: bytes, now: float) -> int:
        report = _response(Code.REQUEST_ENTITY_INCOMPLETE, *options, payload=payload)
        return len(posting.answered(report, first, now))

    assert draw(b"\x0a\x0b\x18\x64", 2.0) == 0  # blocks 10, 11 and 100 of which ten were sent
    assert draw(b"\x03\x03", 2.0) == draw(b"\xff", 2.0) == draw(b"", 2.0) == 0
    assert draw(b"\x03", 0.1) == 0
    assert sum(draw(b"\x03", 2.0 + 0.001 * each) for each in range(500)) == 1


@pytest.mark.parametrize(
    ("value", "size", "payload"),
    [
        (b"\x98", b"\x80", bytes(16)),
        (b"\x08", b"\x80", bytes(15)),
        (b"\x70", b"\x81", bytes(16)),
        (b"\x09", b"\x80", bytes(32)),
        (b"\x00", b"\x80", bytes(16)),
    ],
    ids=["beyond", "short", "another total", "another size", "no more"],
)
def test_blocks_of_a_reply_that_contradict_the_others_are_dropped(
    value: bytes, size: bytes, payload: bytes
) -> None:
    posting, first = _posting(_known())
    etag = (int(Option.ETAG), b"e")

    def take(value: bytes, size: bytes, payload: bytes) -> None:
        options = (etag, (int(Option.SIZE2), size), (int(Option.Q_BLOCK2), value))
        posting.answered(_response(Code.CREATED, *options, payload=payload), first, 1.0)

    take(b"\x18", b"\x80", bytes(16))
    take(value, size, payload)
    for number in range(8):
        take(bytes((number << 4 | (number < 7) << 3,)), b"\x80", bytes([number]) * 16)
    assert posting.reply is not None
    assert posting.reply.payload[16:32] == bytes(16)  # what came first stays
    assert len(posting.reply.payload) == 128
