"""A network in memory that does as it is told: what becomes of each datagram is the test's choice.

It runs on whatever event loop runs, so on virtual time as a rule.  Everything sent is recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from handshake_over_coap.carriers.datagram import Address, DatagramReceiver


@dataclass(frozen=True)
class Sent:
    """A datagram as it was sent: ``index`` counts all of them, ``time`` is in seconds."""

    index: int
    time: float
    source: Address
    destination: Address
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Delivery:
    """A datagram that arrives, ``later`` seconds after the usual delay."""

    data: bytes
    later: float = 0.0


Verdict: TypeAlias = "Callable[[Sent], Iterable[Delivery | bytes]]"
"""What arrives for what was sent: nothing, itself, or anything else."""


def deliver_all(sent: Sent) -> Iterable[Delivery | bytes]:
    """A network without faults."""
    return (sent.data,)


def dropping(*indices: int) -> Verdict:
    """Loses the datagrams with these numbers."""
    return lambda sent: () if sent.index in indices else (sent.data,)


def doubling(index: int | None = None, pause: float = 0.0) -> Verdict:
    """Delivers one datagram, or each of them, a second time ``pause`` seconds later."""

    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        if index is None or sent.index == index:
            return (sent.data, Delivery(sent.data, pause))
        return (sent.data,)

    return verdict


class Network:
    """Joins endpoints; ``delay`` is one way, in seconds."""

    def __init__(self, delay: float = 0.05, verdict: Verdict = deliver_all) -> None:
        self.delay = delay
        self.verdict = verdict
        self.sent: list[Sent] = []
        self._endpoints: dict[Address, Endpoint] = {}
        self._loop = asyncio.get_running_loop()

    def endpoint(self, host: str, port: int = 5684) -> Endpoint:
        """A new endpoint; a new one on an old address takes its place."""
        address = Address(host, port)
        endpoint = self._endpoints[address] = Endpoint(self, address)
        return endpoint

    def rebind(self, endpoint: Endpoint, host: str, port: int) -> Address:
        """Give ``endpoint`` another address, as a NAT does; gives it."""
        self.detach(endpoint)
        address = endpoint.now_at(Address(host, port))
        self._endpoints[address] = endpoint
        return address

    def send(self, data: bytes, source: Address, destination: Address) -> None:
        """Send as ``source``, whoever that is: forgeries too pass the verdict and are recorded."""
        sent = Sent(len(self.sent), self._loop.time(), source, destination, data)
        self.sent.append(sent)
        for each in self.verdict(sent):
            arrives = Delivery(each) if isinstance(each, bytes) else each
            self.inject(arrives.data, source, destination, self.delay + arrives.later)

    def inject(
        self, data: bytes, source: Address, destination: Address, after: float = 0.0
    ) -> None:
        """Have a datagram arrive that nobody has sent, not recorded, ``after`` seconds from now."""
        self._loop.call_later(after, self._arrive, data, source, destination)

    def _arrive(self, data: bytes, source: Address, destination: Address) -> None:
        endpoint = self._endpoints.get(destination)
        if endpoint is not None:
            endpoint.arrive(data, source)

    def between(self, source: Address | None, destination: Address | None) -> list[Sent]:
        """What was sent from and to these; ``None`` stands for any."""
        return [
            s
            for s in self.sent
            if (source is None or s.source == source)
            and (destination is None or s.destination == destination)
        ]

    def detach(self, endpoint: Endpoint) -> None:
        """Nothing reaches ``endpoint`` any more."""
        if self._endpoints.get(endpoint.local_address) is endpoint:
            del self._endpoints[endpoint.local_address]


class Endpoint:
    """One end of the network: a ``DatagramEndpoint``."""

    def __init__(self, network: Network, address: Address) -> None:
        self._network = network
        self._address = address
        self._receiver: DatagramReceiver | None = None
        self._closed = False
        self.send_errors = 0
        self.kernel_drops: int | None = None

    @property
    def local_address(self) -> Address:
        return self._address

    def now_at(self, address: Address) -> Address:
        self._address = address
        return address

    def start(self, receiver: DatagramReceiver) -> None:
        assert self._receiver is None
        self._receiver = receiver

    def send(self, data: bytes, address: Address) -> None:
        if self._closed:
            self.send_errors += 1
        else:
            self._network.send(data, self._address, address)

    def arrive(self, data: bytes, source: Address) -> None:
        if self._receiver is not None and not self._closed:
            self._receiver.on_datagram(data, source)

    def close(self) -> None:
        self._closed = True
        self._network.detach(self)
