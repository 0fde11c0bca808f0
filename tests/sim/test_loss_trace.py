"""A recorded link in place of drawn losses: what is in the file happens, wherever it begins."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.sim import Draws, LinkOptions, LossTrace, Outcome, Side, TraceRow, Wire

HEADING = "direction,fate,delay\n"


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "link.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_has_rows_for_each_direction_with_or_without_delays(tmp_path: Path) -> None:
    text = "client,delivered,0.25\nserver,lost,\n\nserver, delivered , 1\n"
    trace = LossTrace.from_csv(_file(tmp_path, f"\ufeff{HEADING}{text}"))
    assert trace.client == (TraceRow(True, 0.25),)
    assert trace.server == (TraceRow(False), TraceRow(True, 1.0))
    assert trace.loss == (0.0, 0.5)
    short = LossTrace.from_csv(_file(tmp_path, "direction,fate\nclient,lost\nserver,lost\n"))
    assert short.loss == (1.0, 1.0)
    assert trace != short


def test_a_wire_does_what_the_rows_say_and_begins_again_behind_the_last() -> None:
    client = [TraceRow(True, 0.3), TraceRow(False), TraceRow(True)]
    trace = LossTrace(client, [TraceRow(True)])
    wire = Wire(LinkOptions(delay=0.05, trace=trace), Draws(1))
    found = [wire.cross(10.0 * n, Side.CLIENT, n + 1, 10) for n in range(6)]
    fates = [each.outcome for each in found]
    assert fates[:3] == fates[3:]
    assert sorted(fate.name for fate in fates[:3]) == ["DELIVERED", "DELIVERED", "LOST"]
    assert fates.count(Outcome.LOST) == 2
    delays = {
        round(each.arrivals[0] - 10.0 * n, 3) for n, each in enumerate(found) if each.arrivals
    }
    assert delays == {0.3, 0.05}


def test_both_directions_begin_at_the_same_part_of_theirs() -> None:
    rows = [TraceRow(True, float(number)) for number in range(100)]
    trace = LossTrace(rows, rows[::2])
    sides = [next(trace.rows(side, 0.5)).delay for side in Side]
    assert sides == [50.0, 50.0]
    assert [row.delay for row in islice(trace.rows(Side.CLIENT, 0.99), 3)] == [99.0, 0.0, 1.0]


def test_a_recording_without_a_pattern_costs_what_independent_losses_do() -> None:
    draws = Draws(7).stream("recording")
    first, second = ([draws.random() < 0.2 for _ in range(20_000)] for _ in range(2))
    recorded = hoc.simulate(hoc.Scenario(loss_trace=LossTrace.of_losses(first, second)), 300)
    drawn = hoc.simulate(hoc.Scenario(loss=0.2), 300)
    one, other = recorded.datagrams, drawn.datagrams
    assert one.mean is not None
    assert other.mean is not None
    assert abs(one.mean - other.mean) < (one.ci95 or 0) + (other.ci95 or 0)


def test_trials_see_different_parts_and_a_seed_the_same_ones() -> None:
    lost = [number % 7 == 0 for number in range(1000)]
    scenario = hoc.Scenario(loss_trace=LossTrace.of_losses(lost, lost[::-1]))
    report = hoc.simulate(scenario, 20, seed=3, keep=True)
    assert len({trial.duration_s for trial in report.rows}) > 3
    assert report == hoc.simulate(scenario, 20, seed=3)
    assert report != hoc.simulate(scenario, 20, seed=4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the columns are direction, fate, delay"),
        ("direction,loss\nclient,1\n", "not direction, loss"),
        (f"{HEADING}client,delivered,-0.1\n", "line 2: a delay is 0 seconds or more, not -0.1"),
        (f"{HEADING}client,delivered,nan\n", "line 2: a delay is 0 seconds or more"),
        (f"{HEADING}client,delivered,soon\n", "line 2: the delay 'soon' is no number"),
        (f"{HEADING}client,delivered\n", "line 2: 2 values for 3 columns"),
        (f"{HEADING}up,delivered,1\n", "line 2: 'up' is neither client nor server"),
        (f"{HEADING}client,gone,1\n", "line 2: 'gone' is neither delivered nor lost"),
        (f"{HEADING}client,lost,\n", "there is none with server"),
    ],
)
def test_a_file_that_is_no_trace_is_refused_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(hoc.ConfigurationError, match=said) as refused:
        hoc.Scenario(loss_trace=path)
    assert str(refused.value).startswith(str(path))


def test_a_trace_takes_the_place_of_loss_and_is_in_reports_by_name(tmp_path: Path) -> None:
    path = _file(tmp_path, f"{HEADING}client,delivered,\nserver,delivered,\n")
    with pytest.raises(hoc.ConfigurationError, match="takes its place: give one of them"):
        hoc.Scenario(loss_trace=path, loss=0.1)
    with pytest.raises(hoc.ConfigurationError, match="cannot read"):
        hoc.Scenario(loss_trace=tmp_path / "nowhere.csv")
    scenario = hoc.Scenario(loss_trace=path)
    assert scenario.described().startswith("loss_trace link.csv@")
    row = hoc.sweep([scenario], trials=1, workers=1)
    assert row["loss_trace"][0].startswith("link.csv@")
