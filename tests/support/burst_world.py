"""Two halves of a burst conversation over a lossy path, on virtual time: no CoAP, no TLS.

A message is its payload and so many bytes around it.  Whoever wants other fates for datagrams than
independent loss gives a function from a datagram's number to the delays of its copies.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from handshake_over_coap.errors import Error
from handshake_over_coap.timers import Adaptive, earliest
from handshake_over_coap.transfers.burst_client import ClientHalf
from handshake_over_coap.transfers.burst_half import Send
from handshake_over_coap.transfers.burst_server import Allowance, ServerHalf
from handshake_over_coap.transfers.pieces import Note, Piece, decode

Fate = Callable[[int, bool], Sequence[float]]
"""From a datagram's number and whether the client sent it to the delays of its copies, in s."""

SIZE, TOKEN, ECHO, CHALLENGE = 65, 4, 10, 18
BODIES = (70, 190, 43, 11)
ONE_WAY = 0.05


@dataclass
class World:
    """One conversation.  ``echo``: the server challenges first."""

    fate: Fate
    rng: random.Random
    bodies: tuple[int, ...] = BODIES
    echo: bool = True
    quick: bool = False
    size: int = SIZE
    limit: float = 1e7
    computing: tuple[float, float] = (0.0, 0.0)
    datagrams: int = 0
    now: float = 0.0
    completed: dict[str, float] = field(default_factory=dict)
    forged: list[tuple[float, bool, bytes]] = field(default_factory=list)
    check: Callable[[World], None] = lambda _: None
    sent_bytes: int = 0
    received_bytes: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self.contents = [self.rng.randbytes(size) for size in self.bodies]
        draw = self.rng.random
        self.client = ClientHalf(
            Adaptive().start(draw), b"tg", 16384, probing=self.echo, quick=self.quick
        )
        self.allowance = Allowance(proven=False)
        self._server_timer = Adaptive().start(draw)
        self.server: ServerHalf | None = None
        self._events: list[tuple[float, int, str, bytes, int | None]] = []
        self._ids = count()
        self._client_flight = 0
        self._server_flight = 0
        self._latest: int | None = None
        self._challenged_at: tuple[float, int] | None = None

    def overhead(self, *, client: bool, first: bool = False) -> int:
        """Bytes around a payload: header, token, marker; path, format and Echo of a request."""
        return 4 + TOKEN + 1 + (2 + (3 + (ECHO if self.echo else 0)) * first if client else 0)

    def run(self) -> World:
        """Until nothing more is to come; ``completed`` says what came of it."""
        self._out(self.client.probe(0.0) if self.echo else self._post(), client=True)
        for at, client, payload in self.forged:
            self._at(at, "to server" if client else "to client", payload, None)
        while self.now < self.limit and self.datagrams < 100_000:
            halves = (self.client.deadline, self.server.deadline if self.server else None)
            timer = earliest(*halves)
            if self._events and (timer is None or self._events[0][0] <= timer):
                self.now, _, kind, payload, stamp = heapq.heappop(self._events)
                self._happen(kind, payload, stamp)
            elif timer is not None:
                self.now = timer
                if timer == halves[0]:
                    self._out(self.client.on_timer(timer), client=True)
                elif self.server is not None:
                    self._out(self.server.on_timer(timer), client=False)
            else:
                break
            self.check(self)
        return self

    def _happen(self, kind: str, payload: bytes, stamp: int | None) -> None:
        if kind == "to server":
            self._at_server(payload, stamp)
        elif kind == "to client":
            self._at_client(payload, stamp)
        elif kind == "challenge":
            attempt = self.client.challenged(stamp or 0, self.now)
            if attempt is not None:
                assert self._challenged_at is not None
                self._challenged_at = (self.now - ONE_WAY, attempt)
                self._out(self._post(), client=True)
        elif kind == "client computed":
            self._out(self._post(), client=True)
        else:
            self._answer()

    def _at(self, when: float, kind: str, payload: bytes, stamp: int | None) -> None:
        heapq.heappush(self._events, (when, next(self._ids), kind, payload, stamp))

    def _send(self, kind: str, payload: bytes, stamp: int | None, *, client: bool) -> None:
        self.datagrams += 1
        for delay in self.fate(self.datagrams - 1, client):
            self._at(self.now + delay, kind, payload, stamp)

    def _out(self, out: list[Send], *, client: bool) -> None:
        self.most_at_once = max(self.most_at_once, len(out))
        for each in out:
            if client:
                self._send("to server", each.payload, each.stamp, client=True)
            else:
                self.sent_bytes += len(each.payload) + self.overhead(client=False)
                self._send("to client", each.payload, self._latest, client=False)

    def _post(self) -> list[Send]:
        first = self._client_flight == 0
        room = self.size - self.overhead(client=True, first=first) - 2
        body = self.contents[self._client_flight]
        self._client_flight += 2
        return self.client.post(body, room, self.now)

    def _at_client(self, payload: bytes, stamp: int | None) -> None:
        try:
            self._out(self.client.take(decode(payload, tagged=False), self.now, stamp), client=True)
        except Error:
            return
        while (body := self.client.body(self.now)) is not None:
            if body != self.contents[self._client_flight - 1]:
                self.client.reject(self.now)
            elif self._client_flight == len(self.contents):
                self.completed.setdefault("client", self.now)
                self.client.finish()
            else:
                self._at(self.now + self.computing[0], "client computed", b"", None)
            if body == self.contents[self._client_flight - 1]:
                return

    def _at_server(self, payload: bytes, stamp: int | None) -> None:
        if self.echo and self._is_probe(payload):
            asked = payload[1] if payload else 1
            self._challenged_at = (self.now, 0)
            for _ in range(asked):
                self._send("challenge", b"", stamp, client=False)
            return
        try:
            part = decode(payload, tagged=True)
        except Error:
            return
        if self.server is None:
            self._meet()
        assert self.server is not None
        size = len(payload) + self.overhead(client=True, first=part.flight == 1)
        self.received_bytes += size
        self.allowance.received(size)
        if isinstance(part, Piece | Note):
            self._latest = stamp
        self._out(self.server.take(part, self.now), client=False)
        while (body := self.server.body(self.now)) is not None:
            if body == self.contents[self._server_flight]:
                self._at(self.now + self.computing[1], "server computed", b"", None)
                return
            self.server.reject(self.now)

    def _answer(self) -> None:
        assert self.server is not None
        self._server_flight += 2
        last = self._server_flight == len(self.contents)
        if last:
            self.completed.setdefault("server", self.now)
        room = self.size - self.overhead(client=False)
        body = self.contents[self._server_flight - 1]
        self._out(self.server.answer(body, room, self.now, last=last), client=False)

    def _meet(self) -> None:
        self.allowance.proven = self.echo
        self.server = ServerHalf(
            self._server_timer,
            16384,
            self.allowance,
            self.overhead(client=False),
            probed=self.echo,
            quick=self.quick,
        )
        if self._challenged_at is not None:
            at, self.server.loss.silences = self._challenged_at
            self.server.measured(at, self.now)

    @staticmethod
    def _is_probe(payload: bytes) -> bool:
        return not payload or (payload[0] >> 5 == 0 and payload[0] & 7 == 0)


def lossy(rng: random.Random, loss: float, jitter: float = 0.0) -> Fate:
    """Independent loss, a constant delay and some jitter."""

    def fate(_: int, __: bool) -> Sequence[float]:
        return [] if rng.random() < loss else [ONE_WAY + rng.random() * jitter]

    return fate
