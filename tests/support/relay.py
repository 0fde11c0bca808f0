"""A UDP relay that drops, duplicates and re-orders, between clients and one server.

Each client address gets an upstream socket of its own, so the server tells clients apart as it
would without the relay.  What happens to the n-th datagram of one client and direction depends on
the seed alone, not on how clients interleave.  In a test::

    async with Relay(server_address, impairments=Impairments(drop=0.2), seed=7) as relay:
        ...  # talk to relay.address instead of server_address
    assert received == relay.payloads(Direction.TO_SERVER)

What is recorded as delivered is what was handed to the kernel, in that order; what the kernel
refused (a full buffer) is counted as ``refused`` and not recorded.  As a program, between
processes: ``python -m tests.support.relay --help``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import enum
import json
import random
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

Address = tuple[str, int]

_LARGEST = 65535
_BATCH = 64
"""Datagrams read from one socket before other sockets get their turn."""
_SOCKET_BUFFER = 4 * 1024 * 1024
"""Bytes asked of the kernel per socket, so that it drops as little as possible by itself."""


class Direction(enum.StrEnum):
    """Which way a datagram travels."""

    TO_SERVER = "to_server"
    TO_CLIENT = "to_client"


@dataclass(frozen=True, slots=True)
class Impairments:
    """Probabilities (0..1) of what may befall one datagram, and how long it may be held back.

    ``drop`` is drawn first; what is not dropped may be duplicated; each copy may then be held
    back by itself, for a time uniform between the two values of ``hold`` (seconds), while others
    overtake it.  Raises ValueError for a probability or a time that makes no sense.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    hold: tuple[float, float] = (0.002, 0.02)

    def __post_init__(self) -> None:
        for name in ("drop", "duplicate", "reorder"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is a probability: 0 to 1, not {getattr(self, name)}")
        if not 0.0 <= self.hold[0] <= self.hold[1]:
            raise ValueError(f"hold is (shortest, longest) in seconds, not {self.hold}")


@dataclass(slots=True)
class Counts:
    """What befell the datagrams of one direction.

    When nothing is held back any more,
    ``received + duplicated + injected == forwarded + dropped + refused``.
    """

    received: int = 0
    forwarded: int = 0
    dropped: int = 0
    duplicated: int = 0
    reordered: int = 0
    """Copies that were held back (whether or not another overtook them)."""
    injected: int = 0
    """Datagrams that a hook put in, above one for one."""
    refused: int = 0
    """Datagrams that the kernel would not take."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One datagram handed to the kernel: which way, whose, and its bytes."""

    direction: Direction
    client: Address
    data: bytes


Hook = Callable[[Direction, int, bytes], Sequence[bytes] | None]
"""Decides about particular datagrams: called with the direction, the index of the datagram (from
0, per client and direction, as received) and its bytes.  Returns what to forward instead, at once
and in that order (an empty list drops it), or None to leave the datagram to chance."""


@dataclass(slots=True)
class _Client:
    """One client address, its upstream socket, and its draws and counters per direction."""

    address: Address
    upstream: socket.socket
    draws: dict[Direction, random.Random]
    seen: Counter[Direction] = field(default_factory=Counter)


class Relay:
    """The relay as an asynchronous context manager; see the module's text.

    ``server`` is where datagrams go; ``listen`` is where clients send theirs (port 0: any free
    one; ``address`` tells which, once running).  Counters and deliveries stay readable after the
    end.  Leaving the context forgets datagrams still held back (they count as dropped);
    ``await drained()`` first, where each one matters.
    """

    def __init__(
        self,
        server: Address,
        *,
        listen: Address = ("127.0.0.1", 0),
        impairments: Impairments | None = None,
        seed: int = 0,
        hook: Hook | None = None,
        record: bool = True,
    ) -> None:
        self.impairments = impairments or Impairments()
        self.counts = {direction: Counts() for direction in Direction}
        self.deliveries: list[Delivery] = []
        self._server = server
        self._listen = listen
        self._seed = seed
        self._hook = hook
        self._record = record
        self._clients: dict[Address, _Client] = {}
        self._held: dict[asyncio.TimerHandle, Direction] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._downstream: socket.socket | None = None

    async def __aenter__(self) -> Self:
        self._downstream = _socket_for(self._listen)
        self._downstream.bind(self._listen)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._downstream, self._read_downstream, self._downstream)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for handle, direction in self._held.items():
            handle.cancel()
            self.counts[direction].dropped += 1
        self._held.clear()
        self._quiet.set()
        loop = asyncio.get_running_loop()
        sockets = [client.upstream for client in self._clients.values()]
        if self._downstream is not None:
            sockets.append(self._downstream)
        for each in sockets:
            loop.remove_reader(each)
            each.close()
        self._downstream = None

    @property
    def address(self) -> Address:
        """Where clients send to."""
        return self._running().getsockname()[:2]  # type: ignore[no-any-return]

    @property
    def clients(self) -> list[Address]:
        """The client addresses seen, in the order of their first datagram."""
        return list(self._clients)

    def payloads(self, direction: Direction, client: Address | None = None) -> list[bytes]:
        """What was delivered in one direction, in order; of one client, or of all together."""
        return [
            delivery.data
            for delivery in self.deliveries
            if delivery.direction is direction and client in {None, delivery.client}
        ]

    async def drained(self) -> None:
        """Wait until no datagram is held back."""
        await self._quiet.wait()

    def _running(self) -> socket.socket:
        if self._downstream is None:
            raise RuntimeError("the relay is not running: use it in `async with`")
        return self._downstream

    def _read_downstream(self, downstream: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                data, source = downstream.recvfrom(_LARGEST)
            except OSError:
                return  # nothing more for now, or an ICMP error about what was sent before
            self._handle(Direction.TO_SERVER, self._client(source[:2]), data)

    def _read_upstream(self, client: _Client) -> None:
        for _ in range(_BATCH):
            try:
                data = client.upstream.recv(_LARGEST)
            except OSError:
                return
            self._handle(Direction.TO_CLIENT, client, data)

    def _client(self, address: Address) -> _Client:
        client = self._clients.get(address)
        if client is None:
            upstream = _socket_for(self._server)
            upstream.connect(self._server)
            ordinal = len(self._clients)
            draws = {
                direction: random.Random(f"{self._seed}/{ordinal}/{direction}")
                for direction in Direction
            }
            client = self._clients[address] = _Client(address, upstream, draws)
            asyncio.get_running_loop().add_reader(upstream, self._read_upstream, client)
        return client

    def rebind(self) -> None:
        """Reach the server from new ports from now on, as a NAT that has forgotten does."""
        loop = asyncio.get_running_loop()
        for client in self._clients.values():
            loop.remove_reader(client.upstream)
            client.upstream.close()
            client.upstream = _socket_for(self._server)
            client.upstream.connect(self._server)
            loop.add_reader(client.upstream, self._read_upstream, client)

    def _handle(self, direction: Direction, client: _Client, data: bytes) -> None:
        counts = self.counts[direction]
        index = client.seen[direction]
        client.seen[direction] += 1
        counts.received += 1
        instead = None if self._hook is None else self._hook(direction, index, data)
        if instead is not None:
            counts.dropped += not instead
            counts.injected += max(0, len(instead) - 1)
            for each in instead:
                self._forward(direction, client, each)
            return
        for delay in self._fate(direction, client.draws[direction]):
            if delay is None:
                self._forward(direction, client, data)
            else:
                self._hold(delay, direction, client, data)

    def _fate(self, direction: Direction, draws: random.Random) -> list[float | None]:
        """For each copy of a datagram, how long it is held back (None: not at all)."""
        counts, odds = self.counts[direction], self.impairments
        # Always the same number of draws, so that one probability does not shift the others.
        dropped = draws.random() < odds.drop
        duplicated = draws.random() < odds.duplicate
        holds = [(draws.random() < odds.reorder, draws.uniform(*odds.hold)) for _ in range(2)]
        if dropped:
            counts.dropped += 1
            return []
        counts.duplicated += duplicated
        copies = holds if duplicated else holds[:1]
        counts.reordered += sum(held for held, _ in copies)
        return [delay if held else None for held, delay in copies]

    def _hold(self, delay: float, direction: Direction, client: _Client, data: bytes) -> None:
        def release() -> None:
            del self._held[handle]
            if not self._held:
                self._quiet.set()
            self._forward(direction, client, data)

        handle = asyncio.get_running_loop().call_later(delay, release)
        self._held[handle] = direction
        self._quiet.clear()

    def _forward(self, direction: Direction, client: _Client, data: bytes) -> None:
        counts = self.counts[direction]
        try:
            if direction is Direction.TO_SERVER:
                client.upstream.send(data)
            else:
                self._running().sendto(data, client.address)
        except OSError:
            counts.refused += 1
            return
        counts.forwarded += 1
        if self._record:
            self.deliveries.append(Delivery(direction, client.address, data))


def _socket_for(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    result = socket.socket(family, socket.SOCK_DGRAM)
    result.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        result.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER)
    return result


def parse_address(text: str) -> Address:
    """``127.0.0.1:5684`` or ``[::1]:5684`` as host and port; ValueError for anything else."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _LARGEST:
        raise ValueError(f"expected HOST:PORT, not {text!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def summary(relay: Relay) -> dict[str, object]:
    """Counters as the program prints them (JSON-ready)."""
    return {
        "clients": len(relay.clients),
        **{str(direction): asdict(counts) for direction, counts in relay.counts.items()},
    }


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="relay", description="A UDP relay that misbehaves.")
    parser.add_argument("--server", type=parse_address, required=True, metavar="HOST:PORT")
    parser.add_argument(
        "--listen", type=parse_address, default=("127.0.0.1", 0), metavar="HOST:PORT"
    )
    for name in ("drop", "duplicate", "reorder"):
        parser.add_argument(f"--{name}", type=float, default=0.0, metavar="P")
    parser.add_argument("--hold", type=float, nargs=2, default=(0.002, 0.02), metavar="S")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="one JSON line per datagram delivered, at the end",
    )
    return parser


async def _run(options: argparse.Namespace, impairments: Impairments) -> None:
    relay = Relay(
        options.server,
        listen=options.listen,
        impairments=impairments,
        seed=options.seed,
        record=options.record is not None,
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with relay:
        host, port = relay.address
        sys.stderr.write(f"relaying on {f'[{host}]' if ':' in host else host}:{port}\n")
        sys.stderr.flush()
        await stop.wait()
    if options.record is not None:
        lines = [
            json.dumps([delivery.direction, list(delivery.client), delivery.data.hex()]) + "\n"
            for delivery in relay.deliveries
        ]
        options.record.write_text("".join(lines), encoding="ascii")
    sys.stdout.write(json.dumps(summary(relay)) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until SIGINT or SIGTERM, then print the counters as one JSON object."""
    parser = _arguments()
    options = parser.parse_args(arguments)
    try:
        odds = Impairments(options.drop, options.duplicate, options.reorder, tuple(options.hold))
    except ValueError as error:
        parser.error(str(error))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(options, odds))


if __name__ == "__main__":
    main()
