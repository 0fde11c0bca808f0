from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.codepoints import SignatureScheme
from handshake_over_coap.tls.credentials import (
    PSK,
    Certificate,
    PskSource,
    RawPublicKey,
    psk_lookup,
)
from handshake_over_coap.tls.credentials.keyfiles import (
    load_certificates,
    load_private_key,
    load_public_key,
)
from tests.support import pki

SECRET = b"a secret of this server alone..."


def test_text_identities_are_utf_8_and_keys_stay_out_of_the_text_form() -> None:
    psk = PSK("gerät", b"\xab" * 16)
    assert psk.identity == "gerät".encode()
    assert psk == PSK("gerät".encode(), b"\xab" * 16) != PSK("gerät", b"\xac" * 16)
    assert repr(psk) == f"PSK(identity={psk.identity!r})"


@pytest.mark.parametrize("identity", ["", b"", b"x" * 65536, 7])
def test_an_identity_that_has_no_encoding_is_refused(identity: bytes) -> None:
    with pytest.raises(ConfigurationError, match="identity"):
        PSK(identity, bytes(16))


@pytest.mark.parametrize("key", [b"", b"k" * 65, "text", bytearray(16)])
def test_a_key_of_no_usable_length_or_type_is_refused_without_being_shown(key: bytes) -> None:
    with pytest.raises(ConfigurationError, match="pre-shared key") as caught:
        PSK("a", key)
    assert "kkk" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        PSK("a", b"key of a"),
        [PSK("a", b"key of a"), PSK("b", b"key of b")],
        {"a": b"key of a", "b": b"key of b"},
        {b"a": b"key of a"},
        {b"a": b"key of a"}.get,
    ],
    ids=["one", "several", "text mapping", "mapping", "callable"],
)
def test_every_kind_of_source_gives_the_key_of_a_known_identity(source: PskSource) -> None:
    assert psk_lookup(source, SECRET)(b"a") == b"key of a"


def test_an_unknown_identity_gets_a_key_of_its_own_that_depends_on_the_servers_secret() -> None:
    lookup = psk_lookup(PSK("a", bytes(16)), SECRET)
    other_server = psk_lookup(PSK("a", bytes(16)), SECRET[::-1])
    dummy = lookup(b"nobody")
    assert len(dummy) == 16
    assert dummy == lookup(b"nobody")
    assert len({dummy, lookup(b"somebody"), other_server(b"nobody"), bytes(16)}) == 4


def test_dummy_keys_are_as_long_as_known_ones() -> None:
    lookup = psk_lookup([PSK("a", bytes(7)), PSK("b", bytes(64))], SECRET)
    lengths = {len(lookup(b"unknown %d" % n)) for n in range(64)}
    assert lengths == {7, 64}


def test_the_dummy_is_computed_for_known_identities_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def dummy(secret: bytes, identity: bytes, lengths: list[int]) -> bytes:
        asked.append((secret, identity, lengths))
        return b"dummy"

    monkeypatch.setattr("handshake_over_coap.tls.credentials.psk._dummy_key", dummy)
    lookup = psk_lookup(PSK("a", b"0123"), SECRET)
    assert [lookup(b"a"), lookup(b"b")] == [b"0123", b"dummy"]
    assert asked == [(SECRET, b"a", [4]), (SECRET, b"b", [4])]


def test_a_source_that_makes_no_sense_is_refused() -> None:
    bad: list[PskSource] = [
        [],
        {},
        [PSK("a", b"1"), PSK(b"a", b"2")],
        {"a": b""},
        {"a": b"1", b"a": b"2"},  # type: ignore[list-item]
    ]
    for source in bad:
        with pytest.raises(ConfigurationError):
            psk_lookup(source, SECRET)


@pytest.mark.parametrize("nonsense", [b"", b"k" * 65, "text"], ids=["empty", "long", "text"])
def test_a_callable_that_returns_nonsense_is_told_so_in_the_log_and_nobody_else(
    nonsense: Any, caplog: pytest.LogCaptureFixture
) -> None:
    found = psk_lookup(lambda identity: nonsense, SECRET).look_up(b"a")
    assert found == psk_lookup(lambda identity: None, SECRET).look_up(b"a")
    assert not found.known
    assert "looking up a pre-shared key failed" in caplog.text
    assert "a pre-shared key" in caplog.text


@pytest.mark.parametrize(
    ("key", "scheme", "length"),
    [
        (pki.p256_key("a"), SignatureScheme.ecdsa_secp256r1_sha256, 91),
        (pki.ed25519_key("a"), SignatureScheme.ed25519, 44),
    ],
    ids=["p256", "ed25519"],
)
def test_a_raw_public_key_comes_from_an_object_or_from_bytes(
    key: pki.SigningKey, scheme: SignatureScheme, length: int, tmp_path: Path
) -> None:
    pem = pki.private_pem(key)
    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "key").write_bytes(pem)
    for credential in (
        RawPublicKey(key),
        RawPublicKey(pem),
        RawPublicKey(der),
        RawPublicKey.from_file(tmp_path / "key"),
    ):
        assert credential.scheme is scheme
        assert len(credential.spki) == length
        assert credential.public_key == key.public_key()
        assert load_public_key(credential.spki) == load_public_key(pki.public_pem(key))
        assert repr(credential) == f"RawPublicKey(scheme={scheme!r})"


