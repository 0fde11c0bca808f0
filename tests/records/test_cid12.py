"""Connection IDs in DTLS 1.2 (RFC 9146)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError, DatagramTooLarge
from handshake_over_coap.records import (
    ForgedRecord,
    MalformedRecord,
    NumbersExhausted,
    Opener,
    PlaintextRecord,
    RecordDropped,
    ReplayedRecord,
    SealedRecord,
    Sealer,
    UnknownConnectionId,
    WrongEpoch,
    split_datagram,
)
from handshake_over_coap.records.dtls12 import MAX_FRAGMENT
from handshake_over_coap.records.sealer import cid_additional_data
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.schedule12 import connection_keys
from handshake_over_coap.tls.suites import AES_128_CCM_8, AES_128_GCM, AeadAlgorithm
from handshake_over_coap.trace import (
    Capture,
    DatagramSeen,
    Direction,
    KeyLogLabel,
    key_log_line,
)

KEY = bytes(range(16))
IV = b"\xf0\xf1\xf2\xf3"
CID = b"\xc1\xd2\xe3"
ALGORITHMS = pytest.mark.parametrize("aead", [AES_128_CCM_8, AES_128_GCM], ids=lambda a: a.name)
RECORDS = st.builds(
    SealedRecord,
    st.just(25),
    st.integers(1, 0xFFFF),
    st.integers(0, 2**48 - 1),
    st.binary(max_size=60),
    st.just(CID),
)


def keys(aead: AeadAlgorithm = AES_128_CCM_8, epoch: int = 1) -> TrafficKeys:
    return TrafficKeys(epoch, aead, KEY, IV)


def sealed_inner(inner: bytes, cid: bytes = CID) -> SealedRecord:
    """A genuine record 0 of epoch 1 around any inner plaintext."""
    number = (1 << 48).to_bytes(8, "big")
    additional = cid_additional_data(cid)(1 << 48, len(inner))
    ciphertext = AESCCM(KEY, tag_length=8).encrypt(IV + number, inner, additional)
    return SealedRecord(25, 1, 0, number + ciphertext, cid)


def test_the_header_is_that_of_a_record_of_mbed_tls() -> None:
    # From the tests of kotlin-mbedtls: the first record after a handshake of Mbed TLS.
    wire = bytes.fromhex(
        "19fefd0001000000000001 db04684e33424e42801f0e38023d2438 0028"
        "0001000000000001 a7eddd3aa34f5164499ca1fcaede85f9e77036ad66c2affb2ae9c97c5a78adb9"
    )
    (record,) = split_datagram(wire, 16)
    assert isinstance(record, SealedRecord)
    assert (record.content_type, record.epoch, record.sequence_number) == (25, 1, 1)
    assert record.cid.hex() == "db04684e33424e42801f0e38023d2438"
    assert len(record.fragment) == 0x28
    assert record.to_bytes() == wire
    assert SealedRecord.from_bytes(wire, 16) == record


def test_additional_data_are_those_that_pion_composes() -> None:
    # From the tests of pion/dtls: epoch 2, number 277, 1784 bytes of inner plaintext.
    expected = bytes(8 * [255] + [25, 8, 25, 254, 253, 0, 2, 0, 0, 0, 0, 1, 21])
    expected += bytes([1, 2, 3, 4, 5, 6, 7, 8, 6, 248])
    assert cid_additional_data(bytes(range(1, 9)))(2 << 48 | 277, 1784) == expected


def by_the_book(
    aead: AeadAlgorithm, content_type: int, number: int, cid: bytes, content: bytes, padding: int
) -> bytes:
    """A record of epoch 1 as RFC 9146 sections 4 and 5.3 compose it, from the primitives alone."""
    inner = content + bytes((content_type,)) + bytes(padding)
    seq_num = b"\0\1" + number.to_bytes(6, "big")
    additional = b"\xff" * 8 + b"\x19" + bytes((len(cid),)) + b"\x19\xfe\xfd" + seq_num + cid
    additional += len(inner).to_bytes(2, "big")
    cipher = AESGCM(KEY) if aead is AES_128_GCM else AESCCM(KEY, tag_length=8)
    fragment = seq_num + cipher.encrypt(IV + seq_num, inner, additional)
    return b"\x19\xfe\xfd" + seq_num + cid + len(fragment).to_bytes(2, "big") + fragment


@ALGORITHMS
@given(
    content_type=st.sampled_from([21, 22, 23]),
    number=st.integers(0, 2**48 - 1),
    cid=st.binary(min_size=1, max_size=255),
    content=st.binary(max_size=300),
    padding=st.integers(0, 20),
)
def test_a_record_with_a_connection_id_is_composed_by_the_book(
    aead: AeadAlgorithm, content_type: int, number: int, cid: bytes, content: bytes, padding: int
) -> None:
    expected = by_the_book(aead, content_type, number, cid, content, padding)
    sealer = Sealer(keys(aead), cid=cid, next_sequence_number=number)
    assert sealer.seal_datagram(content_type, content, padding=padding) == expected
    assert len(expected) == len(content) + padding + sealer.overhead
    record = Sealer(keys(aead), cid=cid, next_sequence_number=number).seal(
        content_type, content, padding=padding
    )
    assert record == SealedRecord.from_bytes(expected, len(cid))
    assert record.to_bytes() == expected
    for in_body in (False, True):
        opener = Opener(keys(aead), cid=cid)
        assert opener.open_content(record, in_body=in_body) == (content_type, content)
    assert Opener(keys(aead), cid=cid).open_datagram(expected) == (content_type, content)


@given(st.lists(RECORDS, min_size=1, max_size=4))
def test_records_with_connection_ids_of_one_datagram_come_back(records: list[SealedRecord]) -> None:
    datagram = b"".join(record.to_bytes() for record in records)
    assert list(split_datagram(datagram, len(CID))) == records


def test_records_with_and_without_a_connection_id_share_a_datagram() -> None:
    change = PlaintextRecord(20, 3, b"\x01")
    finished = Sealer(keys(), cid=CID).seal(22, b"finished")
    records = list(split_datagram(change.to_bytes() + finished.to_bytes(), len(CID)))
    assert records == [change, finished]


def test_where_no_connection_id_was_agreed_on_type_25_is_malformed() -> None:
    data = Sealer(keys(), cid=CID).seal_datagram(23, b"data")
    assert Opener(keys()).open_datagram(data) is None
    with pytest.raises(MalformedRecord):
        list(split_datagram(data))


def test_a_record_without_the_connection_id_is_dropped() -> None:
    opener = Opener(keys(), cid=CID)
    good = Sealer(keys(), cid=CID).seal(23, b"data")
    for cid in (b"", b"\xc1\xd2\xe4"):
        other = Sealer(keys(), cid=cid).seal(23, b"data")
        for open_ in (opener.open, opener.open_in_body, opener.open_content):
            with pytest.raises(UnknownConnectionId):
                open_(other)
        with pytest.raises(RecordDropped):
            assert opener.open_datagram(other.to_bytes()) is None
            for record in split_datagram(other.to_bytes(), len(CID)):
                assert isinstance(record, SealedRecord)
                opener.open(record)
    assert opener.forgeries == 0
    assert opener.open(good) == b"data"


def test_a_datagram_of_several_records_with_connection_ids_is_left_to_the_splitter() -> None:
    sealer, opener = Sealer(keys(), cid=CID), Opener(keys(), cid=CID)
    one, two = sealer.seal_datagram(23, b"1"), sealer.seal_datagram(23, b"2")
    for data in (b"", one[:20], one[:-1], one + two):
        assert opener.open_datagram(data) is None
    assert opener.forgeries == 0
    assert opener.open_datagram(one) == (23, b"1")


def test_an_overlong_fragment_with_a_connection_id_is_malformed() -> None:
    header = b"\x19\xfe\xfd\x00\x01" + bytes(6) + CID
    longest = header + MAX_FRAGMENT.to_bytes(2, "big") + bytes(MAX_FRAGMENT)
    (record,) = split_datagram(longest, len(CID))
    assert len(record.fragment) == MAX_FRAGMENT
    longer = header + (MAX_FRAGMENT + 1).to_bytes(2, "big") + bytes(MAX_FRAGMENT + 1)
    with pytest.raises(MalformedRecord):
        list(split_datagram(longer, len(CID)))


def test_a_record_with_a_connection_id_opens_once() -> None:
    record = Sealer(keys(), cid=CID).seal(23, b"once")
    opener = Opener(keys(), cid=CID)
    assert opener.open_content(record) == (23, b"once")
    with pytest.raises(ReplayedRecord):
        opener.open_content(record)
    with pytest.raises(ReplayedRecord):
        opener.open_datagram(record.to_bytes())


def test_another_epoch_is_dropped_with_a_connection_id_too() -> None:
    record = Sealer(keys(epoch=2), cid=CID).seal(23, b"data")
    opener = Opener(keys(), cid=CID)
    with pytest.raises(WrongEpoch):
        opener.open_content(record)
    assert opener.open_datagram(record.to_bytes()) is None


@pytest.mark.parametrize("inner", ["", "00", "000000", "6162" + "14", "6162" + "19", "61621a00"])
def test_an_inner_plaintext_that_makes_no_sense_is_dropped(inner: str) -> None:
    with pytest.raises(MalformedRecord):
        Opener(keys(), cid=CID).open_content(sealed_inner(bytes.fromhex(inner)))


def test_zeros_of_the_content_stay_and_padding_goes() -> None:
    record = sealed_inner(b"\0a\0" + b"\x17" + bytes(5))
    assert Opener(keys(), cid=CID).open_content(record) == (23, b"\0a\0")


@given(record=RECORDS, data=st.data())
def test_mutated_records_with_a_connection_id_are_dropped(
    record: SealedRecord, data: st.DataObject
) -> None:
    good = bytearray(Sealer(keys(), cid=CID).seal_datagram(23, record.fragment))
    position = data.draw(st.integers(0, len(good) - 1))
    good[position] ^= data.draw(st.integers(1, 255))
    cut = bytes(good[: data.draw(st.integers(position + 1, len(good)))])
    opener = Opener(keys(), cid=CID)
    with pytest.raises(RecordDropped):
        assert opener.open_datagram(cut) is None
        for each in split_datagram(cut, len(CID)):
            if isinstance(each, PlaintextRecord):
                raise RecordDropped("in the clear now: never opened")
            opener.open_content(each)
    assert opener.highest == -1


def test_a_header_with_a_connection_id_cut_short_is_malformed() -> None:
    data = Sealer(keys(), cid=CID).seal_datagram(23, b"data")
    for cut in range(len(data)):
        with pytest.raises(MalformedRecord):
            list(split_datagram(data[:cut], len(CID)))


@pytest.mark.parametrize(
    "header", ["19feff0001", "19fefd0000", "19fefc0001"], ids=["version 1.0", "epoch 0", "1.3"]
)
def test_type_25_is_of_dtls_12_and_sealed(header: str) -> None:
    with pytest.raises(MalformedRecord):
        list(split_datagram(bytes.fromhex(header) + bytes(6) + CID + b"\0\0", len(CID)))


def test_a_forged_record_with_a_connection_id_counts() -> None:
    opener = Opener(keys(), cid=CID)
    with pytest.raises(ForgedRecord):
        opener.open(SealedRecord(25, 1, 0, bytes(40), CID))
    assert opener.forgeries == 1


@pytest.mark.parametrize(
    "record",
    [
        SealedRecord(25, 1, 0, b"x"),
        SealedRecord(23, 1, 0, b"x", CID),
        SealedRecord(25, 1, 0, b"x", bytes(256)),
        SealedRecord(25, 0, 0, b"x", CID),
    ],
)
def test_what_has_no_encoding_with_a_connection_id_is_not_encoded(record: SealedRecord) -> None:
    with pytest.raises(ConfigurationError):
        record.to_bytes()


def test_a_connection_id_takes_from_what_a_record_holds() -> None:
    for limit, longest in ((None, 2**14 - 1), (64, 63)):
        sealer = Sealer(keys(), cid=CID, record_limit=limit)
        assert sealer.max_plaintext == longest
        largest = sealer.seal(23, bytes(longest))
        assert Opener(keys(), cid=CID).open(largest) == bytes(longest)
        with pytest.raises(DatagramTooLarge) as caught:
            sealer.seal(23, bytes(longest + 1))
        assert caught.value.limit == longest
        assert sealer.next_sequence_number == 1


def test_a_record_size_limit_is_kept_without_a_connection_id() -> None:
    sealer, opener = Sealer(keys(), record_limit=64), Opener(keys(), record_limit=64)
    assert sealer.max_plaintext == 64
    assert opener.open(sealer.seal(23, bytes(64))) == bytes(64)
    with pytest.raises(DatagramTooLarge):
        sealer.seal(23, bytes(65))
    unlimited = Sealer(keys(), next_sequence_number=1)
    for open_ in (opener.open, opener.open_in_body):
        with pytest.raises(MalformedRecord):
            open_(unlimited.seal(23, bytes(65)))
    with pytest.raises(MalformedRecord):
        opener.open_datagram(unlimited.seal_datagram(23, bytes(65)))


def test_the_numbers_of_an_epoch_end_with_a_connection_id_too() -> None:
    sealer = Sealer(keys(), cid=CID, next_sequence_number=2**48 - 1)
    sealer.seal_datagram(23, b"last")
    with pytest.raises(NumbersExhausted):
        sealer.seal_datagram(23, b"one too many")


def test_arguments_of_no_use_are_refused() -> None:
    for make in (
        lambda: Sealer(keys(), cid=bytes(256)),
        lambda: Opener(keys(), cid=bytes(256)),
        lambda: Sealer(keys(), record_limit=63),
        lambda: Sealer(keys()).seal(23, b"data", padding=1),
        lambda: Sealer(keys(), cid=CID).seal(20, b"\x01"),
    ):
        with pytest.raises(ConfigurationError):
            make()


CLIENT_CID, SERVER_CID = b"\xaa\xbb", b"\x0c\x0d\x0e\x0f"
CLIENT_RANDOM, SERVER_RANDOM, MASTER = b"\x11" * 32, b"\x22" * 32, b"\x33" * 48


def _message(kind: int, seq: int, body: bytes) -> bytes:
    length = len(body).to_bytes(3, "big")
    return bytes((kind,)) + length + seq.to_bytes(2, "big") + bytes(3) + length + body


def _hello(random: bytes, suites: bytes, cid: bytes) -> bytes:
    extension = b"\x00\x36" + (1 + len(cid)).to_bytes(2, "big") + bytes((len(cid),)) + cid
    return b"\xfe\xfd" + random + b"\0" + suites + len(extension).to_bytes(2, "big") + extension


def _conversation() -> list[tuple[Direction, bytes]]:
    """A PSK handshake with connection IDs both ways and a text each way, as bytes."""
    material = connection_keys(MASTER, AES_128_CCM_8, CLIENT_RANDOM, SERVER_RANDOM)
    client = Sealer(material.client_write, cid=SERVER_CID)
    server = Sealer(material.server_write, cid=CLIENT_CID)

    def clear(content_type: int, number: int, fragment: bytes) -> bytes:
        return PlaintextRecord(content_type, number, fragment).to_bytes()

    def end(sealer: Sealer, number: int) -> bytes:
        change = clear(20, number, b"\x01")
        return change + sealer.seal_datagram(22, _message(20, number, bytes(12)))

    # An empty cookie after the session ID; suites and compression methods.
    offered = b"\0" + b"\x00\x02\xc0\xa8" + b"\x01\x00"
    exchange = clear(22, 1, _message(16, 1, b"\x00\x06device"))
    return [
        (Direction.SENT, clear(22, 0, _message(1, 0, _hello(CLIENT_RANDOM, offered, CLIENT_CID)))),
        (
            Direction.RECEIVED,
            clear(22, 0, _message(2, 0, _hello(SERVER_RANDOM, b"\xc0\xa8\x00", SERVER_CID)))
            + clear(22, 1, _message(14, 1, b"")),
        ),
        (Direction.SENT, exchange + end(client, 2)),
        (Direction.RECEIVED, end(server, 2)),
        (Direction.SENT, client.seal_datagram(23, b"a question", padding=7)),
        (Direction.RECEIVED, server.seal_datagram(23, b"an answer")),
    ]


@pytest.mark.peer
def test_tshark_decrypts_records_with_connection_ids(
    require_peer: Callable[[str], str], tmp_path: Path
) -> None:
    program, path = require_peer("tshark"), tmp_path / "cid.pcapng"
    line = key_log_line(KeyLogLabel.CLIENT_RANDOM, CLIENT_RANDOM, MASTER)
    with Capture(path, local_host="192.0.2.1", local_port=40000, time_zero_ns=0) as capture:
        capture.secrets(line)
        for place, (direction, data) in enumerate(_conversation()):
            capture.observe(DatagramSeen(place / 8, direction, "192.0.2.2", 40001, data))
    names = ("dtls.record.connection_id", "dtls.handshake.type", "data.data")
    command = [program, "-r", str(path), "-n", "-d", "udp.port==40001,dtls", "-T", "fields"]
    command += [word for name in names for word in ("-e", name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    server, client = SERVER_CID.hex(), CLIENT_CID.hex()
    assert [row.split("\t") for row in done.stdout.splitlines()] == [
        ["", "1", ""],
        ["", "2,14", ""],
        [server, "16,20", ""],
        [client, "20", ""],
        [server, "", b"a question".hex()],
        [client, "", b"an answer".hex()],
    ]
