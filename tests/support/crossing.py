"""Endpoints that are client and server at once, on one port.

Both roles hear everything that comes, but for what of DTLS in the clear only a client says, or only
a server: a program with both on one port has to sort that.  The rest, alerts and whatever is sealed
among it, tells nobody for whom it is, and over CoAP nothing is sorted at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import handshake_over_coap as hoc
from handshake_over_coap.carriers.datagram import Address, DatagramReceiver
from handshake_over_coap.net.client import Client
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.server import Server
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from tests.support.both_carriers import echo
from tests.support.network import Endpoint, Network, Verdict, deliver_all
from tests.support.parties import Scenario, seeded
from tests.support.parties13 import Scenario13

HERE: Final = Address("192.0.2.1", 5684)
THERE: Final = Address("192.0.2.2", 5684)

OF_CLIENTS: Final = frozenset(
    {
        HandshakeType.client_hello,
        HandshakeType.certificate,  # at the front of a datagram: a server's is behind its hello
        HandshakeType.client_key_exchange,
        HandshakeType.certificate_verify,
    }
)


class Shared:
    """An endpoint of which each role has a view of its own; it is closed with the last of them."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.receivers: dict[DatagramReceiver, bool] = {}
        endpoint.start(self)

    def on_datagram(self, data: bytes, address: Address) -> None:
        for each, is_server in tuple(self.receivers.items()):
            if not _in_the_clear(data) or (data[13] in OF_CLIENTS) == is_server:
                each.on_datagram(data, address)

    def on_error(self, error: OSError, address: Address | None) -> None:
        raise AssertionError("nothing in memory gives errors")

    def view(self, *, is_server: bool) -> View:
        return View(self, is_server)


def _in_the_clear(data: bytes) -> bool:
    """Whether it begins with a handshake message of epoch 0."""
    return data[0] == ContentType.handshake and not any(data[3:5])


class View:
    """A ``DatagramEndpoint`` over a shared one."""

    def __init__(self, shared: Shared, is_server: bool) -> None:
        self._shared = shared
        self._is_server = is_server
        self._receiver: DatagramReceiver | None = None
        self.send_errors = 0
        self.kernel_drops: int | None = None

    @property
    def local_address(self) -> Address:
        return self._shared.endpoint.local_address

    def start(self, receiver: DatagramReceiver) -> None:
        self._receiver = receiver
        self._shared.receivers[receiver] = self._is_server

    def send(self, data: bytes, address: Address) -> None:
        if self._receiver in self._shared.receivers:
            self._shared.endpoint.send(data, address)

    def close(self) -> None:
        if self._receiver in self._shared.receivers:
            del self._shared.receivers[self._receiver]


class Peer:
    """One such endpoint, and the other one's address."""

    def __init__(
        self,
        network: Network,
        address: Address,
        other: Address,
        scenario: Scenario | Scenario13,
        options: Options,
    ) -> None:
        self.shared = Shared(network.endpoint(address.host, address.port))
        self.server = Server(
            self.shared.view(is_server=True),
            options,
            scenario.server(),
            echo,
            seeded(f"server {address}"),
        )
        self.client = Client(
            self.shared.view(is_server=False), other, options, seeded(f"client {address}")
        )
        self._scenario = scenario
        self._name = str(address)

    async def connect(self) -> hoc.Session:
        """The client's handshake, with randomness of its own."""
        return await self.client.handshake(self._scenario.client(rng=seeded(self._name)))

    async def close(self) -> None:
        await self.client.close()
        await self.server.close()


@asynccontextmanager
async def two_peers(
    scenario: Scenario | Scenario13, *, verdict: Verdict = deliver_all, **options: Any
) -> AsyncIterator[tuple[Network, Peer, Peer]]:
    """Two of them; fails at the end if anything was raised where only the loop could see it."""
    unseen = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    network, chosen = Network(0.05, verdict), Options(**options)
    peers = [
        Peer(network, own, other, scenario, chosen) for own, other in ((HERE, THERE), (THERE, HERE))
    ]
    try:
        yield network, peers[0], peers[1]
    finally:
        for each in peers:
            await each.close()
    assert unseen == []
