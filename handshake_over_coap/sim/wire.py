"""A link that misbehaves as it is told: when, and whether, a datagram comes out at the other end.

What befalls a datagram, in this order:

1. The *size limit*: one whose UDP payload is larger is refused.
2. The *rate*: each direction has one transmitter, first in, first out, which takes
   ``(payload + overhead) * 8 / rate`` seconds for a datagram; behind the one that is being sent
   there is room for ``queue`` more, and one that comes later is refused.
3. The *drop list* and *loss*, drawn or recorded, after the transmitter: what is lost has taken its
   time.
4. *Duplication*: a second copy.
5. The *delay*, and for each copy a *jitter* of its own, uniform between 0 and ``jitter``.  Neither
   changes the order: what would overtake an earlier datagram arrives with it, behind it.
6. *Re-ordering*: each copy by itself may be held back for a time uniform between the two values of
   ``hold``, on top, and is overtaken by what arrives meanwhile.

Each purpose has a stream of draws of its own in each direction, and takes the same number of draws
for every datagram whatever becomes of it, so that no impairment shifts the chances of another.
Nothing here knows of an event loop: time is an argument.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from handshake_over_coap.errors import ConfigurationError

from .draws import Draws
from .gilbert import LossProcess, check_loss, check_probability
from .loss_trace import LossTrace, TraceRow
from .passages import Outcome, Side

IP_UDP_HEADERS: Final = 48
"""Bytes of an IPv6 header and a UDP header."""


def check_seconds(name: str, value: float) -> None:
    """Raise ConfigurationError unless ``value`` is a duration."""
    if not 0.0 <= value < math.inf:
        raise ConfigurationError(f"{name} is a time in seconds: give 0 or more, not {value}")


def check_count(name: str, value: int | None, least: int = 0) -> None:
    """Raise ConfigurationError if ``value`` is less than ``least``; None means "no limit"."""
    if value is not None and value < least:
        raise ConfigurationError(f"{name} is a count: give {least} or more, not {value}")


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How the link behaves; the module's text says exactly.

    Raises ConfigurationError, naming the field, for what cannot be.
    """

    delay: float = 0.05
    """Seconds, one way."""
    jitter: float = 0.0
    """Seconds that are added to the delay at most."""
    loss: float = 0.0
    """The probability that a datagram is lost."""
    burst: float | None = None
    """Datagrams in a burst of losses on average; None for independent losses."""
    drop: frozenset[int] = field(default=frozenset())
    """Numbers of datagrams to drop, counted from 1 over both directions in sending order."""
    duplicate: float = 0.0
    """The probability that a datagram arrives twice."""
    reorder: float = 0.0
    """The probability that a copy is held back and overtaken."""
    hold: tuple[float, float] = (0.01, 0.1)
    """For how long such a one is held back, in seconds: the least and the most."""
    rate: float | None = None
    """Bits per second in each direction; None for unlimited."""
    queue: int = 64
    """Datagrams that may wait for the transmitter behind the one that is being sent."""
    overhead: int = IP_UDP_HEADERS
    """Bytes of headers that the rate counts for each datagram."""
    max_datagram: int | None = None
    """Bytes of the largest UDP payload; None for no limit."""
    trace: LossTrace | None = None
    """Recorded losses and delays in place of ``loss``, and of ``delay`` where it has them."""

    def __post_init__(self) -> None:
        check_seconds("delay", self.delay)
        check_seconds("jitter", self.jitter)
        check_loss(self.loss, self.burst)
        if self.trace is not None and self.loss:
            raise ConfigurationError("a loss trace takes the place of loss: give one of them")
        check_probability("duplicate", self.duplicate)
        check_probability("reorder", self.reorder)
        check_count("queue", self.queue)
        check_count("overhead", self.overhead)
        check_count("max_datagram", self.max_datagram)
        if not 0.0 <= self.hold[0] <= self.hold[1] < math.inf:
            raise ConfigurationError(f"hold is (shortest, longest) in seconds, not {self.hold}")
        if self.rate is not None and not 0.0 < self.rate < math.inf:
            raise ConfigurationError(f"rate is in bits per second, above 0, not {self.rate}")
        if any(number < 1 for number in self.drop):
            raise ConfigurationError(
                f"drop counts datagrams from 1: there is none with number {min(self.drop)}"
            )


class Crossing(NamedTuple):
    """What became of one datagram: the times at which copies come out, none if it is lost."""

    outcome: Outcome
    arrivals: tuple[float, ...] = ()


_AT_ONCE: Final = ((0.0, 0.0), (None, None))
"""Jitter and time held back of either copy where there is neither."""

