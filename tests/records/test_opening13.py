from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records import (
    CiphertextRecord,
    ForgedRecord,
    ForgeryLimitReached,
    MalformedRecord,
    NumberedRecord,
    Opener13,
    RecordDropped,
    ReplayedRecord,
    Sealer13,
    WrongEpoch,
    split13,
)
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.suites import (
    AES_128_CCM,
    AES_128_CCM_8,
    AES_128_GCM,
    CHACHA20_POLY1305,
    NONCE_LENGTH,
    AeadAlgorithm,
)

ALL = (AES_128_CCM_8, AES_128_CCM, AES_128_GCM, CHACHA20_POLY1305)
ALGORITHMS = pytest.mark.parametrize("aead", ALL, ids=lambda aead: aead.name)
CID = b"\xc1\xd2\xe3"


def keys(epoch: int = 3, aead: AeadAlgorithm = AES_128_CCM_8) -> TrafficKeys:
    """Keys that differ from one epoch to the next."""
    key = bytes((epoch & 0xFF,)) * aead.key_length
    return TrafficKeys(epoch, aead, key, bytes(range(NONCE_LENGTH)), key[::-1])


def opener(*epochs: int, cid: bytes = b"", forgery_limit: int | None = None) -> Opener13:
    made = Opener13(cid=cid, forgery_limit=forgery_limit)
    for epoch in epochs:
        made.add(keys(epoch))
    return made


def sealed_inner(inner: bytes, aead: AeadAlgorithm = AES_128_CCM_8) -> CiphertextRecord:
    """A genuine record 0 of epoch 3 around any inner plaintext."""
    material = keys(3, aead)
    header = b"\x2f\0\0" + (len(inner) + aead.tag_length).to_bytes(2, "big")
    ciphertext = aead.make(material.key).encrypt(material.iv, inner, header)
    mask = aead.make_mask(material.sn_key)(ciphertext[:16])
    return CiphertextRecord(header[:1] + mask[:2] + header[3:], ciphertext)


def test_a_record_opens_once() -> None:
    record = Sealer13(keys()).seal(23, b"once")
    receiver = opener(3)
    assert receiver.open(record).plaintext == b"once"
    for again in (receiver.open, receiver.open_in_body):
        with pytest.raises(ReplayedRecord) as caught:
            again(record)
        assert caught.value.reason == "replayed"
    with pytest.raises(ReplayedRecord):
        receiver.open_datagram(record.to_bytes())
    assert receiver.forgeries == 0


def test_a_record_older_than_the_window_is_dropped() -> None:
    sealer, receiver = Sealer13(keys()), opener(3)
    first = sealer.seal(23, b"first")
    rest = [sealer.seal(23, b"data") for _ in range(64)]
    receiver.open(rest[-1])
    with pytest.raises(ReplayedRecord) as caught:
        receiver.open(first)
    assert caught.value.reason == "too-old"
    assert [receiver.open(record).sequence_number for record in rest[:-1]] == [*range(1, 64)]


def test_whether_a_record_is_a_replay_is_asked_after_it_is_authenticated() -> None:
    record = Sealer13(keys()).seal(23, b"data")
    receiver = opener(3)
    receiver.open(record)
    damaged = CiphertextRecord(record.header, record.ciphertext[:-1] + b"\0")
    with pytest.raises(ForgedRecord):
        receiver.open(damaged)
    assert receiver.forgeries == 1


@pytest.mark.parametrize("short_header", [False, True])
@pytest.mark.parametrize("passed", [200, 300, 40_000, 70_000])
def test_a_body_may_come_after_any_number_of_records(passed: int, short_header: bool) -> None:
    sealer = Sealer13(keys(), short_header=short_header)
    bodies = [sealer.seal(22, b"body") for _ in range(65)]
    receiver = opener(3)
    for number in range(65, passed, 2**15 - 1):
        receiver.open(Sealer13(keys(), next_sequence_number=number).seal(23, b"data"))
    receiver.open(Sealer13(keys(), next_sequence_number=passed).seal(23, b"data"))
    assert receiver.open_in_body(bodies[5]).sequence_number == 5
    for _ in range(2):
        with pytest.raises(ReplayedRecord):
            receiver.open_in_body(bodies[5])
    assert receiver.open_in_body(bodies[63]).sequence_number == 63
    with pytest.raises(RecordDropped):
        receiver.open(bodies[6])
    with pytest.raises(RecordDropped):
        receiver.open_in_body(bodies[64])
    assert receiver.highest(3) == passed


def test_a_forgery_in_a_body_counts_once() -> None:
    receiver = opener(3)
    for number in (0, 30_000, 60_000, 70_000):
        receiver.open(Sealer13(keys(), next_sequence_number=number).seal(23, b"data"))
    record = Sealer13(keys()).seal(22, b"body")
    with pytest.raises(ForgedRecord):
        receiver.open_in_body(CiphertextRecord(record.header, record.ciphertext[:-1] + b"\0"))
    assert receiver.forgeries == 1


