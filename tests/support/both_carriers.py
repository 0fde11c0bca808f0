"""A server and its clients on a network in memory, over either carrier, all of it seeded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import handshake_over_coap as hoc
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.net.client import Client
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.server import Server
from tests.support.network import Network, Verdict, deliver_all
from tests.support.parties import Scenario, seeded
from tests.support.parties13 import Scenario13

SERVER: Final = Address("192.0.2.1", 5684)


async def echo(session: hoc.Session) -> None:
    """A server's handler: everything comes back."""
    with suppress(hoc.Closed):
        while True:
            await session.send(await session.receive())


class Place:
    """One running server, the network around it, and the clients that were asked for."""

    def __init__(self, network: Network, scenario: Scenario | Scenario13, options: Options) -> None:
        self.network = network
        self.scenario = scenario
        self.options = options
        self.clients: list[Client] = []
        self.server = Server(
            network.endpoint(SERVER.host, SERVER.port),
            options,
            scenario.server(),
            echo,
            seeded("carrier of the server"),
        )

    def client(self, host: str = "192.0.2.7", port: int = 40000) -> Client:
        """A client on an endpoint of its own."""
        endpoint = self.network.endpoint(host, port)
        client = Client(endpoint, SERVER, self.options, seeded(f"carrier of {host}:{port}"))
        self.clients.append(client)
        return client

    async def connect(self, host: str = "192.0.2.7", port: int = 40000) -> hoc.Session:
        """A handshake by a new client; its randomness is that of the scenario."""
        return await self.client(host, port).handshake(self.scenario.client())


@asynccontextmanager
async def place(
    scenario: Scenario | Scenario13,
    *,
    delay: float = 0.05,
    verdict: Verdict = deliver_all,
    **options: Any,
) -> AsyncIterator[Place]:
    """A server with these options, which its clients take over.

    Fails at the end if anything was raised where only the event loop could see it.
    """
    unseen = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    here = Place(Network(delay, verdict), scenario, Options(**options))
    try:
        yield here
    finally:
        for client in here.clients:
            await client.close()
        await here.server.close()
    assert unseen == []
