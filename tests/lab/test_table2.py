"""Table 2 of the practical-issues draft, and the header compression it is about."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.example import carry
from handshake_over_coap.lab.parts import parts_of
from handshake_over_coap.lab.published import TABLE_2
from handshake_over_coap.lab.shc import FragmentHeader, RecordHeader
from handshake_over_coap.lab.table1 import UNEXPLAINED
from handshake_over_coap.lab.table2 import UNCUT, Row, compressed, reconstructed, rows
from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.wire import Reader

lengths = st.none() | st.integers(0, 0xFFFF)
records = st.builds(
    RecordHeader,
    content_type=st.sampled_from(list(ContentType)) | st.integers(0, 0xFF),
    version=st.sampled_from([0xFEFF, 0xFEFD]) | st.integers(0, 0xFFFF),
    epoch=st.integers(0, 0xFFFF),
    sequence_number=st.integers(0, (1 << 48) - 1),
    length=lengths,
)
fragments = st.builds(
    FragmentHeader,
    type=st.sampled_from(list(HandshakeType)) | st.integers(0, 0xFF),
    length=st.none() | st.integers(0, 0xFFFFFF),
    message_seq=st.integers(0, 0xFFFF),
    offset=st.integers(0, 0xFFFFFF),
    fragment_length=st.none() | st.integers(0, 0xFFFFFF),
)


@given(records, st.none() | records)
def test_a_compressed_record_header_reads_as_it_was(
    header: RecordHeader, before: RecordHeader | None
) -> None:
    reader = Reader(header.encode(before))
    assert RecordHeader.decode(reader, before) == header
    reader.done()


@given(fragments, st.none() | fragments)
def test_a_compressed_handshake_header_reads_as_it_was(
    header: FragmentHeader, before: FragmentHeader | None
) -> None:
    reader = Reader(header.encode(before))
    assert FragmentHeader.decode(reader, before) == header
    reader.done()


@given(st.binary(max_size=24))
def test_other_bytes_raise_nothing_but_decode_errors(data: bytes) -> None:
    for decode in (RecordHeader.decode, FragmentHeader.decode):
        with contextlib.suppress(DecodeError):
            decode(Reader(data))


def test_headers_have_the_bits_of_the_draft() -> None:
    record = RecordHeader(content_type=23, epoch=1, sequence_number=5)
    # 0 | T 11 | V 10 | E 001 | 110 | S 001 | L 11, then the sequence number
    assert record.encode() == bytes([0b0_11_10_001, 0b110_001_11, 5])
    after = RecordHeader(content_type=22, epoch=1, sequence_number=6, length=300)
    # S 111: one more than before; L 10: two bytes
    assert after.encode(record) == bytes([0b0_10_10_001, 0b110_111_10, 1, 44])
    finished = FragmentHeader(type=HandshakeType.finished, message_seq=3)
    # 00 | T 1111 | L 00 | S 0011 | O 00 | C 00
    assert finished.encode() == bytes([0b00_1111_00, 0b0011_00_00])
    piece = FragmentHeader(
        type=HandshakeType.certificate, length=94, message_seq=2, offset=40, fragment_length=30
    )
    assert piece.encode() == bytes([0b00_0111_01, 0b0010_01_01, 94, 40, 30])


@pytest.mark.parametrize(
    "header",
    [
        RecordHeader(content_type=22, epoch=0, sequence_number=1 << 48),
        RecordHeader(content_type=22, epoch=-1, sequence_number=0),
        RecordHeader(content_type=256, epoch=0, sequence_number=0),
        FragmentHeader(type=1, message_seq=1 << 16),
        FragmentHeader(type=1, message_seq=0, offset=1 << 24),
    ],
)
def test_what_does_not_fit_a_header_is_refused(header: RecordHeader | FragmentHeader) -> None:
    with pytest.raises(ConfigurationError):
        header.encode(None)


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row.limit))
def test_every_difference_has_a_budget_that_sums_to_it(row: Row) -> None:
    assert row.published == TABLE_2[row.limit]
    assert sum(row.budget.values()) == row.published.bytes - row.ours.bytes
    assert 0 not in row.budget.values()


def test_the_reconstruction_of_table_1_comes_close_to_table_2_too() -> None:
    missed = {
        limit: published.bytes - reconstructed(limit).bytes
        for limit, published in TABLE_2.items()
        if limit != UNCUT
    }
    # At 60 table 1 has 28 bytes more than the reconstruction: something else was carried there.
    assert {limit for limit, bytes_ in missed.items() if abs(bytes_) > 9} == {60}
    assert missed[60] > 20
    assert all(
        abs(reconstructed(limit).datagrams - published.datagrams) <= 1
        for limit, published in TABLE_2.items()
    )


@pytest.mark.parametrize("limit", TABLE_2)
def test_compression_only_takes_headers_away(limit: int) -> None:
    plain, small = parts_of(carry(limit)), compressed(limit)
    assert small.bodies == plain.bodies
    assert small.total.bytes < plain.total.bytes
    assert small.datagrams <= plain.datagrams


def test_where_nothing_is_cut_every_header_is_as_short_as_it_can_be() -> None:
    parts, plain = compressed(UNCUT), parts_of(carry(UNCUT))
    assert parts.handshake_headers == 2 * plain.fragments
    assert parts.sealing == plain.by_name()["nonces and tags"]
    assert parts.record_headers >= 2 * plain.records
    row = rows()[-1]
    assert row.budget == {UNEXPLAINED: row.published.bytes - row.ours.bytes}
