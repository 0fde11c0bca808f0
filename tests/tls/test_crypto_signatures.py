from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import DecryptError, IllegalParameter
from handshake_over_coap.tls.codepoints import SignatureScheme
from handshake_over_coap.tls.signatures import (
    SCHEMES,
    PrivateKey,
    is_supported,
    scheme_for_key,
    sign,
    verify,
)

ECDSA = SignatureScheme.ecdsa_secp256r1_sha256
ED25519 = SignatureScheme.ed25519

# RFC 6979 section A.2.5.
_P256 = ec.derive_private_key(
    0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721, ec.SECP256R1()
)
# RFC 8032 section 7.1, test 2.
_ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
)
_KEYS: dict[SignatureScheme, PrivateKey] = {ECDSA: _P256, ED25519: _ED25519}


@pytest.mark.parametrize(
    ("message", "r", "s"),
    [
        (
            b"sample",
            0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
            0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
        ),
        (
            b"test",
            0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
            0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
        ),
    ],
)
def test_deterministic_ecdsa_of_rfc_6979_section_a_2_5(message: bytes, r: int, s: int) -> None:
    signature = sign(_P256, ECDSA, message)
    assert decode_dss_signature(signature) == (r, s)
    verify(_P256.public_key(), ECDSA, message, signature)


def test_ed25519_of_rfc_8032_section_7_1() -> None:
    signature = sign(_ED25519, ED25519, b"\x72")
    assert signature.hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    verify(_ED25519.public_key(), ED25519, b"\x72", signature)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_signature_over_other_data_or_by_another_key_is_a_decrypt_error(
    scheme: SignatureScheme,
) -> None:
    key = _KEYS[scheme]
    other: PrivateKey = (
        ec.derive_private_key(7, ec.SECP256R1())
        if scheme is ECDSA
        else ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    )
    signature = sign(key, scheme, b"data")
    with pytest.raises(DecryptError):
        verify(key.public_key(), scheme, b"other data", signature)
    with pytest.raises(DecryptError):
        verify(other.public_key(), scheme, b"data", signature)


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"\x30\x00",
        encode_dss_signature(0, 0),
        encode_dss_signature(1, 2**256),
        b"\x30\x80" + bytes(70),
    ],
)
def test_a_malformed_ecdsa_signature_is_a_decrypt_error(signature: bytes) -> None:
    with pytest.raises(DecryptError):
        verify(_P256.public_key(), ECDSA, b"data", signature)


@given(st.sampled_from(SCHEMES), st.integers(0, 700), st.binary(max_size=4))
def test_no_altered_signature_verifies_or_raises_anything_else(
    scheme: SignatureScheme, bit: int, tail: bytes
) -> None:
    key = _KEYS[scheme]
    altered = bytearray(sign(key, scheme, b"data"))
    altered[bit // 8 % len(altered)] ^= 1 << bit % 8
    with pytest.raises(DecryptError):
        verify(key.public_key(), scheme, b"data", bytes(altered) + tail)


def test_a_scheme_that_is_not_the_keys_is_illegal_from_a_peer_and_a_mistake_from_us() -> None:
    signature = sign(_P256, ECDSA, b"data")
    for scheme in (ED25519, SignatureScheme.ecdsa_secp384r1_sha384, 0x0203, 0xFFFF):
        with pytest.raises(IllegalParameter):
            verify(_P256.public_key(), scheme, b"data", signature)
        with pytest.raises(ConfigurationError):
            sign(_P256, scheme, b"data")


def test_keys_have_their_scheme_and_others_none() -> None:
    for scheme, key in _KEYS.items():
        assert scheme_for_key(key) is scheme_for_key(key.public_key()) is scheme
        assert is_supported(key.public_key())
    others: list[object] = [
        ec.derive_private_key(7, ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048).public_key(),
        b"a key",
    ]
    for other in others:
        assert not is_supported(other)
        with pytest.raises(ConfigurationError, match="only P-256 and Ed25519"):
            scheme_for_key(other)
