from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.trace import HandshakeReport, Summary, TrialFigures
from handshake_over_coap.trace.report import quantile_ranks, student_quantile


def two_sided(t: float, degrees: int) -> float:
    """P(|T| < t) by the closed forms for whole degrees (Abramowitz and Stegun 26.7.3, 26.7.4)."""
    angle = math.atan(t / math.sqrt(degrees))
    term, total = (math.cos(angle), 0.0) if degrees % 2 else (1.0, 0.0)
    for k in range(3 if degrees % 2 else 2, degrees + 1, 2):
        total += term
        term *= math.cos(angle) ** 2 * (k - 1) / k
    if degrees % 2:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total


@pytest.mark.parametrize("degrees", [*range(1, 41), 100, 1000, 10_000])
def test_the_quantiles_of_student_are_those_of_the_distribution(degrees: int) -> None:
    t = student_quantile(degrees)
    assert two_sided(t - 1e-4, degrees) < 0.95 < two_sided(t + 1e-4, degrees)


def test_students_t_needs_a_degree_of_freedom() -> None:
    with pytest.raises(ConfigurationError):
        student_quantile(0)


def test_a_summary_by_hand() -> None:
    assert Summary.of([4, 1, 3, 2]).to_dict() == {
        "mean": 2.5,
        "median": 2.5,
        "p95": 4,
        "min": 1,
        "max": 4,
        # 3.182446 · sqrt(5/3) / 2
        "ci95": pytest.approx(2.054260, abs=1e-6),
        "median_ci95": None,
        "p95_ci95": None,
    }


def test_intervals_of_median_and_95th_percentile_by_hand() -> None:
    # Of 10 values, 2 to 8 are below the median in all but 2 x 11/1024 of cases.
    assert Summary.of(range(1, 11)).median_ci95 == (2, 9)
    # Of 100, 90 to 99 are below the 95th percentile in all but 1.1 and 0.6 % of cases.
    assert Summary.of(range(1, 101)).p95_ci95 == (90, 100)


@pytest.mark.parametrize(("percent", "enough"), [(50, 6), (95, 72)])
def test_too_few_values_have_no_interval_of_a_quantile(percent: int, enough: int) -> None:
    assert quantile_ranks(percent, enough - 1) is None
    assert quantile_ranks(percent, enough) == (1 if percent == 50 else 64, enough)


def test_a_single_value_says_nothing_of_the_spread() -> None:
    assert Summary.of([7.5]) == Summary(7.5, 7.5, 7.5, 7.5, 7.5, None)


def test_no_values_have_no_figures() -> None:
    assert set(Summary.of([]).to_dict().values()) == {None}


@pytest.mark.parametrize(
    ("count", "rank"), [(1, 1), (19, 19), (20, 19), (21, 20), (40, 38), (100, 95), (101, 96)]
)
def test_the_95th_percentile_is_the_nearest_rank(count: int, rank: int) -> None:
    assert Summary.of(range(1, count + 1)).p95 == rank


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(ConfigurationError):
        Summary.of([1.0, value])


@given(st.lists(st.integers(0, 10**9), min_size=2))
def test_a_summary_is_ordered_and_indifferent_to_order(values: list[int]) -> None:
    summary = Summary.of(values)
    assert summary == Summary.of(sorted(values))
    assert None not in {summary.mean, summary.median, summary.p95, summary.ci95}
    assert summary.min == min(values)
    assert summary.max == max(values)
    least = next(v for v in sorted(values) if 100 * sum(w <= v for w in values) >= 95 * len(values))
    assert summary.p95 == least


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    rng = random.Random(7)
    held = 0
    for _ in range(2000):
        summary = Summary.of([rng.gauss(10, 3) for _ in range(5)])
        assert summary.mean is not None
        assert summary.ci95 is not None
        held += abs(summary.mean - 10) <= summary.ci95
    # 1900 expected, standard deviation 9.7
    assert 1860 <= held <= 1940


TRIALS = (
    TrialFigures(datagrams=6, bytes=300, duration_s=0.5, body_bytes=(60, 40)),
    TrialFigures(
        datagrams=99,
        bytes=9999,
        duration_s=60.0,
        retransmissions=9,
        body_bytes=(1,),
        completed=False,
    ),
    TrialFigures(
        datagrams=8, bytes=400, duration_s=2.5, retransmissions=1, body_bytes=(62, 40, 30)
    ),
)


def report(*trials: TrialFigures, seed: int | None = None) -> HandshakeReport:
    return HandshakeReport.from_trials(
        trials, transport="coap", dtls="1.2", auth="psk", encoding="plain", seed=seed
    )


def test_failures_are_counted_and_never_averaged_away() -> None:
    made = report(*TRIALS, seed=1)
    assert (made.trials, made.completed) == (3, 2)
    assert made.datagrams == Summary.of([6, 8])
    assert made.bytes == Summary.of([300, 400])
    assert made.duration_s == Summary.of([0.5, 2.5])
    assert made.retransmissions == Summary.of([0, 1])


def test_a_flight_is_averaged_over_the_trials_that_had_it() -> None:
    assert report(*TRIALS).body_bytes == (61, 40, 30)


def test_the_json_form_has_the_promised_keys() -> None:
    parsed = json.loads(json.dumps(report(*TRIALS, seed=5).to_dict(), allow_nan=False))
    assert list(parsed) == [
        *("transport", "dtls", "auth", "encoding", "trials", "completed", "seed"),
        *("datagrams", "bytes", "duration_s", "retransmissions", "body_bytes", "floor_bytes"),
    ]
    for name in ("datagrams", "bytes", "duration_s", "retransmissions"):
        assert list(parsed[name]) == [
            *("mean", "median", "p95", "min", "max", "ci95", "median_ci95", "p95_ci95")
        ]
    assert parsed["seed"] == 5
    assert parsed["body_bytes"] == [61.0, 40.0, 30.0]
    assert parsed["bytes"]["mean"] == 350.0


def test_a_real_handshake_has_no_seed_and_no_interval() -> None:
    parsed = json.loads(json.dumps(report(TRIALS[0]).to_dict()))
    assert parsed["seed"] is None
    assert parsed["duration_s"]["ci95"] is None


def test_nothing_completed_is_a_report_too() -> None:
    made = report(TRIALS[1])
    assert (made.trials, made.completed, made.body_bytes) == (1, 0, ())
    assert json.loads(json.dumps(made.to_dict()))["bytes"]["mean"] is None
