"""A server and clients with the options of the command, on a network in memory and virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import handshake_over_coap as hoc
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.net.client import Client
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.server import Handler, Server
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.tickets import Ticket
from tests.support.both_carriers import SERVER, echo
from tests.support.network import Endpoint, Network, Verdict, deliver_all
from tests.support.parties import IDENTITY, KEY, seeded

PSK: Final = hoc.PSK(IDENTITY, KEY)


def clock() -> datetime:
    """The time of day on every machine there."""
    return datetime(2026, 6, 1, tzinfo=UTC)


@dataclass
class Party:
    """A client with its session and its place on the network."""

    client: Client
    session: hoc.Session
    endpoint: Endpoint

    @property
    def address(self) -> Address:
        return self.endpoint.local_address

    async def echoed(self, data: bytes, seconds: float = 5.0) -> bool:
        """Whether ``data`` comes back in time."""
        await self.session.send(data)
        try:
            async with asyncio.timeout(seconds):
                return await self.session.receive() == data
        except TimeoutError:
            return False


@dataclass
class World:
    """One running server and its clients; ``options`` are both sides' unless others are given."""

    network: Network
    server: Server
    options: dict[str, Any]
    parties: list[Party] = field(default_factory=list)
    unseen: list[dict[str, Any]] = field(default_factory=list)

    async def connect(
        self,
        port: int = 40000,
        *,
        ticket: Ticket | None = None,
        change: Callable[[ClientConfig], ClientConfig] = lambda config: config,
        **options: Any,
    ) -> Party:
        """A client that has completed its handshake; ``change`` gets its configuration."""
        chosen = Options(**(self.options | options))
        endpoint = self.network.endpoint("192.0.2.7", port)
        rng = seeded(f"client {len(self.parties)} on {port}")
        client = Client(endpoint, SERVER, chosen, rng)
        config = chosen.client_config(PSK, None, SERVER.host, rng, clock, ticket)
        try:
            session = await client.handshake(change(config))
        except BaseException:
            await client.close()
            raise
        self.parties.append(Party(client, session, endpoint))
        return self.parties[-1]

    def at_server(self, party: Party) -> hoc.Session:
        """The server's session with ``party``."""
        random = party.session.connected.client_random
        (found,) = (s for s in self.server.sessions if s.connected.client_random == random)
        return found


@asynccontextmanager
async def world(
    *,
    handler: Handler = echo,
    delay: float = 0.05,
    verdict: Verdict = deliver_all,
    change: Callable[[ServerConfig], ServerConfig] = lambda config: config,
    server: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[World]:
    """A server with ``options`` and those of ``server``; ``change`` gets its configuration.

    Fails at the end if anything was raised where only the event loop could see it.
    """
    network = Network(delay, verdict)
    chosen = Options(**(options | (server or {})))
    rng = seeded("server")
    config = change(chosen.server_config([PSK], None, None, rng, clock))
    running = Server(network.endpoint(SERVER.host, SERVER.port), chosen, config, handler, rng)
    here = World(network, running, options)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: here.unseen.append(context))
    try:
        yield here
    finally:
        for party in here.parties:
            await party.client.close()
        await running.close()
    assert here.unseen == []
