"""The client's side of the exchange: flights out, flights in, until both sides are done.

Theory of operation.  The client posts its flights: the ClientHello to the resource (and, after a
HelloRetryRequest, a second one to the session), then its last flight to the session.  What it does
is written down in :mod:`.script` as it reads, one step after the other: a generator that says what
it waits for, a reply or a pause.  :class:`CoapClient` is the engine around it, without I/O: it
drives the script by datagrams and time.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from handshake_over_coap.carriers.base import (
    AnswerMissing,
    HandshakeFailed,
    Output,
)
from handshake_over_coap.carriers.carried import CarriedFlight, CompletedT
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.coap.message import Message, MessageFormatError, rejection
from handshake_over_coap.errors import Error, HandshakeTimeout
from handshake_over_coap.timers.base import Draw, earliest
from handshake_over_coap.tls.config import Rng

from .exchange import ClientExchange
from .parameters import CoapParameters
from .script import Begin, Script
from .steps import Pause, Post, Proof, TimeIsUp

log = logging.getLogger(__name__)


class CoapClient:
    """One handshake with one server over CoAP: an engine without I/O.

    ``begin`` makes a fresh conversation and its flight 1.  ``rng`` gives random bytes, ``draw``
    numbers in [0, 1) for the timers.  With ``early`` a handshake of DTLS 1.3 gives its result once
    the last flight is on its way; ``counters`` counts what was dropped, by reason.
    """

    def __init__(
        self,
        server: Address,
        parameters: CoapParameters,
        begin: Begin[CompletedT],
        rng: Rng,
        draw: Draw,
        counters: Counter[str] | None = None,
        *,
        early: bool = False,
    ) -> None:
        self._server = server
        self._counters: Counter[str] = Counter() if counters is None else counters
        self._parameters = parameters
        self._exchange = ClientExchange(server, parameters, rng, draw)
        self._script = Script(server, parameters, begin, rng, draw, early=early)
        self._steps = self._script.run()
        self._step: Post | Pause | None = None
        self._until: float | None = None
        self._ends: float | None = None
        self._postponed: float | None = None
        self._ended = False

    # -- what is known of the handshake

    @property
    def body_bytes(self) -> Sequence[int]:
        """Bytes of each encoded flight so far."""
        return self._script.body_bytes

    @property
    def flights(self) -> Sequence[CarriedFlight]:
        """What is in the flights so far."""
        return self._script.flights

    @property
    def retransmissions(self) -> int:
        """Confirmable messages sent again so far."""
        return self._exchange.retransmissions

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` has something to do."""
        if self._ended or self._step is None:
            return None
        return earliest(self._exchange.deadline, self._until, self._ends, self._postponed)

    def claims(self, data: bytes) -> bool:
        """Whether the first octet says CoAP."""
        return bool(data) and data[0] >> 6 == 1

    # -- what happens

    def start(self, now: float) -> Output:
        """Send flight 1."""
        self._ends = now + self._parameters.timeout
        return self._resume(Output(), now)

    def receive(self, data: bytes, peer: Address, now: float) -> Output:
        """Take a datagram whose first octet says CoAP."""
        output = Output()
        message = self._message(data, peer)
        if message is None:
            self._counters["dropped: CoAP message out of place"] += 1
            output.send(rejection(data), peer)
            return output
        output.send(self._exchange.receive(message, now), self._server)
        if output.datagrams and self._exchange.outcome is not None:
            # The acknowledgement goes out before the reply is looked at, which may take a while.
            self._postponed = now
            return output
        return self._settle(output, now)

    def _message(self, data: bytes, peer: Address) -> Message | None:
        """What the server may say, ``None`` for all else."""
        if peer != self._server:
            return None
        try:
            message = Message.decode(data)
        except MessageFormatError:
            return None
        return message if not message.code or message.is_response else None

    def unopened(self, data: bytes, peer: Address, now: float) -> Output | None:
        """Take a datagram of records before there is a session; ``None`` if it is of no use.

        Any record of the session's own epoch shows that the server has completed.  The answer to
        the last flight is still asked for then: it may hold a ticket, and its messages count.
        """
        proof = self._script.confirm(data) if self._step is not None else None
        if proof is None:
            return None
        self._exchange.stop()
        return self._resume(Output(), now, proof)

    def opened(self, peer: Address, name: str, plaintext: bytes, now: float) -> Output | None:
        """Flights are never records here."""
        return None

    def network_error(self, error: OSError, now: float) -> Output:
        """Believed only while nothing has been heard from the server."""
        if not self._exchange.heard:
            self._exchange.fail(
                f"{self._server} cannot be reached ({error.strerror or error}): "
                "is a server running there?"
            )
        return self._settle(Output(), now)

    def on_timer(self, now: float) -> Output:
        """Repeat what is due, and go on or give up."""
        output = Output()
        if self._ends is not None and self._ends <= now:
            return self._resume(output, now, TimeIsUp("no time is left"))
        if isinstance(self._step, Pause) and self._until is not None and self._until <= now:
            return self._resume(output, now)
        output.send(self._exchange.on_timer(now), self._server)
        output = self._settle(output, now)
        if isinstance(self._step, Post) and self._until is not None and self._until <= now:
            self._exchange.stop()
            return self._resume(output, now, TimeIsUp("no answer in the time that it may take"))
        return output

    def _settle(self, output: Output, now: float) -> Output:
        """Let the script go on if what it waits for has come."""
        outcome, self._postponed = self._exchange.outcome, None
        if outcome is not None and isinstance(self._step, Post):
            return self._resume(output, now, outcome)
        return output

    def _resume(self, output: Output, now: float, result: object = None) -> Output:
        """Let the script go on with ``result``, an answer or an error, until it waits again."""
        script = self._script
        script.now = now
        try:
            while True:
                if isinstance(result, Error | Proof):
                    step = self._steps.throw(result)
                else:
                    step = self._steps.send(result)
                result = None
                self._step, self._until = None, None
                if isinstance(step, Post):
                    self._step = step
                    output.send(self._exchange.post(step.posting, now), self._server)
                    result = self._exchange.outcome
                    self._until = None if step.limit is None else now + step.limit
                    if result is None:
                        break
                elif isinstance(step, Pause):
                    self._step, self._until = step, now + step.seconds
                    break
                else:
                    output.events.append(step)
                    self._ends = now + self._parameters.timeout  # for what is still to be fetched
        except StopIteration:
            self._end()
        except Error as error:
            self._end()
            output.events.append(self._failure(error))
        if script.farewell is not None:
            output.send((script.farewell,), self._server)
            script.farewell = None
        return output

    def _failure(self, error: Error) -> HandshakeFailed | AnswerMissing:
        if isinstance(error, TimeIsUp):
            error = HandshakeTimeout(
                f"no completed handshake with {self._server} in {self._parameters.timeout:g} s"
            )
        return HandshakeFailed(error)

    def _end(self) -> None:
        self._exchange.stop()
        self._step, self._ended = None, True
