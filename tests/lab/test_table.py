"""The published tables as data, in the public face."""

from __future__ import annotations

import json

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.cli import main, tables
from handshake_over_coap.lab.table import NAMES


@pytest.mark.parametrize("name", [1, 2, 4, "1", "2", "4"])
def test_the_rows_are_those_that_the_command_prints(
    name: int | str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tables", str(name), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["rows"] == json.loads(json.dumps(hoc.table(name)))


def test_the_command_and_the_function_know_the_same_tables() -> None:
    assert (*tables.NUMBERED, *tables.NAMED) == NAMES


def test_table_5_comes_in_part_and_repeats() -> None:
    (row,) = hoc.table(5, trials=2, seed=3, losses=[0.2])
    assert row["loss"] == 0.2
    assert row["published"]["bulk"] == 33.3
    assert {"coap-1.2-plain", "udp-1.2", "bulk"} <= set(row["ours"])
    assert [row] == hoc.table("5", trials=2, seed=3, losses=[0.2])
    assert [row] != hoc.table("5", trials=2, seed=4, losses=[0.2])


def test_table_5_without_carriers_has_the_models_alone() -> None:
    (row,) = hoc.table(5, trials=2, losses=[0.5], carriers=False)
    assert set(row["ours"]) == {"bulk", "stop_and_wait", "cumulative"}


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ({"name": 3}, "choose one of 1, 2, 4, 5, keoh, claeys, sizes"),
        ({"name": 5, "trials": 1}, "2 or more"),
        ({"name": 5, "losses": [0.33]}, "0.33 is not in table 5, which has 0, 0.05"),
        ({"name": 5, "losses": 0.2}, "losses: 0.2 is not a list"),
        ({"name": 1, "losses": [0.2]}, "belong to table 5"),
        ({"name": 2, "columns": ["udp-1.2"]}, "belong to table 5"),
        ({"name": "keoh", "carriers": False}, "belongs to table 5"),
        ({"name": "keoh", "losses": [0.05]}, "0.05 is not in keoh, which has 0, 0.1"),
        ({"name": "keoh", "limit": 127}, "limit belongs to table 5 and claeys"),
        ({"name": "claeys", "authentication": "mutual"}, "loss_model to table 5"),
        ({"name": 5, "limit": 66}, "limit 66 is none of 65, 127, 1152"),
        ({"name": 5, "authentication": "none"}, "'none' is none of server, mutual"),
        ({"name": 5, "loss_model": "worst"}, "'worst' is none of independent, bursty, jitter"),
        ({"name": 5, "columns": ["udp"]}, "columns: 'udp' is none of coap-1.2-plain"),
        ({"name": 5, "seed": "x"}, "seed"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(
    arguments: dict[str, object], remedy: str
) -> None:
    with pytest.raises(hoc.ConfigurationError, match=remedy):
        hoc.table(**arguments)  # type: ignore[arg-type]