def test_epochs_are_told_apart_by_two_bits_and_have_windows_of_their_own() -> None:
    receiver = opener(2, 3, 4, 5)
    assert receiver.epochs == (2, 3, 4, 5)
    for epoch in (5, 3, 2, 4):
        sealer = Sealer13(keys(epoch))
        for number in range(3):
            record = sealer.seal(23, b"data")
            assert receiver.open(record).number == (epoch, number)
    assert [receiver.highest(epoch) for epoch in (1, 2, 3, 6)] == [-1, 2, 2, -1]


def test_a_new_epoch_takes_the_place_of_the_one_four_before() -> None:
    receiver = opener(2, 3, 4, 5, 6)
    assert receiver.epochs == (3, 4, 5, 6)
    old = Sealer13(keys(2)).seal(22, b"handshake")
    with pytest.raises(ForgedRecord):
        receiver.open(old)
    assert receiver.open(Sealer13(keys(6)).seal(23, b"data")).epoch == 6


def test_a_record_of_an_epoch_without_keys_is_dropped() -> None:
    record = Sealer13(keys(2)).seal(22, b"early")
    for receiver in (Opener13(), opener(3)):
        for drop in (receiver.open, receiver.open_in_body):
            with pytest.raises(WrongEpoch):
                drop(record)
        with pytest.raises(WrongEpoch):
            receiver.open_datagram(record.to_bytes())
        assert receiver.forgeries == 0
        assert not receiver.dead


def test_a_dropped_epoch_is_gone() -> None:
    receiver = opener(2, 3)
    record = Sealer13(keys(2)).seal(22, b"late")
    for dropped, left in ((6, [2, 3]), (2, [3]), (2, [3])):  # 6 has the same bits as 2
        receiver.drop(dropped)
        assert list(receiver.epochs) == left
    with pytest.raises(WrongEpoch):
        receiver.open(record)


@pytest.mark.parametrize("epoch", [3, 2])
def test_epochs_come_in_increasing_order(epoch: int) -> None:
    receiver = opener(3)
    receiver.drop(3)
    with pytest.raises(ConfigurationError):
        receiver.add(keys(epoch))


@ALGORITHMS
@pytest.mark.parametrize("length", [0, 1, 15])
def test_a_ciphertext_under_16_bytes_is_dropped_as_forged(aead: AeadAlgorithm, length: int) -> None:
    receiver = Opener13()
    receiver.add(keys(3, aead))
    with pytest.raises(ForgedRecord):
        receiver.open(CiphertextRecord(b"\x2b\0\0", bytes(length)))
    assert receiver.forgeries == 0


@ALGORITHMS
@pytest.mark.parametrize("zeros", [8, 9, 40])
def test_a_record_of_nothing_but_zeros_is_dropped(aead: AeadAlgorithm, zeros: int) -> None:
    receiver = Opener13()
    receiver.add(keys(3, aead))
    with pytest.raises(MalformedRecord):
        receiver.open(sealed_inner(bytes(zeros), aead))
    assert receiver.forgeries == 0
    assert receiver.highest(3) == -1


def test_a_record_of_a_tag_and_nothing_else_is_dropped() -> None:
    receiver = Opener13()
    receiver.add(keys(3, AES_128_GCM))
    with pytest.raises(ForgedRecord):
        receiver.open(sealed_inner(b"", AES_128_GCM))
    assert receiver.forgeries == 0


@pytest.mark.parametrize("content_type", [1, 20, 24, 25, 27, 255])
def test_a_record_of_another_content_type_is_dropped(content_type: int) -> None:
    receiver = opener(3)
    for padding in (0, 9):
        with pytest.raises(MalformedRecord):
            receiver.open(sealed_inner(b"content" + bytes((content_type,)) + bytes(padding)))
    assert receiver.highest(3) == -1


def test_zeros_of_the_content_stay() -> None:
    assert opener(3).open(sealed_inner(b"\0\0ab\0\0\x17\0\0\0")).plaintext == b"\0\0ab\0\0"


def test_a_record_over_our_record_size_limit_is_dropped() -> None:
    receiver = Opener13(record_limit=64)
    receiver.add(keys())
    sealer = Sealer13(keys())
    assert receiver.open(sealer.seal(23, bytes(63))).plaintext == bytes(63)
    for too_long in (sealer.seal(23, bytes(64)), sealer.seal(23, bytes(60), padding=4)):
        with pytest.raises(MalformedRecord):
            receiver.open(too_long)
    assert receiver.forgeries == 0


def test_a_datagram_that_is_not_one_protected_record_is_left_to_the_splitter() -> None:
    sealer = Sealer13(keys())
    one, two = sealer.seal_datagram(23, b"1"), sealer.seal_datagram(23, b"2")
    short = Sealer13(keys(), short_header=True).seal_datagram(23, b"1", last=False)
    receiver = opener(3)
    for data in (b"", b"\x2f", one[:-1], one + two, short + two, b"\x16" + one[1:]):
        assert receiver.open_datagram(data) is None
    assert receiver.open_datagram(one) == (23, b"1", 3, 0)


