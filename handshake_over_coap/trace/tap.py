"""Where datagrams are seen: a tap that an endpoint reports to, and the simplest observers of it.

A tap costs one test of a tuple for each datagram while nobody observes, so it may stay in place
on every endpoint, real or simulated.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol

from handshake_over_coap.errors import ConfigurationError


class Direction(Enum):
    """Which way a datagram went, as seen from the endpoint that was observed."""

    SENT = "sent"
    RECEIVED = "received"


class Fate(Enum):
    """What became of a datagram, as far as the observer knows."""

    UNKNOWN = "unknown"
    """A real network does not tell."""
    DELIVERED = "delivered"
    LOST = "lost"


class DatagramSeen(NamedTuple):
    """One UDP payload that was sent or received.

    ``direction`` is as this side sees it, ``port`` this side's UDP port, ``data`` the payload;
    ``fate`` is known in simulations only.
    """

    time: float
    """Seconds of whatever clock the endpoint runs on."""
    direction: Direction
    host: str
    """The peer's: a numeric address, an IPv4-mapped one included, or a simulated node's name."""
    port: int
    data: bytes
    local_host: str | None = None
    """The local address that it came to or left from, where that is known."""
    fate: Fate = Fate.UNKNOWN


class Observer(Protocol):
    """Whoever wants to know of datagrams."""

    def observe(self, seen: DatagramSeen) -> None:
        """A datagram was seen.  Must neither block nor raise: it runs within the endpoint."""


class Tap:
    """Passes on what an endpoint sees to any number of observers, in the order they were added.

    It is ``active`` while anybody observes; without, reading the clock for :meth:`seen` is wasted.
    """

    __slots__ = ("_observers", "active")

    def __init__(self) -> None:
        # A tuple, so that observers may come and go while one of them is being called.
        self._observers: tuple[Observer, ...] = ()
        self.active = False

    def add(self, observer: Observer) -> None:
        """Tell ``observer`` of every datagram from now on; adding it again changes nothing."""
        if not any(each is observer for each in self._observers):
            self._observers += (observer,)
            self.active = True

    def remove(self, observer: Observer) -> None:
        """Tell ``observer`` no more; nothing happens if it was not told before."""
        self._observers = tuple(each for each in self._observers if each is not observer)
        self.active = bool(self._observers)

    def seen(
        self,
        time: float,
        direction: Direction,
        host: str,
        port: int,
        data: bytes,
        local_host: str | None = None,
        fate: Fate = Fate.UNKNOWN,
    ) -> None:
        """Report a datagram; the arguments are the fields of :class:`DatagramSeen`."""
        if not self._observers:
            return
        datagram = DatagramSeen(time, direction, host, port, data, local_host, fate)
        for observer in self._observers:
            observer.observe(datagram)


class Counts:
    """Counts datagrams, and the bytes of their UDP payloads, by direction."""

    __slots__ = ("received_bytes", "received_datagrams", "sent_bytes", "sent_datagrams")

    def __init__(self) -> None:
        self.sent_datagrams = 0
        self.sent_bytes = 0
        self.received_datagrams = 0
        self.received_bytes = 0

    @property
    def datagrams(self) -> int:
        """Datagrams of both directions together."""
        return self.sent_datagrams + self.received_datagrams

    @property
    def total_bytes(self) -> int:
        """Bytes of both directions together."""
        return self.sent_bytes + self.received_bytes

    def observe(self, seen: DatagramSeen) -> None:
        """Count one datagram."""
        if seen.direction is Direction.SENT:
            self.sent_datagrams += 1
            self.sent_bytes += len(seen.data)
        else:
            self.received_datagrams += 1
            self.received_bytes += len(seen.data)


class Recorder:
    """Keeps datagrams in the order they were seen, up to a bound.

    What is kept is always the beginning, without holes: from the first datagram that would exceed
    ``max_datagrams`` or ``max_bytes`` (of UDP payloads) on, datagrams are counted in ``left_out``
    and no more.  Raises ConfigurationError for a negative bound.
    """

    __slots__ = ("_bytes", "_kept", "_max_bytes", "_max_datagrams", "left_out")

    def __init__(self, max_datagrams: int = 10_000, max_bytes: int = 16 * 1024 * 1024) -> None:
        if max_datagrams < 0 or max_bytes < 0:
            raise ConfigurationError("the bounds of a recorder are counts: give 0 or more")
        self._max_datagrams = max_datagrams
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: list[DatagramSeen] = []
        self.left_out = 0

    @property
    def datagrams(self) -> tuple[DatagramSeen, ...]:
        """What was kept so far."""
        return tuple(self._kept)

    def observe(self, seen: DatagramSeen) -> None:
        """Keep one datagram, or count it as left out."""
        size = self._bytes + len(seen.data)
        if self.left_out or size > self._max_bytes or len(self._kept) >= self._max_datagrams:
            self.left_out += 1
        else:
            self._kept.append(seen)
            self._bytes = size

    def clear(self) -> None:
        """Forget everything and begin anew."""
        self._kept.clear()
        self._bytes = self.left_out = 0
