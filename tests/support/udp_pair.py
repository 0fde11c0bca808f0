"""Two engines of the classic carrier on injected time, with a wire that a test commands."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence

from handshake_over_coap.carriers.udp.engine import Engine
from handshake_over_coap.carriers.udp.parameters import UdpParameters
from handshake_over_coap.tls.dtls12 import start_client, start_server
from tests.support.parties import Scenario

Fate = Callable[[int, bytes], Sequence[tuple[float, bytes]]]
"""What becomes of the n-th datagram: extra delay and content of each copy that arrives."""

ONE_WAY = 0.05


def unharmed(index: int, data: bytes) -> Sequence[tuple[float, bytes]]:
    """Every datagram arrives as it is."""
    return [(0.0, data)]


def dropping(*indices: int) -> Fate:
    """The datagrams of these numbers are lost."""
    return lambda index, data: [] if index in indices else [(0.0, data)]


class UdpPair:
    """A client's and a server's engine; the server takes the hello without a cookie."""

    def __init__(self, scenario: Scenario, mtu: int = 1152, fate: Fate = unharmed) -> None:
        parameters = UdpParameters(mtu=mtu)
        self.counters = Counter[str]()
        self._fate = fate
        self.now = 0.0
        self._events: list[tuple[float, int, bool, bytes]] = []
        self.wire: list[tuple[float, bool, bytes]] = []
        step = start_client(scenario.client())
        self.client = Engine(step.state, parameters, self.counters)
        self.server = Engine(start_server(scenario.server()), parameters, self.counters)
        self._put(True, self.client.start(step, 0.0))

    def _put(self, from_client: bool, datagrams: list[bytes]) -> None:
        for data in datagrams:
            index = len(self.wire)
            self.wire.append((self.now, from_client, data))
            for number, (delay, content) in enumerate(self._fate(index, data)):
                order = index * 16 + number
                arrival = self.now + ONE_WAY + delay
                heapq.heappush(self._events, (arrival, order, from_client, content))

    def step(self) -> bool:
        """Deliver the next datagram or run the next timer; False if neither is left."""
        timers = [e.deadline for e in (self.client, self.server) if e.deadline is not None]
        due = min(timers, default=None)
        if self._events and (due is None or self._events[0][0] <= due):
            self.now, _, from_client, data = heapq.heappop(self._events)
            receiver = self.server if from_client else self.client
            self._put(not from_client, receiver.receive(data, self.now))
            return True
        if due is None:
            return False
        self.now = due
        for engine in (self.client, self.server):
            if engine.deadline is not None and engine.deadline <= due:
                self._put(engine is self.client, engine.on_timer(due))
        return True

    def run(self, limit: float = 600.0) -> None:
        """Until nothing moves any more, or ``limit`` seconds are over."""
        while self.now < limit and self.step():
            pass

    @property
    def complete(self) -> bool:
        """Whether both sides have completed, with the same keys."""
        ours, theirs = self.client.established, self.server.established
        if ours is None or theirs is None:
            return False
        return ours.connected.master_secret == theirs.connected.master_secret
