"""The client's side: its bodies to one server, and what that answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from handshake_over_coap.carriers.base import HandshakeCompleted, HandshakeFailed, Output
from handshake_over_coap.carriers.carried import CarriedFlight, Turn
from handshake_over_coap.carriers.conversation import open_client
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.established import AnyEstablished
from handshake_over_coap.carriers.udp import UdpParameters
from handshake_over_coap.encodings.compact import COMPACT
from handshake_over_coap.errors import CarrierError, Error, HandshakeTimeout
from handshake_over_coap.timers import Draw, earliest
from handshake_over_coap.tls.config import ClientConfig

from .parts import Acknowledgement, Content, Cookie, Malformed, decode
from .side import Side


class CompactClient:
    """One handshake with one server; see :class:`~handshake_over_coap.carriers.base.Carrier`."""

    def __init__(
        self,
        server: Address,
        parameters: UdpParameters,
        config: ClientConfig,
        counters: Counter[str],
        draw: Draw,
    ) -> None:
        self._server = server
        self._parameters = parameters
        self._counters = counters
        self._begin: Callable[[], Turn[AnyEstablished]] = partial(open_client, config, COMPACT)
        self._side = Side(parameters, counters, draw)
        self._turn: Turn[AnyEstablished] | None = None
        self._ends: float | None = None
        self._heard = self._challenged = self._done = False
        self.body_bytes: list[int] = []
        self.flights: list[CarriedFlight] = []

    @property
    def retransmissions(self) -> int:
        """Datagrams sent again so far."""
        return self._side.retransmissions

    @property
    def deadline(self) -> float | None:
        """When a body is due again, or the time is up."""
        return None if self._done else earliest(self._side.deadline, self._ends)

    def claims(self, data: bytes) -> bool:
        """Whether the first octet is one of :mod:`.parts`."""
        return bool(data) and data[0] >> 6 == 1

    def start(self, now: float) -> Output:
        """Send flight 1."""
        self._ends = now + self._parameters.timeout
        self._turn = turn = self._begin()
        output = Output()
        self._say(turn, now)
        output.send(self._side.send(turn.body, now), self._server)
        return output

    def receive(self, data: bytes, peer: Address, now: float) -> Output:
        """Take a datagram of the server."""
        output = Output()
        if peer != self._server or self._done:
            return output
        try:
            content = decode(data)
        except Malformed:
            self._counters["dropped: malformed"] += 1
            return output
        self._heard = True
        try:
            output.send(self._take(content, now, output), self._server)
        except Error as error:
            self._fail(output, error)
        return output

    def _take(self, content: Content, now: float, output: Output) -> list[bytes]:
        turn = self._turn
        if turn is None:
            return []
        if isinstance(content, Cookie):
            if self._challenged or len(self.flights) != 1:
                return self._side.repeat(now)
            self._challenged = True
            self._side.taken(now)
            return self._side.send(content.value + turn.body, now)
        if isinstance(content, Acknowledgement):
            return self._side.take_ack(content, now)
        body, out = self._side.take_part(content, now)
        return out if body is None else self._hear(turn, body, now, output)

    def _hear(
        self, before: Turn[AnyEstablished], body: bytes, now: float, output: Output
    ) -> list[bytes]:
        """A whole body of the server: our next one, unless the handshake is complete."""
        self._turn = turn = before.after.hear(body, COMPACT)
        self.body_bytes.append(len(body))
        self.flights.append(CarriedFlight(now, False, turn.heard, turn.peer_pinned))
        established = turn.after.established
        if established is not None:
            self._done = True
            flights = tuple(self.flights)
            output.events.append(HandshakeCompleted(self._server, "", established, flights))
        if not turn.body:
            return []
        self._say(turn, now)
        return self._side.send(turn.body, now)

    def _say(self, turn: Turn[AnyEstablished], now: float) -> None:
        self.body_bytes.append(len(turn.body))
        self.flights.append(CarriedFlight(now, True, turn.said, turn.own_pinned))

    def unopened(self, data: bytes, peer: Address, now: float) -> Output | None:
        """Records are of no use here."""
        return None

    def opened(self, peer: Address, name: str, plaintext: bytes, now: float) -> Output | None:
        """Flights are never records here."""
        return None

    def network_error(self, error: OSError, now: float) -> Output:
        """Believed only while nothing has been heard from the server."""
        output = Output()
        if not self._heard and not self._done:
            self._fail(output, CarrierError(f"{self._server} cannot be reached ({error})"))
        return output

    def on_timer(self, now: float) -> Output:
        """Repeat what is due, or give up."""
        output = Output()
        if self._done:
            return output
        if self._ends is not None and self._ends <= now:
            limit = self._parameters.timeout
            self._fail(output, HandshakeTimeout(f"no completed handshake in {limit:g} s"))
            return output
        try:
            output.send(self._side.on_timer(now), self._server)
        except Error as error:
            self._fail(output, error)
        return output

    def _fail(self, output: Output, error: Error) -> None:
        self._done = True
        output.events.append(HandshakeFailed(error))
