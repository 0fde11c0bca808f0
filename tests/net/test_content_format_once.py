"""A chosen encoding is said with flight 1, and neither later flights nor answers say it again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.coap import Option
from handshake_over_coap.trace.coap import read_coap
from tests.support.relay import Direction, Relay
from tests.support.sockets import LOOPBACK, echo

KEY = hoc.PSK(b"i", bytes(16))
COMPACT = 65002


@pytest.mark.parametrize("location", [True, False], ids=["location", "no location"])
@pytest.mark.parametrize("dtls", ["1.2", "1.3"])
@pytest.mark.parametrize("block_size", [16, 1024])
def test_flight_1_alone_says_that_bodies_are_compact(
    dtls: str, location: bool, block_size: int
) -> None:
    async def run() -> list[tuple[Direction, int | None]]:
        options: dict[str, Any] = {"location": location, "block_size": block_size}
        async with (
            hoc.serve(LOOPBACK, KEY, handler=echo, **options) as server,
            Relay(server.address) as relay,
            hoc.connect(relay.address, KEY, dtls=dtls, encoding="compact", **options) as session,
        ):
            await session.send(b"data")
            assert await session.receive() == b"data"
            assert session.report.encoding == "compact"
            seen = [(each.direction, read_coap(each.data)) for each in relay.deliveries]
            return [
                (direction, message.uint(Option.CONTENT_FORMAT))
                for direction, message in seen
                if message is not None and message.code
            ]

    said = asyncio.run(run())
    from_server = {number for direction, number in said if direction is Direction.TO_CLIENT}
    from_client = [number for direction, number in said if direction is Direction.TO_SERVER]
    assert from_server == {None}
    assert from_client[0] == COMPACT
    assert from_client[-1] is None
