"""What a retransmission timer is: a policy with its options, and its running part for one peer.

Whoever sends waits for :attr:`Timer.value` seconds and tells the timer what became of it:

    timer.sent(now)                 # something new is on its way
    timer.expired(now)              # its time has passed: it is repeated, unless `exhausted` before
    timer.answered(now, repeats)    # the peer has it

A timer lives as long as the peer: what it has learnt goes from message to message.  Where several
messages are under way at once each has a timer of its own, made by :func:`copy.copy` from the
latest; so a running part shares nothing that changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

from handshake_over_coap.errors import ConfigurationError

Draw: TypeAlias = Callable[[], float]
"""Draws a number from 0 to below 1, all equally likely."""

_BITS = 53


class Timer(Protocol):
    """The running part of a timer, for one peer; times are seconds of the caller's clock."""

    @property
    def value(self) -> float:
        """Seconds from sending something until it is repeated, or given up if ``exhausted``."""

    @property
    def exhausted(self) -> bool:
        """Whether there is no further repetition: once ``value`` has passed, give up."""

    def sent(self, now: float) -> None:
        """Something new was sent, a message or a flight: its repetitions are counted from 0."""

    def expired(self, now: float) -> None:
        """``value`` has passed without an answer, and what was sent is repeated."""

    def answered(self, now: float, repeats: int) -> None:
        """What was sent is answered, after ``repeats`` repetitions of whatever cause.

        A round trip is measured only where there were none: nobody can tell which of several
        copies an answer is to (Karn's algorithm, RFC 6298 section 3).
        """


@runtime_checkable
class TimerPolicy(Protocol):
    """How long to wait and how often: a member of this room, or anybody's own.

    Members are frozen dataclasses whose fields are their options: ``metadata`` has the ``doc`` of
    each, its ``unit``, and as ``option`` the name it has beside other options, if another one.
    """

    @property
    def name(self) -> str:
        """The name in options and reports."""

    def start(self, draw: Draw) -> Timer:
        """The timer for one peer; ``draw`` is its only source of randomness."""


def undrawn() -> float:
    """A draw that is none: always the least, for whoever needs nothing spread."""
    return 0.0


def earliest(*deadlines: float | None) -> float | None:
    """The first of those deadlines that are set; None if none is."""
    return min((each for each in deadlines if each is not None), default=None)


def draws_from(rng: Callable[[int], bytes]) -> Draw:
    """Draws made of random bytes: ``rng`` gives as many as it is asked for."""
    return lambda: (int.from_bytes(rng(7), "big") >> (56 - _BITS)) / (1 << _BITS)


class Backoff:
    """Doubles at each silence: the running part that members share.

    ``initial`` is the first value and ``longest`` the largest one, both in seconds; ``most`` is how
    often something is repeated, None for no limit.
    """

    __slots__ = ("_longest", "_most", "_repeats", "_sent_at", "_value")

    def __init__(self, initial: float, longest: float, most: int | None) -> None:
        self._longest, self._most = longest, most
        self._value = min(initial, longest)
        self._repeats = 0
        self._sent_at = 0.0

    @property
    def value(self) -> float:
        """Seconds until the next repetition."""
        return self._value

    @property
    def exhausted(self) -> bool:
        """Whether what was sent is given up once its time has passed."""
        return self._most is not None and self._repeats >= self._most

    def sent(self, now: float) -> None:
        """Count repetitions anew."""
        self._sent_at, self._repeats = now, 0

    def expired(self, now: float) -> None:
        """Wait twice as long."""
        self._repeats += 1
        self._value = min(2 * self._value, self._longest)

    def answered(self, now: float, repeats: int) -> None:
        """Nothing is learnt from it."""


class MeasuringBackoff(Backoff):
    """One that waits for ``round_trips`` round trips, once it has measured one.

    It is never shorter than ``shortest`` seconds then.  A value that has grown stays until an
    answer to something that was not repeated.
    """

    __slots__ = ("_round_trips", "_shortest")

    def __init__(
        self,
        initial: float,
        longest: float,
        most: int | None,
        *,
        round_trips: float,
        shortest: float,
    ) -> None:
        super().__init__(initial, longest, most)
        self._round_trips, self._shortest = round_trips, shortest

    def answered(self, now: float, repeats: int) -> None:
        """Adopt the round trip, if it is one."""
        if repeats == 0:
            wanted = self._round_trips * (now - self._sent_at)
            self._value = min(max(wanted, self._shortest), self._longest)


def check_seconds(**times: float) -> None:
    """Raise ConfigurationError, with its name, for a time that is none to wait for."""
    for name, value in times.items():
        if not 0 < value < math.inf:
            raise ConfigurationError(f"{name} has to be a positive number of seconds")


def check_count(max_retransmit: int | None) -> None:
    """Raise ConfigurationError for what is no number of repetitions."""
    if max_retransmit is not None and max_retransmit < 0:
        raise ConfigurationError("max_retransmit is a count, or none for no limit")