_TOO_LARGE: Final = Crossing(Outcome.TOO_LARGE)
_QUEUE_FULL: Final = Crossing(Outcome.QUEUE_FULL)
_DROPPED: Final = Crossing(Outcome.DROPPED)
_LOST: Final = Crossing(Outcome.LOST)


class Wire:
    """Both directions of a link with ``options``."""

    __slots__ = ("_lanes", "_max_datagram")

    def __init__(self, options: LinkOptions, draws: Draws) -> None:
        self._max_datagram = options.max_datagram
        start = 0.0 if options.trace is None else draws.stream("trace").random()
        self._lanes = {
            side: _Lane(
                options,
                draws.below("wire", side.value),
                None if options.trace is None else options.trace.rows(side, start),
            )
            for side in Side
        }

    def fits(self, size: int) -> bool:
        """Whether a datagram of ``size`` bytes is within the size limit."""
        return self._max_datagram is None or size <= self._max_datagram

    def cross(self, now: float, sender: Side, number: int, size: int) -> Crossing:
        """Send datagram ``number``, of ``size`` bytes; calls come in the order of ``now``."""
        if not self.fits(size):
            return _TOO_LARGE
        return self._lanes[sender].cross(now, number, size)


class _Lane:
    """One direction."""

    __slots__ = (
        "_departures",
        "_duplicate",
        "_floor",
        "_free",
        "_hold",
        "_jitter",
        "_loss",
        "_options",
        "_punctual",
        "_reorder",
        "_trace",
    )

    def __init__(
        self, options: LinkOptions, draws: Draws, trace: Iterator[TraceRow] | None = None
    ) -> None:
        def stream(name: str, wanted: object) -> Random | None:
            return draws.stream(name) if wanted else None

        self._options = options
        self._trace = trace
        losses = stream("loss", options.loss)
        self._loss = None if losses is None else LossProcess(options.loss, options.burst, losses)
        self._duplicate = stream("duplicate", options.duplicate)
        self._jitter = stream("jitter", options.jitter)
        self._reorder = stream("reorder", options.reorder)
        self._hold = stream("hold", options.reorder)
        self._punctual = self._jitter is None and self._reorder is None
        self._departures: deque[float] = deque()
        self._free = -math.inf
        self._floor = -math.inf

    def cross(self, now: float, number: int, size: int) -> Crossing:
        options = self._options
        # Every stream is asked, whatever comes of it: see the module's text.
        lost, delay = self._loss is not None and self._loss.lost(), options.delay
        if self._trace is not None:
            delivered, recorded = next(self._trace)
            lost, delay = not delivered, delay if recorded is None else recorded
        twice = self._duplicate is not None and self._duplicate.random() < options.duplicate
        jitters, holds = _AT_ONCE if self._punctual else self._times()
        departure = now if options.rate is None else self._transmit(now, size, options.rate)
        if departure is None:
            return _QUEUE_FULL
        if number in options.drop:
            return _DROPPED
        if lost:
            return _LOST
        if self._punctual and not twice:
            self._floor = max(departure + delay, self._floor)
            return Crossing(Outcome.DELIVERED, (self._floor,))
        arrivals = []
        for jitter, hold in zip(jitters[: 1 + twice], holds, strict=False):
            due = max(departure + delay + jitter, self._floor)
            if hold is None:
                self._floor = due
            arrivals.append(due + (hold or 0.0))
        return Crossing(Outcome.DELIVERED, tuple(sorted(arrivals)))

    def _times(self) -> tuple[tuple[float, float], tuple[float | None, float | None]]:
        """Jitter, and the time held back or None, of either copy."""
        options = self._options
        jitters, holds = _AT_ONCE
        if self._jitter is not None:
            draw = self._jitter.random
            jitters = (options.jitter * draw(), options.jitter * draw())
        if self._reorder is None or self._hold is None:
            return jitters, holds
        chance, how_long = self._reorder.random, self._hold.uniform
        drawn = [(chance() < options.reorder, how_long(*options.hold)) for _ in range(2)]
        first, second = (seconds if held else None for held, seconds in drawn)
        return jitters, (first, second)

    def _transmit(self, now: float, size: int, rate: float) -> float | None:
        """When the last bit leaves; None if there is no room to wait for that."""
        options = self._options
        waiting = self._departures
        while waiting and waiting[0] <= now:
            waiting.popleft()
        if len(waiting) > options.queue:
            return None
        self._free = max(now, self._free) + (size + options.overhead) * 8 / rate
        waiting.append(self._free)
        return self._free
