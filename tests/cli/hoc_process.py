"""The command as real processes: run to the end, or serving in the background."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Final

from handshake_over_coap.cli import main

ROOT: Final = Path(__file__).resolve().parents[2]
COMMAND: Final = (sys.executable, "-W", "error", "-m", "handshake_over_coap")
ENVIRONMENT: Final = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
PATIENCE: Final = 60.0
"""Seconds after which a process is taken to hang."""

PSK: Final = ("--psk", "device:1:000102030405060708090a0b0c0d0e0f")


def run_hoc(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run the command with ``stdin`` as its standard input."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
        env=ENVIRONMENT,
        check=False,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def hoc_here(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same in this process, which has all modules loaded already; for what reads no input."""
    text = [*map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(text)
    return subprocess.CompletedProcess(text, status, out.getvalue(), err.getvalue())


class Server:
    """``hoc serve`` in the background, listening."""

    def __init__(self, log: Path, *arguments: object) -> None:
        self._log = log
        # Opened once to write and again for each look: one open file has one offset, and looking
        # would move the place where the server writes next.
        with log.open("ab") as standard_error:
            self._process = subprocess.Popen(
                [*COMMAND, "serve", "--port", "0", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=standard_error,
                env=ENVIRONMENT,
                text=True,
            )
        try:
            line = self.wait_for("listening on ")
        except BaseException:
            self.kill()
            raise
        self.host, _, self.port = line.removeprefix("listening on ").rpartition(":")

    @property
    def said(self) -> list[str]:
        """The whole lines of its standard error so far."""
        return self._log.read_text(encoding="utf-8").split("\n")[:-1]

    def wait_for(self, text: str) -> str:
        """The first line of its standard error that holds ``text``, once it is there."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            running = self._process.poll() is None
            for line in self.said:
                if text in line:
                    return line
            if not running:
                break
            time.sleep(0.01)
        raise AssertionError(f"{text!r} was not said: {self.said}")

    def line(self) -> str:
        """The next line of its standard output."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it; gives its exit status."""
        self._process.send_signal(number)
        self._process.communicate(timeout=PATIENCE)
        return self._process.returncode

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


@contextmanager
def serving(*arguments: object) -> Iterator[Server]:
    """A server that is certainly gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "standard-error", *arguments)
        try:
            yield server
        finally:
            server.kill()
