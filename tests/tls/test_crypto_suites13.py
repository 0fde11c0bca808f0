"""Suites of 1.3, their AEADs and the masks of record numbers."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.suites import (
    AES_128_CCM,
    AES_128_CCM_8,
    AES_128_GCM,
    CHACHA20_POLY1305,
    NONCE_LENGTH,
    AeadAlgorithm,
    suite_by_id,
)
from handshake_over_coap.tls.suites13 import SUITES13, suite13_by_id, suite13_by_name

ALGORITHMS = [AES_128_CCM, AES_128_CCM_8, AES_128_GCM, CHACHA20_POLY1305]
every_aead = pytest.mark.parametrize("aead", ALGORITHMS, ids=lambda aead: aead.name)


@pytest.mark.parametrize(
    ("number", "name", "aead"),
    [
        (0x1301, "TLS_AES_128_GCM_SHA256", AES_128_GCM),
        (0x1303, "TLS_CHACHA20_POLY1305_SHA256", CHACHA20_POLY1305),
        (0x1304, "TLS_AES_128_CCM_SHA256", AES_128_CCM),
        (0x1305, "TLS_AES_128_CCM_8_SHA256", AES_128_CCM_8),
    ],
)
def test_each_suite_of_1_3_is_found_by_number_and_by_name(
    number: int, name: str, aead: AeadAlgorithm
) -> None:
    suite = suite13_by_id(number)
    assert suite is not None
    assert suite is suite13_by_name(name)
    assert (suite.id, suite.name, str(suite), suite.aead) == (number, name, name, aead)


def test_the_versions_do_not_share_suites() -> None:
    assert len(SUITES13) == 4
    assert all(suite_by_id(suite.id) is None for suite in SUITES13)
    assert suite13_by_id(0xC0A8) is None
    assert suite13_by_id(0x1302) is None
    with pytest.raises(ConfigurationError) as caught:
        suite13_by_name("TLS_AES_256_GCM_SHA384")
    assert all(suite.name in str(caught.value) for suite in SUITES13)


@every_aead
def test_an_aead_of_1_3_opens_what_it_sealed_and_nothing_else(aead: AeadAlgorithm) -> None:
    cipher = aead.make(bytes(aead.key_length))
    sealed = cipher.encrypt(bytes(NONCE_LENGTH), b"data", b"aad")
    assert len(sealed) == len(b"data") + aead.tag_length
    assert cipher.decrypt(bytes(NONCE_LENGTH), sealed, b"aad") == b"data"
    with pytest.raises(InvalidTag):
        cipher.decrypt(bytes(NONCE_LENGTH), sealed[:-1] + bytes([sealed[-1] ^ 1]), b"aad")
    with pytest.raises(InvalidTag):
        cipher.decrypt(bytes(NONCE_LENGTH), sealed[: aead.tag_length - 1], b"aad")


@every_aead
def test_keys_of_another_length_are_refused(aead: AeadAlgorithm) -> None:
    for length in (0, aead.key_length - 1, 24):
        with pytest.raises(ValueError, match="bytes is needed"):
            aead.make(bytes(length))
        with pytest.raises(ValueError, match="bytes is needed"):
            aead.make_mask(bytes(length))


def test_chacha20_poly1305_of_rfc_8439_section_2_8_2() -> None:
    sealed = CHACHA20_POLY1305.make(bytes(range(0x80, 0xA0))).encrypt(
        bytes.fromhex("070000004041424344454647"),
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
        b"future, sunscreen would be it.",
        bytes.fromhex("50515253c0c1c2c3c4c5c6c7"),
    )
    assert sealed[:16].hex() == "d31a8d34648e60db7b86afbc53ef7ec2"
    assert sealed[-16:].hex() == "1ae10b594f09e26a7e902ecbd0600691"


def test_the_aes_mask_of_fips_197_appendix_c_1() -> None:
    mask = AES_128_CCM.make_mask(bytes(range(16)))
    sample = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert mask(sample).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"


def test_the_masks_of_quic_which_are_made_alike() -> None:
    # RFC 9001 appendices A.2 and A.5: header protection is AES-ECB and ChaCha20 of a sample too.
    aes = AES_128_GCM.make_mask(bytes.fromhex("9f50449e04a0e810283a1e9933adedd2"))
    assert aes(bytes.fromhex("d1b1c98dd7689fb8ec11d242b123dc9b")).hex().startswith("437b9aec36")
    chacha = CHACHA20_POLY1305.make_mask(
        bytes.fromhex("25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4")
    )
    assert chacha(bytes.fromhex("5e5cd55c41f69080575d7999c25a5bfb")).hex().startswith("aefefe7d03")


def test_the_chacha20_mask_of_rfc_8439_section_2_3_2() -> None:
    mask = CHACHA20_POLY1305.make_mask(bytes(range(32)))
    sample = bytes.fromhex("01000000000000090000004a00000000")
    assert mask(sample).hex() == "10f1e7e4d13b5915500fdd1fa32071c4"


@every_aead
@given(
    samples=st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=8),
    key=st.binary(min_size=32, max_size=32),
)
def test_a_mask_depends_on_its_sample_and_not_on_those_before(
    aead: AeadAlgorithm, samples: list[bytes], key: bytes
) -> None:
    key = key[: aead.key_length]
    kept = aead.make_mask(key)
    masks = [kept(sample) for sample in samples]
    assert masks == [aead.make_mask(key)(sample) for sample in samples]
    assert {len(mask) for mask in masks} == {16}


@every_aead
@pytest.mark.parametrize("length", [0, 15, 17, 32])
def test_a_sample_of_another_length_is_refused_and_spoils_nothing(
    aead: AeadAlgorithm, length: int
) -> None:
    mask = aead.make_mask(bytes(aead.key_length))
    before = mask(bytes(16))
    with pytest.raises(ValueError, match="16 bytes"):
        mask(bytes(length))
    assert mask(bytes(16)) == before
