"""How sure one can be: intervals of means and proportions, and whether two samples differ."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.trace.report import student_quantile

_NORMAL: Final = statistics.NormalDist().inv_cdf(0.975)


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the mean by Student's t.

    Raises ConfigurationError for fewer than two values, which say nothing of their spread.
    """
    if len(values) < 2:
        raise ConfigurationError("an interval of a mean needs two values or more")
    mean = statistics.fmean(values)
    half = student_quantile(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return mean - half, mean + half


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % confidence interval of a probability, from ``successes`` among ``trials``.

    Wilson's score interval: it stays within 0..1 and holds its level where the normal
    approximation does not, near 0 and 1 and for few trials.  (0, 1) without trials.  Source: E. B.
    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if not 0 <= successes <= trials:
        raise ConfigurationError(f"{successes} successes in {trials} trials cannot be")
    if not trials:
        return 0.0, 1.0
    rate, square = successes / trials, _NORMAL * _NORMAL
    centre = rate + square / (2 * trials)
    half = _NORMAL * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials * trials))
    scale = 1 + square / trials
    low, high = (centre - half) / scale, (centre + half) / scale
    return (0.0 if not successes else low), (1.0 if successes == trials else high)


def bootstrap(
    values: Sequence[float],
    statistic: Callable[[Sequence[float]], float] = statistics.median,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> tuple[float, float]:
    """The 95 % bootstrap interval (percentiles) of any statistic, the median unless said.

    For what has no formula; draws are seeded.  Raises ConfigurationError without values.
    """
    if not values:
        raise ConfigurationError("there is nothing to resample")
    draws = random.Random(seed)
    found = sorted(
        statistic(draws.choices(values, k=len(values))) for _ in range(max(resamples, 40))
    )
    tail = round(0.025 * len(found))
    return found[tail], found[len(found) - 1 - tail]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether two samples come from one distribution (Kolmogorov and Smirnov, two-sided).

    ``distance`` is the largest difference of the two empirical distribution functions, ``p`` the
    probability of one as large or larger if they do.  Where values repeat (counts), p is too large
    rather than too small.
    """

    distance: float
    p: float


def kolmogorov_smirnov(one: Sequence[float], other: Sequence[float]) -> Comparison:
    """Compare two samples, neither of them empty (else ConfigurationError).

    SciPy computes it, exactly for small samples (the ``lab`` extra).
    """
    if not one or not other:
        raise ConfigurationError("two samples are compared: neither may be empty")
    from scipy import stats

    result = stats.ks_2samp(one, other)
    return Comparison(float(result.statistic), float(result.pvalue))
