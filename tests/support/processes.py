"""A server in a process of its own: ``hoc serve`` as a user would start it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support import pki

ROOT_FOLDER = Path(__file__).resolve().parent.parent.parent
NAME = "server.example"
_KEY = bytes(range(16))


def write_credentials(folder: Path) -> None:
    """Keys and certificates of every kind, as files."""
    (folder / "psk").write_bytes(_KEY)
    authority = pki.CertificateAuthority("CA of the processes")
    (folder / "ca.pem").write_bytes(authority.pem)
    for side in ("server", "client"):
        key = pki.p256_key(side)
        issued = authority.issue(NAME, "127.0.0.1", key=key)
        issued.write(folder, side)
        (folder / f"{side}.pub").write_bytes(pki.public_pem(key))


def server_options(kind: str, folder: Path) -> list[str]:
    """Options of ``hoc serve`` for one kind of credential."""
    auth = kind.removesuffix("-mutual")
    options = ["--auth", auth]
    if auth in ("psk", "ecdhe-psk"):
        return [*options, "--psk", f"tester:{_KEY.hex()}"]
    options += ["--key", str(folder / "server.key")]
    if auth == "x509":
        options += ["--cert", str(folder / "server.pem")]
    if kind.endswith("-mutual"):
        options += ["--mutual"]
        trusted = ["--peer-key", "client.pub"] if auth == "rpk" else ["--ca", "ca.pem"]
        options += [trusted[0], str(folder / trusted[1])]
    return options


class ServerProcess:
    """``hoc serve`` on a free port of loopback; stopped by SIGTERM when the block is left."""

    def __init__(self, *options: str) -> None:
        self._command = [sys.executable, "-m", "handshake_over_coap", "serve", "--port", "0"]
        self._command += options
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        self.status: int | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT_FOLDER,
        )
        stderr = self._process.stderr
        if stderr is None:
            raise RuntimeError("no standard error")
        line = stderr.readline()
        found = re.fullmatch(r"listening on (.+):(\d+)\n", line)
        if found is None:
            self._process.kill()
            raise RuntimeError(f"hoc serve said {line + stderr.read()!r}")
        self.port = int(found[2])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self.status = self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                raise
            finally:
                if self._process.stderr is not None:
                    self._process.stderr.close()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    @property
    def memory(self) -> int:
        """Resident memory in bytes (Linux)."""
        if self._process is None:
            return 0
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) * 1024 if found else 0

    def kernel_drops(self) -> int | None:
        """Datagrams the kernel dropped at the server's socket; None where it does not tell."""
        return kernel_drops(self.port)


def kernel_drops(port: int) -> int | None:
    """Datagrams dropped at the IPv4 UDP socket bound to ``port``."""
    table = Path("/proc/net/udp")
    if not table.exists():
        return None
    for line in table.read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == port:
            return int(fields[-1])
    return None


def run_client(
    server: tuple[str, int], kind: str, folder: Path, seconds: float, *options: str
) -> subprocess.Popen[str]:
    """Start the loading client of :mod:`tests.support.application` in a process of its own."""
    command = [sys.executable, "-m", "tests.support.application", server[0], str(server[1])]
    command += ["--kind", kind, "--folder", str(folder), "--seconds", str(seconds), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT_FOLDER)
