from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.encodings import (
    BY_CONTENT_FORMAT,
    BY_NAME,
    DEFAULT,
    BodyItem,
    encoding_named,
)
from handshake_over_coap.encodings.plain import PLAIN, read_body, write_body
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records import Opener, SealedRecord, Sealer
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.suites import AES_128_CCM_8

CCS = ChangeCipherSpec()


def number64(epoch: int, number: int) -> bytes:
    return epoch.to_bytes(2, "big") + number.to_bytes(6, "big")


def short(index: int, content_type: int = 22, ciphertext: bytes = b"\xee" * 9) -> SealedRecord:
    """The record that the short form stands for at place ``index``."""
    return SealedRecord(content_type, 1, index, number64(1, index) + ciphertext)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[BodyItem, ...]:
    """Everything a body may hold: plaintext messages, then sealed records in both forms."""
    first_seq = draw(st.integers(0, 0xFFFF - 4))
    plaintext = draw(st.lists(st.tuples(st.integers(0, 0x7F), st.binary(max_size=40)), max_size=4))
    items: list[BodyItem] = [
        HandshakeMessage(kind, body, first_seq + n) for n, (kind, body) in enumerate(plaintext)
    ]
    for index in range(draw(st.integers(0 if items else 1, 3))):
        content_type = draw(st.sampled_from([21, 22, 25]))
        cid = draw(st.binary(min_size=1, max_size=4)) if content_type == 25 else b""
        epoch = draw(st.sampled_from([1, 1, 2, 0xFFFF]))
        number = draw(st.sampled_from([index, index + 1, 2**48 - 1]))
        nonce = draw(st.sampled_from([number64(epoch, number), b"\x55" * 8]))
        ciphertext = draw(st.binary(min_size=9, max_size=40))
        if index == 0 and epoch == 1 and content_type != 21:
            items.append(CCS)
        items.append(SealedRecord(content_type, epoch, number, nonce + ciphertext, cid))
    return tuple(items)


def first_message_seq(items: tuple[BodyItem, ...]) -> int:
    first = items[0]
    return first.message_seq if isinstance(first, HandshakeMessage) else 0


@st.composite
def protected_records(draw: st.DrawFn) -> tuple[BodyItem, ...]:
    """Records of DTLS 1.3, perhaps after messages in the clear."""
    items: list[BodyItem] = [HandshakeMessage(2, b"hello", 3)] * draw(st.integers(0, 1))
    count = draw(st.integers(1, 3))
    for index in range(count):
        first = 0x20 | draw(st.integers(0, 3))
        number = draw(st.binary(min_size=1, max_size=2))
        ciphertext = draw(st.binary(min_size=16, max_size=40))
        header = bytes([first | (8 if len(number) == 2 else 0)]) + number
        if index < count - 1 or draw(st.booleans()):
            header = bytes([header[0] | 4]) + number + len(ciphertext).to_bytes(2, "big")
        items.append(CiphertextRecord(header, ciphertext))
    return tuple(items)


@given(bodies() | protected_records())
def test_items_survive_their_body(items: tuple[BodyItem, ...]) -> None:
    body = write_body(items)
    assert read_body(body, next_message_seq=first_message_seq(items)) == items


@given(bodies() | protected_records(), st.data())
def test_mutated_bodies_are_decode_errors_or_have_one_meaning(
    items: tuple[BodyItem, ...], data: st.DataObject
) -> None:
    body = bytearray(write_body(items))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)) | st.just(len(body)))
    mutated = bytes(body[:cut]) + data.draw(st.binary(max_size=3))
    try:
        decoded = read_body(mutated, next_message_seq=7)
    except DecodeError:
        return
    assert write_body(decoded) == mutated


@given(st.binary(max_size=120))
def test_any_bytes_are_decode_errors_or_have_one_meaning(body: bytes) -> None:
    try:
        decoded = read_body(body, next_message_seq=0)
    except DecodeError:
        return
    assert write_body(decoded) == body


def test_layout_of_a_message_in_the_clear() -> None:
    message = HandshakeMessage(16, b"\x00\x01x", message_seq=2)
    assert write_body([message]).hex() == "100003000178"


def test_layout_of_the_short_form() -> None:
    body = write_body([CCS, short(0), short(1, content_type=21)])
    assert body.hex() == "960009" + "ee" * 9 + "950009" + "ee" * 9


def test_layout_of_a_record_with_a_connection_id() -> None:
    record = SealedRecord(25, 1, 0, number64(1, 0) + b"\xee" * 9, b"\xc1\xd2")
    assert write_body([CCS, record]).hex() == "9902c1d20009" + "ee" * 9
    with pytest.raises(ConfigurationError, match="connection ID"):
        write_body([CCS, SealedRecord(22, 1, 0, record.fragment, b"\xc1")])


def test_layout_of_the_long_form() -> None:
    record = SealedRecord(22, 2, 3, b"\xdd" * 17)
    assert write_body([record]).hex() == "d600020000000000030011" + "dd" * 17


