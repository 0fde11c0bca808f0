"""Pieces and notes: what is encoded decodes to the same, and nothing else raises but our error."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.transfers.erasure import LARGEST_GROUP, restore
from handshake_over_coap.transfers.pieces import (
    LAST_FLIGHT,
    MOST_PIECES,
    Note,
    Part,
    Piece,
    PieceError,
    Saying,
    Source,
    decode,
    group_size,
    groups_of,
    joined,
)

_TAGS = st.one_of(st.just(b""), st.binary(min_size=2, max_size=2))


@st.composite
def _pieces(draw: st.DrawFn) -> Piece:
    k = draw(st.one_of(st.integers(1, 40), st.integers(1, MOST_PIECES)))
    return Piece(
        draw(st.integers(1, LAST_FLIGHT)),
        k,
        draw(st.integers(0, 255)),
        draw(st.binary(min_size=1, max_size=70)),
        draw(st.integers(0, groups_of(k) - 1)),
        draw(_TAGS),
    )


@st.composite
def _notes(draw: st.DrawFn) -> Note:
    saying = draw(st.sampled_from(Saying))
    flight = 0 if saying is Saying.ASK else draw(st.integers(1, LAST_FLIGHT))
    byte = st.integers(0, 255)
    return Note(saying, flight, draw(byte), draw(byte), draw(st.binary(max_size=20)), draw(_TAGS))


@given(st.one_of(_pieces(), _notes()))
def test_what_is_encoded_decodes_to_the_same(part: Part) -> None:
    assert decode(part.encode(), tagged=bool(part.tag)) == part


@given(st.binary(max_size=12), st.booleans())
def test_any_bytes_are_a_part_or_an_error_of_ours(payload: bytes, tagged: bool) -> None:
    try:
        part = decode(payload, tagged=tagged)
    except PieceError:
        return
    assert part.encode() == payload


@given(st.one_of(_pieces(), _notes()), st.integers(0, 5), st.integers(1, 255), st.integers(0, 90))
def test_a_mutated_part_raises_nothing_but_our_error(
    part: Part, at: int, flip: int, cut: int
) -> None:
    payload = bytearray(part.encode())
    payload[at % len(payload)] ^= flip
    with contextlib.suppress(PieceError):
        decode(bytes(payload[:cut]), tagged=bool(part.tag))


@given(st.binary(max_size=700), st.integers(5, 80), st.integers(0, 90), st.randoms())
def test_any_choice_of_enough_pieces_gives_the_body(
    body: bytes, room: int, least: int, rng: random.Random
) -> None:
    source = Source(3, body, room, least=least)
    whole: list[bytes] = []
    for group in range(source.groups):
        count = group_size(source.k, group)
        assert count <= LARGEST_GROUP
        had = [source.piece(group, number) for number in rng.sample(range(256), count)]
        assert all(min(least, room) <= len(piece.encode()) == source.size <= room for piece in had)
        whole += restore(count, {piece.number: piece.data for piece in had})
    assert len(whole) == source.k
    assert joined(whole) == body


def test_pieces_are_equal_and_as_few_as_can_be() -> None:
    source = Source(2, bytes(190), 56)
    assert (source.k, source.size) == (4, 2 + 48)
    assert Source(1, bytes(53), 56).k == 1
    assert Source(1, bytes(54), 56).k == 2


def test_the_short_form_has_two_bytes_in_front_and_the_long_one_four() -> None:
    assert Piece(2, 31, 9, b"d").encode() == bytes([2 << 5 | 30, 9]) + b"d"
    assert Piece(2, 40, 9, b"d", 1).encode() == bytes([2 << 5 | 31, 9, 1 << 3, 39]) + b"d"
    assert Piece(1, 2, 1, b"d", tag=b"ta").encode() == bytes([1 << 5 | 1, 1]) + b"tad"
    assert Note(Saying.NEED, 2, 3, 4, b"q", b"ta").encode() == bytes([2, 3, 4]) + b"taq"


def test_a_long_body_is_coded_in_groups_that_differ_by_one_at_most() -> None:
    for k in range(32, MOST_PIECES + 1):
        sizes = [group_size(k, group) for group in range(groups_of(k))]
        assert sum(sizes) == k
        assert max(sizes) <= LARGEST_GROUP
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("body", "room"), [(b"", 2), (bytes(5000), 6), (bytes(100), -3)])
def test_a_body_that_cannot_be_cut_is_an_error_of_ours(body: bytes, room: int) -> None:
    with pytest.raises(PieceError):
        Source(1, body, room)


@pytest.mark.parametrize(
    "bad",
    [
        Piece(0, 1, 0, b"a"),
        Piece(8, 1, 0, b"a"),
        Piece(1, 0, 0, b"a"),
        Piece(1, MOST_PIECES + 1, 0, b"a"),
        Piece(1, 40, 0, b"a", 2),
        Piece(1, 1, 256, b"a"),
        Piece(1, 1, 0, b""),
        Note(Saying.NEED, 8),
        Note(Saying.NEED, 1, 256),
        Note(Saying.NEED, 1, 0, -1),
    ],
)
def test_what_has_no_encoding_is_an_error_of_ours(bad: Part) -> None:
    with pytest.raises(PieceError):
        bad.encode()


@pytest.mark.parametrize("padded", [b"", b"\0\0", b"abc", b"abc\0"])
def test_padding_begins_with_its_mark(padded: bytes) -> None:
    with pytest.raises(PieceError):
        joined([padded])


def test_zeros_at_the_end_of_a_body_are_part_of_it() -> None:
    assert joined([b"a\0\0\x80", b"\0\0\0\0"]) == b"a\0\0"


def test_a_quotation_names_the_piece_and_depends_on_its_bytes() -> None:
    one, other = Piece(2, 4, 5, b"abc"), Piece(2, 4, 5, b"abd")
    assert one.quotation()[:2] == bytes([0, 5])
    assert one.quotation() != other.quotation()
