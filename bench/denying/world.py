"""A server, those who attack it, honest clients, and the time; whatever carries handshakes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from handshake_over_coap.carriers.base import HandshakeCompleted, HandshakeFailed, Output
from handshake_over_coap.carriers.datagram import Address

SERVER = Address("198.51.100.1", 5684)
DELAY = 0.05
"""Seconds from one end to the other."""

HONEST_EVERY = 2.0
"""Seconds between two honest clients."""

PATIENCE = 60.0
"""Seconds for which the last honest clients are waited for."""


@dataclass(frozen=True)
class Attack:
    """How many attack from where; each endpoint sends a new flight 1 every ``period`` seconds.

    ``host`` gives the address number n of the attackers.
    """

    name: str
    addresses: int
    endpoints: int
    period: float = 26.0
    host: Callable[[int], str] = "203.0.113.{}".format

    @property
    def rate(self) -> float:
        """New flights 1 a second."""
        return self.addresses * self.endpoints / self.period


@dataclass
class Figures:
    """What came of it; ``times`` are seconds of honest handshakes, ``failed`` counts the others.

    ``cpu`` is in seconds, for ``datagrams`` that the server has taken and ``octets`` of the attack.
    """

    times: list[float] = field(default_factory=list)
    failed: int = 0
    cpu: float = 0.0
    datagrams: int = 0
    octets: int = 0
    most_half_open: int = 0


class Server(Protocol):
    """What a server's carrier is here."""

    @property
    def deadline(self) -> float | None:
        """When its timer is due."""

    @property
    def unfinished(self) -> int:
        """Handshakes under way."""

    def receive(self, data: bytes, peer: Address, now: float) -> Output:
        """Take a datagram."""

    def on_timer(self, now: float) -> Output:
        """Do what is due."""


class Client(Protocol):
    """What an honest client's carrier is here."""

    @property
    def deadline(self) -> float | None:
        """When its timer is due."""

    def start(self, now: float) -> Output:
        """Begin."""

    def receive(self, data: bytes, peer: Address, now: float) -> Output:
        """Take a datagram."""

    def on_timer(self, now: float) -> Output:
        """Do what is due."""


class Flight(Protocol):
    """One handshake of an attacker, up to what costs the server a place."""

    def first(self) -> bytes:
        """A flight 1 that nobody has sent before."""

    def proven(self, answer: bytes) -> bytes | None:
        """The same with what proves the address; None if ``answer`` did not ask for that."""


class Carriage(Protocol):
    """A carrier with its server and all who talk to it."""

    @property
    def server(self) -> Server:
        """Who is attacked."""

    def client(self) -> Client:
        """An honest client, which trusts the server."""

    def takes(self, client: Client, data: bytes) -> bool:
        """Whether a datagram is the handshake's: records of sessions are of no interest."""

    def attacker(self) -> Flight:
        """What an endpoint of the attack keeps."""

    @property
    def evicted(self) -> int:
        """Half-open handshakes that have made room."""

    @property
    def refused(self) -> int:
        """Flights 1 that were told that there is no room."""


