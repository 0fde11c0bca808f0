from __future__ import annotations

import json

import pytest

from handshake_over_coap.cli import main
from handshake_over_coap.lab.published import TABLE_1
from tests.cli.hoc_process import run_hoc


def test_table_1_as_json_holds_published_and_our_figures() -> None:
    done = run_hoc("tables", 1, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["table"] == 1
    assert [row["limit"] for row in said["rows"]] == list(TABLE_1)
    for row in said["rows"]:
        published = TABLE_1[row["limit"]]
        assert row["published"] == {"datagrams": published.datagrams, "bytes": published.bytes}
        assert set(row["ours"]) == {"datagrams", "bytes"}
        missing = row["published"]["bytes"] - row["ours"]["bytes"]
        assert sum(row["budget"].values()) == missing


def test_all_tables_are_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [table["table"] for table in said["tables"]] == [1]


def test_table_1_as_text_has_a_line_for_each_limit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-len(TABLE_1) :]] == [str(n) for n in TABLE_1]
    assert lines[-1].split() == ["1152", "6", "/", "802", "6", "/", "802", "0"]


def test_a_table_that_does_not_exist_is_a_usage_error() -> None:
    assert run_hoc("tables", 99).returncode == 2
