from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError, DatagramTooLarge
from handshake_over_coap.records import (
    ForgedRecord,
    ForgeryLimitReached,
    MalformedRecord,
    NumbersExhausted,
    Opener,
    PlaintextRecord,
    RecordDropped,
    ReplayedRecord,
    SealedRecord,
    Sealer,
    WrongEpoch,
    split_datagram,
)
from handshake_over_coap.records.dtls12 import MAX_FRAGMENT, MAX_PLAINTEXT
from handshake_over_coap.tls.alerts import Alert
from handshake_over_coap.tls.codepoints import AlertDescription, AlertLevel, ContentType
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.suites import AES_128_CCM_8, AES_128_GCM, AeadAlgorithm

KEY = bytes(range(16))
IV = b"\xf0\xf1\xf2\xf3"
ALGORITHMS = pytest.mark.parametrize("aead", [AES_128_CCM_8, AES_128_GCM], ids=lambda a: a.name)


def keys(aead: AeadAlgorithm = AES_128_CCM_8, epoch: int = 1) -> TrafficKeys:
    return TrafficKeys(epoch, aead, KEY, IV)


def by_the_book(
    aead: AeadAlgorithm, content_type: int, epoch: int, number: int, nonce: bytes, content: bytes
) -> bytes:
    """A record as RFC 5246 6.2.3.3, RFC 6347 4.1.2.1, RFC 5288 and RFC 6655 compose it."""
    seq_num = epoch.to_bytes(2, "big") + number.to_bytes(6, "big")
    version = b"\xfe\xfd"
    additional_data = seq_num + bytes([content_type]) + version + len(content).to_bytes(2, "big")
    cipher = AESCCM(KEY, tag_length=8) if aead is AES_128_CCM_8 else AESGCM(KEY)
    fragment = nonce + cipher.encrypt(IV + nonce, content, additional_data)
    header = bytes([content_type]) + version + seq_num + len(fragment).to_bytes(2, "big")
    return header + fragment


@ALGORITHMS
@given(
    content_type=st.sampled_from([21, 22, 23]),
    epoch=st.integers(1, 0xFFFF),
    number=st.integers(0, 2**48 - 1),
    content=st.binary(max_size=300),
)
def test_nonce_and_additional_data_are_composed_by_the_book(
    aead: AeadAlgorithm, content_type: int, epoch: int, number: int, content: bytes
) -> None:
    nonce = epoch.to_bytes(2, "big") + number.to_bytes(6, "big")
    expected = by_the_book(aead, content_type, epoch, number, nonce, content)
    material = keys(aead, epoch)
    assert Sealer(material, next_sequence_number=number).seal_datagram(content_type, content) == (
        expected
    )
    record = Sealer(material, next_sequence_number=number).seal(content_type, content)
    assert record.to_bytes() == expected
    assert Opener(material).open(record) == content


@ALGORITHMS
@given(nonce=st.binary(min_size=8, max_size=8), content=st.binary(max_size=50))
def test_the_explicit_nonce_is_the_senders_choice(
    aead: AeadAlgorithm, nonce: bytes, content: bytes
) -> None:
    data = by_the_book(aead, 23, 1, 9, nonce, content)
    assert Opener(keys(aead)).open(SealedRecord.from_bytes(data)) == content
    assert Opener(keys(aead)).open_datagram(data) == (23, content)


@ALGORITHMS
def test_overhead_is_what_a_record_adds(aead: AeadAlgorithm) -> None:
    sealer = Sealer(keys(aead))
    assert sealer.overhead == {8: 29, 16: 37}[aead.tag_length]
    assert len(sealer.seal_datagram(23, b"12345")) == sealer.overhead + 5


def test_one_counter_serves_bodies_and_datagrams() -> None:
    sealer = Sealer(keys())
    assert sealer.next_sequence_number == 0
    assert sealer.seal(22, b"finished").sequence_number == 0
    datagram = sealer.seal_datagram(23, b"data")
    assert SealedRecord.from_bytes(datagram).sequence_number == 1
    assert sealer.next_sequence_number == 2


@pytest.mark.parametrize("seal", [Sealer.seal, Sealer.seal_datagram])
def test_the_last_number_is_2_to_the_48_minus_1(seal: object) -> None:
    assert callable(seal)
    sealer = Sealer(keys(), next_sequence_number=2**48 - 2)
    seal(sealer, 23, b"last but one")
    seal(sealer, 23, b"last")
    for _ in range(2):
        with pytest.raises(NumbersExhausted):
            seal(sealer, 23, b"one too many")
    assert sealer.next_sequence_number == 2**48


def test_a_plaintext_over_the_limit_takes_no_number() -> None:
    sealer = Sealer(keys())
    with pytest.raises(DatagramTooLarge) as caught:
        sealer.seal(23, bytes(MAX_PLAINTEXT + 1))
    assert caught.value.limit == MAX_PLAINTEXT
    assert sealer.next_sequence_number == 0
    largest = sealer.seal(23, bytes(MAX_PLAINTEXT))
    assert Opener(keys()).open(largest) == bytes(MAX_PLAINTEXT)


def test_a_sealed_alert_opens_to_the_alert() -> None:
    alert = Alert(AlertLevel.fatal, AlertDescription.decrypt_error)
    record = Sealer(keys()).seal(ContentType.alert, alert.encode())
    assert Alert.decode(Opener(keys()).open(record)) == alert


def test_an_empty_plaintext_is_a_record() -> None:
    data = Sealer(keys()).seal_datagram(23, b"")
    assert len(data) == 29
    assert Opener(keys()).open_datagram(data) == (23, b"")


