"""An encoding and a timer from outside the package go wherever a name goes."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import handshake_over_coap as hoc
from handshake_over_coap.cli import main
from handshake_over_coap.net.options import Options
from handshake_over_coap.timers import Draw, Timer
from tests.support.strategies_of_ones_own import Patient, Reversed

_HERE = "tests.support.strategies_of_ones_own"
_SHARED = hoc.PSK("me", bytes(16))


@pytest.mark.parametrize(
    "mine", [{"encoding": Reversed()}, {"timer": Patient(3.0), "transport": "udp"}]
)
def test_an_object_of_ones_own_connects_to_a_server_that_has_it(mine: dict[str, Any]) -> None:
    async def echo(session: hoc.Session) -> None:
        await session.send(await session.receive())

    async def scenario() -> None:
        async with (
            hoc.serve(("127.0.0.1", 0), _SHARED, handler=echo, **mine) as server,
            hoc.connect(server.address, _SHARED, **mine) as session,
        ):
            await session.send(b"x")
            assert await session.receive() == b"x"
            assert session.report.encoding == ("reversed" if "encoding" in mine else None)

    asyncio.run(scenario())


def test_objects_go_into_scenarios_and_a_timer_decides_when_to_send_again() -> None:
    scenario = hoc.Scenario(transport="udp", timer=Patient(5.0), drop=(1,), encoding=Reversed())
    assert hoc.simulate(scenario, 1).duration_s.min == pytest.approx(5.0, abs=0.6)
    assert hoc.simulate(hoc.Scenario(encoding=Reversed()), 2).completed == 2


@pytest.mark.slow
def test_a_sweep_over_objects_runs_on_several_processes_and_tells_their_names() -> None:
    scenarios = [
        hoc.Scenario(transport="udp", timer=timer) for timer in (Patient(), Patient(2.0), "9s")
    ]
    found = hoc.sweep(scenarios, trials=4, workers=2)
    assert found["completed"].all()
    assert found["timer"].unique(maintain_order=True).to_list() == [
        "patient",
        "patient(wait=2.0)",
        "9s",
    ]


def test_a_name_on_the_command_line_says_where_to_find_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    mine = ["--transport", "udp", "--timer", f"{_HERE}:Patient", "--drop", "1"]
    assert main(["simulate", "--trials", "1", "--json", *mine]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["duration_s"]["min"] == pytest.approx(7.0, abs=0.6)
    encoding = ["--encoding", f"{_HERE}:Reversed"]
    assert main(["simulate", "--trials", "1", "--json", *encoding]) == 0
    assert json.loads(capsys.readouterr().out)["completed"] == 1


def test_a_module_beside_the_user_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "timer_beside_me.py").write_text(f"from {_HERE} import Patient as Mine\n")
    monkeypatch.chdir(tmp_path)
    given = ["--transport", "udp", "--timer", "timer_beside_me:Mine"]
    assert main(["simulate", "--trials", "1", *given]) == 0
    assert "timer timer_beside_me:Mine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"timer": "nowhere:Mine"}, "nowhere:Mine: No module named 'nowhere'"),
        ({"timer": f"{_HERE}:Nothing"}, "has no attribute 'Nothing'"),
        ({"timer": f"{_HERE}:Reversed"}, "Reversed is no timer"),
        ({"timer": Patient}, "is a class: give an object"),
        ({"timer": 7}, "timer: 7 is not text"),
        ({"encoding": Patient()}, "Patient(wait=7.0, name='patient') is none; give a name"),
    ],
)
def test_what_is_no_strategy_is_refused_by_name(options: dict[str, Any], said: str) -> None:
    with pytest.raises(hoc.ConfigurationError) as refused:
        hoc.Scenario(**options)
    assert said in str(refused.value)


def test_an_object_that_cannot_be_compared_is_refused() -> None:
    @dataclasses.dataclass
    class Loose:
        name: str = "loose"

        def start(self, draw: Draw) -> Timer:
            return Patient().start(draw)

    with pytest.raises(hoc.ConfigurationError, match="make it a frozen dataclass"):
        _ = Options(timer=Loose(), transport="udp").udp


def test_the_columns_of_options_left_to_the_timer_hold_what_it_has(tmp_path: Path) -> None:
    grid = tmp_path / "grid.toml"
    grid.write_text('trials = 1\ntransport = "udp"\ninitial-timeout = ["default", 3]\n')
    assert main(["sweep", str(grid), "--out", str(tmp_path / "o.parquet"), "--workers", "1"]) == 0
    assert pl.read_parquet(tmp_path / "o.parquet")["initial_timeout"].to_list() == [1.0, 3.0]
