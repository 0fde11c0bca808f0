"""Compressed IPv6 and UDP headers: bytes by hand, round trips, and mutation."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.sim.lowpan import (
    Hop,
    MalformedFrame,
    compress,
    decompress,
)
from tests.support.lowpan import (
    CONTEXTS,
    GLOBAL,
    LINK_LOCAL,
    LONG_HOP,
    SHORT_HOP,
    packet,
    with_hop_limit,
)

# Compressed headers.  0x60 is the dispatch; the bits after it are TF 2, NH 1, HLIM 2, CID 1,
# SAC 1, SAM 2, M 1, DAC 1, DAM 2 (RFC 6282 section 3.1.1), and 0xf0 is UDP (section 4.3.1).

VECTORS = {
    "all elided": (LINK_LOCAL, (40000, 5683), 64, LONG_HOP, "7e33 f0 9c401633"),
    "context 0": (GLOBAL, (40000, 5683), 64, LONG_HOP, "7e77 f0 9c401633"),
    "hop limit inline": (GLOBAL, (40000, 5683), 63, LONG_HOP, "7c77 3f f0 9c401633"),
    "hop limit 255": (LINK_LOCAL, (1, 2), 255, LONG_HOP, "7f33 f0 00010002"),
    "hop limit 1": (LINK_LOCAL, (1, 2), 1, LONG_HOP, "7d33 f0 00010002"),
    "destination byte": (LINK_LOCAL, (40000, 0xF033), 64, LONG_HOP, "7e33 f1 9c4033"),
    "source byte": (LINK_LOCAL, (0xF044, 5683), 64, LONG_HOP, "7e33 f2 441633"),
    "both bytes": (LINK_LOCAL, (0xF044, 0xF033), 64, LONG_HOP, "7e33 f1 f04433"),
    "nibbles": (LINK_LOCAL, (0xF0B1, 0xF0B2), 64, LONG_HOP, "7e33 f3 12"),
    "not the hop's": (
        ("2001:db8::1", "2001:db8::9"),
        (1, 2),
        64,
        LONG_HOP,
        "7e75 0000000000000009 f0 00010002",
    ),
    "16 bits inline": (
        ("fe80::ff:fe00:1", "fe80::ff:fe00:9"),
        (1, 2),
        64,
        SHORT_HOP,
        "7e32 0009 f0 00010002",
    ),
    "contexts by number": (
        ("2001:db8:0:3::1", "2001:db8::2"),
        (1, 2),
        64,
        LONG_HOP,
        "7ef7 30 f0 00010002",
    ),
    "no context": (
        ("2001:db8:9::1", "fe80::2"),
        (1, 2),
        64,
        LONG_HOP,
        "7e03 20010db8000900000000000000000001 f0 00010002",
    ),
    "unspecified source": (("::", "fe80::2"), (1, 2), 64, LONG_HOP, "7e43 f0 00010002"),
    "multicast in full": (
        ("fe80::1", "ff02::fd"),
        (1, 2),
        64,
        LONG_HOP,
        "7e38 ff0200000000000000000000000000fd f0 00010002",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_headers_byte_by_byte(name: str) -> None:
    (source, destination), ports, limit, hop, written = VECTORS[name]
    whole = with_hop_limit(packet(source, destination, ports, b"data"), limit)
    checksum = whole[46:48]
    expected = bytes.fromhex(written) + checksum
    assert compress(whole, hop, CONTEXTS) == (expected, 48)
    assert decompress(expected + b"data", hop, CONTEXTS) == (whole[:48], len(expected))


@pytest.mark.parametrize(
    ("word", "written"),
    [
        (0x60000000, "7a33 3a"),
        # Traffic class 0xb9 is DSCP 46, ECN 1: ECN comes first here.
        (0x6B900000, "7233 6e 3a"),
        (0x60112345, "6a33 412345 3a"),
        (0x6B912345, "6233 6e012345 3a"),
    ],
    ids=["nothing", "class", "label", "both"],
)
def test_traffic_class_and_flow_label_byte_by_byte(word: int, written: str) -> None:
    # An empty ICMPv6 message: next header 58, hop limit 64.
    addresses = bytes.fromhex("fe80000000000000") + bytes(7) + b"\x01"
    addresses += bytes.fromhex("fe80000000000000") + bytes(7) + b"\x02"
    whole = struct.pack(">IHBB", word, 4, 58, 64) + addresses + b"icmp"
    assert compress(whole, LONG_HOP, {}) == (bytes.fromhex(written), 40)
    headers, taken = decompress(bytes.fromhex(written) + b"icmp", LONG_HOP, {})
    assert (headers, taken) == (whole[:40], len(bytes.fromhex(written)))


halves = st.sampled_from(
    [
        bytes.fromhex("fe80000000000000"),
        CONTEXTS[0],
        CONTEXTS[3],
        bytes.fromhex("ff02000000000000"),
        bytes(8),
    ]
) | st.binary(min_size=8, max_size=8)
identifiers = st.sampled_from(
    [
        bytes.fromhex("0000000000000001"),
        bytes.fromhex("000000fffe000001"),
        bytes.fromhex("000000fffe00beef"),
        bytes(8),
    ]
) | st.binary(min_size=8, max_size=8)
addresses = st.builds(bytes.__add__, halves, identifiers)
port_numbers = st.sampled_from([5683, 0xF0B0, 0xF0BF, 0xF0C0, 0xF000, 0xF100]) | st.integers(
    0, 0xFFFF
)
hops = st.sampled_from([LONG_HOP, SHORT_HOP, LONG_HOP.back])


@st.composite
def packets(draw: st.DrawFn) -> bytes:
    """Any IPv6 packet without extension headers, UDP as a rule."""
    traffic = draw(st.sampled_from([0, 1, 0xFC, 0xFF]) | st.integers(0, 255))
    label = draw(st.just(0) | st.integers(0, 0xFFFFF))
    data = draw(st.binary(max_size=60))
    next_header = draw(st.sampled_from([17, 17, 17, 58]))
    if next_header == 17:
        wrong = draw(st.sampled_from([0, 0, 0, 1]))
        ports = (draw(port_numbers), draw(port_numbers))
        checksum = draw(st.integers(0, 0xFFFF))
        data = struct.pack(">HHHH", *ports, 8 + len(data) + wrong, checksum) + data
    limit = draw(st.sampled_from([1, 64, 255, 63]) | st.integers(0, 255))
    head = struct.pack(">IHBB", 6 << 28 | traffic << 20 | label, len(data), next_header, limit)
    return head + draw(addresses) + draw(addresses) + data


@given(packets(), hops, st.sampled_from([CONTEXTS, {}]))
def test_headers_survive_the_round_trip(whole: bytes, hop: Hop, contexts: dict[int, bytes]) -> None:
    headers, covered = compress(whole, hop, contexts)
    restored, taken = decompress(headers + whole[covered:], hop, contexts)
    assert restored == whole[:covered]
    assert taken == len(headers)
    assert len(headers) <= covered + 2


@given(st.data())
def test_mutated_headers_decompress_or_are_malformed(data: st.DataObject) -> None:
    whole = data.draw(packets())
    headers, covered = compress(whole, LONG_HOP, CONTEXTS)
    mutated = bytearray(headers + whole[covered:])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, min(len(mutated) - 1, 20)))
        mutated[place] = data.draw(st.integers(0, 255))
    cut = bytes(mutated[: data.draw(st.integers(0, len(mutated)))])
    size = data.draw(st.none() | st.integers(0, 2047))
    try:
        restored, taken = decompress(cut, LONG_HOP, CONTEXTS, size)
    except MalformedFrame:
        return
    assert taken <= len(cut)
    assert len(restored) in (40, 48)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "ends early"),
        ("41", "ends early"),
        ("4133", "no compressed IPv6 header"),
        ("7e33", "no compressed UDP header"),
        ("7e33f0 9c40", "ends early"),
        ("7e33f4 9c401633", "checksum that was left out"),
        ("7e34f0 9c401633 0000", "not understood"),
        ("7e3af0 9c401633 0000", "not understood"),
        ("7ef3 50 f0 9c401633 0000", "context 5"),
        ("7e3800000000000000000000000000000001f0 9c401633 0000", "contradicts its form"),
        ("7e30ff020000000000000000000000000001f0 9c401633 0000", "contradicts its form"),
    ],
)
def test_headers_that_are_never_made_are_malformed(written: str, said: str) -> None:
    with pytest.raises(MalformedFrame, match=said):
        decompress(bytes.fromhex(written), LONG_HOP, CONTEXTS)
