"""What stands in docs/tables.md is made from what ``hoc tables --json`` prints."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

import handshake_over_coap as hoc
from bench import table5_aims, table5_page
from bench.table5_aims import Aim, Found
from handshake_over_coap.cli import main


def row(loss: float, mean: float, half: float = 0.1) -> dict[str, Any]:
    entry = {
        "mean": mean,
        "ci95": half,
        "floor": 10.0,
        "seconds": mean,
        "seconds_ci95": half,
    }
    return {"loss": loss, "published": {"best": 20.0}, "ours": {"lean": entry, "other": entry}}


def test_the_cell_that_is_furthest_above_its_aim_counts() -> None:
    rows = [row(0.0, 9.0), row(0.05, 12.0), row(0.1, 11.0)]
    aim = Aim("said", "server", "lean", 0.5)
    assert table5_aims.worst(rows, aim) == Found(0.6, 0.005, 0.05)
    floor = Aim("said", "server", "lean", 1.0, (0.1,), "floor")
    assert table5_aims.worst(rows, floor) == Found(1.1, 0.01, 0.1)
    time = Aim("said", "server", "lean", 1.0, (0.1,), "other")
    found = table5_aims.worst(rows, time)
    assert found is not None
    assert (found.value, found.half) == pytest.approx((1.0, 0.0129), abs=1e-4)


def test_what_was_not_measured_is_not_met() -> None:
    assert table5_aims.worst([row(0.0, 9.0)], Aim("said", "server", "udp-1.3", 0.5)) is None
    assert table5_aims.worst([], Aim("said", "server", "lean", 0.5)) is None


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (0.4, "met"),
        (0.5, "met (open by the interval)"),
        (0.505, "**missed** (open by the interval)"),
        (0.6, "**missed**"),
    ],
)
def test_a_miss_is_called_one(value: float, verdict: str) -> None:
    aim = Aim("said", "server", "lean", 0.5)
    assert table5_aims.verdict(Found(value, 0.01, 0.0), aim) == verdict


def test_the_tables_of_the_page_come_from_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = "coap-1.3-lean-echo,coap-1.3-lean"
    run = ["tables", "5", "--trials", "2", "--losses", "0,0.3", "--columns", columns, "--json"]
    assert main(run) == 0
    (tmp_path / "server.json").write_text(capsys.readouterr().out, encoding="utf-8")
    table5_page.main(tmp_path / "server.json")
    page = capsys.readouterr().out
    assert "| 0 % | 10.0 ± 0.0 | 8.0 ± 0.0 |" in page
    assert "| 0 % | 0.56 | 0.44 |" in page
    assert "udp" not in page
    table5_aims.main(tmp_path)
    aims = capsys.readouterr().out
    assert (
        "| Echo first, nothing lost | `coap-1.3-lean-echo` | 0.56 | 0.556 ± 0.000 | 0 % | met |"
        in aims
    )
    assert "not measured" in aims


@pytest.mark.parametrize(
    ("name", "line"),
    [("keoh", "| 50 % | about 0 |"), ("claeys", "| 40 % | `coap-1.3-lean` |")],
)
def test_the_other_tables_of_the_page_come_from_runs(
    name: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    losses = line[2:4]
    part = ["--losses", f"0.{losses}", "--columns", "coap-1.3-lean"]
    assert main(["tables", name, "--trials", "6", *part, "--json"]) == 0
    (tmp_path / "run.json").write_text(capsys.readouterr().out, encoding="utf-8")
    table5_page.main(tmp_path / "run.json")
    assert line in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "losses"), [(5, [0.3, 0.55]), ("keoh", [0.0, 0.5]), ("claeys", [0.3, 0.4])]
)
def test_each_table_has_its_picture(name: int | str, losses: list[float], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra notebooks")
    # Not by an import statement: type checkers would look for matplotlib, which is an extra.
    table_pictures = importlib.import_module("bench.table_pictures")
    columns = ["coap-1.3-plain", "coap-1.3-lean"]
    rows = hoc.table(name, trials=2, losses=losses, columns=columns)
    said = {"table": name, "conditions": {"limit": 65}, "rows": rows}
    (tmp_path / "run.json").write_text(json.dumps(said), encoding="utf-8")
    framed = [tmp_path / "run.json"] if name == "claeys" else []
    table_pictures.main(tmp_path / "run.json", tmp_path / "run.png", *framed)
    assert (tmp_path / "run.png").stat().st_size > 10_000
