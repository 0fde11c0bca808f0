"""The command ``hoc sweep`` as real processes, killed and interrupted ones too."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

import handshake_over_coap as hoc
from handshake_over_coap.cli import main
from handshake_over_coap.cli.bar import Bar
from tests.cli.hoc_process import COMMAND, ENVIRONMENT, PATIENCE, run_hoc

GRID = 'trials = 20\nseed = 3\ntransport = ["coap", "udp"]\nloss = [0.0, 0.2]\n'
LONG = 'trials = 400\nloss = [0.2, 0.3]\nblock-size = 32\nauth = "ecdhe-psk"\n'


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def written(folder: Path, text: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_grid_becomes_a_file_and_a_table(tmp_path: Path) -> None:
    grid, out = written(tmp_path, GRID), tmp_path / "out.parquet"
    done = run_hoc("sweep", grid, "--out", out, "--workers", 2, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert pl.read_parquet(out).height == 80
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{out}: 80 of 80 ")
    heading = "scenario transport encoding loss completed datagrams +- bytes +- duration_s 95 % p95"
    assert lines[3].split() == heading.split()
    assert lines[4].split()[:7] == ["0", "coap", "plain", "0", "20", "6", "0"]
    again = run_hoc("sweep", grid, "--out", out, "--json")
    assert again.stderr == "hoc sweep: 80 handshakes were there already\n"
    said = json.loads(again.stdout)
    assert (said["out"], said["trials"]) == (str(out), 80)
    assert [each["scenario"] for each in said["scenarios"]] == [0, 1, 2, 3]


def test_the_summary_has_the_figures_that_a_simulation_would_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handshake_over_coap.cli.sweep_summary._AT_ONCE", 200)
    text = "trials = 90\nloss = [0.3, 0.4, 0.5]\nmax-retransmit = 2\n"
    grid, out = written(tmp_path, text), tmp_path / "out.parquet"
    arguments = ["sweep", str(grid), "--out", str(out), "--workers", "1"]
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["scenarios"]
    for found, loss in zip(said, (0.3, 0.4, 0.5), strict=True):
        report = hoc.simulate(hoc.Scenario(loss=loss, max_retransmit=2), 90).to_dict()
        assert (found["trials"], found["completed"]) == (report["trials"], report["completed"])
        assert found["failures"] == report["failures"] != {}
        for name in ("datagrams", "bytes", "duration_s"):
            figures = report[name]
            assert isinstance(figures, dict)
            assert found[name] == figures["mean"]
            for key in ("median", "p95", "median_ci95", "p95_ci95", "ci95"):
                assert found.get(f"{name}_{key}", figures[key]) == figures[key]
    assert {"datagrams_ci95", "bytes_ci95", "duration_s_median_ci95", "duration_s_p95"} <= set(
        said[0]
    )
    assert main(arguments) == 0
    text = capsys.readouterr().out
    failed = said[2]["failures"]["retransmissions"]
    assert f"scenario 2: {failed} failed: retransmissions\n" in f"{text}\n"
    assert "-".join(f"{end:.4g}" for end in said[0]["duration_s_median_ci95"]) in text


def test_a_sweep_in_which_nothing_completes_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = written(tmp_path, "trials = 2\nloss = 1.0\ntimeout = 3\ntransport = ['coap', 'udp']")
    arguments = ["sweep", str(grid), "--out", str(tmp_path / "out.parquet"), "--workers", "1"]
    assert main(arguments) == 1
    assert "scenario 1: 2 failed: timeout" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["scenarios"][0]["duration_s_median"] is None
    grid.write_text(grid.read_text().replace("loss = 1.0", "loss = [0.0, 1.0]"))
    assert main([*arguments[:3], str(tmp_path / "other.parquet"), *arguments[4:]]) == 0


def test_the_log_of_a_sweep_has_a_line_for_each_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "trials = 2\nloss = [0.0, 1.0]\ntimeout = 3"
    grid, out = written(tmp_path, text), tmp_path / "out.parquet"
    assert main(["sweep", str(grid), "--out", str(out), "--workers", "2", "-v"]) == 0
    lines = capsys.readouterr().err.splitlines()
    said = sorted(line.partition("sweep: ")[2] for line in lines if "failed" in line)
    assert said == [f"scenario 1, trial {number} failed: timeout" for number in range(2)]


def test_a_terminal_is_told_of_all_that_takes_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    class Watched(Bar):
        def __call__(self, done: int, total: int) -> None:
            shown.append(self.text(done, total, 1.0).partition("]")[2].partition(",")[0])

    monkeypatch.setattr("handshake_over_coap.cli.sweep.Bar", Watched)
    grid = written(tmp_path, "trials = 1\nloss = [0.0, 0.1]")
    assert main(["sweep", str(grid), "--out", str(tmp_path / "out.parquet"), "--workers", "1"]) == 0
    assert shown == [
        *(" 1 of 2 scenarios read", " 2 of 2 scenarios read"),
        *(" 1 of 2 scenarios checked", " 2 of 2 scenarios checked"),
        *(" 0 of 2 handshakes", " 1 of 2 handshakes", " 2 of 2 handshakes"),
        " 0 of 2 parts joined",
        *(" 1 of 2 handshakes summed up", " 2 of 2 handshakes summed up"),
    ]


@contextmanager
def sweeping(grid: Path, out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A sweep under way, certainly gone afterwards."""
    process = subprocess.Popen(
        [*COMMAND, "sweep", str(grid), "--out", str(out), "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for_parts(out: Path, count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    folder = out.with_name(f"{out.name}.parts")
    while len(list(folder.glob("*.parquet"))) < count:
        assert time.monotonic() < deadline, "no parts are written"
        time.sleep(0.01)


def children(process: int) -> list[int]:
    return [
        int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_the_end_of(processes: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while any(map(is_running, processes)):
        assert time.monotonic() < deadline, "processes live on"
        time.sleep(0.01)


@pytest.mark.slow
def test_a_killed_sweep_leaves_nobody_behind_and_goes_on_to_the_same_file(tmp_path: Path) -> None:
    grid, out = written(tmp_path, LONG), tmp_path / "out.parquet"
    for parts in (3, 9):
        with sweeping(grid, out) as process:
            wait_for_parts(out, parts)
            workers = children(process.pid)
            assert len(workers) >= 2
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        wait_for_the_end_of(workers)
        assert not out.exists()
    assert run_hoc("sweep", grid, "--out", out, "--workers", 2).returncode == 0
    undisturbed = tmp_path / "undisturbed.parquet"
    assert run_hoc("sweep", grid, "--out", undisturbed, "--workers", 1).returncode == 0
    assert digest(out) == digest(undisturbed)


def test_an_interrupted_sweep_says_how_to_go_on(tmp_path: Path) -> None:
    grid, out = written(tmp_path, LONG), tmp_path / "out.parquet"
    with sweeping(grid, out) as process:
        wait_for_parts(out, 1)
        workers = children(process.pid)
        for each in (process.pid, *workers):  # as a terminal does
            os.kill(each, signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    *progress, last = errors.decode().splitlines()  # as many lines of it as the machine is slow
    assert last.startswith("hoc sweep: interrupted; what is done is kept, and the same")
    assert all(" of 800 handshakes" in line for line in progress)
    wait_for_the_end_of(workers)
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("los = 0.1", "unknown option 'los': did you mean loss"),
        ("loss = 2", "loss is a probability"),
        ("mtu = 65\nblock-size = 1024", "does not fit an mtu of 65"),
        ("link-retries = 2", "link_retries 2 with link udp"),
        ("auth = 'rpk'\nkey = 'nowhere.pem'", "key nowhere.pem"),
        ("= 1", "not TOML"),
    ],
)
def test_mistakes_in_the_grid_end_with_2_before_anything_is_made(
    tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    grid, out = written(tmp_path, text), tmp_path / "out.parquet"
    assert main(["sweep", str(grid), "--out", str(out)]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [grid]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("missing.toml --out out.parquet", "cannot read 'missing.toml'"),
        ("{grid} --out nowhere/out.parquet", "cannot write 'nowhere/out.parquet'"),
        ("{grid} --out {grid}", "is no finished sweep: remove it, or name another file"),
        ("{grid} --out .", "cannot write '.': it is a folder; name a file in it"),
        ("{grid} --out /", "cannot write '/': it is a folder; name a file in it"),
        ("{grid} --out=", "cannot write '.': it is a folder; name a file in it"),
        ("{grid} --out out.parquet --workers 0", "workers is a count"),
        ("{grid}", "--out"),
    ],
)
def test_mistakes_on_the_command_line_end_with_2(
    tmp_path: Path, arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = written(tmp_path, GRID)
    assert main(["sweep", *arguments.format(grid=grid).split()]) == 2
    assert said in capsys.readouterr().err


def test_a_file_where_the_parts_should_go_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid, out = written(tmp_path, GRID), tmp_path / "out.parquet"
    parts = tmp_path / "out.parquet.parts"
    parts.write_text("precious")
    assert main(["sweep", str(grid), "--out", str(out)]) == 2
    assert f"{str(parts)!r} is to be the folder" in capsys.readouterr().err
    assert parts.read_text() == "precious"


def test_another_grid_for_the_same_file_ends_with_2(tmp_path: Path) -> None:
    grid, out = written(tmp_path, GRID), tmp_path / "out.parquet"
    assert run_hoc("sweep", grid, "--out", out).returncode == 0
    before = digest(out)
    written(tmp_path, GRID + "delay = 0.3\n")
    done = run_hoc("sweep", grid, "--out", out)
    assert done.returncode == 2
    assert "holds another sweep: remove it, or name another file" in done.stderr
    assert digest(out) == before


@pytest.mark.filterwarnings("default")  # those of distributed are not ours
def test_a_scheduler_that_is_not_there_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("handshake_over_coap.lab.workers.CONNECT_TIMEOUT", 0.3)
    grid, out = written(tmp_path, GRID), tmp_path / "out.parquet"
    address = "tcp://127.0.0.1:1"
    assert main(["sweep", str(grid), "--out", str(out), "--scheduler", address]) == 2
    assert f"scheduler {address}: cannot be reached" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [grid]


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1", "ftp://127.0.0.1:21"])
def test_what_is_no_address_of_a_scheduler_is_refused_without_looking_for_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    address: str,
) -> None:
    monkeypatch.setattr("distributed.Client", lambda *_, **__: pytest.fail("it was looked for"))
    grid, out = written(tmp_path, GRID), tmp_path / "out.parquet"
    assert main(["sweep", str(grid), "--out", str(out), "--scheduler", address]) == 2
    assert "An address is such as tcp://" in capsys.readouterr().err
