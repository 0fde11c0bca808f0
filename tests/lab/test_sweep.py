"""Sweeps give the same rows whoever does them, and lose none when they are stopped."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import resource
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import handshake_over_coap as hoc
from handshake_over_coap.errors import ConfigurationError, Error
from handshake_over_coap.lab import chunks
from handshake_over_coap.lab import sweep as sweeping
from handshake_over_coap.lab.chunks import Chunk, Plan, run_chunk
from handshake_over_coap.lab.grid import parse_grid
from handshake_over_coap.lab.metrics import columns
from handshake_over_coap.lab.scenario import Scenario, option_types
from handshake_over_coap.lab.software import software
from handshake_over_coap.lab.store import Store
from handshake_over_coap.lab.sweep import sweep_to_file
from handshake_over_coap.lab.trial import run_trial
from handshake_over_coap.lab.workers import in_processes, run_there

GRID = parse_grid(
    'transport = ["coap", "udp"]\nloss = [0.0, 0.3]\ntimeout = 20\ndrop = [[], [1, 2]]\n'
).scenarios
USUAL_CHUNK = chunks.CHUNK
CHUNK = 12
"""Trials of a part, fewer here than otherwise, as these sweeps are about parts and not trials."""

TRIALS = CHUNK + 11
ROWS = len(GRID) * TRIALS


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module", autouse=True)
def small_parts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK", CHUNK)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an undisturbed sweep by one process."""
    out = tmp_path_factory.mktemp("whole") / "whole.parquet"
    hoc.sweep(GRID, TRIALS, 7, workers=1, out=out)
    return out


def test_a_row_is_a_trial_with_its_scenario_and_its_metrics(whole: Path) -> None:
    table = pl.read_parquet(whole)
    of_files = {"psk", "key", "cert", "ca", "peer_key"}
    options = [name for name in option_types() if name not in of_files]
    assert table.columns == ["scenario", *options, *columns(cpu=False)]
    assert table.height == ROWS
    assert table["scenario"].to_list() == [n for n in range(len(GRID)) for _ in range(TRIALS)]
    assert table["trial"].to_list() == [*range(TRIALS)] * len(GRID)
    assert table["drop"].unique().sort().to_list() == ["", "1,2"]
    row = table.row(TRIALS * 3 + 5, named=True)
    trial = run_trial(GRID[3], 7, 5)
    assert (row["transport"], row["loss"], row["drop"]) == ("coap", 0.3, "1,2")
    assert row["body_bytes"] == list(trial.body_bytes)
    assert row["floor_bytes"] == list(trial.floor_bytes)
    for name in set(columns(cpu=False)) - {"body_bytes", "floor_bytes"}:
        assert row[name] == getattr(trial, name)


def test_two_sweeps_have_the_same_columns_whatever_their_options() -> None:
    one = hoc.sweep(Scenario(loss=0.1, timer="adaptive"), 2, workers=1)
    other = hoc.sweep(Scenario(transport="udp", link="802154", drop=[1]), 2, workers=1)
    assert pl.concat([one, other]).height == 4


