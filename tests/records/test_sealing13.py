from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES, ChaCha20
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError, DatagramTooLarge
from handshake_over_coap.records import (
    CiphertextRecord,
    NumbersExhausted,
    Opener13,
    RecordNumber,
    Sealer13,
    split13,
)
from handshake_over_coap.records.dtls12 import MAX_PLAINTEXT
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.suites import (
    AES_128_CCM,
    AES_128_CCM_8,
    AES_128_GCM,
    CHACHA20_POLY1305,
    AeadAlgorithm,
)

ALL = (AES_128_CCM_8, AES_128_CCM, AES_128_GCM, CHACHA20_POLY1305)
ALGORITHMS = pytest.mark.parametrize("aead", ALL, ids=lambda aead: aead.name)
IV = bytes(range(0xA0, 0xAC))
CONTENT_TYPES = st.sampled_from([21, 22, 23, 26])
NUMBERS = st.integers(0, 200) | st.integers(0, 2**23 - 1)


def keys(aead: AeadAlgorithm = AES_128_CCM_8, epoch: int = 3) -> TrafficKeys:
    key, sn_key = bytes(range(32)), bytes(range(0x40, 0x60))
    length = aead.key_length
    return TrafficKeys(epoch, aead, key[:length], IV, sn_key[:length])


def opener(*material: TrafficKeys, cid: bytes = b"") -> Opener13:
    made = Opener13(cid=cid)
    for each in material:
        made.add(each)
    return made


def by_the_book(material: TrafficKeys, number: int, clear_header: bytes, inner: bytes) -> bytes:
    """A record as RFC 9147 section 4 composes it, from the primitives alone.

    ``clear_header`` has a number of 16 bits before its last two bytes, the length.
    """
    padded = number.to_bytes(12, "big")
    nonce = bytes(a ^ b for a, b in zip(material.iv, padded, strict=True))
    name = material.aead.name
    cipher: AESCCM | AESGCM | ChaCha20Poly1305
    if name == "CHACHA20_POLY1305":
        cipher = ChaCha20Poly1305(material.key)
    elif name == "AES_128_GCM":
        cipher = AESGCM(material.key)
    else:
        cipher = AESCCM(material.key, tag_length=8 if name == "AES_128_CCM_8" else 16)
    ciphertext = cipher.encrypt(nonce, inner, clear_header)
    if name == "CHACHA20_POLY1305":
        stream = Cipher(ChaCha20(material.sn_key, ciphertext[:16]), None).encryptor()
        mask = stream.update(bytes(2))
    else:
        block = Cipher(AES(material.sn_key), ECB()).encryptor()  # noqa: S305
        mask = block.update(ciphertext[:16])[:2]
    masked = bytes(a ^ b for a, b in zip(clear_header[-4:-2], mask, strict=True))
    return clear_header[:-4] + masked + clear_header[-2:] + ciphertext


@ALGORITHMS
@given(
    content_type=CONTENT_TYPES,
    epoch=st.integers(1, 2**48 - 1),
    number=NUMBERS,
    content=st.binary(min_size=7, max_size=300),
    padding=st.integers(0, 20),
    cid=st.binary(max_size=20),
)
def test_nonce_additional_data_and_mask_are_composed_by_the_book(
    aead: AeadAlgorithm,
    content_type: int,
    epoch: int,
    number: int,
    content: bytes,
    padding: int,
    cid: bytes,
) -> None:
    material = keys(aead, epoch)
    inner = content + bytes((content_type,)) + bytes(padding)
    length = len(inner) + aead.tag_length
    first = 0b0010_1100 | (0b0001_0000 if cid else 0) | epoch & 3
    header = bytes((first,)) + cid + (number & 0xFFFF).to_bytes(2, "big")
    header += length.to_bytes(2, "big")
    expected = by_the_book(material, number, header, inner)
    sealer = Sealer13(material, cid=cid, next_sequence_number=number)
    assert sealer.seal_datagram(content_type, content, padding=padding) == expected
    record = Sealer13(material, cid=cid, next_sequence_number=number).seal(
        content_type, content, padding=padding
    )
    assert record.to_bytes() == expected
    assert record.number == RecordNumber(epoch, number)
    assert record.cid == cid


