"""The client's side of the classic carrier: an asyncio pump around the engine."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint
from handshake_over_coap.carriers.established import AnyEstablished
from handshake_over_coap.errors import CarrierError, Error, HandshakeTimeout
from handshake_over_coap.timers import Draw, undrawn
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.handshake import Step

from .parameters import UdpParameters
from .versions import AnyEngine, client_engine, successor


class UdpClient:
    """One classic handshake with one server; ``draw`` spreads timers that are spread."""

    def __init__(
        self,
        endpoint: DatagramEndpoint,
        server: Address,
        parameters: UdpParameters,
        counters: Counter[str],
        draw: Draw = undrawn,
    ) -> None:
        self._endpoint = endpoint
        self._server = server
        self._parameters = parameters
        self._counters = counters
        self._draw = draw
        self._loop = asyncio.get_running_loop()
        self._engine: AnyEngine | None = None
        self._done: asyncio.Future[AnyEstablished] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = False
        self.body_bytes: list[int] = []

    @property
    def retransmissions(self) -> int:
        """Datagrams sent again so far."""
        return 0 if self._engine is None else self._engine.retransmissions

    async def handshake(self, start: Callable[[], Step]) -> AnyEstablished:
        """Make a whole handshake; ``start`` gives the client's first step.

        Raises AlertError (either side refused), HandshakeTimeout, or CarrierError.
        """
        step = start()
        self._engine = engine = client_engine(step, self._parameters, self._counters, self._draw)
        self._done = self._loop.create_future()
        try:
            async with asyncio.timeout(self._parameters.timeout):
                self._run(lambda: engine.start(step, self._loop.time()))
                return await self._done
        except TimeoutError as error:
            if isinstance(error, HandshakeTimeout):
                raise
            raise self._too_late() from None
        finally:
            self._stop_timer()

    def receive(self, data: bytes, address: Address) -> bool:
        """Take a datagram of records from the server; False if it is not the server's."""
        engine = self._engine
        if address != self._server or engine is None or self._done is None or self._done.done():
            return False
        self._heard = True
        self._run(lambda: engine.receive(data, self._loop.time()))
        return True

    def repeated(self, plaintext: bytes) -> bool:
        """A session opened a handshake record: True if it repeats the server's last flight.

        It is late or a copy, and wants no answer: whoever sent it has completed.
        """
        engine = self._engine
        return engine is not None and engine.take_opened(plaintext, self._loop.time()) is not None

    def on_error(self, error: OSError) -> None:
        """An ICMP error: believed only while nothing has been heard from the server."""
        if not self._heard and self._done is not None and not self._done.done():
            self._done.set_exception(
                CarrierError(
                    f"{self._server} cannot be reached ({error.strerror or error}): "
                    "is a server running there?"
                )
            )

    async def close(self) -> None:
        """Cancel the timer; the endpoint stays open."""
        self._stop_timer()

    def _run(self, work: Callable[[], list[bytes]]) -> None:
        """Let the engine work, send what it says, and see whether that was all."""
        engine, done = self._engine, self._done
        if engine is None or done is None or done.done():
            return
        try:
            datagrams = work()
        except Error as error:
            self._tell(successor(engine), error)
            done.set_exception(error)
            return
        for datagram in datagrams:
            self._endpoint.send(datagram, self._server)
        self._engine = engine = successor(engine)
        established = engine.established
        if established is not None:
            done.set_result(established)
            return
        self._stop_timer()
        if engine.deadline is not None:
            self._timer = self._loop.call_at(engine.deadline, self._on_timer)

    def _tell(self, engine: AnyEngine, error: Error) -> None:
        """Send the alert for what this side finds wrong."""
        if isinstance(error, AlertError) and not error.received:
            self._endpoint.send(engine.alert(error), self._server)

    def _too_late(self) -> Error:
        """Why the handshake is not complete in time, as far as somebody has said so."""
        engine = self._engine
        if engine is None or engine.reason is None:
            return HandshakeTimeout(
                f"no completed handshake with {self._server} in {self._parameters.timeout:g} s"
            )
        self._tell(engine, engine.reason)
        return engine.reason

    def _on_timer(self) -> None:
        engine = self._engine
        if engine is not None:
            self._run(lambda: engine.on_timer(self._loop.time()))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
