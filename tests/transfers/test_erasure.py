"""The erasure code, with zfec (the library that most people use) as its judge."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
import zfec
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.transfers.erasure import (
    LARGEST_GROUP,
    NUMBERS,
    ErasureError,
    piece,
    restore,
)


def _source(k: int, length: int, seed: int = 1) -> list[bytes]:
    rng = random.Random(f"{seed}/{k}/{length}")
    return [rng.randbytes(length) for _ in range(k)]


@pytest.mark.parametrize("k", [*range(1, 12), 16, 31, LARGEST_GROUP])
def test_every_piece_is_that_of_zfec(k: int) -> None:
    source = _source(k, 7)
    theirs = zfec.Encoder(k, NUMBERS).encode(source)
    assert [piece(source, number) for number in range(NUMBERS)] == theirs


@given(st.integers(1, LARGEST_GROUP), st.integers(1, 60), st.randoms(use_true_random=False))
def test_any_k_pieces_restore_the_source_as_zfec_does(
    k: int, length: int, rng: random.Random
) -> None:
    source = [rng.randbytes(length) for _ in range(k)]
    numbers = rng.sample(range(NUMBERS), k)
    had = [piece(source, number) for number in numbers]
    assert restore(k, dict(zip(numbers, had, strict=True))) == source
    assert zfec.Decoder(k, NUMBERS).decode(had, numbers) == source


def test_each_choice_of_four_among_nine_restores() -> None:
    source = _source(4, 48)
    pieces = {number: piece(source, number) for number in (0, 1, 2, 3, 4, 5, 6, 200, 255)}
    for chosen in combinations(pieces, 4):
        assert restore(4, {number: pieces[number] for number in chosen}) == source


def test_more_pieces_than_needed_do_no_harm() -> None:
    source = _source(3, 10)
    assert restore(3, {n: piece(source, n) for n in (9, 1, 8, 0, 7)}) == source


def test_leading_zeros_survive() -> None:
    source = [b"\0\0\1", b"\0\0\0", b"\0\xff\0"]
    assert restore(3, {n: piece(source, n) for n in (5, 6, 7)}) == source


@pytest.mark.parametrize(
    ("k", "pieces"),
    [
        (2, {0: b"a"}),
        (2, {0: b"a", 1: b"ab"}),
        (0, {}),
        (33, dict.fromkeys(range(33), b"a")),
        (2, {0: b"a", 256: b"b"}),
        (2, {-1: b"a", 1: b"b"}),
    ],
)
def test_what_cannot_be_combined_is_an_error_of_ours(k: int, pieces: dict[int, bytes]) -> None:
    with pytest.raises(ErasureError):
        restore(k, pieces)


@pytest.mark.parametrize(
    ("source", "number"), [([], 0), ([b"a"] * 33, 0), ([b"a"], 256), ([b"a"], -1), ([b"a", b""], 3)]
)
def test_what_cannot_be_coded_is_an_error_of_ours(source: list[bytes], number: int) -> None:
    with pytest.raises(ErasureError):
        piece(source, number)
