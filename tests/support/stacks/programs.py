"""A program of others as a subprocess: lines in, lines out, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path
from types import TracebackType
from typing import Self

_KEPT = 65536
"""Characters of output that are kept: the last ones."""


class Program:
    """Runs ``command`` until the block is left; what it prints is collected as it comes.

    With ``echo``, each line it prints that begins with that text is written back to it.
    """

    def __init__(self, command: list[str], echo: str | None = None) -> None:
        self._command = command
        self._echo = echo
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.output = ""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, stderr=STDOUT
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        process, reader = self._process, self._reader
        assert process is not None
        assert reader is not None
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reader
        if process.stdin is not None:
            process.stdin.close()
        if error is not None:
            error.add_note(f"{' '.join(self._command)}\nprinted:\n{self.output}")

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            text = line.decode(errors="replace")
            self.output = (self.output + text)[-_KEPT:]
            self._changed.set()
            if self._echo is not None and text.startswith(self._echo):
                self.write(text.rstrip("\n"))

    def write(self, line: str) -> None:
        """Give the program a line."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(line.encode() + b"\n")

    async def says(self, text: str, seconds: float = 20.0) -> None:
        """Wait until it has printed ``text``; raises TimeoutError, or RuntimeError if it ended."""
        async with asyncio.timeout(seconds):
            while text not in self.output:
                try:
                    await self.changes()
                except EOFError:
                    raise RuntimeError(f"ended without saying {text!r}") from None

    async def changes(self) -> None:
        """Wait until it has printed more, or has ended; raises EOFError if it had before."""
        assert self._reader is not None
        if self._reader.done():
            raise EOFError
        self._changed.clear()
        waiting = asyncio.ensure_future(self._changed.wait())
        await asyncio.wait({waiting, self._reader}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def listens(self, port: int, seconds: float = 20.0) -> None:
        """Wait until it has bound the UDP port (Linux); raises as :meth:`says`."""
        assert self._reader is not None
        assert self._process is not None
        async with asyncio.timeout(seconds):
            while not _bound(port, self._process.pid):
                if self._reader.done():
                    raise RuntimeError("ended without listening")
                await asyncio.sleep(0.01)


def _bound(port: int, process: int) -> bool:
    """Whether a socket of the process has the port as its own."""
    tables = (Path("/proc/net/udp"), Path("/proc/net/udp6"))
    entries = (line.split() for table in tables if table.exists() for line in _lines(table))
    inodes = {entry[9] for entry in entries if entry[1].endswith(f":{port:04X}")}
    own: set[str] = set()
    with contextlib.suppress(OSError):  # files come and go, and so may the process
        for each in Path(f"/proc/{process}/fd").iterdir():
            own.add(str(each.readlink()))
    return any(f"socket:[{inode}]" in own for inode in inodes)


def _lines(table: Path) -> list[str]:
    return table.read_text().splitlines()[1:]


_PORTS = range(20000, 25600)
"""Below those that the system gives to sockets that ask for any port."""

_ports = itertools.islice(itertools.cycle(_PORTS), os.getpid() * 97 % len(_PORTS), None)


def free_port() -> int:
    """A UDP port of both loopback addresses that nobody has, nor gets by chance.

    Each is given once in 5,600 calls: one that the system may give away in the time until a program
    binds it is taken now and then by another of the tests that run beside.
    """
    for port in _ports:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            with contextlib.suppress(OSError):
                probe.bind(("::", port))
                return port
    raise AssertionError("the ports never end")
