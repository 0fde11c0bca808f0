"""wolfSSL: a client and a server of ours on it (``wolfssl_peer``, in C), and their command lines.

The library is what ``.ci/wolfssl`` has built; the program is compiled here when its source or the
library has changed.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from .cases import Case
from .material import PSK_HEX, PSK_IDENTITY, SERVER_NAME, Material

NAME: Final = "wolfSSL"
VERSION: Final = "5.7.2"
LABEL: Final = "EXPORTER-wolf-peer"
"""The label of the 32 bytes that it exports after each handshake."""

_LATEST: Final = "HAVE_SECRET_CALLBACK"
"""The option that was added last: a library without it was built by an older .ci/wolfssl."""

_SOURCE = Path(__file__).parent / "wolfssl_peer"
_BUILD = Path(__file__).resolve().parents[3] / "build"
_SECONDS = 240
"""After which a program that was left behind ends by itself."""


def library() -> Path:
    """Where ``.ci/wolfssl`` puts the library."""
    if "WOLFSSL_DIR" in os.environ:
        return Path(os.environ["WOLFSSL_DIR"])
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "handshake-over-coap" / f"wolfssl-{VERSION}"


@functools.cache
def find_program() -> tuple[str, str]:
    """The program's path, compiled if need be; or nothing, and the reason.

    Raises CalledProcessError where it does not compile.
    """
    configured = library() / "configured"
    compiler = shutil.which("cc")
    if not configured.exists() or _LATEST not in configured.read_text(encoding="utf-8"):
        return "", f"needs wolfSSL {VERSION} with DTLS 1.3, built as it is now: run .ci/wolfssl"
    if compiler is None:
        return "", "needs a C compiler (see .ci/packages)"
    parts = sorted(_SOURCE.iterdir())
    built_from = b"".join(each.read_bytes() for each in (*parts, configured))
    program = _BUILD / f"wolf_peer-{hashlib.sha256(built_from).hexdigest()[:16]}"
    if not program.exists():
        _compile(compiler, [str(each) for each in parts if each.suffix == ".c"], program)
    return str(program), ""


def _compile(compiler: str, sources: list[str], program: Path) -> None:
    """Make the program; whoever does so at the same time makes the same."""
    _BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_BUILD) as folder:
        made = Path(folder) / "wolf_peer"
        command = [compiler, "-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror"]
        command += [f"-I{library() / 'include'}", *sources]
        command += [str(library() / "lib" / "libwolfssl.a"), "-lm", "-o", str(made)]
        subprocess.run(command, check=True)
        made.replace(program)


def client(program: str, case: Case, port: int, files: Material) -> list[str]:
    """The command of a client."""
    command = _common(program, "client", case, port)
    if case.shares_a_key:
        return command
    if case.auth == "x509":
        command += ["--ca", files["ca.pem"], "--name", SERVER_NAME]
    else:
        command += ["--peer-key", files["server.spki"]]
    return [*command, *_own(case, "client", files)] if case.mutual else command


def server(program: str, case: Case, port: int, files: Material) -> list[str]:
    """The command of a server; in 1.2 it always asks for a cookie."""
    command = _common(program, "server", case, port)
    if not case.cookie:
        command += ["--no-cookie"]
    if case.shares_a_key:
        return command
    command += _own(case, "server", files)
    if not case.mutual:
        return command
    trusted = "ca.pem" if case.auth == "x509" else "client.spki"
    option = "--ca" if case.auth == "x509" else "--peer-key"
    return [*command, "--mutual", option, files[trusted]]


def _common(program: str, side: str, case: Case, port: int) -> list[str]:
    auth = {"ecdhe-psk": "psk_dhe"}.get(case.auth, case.auth)
    command = [program, side, "--version", case.dtls, "--port", str(port), "--auth", auth]
    command += ["--suite", case.suite, "--mtu", str(case.their_mtu), "--seconds", str(_SECONDS)]
    if case.shares_a_key:
        command += ["--psk", PSK_HEX, "--identity", PSK_IDENTITY]
    return command


def _own(case: Case, side: str, files: Material) -> list[str]:
    shown = f"{side}.pem" if case.auth == "x509" else f"{side}.spki"
    return ["--cert", files[shown], "--key", files[f"{side}.key"]]


def events(output: str, name: str) -> list[dict[str, Any]]:
    """What a program has told of the events of that name, in order."""
    lines = [line for line in output.splitlines(keepends=True) if line.startswith('{"event"')]
    told = [json.loads(line) for line in lines if line.endswith("}\n")]
    return [event for event in told if event["event"] == name]
