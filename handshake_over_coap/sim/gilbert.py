"""Loss, independent or in bursts.

Bursts follow the simple Gilbert model: a chain of two states, *good*, in which everything arrives,
and *bad*, in which everything is lost, moving one step for each thing sent.  With ``p`` the
probability of going from good to bad and ``r`` that of going back, the overall loss is
``P = p / (p + r)`` and the mean length of a burst ``B = 1 / r``; so, given P and B,

    r = 1 / B            p = P / ((1 - P) * B)

Independent loss is the case ``B = 1 / (1 - P)``.  Shorter bursts are possible (losses then avoid
each other) down to ``B = P / (1 - P)``, where p becomes 1, and never below 1.

Source: E. N. Gilbert, "Capacity of a burst-noise channel", 1960; E. O. Elliott, 1963, whose general
model loses with some probability in either state.
"""

from __future__ import annotations

import math
from random import Random
from typing import Final

from handshake_over_coap.errors import ConfigurationError

_SLACK: Final = 1e-12
"""For a burst length that was computed as the shortest possible."""


def check_probability(name: str, value: float) -> None:
    """Raise ConfigurationError unless ``value``, which the user knows as ``name``, is 0 to 1."""
    if not 0.0 <= value <= 1.0:
        raise ConfigurationError(f"{name} is a probability: give a number from 0 to 1, not {value}")


def check_loss(loss: float, burst: float | None, name: str = "loss") -> None:
    """Raise ConfigurationError unless bursts of mean length ``burst`` can give ``loss``."""
    check_probability(name, loss)
    if burst is None:
        return
    if not 1.0 <= burst < math.inf:
        raise ConfigurationError(f"burst is a mean length: give 1 or more, not {burst}")
    if loss < 1.0 and loss / (1.0 - loss) > burst * (1.0 + _SLACK):
        least = loss / (1.0 - loss)
        raise ConfigurationError(
            f"burst {burst:g} is too short for a {name} of {loss:g}: "
            f"give {least:.4g} or more, or leave it out"
        )


class LossProcess:
    """Decides, one after the other, what is lost; ``draws`` is consulted once for each.

    ``burst`` is the mean length of a burst, None for independent loss.  The chain begins in its
    stationary state, so that the first is lost with probability ``loss`` too.  Raises
    ConfigurationError as :func:`check_loss` does.
    """

    __slots__ = ("_bad", "_draw", "_enter", "_stay")

    def __init__(self, loss: float, burst: float | None, draws: Random) -> None:
        check_loss(loss, burst)
        self._draw = draws.random
        if burst is None or loss >= 1.0:
            self._enter = self._stay = loss
        else:
            self._enter = loss / ((1.0 - loss) * burst)
            self._stay = 1.0 - 1.0 / burst
        # A draw decides from which state the first step is taken, such that it ends in a
        # stationary one: stationary before is stationary after.
        self._bad = self._draw() < loss

    def lost(self) -> bool:
        """Whether the next one is lost."""
        self._bad = self._draw() < (self._stay if self._bad else self._enter)
        return self._bad