def test_a_record_opens_once() -> None:
    record = Sealer(keys()).seal(23, b"once")
    opener = Opener(keys())
    assert opener.open(record) == b"once"
    for again in (opener.open, opener.open_in_body):
        with pytest.raises(ReplayedRecord) as caught:
            again(record)
        assert caught.value.reason == "replayed"
    with pytest.raises(ReplayedRecord):
        opener.open_datagram(record.to_bytes())
    assert opener.forgeries == 0


def test_a_body_may_come_after_any_number_of_records() -> None:
    sealer, opener = Sealer(keys()), Opener(keys())
    finished = sealer.seal(22, b"finished")
    for _ in range(200):
        assert opener.open_datagram(sealer.seal_datagram(23, b"data")) == (23, b"data")
    with pytest.raises(ReplayedRecord) as caught:
        opener.open(finished)
    assert caught.value.reason == "too-old"
    assert opener.open_in_body(finished) == b"finished"
    with pytest.raises(ReplayedRecord):
        opener.open_in_body(finished)


def test_a_record_opened_in_a_body_is_marked_for_datagrams() -> None:
    record = Sealer(keys()).seal(22, b"finished")
    opener = Opener(keys())
    opener.open_in_body(record)
    with pytest.raises(ReplayedRecord):
        opener.open(record)


def test_a_forgery_leaves_the_window_as_it_was() -> None:
    sealer, opener = Sealer(keys()), Opener(keys())
    record = sealer.seal(23, b"data")
    forged = SealedRecord(23, 1, 2**40, record.fragment)
    with pytest.raises(ForgedRecord):
        opener.open(forged)
    assert opener.highest == -1
    assert opener.open(record) == b"data"


def test_a_replay_is_refused_before_it_is_authenticated() -> None:
    record = Sealer(keys()).seal(23, b"data")
    opener = Opener(keys())
    opener.open(record)
    with pytest.raises(ReplayedRecord):
        opener.open(SealedRecord(23, 1, 0, bytes(40)))
    assert opener.forgeries == 0


@pytest.mark.parametrize("epoch", [0, 2, 0xFFFF])
def test_another_epoch_is_dropped(epoch: int) -> None:
    record = Sealer(keys()).seal(23, b"data")
    with pytest.raises(WrongEpoch):
        Opener(keys()).open(SealedRecord(23, epoch, 0, record.fragment))


@ALGORITHMS
@given(content=st.binary(min_size=1, max_size=40), data=st.data())
def test_a_mutated_record_is_dropped(
    aead: AeadAlgorithm, content: bytes, data: st.DataObject
) -> None:
    good = bytearray(Sealer(keys(aead), next_sequence_number=70).seal_datagram(23, content))
    position = data.draw(st.integers(0, len(good) - 1))
    good[position] ^= data.draw(st.integers(1, 255))
    opener = Opener(keys(aead))
    with pytest.raises(RecordDropped):
        assert opener.open_datagram(bytes(good)) is None
        for record in split_datagram(bytes(good)):
            if isinstance(record, PlaintextRecord):
                raise RecordDropped("in the clear now: never opened")
            opener.open(record)
    assert opener.highest == -1


@ALGORITHMS
@given(fragment=st.binary(max_size=60), number=st.integers(0, 2**48 - 1))
def test_invented_fragments_are_forged(aead: AeadAlgorithm, fragment: bytes, number: int) -> None:
    opener = Opener(keys(aead))
    for method in (opener.open, opener.open_in_body):
        with pytest.raises(ForgedRecord) as caught:
            method(SealedRecord(23, 1, number, fragment))
        assert caught.value.reason == "forged"


def test_an_overlong_fragment_is_malformed() -> None:
    for length in (MAX_FRAGMENT + 1, 0x20000):
        with pytest.raises(MalformedRecord):
            Opener(keys()).open(SealedRecord(23, 1, 0, bytes(length)))


def test_a_datagram_that_is_not_one_record_of_the_epoch_is_left_to_the_splitter() -> None:
    sealer = Sealer(keys())
    one, two = sealer.seal_datagram(23, b"1"), sealer.seal_datagram(23, b"2")
    opener = Opener(keys())
    other_epoch = Sealer(keys(epoch=2)).seal_datagram(23, b"1")
    for data in (
        b"",
        one[:-1],
        one + two,
        other_epoch,
        b"\x13" + one[1:],
        b"\x17\xfe\xff" + one[3:],
    ):
        assert opener.open_datagram(data) is None
    assert opener.open_datagram(one) == (23, b"1")


def test_the_opener_dies_at_its_forgery_limit() -> None:
    opener = Opener(keys(), forgery_limit=3)
    record = Sealer(keys()).seal(23, b"good")
    for _ in range(3):
        assert not opener.dead
        with pytest.raises(ForgedRecord):
            opener.open(SealedRecord(23, 1, 0, bytes(40)))
    assert opener.dead
    with pytest.raises(ForgeryLimitReached) as caught:
        opener.open(record)
    assert caught.value.reason == "forgery-limit"


def test_the_forgery_limits_are_those_of_the_algorithms() -> None:
    assert Opener(keys(AES_128_GCM)).forgery_limit == 2**36
    ccm = Opener(keys(AES_128_CCM_8)).forgery_limit
    assert ccm**2 <= 2**47 < (ccm + 1) ** 2


@pytest.mark.parametrize(
    "material",
    [
        TrafficKeys(0, AES_128_CCM_8, KEY, IV),
        TrafficKeys(0x10000, AES_128_CCM_8, KEY, IV),
        TrafficKeys(1, AES_128_CCM_8, KEY, bytes(12)),
    ],
)
def test_keys_of_no_use_in_dtls_12_are_refused(material: TrafficKeys) -> None:
    for kind in (Sealer, Opener):
        with pytest.raises(ConfigurationError):
            kind(material)