def test_any_number_of_workers_gives_the_same_file(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "two.parquet"
    table = hoc.sweep(GRID, TRIALS, 7, workers=2, out=out)
    assert digest(out) == digest(whole)
    assert table.equals(pl.read_parquet(whole))
    assert list(tmp_path.iterdir()) == [out]


def test_without_a_file_the_table_is_the_same(whole: Path) -> None:
    assert hoc.sweep(GRID, TRIALS, 7, workers=1).equals(pl.read_parquet(whole))


def test_one_scenario_may_stand_for_a_list_of_it() -> None:
    assert hoc.sweep(Scenario(), 2, workers=1).equals(hoc.sweep([Scenario()], 2, workers=1))


def test_processor_time_is_there_when_it_is_asked_for() -> None:
    table = hoc.sweep(Scenario(), 2, workers=1, cpu=True)
    assert (table["cpu_s"] > 0).all()


class Killed(BaseException):
    """Stands for whatever ends a process without ado."""


def interrupted(out: Path, after: int) -> list[int]:
    """Begin the sweep and end it when ``after`` trials or more are done; gives the progress."""
    told: list[int] = []

    def progress(done: int, _total: int) -> None:
        told.append(done)
        if done >= after:
            raise Killed

    with pytest.raises(Killed):
        hoc.sweep(GRID, TRIALS, 7, workers=1, out=out, progress=progress)
    return told


def test_a_sweep_that_was_ended_goes_on_where_it_was(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    interrupted(out, 60)
    assert not out.exists()
    told: list[int] = []
    hoc.sweep(GRID, TRIALS, 7, workers=2, out=out, progress=lambda done, _: told.append(done))
    assert told[0] >= 60
    assert told[-1] == ROWS
    assert digest(out) == digest(whole)


def test_damaged_and_half_written_parts_are_done_again(
    whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out.parquet"
    interrupted(out, 80)
    parts = sorted((tmp_path / "out.parquet.parts").glob("*.parquet"))
    assert len(parts) >= 4
    parts[0].write_bytes(parts[0].read_bytes()[:-20])
    parts[1].write_bytes(b"")
    pl.read_parquet(parts[2]).head(3).write_parquet(parts[2])
    pl.DataFrame({"a": [1]}).write_parquet(parts[2].with_name("99999999.parquet"))
    pl.DataFrame({"a": [1]}).write_parquet(parts[2].with_name("other.parquet"))
    parts[3].with_suffix(".tmp").write_bytes(parts[3].read_bytes()[:100])
    with caplog.at_level(logging.WARNING):
        hoc.sweep(GRID, TRIALS, 7, workers=1, out=out)
    assert sum("is damaged and is done again" in text for text in caplog.messages) == 5
    assert digest(out) == digest(whole)
    assert list(tmp_path.iterdir()) == [out]


def test_a_sweep_killed_while_the_parts_are_joined_goes_on_from_there(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.parquet"

    def killed(store: Store) -> None:
        (store.folder / "whole.tmp").write_bytes(whole.read_bytes()[:1000])
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Store, "finish", killed)
        hoc.sweep(GRID, TRIALS, 7, workers=1, out=out)
    assert not out.exists()
    monkeypatch.setattr(sweeping, "in_turn", lambda _: pytest.fail("nothing was left to do"))
    assert sweep_to_file(Plan(GRID, TRIALS, 7), out) == ROWS
    assert digest(out) == digest(whole)


def test_a_sweep_killed_while_its_parts_are_removed_leaves_nothing_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, out = Plan((Scenario(),), CHUNK + 1, 7), tmp_path / "out.parquet"
    removed, unlink = list[Path](), Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".parquet" and removed:
            raise Killed
        removed.append(path)
        unlink(path)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, "unlink", killed)
        sweep_to_file(plan, out, workers=1)
    before = digest(out)
    left = {path.name: path.read_bytes() for path in (tmp_path / "out.parquet.parts").iterdir()}
    assert "plan.json" in left
    assert sum(name.endswith(".parquet") for name in left) == 1
    assert sweep_to_file(plan, out, workers=1) == plan.total
    assert list(tmp_path.iterdir()) == [out]
    # The file removed, what was left of its parts is gone on with.
    out.unlink()
    (tmp_path / "out.parquet.parts").mkdir()
    for name, content in left.items():
        (tmp_path / "out.parquet.parts" / name).write_bytes(content)
    assert 0 < sweep_to_file(plan, out, workers=1) < plan.total
    assert digest(out) == before


def test_a_finished_sweep_is_not_done_again(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(whole)
    monkeypatch.setattr(sweeping, "in_turn", lambda _: pytest.fail("it was done"))
    assert sweep_to_file(Plan(GRID, TRIALS, 7), whole, workers=1) == ROWS
    assert digest(whole) == before


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(GRID, TRIALS + 1, 7), f"trials {TRIALS} there, {TRIALS + 1} here"),
        (Plan(GRID, TRIALS, 8), "seed 7 there, 8 here"),
        (Plan(GRID[:-1], TRIALS, 7), "scenarios 8 there, 7 here, other options"),
        (Plan((*GRID[:-1], Scenario(loss=0.9)), TRIALS, 7), "(other options)"),
        (Plan(GRID, TRIALS, 7, cpu=True), "cpu False there, True here"),
    ],
)
def test_another_sweep_does_not_go_on_with_these_parts(
    tmp_path: Path, plan: Plan, said: str
) -> None:
    out = tmp_path / "out.parquet"
    interrupted(out, 1)
    with pytest.raises(ConfigurationError) as refused:
        sweep_to_file(plan, out, workers=1)
    assert "holds parts of another sweep" in str(refused.value)
    assert said in str(refused.value)
    assert "remove the folder" in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"code": "0" * 64}, "(other code of this package)"),
        ({"cryptography": "0.1"}, f"(cryptography {version('cryptography')} there, 0.1 here)"),
        ({"python": "3.99.0"}, f"(python {platform.python_version()} there, 3.99.0 here)"),
    ],
)
def test_rows_of_other_software_are_not_mixed_with_these(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], said: str
) -> None:
    out = tmp_path / "out.parquet"
    interrupted(out, 1)
    monkeypatch.setattr(chunks, "software", lambda: {**software(), **changed})
    for path in (out, whole):
        with pytest.raises(ConfigurationError, match="another sweep") as refused:
            sweep_to_file(Plan(GRID, TRIALS, 7), path, workers=1)
        assert said in str(refused.value)


