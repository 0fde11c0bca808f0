"""Handshakes by Q-Block (RFC 9177) over sockets of loopback, quiet and lossy."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.transfers.qblock import QBlock
from tests.support.relay import Impairments, Relay
from tests.support.sockets import LOOPBACK, client_arguments, echo, server_arguments

OPTIONS: dict[str, Any] = {
    "transfer": QBlock(non_timeout=0.1, non_receive_timeout=1.15),
    "ack_timeout": 0.2,
    "mtu": 100,
    "resource": "/d",
    "max_interval": 1.0,
    "max_retransmit": 30,
    "timeout": 60.0,
}


@pytest.mark.slow
@pytest.mark.parametrize("dtls", ["1.2", "1.3"])
@pytest.mark.parametrize("kind", ["psk", "rpk-mutual"])
@pytest.mark.parametrize("encoding", ["plain", "compact"])
def test_a_session_is_made_by_q_block(dtls: str, kind: str, encoding: str) -> None:
    async def scenario(drop: float) -> None:
        impairments = Impairments(drop=drop, duplicate=drop, reorder=drop)
        ours = {**server_arguments(kind), **OPTIONS, "encoding": encoding}
        theirs = {**client_arguments(kind), **OPTIONS, "encoding": encoding}
        async with (
            hoc.serve(LOOPBACK, handler=echo, **ours) as server,
            Relay(server.address, impairments=impairments, seed=1) as relay,
            hoc.connect(relay.address, dtls=dtls, **theirs) as session,
        ):
            assert session.report.transport == "coap"

    async def both() -> None:
        await asyncio.gather(scenario(0.0), scenario(0.2))

    asyncio.run(both())


def test_a_server_takes_q_block_whatever_its_own_choice_is() -> None:
    async def scenario() -> None:
        async with (
            hoc.serve(LOOPBACK, handler=echo, **server_arguments("psk")) as server,
            hoc.connect(
                server.address, block_size=32, transfer="qblock", **client_arguments("psk")
            ) as session,
        ):
            await session.send(b"over")
            assert await session.receive() == b"over"

    asyncio.run(scenario())
