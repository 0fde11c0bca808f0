"""The formulas against SciPy, which shares no code with them."""

from __future__ import annotations

import random
import statistics

import pytest
from scipy import stats

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.statistics import (
    bootstrap,
    kolmogorov_smirnov,
    mean_interval,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "trials"), [(0, 1), (1, 1), (0, 20), (20, 20), (3, 7), (493, 500), (1, 10_000)]
)
def test_wilson_intervals_are_those_of_scipy(successes: int, trials: int) -> None:
    theirs = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson(successes, trials) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_without_trials_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_more_successes_than_trials_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be"):
        wilson(3, 2)


def test_wilson_intervals_hold_the_true_value_in_95_percent_of_samples() -> None:
    draws, true, held = random.Random(7), 0.913, 0
    for _ in range(2000):
        low, high = wilson(sum(draws.random() < true for _ in range(60)), 60)
        held += low <= true <= high
    assert 0.93 < held / 2000 < 0.975


@pytest.mark.parametrize("count", [2, 5, 11, 200])
def test_intervals_of_means_are_those_of_scipy(count: int) -> None:
    values = [random.Random(count).expovariate(1) for _ in range(count)]
    values = [value + place for place, value in enumerate(values)]
    theirs = stats.t.interval(
        0.95, count - 1, loc=statistics.fmean(values), scale=stats.sem(values)
    )
    assert mean_interval(values) == pytest.approx(theirs, rel=1e-4)


def test_one_value_has_no_interval() -> None:
    with pytest.raises(ConfigurationError, match="two values"):
        mean_interval([1.0])


def test_the_bootstrap_interval_of_a_mean_is_near_the_one_by_formula() -> None:
    draws = random.Random(3)
    values = [draws.gauss(10, 2) for _ in range(400)]
    low, high = bootstrap(values, statistics.fmean, seed=1)
    assert (low, high) == pytest.approx(mean_interval(values), abs=0.04)
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_nothing_cannot_be_resampled_or_compared() -> None:
    with pytest.raises(ConfigurationError, match="nothing to resample"):
        bootstrap([])
    with pytest.raises(ConfigurationError, match="neither may be empty"):
        kolmogorov_smirnov([], [1.0])


def test_samples_of_one_distribution_are_told_from_those_of_two() -> None:
    draws = random.Random(5)
    one, same = ([draws.gauss(0, 1) for _ in range(300)] for _ in range(2))
    other = [draws.gauss(0.5, 1) for _ in range(300)]
    assert kolmogorov_smirnov(one, same).p > 0.05
    assert kolmogorov_smirnov(one, other).p < 0.001
    assert kolmogorov_smirnov([1, 2, 3], [4, 5, 6]).distance == 1.0
