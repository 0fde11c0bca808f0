"""Programs that stand on aiocoap, as somebody else would write them, on loopback sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiocoap
from aiocoap import resource

from handshake_over_coap.integrations.aiocoap import CompletedHandshake, HandshakeResource
from handshake_over_coap.net.endpoint import HostPort

HOST = "127.0.0.1"
PATH = (".well-known", "dtls")


def free_port() -> int:
    """A UDP port that nobody has, as aiocoap does not tell which one it was given."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


def until_pinged(port: int) -> None:
    """Wait until a server in another process answers a CoAP ping (RFC 7252 section 4.3)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HOST, port))
        sock.settimeout(0.1)
        for _ in range(300):
            try:
                sock.send(b"\x40\x00\x00\x01")
                if sock.recv(64) == b"\x70\x00\x00\x01":
                    return
            except TimeoutError:
                continue
            except ConnectionRefusedError:
                time.sleep(0.1)
    raise AssertionError(f"nobody answers at port {port}")


def uri(address: HostPort, path: Sequence[str] = PATH) -> str:
    """Of a resource at an address."""
    return f"coap://{address[0]}:{address[1]}/{'/'.join(path)}"


@asynccontextmanager
async def site_of(
    resources: Mapping[tuple[str, ...], Any],
) -> AsyncIterator[HostPort]:
    """An aiocoap server with these resources and ``/.well-known/core``; gives where it listens."""
    site = resource.Site()
    core = resource.WKCResource(site.get_resources_as_linkheader)
    site.add_resource([".well-known", "core"], core)
    for path, each in resources.items():
        site.add_resource(list(path), each)
    address = (HOST, free_port())
    context = await aiocoap.Context.create_server_context(site, bind=address)
    try:
        yield address
    finally:
        await context.shutdown()


@asynccontextmanager
async def client_context() -> AsyncIterator[Any]:
    """An aiocoap client."""
    context = await aiocoap.Context.create_client_context()
    try:
        yield context
    finally:
        await context.shutdown()


class Handshakes:
    """Keeps what a :class:`HandshakeResource` tells of."""

    def __init__(self, **arguments: Any) -> None:
        self.completed: list[CompletedHandshake] = []
        self._came = asyncio.Event()
        self.resource = HandshakeResource(on_completed=self._on_completed, **arguments)

    def _on_completed(self, done: CompletedHandshake) -> None:
        self.completed.append(done)
        self._came.set()

    async def first(self) -> CompletedHandshake:
        """The first that has completed."""
        async with asyncio.timeout(5):
            await self._came.wait()
        return self.completed[0]