@ALGORITHMS
@given(
    contents=st.lists(st.tuples(CONTENT_TYPES, st.binary(max_size=40)), min_size=1, max_size=8),
    number=st.integers(0, 300) | st.integers(0, 2**15 - 10),
    cid=st.binary(max_size=4),
    short_header=st.booleans(),
    padding=st.integers(0, 20),
)
def test_records_of_a_datagram_open_to_what_was_sealed(
    aead: AeadAlgorithm,
    contents: list[tuple[int, bytes]],
    number: int,
    cid: bytes,
    short_header: bool,
    padding: int,
) -> None:
    sealer = Sealer13(keys(aead), cid=cid, short_header=short_header, next_sequence_number=number)
    receiver = opener(keys(aead), cid=cid)
    datagram = b""
    for position, (content_type, content) in enumerate(contents, start=1):
        last = position == len(contents)
        datagram += sealer.seal_datagram(content_type, content, last=last, padding=padding)
    opened = []
    for record in split13(datagram, len(cid)):
        assert isinstance(record, CiphertextRecord)
        opened.append(receiver.open(record))
    assert [each[:2] for each in opened] == contents
    assert [each.number for each in opened] == [(3, number + i) for i in range(len(contents))]


@ALGORITHMS
def test_overhead_is_what_a_record_adds(aead: AeadAlgorithm) -> None:
    for cid in (b"", b"\x01\x02"):
        sealer = Sealer13(keys(aead), cid=cid)
        assert sealer.overhead == 6 + len(cid) + aead.tag_length
        assert len(sealer.seal_datagram(23, b"1234567")) == sealer.overhead + 7
        short = Sealer13(keys(aead), cid=cid, short_header=True)
        assert len(short.seal_datagram(23, b"1234567")) == sealer.overhead + 7 - 3


def test_a_short_plaintext_is_padded_where_the_tag_is_short() -> None:
    for length in range(8):
        data = Sealer13(keys()).seal_datagram(23, bytes(length))
        assert len(data) == 5 + 16
        opened = opener(keys()).open_datagram(data)
        assert opened == (23, bytes(length), 3, 0)
    assert len(Sealer13(keys()).seal_datagram(23, bytes(8))) == 5 + 17
    assert len(Sealer13(keys(AES_128_GCM)).seal_datagram(23, b"")) == 5 + 17


def test_the_first_128_numbers_are_short_and_the_length_is_left_out_at_the_end() -> None:
    sealer = Sealer13(keys(epoch=2), short_header=True)
    receiver = opener(keys(epoch=2))
    for number in range(130):
        last = bool(number % 2)
        record = sealer.seal(22, b"message", last=last)
        long_number = number >= 128
        assert record.header[0] == 0b0010_0010 | 0b1000 * long_number | 0b0100 * (not last)
        assert len(record.header) == 2 + long_number + 2 * (not last)
        assert receiver.open(record).sequence_number == number


def test_a_short_number_survives_the_loss_of_all_records_before_it() -> None:
    sealer = Sealer13(keys(), short_header=True)
    records = [sealer.seal(23, b"data") for _ in range(200)]
    for number in range(200):
        receiver = opener(keys())
        assert receiver.open(records[number]).sequence_number == number


def test_a_number_is_known_again_after_as_many_losses_as_16_bits_allow() -> None:
    receiver = opener(keys())
    for number in range(0, 2**20, 2**15):
        sealer = Sealer13(keys(), next_sequence_number=number)
        assert receiver.open(sealer.seal(23, b"data")).sequence_number == number


def test_by_default_every_record_has_16_bits_and_its_length() -> None:
    sealer = Sealer13(keys(epoch=2))
    for last in (False, True):
        record = sealer.seal(22, b"message", last=last)
        assert record.header[0] == 0b0010_1110
        assert record.sequence_bits == 16
        assert record.has_length


def test_records_in_the_clear_and_sealed_share_a_datagram() -> None:
    clear = bytes.fromhex("16fefd000000000000000000020200")
    sealed = Sealer13(keys(epoch=2)).seal_datagram(22, b"encrypted extensions")
    first, second = split13(clear + sealed)
    assert first.to_bytes() == clear
    assert isinstance(second, CiphertextRecord)
    assert opener(keys(epoch=2)).open(second).plaintext == b"encrypted extensions"


def test_a_record_size_limit_is_kept_with_type_and_padding() -> None:
    sealer = Sealer13(keys(), record_limit=64)
    assert sealer.max_plaintext == 63
    largest = sealer.seal(23, bytes(63))
    assert len(largest.ciphertext) == 64 + 8
    for plaintext, padding in ((bytes(64), 0), (bytes(60), 4)):
        with pytest.raises(DatagramTooLarge) as caught:
            sealer.seal(23, plaintext, padding=padding)
        assert caught.value.limit == 63
    assert sealer.next_sequence_number == 1


