"""The types that a user's own annotations rely on, as the strictest type checker sees them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import handshake_over_coap as hoc

ROOT = Path(__file__).resolve().parents[1]

USER = """
from __future__ import annotations

import polars as pl
import handshake_over_coap as hoc
from typing_extensions import assert_type


class Mine:
    name = "mine"

    def start(self, draw: hoc.Draw) -> hoc.Timer:
        raise NotImplementedError


async def handler(session: hoc.Session) -> None:
    data: bytes = await session.receive()
    await session.send(data)
    peer: hoc.PeerIdentity = session.peer
    agreed: hoc.Connected | hoc.Connected13 = session.connected
    tickets: list[hoc.Ticket] = session.tickets
    print(peer, agreed, tickets)


async def both() -> None:
    async with hoc.serve(("::", 0), hoc.PSK("me", b"0123456789abcdef"), handler=handler) as server:
        assert_type(server, hoc.Server)
        async with hoc.connect(server.address, hoc.PSK("me", b"0123456789abcdef")) as session:
            assert_type(session, hoc.Session)
            assert_type(session.report, hoc.HandshakeReport)
            assert_type(session.report.to_json(), str)
            assert_type(session.report.to_dict(), dict[str, object])


def figures(scenario: hoc.Scenario) -> hoc.Summary:
    report = hoc.simulate(scenario, trials=2, keep=True)
    assert_type(report, hoc.SimulationReport)
    trials: tuple[hoc.Trial, ...] = report.rows
    print(trials)
    return report.datagrams


timer: hoc.TimerPolicy = Mine()
assert_type(hoc.grid(loss=[0.1, 0.2]), tuple[hoc.Scenario, ...])
assert_type(hoc.watch(), hoc.Watched)
assert_type(hoc.watch().datagrams, tuple[hoc.WatchedDatagram, ...])
assert_type(hoc.sweep(hoc.Scenario(timer=Mine())), pl.DataFrame)
trace: hoc.LossTrace = hoc.LossTrace.from_csv("link.csv")
hoc.Scenario(loss_trace=trace)
hoc.Scenario(losss=0.1)  # type: ignore[call-arg]
hoc.connect(("::", 0), tranport="udp")  # type: ignore[call-arg]
"""


@pytest.mark.slow
def test_a_program_with_annotations_passes_the_strictest_checks(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(USER)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(program)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_exported_name_is_there_and_listed_once() -> None:
    assert len(set(hoc.__all__)) == len(hoc.__all__)
    assert all(hasattr(hoc, name) for name in hoc.__all__)
    assert set(hoc.__all__) <= set(dir(hoc))
