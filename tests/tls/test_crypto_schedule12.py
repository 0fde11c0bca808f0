from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls import schedule12
from handshake_over_coap.tls.suites import AES_128_CCM_8

CLIENT, SERVER = b"\xc1" * 32, b"\x5e" * 32


def test_prf_with_sha_256_of_the_published_vector() -> None:
    # Posted to the IETF's TLS mailing list in 2009; since then in the tests of many stacks.
    out = schedule12.prf(
        bytes.fromhex("9bbe436ba940f017b17652849a71db35"),
        b"test label",
        bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c"),
        100,
    )
    assert out.hex() == (
        "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"
        "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab"
        "4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701"
        "87347b66"
    )


def plain_prf(secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """P_hash as RFC 5246 section 5 writes it, on the standard library."""
    a, out = label + seed, b""
    while len(out) < length:
        a = hmac.digest(secret, a, "sha256")
        out += hmac.digest(secret, a + label + seed, "sha256")
    return out[:length]


@given(st.binary(max_size=80), st.binary(max_size=20), st.binary(max_size=80), st.integers(0, 130))
def test_prf_of_any_lengths(secret: bytes, label: bytes, seed: bytes, length: int) -> None:
    out = schedule12.prf(secret, label, seed, length)
    assert out == plain_prf(secret, label, seed, length)
    assert len(out) == length


def test_premaster_of_psk_has_zeros_in_place_of_the_other_secret() -> None:
    assert schedule12.psk_premaster(b"\xaa\xbb\xcc").hex() == "00030000000003aabbcc"


def test_premaster_of_ecdhe_psk_has_the_ecdh_secret_first() -> None:
    premaster = schedule12.ecdhe_psk_premaster(b"\x11" * 32, b"\xaa\xbb")
    assert premaster == b"\x00\x20" + b"\x11" * 32 + b"\x00\x02\xaa\xbb"


def test_master_secrets_have_the_labels_and_seeds_of_their_rfcs() -> None:
    session_hash = hashlib.sha256(b"messages").digest()
    master = schedule12.master_secret(b"premaster", CLIENT, SERVER)
    assert master == plain_prf(b"premaster", b"master secret", CLIENT + SERVER, 48)
    extended = schedule12.extended_master_secret(b"premaster", session_hash)
    assert extended == plain_prf(b"premaster", b"extended master secret", session_hash, 48)


def test_the_key_block_is_cut_into_keys_then_ivs_client_first() -> None:
    keys = schedule12.connection_keys(b"m" * 48, AES_128_CCM_8, CLIENT, SERVER)
    block = plain_prf(b"m" * 48, b"key expansion", SERVER + CLIENT, 40)
    client, server = keys.client_write, keys.server_write
    assert client.key + server.key + client.iv + server.iv == block
    assert [len(part) for part in (client.key, server.key, client.iv, server.iv)] == [16, 16, 4, 4]
    assert (client.epoch, server.epoch) == (1, 1)
    assert client.aead is server.aead is AES_128_CCM_8


def test_finished_values_differ_by_side() -> None:
    digest = hashlib.sha256(b"messages").digest()
    client = schedule12.client_verify_data(b"m" * 48, digest)
    server = schedule12.server_verify_data(b"m" * 48, digest)
    assert client == plain_prf(b"m" * 48, b"client finished", digest, 12)
    assert server == plain_prf(b"m" * 48, b"server finished", digest, 12)


def test_exporter_tells_no_context_from_an_empty_one() -> None:
    label = "EXPORTER-test"

    def export(context: bytes | None) -> bytes:
        return schedule12.export(b"m" * 48, label, CLIENT, SERVER, 40, context)

    seed = CLIENT + SERVER
    assert export(None) == plain_prf(b"m" * 48, b"EXPORTER-test", seed, 40)
    assert export(b"") == plain_prf(b"m" * 48, b"EXPORTER-test", seed + b"\x00\x00", 40)
    assert export(b"ctx") == plain_prf(b"m" * 48, b"EXPORTER-test", seed + b"\x00\x03ctx", 40)


@pytest.mark.parametrize(
    "label",
    [
        "",
        "client finished",
        "server finished",
        "master secret",
        "extended master secret",
        "key expansion",
        "EXPORTER-\u00fcber",
    ],
)
def test_exporter_refuses_labels_of_tls_itself(label: str) -> None:
    with pytest.raises(ConfigurationError, match="label"):
        schedule12.export(b"m" * 48, label, CLIENT, SERVER, 16)


def test_exporter_refuses_impossible_lengths() -> None:
    with pytest.raises(ConfigurationError, match="0 bytes"):
        schedule12.export(b"m" * 48, "EXPORTER-test", CLIENT, SERVER, 0)
    with pytest.raises(ConfigurationError, match="65536 bytes"):
        schedule12.export(b"m" * 48, "EXPORTER-test", CLIENT, SERVER, 16, bytes(65536))
