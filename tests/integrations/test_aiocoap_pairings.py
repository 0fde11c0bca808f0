"""Four pairings: our carrier and aiocoap's messages on either side, through loss, in small blocks.

aiocoap's message layer, and its own blockwise transfer where it carries the client, judge our
exchange here, and ours judges it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiocoap
import pytest
from aiocoap import resource

import handshake_over_coap as hoc
from handshake_over_coap.coap.message import Message
from handshake_over_coap.integrations.aiocoap import handshake
from handshake_over_coap.net.endpoint import HostPort
from tests.support.aiocoap_world import Handshakes, client_context, free_port, site_of, uri
from tests.support.relay import Direction, Impairments, Relay
from tests.support.sockets import LOOPBACK, client_arguments, server_arguments

LABEL = "EXPORTER-handshake-over-coap-test"
BLOCKS: dict[str, Any] = {"block_size": 64}
PATIENT: dict[str, Any] = {"ack_timeout": 0.1, "max_retransmit": 12}
LOSSY = Impairments(drop=0.15, duplicate=0.1, reorder=0.1)

CLIENTS = ("ours", "aiocoap", "aiocoap-blockwise")
SERVERS = ("ours", "aiocoap")


class ServerKeys:
    """The exporter of the first handshake that a server has completed."""

    def __init__(self) -> None:
        self._key: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def handler(self, session: hoc.Session) -> None:
        """Of our own server."""
        self.tell(session.export(LABEL, 16))
        with pytest.raises(hoc.Closed):
            await session.receive()

    def tell(self, key: bytes) -> None:
        """The first one counts."""
        if not self._key.done():
            self._key.set_result(key)

    async def key(self) -> bytes:
        """The key, soon."""
        async with asyncio.timeout(5):
            return await self._key


@asynccontextmanager
async def serving(server: str, kind: str, keys: ServerKeys) -> AsyncIterator[HostPort]:
    """One of the servers."""
    arguments = server_arguments(kind)
    credentials = arguments.pop("credentials")
    if server == "ours":
        async with hoc.serve(
            LOOPBACK, credentials, handler=keys.handler, **arguments, **BLOCKS
        ) as ours:
            yield ours.address
        return
    theirs = Handshakes(credentials=credentials, **arguments, **BLOCKS)
    async with site_of({(".well-known", "dtls"): theirs.resource}) as address:
        yield address
        keys.tell(theirs.completed[0].export(LABEL, 16))


async def client_key(client: str, address: HostPort, kind: str, dtls: str) -> bytes:
    """What a client of one of the sorts gets out of its handshake."""
    arguments = client_arguments(kind) | BLOCKS | PATIENT
    if client == "ours":
        async with hoc.connect(address, dtls=dtls, **arguments) as session:
            return session.export(LABEL, 16)
    async with client_context() as context:
        done = await handshake(
            context,
            uri(address),
            dtls=dtls,
            handle_blockwise=client == "aiocoap-blockwise",
            **arguments,
        )
        return done.export(LABEL, 16)


async def _agree(client: str, server: str, dtls: str, kind: str, impairments: Impairments) -> Relay:
    keys = ServerKeys()
    async with (
        serving(server, kind, keys) as address,
        Relay(address, impairments=impairments, seed=3) as relay,
    ):
        ours = await client_key(client, relay.address, kind, dtls)
    assert ours == await keys.key(), (dtls, kind)
    return relay


async def _all_agree(client: str, server: str, impairments: Impairments) -> list[Relay]:
    """Both versions and kinds of credential at once: what they do most is wait."""
    pairs = [
        _agree(client, server, dtls, kind, impairments)
        for dtls in ("1.2", "1.3")
        for kind in ("psk", "rpk-mutual")
    ]
    return await asyncio.gather(*pairs)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_both_sides_agree_through_loss_whoever_carries_the_messages(
    client: str, server: str
) -> None:
    relays = asyncio.run(_all_agree(client, server, LOSSY))
    assert all(sum(each.dropped for each in relay.counts.values()) for relay in relays)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_without_loss_it_is_one_exchange_for_each_block_of_64_bytes(
    client: str, server: str
) -> None:
    for relay in asyncio.run(_all_agree(client, server, Impairments())):
        asked, answered = (
            [each for each in map(_coap, relay.payloads(direction)) if each is not None]
            for direction in Direction
        )
        assert len(asked) == len(answered)
        # aiocoap learns our block size only once it has resolved the address: by the challenge.
        later = asked[1 if client == "aiocoap-blockwise" else 0 :]
        assert all(len(each.payload) <= 64 for each in (*later, *answered))


def _coap(datagram: bytes) -> Message | None:
    """The message that a datagram is; None for records."""
    return Message.decode(datagram) if datagram[0] >> 6 == 1 else None


async def _crossing(dtls: str, kind: str) -> None:
    """Two programs, each with one context for its site and for its client's handshake."""
    arguments = server_arguments(kind)
    credentials = arguments.pop("credentials")
    served = [Handshakes(credentials=credentials, **arguments, **BLOCKS) for _ in range(2)]
    addresses = [("127.0.0.1", free_port()) for _ in range(2)]
    contexts = []
    for each, address in zip(served, addresses, strict=True):
        site = resource.Site()
        site.add_resource([".well-known", "dtls"], each.resource)
        contexts.append(await aiocoap.Context.create_server_context(site, bind=address))
    try:
        options = client_arguments(kind) | BLOCKS | PATIENT
        shakes = [
            handshake(context, uri(address), dtls=dtls, **options)
            for context, address in zip(contexts, reversed(addresses), strict=True)
        ]
        clients = await asyncio.gather(*shakes)
        servers = [await each.first() for each in reversed(served)]
        for ours, theirs in zip(clients, servers, strict=True):
            assert ours.export(LABEL, 16) == theirs.export(LABEL, 16)
    finally:
        for context in contexts:
            await context.shutdown()


@pytest.mark.parametrize("dtls", ["1.2", "1.3"])
@pytest.mark.parametrize("kind", ["psk", "rpk-mutual"])
def test_two_programs_may_each_be_client_and_server_of_the_other_at_once(
    dtls: str, kind: str
) -> None:
    asyncio.run(_crossing(dtls, kind))
