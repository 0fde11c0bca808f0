from __future__ import annotations

import json

import pytest

from handshake_over_coap.cli import main, tables
from handshake_over_coap.cli.bar import Bar
from handshake_over_coap.cli.tables import FULL, QUICK
from handshake_over_coap.cli.tables_text import Asked, Table
from handshake_over_coap.lab import claeys, keoh, selection, size_maps, table5
from handshake_over_coap.lab.published import LOSSES_5, TABLE_1, TABLE_2
from tests.cli.hoc_process import run_hoc


@pytest.mark.parametrize(("number", "published"), [(1, TABLE_1), (2, TABLE_2)])
def test_tables_1_and_2_as_json_hold_published_and_our_figures(
    number: int, published: dict[int, object]
) -> None:
    done = run_hoc("tables", number, "--json", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["table"] == number
    assert [row["limit"] for row in said["rows"]] == list(published)
    for row in said["rows"]:
        assert set(row["published"]) == set(row["ours"]) == {"datagrams", "bytes"}
        missing = row["published"]["bytes"] - row["ours"]["bytes"]
        assert sum(row["budget"].values()) == missing


def test_table_4_as_json_is_exactly_the_published_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "4", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "table": 4,
        "rows": [
            {"limit": 80, "published": {"plain": 51, "shc": 69}, "ours": {"plain": 51, "shc": 69}}
        ],
    }


def test_table_5_as_json_has_a_mean_and_an_interval_of_everything(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["tables", "5", "--trials", "2", "--losses", "0,0.05", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["table"] == 5
    assert said["conditions"] == {
        "limit": 65,
        "authentication": "server",
        "loss_model": "independent",
    }
    assert [row["loss"] for row in said["rows"]] == [0.0, 0.05]
    for row in said["rows"]:
        assert {"bulk", "stop_and_wait", "cumulative"} == set(row["published"])
        assert {"bulk", "coap-1.2-plain", "udp-1.2"} <= set(row["ours"])
        assert all({"mean", "ci95"} <= set(entry) for entry in row["ours"].values())


def test_table_5_comes_in_part_and_under_other_conditions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    part = ["--columns", "udp-1.3,coap-1.3-lean", "--losses", "0.55,0.6", "--limit", "127"]
    more = ["--authentication", "mutual", "--loss-model", "jitter", "--trials", "2"]
    assert main(["tables", "5", *part, *more]) == 0
    text = capsys.readouterr().out
    assert (
        "127 bytes at most,\nboth keys shown, independent losses and up to 50 ms of jitter" in text
    )
    assert "coap-1.2" not in text
    heads = [line.split() for line in text.splitlines() if line.endswith("coap-1.3-lean")]
    figures = ("datagrams", "over the best", "over the floor", "mean seconds", "mean bytes")
    assert heads == [[*title.split(), "loss", "udp-1.3", "coap-1.3-lean"] for title in figures]
    first, second = (line for line in text.splitlines()[6:9] if line.strip()[:2] in {"55", "60"})
    assert first.split()[1] == "-"  # nothing but the best is published
    assert second.split()[1] == "96.9"


def test_conditions_of_table_5_are_refused_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "keoh", "--limit", "127"]) == 2
    assert main(["tables", "1", "--losses", "0.2"]) == 2
    assert main(["tables", "--columns", "udp-1.3"]) == 2
    assert main(["tables", "5", "--losses", "0.33"]) == 2
    assert "0.33 is not in table 5" in capsys.readouterr().err


def test_the_command_knows_the_conditions_of_the_laboratory() -> None:
    assert tables.LIMITS == selection.LIMITS
    assert tuple(selection.AUTHENTICATIONS) == tables.AUTHENTICATIONS
    assert tuple(selection.LOSS_MODELS) == tables.LOSS_MODELS


@pytest.mark.slow
def test_all_tables_are_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "--trials", "2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [table["table"] for table in said["tables"]] == [1, 2, 4, 5, "keoh", "claeys", "sizes"]
    assert [row["loss"] for row in said["tables"][3]["rows"]] == list(LOSSES_5)


def test_table_1_as_text_has_a_line_for_each_limit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-len(TABLE_1) :]] == [str(n) for n in TABLE_1]
    assert lines[-1].split() == ["1152", "6", "/", "802", "6", "/", "802", "0"]


@pytest.mark.parametrize("name", ["keoh", "claeys"])
def test_other_figures_come_as_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", name, "--trials", "2"]) == 0
    text = capsys.readouterr().out
    assert "coap-1.2-plain" in text
    assert "udp-1.2" in text


def test_a_figure_published_as_about_none_is_called_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handshake_over_coap.lab.keoh.LOSSES", (0.0, 0.1, 0.5))
    assert main(["tables", "keoh", "--trials", "2"]) == 0
    first, second, third = capsys.readouterr().out.splitlines()[-3:]
    assert first.split()[:2] == ["0%", "100%"]
    assert second.split()[:2] == ["10%", "100.0%"]  # nothing published, then ours
    assert third.split()[:3] == ["50%", "about", "0%"]
    assert main(["tables", "keoh", "--trials", "2", "--json"]) == 0
    assert [row["published"] for row in json.loads(capsys.readouterr().out)["rows"]] == [
        {"success": 1.0, "approximate": False},
        {"success": None, "approximate": False},
        {"success": 0.0, "approximate": True},
    ]


@pytest.mark.parametrize(
    "arguments", [(99,), ("5", "--trials", "1"), ("5", "--trials", "many"), ("3",)]
)
def test_a_table_or_a_count_that_there_is_not_is_a_usage_error(
    arguments: tuple[object, ...],
) -> None:
    assert run_hoc("tables", *arguments).returncode == 2


def test_the_default_is_a_part_of_the_full_run(monkeypatch: pytest.MonkeyPatch) -> None:
    full = {"5": table5.TRIALS, "keoh": keoh.TRIALS, "claeys": claeys.TRIALS}
    assert {**full, "sizes": size_maps.TRIALS} == FULL
    assert tables.FULL_LEAN == table5.LEAN_TRIALS
    assert all(QUICK[name] < trials for name, trials in FULL.items())
    asked: list[int | None] = []

    def of(_name: str, wanted: Asked, _bar: Bar) -> Table:
        asked.append(wanted.trials)
        return Table("", [])

    monkeypatch.setattr(Table, "of", of)
    for given in ([], ["--full"], ["--trials", "3"]):
        assert main(["tables", "keoh", *given]) == 0
    assert asked == [QUICK["keoh"], None, 3]
    assert main(["tables", "keoh", "--full", "--trials", "3"]) == 2


def test_without_a_terminal_a_line_says_now_and_then_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    for quiet in (False, True):
        clock[0] = 0.0
        with Bar("handshakes", quiet=quiet) as bar:
            for done in range(101):
                clock[0] = float(done)
                bar(done, 100)
        lines = capsys.readouterr().err.splitlines()
        assert lines[:1] == ([] if quiet else ["10 of 100 handshakes, 1 min 30 s left"])
        assert len(lines) == (0 if quiet else 4)
