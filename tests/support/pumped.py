"""Engines of the carriers on asyncio: a client's handshake to await, a server that runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from handshake_over_coap.carriers.base import (
    AnswerMissing,
    ClientCarrier,
    Event,
    HandshakeCompleted,
    HandshakeFailed,
    LateRecord,
    ServerCarrier,
)
from handshake_over_coap.carriers.coap import Begin, CoapClient, CoapParameters, CoapServer
from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint
from handshake_over_coap.carriers.pump import Pump
from handshake_over_coap.errors import Error
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.timers.base import Draw
from handshake_over_coap.tls.config import Rng


class PumpedClient:
    """A client's carrier on an endpoint; ``make`` makes the carrier when the handshake begins."""

    def __init__(self, endpoint: DatagramEndpoint, server: Address) -> None:
        self._endpoint, self._server = endpoint, server
        self._done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.carrier: Any = None
        self.pump: Pump | None = None
        self.on_late_record: Callable[[CiphertextRecord], None] = lambda _: None
        self.on_unanswered: Callable[[Error], None] = lambda _: None

    async def run(self, carrier: ClientCarrier) -> Any:
        """Have ``carrier`` make its handshake; raises what it fails for."""
        self.carrier = carrier
        self.pump = Pump(carrier, self._endpoint, self._on_event)
        self.pump.take(carrier.start(self.pump.now))
        return await self._done

    def _on_event(self, event: Event) -> None:
        match event:
            case HandshakeCompleted():
                if not self._done.done():
                    self._done.set_result(event.established)
            case HandshakeFailed():
                if not self._done.done():
                    self._done.set_exception(event.error)
            case LateRecord():
                self.on_late_record(event.record)
            case AnswerMissing():
                self.on_unanswered(event.error)

    @property
    def retransmissions(self) -> int:
        return 0 if self.carrier is None else int(self.carrier.retransmissions)

    def claims(self, data: bytes) -> bool:
        return self.carrier is not None and bool(self.carrier.claims(data))

    def receive(self, data: bytes, address: Address) -> None:
        if self.pump is not None:
            self.pump.receive(data, address)

    def receive_records(self, data: bytes) -> bool:
        """Whether the handshake has use for a datagram of records."""
        if self.pump is None:
            return False
        output = self.carrier.unopened(data, self._server, self.pump.now)
        if output is not None:
            self.pump.take(output)
        return output is not None

    def repeated(self, plaintext: bytes) -> bool:
        if self.pump is None:
            return False
        return self.carrier.opened(self._server, "", plaintext, self.pump.now) is not None

    def on_error(self, error: OSError) -> None:
        if self.pump is not None:
            self.pump.take(self.carrier.network_error(error, self.pump.now))

    def close(self) -> None:
        if self.pump is not None:
            self.pump.close()
        if self._done.done() and not self._done.cancelled():
            self._done.exception()


class PumpedCoapClient(PumpedClient):
    """A client over CoAP; what it is asked before its handshake, it answers for an idle one."""

    def __init__(
        self,
        endpoint: DatagramEndpoint,
        server: Address,
        parameters: CoapParameters,
        rng: Rng,
        draw: Draw,
    ) -> None:
        super().__init__(endpoint, server)
        self._make = (parameters, rng, draw)
        self.counters: Counter[str] = Counter()
        self.early = False

    async def handshake(self, begin: Begin[Any]) -> Any:
        parameters, rng, draw = self._make
        carrier = CoapClient(
            self._server, parameters, begin, rng, draw, self.counters, early=self.early
        )
        return await self.run(carrier)

    @property
    def body_bytes(self) -> tuple[int, ...]:
        return () if self.carrier is None else tuple(self.carrier.body_bytes)

    @property
    def flights(self) -> Any:
        return () if self.carrier is None else self.carrier.flights

    def receive(self, data: bytes, address: Address) -> bool:  # type: ignore[override]
        """Whether the server could have sent it."""
        before = self.counters.total()
        super().receive(data, address)
        return self.pump is not None and self.counters.total() == before


class PumpedServer:
    """A server's carrier on an endpoint; ``on_completed`` is told of handshakes."""

    def __init__(
        self,
        endpoint: DatagramEndpoint,
        carrier: ServerCarrier,
        on_completed: Callable[[HandshakeCompleted], None],
    ) -> None:
        self.carrier = carrier
        self._on_completed = on_completed
        self.pump = Pump(carrier, endpoint, self._on_event)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, HandshakeCompleted):
            self._on_completed(event)

    def receive(self, data: bytes, address: Address) -> None:
        self.pump.receive(data, address)

    def take(self, data: bytes, address: Address) -> bool:
        """Whether a handshake has use for a datagram that no session opens."""
        output = self.carrier.unopened(data, address, self.pump.now)
        if output is not None:
            self.pump.take(output)
        return output is not None

    def repeated(self, address: Address, name: str, plaintext: bytes) -> bool:
        output = self.carrier.opened(address, name, plaintext, self.pump.now)
        if output is not None:
            self.pump.take(output)
        return output is not None

    def close(self) -> None:
        self.pump.close()


class PumpedCoapServer(PumpedServer):
    """A server over CoAP."""

    def __init__(
        self,
        endpoint: DatagramEndpoint,
        parameters: CoapParameters,
        begin: Any,
        on_completed: Callable[[HandshakeCompleted], None],
        rng: Rng,
        draw: Draw,
        think: Callable[[bytes], float] | None = None,
    ) -> None:
        self.coap = CoapServer(parameters, begin, rng, draw, think=think)
        super().__init__(endpoint, self.coap, on_completed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.coap, name)
