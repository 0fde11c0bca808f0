from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.records import (
    CiphertextRecord,
    MalformedRecord,
    PlaintextRecord,
    RawRecord13,
    SealedRecord,
    split13,
)
from handshake_over_coap.records.dtls13 import MAX_CIPHERTEXT, reconstruct

CLEAR = st.builds(
    PlaintextRecord,
    st.sampled_from([20, 21, 22, 26]),
    st.integers(0, 2**48 - 1),
    st.binary(max_size=60),
)
CID = b"\xc1\xd2"


@st.composite
def ciphertexts(draw: st.DrawFn, *, length: bool = True, cid: bytes = b"") -> CiphertextRecord:
    """A record with the usual parts of a header, its length written or not."""
    long_number = draw(st.booleans())
    ciphertext = draw(st.binary(max_size=60))
    first = 0x20 | (0x10 if cid else 0) | 0x08 * long_number | 0x04 * length
    header = bytes((first | draw(st.integers(0, 3)),)) + cid
    header += draw(st.binary(min_size=1 + long_number, max_size=1 + long_number))
    header += len(ciphertext).to_bytes(2, "big") if length else b""
    return CiphertextRecord(header, ciphertext, cid)


def joined(records: list[RawRecord13]) -> bytes:
    return b"".join(record.to_bytes() for record in records)


