from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records import (
    MalformedRecord,
    PlaintextRecord,
    RawRecord,
    SealedRecord,
    split_datagram,
)
from handshake_over_coap.records.dtls12 import MAX_FRAGMENT, MAX_PLAINTEXT

CONTENT_TYPES = st.sampled_from([20, 21, 22, 23])
NUMBERS = st.integers(0, 2**48 - 1)
PLAINTEXT = st.builds(PlaintextRecord, CONTENT_TYPES, NUMBERS, st.binary(max_size=100))
SEALED = st.builds(
    SealedRecord, CONTENT_TYPES, st.integers(1, 0xFFFF), NUMBERS, st.binary(max_size=100)
)
RECORDS = st.lists(PLAINTEXT | SEALED, min_size=1, max_size=5)


def joined(records: list[RawRecord]) -> bytes:
    return b"".join(record.to_bytes() for record in records)


def test_header_is_laid_out_as_in_rfc_6347() -> None:
    record = SealedRecord(23, 0x0102, 0x030405060708, b"\xaa\xbb")
    assert record.to_bytes().hex() == "17fefd01020304050607080002aabb"
    plain = PlaintextRecord(22, 7, b"\xcc")
    assert plain.to_bytes().hex() == "16fefd00000000000000070001cc"


@given(RECORDS)
def test_records_of_one_datagram_come_back_in_order(records: list[RawRecord]) -> None:
    assert list(split_datagram(joined(records))) == records


@given(SEALED)
def test_a_sealed_record_survives_its_bytes(record: SealedRecord) -> None:
    assert SealedRecord.from_bytes(record.to_bytes()) == record


@given(st.binary(max_size=200))
def test_garbage_is_malformed_or_a_record(data: bytes) -> None:
    try:
        records = list(split_datagram(data))
    except MalformedRecord:
        return
    assert b"".join(r.to_bytes()[13:] for r in records) in data


@given(RECORDS, st.data())
def test_mutated_datagrams_raise_nothing_else(
    records: list[RawRecord], data: st.DataObject
) -> None:
    datagram = bytearray(joined(records))
    for _ in range(data.draw(st.integers(1, 3))):
        datagram[data.draw(st.integers(0, len(datagram) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(datagram)))
    seen = 0
    try:
        for record in split_datagram(bytes(datagram[:cut])):
            seen += 13 + len(record.fragment)
    except MalformedRecord:
        assert seen <= cut
    else:
        assert seen == cut


def test_records_before_the_malformed_one_are_good() -> None:
    first, second = PlaintextRecord(22, 0, b"one"), SealedRecord(23, 1, 5, b"two")
    records = split_datagram(first.to_bytes() + second.to_bytes() + b"\x17\xfe")
    assert next(records) == first
    assert next(records) == second
    with pytest.raises(MalformedRecord):
        next(records)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "16fefd000000000000000000",  # a byte short
        "13fefd00000000000000000000",  # type 19
        "18fefd00000000000000000000",  # heartbeat
        "19fefd00010000000000000000",  # a connection ID of unknown length
        "16fefc00000000000000000000",  # version of DTLS 1.3
        "160303000000000000000000000",  # TLS
        "17feff00010000000000000000",  # DTLS 1.0 after epoch 0
        "16fefd00000000000000000001",  # fragment missing
    ],
)
def test_what_is_no_record_of_dtls_12_is_malformed(header: str) -> None:
    data = bytes.fromhex(header[: len(header) // 2 * 2])
    with pytest.raises(MalformedRecord) as caught:
        list(split_datagram(data))
    assert caught.value.reason == "malformed"


def test_a_hello_may_carry_the_version_of_dtls_10() -> None:
    (record,) = split_datagram(bytes.fromhex("16feff0000000000000000000101"))
    assert record == PlaintextRecord(22, 0, b"\x01")


@pytest.mark.parametrize(("epoch", "limit"), [(0, MAX_PLAINTEXT), (1, MAX_FRAGMENT)])
def test_a_record_over_the_limit_is_refused(epoch: int, limit: int) -> None:
    def datagram(length: int) -> bytes:
        header = b"\x17\xfe\xfd" + epoch.to_bytes(2, "big") + bytes(6)
        return header + length.to_bytes(2, "big") + bytes(length)

    (record,) = split_datagram(datagram(limit))
    assert len(record.fragment) == limit
    with pytest.raises(MalformedRecord):
        list(split_datagram(datagram(limit + 1)))


@pytest.mark.parametrize(
    "record",
    [
        SealedRecord(23, 0, 0, b""),
        SealedRecord(23, 0x10000, 0, b""),
        SealedRecord(23, 1, 1 << 48, b""),
        SealedRecord(23, 1, -1, b""),
        SealedRecord(256, 1, 0, b""),
        SealedRecord(23, 1, 0, bytes(MAX_FRAGMENT + 1)),
        PlaintextRecord(22, 0, bytes(MAX_PLAINTEXT + 1)),
    ],
)
def test_what_has_no_encoding_is_not_encoded(record: RawRecord) -> None:
    with pytest.raises(ConfigurationError):
        record.to_bytes()


def test_from_bytes_takes_exactly_one_sealed_record() -> None:
    one = SealedRecord(23, 1, 0, b"x").to_bytes()
    for data in (one + b"\x00", one + one, one[:-1], PlaintextRecord(23, 0, b"x").to_bytes()):
        with pytest.raises(MalformedRecord):
            SealedRecord.from_bytes(data)
