"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import handshake_over_coap as hoc
from tests.support.shown import ROOT, blocks, conversation

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs() -> None:
    (example,) = blocks(README, "python")
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
    """In shells that know the command by what the README says before, and in no other way."""
    shown = blocks(README)
    servers = [number for number, block in enumerate(shown) if "hoc serve" in block]
    assert len(servers) == 2
    assert shown[servers[0] - 1] == ". .venv/bin/activate\n"
    for port, number in enumerate(servers, start=25683):
        said = conversation(shown[number : number + 2], tmp_path, port)
        assert "hello" in said.splitlines()


def test_the_figures_it_begins_with_are_what_simulation_gives() -> None:
    small = {"auth": "rpk", "mtu": 65}
    for dtls, coap, udp, options in (
        ("1.2", 381, 464, {}),
        ("1.3", 605, 699, {}),
        ("1.2", 2027, 1225, small),
        ("1.3", 2541, 1905, small),
        ("1.3", 432, 395, {"address_check": False}),
    ):
        pair = [
            hoc.simulate(hoc.Scenario.of({"transport": each, "dtls": dtls, **options}), trials=1)
            for each in ("coap", "udp")
        ]
        assert [each.bytes.mean for each in pair] == [coap, udp]
        if not options:
            assert pair[0].datagrams.mean == pair[1].datagrams.mean
        assert re.search(rf"{coap}\s+against {udp}", README)
    lean = hoc.simulate(hoc.Scenario.of({"profile": "lean", **small}), trials=1)
    classic = hoc.simulate(hoc.Scenario.of({"transport": "udp", **small}), trials=1)
    told = f"{lean.datagrams.mean:.0f} datagrams and {lean.bytes.mean:.0f} bytes in DTLS 1.3"
    assert told in README
    assert f"UDP takes {classic.datagrams.mean:.0f} and {classic.bytes.mean:.0f}" in README


def test_the_make_targets_it_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
