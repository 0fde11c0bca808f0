"""When to send again: policies, and the table of their names.

A user's own :class:`TimerPolicy` goes wherever a name goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from handshake_over_coap.errors import ConfigurationError

from .adaptive import Adaptive
from .base import Draw, Timer, TimerPolicy, draws_from, earliest, undrawn
from .presets import PRESETS, expecting
from .rfc6347 import Rfc6347
from .rfc7252 import Rfc7252
from .rfc7925 import Rfc7925
from .rfc9147 import Rfc9147

__all__ = [
    "BY_NAME",
    "PRESETS",
    "Adaptive",
    "Draw",
    "Rfc6347",
    "Rfc7252",
    "Rfc7925",
    "Rfc9147",
    "Timer",
    "TimerPolicy",
    "draws_from",
    "earliest",
    "expecting",
    "timer_named",
    "undrawn",
]

_ALL: tuple[TimerPolicy, ...] = (Rfc7252(), Rfc6347(), Rfc9147(), Rfc7925(), Adaptive())

BY_NAME: Mapping[str, TimerPolicy] = MappingProxyType({each.name: each for each in _ALL})
"""The policies with their defaults."""

_ROUND_TRIP = "round-trip="


def timer_named(timer: str | TimerPolicy) -> TimerPolicy:
    """The policy called ``timer``, or ``timer`` itself where it is one.

    Names are those of :data:`BY_NAME` and of :data:`PRESETS`, and ``round-trip=S`` for a path whose
    round trip is expected to take S seconds.  Raises ConfigurationError, with the known names.
    """
    if not isinstance(timer, str):
        return timer
    if timer.startswith(_ROUND_TRIP):
        try:
            return expecting(float(timer.removeprefix(_ROUND_TRIP)))
        except (ValueError, ConfigurationError):
            raise ConfigurationError(f"{timer!r}: the round trip is a number of seconds") from None
    try:
        return BY_NAME.get(timer) or PRESETS[timer]
    except KeyError:
        known = ", ".join((*BY_NAME, *PRESETS, f"{_ROUND_TRIP}S"))
        raise ConfigurationError(f"no timer is called {timer!r}; there are: {known}") from None
