"""How many bytes compact bodies have: the table that they were built to meet.

An identity of one byte, one suite and group, CCM_8, the mean over 60 seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from handshake_over_coap.carriers import conversation
from handshake_over_coap.encodings import Encoding
from handshake_over_coap.encodings.compact import COMPACT
from handshake_over_coap.encodings.floor import Floor
from handshake_over_coap.encodings.plain import PLAIN
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.credentials import PSK, RawPublicKey, Trust, psk_lookup
from handshake_over_coap.tls.suites import suite_by_name
from tests.support.bodies import turns
from tests.support.parties import ECDHE_PSK_CCM, NOW, PSK_CCM, SECRET, seeded
from tests.support.parties13 import CCM_8, DTLS_1_2, DTLS_1_3, KE, P256

SEEDS = 60
KEY = PSK(b"c", bytes(range(16)))
ECDSA = suite_by_name("TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8")


@dataclass(frozen=True)
class Row:
    """A row of the table: bytes in plain, the fewest possible, and the most that compact may."""

    name: str
    plain: int
    floor: int
    most: int
    client: dict[str, Any]
    server: dict[str, Any]
    keys: int = 0
    pinned: bool = False

    def __str__(self) -> str:
        return self.name

    def sides(self, seed: int) -> tuple[ClientConfig, ServerConfig]:
        """Both sides, with new keys for each seed."""
        client, server = dict(self.client), dict(self.server)
        if self.keys:
            own, peer = (
                RawPublicKey(ec.derive_private_key(2**200 * seed + n, ec.SECP256R1()))
                for n in (1, 2)
            )
            server["credentials"] = (own,)
            client["trust"] = Trust(raw_public_keys=own.public_key)
            if self.keys > 1:
                client["credential"] = peer
                server["request_client_certificate"] = True
                server["trust"] = Trust(raw_public_keys=peer.public_key)
        fixed: dict[str, Any] = {"now": lambda: NOW}
        return (
            ClientConfig(rng=seeded(f"c{seed}"), **fixed, **client),
            ServerConfig(rng=seeded(f"s{seed}"), **fixed, **server),
        )


_NEWER: dict[str, Any] = {"versions": (DTLS_1_3,), "suites13": (CCM_8,), "groups": (P256,)}
_CLIENT = _NEWER | {"ask_for_tickets": False}
_SERVER = _NEWER | {"tickets": 0}
_OLDER: dict[str, Any] = {"versions": (DTLS_1_2,), "groups": (P256,)}
_DERIVED: dict[str, Any] = {"derived_random": True}
_SEEDED: dict[str, Any] = {"seeded_random": True}
_KEY_OF = {"psk": KEY}
_KEYS_OF = {"psk": psk_lookup(KEY, SECRET), "tickets": 0}
_KE_ONLY = {"psk_modes": (KE,)}


def _older(name: str, plain: int, floor: int, most: int, *, suite: Any, keys: int = 0) -> Row:
    of_suite = {**_OLDER, "suites": (suite,)}
    psk = ({}, {}) if keys else (_KEY_OF, {"psk": _KEYS_OF["psk"]})
    return Row(name, plain, floor, most, {**of_suite, **psk[0]}, {**of_suite, **psk[1]}, keys)


ROWS = (
    Row("1.3 PSK", 316, 185, 190, _NEWER | _KEY_OF | _KE_ONLY, _NEWER | _KEYS_OF),
    Row(
        "1.3 PSK, seeded random",
        316,
        153,
        158,
        _NEWER | _KEY_OF | _KE_ONLY | _SEEDED,
        _NEWER | _KEYS_OF | _SEEDED,
    ),
    Row("1.3 ECDHE-PSK", 472, 249, 253, _NEWER | _KEY_OF, _NEWER | _KEYS_OF),
    Row("1.3 RPK", 631, 312, 321, _CLIENT, _SERVER, 1),
    Row("1.3 RPK mutual", 865, 408, 420, _CLIENT, _SERVER, 2),
    Row("1.3 RPK pinned", 629, 280, 288, _CLIENT, _SERVER, 1, pinned=True),
    Row("1.3 RPK mutual pinned", 862, 344, 354, _CLIENT, _SERVER, 2, pinned=True),
    Row(
        "1.3 RPK mutual pinned, derived random",
        862,
        280,
        290,
        _CLIENT | _DERIVED,
        _SERVER | _DERIVED,
        2,
        pinned=True,
    ),
    _older("1.2 PSK", 184, 105, 108, suite=PSK_CCM),
    _older("1.2 ECDHE-PSK", 344, 169, 174, suite=ECDHE_PSK_CCM),
    _older("1.2 RPK", 531, 264, 271, suite=ECDSA, keys=1),
    _older("1.2 RPK mutual", 730, 360, 370, suite=ECDSA, keys=2),
)


def untold(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same handshake between sides that do not tell which keys they know, for some rows."""
    if not row.pinned:
        monkeypatch.setattr(conversation, "_pins", lambda _: frozenset())


def sizes(row: Row, encoding: Encoding, seeds: int) -> float:
    """The mean bytes of all bodies of a handshake."""
    return mean(
        sum(len(each.body) for each in turns(*row.sides(seed), encoding))
        for seed in range(1, seeds + 1)
    )


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_compact_bodies_are_as_small_as_they_were_meant_to_be(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    untold(row, monkeypatch)
    found = sizes(row, COMPACT, SEEDS)
    assert row.floor <= found <= row.most


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_floor_is_counted_from_the_handshake_itself(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    untold(row, monkeypatch)
    for seed in range(1, 6):
        floor = Floor()
        made = [each for each in turns(*row.sides(seed), COMPACT) if each.body]
        counted = [floor.flight(each.said, key_known=row.pinned) for each in made]
        assert sum(counted) == row.floor
        assert all(len(each.body) >= least for each, least in zip(made, counted, strict=True))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_plain_bodies_have_what_the_table_says(row: Row) -> None:
    assert sizes(row, PLAIN, 10) == pytest.approx(row.plain, abs=5)
