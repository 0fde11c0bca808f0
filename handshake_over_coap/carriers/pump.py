"""Runs a carrier on an asyncio event loop: sends, waits, tells.  The only pump there is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from handshake_over_coap.carriers.base import Carrier, Event, Output
from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint


class Pump:
    """Drives one carrier over a datagram endpoint; ``on_event`` is told what happens.

    Whoever owns the endpoint hands datagrams on by :meth:`receive`.
    """

    def __init__(
        self, carrier: Carrier, endpoint: DatagramEndpoint, on_event: Callable[[Event], None]
    ) -> None:
        self._carrier = carrier
        self._endpoint = endpoint
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._armed: float | None = None
        self._closed = False

    @property
    def now(self) -> float:
        """The loop's time in seconds."""
        return self._loop.time()

    def receive(self, data: bytes, address: Address) -> None:
        """A datagram has come that the carrier claims."""
        if not self._closed:
            self.take(self._carrier.receive(data, address, self._loop.time()))

    def take(self, output: Output) -> None:
        """Tell what has happened, send what the carrier says, and wait for its deadline.

        In this order: a session is there before anybody can learn that its handshake is complete.
        """
        if self._closed:
            return
        for event in output.events:
            self._on_event(event)
        for data, address in output.datagrams:
            self._endpoint.send(data, address)
        self._arm()

    def _arm(self) -> None:
        deadline = None if self._closed else self._carrier.deadline
        if deadline == self._armed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed = deadline
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = self._armed = None
        self.take(self._carrier.on_timer(self._loop.time()))

    def close(self) -> None:
        """Send and tell nothing more; the endpoint stays open."""
        self._closed = True
        self._arm()
