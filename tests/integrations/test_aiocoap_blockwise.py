"""aiocoap's own blockwise transfer at a server judges our client's: any resource, no handshake."""

from __future__ import annotations

import asyncio
from typing import Any

import aiocoap
import pytest
from aiocoap import resource

from handshake_over_coap.carriers.coap.parameters import CoapParameters
from handshake_over_coap.coap.codes import Code
from tests.support.aiocoap_world import site_of
from tests.support.libcoap import our_client

SMALL = CoapParameters(block_size=64, ack_timeout=0.2, ack_random_factor=1.0, max_retransmit=8)


class Echo(resource.Resource):  # type: ignore[misc]
    """What somebody else's resource may do with a body."""

    async def render_post(self, request: Any) -> Any:
        """The body comes back twice."""
        return aiocoap.Message(code=aiocoap.CHANGED, payload=2 * request.payload)


@pytest.mark.parametrize("content_format", [None, 65002])
def test_bodies_of_any_size_cross_in_both_directions(content_format: int | None) -> None:
    async def echoed() -> None:
        async with site_of({("e",): Echo()}) as address, our_client(address, SMALL) as ours:
            for size in (0, 1, 32, 33, 64, 65, 1000, 3000):
                body = bytes(index % 251 for index in range(size))
                reply = await ours.ask(Code.POST, ("e",), body, content_format=content_format)
                assert (reply.code, reply.payload) == (Code.CHANGED, 2 * body)

    asyncio.run(echoed())