class World:
    """A server, those who attack it, honest clients, and the time in seconds."""

    def __init__(self, attack: Attack, seconds: float, carriage: Carriage, seed: int) -> None:
        self.attack, self.seconds, self.carriage = attack, seconds, carriage
        self.figures = Figures()
        self.random = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._sequence = count()
        self._at: dict[Address, Callable[[bytes, float], None]] = {}
        self._armed: float | None = None

    def later(self, when: float, what: Callable[[float], None]) -> None:
        """Have ``what`` happen at ``when`` seconds."""
        heappush(self._events, (when, next(self._sequence), what))

    def run(self) -> Figures:
        """Everything that happens; the attack is complete before the first honest client comes."""
        begins = self.attack.period if self.attack.endpoints else 0.0
        for index in range(self.attack.addresses * self.attack.endpoints):
            host = self.attack.host(1 + index % self.attack.addresses)
            attacker = Attacker(self, Address(host, 1024 + index))
            self.later(self.random.uniform(0, self.attack.period), attacker.flight)
        ends = begins + self.seconds
        clients = int(self.seconds / HONEST_EVERY)
        for index in range(clients):
            self.later(begins + index * HONEST_EVERY, Honest(self, index).start)
        while self._events and self._events[0][0] < ends + PATIENCE:
            when, _, what = heappop(self._events)
            if when > ends and len(self.figures.times) + self.figures.failed == clients:
                break
            what(when)
        self.figures.failed = clients - len(self.figures.times)
        return self.figures

    def listen(self, address: Address, receive: Callable[[bytes, float], None]) -> None:
        """Datagrams to ``address`` go to ``receive``."""
        self._at[address] = receive

    def send(self, data: bytes, source: Address, now: float) -> None:
        """A datagram to the server."""
        self.later(now + DELAY, lambda when: self._serve(data, source, when))

    def _serve(self, data: bytes, source: Address, now: float) -> None:
        self.figures.datagrams += 1
        self._timed(lambda: self.carriage.server.receive(data, source, now), now)

    def _timed(self, work: Callable[[], Output], now: float) -> None:
        before = time.process_time()
        output = work()
        self.figures.cpu += time.process_time() - before
        server = self.carriage.server
        self.figures.most_half_open = max(self.figures.most_half_open, server.unfinished)
        for data, address in output.datagrams:
            receive = self._at[address]
            self.later(now + DELAY, lambda when, d=data, r=receive: r(d, when))
        deadline = server.deadline
        if deadline is not None and (self._armed is None or deadline < self._armed):
            self._armed = deadline
            self.later(max(now, deadline), self._on_timer)

    def _on_timer(self, now: float) -> None:
        self._armed = None
        self._timed(lambda: self.carriage.server.on_timer(now), now)


class Attacker:
    """One endpoint: a new flight 1 every period, its address proven, nothing finished."""

    def __init__(self, world: World, address: Address) -> None:
        self._world, self._address = world, address
        self._flight = world.carriage.attacker()
        world.listen(address, self._receive)

    def flight(self, now: float) -> None:
        """A new handshake that will not be finished."""
        self._send(self._flight.first(), now)
        if now < self._world.seconds + 2 * self._world.attack.period:
            self._world.later(now + self._world.attack.period, self.flight)

    def _send(self, data: bytes, now: float) -> None:
        self._world.figures.octets += len(data)
        self._world.send(data, self._address, now)

    def _receive(self, data: bytes, now: float) -> None:
        proven = self._flight.proven(data)
        if proven is not None:
            self._send(proven, now)


class Honest:
    """One client at an address of its own, and how long its handshake takes it."""

    def __init__(self, world: World, index: int) -> None:
        self._world = world
        self._address = Address(f"192.0.2.{index % 250 + 1}", 40_000 + index)
        self._carrier = world.carriage.client()
        self._since = 0.0
        self._over = False

    def start(self, now: float) -> None:
        """Begin."""
        self._since = now
        self._world.listen(self._address, self._receive)
        self._take(self._carrier.start(now), now)

    def _receive(self, data: bytes, now: float) -> None:
        if self._world.carriage.takes(self._carrier, data):
            self._take(self._carrier.receive(data, SERVER, now), now)

    def _on_timer(self, now: float) -> None:
        deadline = self._carrier.deadline
        if deadline is not None and deadline <= now:
            self._take(self._carrier.on_timer(now), now)

    def _take(self, output: Output, now: float) -> None:
        for data, _ in output.datagrams:
            self._world.send(data, self._address, now)
        for event in output.events:
            if isinstance(event, HandshakeCompleted) and not self._over:
                self._world.figures.times.append(now - self._since)
                self._over = True
            elif isinstance(event, HandshakeFailed) and not self._over:
                self._world.figures.failed += 1
                self._over = True
        if self._carrier.deadline is not None:
            self._world.later(max(now, self._carrier.deadline), self._on_timer)