def test_a_plaintext_over_2_to_the_14_takes_no_number() -> None:
    for limit in (None, 2**14 + 1, 0xFFFF):
        sealer = Sealer13(keys(), record_limit=limit)
        assert sealer.max_plaintext == MAX_PLAINTEXT
        with pytest.raises(DatagramTooLarge):
            sealer.seal_datagram(23, bytes(MAX_PLAINTEXT + 1))
        assert sealer.next_sequence_number == 0
        largest = sealer.seal_datagram(23, bytes(MAX_PLAINTEXT))
        assert opener(keys()).open_datagram(largest) == (23, bytes(MAX_PLAINTEXT), 3, 0)


@pytest.mark.parametrize("content_type", [0, 20, 24, 25, 256, -1])
def test_other_content_types_are_not_sealed(content_type: int) -> None:
    sealer = Sealer13(keys())
    with pytest.raises(ConfigurationError):
        sealer.seal(content_type, b"content")
    assert sealer.next_sequence_number == 0


@pytest.mark.parametrize(
    ("aead", "limit"),
    [
        (AES_128_CCM_8, 2**23),
        (AES_128_CCM, 2**23),
        (AES_128_GCM, int(2**24.5)),
        (CHACHA20_POLY1305, 2**48 - 1),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
@pytest.mark.parametrize("seal", [Sealer13.seal, Sealer13.seal_datagram])
def test_a_key_seals_no_more_than_its_algorithm_bears(
    aead: AeadAlgorithm, limit: int, seal: object
) -> None:
    assert callable(seal)
    sealer = Sealer13(keys(aead), next_sequence_number=limit - 1)
    assert sealer.wants_key_update
    seal(sealer, 23, b"the last")
    for _ in range(2):
        with pytest.raises(NumbersExhausted):
            seal(sealer, 23, b"one too many")
    assert sealer.next_sequence_number == limit


def test_new_keys_are_wanted_from_half_of_the_limit() -> None:
    sealer = Sealer13(keys(), next_sequence_number=2**22 - 1)
    assert not sealer.wants_key_update
    sealer.seal(23, b"data")
    assert sealer.wants_key_update


def test_the_limit_may_be_lower_but_not_higher() -> None:
    sealer = Sealer13(keys(), seal_limit=2)
    sealer.seal(23, b"one")
    assert sealer.wants_key_update
    sealer.seal(23, b"two")
    with pytest.raises(NumbersExhausted):
        sealer.seal(23, b"three")
    with pytest.raises(NumbersExhausted):
        Sealer13(keys(), seal_limit=2**40, next_sequence_number=2**23).seal(23, b"data")


def test_an_algorithm_without_known_limits_is_refused() -> None:
    unknown = AeadAlgorithm("AEGIS", 16, 16, 4, 8, AES_128_GCM.make, AES_128_GCM.make_mask)
    for make in (lambda: Sealer13(keys(unknown)), lambda: opener(keys(unknown))):
        with pytest.raises(ConfigurationError):
            make()


@pytest.mark.parametrize(
    "material",
    [
        TrafficKeys(0, AES_128_CCM_8, bytes(16), IV, bytes(16)),
        TrafficKeys(2**48, AES_128_CCM_8, bytes(16), IV, bytes(16)),
        TrafficKeys(3, AES_128_CCM_8, bytes(16), IV[:4], bytes(16)),
        TrafficKeys(3, AES_128_CCM_8, bytes(16), IV, b""),
        TrafficKeys(3, CHACHA20_POLY1305, bytes(32), IV, bytes(16)),
    ],
)
def test_keys_of_no_use_in_dtls_13_are_refused(material: TrafficKeys) -> None:
    for make in (lambda: Sealer13(material), lambda: opener(material)):
        with pytest.raises(ConfigurationError):
            make()


def test_arguments_out_of_range_are_refused() -> None:
    for make in (
        lambda: Sealer13(keys(), cid=bytes(256)),
        lambda: Opener13(cid=bytes(256)),
        lambda: Sealer13(keys(), record_limit=63),
        lambda: Opener13(record_limit=63),
        lambda: Sealer13(keys(), next_sequence_number=-1),
        lambda: Sealer13(keys()).seal(23, b"data", padding=-1),
    ):
        with pytest.raises(ConfigurationError):
            make()


def test_no_secret_shows_in_the_text_of_a_record_or_error() -> None:
    record = Sealer13(keys()).seal(23, b"secret content")
    assert b"secret" not in repr(record).encode()
    assert "404142" not in repr(keys())