@pytest.mark.parametrize(
    ("wire", "cid_length", "header", "bits", "epoch_bits", "has_length"),
    [
        ("2042aabb", 0, "2042", 8, 0, False),  # the minimal header of RFC 9147, figure 4
        ("3fc1d242430002aabb", 2, "3fc1d242430002", 16, 3, True),  # the full one
        ("2a4243aabb", 0, "2a4243", 16, 2, False),
        ("25420002aabb", 0, "25420002", 8, 1, True),
        ("32c142aabb", 1, "32c142", 8, 2, False),
        ("2e42430002aabb", 2, "2e42430002", 16, 2, True),  # no C bit: no connection ID
    ],
)
def test_the_unified_header_is_laid_out_as_in_rfc_9147(
    wire: str, cid_length: int, header: str, bits: int, epoch_bits: int, has_length: bool
) -> None:
    (record,) = split13(bytes.fromhex(wire), cid_length)
    assert isinstance(record, CiphertextRecord)
    assert record.header.hex() == header
    assert record.ciphertext.hex() == "aabb"
    assert record.sequence_bits == bits
    assert record.epoch_bits == epoch_bits
    assert record.has_length is has_length
    has_cid = bool(record.header[0] & 0x10)
    assert record.cid == (record.header[1 : 1 + cid_length] if has_cid else b"")
    number = record.header[record.number_offset :][: bits // 8]
    assert number.hex() == "4243"[: bits // 4]
    assert CiphertextRecord.from_bytes(bytes.fromhex(wire), cid_length) == record


@given(
    st.lists(CLEAR | ciphertexts(), min_size=1, max_size=5), st.none() | ciphertexts(length=False)
)
def test_records_of_one_datagram_come_back_in_order(
    records: list[RawRecord13], last: CiphertextRecord | None
) -> None:
    everything = [*records, *([] if last is None else [last])]
    assert list(split13(joined(everything))) == everything


@given(st.lists(CLEAR | ciphertexts(cid=CID), min_size=1, max_size=5))
def test_records_with_a_connection_id_come_back(records: list[RawRecord13]) -> None:
    assert list(split13(joined(records), len(CID))) == records


def test_one_connection_id_serves_the_rest_of_the_datagram() -> None:
    datagram = bytes.fromhex("3ec1d200010001aa2e00020001bb")
    first, second = split13(datagram, 2)
    assert isinstance(first, CiphertextRecord)
    assert isinstance(second, CiphertextRecord)
    assert first.cid == second.cid == CID
    assert second.number_offset == 1
    assert first.to_bytes() + second.to_bytes() == datagram


def test_another_connection_id_in_the_same_datagram_discards_the_rest() -> None:
    datagram = bytes.fromhex("3ec1d200010001aa3ec1d300020001bb3ec1d200030001cc")
    records = split13(datagram, 2)
    next(records)
    with pytest.raises(MalformedRecord):
        next(records)


def test_the_version_of_a_record_in_the_clear_is_not_looked_at() -> None:
    (record,) = split13(bytes.fromhex("16030100000000000000070001aa"))
    assert record == PlaintextRecord(22, 7, b"\xaa")


@pytest.mark.parametrize(
    "data",
    [
        "",
        "2e",
        "2e00",
        "2e000000",  # half a length
        "2e00000001",  # ciphertext missing
        "2e0000000200",
        "20",
        "28ff",
        "30c1d200" + "00" * 16,  # a connection ID that was not agreed on
        "17fefd00000000000000000000",  # application data in the clear
        "18fefd00000000000000000000",  # heartbeat
        "19fefd00010000000000000000",  # record of 1.2 with a connection ID
        "40" + "00" * 30,  # CoAP
        "1f" + "00" * 30,
        "16fefd00010000000000000000",  # sealed record of 1.2
        "16fefd000000000000000000",  # a byte short
        "16fefd00000000000000000001",  # fragment missing
        "16fefd00000000000000004001" + "00" * 0x4001,
    ],
)
def test_what_is_no_record_of_dtls_13_is_malformed(data: str) -> None:
    with pytest.raises(MalformedRecord) as caught:
        list(split13(bytes.fromhex(data)))
    assert caught.value.reason == "malformed"
    with pytest.raises(MalformedRecord):
        CiphertextRecord.from_bytes(bytes.fromhex(data))


@pytest.mark.parametrize("wire", ["3ec1d200010000", "3ec1d20001", "3ec1d2", "3ec1"])
def test_a_header_cut_short_is_malformed(wire: str) -> None:
    data = bytes.fromhex(wire)
    for cut in range(len(data)):
        with pytest.raises(MalformedRecord):
            list(split13(data[:cut], 2))


def test_a_ciphertext_over_the_limit_is_refused() -> None:
    for header, extra in ((b"\x20\0", b""), (b"\x24\0", b"\x41\x00")):
        longest = header + extra + bytes(MAX_CIPHERTEXT)
        (record,) = split13(longest)
        assert isinstance(record, CiphertextRecord)
        assert len(record.ciphertext) == MAX_CIPHERTEXT == 0x4100
    for longer in (b"\x20\0" + bytes(0x4101), b"\x24\0\x41\x01" + bytes(0x4101)):
        with pytest.raises(MalformedRecord):
            list(split13(longer))


def test_from_bytes_takes_exactly_one_protected_record() -> None:
    one = bytes.fromhex("2e00010001aa")
    assert CiphertextRecord.from_bytes(one).to_bytes() == one
    for data in (one + one, one + b"\0", one[:-1], PlaintextRecord(22, 0, b"x").to_bytes()):
        with pytest.raises(MalformedRecord):
            CiphertextRecord.from_bytes(data)
    sealed = SealedRecord(23, 1, 0, b"x").to_bytes()
    with pytest.raises(MalformedRecord):
        CiphertextRecord.from_bytes(sealed)


@given(st.binary(max_size=100), st.integers(0, 4))
def test_garbage_is_malformed_or_divides_without_loss(data: bytes, cid_length: int) -> None:
    read = b""
    try:
        for record in split13(data, cid_length):
            if isinstance(record, PlaintextRecord):
                read += data[len(read) : len(read) + 13] + record.fragment
            else:
                read += record.to_bytes()
    except MalformedRecord:
        assert data.startswith(read)
    else:
        assert read == data


@given(st.lists(CLEAR | ciphertexts(cid=CID), min_size=1, max_size=4), st.data())
def test_mutated_datagrams_raise_nothing_but_malformed(
    records: list[RawRecord13], data: st.DataObject
) -> None:
    datagram = bytearray(joined(records))
    for _ in range(data.draw(st.integers(1, 3))):
        datagram[data.draw(st.integers(0, len(datagram) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(datagram[: data.draw(st.integers(0, len(datagram)))])
    seen = 0
    try:
        for record in split13(cut, len(CID)):
            seen += len(record.to_bytes())
    except MalformedRecord:
        assert seen <= len(cut)
    else:
        assert seen == len(cut)


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_reconstruction_finds_the_nearest_number_in_the_small(bits: int) -> None:
    span = 1 << bits
    for expected in range(6 * span):
        for low in range(span):
            found = reconstruct(low, bits, expected)
            nearest = min(
                range(low, expected + 2 * span, span),
                key=lambda number: (abs(number - expected), -number),
            )
            assert found == nearest, (low, bits, expected)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_number_is_found_from_as_far_as_half_its_span(bits: int) -> None:
    half = 1 << bits - 1
    for expected in (0, 1, half - 1, half, half + 1, 3 * half, 2**32 + 5, 2**64 - 1):
        for distance in (-half + 1, -half // 2, -1, 0, 1, half - 1, half):
            number = expected + distance
            if 0 <= number < 2**64:
                assert reconstruct(number & (1 << bits) - 1, bits, expected) == number


def test_no_number_is_found_past_64_bits() -> None:
    assert reconstruct(0, 8, 2**64 - 1) == 2**64 - 256
    assert reconstruct(0, 16, 2**64) == 2**64 - 2**16


@given(st.integers(0, 2**64), st.sampled_from([8, 16]), st.data())
def test_reconstruction_stays_within_64_bits(expected: int, bits: int, data: st.DataObject) -> None:
    low = data.draw(st.integers(0, (1 << bits) - 1))
    number = reconstruct(low, bits, expected)
    assert 0 <= number < 2**64
    assert number & (1 << bits) - 1 == low
    assert abs(number - expected) <= 1 << bits
