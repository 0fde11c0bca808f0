from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import IllegalParameter
from handshake_over_coap.tls.codepoints import NamedGroup
from handshake_over_coap.tls.groups import GROUPS, generate, group_by_name

Rng = Callable[[int], bytes]

# Subgroup of small order of curve25519: 0, 1, a point of order 8, p-1, p, p+1.
_SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def scripted(data: bytes) -> Rng:
    """An rng that gives exactly these bytes, once."""

    def rng(count: int) -> bytes:
        assert count == len(data)
        return data

    return rng


def p256_rng(scalar: int) -> Rng:
    """The rng that makes this private scalar come out."""
    return scripted((scalar - 1).to_bytes(48, "big"))


def test_x25519_of_rfc_7748_section_6_1() -> None:
    alice = generate(
        NamedGroup.x25519,
        scripted(bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")),
    )
    bob = generate(
        NamedGroup.x25519,
        scripted(bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")),
    )
    shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    assert alice.public.hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    assert bob.public.hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    assert alice.exchange(bob.public).hex() == shared
    assert bob.exchange(alice.public).hex() == shared


@pytest.mark.parametrize(
    ("scalar", "peer", "shared"),
    [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ],
)
def test_x25519_of_rfc_7748_section_5_2(scalar: str, peer: str, shared: str) -> None:
    key = generate(NamedGroup.x25519, scripted(bytes.fromhex(scalar)))
    assert key.exchange(bytes.fromhex(peer)).hex() == shared


def test_p256_of_rfc_5903_section_8_1() -> None:
    initiator = generate(
        NamedGroup.secp256r1,
        p256_rng(0xC88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433),
    )
    responder = generate(
        NamedGroup.secp256r1,
        p256_rng(0xC6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53),
    )
    assert initiator.public.hex() == (
        "04"
        "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180"
        "5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3"
    )
    shared = "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de"
    assert initiator.exchange(responder.public).hex() == shared
    assert responder.exchange(initiator.public).hex() == shared


@pytest.mark.parametrize("group", GROUPS)
def test_both_sides_agree_and_equal_randomness_gives_equal_keys(group: NamedGroup) -> None:
    ours, again = (generate(group, lambda n: b"\x11" * n) for _ in range(2))
    theirs = generate(group, lambda n: b"\x22" * n)
    assert ours.group is group
    assert ours.public == again.public != theirs.public
    assert ours.exchange(theirs.public) == theirs.exchange(again.public)
    assert len(ours.exchange(theirs.public)) == 32


@pytest.mark.parametrize("filling", [b"\x00", b"\xff"])
def test_extreme_randomness_still_gives_a_p256_key(filling: bytes) -> None:
    assert generate(NamedGroup.secp256r1, lambda n: filling * n).public[0] == 4


def test_points_in_other_forms_or_off_the_curve_are_illegal() -> None:
    key = generate(NamedGroup.secp256r1, lambda n: b"\x33" * n)
    public = key.public
    bad = [
        b"",
        b"\x00",  # the point at infinity
        public[:-1],
        public + b"\x00",
        bytes([2 + public[-1] % 2]) + public[1:33],  # compressed
        bytes([6 + public[-1] % 2]) + public[1:],  # hybrid
        public[:-1] + bytes([public[-1] ^ 1]),
        b"\x04" + bytes(64),
        b"\x04" + b"\xff" * 64,
    ]
    for value in bad:
        with pytest.raises(IllegalParameter):
            key.exchange(value)


@pytest.mark.parametrize("value", _SMALL_ORDER)
def test_an_x25519_value_of_small_order_is_illegal(value: str) -> None:
    key = generate(NamedGroup.x25519, lambda n: b"\x44" * n)
    with pytest.raises(IllegalParameter, match="small order"):
        key.exchange(bytes.fromhex(value))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_an_x25519_value_of_another_length_is_illegal(length: int) -> None:
    key = generate(NamedGroup.x25519, lambda n: b"\x44" * n)
    with pytest.raises(IllegalParameter):
        key.exchange(b"\x09" * length)


@given(
    st.sampled_from(GROUPS), st.one_of(st.binary(max_size=70), st.binary(min_size=65, max_size=65))
)
def test_no_public_value_raises_anything_else(group: NamedGroup, value: bytes) -> None:
    key = generate(group, lambda n: b"\x55" * n)
    with contextlib.suppress(IllegalParameter):
        assert len(key.exchange(value)) == 32


def test_groups_have_names_and_others_are_refused() -> None:
    assert [group_by_name(group.name) for group in GROUPS] == list(GROUPS)
    with pytest.raises(ConfigurationError, match="secp256r1, x25519"):
        group_by_name("secp384r1")
    with pytest.raises(ConfigurationError, match="secp256r1, x25519"):
        generate(24, bytes)
