"""The formulas against SciPy, which shares no code with them."""

from __future__ import annotations

import math
import random
import statistics

import numpy as np
import pytest
from scipy import stats

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.statistics import kolmogorov_smirnov, wilson
from handshake_over_coap.trace.report import Summary, quantile_ranks


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
    found = Summary.of(values)
    assert found.mean is not None
    assert found.ci95 is not None
    assert (found.mean - found.ci95, found.mean + found.ci95) == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("percent", [50, 95])
def test_the_ranks_of_quantiles_are_those_of_scipys_binomial(percent: int) -> None:
    for count in (*range(1, 400), 9_999, 10_000, 1_000_000):
        low, high = (int(stats.binom.ppf(p, count, percent / 100)) for p in (0.025, 0.975))
        theirs = (low, high + 1) if low >= 1 and high < count else None
        assert quantile_ranks(percent, count) == theirs, count


def test_intervals_of_quantiles_hold_the_true_value_where_values_are_very_skew() -> None:
    draws = np.random.default_rng(7)
    true = {50: math.exp(0), 95: math.exp(2 * stats.norm.ppf(0.95))}
    held = dict.fromkeys(true, 0)
    for _ in range(1000):
        found = Summary.of(draws.lognormal(0, 2, 150).tolist())
        for percent, ends in ((50, found.median_ci95), (95, found.p95_ci95)):
            assert ends is not None
            held[percent] += ends[0] <= true[percent] <= ends[1]
    # 950 or more expected, standard deviation 6.9
    assert min(held.values()) > 925


def test_nothing_cannot_be_compared() -> None:
    with pytest.raises(ConfigurationError, match="neither may be empty"):
        kolmogorov_smirnov([], [1.0])


def test_samples_of_one_distribution_are_told_from_those_of_two() -> None:
    draws = random.Random(5)
    one, same = ([draws.gauss(0, 1) for _ in range(300)] for _ in range(2))
    other = [draws.gauss(0.5, 1) for _ in range(300)]
    assert kolmogorov_smirnov(one, same).p > 0.05
    assert kolmogorov_smirnov(one, other).p < 0.001
    assert kolmogorov_smirnov([1, 2, 3], [4, 5, 6]).distance == 1.0
