"""Timers for peers and paths that are known beforehand, under names that say which.

A first wait that is too short costs datagrams and, on a slow path, more loss; one that is too long
costs time whenever the first datagram is lost.  Later waits are measured where the policy measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .base import TimerPolicy, check_seconds
from .rfc9147 import Rfc9147

SLEEPY_ROUND_TRIP = 2.6
"""Seconds after which a sleepy node of a Thread network answers, in the mean: it polls."""

SLOW_COMPUTING = 30.0
"""Seconds for a peer that computes its keys in software on a small microcontroller."""


def expecting(round_trip: float) -> Rfc9147:
    """The timer for a path whose round trip is expected to take so many seconds.

    Twice that, and no less than 1 s, as the TLS 1.3 profile for the Internet of Things has it.
    Raises ConfigurationError for what is no time.
    """
    check_seconds(round_trip=round_trip)
    return Rfc9147(initial_timeout=max(1.0, 2 * round_trip))


PRESETS: Mapping[str, TimerPolicy] = MappingProxyType(
    {
        "1s": Rfc9147(initial_timeout=1.0),
        "2s": Rfc9147(initial_timeout=2.0),
        "9s": Rfc9147(initial_timeout=9.0),
        "sleepy": expecting(SLEEPY_ROUND_TRIP),
        # Not measured: the exchange that proves an address is quick, and says nothing of the rest.
        "slow-computing": Rfc9147(initial_timeout=SLOW_COMPUTING, adapt=False),
    }
)
"""Presets by their names; ``round-trip=S`` is :func:`expecting` (see ``timer_named``)."""