@ALGORITHMS
@given(
    content=st.binary(min_size=1, max_size=40),
    short_header=st.booleans(),
    cid=st.sampled_from([b"", CID]),
    in_body=st.booleans(),
    data=st.data(),
)
def test_a_mutated_record_is_dropped(
    aead: AeadAlgorithm,
    content: bytes,
    short_header: bool,
    cid: bytes,
    in_body: bool,
    data: st.DataObject,
) -> None:
    sealer = Sealer13(keys(3, aead), cid=cid, short_header=short_header, next_sequence_number=70)
    good = bytearray(sealer.seal_datagram(23, content))
    position = data.draw(st.integers(0, len(good) - 1))
    good[position] ^= data.draw(st.integers(1, 255))
    receiver = Opener13(cid=cid)
    receiver.add(keys(3, aead))
    with pytest.raises(RecordDropped):
        _open_all(receiver, bytes(good), in_body)
    assert receiver.highest(3) == -1


@given(data=st.binary(max_size=60), epoch=st.integers(0, 3), in_body=st.booleans())
def test_invented_records_raise_nothing_else(data: bytes, epoch: int, in_body: bool) -> None:
    receiver = opener(2, 3, 4)
    for first in range(0x20, 0x30, 4):
        with pytest.raises(RecordDropped):
            _open_all(receiver, bytes((first | epoch,)) + data, in_body)


def _open_all(receiver: Opener13, datagram: bytes, in_body: bool) -> None:
    """As a carrier does it; a record in the clear counts as dropped."""
    if not in_body:
        assert receiver.open_datagram(datagram) is None
    for record in split13(datagram, len(receiver.cid)):
        if not isinstance(record, CiphertextRecord):
            raise RecordDropped("in the clear now: never opened")
        if in_body:
            receiver.open_in_body(record)
        else:
            receiver.open(record)


def test_a_truncated_record_is_dropped_wherever_it_is_cut() -> None:
    for short_header in (False, True):
        data = Sealer13(keys(), cid=CID, short_header=short_header).seal_datagram(23, b"content")
        receiver = opener(3, cid=CID)
        for cut in range(len(data)):
            with pytest.raises(RecordDropped):
                _open_all(receiver, data[:cut], False)


def forged() -> CiphertextRecord:
    return CiphertextRecord(b"\x2b\0\0", bytes(40))


def test_keys_die_at_their_forgery_limit_and_new_ones_are_wanted_before() -> None:
    receiver = opener(3, forgery_limit=4)
    record = Sealer13(keys()).seal(23, b"good")
    for count in range(4):
        assert receiver.forgeries == count
        assert receiver.wants_key_update is (count >= 2)
        assert not receiver.dead
        with pytest.raises(ForgedRecord) as caught:
            receiver.open(forged())
        assert caught.value.reason == "forged"
    assert receiver.dead
    for method in (receiver.open, receiver.open_in_body):
        with pytest.raises(ForgeryLimitReached) as reached:
            method(record)
        assert reached.value.reason == "forgery-limit"


def test_new_keys_start_a_new_count_and_dead_ones_stay_dead() -> None:
    receiver = opener(3, forgery_limit=2)
    for _ in range(2):
        with pytest.raises(ForgedRecord):
            receiver.open(forged())
    states = [(receiver.dead, receiver.wants_key_update)]
    receiver.add(keys(4))
    states.append((receiver.dead, receiver.wants_key_update))
    assert states == [(True, True), (False, False)]
    assert receiver.open(Sealer13(keys(4)).seal(23, b"data")).epoch == 4
    with pytest.raises(ForgeryLimitReached):
        receiver.open(Sealer13(keys(3)).seal(23, b"data"))


def test_the_forgery_limit_may_be_lower_but_not_higher() -> None:
    newest = opener(3, forgery_limit=2**40)._newest
    assert newest is not None
    assert newest.forgery_limit == 2**20


@pytest.mark.parametrize(
    ("aead", "limit"),
    [
        (AES_128_CCM_8, 2**20),
        (AES_128_CCM, 11_863_283),
        (AES_128_GCM, 2**36),
        (CHACHA20_POLY1305, 2**36),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_the_forgery_limits_are_those_of_the_algorithms(aead: AeadAlgorithm, limit: int) -> None:
    receiver = Opener13()
    receiver.add(keys(3, aead))
    newest = receiver._newest
    assert newest is not None
    assert newest.forgery_limit == limit
    newest.forgeries = limit // 2 - 1
    assert not receiver.wants_key_update
    newest.forgeries = limit
    assert receiver.dead


def test_what_seal_gives_is_what_is_parsed_from_its_bytes() -> None:
    for cid in (b"", CID):
        record = Sealer13(keys(), cid=cid).seal(23, b"data")
        assert isinstance(record, NumberedRecord)
        parsed = CiphertextRecord.from_bytes(record.to_bytes(), len(cid))
        assert (parsed.header, parsed.ciphertext, parsed.cid) == (
            record.header,
            record.ciphertext,
            record.cid,
        )
