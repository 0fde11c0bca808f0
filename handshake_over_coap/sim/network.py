"""A simulated network: endpoints by address, and what lies between them.

It joins two sides, clients and servers, by a :class:`~.wire.Wire`, and if wanted by a radio link
whose frames stand before it (:mod:`.radio`).  A datagram takes the radio first and the wire then,
whichever way it goes, so that what the wire loses has cost its frames.  Endpoints satisfy
``carriers.datagram.DatagramEndpoint``: carriers and sessions run on them unchanged.

Everything happens on the running event loop, which is one on virtual time as a rule.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from handshake_over_coap.carriers.datagram import Address, DatagramReceiver
from handshake_over_coap.errors import ConfigurationError, Error

from .draws import Draws
from .passages import Datagram, Outcome, Passage, PassageObserver, Side
from .radio import Radio, RadioOptions
from .wire import LinkOptions, Wire

EARLY_DATAGRAMS: Final = 64
"""Datagrams that an endpoint keeps until it is started; more are dropped and counted."""


@dataclass(slots=True)
class Sent:
    """What one side has sent, whatever became of it; bytes are those of UDP payloads."""

    datagrams: int = 0
    bytes: int = 0
    refused: int = 0
    """Datagrams above the size limit, in neither of the other two."""


@dataclass(slots=True)
class _Flight:
    """A datagram that is under way."""

    datagram: Datagram
    copies: int = 0
    """Still to arrive on the wire; 0 while the radio has it."""
    arrivals: list[float] = field(default_factory=list)


class Network:
    """A network with ``options``, all of whose chances come from ``draws``.

    With ``radio``, datagrams also go through IEEE 802.15.4 frames.  ``sent`` counts by side.
    """

    def __init__(
        self, options: LinkOptions, draws: Draws, radio: RadioOptions | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._wire = Wire(options, draws)
        self.radio = None if radio is None else Radio(radio, draws)
        self.sent = {side: Sent() for side in Side}
        self._number = 0
        self._observers: tuple[PassageObserver, ...] = ()
        self._endpoints: dict[Address, Endpoint] = {}
        self._under_way: dict[int, _Flight] = {}

    def endpoint(self, side: Side, host: str, port: int = 5684) -> Endpoint:
        """A new endpoint on ``side``.  Raises ConfigurationError if the address is taken."""
        address = Address(host, port)
        self._check_free(address)
        endpoint = self._endpoints[address] = Endpoint(self, side, address)
        return endpoint

    def rebind(self, endpoint: Endpoint, host: str, port: int) -> None:
        """Give ``endpoint`` another address in the eyes of the others, as a NAT does.

        From now on what it sends comes from there, and what is sent to the old address, or under
        way to it, reaches nobody.  The endpoint itself notices nothing: its ``local_address``
        stays.  Raises ConfigurationError if the address is taken.
        """
        address = Address(host, port)
        if address != endpoint.seen_as:
            self._check_free(address)
            self.detach(endpoint)
            endpoint.seen_as = address
            self._endpoints[address] = endpoint

    def _check_free(self, address: Address) -> None:
        if address in self._endpoints:
            raise ConfigurationError(f"{address} is taken on this network: choose another one")

    def detach(self, endpoint: Endpoint) -> None:
        """Nothing reaches ``endpoint`` any more."""
        if self._endpoints.get(endpoint.seen_as) is endpoint:
            del self._endpoints[endpoint.seen_as]

    def observe(self, observer: PassageObserver) -> None:
        """Tell ``observer`` of each datagram from now on, as soon as its outcome is settled."""
        self._observers += (observer,)

    def send(self, data: bytes, sender: Side, source: Address, destination: Address) -> bool:
        """Send a datagram from ``source``, whoever that is; False if it is too large to be sent."""
        self._number += 1
        datagram = Datagram(self._number, self._loop.time(), sender, source, destination, data)
        count = self.sent[sender]
        size = len(data)
        if not self.fits(size):
            count.refused += 1
            self._settle(datagram, Outcome.TOO_LARGE)
            return False
        count.datagrams += 1
        count.bytes += size
        self._under_way[datagram.number] = _Flight(datagram)
        if self.radio is None:
            self._cross(datagram)
        else:
            self.radio.carry(datagram, self._off_the_air)
        return True

    def fits(self, size: int) -> bool:
        """Whether a datagram of ``size`` bytes is within what the wire, and the radio, takes."""
        return self._wire.fits(size) and (self.radio is None or self.radio.fits(size))

    def finish(self) -> None:
        """Settle what is under way as such: the simulation ends here."""
        for flight in list(self._under_way.values()):
            arrived = tuple(flight.arrivals)
            outcome = Outcome.DELIVERED if arrived else Outcome.UNDER_WAY
            self._settle(flight.datagram, outcome, arrived)

    def _off_the_air(self, datagram: Datagram, outcome: Outcome) -> None:
        if datagram.number not in self._under_way:
            return  # the simulation has ended
        if outcome is Outcome.DELIVERED:
            self._cross(datagram)
        else:
            self._settle(datagram, outcome)

    def _cross(self, datagram: Datagram) -> None:
        crossing = self._wire.cross(
            self._loop.time(), datagram.sender, datagram.number, len(datagram.data)
        )
        if not crossing.arrivals:
            self._settle(datagram, crossing.outcome)
            return
        self._under_way[datagram.number].copies = len(crossing.arrivals)
        for when in crossing.arrivals:
            self._loop.call_at(when, self._arrive, datagram)

    def _arrive(self, datagram: Datagram) -> None:
        flight = self._under_way.get(datagram.number)
        if flight is None:
            return  # the simulation has ended
        flight.copies -= 1
        endpoint = self._endpoints.get(datagram.destination)
        if endpoint is not None:
            flight.arrivals.append(self._loop.time())
        if not flight.copies:
            arrived = tuple(flight.arrivals)
            outcome = Outcome.DELIVERED if arrived else Outcome.UNREACHABLE
            self._settle(datagram, outcome, arrived)
        if endpoint is not None:
            endpoint.arrive(datagram.data, datagram.source)

    def _settle(
        self, datagram: Datagram, outcome: Outcome, arrivals: tuple[float, ...] = ()
    ) -> None:
        self._under_way.pop(datagram.number, None)
        if self._observers:
            passage = Passage(datagram, outcome, arrivals)
            for observer in self._observers:
                observer.passed(passage)


class Endpoint:
    """One end of a simulated network: a ``DatagramEndpoint``.

    ``side`` is the side it stands on, ``seen_as`` the address that others know it by.
    """

    def __init__(self, network: Network, side: Side, address: Address) -> None:
        self._network = network
        self._receiver: DatagramReceiver | None = None
        self._early: deque[tuple[bytes, Address]] | None = deque()
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._address = address
        self._kernel_drops = 0
        self._send_errors = 0
        self.seen_as = address
        self.side = side

    @property
    def local_address(self) -> Address:
        """Where the endpoint is bound; no NAT changes it."""
        return self._address

    @property
    def send_errors(self) -> int:
        """How many datagrams were not sent: too large, or the endpoint was closed."""
        return self._send_errors

    @property
    def kernel_drops(self) -> int:
        """Datagrams that came before the start and found no room."""
        return self._kernel_drops

    def start(self, receiver: DatagramReceiver) -> None:
        """Deliver to ``receiver`` from now on.  Raises Error when called a second time."""
        if self._receiver is not None:
            raise Error("this endpoint was started before: give each receiver one of its own")
        self._receiver = receiver
        self._loop.call_soon(self._deliver_early)

    def _deliver_early(self) -> None:
        early, self._early = self._early, None
        for data, source in early or ():
            self.arrive(data, source)

    def send(self, data: bytes, address: Address) -> None:
        """Send one datagram, or count a ``send_errors``."""
        if self._closed or not self._network.send(data, self.side, self.seen_as, address):
            self._send_errors += 1

    def arrive(self, data: bytes, source: Address) -> None:
        """A datagram has come in."""
        if self._closed:
            return
        if self._early is None and self._receiver is not None:
            self._receiver.on_datagram(data, source)
        elif self._early is not None:
            if len(self._early) < EARLY_DATAGRAMS:
                self._early.append((data, source))
            else:
                self._kernel_drops += 1

    def close(self) -> None:
        """Deliver and send nothing more.  Closing again does nothing."""
        if not self._closed:
            self._closed = True
            self._network.detach(self)
