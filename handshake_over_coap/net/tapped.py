"""An endpoint with a tap on it, and the choice of protocol by the first octet."""

from __future__ import annotations

import asyncio
from enum import Enum

from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint, DatagramReceiver
from handshake_over_coap.trace.tap import Direction, Tap


class Protocol(Enum):
    """What a datagram on the one port is."""

    COAP = "coap"
    RECORDS = "records"
    GARBAGE = "garbage"


def protocol_of(datagram: bytes) -> Protocol:
    """Tell CoAP from records: version 1 of CoAP begins 0x40-0x7f, records 20-26 or 0x20-0x3f.

    Source: RFC 7983 and RFC 9443 do the same for their protocols; RFC 9147 section 4 gives the
    first octets of records.
    """
    if not datagram:
        return Protocol.GARBAGE
    first = datagram[0]
    if 0x40 <= first <= 0x7F:
        return Protocol.COAP
    if 20 <= first <= 26 or 0x20 <= first <= 0x3F:
        return Protocol.RECORDS
    return Protocol.GARBAGE


class TappedEndpoint:
    """A datagram endpoint that reports to a tap whatever passes through it."""

    def __init__(self, endpoint: DatagramEndpoint) -> None:
        self._endpoint = endpoint
        self._receiver: DatagramReceiver | None = None
        self._loop = asyncio.get_running_loop()
        self.tap = Tap()

    @property
    def local_address(self) -> Address:
        """Where the endpoint is bound."""
        return self._endpoint.local_address

    @property
    def send_errors(self) -> int:
        """How many datagrams were not sent."""
        return self._endpoint.send_errors

    @property
    def kernel_drops(self) -> int | None:
        """Datagrams that the system dropped before they got here; None where it does not tell."""
        return self._endpoint.kernel_drops

    def start(self, receiver: DatagramReceiver) -> None:
        """Deliver to ``receiver``, and to the tap before it."""
        self._receiver = receiver
        self._endpoint.start(self)

    def send(self, data: bytes, address: Address) -> None:
        """Send one datagram."""
        if self.tap.active:
            self._saw(Direction.SENT, data, address)
        self._endpoint.send(data, address)

    def close(self) -> None:
        """Close the endpoint below."""
        self._endpoint.close()

    def on_datagram(self, data: bytes, address: Address) -> None:
        """Pass a datagram on."""
        if self.tap.active:
            self._saw(Direction.RECEIVED, data, address)
        if self._receiver is not None:
            self._receiver.on_datagram(data, address)

    def on_error(self, error: OSError, address: Address | None) -> None:
        """Pass a network error on."""
        if self._receiver is not None:
            self._receiver.on_error(error, address)

    def _saw(self, direction: Direction, data: bytes, address: Address) -> None:
        now = self._loop.time()
        self.tap.seen(now, direction, address.host, address.port, data, address.local_host)
