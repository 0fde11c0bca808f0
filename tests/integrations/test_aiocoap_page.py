"""The page for users of aiocoap: its program runs, as two processes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.aiocoap_world import free_port, until_pinged

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "aiocoap.md").read_text(encoding="utf-8")
MOST_LINES = 10


def _program() -> str:
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return str(program)


def test_a_client_process_makes_a_handshake_with_a_server_process() -> None:
    command = [sys.executable, "-u", "-c", _program()]
    port = str(free_port())
    with subprocess.Popen(
        [*command, "server", port], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:
        try:
            until_pinged(int(port))
            client = subprocess.run(
                [*command, "client", port],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                cwd=ROOT,
            )
            assert client.returncode == 0, client.stderr
            assert client.stdout == "client: 1.3 16\n"
            assert server.stdout is not None
            assert server.stdout.readline() == "server: b'a device'\n"
        finally:
            server.kill()


def test_either_side_takes_no_more_than_ten_lines() -> None:
    for role in ("server", "client"):
        body = _program().split(f"async def {role}")[1].split("\n\n\n")[0].splitlines()[1:]
        assert 0 < len(body) <= MOST_LINES
