"""The client's side of the classic carrier: one handshake with one server, without I/O.

A server that has been started again, or one that sees the client at another address since a NAT has
forgotten it, knows nothing of a handshake under way.  It refuses a cookie that it did not make, or
says nothing at all.  So it is where somebody else has answered in its name.  The client begins
again then, with a new hello that has no cookie, a bounded number of times (RFC 9147 section 5.1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from handshake_over_coap.carriers.base import HandshakeCompleted, HandshakeFailed, Output
from handshake_over_coap.carriers.carried import CarriedFlight
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.errors import CarrierError, Error, HandshakeTimeout
from handshake_over_coap.timers import Draw, earliest, undrawn
from handshake_over_coap.tls.alerts import AlertError, IllegalParameter
from handshake_over_coap.tls.handshake import Step

from .parameters import UdpParameters
from .versions import AnyEngine, client_engine, successor

BEGINNINGS = 4
"""How often a client begins a handshake, the first time included."""

SILENCE = 1 / 4
"""Of the time for the whole handshake: a server that was there and is silent for so long is gone.

Measured by that, and not by repetitions, it takes no handshake over a bad path for a lost one."""


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
        self._heard_at = 0.0
        self._beginnings = 0
        self._earlier = 0
        self._done = False
        self.body_bytes: tuple[int, ...] = ()
        self.flights: tuple[CarriedFlight, ...] = ()

    @property
    def retransmissions(self) -> int:
        """Datagrams sent again so far."""
        return self._earlier + (0 if self._engine is None else self._engine.retransmissions)

    @property
    def deadline(self) -> float | None:
        """When a flight is due again, or the time is up."""
        engine = self._engine
        if engine is None or self._done:
            return None
        doubtful = engine.unproven and self._may_begin_again
        return earliest(engine.deadline, self._ends, self._silent_at if doubtful else None)

    def claims(self, data: bytes) -> bool:
        """Records go to the session first, once there is one."""
        return False

    def start(self, now: float) -> Output:
        """Send flight 1."""
        self._ends = now + self._parameters.timeout
        return self._begin_handshake(now)

    def _begin_handshake(self, now: float, first_record: int = 0) -> Output:
        self._beginnings += 1
        step = self._begin()
        self._engine = engine = client_engine(
            step, self._parameters, self._counters, self._draw, first_record=first_record
        )
        return self._run(lambda: engine.start(step, now), now)

    def receive(self, data: bytes, peer: Address, now: float) -> Output:
        """Take a datagram of records from the server."""
        return self.unopened(data, peer, now) or Output()

    def unopened(self, data: bytes, peer: Address, now: float) -> Output | None:
        """Take a datagram of records from the server; None if it is not the server's."""
        engine = self._engine
        if peer != self._server or engine is None or self._done:
            return None
        self._heard, self._heard_at = True, now
        return self._run(lambda: engine.receive(data, now), now)

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
        due = engine.deadline is not None and engine.deadline <= now
        forgotten = now >= self._silent_at and (due or engine.unproven)
        if (forgotten or (due and engine.contradicted)) and self._may_begin_again:
            return self._begin_again(engine, now)
        return self._run(lambda: engine.on_timer(now), now) if due else Output()

    @property
    def _silent_at(self) -> float:
        """When a server that says nothing more is taken to have forgotten the handshake."""
        return self._heard_at + SILENCE * self._parameters.timeout

    @property
    def _may_begin_again(self) -> bool:
        """Whether the server has ever answered this handshake, and not too many have been begun."""
        engine = self._engine
        if engine is None or self._beginnings >= BEGINNINGS:
            return False
        return engine.flights > 1 or engine.unproven or engine.contradicted

    def _begin_again(self, engine: AnyEngine, now: float) -> Output:
        """Leave a handshake of which the server knows nothing."""
        self._counters["handshakes begun again"] += 1
        self._earlier += engine.retransmissions
        return self._begin_handshake(now, engine.next_record)

    def _run(self, work: Callable[[], list[bytes]], now: float) -> Output:
        """Let the engine work, and see whether that was all."""
        output, engine = Output(), self._engine
        if engine is None:
            return output
        try:
            datagrams = work()
        except Error as error:
            if _is_of_a_cookie(error) and self._may_begin_again:
                return self._begin_again(engine, now)
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


def _is_of_a_cookie(error: Error) -> bool:
    """Whether this is what a server says to a cookie that is not its own."""
    return isinstance(error, IllegalParameter) and error.received and not error.authenticated
