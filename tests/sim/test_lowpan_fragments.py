"""Fragments: bytes by hand, how much fits, and packets put together within bounds."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.sim.lowpan import (
    Adaptation,
    FirstFragment,
    Hop,
    LaterFragment,
    MalformedFrame,
    Reassembler,
    compress,
    fragment,
    parse_fragment,
)
from tests.support.lowpan import CONTEXTS, GLOBAL, LONG_HOP, SHORT_HOP, packet, with_hop_limit


def test_fragments_byte_by_byte() -> None:
    """A packet of 547 bytes in frames with room for 60."""
    headers, data = bytes(range(9)), bytes(499)
    first, second, *_, last = fragment(headers, 48, data, 0x1234, 60)
    # 48 bytes of headers, compressed to 9, leave 47 for data, of which 40 make up 88 together.
    assert first == bytes.fromhex("c223 1234") + headers + data[:40]
    assert second == bytes.fromhex("e223 1234 0b") + data[40:88]
    # 499 = 40 + 9 * 48 + 27
    assert last == bytes.fromhex("e223 1234 41") + data[-27:]
    assert parse_fragment(first) == FirstFragment(547, 0x1234, headers + data[:40])
    assert parse_fragment(last) == LaterFragment(547, 0x1234, 520, data[-27:])
    assert parse_fragment(bytes.fromhex("7e33f0")) is None
    assert parse_fragment(b"") is None


def test_what_fits_is_not_fragmented() -> None:
    assert fragment(b"headers", 48, bytes(53), 1, 60) == [b"headers" + bytes(53)]
    assert len(fragment(b"headers", 48, bytes(54), 1, 60)) == 2


def test_packets_above_the_mtu_and_frames_without_room_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="1281 bytes"):
        fragment(b"headers", 48, bytes(1233), 1, 60)
    assert fragment(b"headers", 48, bytes(1232), 1, 60)
    with pytest.raises(ConfigurationError, match="no fragment"):
        fragment(b"headers", 48, bytes(100), 1, 12)


CAPACITIES = [
    # 127 bytes less 2 of FCS, the MAC header, IPHC and the UDP header.
    ("fe80::1", "fe80::2", (40000, 5683), LONG_HOP, 127 - 2 - 21 - 2 - 7),
    ("fe80::1", "fe80::2", (0xF0B1, 0xF0B2), LONG_HOP, 127 - 2 - 21 - 2 - 4),
    ("2001:db8::1", "2001:db8::2", (40000, 5683), LONG_HOP, 127 - 2 - 21 - 2 - 7),
    ("2001:db8:9::1", "2001:db8:9::2", (40000, 5683), LONG_HOP, 127 - 2 - 21 - 34 - 7),
    ("fe80::ff:fe00:1", "fe80::ff:fe00:2", (40000, 5683), SHORT_HOP, 127 - 2 - 9 - 2 - 7),
]


@pytest.mark.parametrize(
    ("source", "destination", "ports", "hop", "capacity"),
    CAPACITIES,
    ids=["link-local", "short ports", "context", "no context", "short addresses"],
)
def test_how_much_data_a_single_frame_holds(
    source: str, destination: str, ports: tuple[int, int], hop: Hop, capacity: int
) -> None:
    room = 127 - 2 - 5 - len(hop.source) - len(hop.destination)
    node = Adaptation(CONTEXTS, Reassembler())
    for size, frames in ((capacity, 1), (capacity + 1, 2)):
        whole = packet(source, destination, ports, bytes(size))
        assert len(node.payloads(whole, hop, room)) == frames


def test_the_71_bytes_of_the_thesis() -> None:
    """127 less 25 of MAC at most and 21 of security (RFC 4944 section 4) leave 81 bytes.

    The headers take 10: three of IPHC, the hop limit carried, and seven of UDP.
    """
    whole = with_hop_limit(packet(*GLOBAL, (40000, 5683), bytes(71)), 63)
    (only,) = Adaptation(CONTEXTS, Reassembler()).payloads(whole, LONG_HOP, 127 - 25 - 21)
    assert len(only) == 81
    assert 127 - 71 == 56


@given(st.binary(max_size=1232), st.integers(60, 116), st.randoms(use_true_random=False))
def test_fragments_in_any_order_make_the_packet_again(
    data: bytes, room: int, order: Random
) -> None:
    whole = packet(*GLOBAL, (40000, 5683), data)
    sender, receiver = Adaptation(CONTEXTS, Reassembler()), Adaptation(CONTEXTS, Reassembler())
    payloads = sender.payloads(whole, LONG_HOP, room)
    assert all(len(each) <= room for each in payloads)
    order.shuffle(payloads)
    *early, last = (receiver.receive(0.0, each, LONG_HOP) for each in payloads)
    assert early == [None] * (len(payloads) - 1)
    assert last == whole
    assert receiver.reassembler.held == 0


@given(st.data())
def test_mutated_fragments_never_make_trouble(data: st.DataObject) -> None:
    whole = packet(*GLOBAL, (40000, 5683), data.draw(st.binary(min_size=100, max_size=400)))
    sender, receiver = Adaptation(CONTEXTS, Reassembler()), Reassembler(buffers=2)
    node = Adaptation(CONTEXTS, receiver)
    payloads = sender.payloads(whole, LONG_HOP, 80)
    for payload in data.draw(st.lists(st.sampled_from(payloads), min_size=1, max_size=20)):
        mutated = bytearray(payload)
        for _ in range(data.draw(st.integers(0, 2))):
            place = data.draw(st.integers(0, min(12, len(mutated) - 1)))
            mutated[place] = data.draw(st.integers(0, 255))
        try:
            made = node.receive(0.0, bytes(mutated), LONG_HOP)
        except MalformedFrame:
            continue
        assert made is None or 40 <= len(made) <= 2047
        assert receiver.held <= 2 * 2047


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("c223 1234", "without data"),
        ("e223 1234 0b", "without data"),
        ("e010 0000 02 00", "from 16 to 17 of a packet of 16"),
        ("e010 0000 00 00000000", "from 0 to 4 of a packet of 16"),
        ("e010 0000 00 0000000000000000", "at the packet's start"),
        ("c010 0000 7e33f09c4016330000 00", "-24 bytes after its header|bytes after its header"),
        ("c040 0000 7e33f09c4016330000 00", "first fragment of 49 bytes"),
        ("c030 0000 7e33f09c4016330000 00", "first fragment of 49 bytes"),
    ],
)
def test_impossible_fragments_are_malformed(written: str, said: str) -> None:
    node = Adaptation(CONTEXTS, Reassembler())
    with pytest.raises(MalformedFrame, match=said):
        node.receive(0.0, bytes.fromhex(written), LONG_HOP)
    assert node.reassembler.held == 0


def pieces(data: bytes, tag: int = 0) -> list[FirstFragment | LaterFragment]:
    whole = packet(*GLOBAL, (40000, 5683), data)
    headers, covered = compress(whole, LONG_HOP, CONTEXTS)
    parsed = [parse_fragment(each) for each in fragment(headers, covered, data, tag, 80)]
    return [each for each in parsed if each is not None]


def test_a_packet_that_is_not_whole_in_time_is_given_up() -> None:
    reassembler = Reassembler(timeout=2.0)
    first, second, third = pieces(bytes(170))
    assert reassembler.add(0.0, first, LONG_HOP, CONTEXTS) is None
    assert reassembler.add(1.9, second, LONG_HOP, CONTEXTS) is None
    assert reassembler.add(2.0, third, LONG_HOP, CONTEXTS) is None
    assert reassembler.counters["expired"] == 1
    # What came too late has begun a packet of its own, which lacks the others.
    assert reassembler.held == 218
    reassembler.expire(4.0)
    assert reassembler.held == 0
    in_time = [
        reassembler.add(10.0 + n, each, LONG_HOP, CONTEXTS)
        for n, each in enumerate((first, second))
    ]
    assert in_time == [None, None]
    assert reassembler.add(11.999, third, LONG_HOP, CONTEXTS) is not None


def test_buffers_are_few_and_free_themselves() -> None:
    reassembler = Reassembler(timeout=60.0, buffers=2)
    for tag in range(3):
        assert reassembler.add(float(tag), pieces(bytes(100), tag)[0], LONG_HOP, CONTEXTS) is None
    assert reassembler.held == reassembler.peak == 2 * 148
    assert reassembler.counters["made room"] == 1
    assert reassembler.add(61.0, pieces(bytes(100), 3)[0], LONG_HOP, CONTEXTS) is None
    assert reassembler.counters == {"made room": 1, "expired": 1}
    assert reassembler.held == 2 * 148


def test_the_oldest_packet_makes_room_for_one_that_is_coming_in() -> None:
    """What lacks a fragment does not keep out what is whole: RIOT does the same."""
    reassembler = Reassembler(timeout=60.0, buffers=2)
    assert reassembler.add(0.0, pieces(bytes(100), 0)[0], LONG_HOP, CONTEXTS) is None
    assert reassembler.add(1.0, pieces(bytes(100), 1)[0], LONG_HOP, CONTEXTS) is None
    *early, last = (
        reassembler.add(2.0, each, LONG_HOP, CONTEXTS) for each in pieces(bytes(100), 2)
    )
    assert early == [None] * len(early)
    assert last is not None
    assert (reassembler.counters["made room"], reassembler.counters["expired"]) == (1, 0)
    # The younger of the two that were incomplete is still there, the older is not.
    assert reassembler.add(3.0, pieces(bytes(100), 1)[1], LONG_HOP, CONTEXTS) is not None
    assert reassembler.add(3.0, pieces(bytes(100), 0)[1], LONG_HOP, CONTEXTS) is None


def test_the_same_fragment_again_changes_nothing_and_a_contradicting_one_starts_anew() -> None:
    reassembler = Reassembler()
    first, second, third = pieces(bytes(170))
    assert isinstance(second, LaterFragment)
    for each in (first, first, second, second):
        assert reassembler.add(0.0, each, LONG_HOP, CONTEXTS) is None
    shifted = LaterFragment(second.size, second.tag, second.offset + 8, second.data[8:])
    assert reassembler.add(0.0, shifted, LONG_HOP, CONTEXTS) is None
    assert reassembler.counters["overlap"] == 1
    assert reassembler.add(0.0, third, LONG_HOP, CONTEXTS) is None
    assert reassembler.add(0.0, first, LONG_HOP, CONTEXTS) is None


def test_packets_of_several_senders_and_tags_do_not_mix() -> None:
    reassembler = Reassembler()
    whole = 0
    one, other = pieces(b"1" * 100, 1), pieces(b"2" * 100, 2)
    for first, second in zip(one, other, strict=True):
        made = [
            reassembler.add(0.0, first, LONG_HOP, CONTEXTS),
            reassembler.add(0.0, second, LONG_HOP, CONTEXTS),
        ]
        whole += sum(each is not None for each in made)
    assert whole == 2
    assert reassembler.add(0.0, one[0], LONG_HOP, CONTEXTS) is None
    assert reassembler.add(0.0, one[1], LONG_HOP.back, CONTEXTS) is None
