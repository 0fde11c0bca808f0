"""What became of each datagram on a simulated network, and the same as one of its ends saw it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.trace.tap import DatagramSeen, Direction, Fate


class Side(Enum):
    """The two sides that a simulated network joins."""

    CLIENT = "client"
    SERVER = "server"

    # What is kept by side is looked up for every datagram; Enum's own hash is slow.
    __hash__ = object.__hash__

    @property
    def other(self) -> Side:
        """The side across."""
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


class Outcome(Enum):
    """What became of a datagram."""

    DELIVERED = "delivered"
    """At least one copy was handed to an endpoint."""
    LOST = "lost"
    """By chance."""
    DROPPED = "dropped"
    """It stood on the list of datagrams to drop."""
    TOO_LARGE = "too large"
    """It exceeded the network's size limit."""
    QUEUE_FULL = "queue full"
    """Too many waited for the transmitter."""
    RADIO = "radio"
    """A frame of it was lost for good, or it was not reassembled in time or for want of room."""
    UNREACHABLE = "unreachable"
    """Nobody was at the address when it arrived."""
    UNDER_WAY = "under way"
    """Still on its way when the simulation ended."""

    @property
    def fate(self) -> Fate:
        """The same in the coarser words of a trace."""
        if self is Outcome.DELIVERED:
            return Fate.DELIVERED
        return Fate.UNKNOWN if self is Outcome.UNDER_WAY else Fate.LOST


class Datagram(NamedTuple):
    """A datagram as it was sent.

    ``destination`` is the address that it was sent to.
    """

    number: int
    """Its number among those of both directions, from 1."""
    time: float
    """Seconds."""
    sender: Side
    source: Address
    """The address that the receiver sees."""
    destination: Address
    data: bytes


@dataclass(frozen=True, slots=True)
class Passage:
    """A datagram and what became of it."""

    datagram: Datagram
    outcome: Outcome
    arrivals: tuple[float, ...] = ()
    """Seconds at which copies arrived, none of them if it was lost."""


class PassageObserver(Protocol):
    """Whoever wants to know what became of datagrams."""

    def passed(self, passage: Passage) -> None:
        """The outcome of one datagram is settled.  Must not raise."""


class PassageRecorder:
    """Keeps the passages of the first datagrams that were settled, up to a bound.

    From the first one that would exceed ``max_datagrams`` or ``max_bytes`` (of UDP payloads) on,
    they are counted in ``left_out`` and no more.  Raises ConfigurationError for a negative bound.
    """

    __slots__ = ("_bytes", "_kept", "_max_bytes", "_max_datagrams", "left_out")

    def __init__(self, max_datagrams: int = 10_000, max_bytes: int = 16 * 1024 * 1024) -> None:
        if max_datagrams < 0 or max_bytes < 0:
            raise ConfigurationError("the bounds of a recorder are counts: give 0 or more")
        self._max_datagrams = max_datagrams
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: list[Passage] = []
        self.left_out = 0

    @property
    def passages(self) -> tuple[Passage, ...]:
        """What was kept, in the order of sending."""
        return tuple(sorted(self._kept, key=lambda passage: passage.datagram.number))

    def passed(self, passage: Passage) -> None:
        """Keep one, or count it as left out."""
        size = self._bytes + len(passage.datagram.data)
        if self.left_out or size > self._max_bytes or len(self._kept) >= self._max_datagrams:
            self.left_out += 1
        else:
            self._kept.append(passage)
            self._bytes = size


def view(passages: Iterable[Passage], side: Side) -> list[DatagramSeen]:
    """What ``side`` would have seen, in the order of time, for ladders and captures.

    A datagram that arrived twice is there twice.  One that was to come in and did not stands where
    it was sent, with its fate: nobody saw it, but a picture should show it.
    """
    seen = []
    for passage in passages:
        sent = passage.datagram
        outgoing = sent.sender is side
        times = (sent.time,) if outgoing else passage.arrivals or (sent.time,)
        seen += [(time, sent.number, _as_seen(passage, time, outgoing=outgoing)) for time in times]
    return [datagram for _, _, datagram in sorted(seen, key=lambda each: each[:2])]


def _as_seen(passage: Passage, time: float, *, outgoing: bool) -> DatagramSeen:
    sent = passage.datagram
    here, there = (sent.source, sent.destination) if outgoing else (sent.destination, sent.source)
    direction = Direction.SENT if outgoing else Direction.RECEIVED
    fate = passage.outcome.fate
    return DatagramSeen(time, direction, there.host, there.port, sent.data, here.host, fate)
