"""Reports of missing blocks: application/missing-blocks+cbor-seq."""

from __future__ import annotations

import io

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.transfers.missing_blocks import (
    MOST_BLOCKS,
    BadReport,
    decode_missing,
    encode_missing,
)

NUMBERS = st.lists(st.integers(0, MOST_BLOCKS - 1), min_size=1, max_size=40, unique=True).map(
    sorted
)


@given(NUMBERS)
def test_what_is_encoded_decodes_to_the_same(numbers: list[int]) -> None:
    assert list(decode_missing(encode_missing(numbers, 1000), 100)) == numbers


@given(NUMBERS)
def test_cbor2_reads_and_writes_the_same_bytes(numbers: list[int]) -> None:
    report = encode_missing(numbers, 1000)
    decoder = cbor2.CBORDecoder(io.BytesIO(report))
    assert [decoder.decode() for _ in numbers] == numbers
    assert report == b"".join(map(cbor2.dumps, numbers))


@given(NUMBERS, st.integers(0, 30))
def test_a_report_has_as_many_numbers_as_there_is_room_for(numbers: list[int], room: int) -> None:
    report = encode_missing(numbers, room)
    assert len(report) <= room
    if report:
        assert list(decode_missing(report, 100)) == numbers[: len(decode_missing(report, 100))]


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(report: bytes) -> None:
    try:
        numbers = decode_missing(report, 20)
    except BadReport:
        return
    assert 1 <= len(numbers) <= 20
    assert list(numbers) == sorted(set(numbers))


@pytest.mark.parametrize(
    "report",
    [
        "",
        "0202",
        "0301",
        "1a00100000",
        "1bffffffffffffffff",
        "20",
        "4100",
        "80",
        "18",
        "1900",
        "1c",
    ],
)
def test_what_is_no_report_is_refused(report: str) -> None:
    with pytest.raises(BadReport):
        decode_missing(bytes.fromhex(report), 20)


def test_no_more_is_read_than_was_asked_for() -> None:
    assert decode_missing(b"\x01\x02\xff", 2) == (1, 2)
