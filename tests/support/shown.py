"""Commands of the documentation, run as they stand there: a server in one terminal, a client in
another."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE: Final = 60.0
"""Seconds after which a process is taken to hang."""

_ACTIVATE: Final = ". .venv/bin/activate"


def blocks(text: str, language: str = "") -> list[str]:
    """The fenced blocks of a page in ``language`` ("" for commands)."""
    fenced = re.findall(r"^```([^\n]*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    found = [str(block) for marked, block in fenced if marked == language]
    assert found
    return found


def conversation(commands: Sequence[str], folder: Path, port: int) -> str:
    """What the commands after the server's print; a block that ends in ``hoc serve`` begins one.

    All are as shown, but for the port, which others may be using.  The client begins when the
    server says that it is listening.
    """
    *_, serving = (number for number, each in enumerate(commands) if "hoc serve" in each)
    for each in commands[:serving]:
        _finish(_terminal(each, folder, subprocess.PIPE))
    log = folder / "standard-error"
    with log.open("wb") as said:
        server = _terminal(_moved(commands[serving], port), folder, said.fileno())
    try:
        _wait_for_listening(server, log)
        return "".join(
            _finish(_terminal(_moved(each, port), folder, subprocess.PIPE))
            for each in commands[serving + 1 :]
        )
    finally:
        os.killpg(server.pid, signal.SIGINT)  # Ctrl-C
        try:
            server.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            raise
        assert "Traceback" not in log.read_text(encoding="utf-8")


def _moved(command: str, port: int) -> str:
    return command.replace("hoc serve", f"hoc serve --port {port}").replace(" 5683", f" {port}")


def _terminal(commands: str, folder: Path, standard_error: int) -> subprocess.Popen[str]:
    """A new shell in which the environment has been activated, as the README says."""
    here = str(Path(sys.executable).parent)
    path = os.pathsep.join(each for each in os.environ["PATH"].split(os.pathsep) if each != here)
    activate = _ACTIVATE.replace(".venv", sys.prefix)
    return subprocess.Popen(
        ["/bin/sh", "-e", "-c", f"{activate}\n{commands}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=standard_error,
        text=True,
        cwd=folder,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


def _finish(shell: subprocess.Popen[str]) -> str:
    try:
        output, errors = shell.communicate(timeout=PATIENCE)
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, errors
    return output


def _wait_for_listening(server: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while "listening on" not in log.read_text(encoding="utf-8"):
        assert server.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < deadline
        time.sleep(0.02)
