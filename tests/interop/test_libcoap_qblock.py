"""libcoap judges our Q-Block (RFC 9177) where it was built with it, and our way back where not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.carriers.coap.parameters import CoapParameters
from handshake_over_coap.carriers.conversation import open_client
from handshake_over_coap.coap.codes import Code, is_success
from handshake_over_coap.coap.message import Message
from handshake_over_coap.coap.options import Option
from handshake_over_coap.encodings import encoding_named
from handshake_over_coap.net.options import Options
from handshake_over_coap.transfers.qblock import QBlock
from tests.support import libcoap
from tests.support.aiocoap_world import free_port
from tests.support.parties import seeded
from tests.support.relay import Direction, Relay
from tests.support.sockets import LOOPBACK, client_arguments, echo, server_arguments

pytestmark = pytest.mark.peer

PUT = 3
PLAIN = encoding_named("plain")
QUICK = QBlock(non_timeout=0.5, non_receive_timeout=1.75)
OURS = CoapParameters(
    block_size=64, ack_timeout=0.5, ack_random_factor=1.0, max_retransmit=8, transfer=QUICK
)
Q_BLOCK = "5"
"""libcoap's option -L: handles blocks by itself, and tries Q-Block."""


@pytest.fixture
def client(require_peer: Callable[[str], str], tmp_path: Path) -> libcoap.Client:
    """libcoap's client."""
    return libcoap.Client(require_peer(libcoap.CLIENT), free_port(), tmp_path)


@pytest.fixture
def server(require_peer: Callable[[str], str]) -> str:
    """libcoap's server."""
    return require_peer(libcoap.SERVER)


@pytest.fixture
def quick(server: str) -> str:
    """libcoap's server, if it knows Q-Block."""

    async def knows() -> bool:
        async with libcoap.server(server, "-L", Q_BLOCK) as address:
            return await libcoap.knows_q_block(address)

    if not asyncio.run(knows()):
        pytest.skip("this libcoap was built without Q-Block: it refuses the options with 4.02")
    return server


async def _echoed(server: str, body: bytes, *arguments: str) -> tuple[bytes, list[Message]]:
    """What libcoap's server gives back of a body that it was given, and all messages to it."""
    async with (
        libcoap.server(server, *arguments) as address,
        Relay(address) as relay,
        libcoap.our_client(relay.address, OURS) as ours,
    ):
        reply = await ours.ask(PUT, ("example_data",), body)
        assert is_success(reply.code)
        reply = await ours.ask(Code.GET, ("example_data",))
        return reply.payload, [Message.decode(d) for d in relay.payloads(Direction.TO_SERVER)]


@pytest.mark.parametrize("size", [1, 65, 1000])
def test_a_server_without_the_options_gets_our_blocks_of_rfc_7959(server: str, size: int) -> None:
    body = bytes(index % 251 for index in range(size))
    payload, sent = asyncio.run(_echoed(server, body))
    assert payload == body
    assert not any(m.get(Option.Q_BLOCK1) or m.get(Option.Q_BLOCK2) for m in sent[1:])


@pytest.mark.parametrize("size", [1, 65, 600, 640, 1000, 2500])
def test_its_server_joins_our_blocks_and_we_join_its(quick: str, size: int) -> None:
    body = bytes(index % 251 for index in range(size))
    payload, sent = asyncio.run(_echoed(quick, body, "-L", Q_BLOCK))
    assert payload == body
    assert not any(m.get(Option.BLOCK1) or m.get(Option.BLOCK2) for m in sent)


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["2", "4", "3,5,8", "2-4"])
def test_its_server_may_lose_datagrams(quick: str, lost: str) -> None:
    body = bytes(index % 251 for index in range(600))
    payload, _ = asyncio.run(_echoed(quick, body, "-L", Q_BLOCK, "-l", lost))
    assert payload == body


async def _flight_2(client: libcoap.Client, *arguments: str) -> tuple[bool, list[Message]]:
    """Flight 1 of a client of ours, carried by libcoap; whether the answer was acceptable."""
    given = client_arguments("rpk-mutual")
    credential, trust = given.pop("credential", None), given.pop("trust", None)
    config = Options(dtls="1.2", **given).client_config(
        credential, trust, LOOPBACK[0], seeded("libcoap")
    )
    turn = open_client(config, PLAIN)
    options: dict[str, Any] = {"block_size": 64, "resource": "/d"}
    async with (
        hoc.serve(LOOPBACK, handler=echo, **options, **server_arguments("rpk-mutual")) as ours,
        Relay(ours.address) as relay,
    ):
        uri = f"coap://{relay.address[0]}:{relay.address[1]}/d"
        reply, _ = await client.ask(
            uri, "-N", "-b", "64", "-L", Q_BLOCK, *arguments, body=turn.body
        )
        acceptable = bool(turn.after.hear(reply, PLAIN).body)
        return acceptable, [Message.decode(d) for d in relay.payloads(Direction.TO_CLIENT)]


@pytest.mark.parametrize("lost", ["", "4", "5,7"])
def test_our_server_joins_its_blocks_and_it_joins_ours(
    quick: str, client: libcoap.Client, lost: str
) -> None:
    """Flight 2 comes back whole in blocks that libcoap has put together."""
    acceptable, sent = asyncio.run(_flight_2(client, *(["-l", lost] if lost else [])))
    assert acceptable
    assert any(m.get(Option.Q_BLOCK2) for m in sent)
