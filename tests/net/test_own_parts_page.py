"""What docs/own-parts.md shows works as it stands there, from a folder beside the package."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.net.strategies import ROOMS
from tests.support.shown import ROOT, blocks, conversation

PAGE = (ROOT / "docs/own-parts.md").read_text(encoding="utf-8")
SHOWN = dict(re.findall(r"^```python (\S+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
COMMANDS = re.findall(r"^hoc simulate .*", PAGE, re.MULTILINE)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    for name, text in SHOWN.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_uses_every_part_on_sockets_and_in_a_sweep_on_two_processes(
    folder: Path,
) -> None:
    said = _run(folder, "own_parts.py").splitlines()
    assert said[0] == "b'hello' deflated point"
    assert [line.split()[0] for line in said[1:]] == ["encoding", "timer", "transfer", "auth", "as"]
    assert all(re.fullmatch(r".* +[\d.]+ datagrams +[\d.]+ s", line) for line in said[1:])


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_take_each_part_by_module_and_name(folder: Path, command: str) -> None:
    name = command.split(":")[1].split(maxsplit=1)[0]
    assert f"class {name}" in "".join(SHOWN.values())
    said = _run(folder, "-m", "handshake_over_coap", *command.split()[1:], "--seed", "1")
    assert "of 20 handshakes completed" in said


def test_a_server_and_a_client_find_a_kind_of_credential_and_its_files_on_the_command_line(
    folder: Path,
) -> None:
    assert "hello" in conversation(blocks(PAGE)[1:], folder, 25687).splitlines()
    mine = ["--auth", "my_credential:PointKind"]
    refused = subprocess.run(
        [sys.executable, "-m", "handshake_over_coap", "connect", "127.0.0.1", "1", *mine],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert refused.returncode != 0
    assert "add --peer-key FILE with the server's public key" in refused.stderr


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ("nowhere:Kind", "No module named 'nowhere'"),
        ("collections:Counter", "is no kind of credential"),
        ("bare", "is none of psk, ecdhe-psk, rpk, x509"),
    ],
)
def test_what_is_no_kind_of_credential_is_refused_before_anything_is_sent(
    auth: str, said: str
) -> None:
    with pytest.raises(hoc.ConfigurationError, match=said):
        hoc.Scenario(auth=auth)
    with pytest.raises(hoc.ConfigurationError, match=said):
        hoc.Options(auth=auth)


@pytest.mark.parametrize(
    "member", [each for room in ROOMS for each in room.members.values()], ids=lambda each: each.name
)
def test_every_member_can_be_derived_from(member: Any) -> None:
    @dataclasses.dataclass(frozen=True)
    class Mine(type(member)):  # type: ignore[misc]
        more: int = 0

    mine = Mine()
    for each in dataclasses.fields(member):
        assert getattr(mine, each.name) == getattr(member, each.name)
    assert dataclasses.replace(mine, more=1) != mine
