"""Which groups of the key exchange take part when none is named."""

from __future__ import annotations

import asyncio

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.net.options import Options
from handshake_over_coap.tls.codepoints import NamedGroup
from handshake_over_coap.tls.groups import GROUPS13

KEY = hoc.PSK("me", bytes(16))
HYBRID = NamedGroup.X25519MLKEM768


async def answer(session: hoc.Session) -> None:
    await session.send(await session.receive())


def test_a_client_offers_the_hybrid_group_only_if_told() -> None:
    config = Options().client_config(KEY, None, "192.0.2.1", bytes)
    assert config.groups == (NamedGroup.secp256r1, NamedGroup.x25519)


def test_a_server_takes_every_group_and_the_hybrid_one_last() -> None:
    assert Options().server_config([KEY], None, None, bytes).groups == GROUPS13
    assert Options(group="x25519").server_config([KEY], None, None, bytes).groups == (
        NamedGroup.x25519,
    )


@pytest.mark.skipif(HYBRID not in GROUPS13, reason="this cryptography has no ML-KEM")
def test_a_client_that_insists_on_the_hybrid_group_meets_a_server_that_was_told_nothing() -> None:
    async def meet() -> None:
        async with (
            hoc.serve(("127.0.0.1", 0), KEY, handler=answer) as server,
            hoc.connect(server.address, KEY, group=HYBRID.name) as session,
        ):
            await session.send(b"hello")
            assert await asyncio.wait_for(session.receive(), 10) == b"hello"

    asyncio.run(meet())
