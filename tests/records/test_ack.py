from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records import Ack, RecordNumber
from handshake_over_coap.records.ack import MAX_RECORD_NUMBERS
from handshake_over_coap.tls.alerts import DecodeError

UINT64 = st.integers(0, 2**64 - 1)
NUMBERS = st.builds(RecordNumber, UINT64 | st.integers(0, 5), UINT64 | st.integers(0, 5))
ACKS = st.builds(Ack, st.lists(NUMBERS, max_size=20).map(tuple))


def test_an_ack_is_laid_out_as_in_rfc_9147_section_7() -> None:
    ack = Ack((RecordNumber(2, 0x0102), RecordNumber(3, 4)))
    assert ack.encode().hex() == (
        "00200000000000000002000000000000010200000000000000030000000000000004"
    )


def test_an_empty_ack_is_two_bytes() -> None:
    assert Ack().encode() == b"\0\0"
    assert Ack.decode(b"\0\0") == Ack()


@given(ACKS)
def test_an_ack_survives_its_bytes(ack: Ack) -> None:
    assert Ack.decode(ack.encode()) == ack


@given(st.lists(NUMBERS, max_size=20))
def test_numbers_are_named_once_and_in_increasing_order(numbers: list[RecordNumber]) -> None:
    named = Ack.of(numbers).record_numbers
    assert set(named) == set(numbers)
    joined = [number.epoch << 64 | number.sequence_number for number in named]
    assert all(first < second for first, second in pairwise(joined))


@given(ACKS, st.data())
def test_a_mutated_ack_decodes_or_is_a_decode_error(ack: Ack, data: st.DataObject) -> None:
    mutated = bytearray(ack.encode())
    mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(mutated[: data.draw(st.integers(0, len(mutated)))])
    cut += data.draw(st.binary(max_size=3))
    try:
        decoded = Ack.decode(cut)
    except DecodeError:
        return
    assert decoded.encode() == cut


@pytest.mark.parametrize(
    "data", ["", "00", "0001", "000000", "000f" + 15 * "00", "0010" + 15 * "00"]
)
def test_what_is_no_list_of_record_numbers_is_a_decode_error(data: str) -> None:
    with pytest.raises(DecodeError):
        Ack.decode(bytes.fromhex(data))


def test_an_ack_fits_one_record() -> None:
    most = Ack(tuple(RecordNumber(3, number) for number in range(MAX_RECORD_NUMBERS)))
    encoded = most.encode()
    assert 2**14 - 16 < len(encoded) <= 2**14
    assert Ack.decode(encoded) == most
    one_more = Ack((*most.record_numbers, RecordNumber(3, MAX_RECORD_NUMBERS)))
    with pytest.raises(ConfigurationError):
        one_more.encode()
    longer = (len(encoded) + 14).to_bytes(2, "big") + encoded[2:] + bytes(16)
    with pytest.raises(DecodeError):
        Ack.decode(longer)


@pytest.mark.parametrize("number", [(-1, 0), (0, -1), (2**64, 0), (0, 2**64)])
def test_a_number_over_64_bits_is_not_encoded(number: tuple[int, int]) -> None:
    with pytest.raises(ConfigurationError):
        Ack((RecordNumber(*number),)).encode()
