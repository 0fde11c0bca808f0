"""Key shares of 1.3, the hybrid with ML-KEM among them."""

from __future__ import annotations

import contextlib
import importlib.util
import sys

import pytest
from cryptography.hazmat.primitives import asymmetric
from cryptography.hazmat.primitives.asymmetric import x25519
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls import groups as groups_module
from handshake_over_coap.tls.alerts import IllegalParameter
from handshake_over_coap.tls.codepoints import NamedGroup
from handshake_over_coap.tls.groups import (
    GROUPS,
    GROUPS13,
    generate,
    group_by_name,
    offer,
    respond,
)

HYBRID = NamedGroup.X25519MLKEM768
needs_mlkem = pytest.mark.skipif(
    HYBRID not in GROUPS13, reason="this build of cryptography has no ML-KEM"
)
SMALL_ORDER = bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")


def counting(start: int = 0) -> bytes:
    """The 96 bytes that an offer of the hybrid takes."""
    return bytes((start + i) % 256 for i in range(96))


class Tape:
    """An rng that gives the bytes of a tape one after another."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[int] = []

    def __call__(self, count: int) -> bytes:
        self.asked.append(count)
        piece, self.data = self.data[:count], self.data[count:]
        assert len(piece) == count
        return piece


@pytest.mark.parametrize("group", GROUPS13)
def test_client_and_server_of_a_group_agree(group: NamedGroup) -> None:
    ours = offer(group, lambda n: b"\x11" * n)
    share, secret = respond(group, ours.public, lambda n: b"\x22" * n)
    assert ours.group is group
    assert ours.finish(share) == secret
    assert len(secret) == (64 if group is HYBRID else 32)


@pytest.mark.parametrize("group", GROUPS)
def test_a_diffie_hellman_share_is_the_key_of_1_2(group: NamedGroup) -> None:
    key = generate(group, lambda n: b"\x11" * n)
    assert offer(group, lambda n: b"\x11" * n).public == key.public
    share, secret = respond(group, key.public, lambda n: b"\x22" * n)
    assert key.exchange(share) == secret


@needs_mlkem
def test_the_hybrid_is_composed_as_its_draft_says() -> None:
    from cryptography.hazmat.primitives.asymmetric import mlkem

    tape = Tape(counting())
    ours = offer(HYBRID, tape)
    assert tape.asked == [64, 32]
    kem = mlkem.MLKEM768PrivateKey.from_seed_bytes(counting()[:64])
    ecdh = x25519.X25519PrivateKey.from_private_bytes(counting()[64:])
    assert ours.public == (
        kem.public_key().public_bytes_raw() + ecdh.public_key().public_bytes_raw()
    )
    assert len(ours.public) == 1216

    # Our server against a client by hand.
    tape = Tape(b"\x77" * 32)
    share, secret = respond(HYBRID, ours.public, tape)
    assert len(share) == 1120
    ciphertext, server_public = share[:1088], share[1088:]
    theirs = x25519.X25519PrivateKey.from_private_bytes(b"\x77" * 32)
    assert server_public == theirs.public_key().public_bytes_raw()
    classical = ecdh.exchange(theirs.public_key())
    assert secret == kem.decapsulate(ciphertext) + classical

    # A server by hand against our client.
    kem_secret, ciphertext = kem.public_key().encapsulate()
    assert ours.finish(ciphertext + server_public) == kem_secret + classical


@needs_mlkem
def test_equal_randomness_gives_equal_hybrid_offers() -> None:
    assert offer(HYBRID, Tape(counting())).public == offer(HYBRID, Tape(counting())).public
    assert offer(HYBRID, Tape(counting())).public != offer(HYBRID, Tape(counting(1))).public


@needs_mlkem
@pytest.mark.parametrize("length", [0, 32, 1184, 1215, 1217, 1249])
def test_a_hybrid_client_share_of_another_length_is_illegal(length: int) -> None:
    with pytest.raises(IllegalParameter):
        respond(HYBRID, bytes(length), lambda n: b"\x22" * n)


@needs_mlkem
@pytest.mark.parametrize("length", [0, 32, 1088, 1119, 1121, 1153])
def test_a_hybrid_server_share_of_another_length_is_illegal(length: int) -> None:
    with pytest.raises(IllegalParameter):
        offer(HYBRID, Tape(counting())).finish(bytes(length))


@needs_mlkem
def test_a_hybrid_share_whose_x25519_part_has_small_order_is_illegal() -> None:
    ours = offer(HYBRID, Tape(counting()))
    share, _ = respond(HYBRID, ours.public, lambda n: b"\x22" * n)
    with pytest.raises(IllegalParameter, match="small order"):
        ours.finish(share[:1088] + SMALL_ORDER)
    with pytest.raises(IllegalParameter, match="small order"):
        respond(HYBRID, ours.public[:1184] + SMALL_ORDER, lambda n: b"\x22" * n)


@needs_mlkem
def test_an_encapsulation_key_beyond_the_modulus_is_illegal() -> None:
    # FIPS 203 section 7.2: coefficients of 12 bits have to stay below 3329.
    ours = offer(HYBRID, Tape(counting()))
    with pytest.raises(IllegalParameter, match="encapsulation key"):
        respond(HYBRID, b"\xff" * 3 + ours.public[3:], lambda n: b"\x22" * n)


@needs_mlkem
def test_a_changed_ciphertext_gives_another_secret_and_no_error() -> None:
    # FIPS 203 rejects implicitly: the handshake fails at the Finished.
    ours = offer(HYBRID, Tape(counting()))
    share, secret = respond(HYBRID, ours.public, lambda n: b"\x22" * n)
    other = ours.finish(bytes([share[0] ^ 1]) + share[1:])
    assert other[:32] != secret[:32]
    assert other[32:] == secret[32:]


@given(
    group=st.sampled_from(GROUPS13),
    share=st.one_of(
        st.binary(max_size=70),
        st.binary(min_size=65, max_size=65),
        st.binary(min_size=1120, max_size=1120),
        st.binary(min_size=1216, max_size=1216),
    ),
)
def test_no_share_raises_anything_else(group: NamedGroup, share: bytes) -> None:
    with contextlib.suppress(IllegalParameter):
        offer(group, lambda n: b"\x55" * n).finish(share)
    with contextlib.suppress(IllegalParameter):
        respond(group, share, lambda n: b"\x55" * n)


def test_groups_of_1_3_have_names_and_1_2_has_no_hybrid() -> None:
    assert GROUPS13[: len(GROUPS)] == GROUPS
    assert [group_by_name(group.name) for group in GROUPS13] == list(GROUPS13)
    assert HYBRID == 0x11EC
    with pytest.raises(ConfigurationError):
        generate(HYBRID, bytes)
    with pytest.raises(ConfigurationError, match="secp256r1, x25519"):
        offer(24, bytes)
    with pytest.raises(ConfigurationError, match="secp256r1, x25519"):
        respond(24, b"", bytes)


def test_without_ml_kem_the_hybrid_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mlkem", None)
    monkeypatch.delattr(asymmetric, "mlkem", raising=False)
    spec = importlib.util.spec_from_file_location("groups_without_mlkem", groups_module.__file__)
    assert spec is not None
    assert spec.loader is not None
    poorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(poorer)
    assert poorer.GROUPS13 == poorer.GROUPS == GROUPS
    with pytest.raises(ConfigurationError, match="4588 is not supported"):
        poorer.offer(HYBRID, bytes)
    with pytest.raises(ConfigurationError, match="4588 is not supported"):
        poorer.respond(HYBRID, bytes(1216), bytes)
