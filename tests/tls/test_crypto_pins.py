from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.tls.alerts import (
    AlertError,
    BadCertificate,
    CertificateUnknown,
    UnsupportedCertificate,
)
from handshake_over_coap.tls.credentials import RawPublicKey, Trust
from tests.support import pki

TRUST = Trust(pki.CertificateAuthority().certificate)


@pytest.mark.parametrize("key", [pki.p256_key("peer"), pki.ed25519_key("peer")])
def test_a_pinned_raw_public_key_is_accepted_and_another_is_certificate_unknown(
    key: pki.SigningKey,
) -> None:
    spki = RawPublicKey(key).spki
    for pin in (key.public_key(), pki.public_pem(key), spki):
        trust = Trust(raw_public_keys=[pki.p256_key("one more").public_key(), pin])
        assert trust.verify_raw_public_key(spki) == key.public_key()
        assert Trust(raw_public_keys=pin).raw_public_keys == {spki}
    with pytest.raises(CertificateUnknown):
        Trust(raw_public_keys=pki.p256_key("another").public_key()).verify_raw_public_key(spki)
    with pytest.raises(CertificateUnknown):
        TRUST.verify_raw_public_key(spki)


def test_a_raw_public_key_of_another_kind_or_none_at_all_is_told_apart() -> None:
    p384 = ec.derive_private_key(7, ec.SECP384R1()).public_key()
    encoded = p384.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for trust in (TRUST, Trust(insecure=True)):
        with pytest.raises(UnsupportedCertificate):
            trust.verify_raw_public_key(encoded)
        for garbage in (b"", b"\x30\x00", encoded[:-1]):
            with pytest.raises(BadCertificate):
                trust.verify_raw_public_key(garbage)


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), min_size=1, max_size=4))
def test_no_altered_raw_public_key_raises_anything_but_an_alert(
    changes: list[tuple[int, int]],
) -> None:
    spki = RawPublicKey(pki.p256_key("peer")).spki
    altered = bytearray(spki)
    for position, value in changes:
        altered[position % len(altered)] = value
    trust = Trust(raw_public_keys=pki.p256_key("peer").public_key())
    if bytes(altered) == spki:
        assert trust.verify_raw_public_key(spki) == pki.p256_key("peer").public_key()
    else:
        with pytest.raises(AlertError):
            trust.verify_raw_public_key(bytes(altered))
