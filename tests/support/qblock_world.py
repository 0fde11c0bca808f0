"""One client that posts, one server that answers, and a path between them, on virtual time.

Both message layers are the real ones; what the path does to each datagram is the test's choice.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from handshake_over_coap.carriers.coap.confirmable import MessageIds
from handshake_over_coap.carriers.coap.exchange import ClientExchange
from handshake_over_coap.carriers.coap.parameters import CoapParameters
from handshake_over_coap.carriers.coap.server_exchange import ServerExchange
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.coap.codes import Code
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.transfers.base import (
    Answer,
    BadPart,
    BodyIncomplete,
    BodyTooLarge,
    Contact,
    Outgoing,
    Upload,
)
from handshake_over_coap.transfers.blockwise import BLOCKWISE
from handshake_over_coap.transfers.qblock import QBlock

ONE_WAY = 0.05
Fate = Callable[[int, bool], Sequence[float]]
"""Seconds until each copy of a datagram arrives, by its number and whether it goes up."""

SERVER = Address("192.0.2.1", 5683)


def quiet(number: int, to_server: bool) -> Sequence[float]:
    """A path without faults."""
    return (ONE_WAY,)


def without(*lost: int) -> Fate:
    """A path that loses the datagrams with these numbers."""
    return lambda number, _: () if number in lost else (ONE_WAY,)


class World:
    """``up`` is posted and ``down`` answered, in blocks of ``block_size`` bytes.

    ``knows``: the server knows the options of RFC 9177.  ``think`` is how long it computes, in
    seconds.  ``taken`` are the bodies that it was given, ``sent`` all datagrams with their time and
    whether they went to the server.
    """

    def __init__(
        self,
        fate: Fate = quiet,
        *,
        up: bytes = b"",
        down: bytes = b"",
        knows: bool = True,
        transfer: QBlock | None = None,
        seed: object = 1,
        **parameters: object,
    ) -> None:
        self.up, self.down = up or _bytes(8 * 16, "up"), down or _bytes(8 * 16, "down")
        self._fate, self._knows = fate, knows
        chosen: dict[str, object] = {"mtu": 80, "resource": "/d", "block_size": 16}
        chosen |= {"max_retransmit": 10, "timeout": 100000.0, **parameters}
        self.parameters = CoapParameters(**chosen)  # type: ignore[arg-type]
        rng = random.Random(str(seed))
        terms = replace(self.parameters.terms(rng.randbytes, rng.random))
        self.transfer = transfer or QBlock()
        self.client = ClientExchange(SERVER, self.parameters, rng.randbytes, rng.random)
        self.side = self.transfer.client(terms)
        self.server = ServerExchange(MessageIds(7), self.parameters.timing, rng.random, 0.5)
        self.quick = self.transfer.server(terms)
        self.blocks = BLOCKWISE.server(terms)
        self.now = 0.0
        self.sent: list[tuple[float, bool, bytes]] = []
        self.taken: list[bytes] = []
        self._heap: list[tuple[float, int, bool, bytes]] = []

    def post(self, **upload: object) -> None:
        """The client posts; :meth:`run` sees it through."""
        posting = self.side.post(Upload(("d",), self.up, **upload))  # type: ignore[arg-type]
        self._send(self.client.post(posting, self.now), to_server=True)

    def run(self, until: float = 1e5) -> World:
        """Go on until the client has an outcome, or nothing is left to happen."""
        while self.client.outcome is None:
            times = [self.client.deadline, self.server.deadline, self.quick.deadline]
            due = min((each for each in times if each is not None), default=1e9)
            arrives = self._heap[0][0] if self._heap else 1e9
            if min(due, arrives) > until:
                break
            self.now = max(self.now, min(due, arrives))
            if arrives <= due:
                _, _, to_server, data = heapq.heappop(self._heap)
                self.deliver(data, to_server=to_server)
            else:
                self._timers()
        return self

    def deliver(self, data: bytes, *, to_server: bool) -> None:
        """A datagram arrives now."""
        if to_server:
            self._at_server(Message.decode(data))
        else:
            self._send(self.client.receive(Message.decode(data), self.now), to_server=True)

    def _timers(self) -> None:
        now = self.now
        if self.client.deadline is not None and self.client.deadline <= now:
            self._send(self.client.on_timer(now), to_server=True)
        if self.server.deadline is not None and self.server.deadline <= now:
            self._send(self.server.on_timer(now), to_server=False)
        if self.quick.deadline is not None and self.quick.deadline <= now:
            self._reply(None, self.quick.on_timer(now))

    def _send(self, datagrams: Sequence[bytes], *, to_server: bool) -> None:
        for each in datagrams:
            number = len(self.sent)
            self.sent.append((self.now, to_server, each))
            for later in self._fate(number, to_server):
                heapq.heappush(self._heap, (self.now + later, number, to_server, each))

    def _at_server(self, message: Message) -> None:
        if not message.code:
            self._send(self.server.acknowledged(message, self.now), to_server=False)
            return
        repeated = self.server.repeated(message, self.now)
        if repeated is not None:
            self._send(repeated, to_server=False)
            return
        quick = self.transfer.claims(message)
        if quick and not self._knows:
            if message.type == 0:
                self._reply(message, (Outgoing(Content(Code.BAD_OPTION)),))
            return
        side = self.quick if quick else self.blocks
        try:
            received = side.receive(message, Contact(proven=True), self.now)
        except (BadPart, BodyIncomplete, BodyTooLarge):
            self._reply(message, (Outgoing(Content(Code.BAD_REQUEST)),))
            return
        self._reply(message, received.send)
        if received.whole is not None:
            self.taken.append(received.whole.body)
            answer = Answer(Code.CREATED, self.down, location=("n",))
            self._reply(message, side.answer(received.whole, answer, self.now))
        elif not received.send:
            self.server.postpone(message, self.now, part=True)

    def _reply(self, request: Message | None, outgoing: Sequence[Outgoing]) -> None:
        for each in outgoing:
            if each.token is None and request is not None:
                datagrams = self.server.respond(request, each.content, self.now)
            else:
                datagrams = [self.server.send(each.content, each.token or b"")]
            self._send(datagrams, to_server=False)


def _bytes(length: int, seed: str) -> bytes:
    return random.Random(seed).randbytes(length)
