"""Whether a measured share or mean agrees with what theory says."""

from __future__ import annotations

import math

Z = 4.0
"""Standard deviations: a true expectation is missed by chance once in 16,000 times."""


def agrees(count: float, trials: int, probability: float, spread: float = 1.0) -> bool:
    """Whether ``count`` of ``trials`` fits ``probability``.

    ``spread`` is by how much the variance exceeds that of independent trials.
    """
    deviation = math.sqrt(trials * probability * (1 - probability) * spread)
    return abs(count - trials * probability) <= Z * deviation


def mean_agrees(total: float, samples: int, mean: float, variance: float) -> bool:
    """Whether ``total`` over ``samples`` independent ones fits their ``mean``."""
    return abs(total / samples - mean) <= Z * math.sqrt(variance / samples)