def test_layout_of_a_record_of_1_3() -> None:
    short_one = CiphertextRecord(b"\x22\x07", b"\xee" * 16)
    long_one = CiphertextRecord(b"\x2e\x01\x02\x00\x11", b"\xdd" * 17)
    body = write_body([long_one, short_one])
    assert body.hex() == "ae01020011" + "dd" * 17 + "a207" + "ee" * 16


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([CiphertextRecord(b"\x32\xc1\x07", bytes(16), b"\xc1")], "connection ID"),
        ([CiphertextRecord(b"\x22\x07", bytes(16))] * 2, "last item"),
        ([CiphertextRecord(b"\x22\x07", bytes(16)), short(1)], "last item"),
        ([CiphertextRecord(b"\x22\x07", bytes(15))], "ciphertext of 15 bytes"),
        ([CCS, CiphertextRecord(b"\x22\x07", bytes(16))], "ChangeCipherSpec"),
    ],
)
def test_records_of_1_3_that_no_body_can_hold_are_refused(
    items: list[BodyItem], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        write_body(items)


@pytest.mark.parametrize("body", ["b2c107" + "ee" * 16, "a207" + "ee" * 15, "a60700"])
def test_bodies_with_broken_records_of_1_3_are_refused(body: str) -> None:
    with pytest.raises(DecodeError):
        read_body(bytes.fromhex(body), next_message_seq=0)


def test_a_finished_costs_three_bytes_more_than_its_ciphertext_and_opens_again() -> None:
    keys = TrafficKeys(1, AES_128_CCM_8, bytes(16), bytes(4))
    finished = HandshakeMessage(20, bytes(12), message_seq=3)
    record = Sealer(keys).seal(22, finished.dtls_bytes())
    body = write_body([HandshakeMessage(16, b"", 2), CCS, record])
    assert len(body) == 3 + 3 + 24 + 8
    *_, decoded = read_body(body, next_message_seq=2)
    assert isinstance(decoded, SealedRecord)
    assert Opener(keys).open_in_body(decoded) == finished.dtls_bytes()


def test_message_seq_counts_up_from_the_next_one() -> None:
    body = bytes.fromhex("0b00000c00000e0000")
    items = read_body(body, next_message_seq=1)
    assert [i.message_seq for i in items if isinstance(i, HandshakeMessage)] == [1, 2, 3]
    read_body(body, next_message_seq=0xFFFD)
    with pytest.raises(DecodeError):
        read_body(body, next_message_seq=0xFFFE)


def test_change_cipher_spec_is_implied_by_a_sealed_handshake_message_alone() -> None:
    finished, alert, later = short(0), short(0, content_type=21), SealedRecord(22, 2, 0, bytes(17))
    flights: tuple[tuple[BodyItem, ...], ...] = (
        (CCS, finished),
        (CCS, finished, short(1)),
        (alert,),
        (alert, short(1)),
        (later,),
    )
    for items in flights:
        assert read_body(write_body(items), next_message_seq=0) == items
    message = HandshakeMessage(1, b"", 0)
    assert read_body(write_body([message]), next_message_seq=0) == (message,)


@pytest.mark.parametrize(
    "items",
    [
        [],
        [CCS],
        [HandshakeMessage(16, b""), CCS],
        [short(0)],  # ChangeCipherSpec missing
        [CCS, CCS, short(0)],
        [CCS, short(0, content_type=21)],
        [CCS, SealedRecord(22, 2, 0, bytes(17))],
        [CCS, HandshakeMessage(16, b""), short(0)],
        [CCS, short(0), CCS, short(1)],
        [CCS, short(0), HandshakeMessage(16, b"")],
        [HandshakeMessage(16, b"", 1), HandshakeMessage(16, b"", 3)],
        [HandshakeMessage(16, b"", 1), HandshakeMessage(16, b"", 1)],
        [HandshakeMessage(16, b"", 0x10000)],
        [HandshakeMessage(16, b"", -1)],
        [HandshakeMessage(20, bytes(12), 0, epoch=1)],  # not sealed yet
        [HandshakeMessage(0x80, b"")],
        [HandshakeMessage(-1, b"")],
        [HandshakeMessage(16, bytes(0x10000))],
        [SealedRecord(23, 2, 0, bytes(17))],
        [SealedRecord(20, 2, 0, bytes(17))],
        [SealedRecord(22, 0, 0, bytes(17))],
        [SealedRecord(22, 0x10000, 0, bytes(17))],
        [SealedRecord(22, 2, 1 << 48, bytes(17))],
        [SealedRecord(22, 2, -1, bytes(17))],
        [SealedRecord(22, 2, 0, bytes(16))],
        [SealedRecord(22, 2, 0, bytes((1 << 14) + 25))],
    ],
    ids=repr,
)
def test_items_that_no_body_holds_are_not_encoded(items: list[BodyItem]) -> None:
    with pytest.raises(ConfigurationError):
        write_body(items)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("", "empty"),
        ("10", "no length"),
        ("100001", "message cut short"),
        ("10000000", "trailing byte"),
        ("960009" + "ee" * 8, "record cut short"),
        ("960008" + "ee" * 8, "no room for a tag and a byte"),
        ("964011" + "ee" * 0x4011, "record over the limit"),
        ("970009" + "ee" * 9, "application data"),
        ("94000101", "ChangeCipherSpec as a record"),
        ("960009" + "ee" * 9 + "100000", "message in the clear after a sealed record"),
        ("d6000100000000000000110001000000000000" + "ee" * 9, "long where short does"),
        ("d600000000000000000011" + "ee" * 17, "epoch 0"),
        ("d600020000000000000010" + "ee" * 16, "long form too short"),
        ("d700020000000000000011" + "ee" * 17, "application data in long form"),
    ],
)
def test_what_no_encoder_produces_is_a_decode_error(body: str, what: str) -> None:
    with pytest.raises(DecodeError):
        read_body(bytes.fromhex(body), next_message_seq=0)
        pytest.fail(what)


def test_the_registry_finds_encodings_by_name_and_content_format() -> None:
    assert encoding_named("plain") is BY_NAME["plain"] is BY_CONTENT_FORMAT[65000] is DEFAULT
    assert (PLAIN.name, PLAIN.content_format) == ("plain", 65000)
    with pytest.raises(ConfigurationError, match="plain"):
        encoding_named("plan")
