"""Configurations of DTLS 1.3 that could never complete a handshake."""

from __future__ import annotations

from typing import Any

import pytest

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.codepoints import NamedGroup
from handshake_over_coap.tls.credentials import PSK, psk_lookup
from tests.support import parties
from tests.support.memory_pair13 import run
from tests.support.parties13 import DHE_KE, ECDHE_PSK, P256, X25519


@pytest.mark.parametrize(
    "changes",
    [
        {"versions": ()},
        {"versions": (0xFEFF,)},
        {"suites13": ()},
        {"psk": None},
        {"psk_modes": ()},
        {"groups": (), "psk_modes": (DHE_KE,), "key_shares": None},
        {"groups": (NamedGroup.secp384r1,), "key_shares": None},
        {"key_shares": (X25519,), "groups": (P256,)},
        {"record_size_limit": 63},
        {"record_size_limit": 2**14 + 2},
        {"connection_id": bytes(256)},
    ],
    ids=str,
)
def test_clients_that_cannot_work(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        ECDHE_PSK.client(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"versions": ()},
        {"suites13": ()},
        {"psk": None},
        {"psk_modes": ()},
        {"tickets": 9},
        {"tickets": -1},
        {"ticket_lifetime": 604_801},
        {"ticket_lifetime": 0},
        {"ticket_key": bytes(31)},
        {"record_size_limit": 63},
    ],
    ids=str,
)
def test_servers_that_cannot_work(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        ECDHE_PSK.server(**changes)


def test_an_identity_that_no_hello_can_hold() -> None:
    psk = PSK(b"i" * 65_535, parties.KEY)
    client = ECDHE_PSK.client(psk=psk)
    with pytest.raises(ConfigurationError):
        run(client, ECDHE_PSK.server(psk=psk_lookup(psk, parties.SECRET)))
