"""A side whose device takes its time to compute.

A processor does one thing at a time.  What a carrier computes (:mod:`..tls.effort` tells) keeps it
busy for as long as the device takes; meanwhile

* what the carrier sends, it sends when that is done;
* what arrives waits, up to the device's buffer, beyond which it is lost;
* timers that run out wait too, and those that are set count from when it is done.

So a repetition that comes in while the answer is being computed is looked at afterwards, and may
well be answered once more: the storm that slow devices are known for.  Only asymmetric primitives
and the hashes of key derivation take time.

It works by the context in which a carrier's callbacks and tasks run, which says whose they are.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint, DatagramReceiver
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.effort import LISTENER, Primitive

from .devices import Device, Operation
from .loop import TIMERS, VirtualTimeLoop

TURN: Final = 1e-6
"""Seconds between two datagrams that waited: tasks woken by the first run before the second."""


class Processor:
    """The device between an ``endpoint`` and what is started on it: a ``DatagramEndpoint`` itself.

    ``spent`` counts the primitives, ``busy_s`` is the seconds they take; ``most_waiting`` is the
    most bytes that waited at one time, and ``overflowed`` counts the datagrams for which there was
    no room.  It needs virtual time.
    """

    def __init__(self, endpoint: DatagramEndpoint, device: Device) -> None:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualTimeLoop):
            raise ConfigurationError("devices take virtual time: use sim.run()")
        self._loop = loop
        self._endpoint = endpoint
        self._device = device
        self._receiver: DatagramReceiver | None = None
        self._busy_until = -math.inf
        self._waiting: deque[tuple[bytes, Address]] = deque()
        self._waiting_bytes = 0
        self._draining = False
        self.busy_s = 0.0
        self.spent: Counter[Primitive] = Counter()
        self.most_waiting = 0
        self.overflowed = 0

    @property
    def time(self) -> float:
        """When it is done with what it does."""
        return max(self._loop.time(), self._busy_until)

    @property
    def _busy(self) -> bool:
        return self._busy_until > self._loop.time()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """What is begun within is done by this processor."""
        with _context(self):
            yield

    def spend(self, primitive: Primitive, count: int) -> None:
        """Compute."""
        self.spent[primitive] += count
        seconds = self._device.time_of(Operation[primitive.name], count)
        if seconds:
            self.busy_s += seconds
            self._busy_until = self.time + seconds

    def timer(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...]
    ) -> tuple[float, _Timeout]:
        """A timer that this side sets: when it runs out, and what to call then."""
        lag = max(0.0, self._busy_until - self._loop.time())
        return when + lag, _Timeout(self, callback, args)

    def when_free(self, callback: Callable[..., object], *args: object) -> None:
        """Call ``callback`` as soon as nothing is being computed."""
        with _context(None):
            self._loop.call_at(self.time, callback, *args)

    # -- a DatagramEndpoint

    @property
    def local_address(self) -> Address:
        """Where the endpoint is bound."""
        return self._endpoint.local_address

    @property
    def send_errors(self) -> int:
        """How many datagrams were not sent."""
        return self._endpoint.send_errors

    @property
    def kernel_drops(self) -> int:
        """Datagrams for which there was no room."""
        return (self._endpoint.kernel_drops or 0) + self.overflowed

    def start(self, receiver: DatagramReceiver) -> None:
        """Deliver to ``receiver``, as it finds the time."""
        self._receiver = receiver
        with _context(None):
            self._endpoint.start(self)

    def send(self, data: bytes, address: Address) -> None:
        """Send, once what it holds is computed."""
        if self._busy:
            self.when_free(self._send, data, address)
        else:
            self._send(data, address)

    def _send(self, data: bytes, address: Address) -> None:
        with _context(None):
            self._endpoint.send(data, address)

    def close(self) -> None:
        """Deliver and send nothing more."""
        self._waiting.clear()
        self._endpoint.close()

    def on_datagram(self, data: bytes, address: Address) -> None:
        """A datagram has come in: it waits its turn."""
        limit = self._device.buffer
        if self._busy and limit is not None and self._waiting_bytes + len(data) > limit:
            self.overflowed += 1
            return
        self._waiting.append((data, address))
        self._waiting_bytes += len(data)
        if self._busy:
            self.most_waiting = max(self.most_waiting, self._waiting_bytes)
        if not self._draining:
            self._draining = True
            self._drain()

    def _drain(self) -> None:
        """Deliver one datagram, and look for the next a moment later."""
        if self._busy:
            self.when_free(self._drain)
            return
        if not self._waiting:
            self._draining = False
            return
        data, address = self._waiting.popleft()
        self._waiting_bytes -= len(data)
        with _context(None):
            self._loop.call_later(TURN, self._drain)
        if self._receiver is not None:
            with _context(self):
                self._receiver.on_datagram(data, address)

    def on_error(self, error: OSError, address: Address | None) -> None:
        """Pass a network error on."""
        if self._receiver is not None:
            with _context(self):
                self._receiver.on_error(error, address)


class _Timeout:
    """What a timer calls: its callback, once the processor is free and if nobody cancelled it."""

    __slots__ = ("_args", "_callback", "_processor", "handle")

    def __init__(
        self, processor: Processor, callback: Callable[..., object], args: tuple[Any, ...]
    ) -> None:
        self._processor = processor
        self._callback = callback
        self._args = args
        self.handle: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        if self.handle is not None and self.handle.cancelled():
            return
        if self._processor.time > asyncio.get_running_loop().time():
            self._processor.when_free(self._again)
        else:
            self._callback(*self._args)

    def _again(self) -> None:
        with _context(self._processor):
            self()


@contextmanager
def _context(processor: Processor | None) -> Iterator[None]:
    """Within, it is ``processor`` that computes and sets timers; None: nobody in particular."""
    listener = LISTENER.set(None if processor is None else processor.spend)
    timers = TIMERS.set(None if processor is None else processor.timer)
    try:
        yield
    finally:
        TIMERS.reset(timers)
        LISTENER.reset(listener)
