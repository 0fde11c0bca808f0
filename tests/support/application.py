"""Application data under load: numbered datagrams, so many in flight, each echoed once.

Runs in a process of its own too (``python -m tests.support.application``), so that client and
server are two processes on real sockets.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import handshake_over_coap as hoc

_HEADER = 8


@dataclass
class Outcome:
    """What became of the datagrams of one run."""

    sent: int = 0
    echoed: int = 0
    lost: int = 0
    twice: int = 0
    wrong: int = 0
    late: int = 0
    seconds: float = 0.0
    dropped: dict[str, int] = field(default_factory=dict)


async def echo(session: hoc.Session) -> None:
    """A server's handler: everything comes back."""
    with suppress(hoc.Closed):
        while True:
            await session.send(await session.receive())


class Window:
    """Keeps ``in_flight`` datagrams of ``size`` bytes on their way for ``seconds``.

    One that has not come back after ``lost_after`` seconds is taken for lost.
    """

    def __init__(
        self,
        session: hoc.Session,
        in_flight: int,
        size: int,
        seconds: float,
        lost_after: float = 2.0,
    ) -> None:
        self._session = session
        self._in_flight = in_flight
        self._size = size
        self._seconds = seconds
        self._lost_after = lost_after
        self._outstanding: dict[int, float] = {}
        self._answered: set[int] = set()
        self._given_up: set[int] = set()
        self.outcome = Outcome()

    async def run(self) -> Outcome:
        began = time.monotonic()
        receiver = asyncio.create_task(self._receive())
        try:
            while time.monotonic() - began < self._seconds:
                await self._fill()
                await asyncio.sleep(0)
                self._give_up(time.monotonic() - self._lost_after)
            deadline = time.monotonic() + self._lost_after
            while self._outstanding and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
        finally:
            receiver.cancel()
            with suppress(asyncio.CancelledError):
                await receiver
        self._give_up(time.monotonic())
        self.outcome.seconds = time.monotonic() - began
        self.outcome.dropped = dict(self._session.counters)
        return self.outcome

    async def _fill(self) -> None:
        while len(self._outstanding) < self._in_flight:
            number = self.outcome.sent
            self._outstanding[number] = time.monotonic()
            self.outcome.sent += 1
            await self._session.send(self._content(number))

    def _content(self, number: int) -> bytes:
        return number.to_bytes(_HEADER, "big") + bytes([number & 0xFF]) * (self._size - _HEADER)

    async def _receive(self) -> None:
        while True:
            data = await self._session.receive()
            number = int.from_bytes(data[:_HEADER], "big")
            if data != self._content(number):
                self.outcome.wrong += 1
            elif self._outstanding.pop(number, None) is not None:
                self.outcome.echoed += 1
                self._answered.add(number)
            elif number in self._answered:
                self.outcome.twice += 1
            elif number in self._given_up:
                self._given_up.discard(number)
                self._answered.add(number)
                self.outcome.late += 1
                self.outcome.lost -= 1

    def _give_up(self, before: float) -> None:
        for number in [n for n, sent in self._outstanding.items() if sent <= before]:
            del self._outstanding[number]
            self._given_up.add(number)
            self.outcome.lost += 1


def credentials(kind: str, folder: Path) -> dict[str, Any]:
    """Keyword arguments of ``connect`` for a client of ``kind``, from files in ``folder``.

    Kinds are psk, ecdhe-psk, rpk and x509; the latter two with ``-mutual`` behind as well.
    """
    auth = kind.removesuffix("-mutual")
    chosen: dict[str, Any] = {"auth": auth}
    if auth in ("psk", "ecdhe-psk"):
        chosen["credential"] = hoc.PSK("tester", (folder / "psk").read_bytes())
    elif auth == "rpk":
        chosen["trust"] = hoc.Trust.from_files(raw_public_keys=[folder / "server.pub"])
        if kind.endswith("-mutual"):
            chosen["credential"] = hoc.RawPublicKey.from_file(folder / "client.key")
    else:
        chosen["trust"] = hoc.Trust.from_files(anchors=[folder / "ca.pem"])
        if kind.endswith("-mutual"):
            chosen["credential"] = hoc.Certificate.from_files(
                folder / "client.pem", folder / "client.key"
            )
    return chosen


async def _main(arguments: argparse.Namespace) -> None:
    chosen = credentials(arguments.kind, arguments.folder) | {"dtls": arguments.dtls}
    address = (arguments.host, arguments.port)
    async with hoc.connect(
        address, max_retransmit=None, timeout=arguments.timeout, **chosen
    ) as session:
        window = Window(session, arguments.in_flight, arguments.size, arguments.seconds)
        outcome = asdict(await window.run())
        outcome["kernel_drops"] = session.kernel_drops
    json.dump(outcome, sys.stdout)


def main() -> None:
    """Connect, keep datagrams in flight, print what became of them as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--kind", required=True)
    parser.add_argument("--dtls", default="1.3")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--timeout", type=float, default=60.0)
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
