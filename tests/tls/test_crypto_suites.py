from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.suites import (
    AES_128_CCM_8,
    AES_128_GCM,
    NONCE_LENGTH,
    SUITES,
    AeadAlgorithm,
    KeyExchange,
    suite_by_id,
    suite_by_name,
)


@pytest.mark.parametrize(
    ("number", "name", "key_exchange", "aead"),
    [
        (0xC0A8, "TLS_PSK_WITH_AES_128_CCM_8", KeyExchange.PSK, AES_128_CCM_8),
        (0x00A8, "TLS_PSK_WITH_AES_128_GCM_SHA256", KeyExchange.PSK, AES_128_GCM),
        (
            0xD003,
            "TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256",
            KeyExchange.ECDHE_PSK,
            AES_128_CCM_8,
        ),
        (0xC0AE, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", KeyExchange.ECDHE_ECDSA, AES_128_CCM_8),
        (0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", KeyExchange.ECDHE_ECDSA, AES_128_GCM),
    ],
)
def test_each_suite_is_found_by_number_and_by_name(
    number: int, name: str, key_exchange: KeyExchange, aead: AeadAlgorithm
) -> None:
    suite = suite_by_id(number)
    assert suite is not None
    assert suite is suite_by_name(name)
    assert (suite.id, suite.name, str(suite)) == (number, name, name)
    assert (suite.key_exchange, suite.aead) == (key_exchange, aead)


def test_an_unknown_number_is_no_suite_and_an_unknown_name_is_told_with_the_known_ones() -> None:
    assert suite_by_id(0x1301) is None
    with pytest.raises(ConfigurationError) as caught:
        suite_by_name("TLS_NULL_WITH_NULL_NULL")
    assert all(suite.name in str(caught.value) for suite in SUITES)


def test_key_exchanges_say_what_they_use() -> None:
    uses = {k: (k.uses_psk, k.uses_ecdhe, k.uses_certificates) for k in KeyExchange}
    assert uses == {
        KeyExchange.PSK: (True, False, False),
        KeyExchange.ECDHE_PSK: (True, True, False),
        KeyExchange.ECDHE_ECDSA: (False, True, True),
    }


@pytest.mark.parametrize("aead", [AES_128_CCM_8, AES_128_GCM], ids=lambda a: a.name)
def test_an_aead_opens_what_it_sealed_and_nothing_else(aead: AeadAlgorithm) -> None:
    cipher = aead.make(bytes(aead.key_length))
    nonce = bytes(NONCE_LENGTH)
    sealed = cipher.encrypt(nonce, b"data", b"aad")
    assert len(sealed) == len(b"data") + aead.tag_length
    assert cipher.decrypt(nonce, sealed, b"aad") == b"data"
    for nonce_, data, aad in (
        (nonce, sealed, b"other"),
        (b"\x01" * NONCE_LENGTH, sealed, b"aad"),
        (nonce, sealed[:-1] + bytes([sealed[-1] ^ 1]), b"aad"),
        (nonce, sealed[: aead.tag_length - 1], b"aad"),
        (nonce, b"", b"aad"),
    ):
        with pytest.raises(InvalidTag):
            cipher.decrypt(nonce_, data, aad)


@pytest.mark.parametrize("aead", [AES_128_CCM_8, AES_128_GCM], ids=lambda a: a.name)
def test_a_key_of_another_length_is_refused(aead: AeadAlgorithm) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        aead.make(bytes(32))


def test_ccm_8_of_rfc_3610_packet_vector_1() -> None:
    # RFC 3610 section 8, packet vector 1, has a nonce of 13 bytes; the cipher takes it as well.
    cipher = AES_128_CCM_8.make(bytes.fromhex("c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"))
    sealed = cipher.encrypt(
        bytes.fromhex("00000003020100a0a1a2a3a4a5"), bytes(range(8, 31)), bytes(range(8))
    )
    assert sealed.hex() == "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"


def test_gcm_of_nist_test_case_2() -> None:
    # McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test case 2.
    sealed = AES_128_GCM.make(bytes(16)).encrypt(bytes(12), bytes(16), None)
    assert sealed.hex() == "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"


def test_the_text_form_of_keys_shows_no_secret() -> None:
    keys = TrafficKeys(1, AES_128_CCM_8, b"\xab" * 16, b"\xcd" * 4)
    assert repr(keys).startswith("TrafficKeys(epoch=1, aead=AeadAlgorithm(name='AES_128_CCM_8'")
    assert r"\xab" not in repr(keys)
    assert r"\xcd" not in repr(keys)
