"""Lean clients at aiocoap's message layer, which gives each request one response: blocks it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.coap.codes import Code
from handshake_over_coap.coap.message import Message
from tests.support.aiocoap_world import Handshakes, site_of
from tests.support.relay import Direction, Impairments, Relay
from tests.support.sockets import client_arguments, server_arguments

LABEL = "EXPORTER-handshake-over-coap-test"
QUICKLY: dict[str, Any] = {"first_timeout": 0.2, "max_interval": 1.0, "mtu": 100}


async def _agree(
    path: tuple[str, ...], dtls: str, kind: str, drop: float, **options: Any
) -> list[int]:
    """The codes of what the server said, once both sides have the same keys."""
    arguments = server_arguments(kind)
    credentials = arguments.pop("credentials")
    theirs = Handshakes(credentials=credentials, **arguments, encoding="compact")
    impairments = Impairments(drop=drop, duplicate=drop, reorder=drop)
    async with (
        site_of({path: theirs.resource}) as address,
        Relay(address, impairments=impairments, seed=5) as relay,
        hoc.connect(
            relay.address,
            dtls=dtls,
            profile="lean",
            **client_arguments(kind),
            **QUICKLY,
            **options,
        ) as session,
    ):
        assert theirs.completed[0].export(LABEL, 16) == session.export(LABEL, 16)
        said = relay.payloads(Direction.TO_CLIENT)
    return [Message.decode(each).code for each in said]


@pytest.mark.parametrize("drop", [0.0, 0.2])
@pytest.mark.parametrize("check", ["always", "adaptive"])
def test_a_lean_client_goes_on_in_blocks(check: str, drop: float) -> None:
    async def all_of_them() -> None:
        found = await asyncio.gather(
            *(
                _agree(("d",), dtls, kind, drop, address_check=check)
                for dtls in ("1.2", "1.3")
                for kind in ("psk", "rpk-mutual")
            )
        )
        assert all(Code.UNSUPPORTED_CONTENT_FORMAT in codes for codes in found)

    asyncio.run(all_of_them())


@pytest.mark.parametrize("check", ["always", "adaptive"])
def test_a_number_for_the_path_that_aiocoap_does_not_know_is_spelled_out(check: str) -> None:
    path = (".well-known", "dtls")
    codes = asyncio.run(_agree(path, "1.3", "psk", 0.0, address_check=check, path_abbrev=True))
    assert Code.BAD_OPTION in codes
    assert Code.UNSUPPORTED_CONTENT_FORMAT in codes
