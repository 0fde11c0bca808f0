"""Real handshakes on a simulated network that misbehaves; as a program, their traces' digest."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from datetime import UTC, datetime

from handshake_over_coap.errors import Error
from handshake_over_coap.net.client import Client
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.server import Server
from handshake_over_coap.net.session import Session
from handshake_over_coap.sim import (
    Draws,
    FrameSeen,
    LinkOptions,
    Network,
    Passage,
    PassageRecorder,
    RadioOptions,
    Side,
    run,
)
from handshake_over_coap.tls.credentials import PSK

KEY = PSK(b"sensor", bytes(range(16)))
ROUGH = LinkOptions(loss=0.1, burst=1.5, jitter=0.02, duplicate=0.1, reorder=0.1, rate=50_000.0)
RADIO = RadioOptions(hops=2, loss=0.1, retries=3, prefix="2001:db8:7::")


class Frames:
    def __init__(self) -> None:
        self.all: list[FrameSeen] = []

    def seen(self, frame: FrameSeen) -> None:
        self.all.append(frame)


def handshake(
    seed: int,
    transport: str = "coap",
    link: LinkOptions = ROUGH,
    radio: RadioOptions | None = None,
) -> tuple[bool, tuple[Passage, ...], list[FrameSeen]]:
    """Whether a handshake and one exchange completed, and everything that was sent for it."""
    draws = Draws(seed)
    return run(_handshake(draws, Options(transport=transport, mtu=200), link, radio))


async def _handshake(
    draws: Draws, options: Options, link: LinkOptions, radio: RadioOptions | None
) -> tuple[bool, tuple[Passage, ...], list[FrameSeen]]:
    network, recorder, frames = Network(link, draws, radio), PassageRecorder(), Frames()
    network.observe(recorder)
    if network.radio is not None:
        network.radio.observe(frames)

    async def echo(session: Session) -> None:
        await session.send(await session.receive())

    def clock() -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    rngs = {side: draws.rng("tls", side.value) for side in Side}
    config = options.server_config([KEY], None, None, rngs[Side.SERVER], clock)
    endpoint = network.endpoint(Side.SERVER, "server")
    server = Server(endpoint, options, config, echo, rngs[Side.SERVER])
    near = network.endpoint(Side.CLIENT, "client", 40000)
    client = Client(near, endpoint.local_address, options, rngs[Side.CLIENT])
    completed = True
    try:
        asked = options.client_config(KEY, None, "server", rngs[Side.CLIENT], clock)
        session = await client.handshake(asked)
        await session.send(b"hello")
        await asyncio.sleep(1)
    except Error:
        completed = False
    await client.close()
    await server.close()
    network.finish()
    return completed, recorder.passages, frames.all


def digest(transport: str, radio: RadioOptions | None, seed: int) -> str:
    """Everything that can be seen of a handshake, in one number."""
    found = hashlib.sha256()
    completed, passages, frames = handshake(seed, transport, radio=radio)
    found.update(repr(completed).encode())
    for passage in passages:
        found.update(repr(passage).encode() + passage.datagram.data)
    for frame in frames:
        found.update(repr(frame).encode() + frame.data)
    return found.hexdigest()


if __name__ == "__main__":
    for transport in ("coap", "udp"):
        for radio in (None, RADIO):
            sys.stdout.write(digest(transport, radio, int(sys.argv[1])) + "\n")
