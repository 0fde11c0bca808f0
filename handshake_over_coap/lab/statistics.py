"""How sure one can be: intervals of proportions, and whether two samples differ."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from handshake_over_coap.errors import ConfigurationError

_NORMAL: Final = statistics.NormalDist().inv_cdf(0.975)


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
