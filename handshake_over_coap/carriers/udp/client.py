"""The client's side of the classic carrier: one handshake with one server, without I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from handshake_over_coap.carriers.base import HandshakeCompleted, HandshakeFailed, Output
from handshake_over_coap.carriers.carried import CarriedFlight
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.errors import CarrierError, Error, HandshakeTimeout
from handshake_over_coap.timers import Draw, undrawn
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.handshake import Step

from .parameters import UdpParameters
from .versions import AnyEngine, client_engine, successor


class UdpClient:
    """One classic handshake with one server: an engine of the version that is spoken inside.

    ``begin`` gives the client's first step, ``draw`` spreads timers that are spread.
    """

    def __init__(
        self,
        server: Address,
        parameters: UdpParameters,
        begin: Callable[[], Step],
        counters: Counter[str],
        draw: Draw = undrawn,
    ) -> None:
        self._server = server
        self._draw = draw
        self._parameters = parameters
        self._begin = begin
        self._counters = counters
        self._engine: AnyEngine | None = None
        self._ends: float | None = None
        self._heard = False
        self._done = False
        self.body_bytes: tuple[int, ...] = ()
        self.flights: tuple[CarriedFlight, ...] = ()

    @property
    def retransmissions(self) -> int:
        """Datagrams sent again so far."""
        return 0 if self._engine is None else self._engine.retransmissions

    @property
    def deadline(self) -> float | None:
        """When a flight is due again, or the time is up."""
        engine = self._engine
        if engine is None or self._done:
            return None
        times = (engine.deadline, self._ends)
        return min((each for each in times if each is not None), default=None)

    def claims(self, data: bytes) -> bool:
        """Records go to the session first, once there is one."""
        return False

    def start(self, now: float) -> Output:
        """Send flight 1."""
        step = self._begin()
        self._engine = engine = client_engine(step, self._parameters, self._counters, self._draw)
        self._ends = now + self._parameters.timeout
        return self._run(lambda: engine.start(step, now))

    def receive(self, data: bytes, peer: Address, now: float) -> Output:
        """Take a datagram of records from the server."""
        return self.unopened(data, peer, now) or Output()

    def unopened(self, data: bytes, peer: Address, now: float) -> Output | None:
        """Take a datagram of records from the server; None if it is not the server's."""
        engine = self._engine
        if peer != self._server or engine is None or self._done:
            return None
        self._heard = True
        return self._run(lambda: engine.receive(data, now))

    def opened(self, peer: Address, name: str, plaintext: bytes, now: float) -> Output | None:
        """A session opened a handshake record: not None if it repeats the server's last flight.

        It is late or a copy, and wants no answer: whoever sent it has completed.
        """
        engine = self._engine
        known = engine is not None and engine.take_opened(plaintext, now) is not None
        return Output() if known else None

    def network_error(self, error: OSError, now: float) -> Output:
        """An ICMP error: believed only while nothing has been heard from the server."""
        output = Output()
        if not self._heard and not self._done:
            self._end(
                output,
                CarrierError(
                    f"{self._server} cannot be reached ({error.strerror or error}): "
                    "is a server running there?"
                ),
            )
        return output

    def on_timer(self, now: float) -> Output:
        """Repeat what is due, or give up."""
        engine = self._engine
        if engine is None or self._done:
            return Output()
        if self._ends is not None and self._ends <= now:
            output = Output()
            self._end(output, self._too_late(output))
            return output
        if engine.deadline is None or engine.deadline > now:
            return Output()
        return self._run(lambda: engine.on_timer(now))

    def _run(self, work: Callable[[], list[bytes]]) -> Output:
        """Let the engine work, and see whether that was all."""
        output, engine = Output(), self._engine
        if engine is None:
            return output
        try:
            datagrams = work()
        except Error as error:
            self._tell(successor(engine), error, output)
            self._end(output, error)
            return output
        output.send(datagrams, self._server)
        self._engine = engine = successor(engine)
        established = engine.established
        if established is not None:
            self._done = True
            output.events.append(HandshakeCompleted(self._server, "", established))
        return output

    def _end(self, output: Output, error: Error) -> None:
        self._done = True
        output.events.append(HandshakeFailed(error))

    def _tell(self, engine: AnyEngine, error: Error, output: Output) -> None:
        """Send the alert for what this side finds wrong."""
        if isinstance(error, AlertError) and not error.received:
            output.send((engine.alert(error),), self._server)

    def _too_late(self, output: Output) -> Error:
        """Why the handshake is not complete in time, as far as somebody has said so."""
        engine = self._engine
        if engine is None or engine.reason is None:
            return HandshakeTimeout(
                f"no completed handshake with {self._server} in {self._parameters.timeout:g} s"
            )
        self._tell(engine, engine.reason, output)
        return engine.reason