def _sec1(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _encrypted(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )


def test_a_private_key_in_sec_1_form_is_read() -> None:
    assert RawPublicKey(_sec1(pki.p256_key("a"))).public_key == pki.p256_key("a").public_key()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (_encrypted(pki.p256_key("a")), "encrypted"),
        (ec.derive_private_key(7, ec.SECP384R1()), "secp384r1"),
        (pki.private_pem(rsa.generate_private_key(65537, 2048)), "not a private key of P-256"),
        (pki.p256_key("a").public_key(), "not a private key of P-256"),
        (pki.public_pem(pki.p256_key("a")), "not a private key"),
        (b"", "not a private key in PEM or DER"),
        (b"-----BEGIN PRIVATE KEY-----\n", "not a private key in PEM or DER"),
    ],
)
def test_an_unusable_private_key_is_refused(source: bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        RawPublicKey(source)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="missing"):
        RawPublicKey.from_file(tmp_path / "missing")


def test_a_certificate_chain_comes_from_objects_bytes_or_files(tmp_path: Path) -> None:
    issued = pki.CertificateAuthority().intermediate().issue("server.example")
    chain, key = issued.write(tmp_path)
    for credential in (
        Certificate(issued.chain, pki.p256_key("Test intermediate 2")),
        Certificate(issued.chain_pem, issued.key_pem),
        Certificate(issued.chain_der, issued.key_pem),
        Certificate.from_files(chain, key),
    ):
        assert list(credential.chain_der) == issued.chain_der
        assert credential.leaf == issued.certificate
        assert credential.public_key == issued.certificate.public_key()
        assert credential.scheme is SignatureScheme.ecdsa_secp256r1_sha256
        assert "private_key" not in repr(credential)


def test_chain_and_key_may_stand_in_one_file(tmp_path: Path) -> None:
    issued = pki.CertificateAuthority().issue("server.example")
    path = tmp_path / "both.pem"
    path.write_bytes(issued.key_pem + issued.chain_pem)
    assert Certificate.from_files(path, path).leaf == issued.certificate


def test_a_key_that_is_not_the_leafs_is_refused() -> None:
    authority = pki.CertificateAuthority()
    issued = authority.issue("server.example")
    with pytest.raises(ConfigurationError, match="not that of"):
        Certificate(issued.chain, pki.p256_key("another"))
    with pytest.raises(ConfigurationError, match="not that of"):
        Certificate((authority.certificate, issued.certificate), issued.key_pem)


@pytest.mark.parametrize("chain", [(), b"", b"garbage", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_chain_without_certificates_is_refused(chain: bytes) -> None:
    with pytest.raises(ConfigurationError, match="certificate"):
        Certificate(chain, pki.p256_key("a"))


_LOADERS: list[Callable[[bytes], object]] = [load_private_key, load_public_key, load_certificates]
_SAMPLES = [
    pki.private_pem(pki.p256_key("a")),
    pki.public_pem(pki.ed25519_key("a")),
    pki.CertificateAuthority().issue("server.example").chain_pem,
    *pki.CertificateAuthority().issue("server.example").chain_der,
]


@given(
    st.sampled_from(_LOADERS),
    st.sampled_from(_SAMPLES),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=3),
    st.integers(0, 10),
)
def test_no_file_content_raises_anything_else(
    load: Callable[[bytes], object], sample: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(sample)
    for position, value in changes:
        data[position % len(data)] = value
    with contextlib.suppress(ConfigurationError):
        assert load(bytes(data[: len(data) - cut])) is not None


def test_a_lookup_that_raises_counts_as_an_unknown_identity(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lookup = psk_lookup({b"known": b"k" * 16}.__getitem__, bytes(32))
    assert lookup(b"known") == b"k" * 16
    assert lookup(b"unknown") == psk_lookup(lambda _: None, bytes(32))(b"unknown")
    assert "looking up a pre-shared key failed" in caplog.text


@pytest.mark.parametrize("algorithm", [b"\x2b\x65\x6e", b"\x2b\x65\x6f", b"\x2b\x65\x71"])
def test_a_key_of_another_length_than_its_algorithm_has_is_refused(algorithm: bytes) -> None:
    key = pki.ed25519_key("odd")
    private = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    for load, data in ((load_private_key, private), (load_public_key, pki.public_der(key))):
        with pytest.raises(ConfigurationError):
            load(data.replace(b"\x2b\x65\x70", algorithm))


def test_look_ups_that_fail_again_and_again_do_not_flood_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_: bytes) -> bytes | None:
        raise OSError("the database is gone")

    keys = psk_lookup(broken, bytes(32))
    for number in range(1000):
        keys(b"%d" % number)
    assert len(caplog.records) == 10