def test_any_change_of_the_code_is_other_software(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handshake_over_coap.lab.software._PACKAGE", tmp_path)
    found = set()
    for name, text in (("a.py", "1"), ("a.py", "2"), ("sub/b.py", ""), ("sub/c.py", "")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        found.add(software.__wrapped__()["code"])
    assert len(found) == 4


def test_a_worker_of_a_cluster_with_other_software_is_refused() -> None:
    chunk = Plan((Scenario(),), 2, 1).chunk(0)
    assert run_there(chunk, software()) == run_chunk(chunk)
    with pytest.raises(ConfigurationError, match=r"other code of this package.*install the same"):
        run_there(chunk, {**software(), "code": "0" * 64})


def test_another_finished_sweep_is_not_overwritten(whole: Path) -> None:
    before = digest(whole)
    with pytest.raises(ConfigurationError, match="holds another sweep: remove it"):
        sweep_to_file(Plan(GRID, 1, 7), whole, workers=1)
    assert digest(whole) == before


def test_a_file_that_is_no_sweep_is_not_overwritten(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    for content in (whole.read_bytes()[:-50], b"", b"precious"):
        out.write_bytes(content)
        with pytest.raises(ConfigurationError, match="no finished sweep: remove it, or name"):
            sweep_to_file(Plan(GRID, 1, 7), out, workers=1)
        assert out.read_bytes() == content


@pytest.mark.parametrize("where", ["missing/out.parquet", "file/out.parquet", "folder"])
def test_an_output_that_cannot_be_written_is_found_before_any_work(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(sweeping, "in_turn", lambda _: pytest.fail("work was done"))
    with pytest.raises(ConfigurationError, match=r"cannot write|no finished sweep"):
        sweep_to_file(Plan(GRID, 1, 7), tmp_path / where, workers=1)


def test_two_sweeps_do_not_write_one_file(tmp_path: Path) -> None:
    plan, out = Plan((Scenario(),), 1, 7), tmp_path / "out.parquet"
    with (
        Store(plan, out),
        pytest.raises(ConfigurationError, match="another sweep is writing"),
    ):
        sweep_to_file(plan, out, workers=1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"trials": 0}, "trials is a count"),
        ({"workers": 0}, "workers is a count"),
        ({"seed": "x"}, "seed: 'x' is not a whole number"),
        ({"scenarios": ()}, "a sweep needs a scenario"),
        (
            {"scenarios": "x"},
            "a scenario is a Scenario, such as hoc.Scenario(loss=0.2), and no str",
        ),
        ({"scenarios": None}, "and no NoneType"),
        ({"scenarios": [{"loss": 0.1}]}, "and no dict"),
        ({"workers": "2"}, "workers: '2' is not a whole number"),
        ({"workers": 1.5}, "workers: 1.5 is not a whole number"),
        ({"out": 5}, "out: 5 is not"),
        ({"scheduler": 5}, "scheduler: 5 is not text"),
        ({"scheduler": "tcp://127.0.0.1:1", "workers": 7}, "leave one of them out"),
        ({"scenarios": Scenario(auth="rpk", key="nowhere.pem")}, "key nowhere.pem"),
    ],
)
def test_what_cannot_be_swept_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        hoc.sweep(**{"scenarios": Scenario(), **options})
    assert said in str(refused.value)


def test_the_plan_keeps_no_secret(tmp_path: Path) -> None:
    scenario = Scenario(psk=hoc.PSK("me", b"very secret key!"))
    out = tmp_path / "out.parquet"
    hoc.sweep(scenario, 1, workers=1, out=out)
    assert b"very secret" not in out.read_bytes()
    assert "secret" not in json.dumps(Plan((scenario,), 1, 1).identity())
    assert Plan((scenario,), 1, 1).identity() != Plan((Scenario(),), 1, 1).identity()
    assert Plan((Scenario(psk=hoc.PSK("me", b"very secret key!")),), 1, 1).identity() == (
        Plan((scenario,), 1, 1).identity()
    )


def test_a_key_file_that_changes_makes_another_sweep(tmp_path: Path) -> None:
    key = tmp_path / "key"
    plan = Plan((Scenario(auth="rpk", key=key),), 1, 1)
    key.write_bytes(b"one")
    before = plan.identity()
    key.write_bytes(b"two")
    assert plan.identity() != before


def test_workers_end_after_the_trial_they_are_at(tmp_path: Path) -> None:
    plan = Plan((Scenario(loss=0.5),), 100_000, 1)
    results = in_processes((plan.chunk(n) for n in range(plan.chunks)), 2)
    next(results)
    results.close()  # would take minutes if it waited for all


def _dies(_chunk: Chunk, _stopped: object = None) -> Any:
    os._exit(3)


def test_a_worker_that_dies_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan((Scenario(),), 10, 1)
    monkeypatch.setattr("handshake_over_coap.lab.workers._run", _dies)
    with pytest.raises(Error, match="a worker process died"):
        list(in_processes([plan.chunk(0)], 1))


def test_the_chunks_of_a_plan_are_all_of_its_trials_in_order() -> None:
    plan = Plan((Scenario(), Scenario(loss=0.1)), 2 * CHUNK + 1, 1)
    assert plan.chunks == 6
    found = [
        (chunk.scenario_index, number)
        for chunk in map(plan.chunk, range(plan.chunks))
        for number in range(chunk.first, chunk.first + chunk.count)
    ]
    assert found == [(s, n) for s in range(2) for n in range(2 * CHUNK + 1)]
    assert len(run_chunk(plan.chunk(2))) == 1


def test_the_interpreter_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"pip install -e '\.\[lab\]'"):
        hoc.sweep(Scenario(), 1)


@pytest.fixture
def cheap_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every trial is the same one: what is tested is all else."""
    row = run_trial(Scenario(), 1, 0).row(cpu=False)
    monkeypatch.setattr(chunks, "CHUNK", USUAL_CHUNK)
    monkeypatch.setattr(
        sweeping,
        "in_turn",
        lambda chunks: (
            (c, [(number, *row[1:]) for number in range(c.first, c.first + c.count)])
            for c in chunks
        ),
    )


@pytest.mark.slow
@pytest.mark.usefixtures("cheap_trials")
def test_a_hundred_thousand_trials_need_no_more_memory_than_ten_thousand(tmp_path: Path) -> None:
    sweep_to_file(Plan((Scenario(),), 10_000, 1), tmp_path / "few.parquet", workers=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sweep_to_file(Plan((Scenario(),), 100_000, 1), tmp_path / "many.parquet", workers=1)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    rows = pl.scan_parquet(tmp_path / "many.parquet").select(pl.len()).collect().item()
    assert rows == 100_000
    assert grown < 64 * 1024  # KiB; the rows alone, as Python objects, would take 200 MiB
