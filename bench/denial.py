"""An attack on a server over CoAP: many endpoints prove their addresses and finish nothing.

Each endpoint answers the challenge and sends a new flight 1 every so often, from a few addresses
that are its own.  Meanwhile honest clients come one by one, each from an address of its own, and
make their handshakes.  Everything runs on virtual time; the server's CPU time is the real one.
``python bench/denial.py`` prints the table of ``docs/denial-of-service.md``.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import inf
from statistics import median

from handshake_over_coap.carriers.base import HandshakeCompleted, HandshakeFailed, Output
from handshake_over_coap.carriers.coap import CoapClient, CoapParameters, CoapServer
from handshake_over_coap.carriers.conversation import begin_server, open_client
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.coap.codes import Code, MessageType
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Option, OptionValue
from handshake_over_coap.encodings import encoding_named
from handshake_over_coap.lab.cast import cast
from handshake_over_coap.lab.scenario import Scenario

SERVER = Address("198.51.100.1", 5684)
DELAY = 0.05
"""Seconds from one end to the other."""

HONEST_EVERY = 2.0
"""Seconds between two honest clients."""


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


ATTACKS = (
    Attack("none", 0, 0),
    Attack("4 addresses", 4, 250),
    Attack("4 addresses, ten times as much", 4, 2500),
    Attack("16 addresses, ten times as much", 16, 625),
    Attack("16 of IPv6, each /64 its own", 16, 625, host="2001:db8:0:{:x}::1".format),
)


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


class World:
    """A server, those who attack it, honest clients, and the time in seconds."""

    def __init__(self, attack: Attack, seconds: float, parameters: CoapParameters) -> None:
        self.attack, self.seconds, self.parameters = attack, seconds, parameters
        self.figures = Figures()
        self.random = random.Random(1)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._sequence = count()
        self._at: dict[Address, Callable[[bytes, float], None]] = {}
        self._armed: float | None = None
        self._hello = b""
        self._scenario = Scenario(auth="rpk")
        self._cast = cast(self._scenario, 1)
        config = self._cast.server_config(self._scenario, self.random.randbytes)
        self.server = CoapServer(
            parameters,
            lambda: begin_server(config),
            self.random.randbytes,
            self.random.random,
        )

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
        for index in range(int(self.seconds / HONEST_EVERY)):
            self.later(begins + index * HONEST_EVERY, Honest(self, index).start)
        while self._events and self._events[0][0] < ends + self.parameters.timeout:
            when, _, what = heappop(self._events)
            if when > ends and not self.unanswered(index + 1):
                break
            what(when)
        return self.figures

    def unanswered(self, clients: int) -> bool:
        """Whether an honest client is still at it."""
        return len(self.figures.times) + self.figures.failed < clients

    def listen(self, address: Address, receive: Callable[[bytes, float], None]) -> None:
        """Datagrams to ``address`` go to ``receive``."""
        self._at[address] = receive

    def send(self, data: bytes, source: Address, now: float) -> None:
        """A datagram to the server."""
        self.later(now + DELAY, lambda when: self._serve(data, source, when))

    def _serve(self, data: bytes, source: Address, now: float) -> None:
        self.figures.datagrams += 1
        self._timed(lambda: self.server.receive(data, source, now), now)

    def _timed(self, work: Callable[[], Output], now: float) -> None:
        before = time.process_time()
        output = work()
        self.figures.cpu += time.process_time() - before
        self.figures.most_half_open = max(self.figures.most_half_open, self.server.unfinished)
        for data, address in output.datagrams:
            receive = self._at[address]
            self.later(now + DELAY, lambda when, d=data, r=receive: r(d, when))
        deadline = self.server.deadline
        if deadline is not None and (self._armed is None or deadline < self._armed):
            self._armed = deadline
            self.later(deadline, self._on_timer)

    def _on_timer(self, now: float) -> None:
        self._armed = None
        self._timed(lambda: self.server.on_timer(now), now)

    def client(self, address: Address) -> CoapClient:
        """An honest client's carrier, which trusts the server's key."""
        config = self._cast.client_config(self._scenario, SERVER.host, self.random.randbytes)
        return CoapClient(
            SERVER,
            self.parameters,
            lambda encoding: open_client(config, encoding),
            self.random.randbytes,
            self.random.random,
        )

    def hello(self) -> bytes:
        """A flight 1 that nobody has sent before: only its random is new."""
        if not self._hello:
            config = self._cast.client_config(self._scenario, SERVER.host, self.random.randbytes)
            self._hello = open_client(config, encoding_named("plain")).body
        # Type, length and version of a ClientHello stand before its random.
        return self._hello[:5] + self.random.randbytes(32) + self._hello[37:]


class Attacker:
    """One endpoint: a new flight 1 every period, the challenge answered, nothing finished."""

    def __init__(self, world: World, address: Address) -> None:
        self._world, self._address = world, address
        self._echo: bytes | None = None
        self._body = b""
        self._message_id = world.random.getrandbits(16)
        world.listen(address, self._receive)

    def flight(self, now: float) -> None:
        """A new handshake that will not be finished."""
        self._body = self._world.hello()
        self._post(now)
        if now < self._world.seconds + 2 * self._world.attack.period:
            self._world.later(now + self._world.attack.period, self.flight)

    def _post(self, now: float) -> None:
        path = self._world.parameters.path_segments
        options: list[OptionValue] = [(int(Option.URI_PATH), each.encode()) for each in path]
        if self._echo is not None:
            options.append((int(Option.ECHO), self._echo))
        self._message_id = (self._message_id + 1) & 0xFFFF
        content = Content(Code.POST, tuple(options), self._body)
        data = content.encode(MessageType.CON, self._message_id, b"atta")
        self._world.figures.octets += len(data)
        self._world.send(data, self._address, now)

    def _receive(self, data: bytes, now: float) -> None:
        message = Message.decode(data)
        if message.code == Code.UNAUTHORIZED:
            self._echo = message.get(Option.ECHO)
            self._post(now)


class Honest:
    """One client at an address of its own, and how long its handshake takes it."""

    def __init__(self, world: World, index: int) -> None:
        self._world = world
        self._address = Address(f"192.0.2.{index % 250 + 1}", 40_000 + index)
        self._carrier: CoapClient | None = None
        self._since = 0.0

    def start(self, now: float) -> None:
        """Begin."""
        self._since = now
        self._carrier = self._world.client(self._address)
        self._world.listen(self._address, self._receive)
        self._take(self._carrier.start(now), now)

    def _receive(self, data: bytes, now: float) -> None:
        assert self._carrier is not None
        if self._carrier.claims(data):
            self._take(self._carrier.receive(data, SERVER, now), now)

    def _on_timer(self, now: float) -> None:
        assert self._carrier is not None
        deadline = self._carrier.deadline
        if deadline is not None and deadline <= now:
            self._take(self._carrier.on_timer(now), now)

    def _take(self, output: Output, now: float) -> None:
        assert self._carrier is not None
        for data, _ in output.datagrams:
            self._world.send(data, self._address, now)
        for event in output.events:
            if isinstance(event, HandshakeCompleted):
                self._world.figures.times.append(now - self._since)
            elif isinstance(event, HandshakeFailed):
                self._world.figures.failed += 1
        if self._carrier.deadline is not None:
            self._world.later(self._carrier.deadline, self._on_timer)


def main() -> None:
    """Print the table of attacks and what becomes of honest clients."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="of the attack (%(default)s)")
    options = parser.parse_args()
    print(
        "| attack | flights 1 a second | kbit/s | honest completed | median s | longest s "
        "| half-open at most | evicted | CPU of the server |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for attack in ATTACKS:
        world = World(attack, options.seconds, CoapParameters())
        done = world.run()
        spent = options.seconds + attack.period
        print(
            f"| {attack.name} | {attack.rate:.0f} | {done.octets * 8 / spent / 1000:.0f} "
            f"| {len(done.times)} of {len(done.times) + done.failed} "
            f"| {median(done.times or [inf]):.2f} | {max(done.times, default=inf):.2f} "
            f"| {done.most_half_open} "
            f"| {world.server.peers.evictions} | {done.cpu / spent:.1%} |"
        )


if __name__ == "__main__":
    main()
