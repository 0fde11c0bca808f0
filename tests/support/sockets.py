"""Servers and clients on loopback sockets, and the credentials they use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import handshake_over_coap as hoc
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.net.client import Client
from handshake_over_coap.net.endpoint import UdpEndpoint, open_udp
from handshake_over_coap.net.options import Options
from tests.support.parties import (
    ADDRESS,
    CLIENT_KEYS,
    IDENTITY,
    KEY,
    NAME,
    SERVER_KEYS,
    seeded,
    trust_in,
)

LOOPBACK = ("127.0.0.1", 0)
PSK = hoc.PSK(IDENTITY, KEY)
QUICK: dict[str, Any] = {"ack_timeout": 0.2, "ack_random_factor": 1.0, "initial_timeout": 0.2}
"""Timers for a network on which nothing takes long."""

KINDS = ("psk", "ecdhe-psk", "rpk", "rpk-mutual", "x509", "x509-mutual")

__all__ = ["ADDRESS", "CLIENT_KEYS", "IDENTITY", "KEY", "NAME", "SERVER_KEYS", "seeded"]


def server_arguments(kind: str) -> dict[str, Any]:
    """Keyword arguments of ``serve`` for one kind of credential."""
    if kind in ("psk", "ecdhe-psk"):
        return {"credentials": PSK, "auth": kind}
    auth = kind.removesuffix("-mutual")
    key = "rpk-p256" if auth == "rpk" else "x509"
    chosen: dict[str, Any] = {"credentials": SERVER_KEYS[key], "auth": auth}
    if kind.endswith("-mutual"):
        chosen |= {"mutual": True, "trust": trust_in(CLIENT_KEYS[key])}
    return chosen


def client_arguments(kind: str) -> dict[str, Any]:
    """Keyword arguments of ``connect`` for the same."""
    if kind in ("psk", "ecdhe-psk"):
        return {"credential": PSK, "auth": kind} | QUICK
    auth = kind.removesuffix("-mutual")
    key = "rpk-p256" if auth == "rpk" else "x509"
    chosen: dict[str, Any] = {"auth": auth, "trust": trust_in(SERVER_KEYS[key])}
    if auth == "x509":
        chosen["server_name"] = NAME
    if kind.endswith("-mutual"):
        chosen["credential"] = CLIENT_KEYS[key]
    return chosen | QUICK


async def echo(session: hoc.Session) -> None:
    """A server's handler: everything comes back."""
    with suppress(hoc.Closed):
        while True:
            await session.send(await session.receive())


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for ``condition``; fails after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


class Bystander:
    """A bare endpoint that sends what a test likes and keeps what comes back."""

    def __init__(self, endpoint: UdpEndpoint) -> None:
        self.endpoint = endpoint
        self.received: list[bytes] = []
        endpoint.start(self)

    def on_datagram(self, data: bytes, address: Address) -> None:
        self.received.append(data)

    def on_error(self, error: OSError, address: Address | None) -> None:
        pass

    def send(self, data: bytes, to: tuple[str, int]) -> None:
        self.endpoint.send(data, Address(*to))


async def bystander() -> Bystander:
    """A :class:`Bystander` on a free port."""
    return Bystander(await open_udp(LOOPBACK))


async def client_that_may_vanish(
    server: tuple[str, int], local: tuple[str, int], **options: Any
) -> tuple[Client, hoc.Session, UdpEndpoint]:
    """A PSK client whose endpoint can be closed without a word to the server."""
    endpoint = await open_udp(local, connect_to=server)
    chosen = Options(**(QUICK | {"auth": "psk"} | options))
    client = Client(endpoint, Address(*server), chosen, seeded(f"client {options}"))
    config = chosen.client_config(PSK, None, server[0], seeded(f"handshake {options}"))
    return client, await client.handshake(config), endpoint
