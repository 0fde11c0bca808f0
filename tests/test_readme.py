"""What the README shows works as it stands there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of the README in ``language`` ("" for commands)."""
    found = re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert found
    return [str(block) for block in found]


def test_the_python_example_runs() -> None:
    (example,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("b'hello' PeerIdentity(psk_identity=b'me'")


def test_the_examples_with_two_processes_echo(tmp_path: Path) -> None:
    """Each runs in a shell as it stands, but for the port, which others may be using."""
    examples = [block for block in blocks("") if "hoc serve" in block]
    assert len(examples) == 2
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for port, example in enumerate(examples, start=25683):
        script = example.replace("hoc serve", f"hoc serve --port {port}").replace(
            "connect 127.0.0.1 5683", f"connect 127.0.0.1 {port}"
        )
        script = script.replace(" &\n", " &\nsleep 2\n") + "kill $!\nwait\n"
        shell = subprocess.Popen(
            ["/bin/sh", "-e", "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            start_new_session=True,
        )
        try:
            stdout, stderr = shell.communicate(timeout=60)
        finally:
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGKILL)
        assert "hello" in stdout.splitlines(), stderr


def test_the_make_targets_it_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
