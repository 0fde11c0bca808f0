"""Two ends of the carrier over CoAP, joined in memory, for the examples of the draft.

Nothing is random: each side draws its "random" bytes by counting, and the clock stands still.  A
reader can therefore tell by the value of a byte who has drawn it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count, islice
from typing import Final, TypeVar

from handshake_over_coap.carriers.coap import CoapClient, CoapParameters, CoapServer
from handshake_over_coap.carriers.conversation import begin_server, open_client
from handshake_over_coap.carriers.datagram import Address, DatagramReceiver
from handshake_over_coap.carriers.established import AnyEstablished, Established, Established13
from handshake_over_coap.errors import Error
from handshake_over_coap.tls.config import ClientConfig, Rng, ServerConfig
from handshake_over_coap.trace.coap import CoapSeen, read_coap

CLIENT: Final = Address("2001:db8::1", 61616)
SERVER: Final = Address("2001:db8::2", 5683)
NOW: Final = 1000.0
"""The server's clock in seconds, which stands still."""
IDENTITY: Final = b"Client_identity"
KEY: Final = bytes(range(0xF0, 0x100))

T = TypeVar("T")


def counting(first: int) -> Rng:
    """A source of bytes that counts up from ``first``."""
    values = count(first)
    return lambda n: bytes(value & 0xFF for value in islice(values, n))


def today() -> datetime:
    """The date of every example."""
    return datetime(2026, 1, 1, tzinfo=UTC)


class StillLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still: whatever waits for a timer waits for ever."""

    def time(self) -> float:
        """Always the same."""
        return NOW


@dataclass
class Wire:
    """Joins two endpoints in memory and notes what passes: (is it the client's, bytes)."""

    seen: list[tuple[bool, bytes]] = field(default_factory=list)
    receivers: dict[Address, DatagramReceiver] = field(default_factory=dict)


class MemoryEndpoint:
    """One end of a :class:`Wire`."""

    send_errors = 0
    kernel_drops = 0

    def __init__(self, wire: Wire, address: Address) -> None:
        self._wire = wire
        self.local_address = address

    def start(self, receiver: DatagramReceiver) -> None:
        """Deliver to ``receiver``."""
        self._wire.receivers[self.local_address] = receiver

    def send(self, data: bytes, address: Address) -> None:
        """Deliver in the next turn of the loop."""
        self._wire.seen.append((self.local_address == CLIENT, data))
        receiver = self._wire.receivers[address]
        asyncio.get_running_loop().call_soon(receiver.on_datagram, data, self.local_address)

    def close(self) -> None:
        """Nothing to release."""


class _CoapOnly:
    """Hands all datagrams to one side's carrier."""

    def __init__(self, carrier: CoapClient | CoapServer) -> None:
        self._carrier = carrier

    def on_datagram(self, data: bytes, address: Address) -> None:
        self._carrier.receive(data, address)

    def on_error(self, error: OSError, address: Address | None) -> None:
        raise error


@dataclass(frozen=True)
class Carried:
    """A handshake of either version that was carried: all datagrams in order, both results."""

    datagrams: tuple[tuple[bool, bytes], ...]
    client: AnyEstablished
    server: AnyEstablished

    @property
    def messages(self) -> tuple[CoapSeen, ...]:
        """The datagrams as CoAP messages."""
        read = [read_coap(data) for _, data in self.datagrams]
        return tuple(message for message in read if message is not None)

    @property
    def bodies(self) -> tuple[tuple[bool, bytes], ...]:
        """What was carried, each body in one block: (is it the client's, body).

        Flight 1 is there twice, as the first was answered with Echo alone.
        """
        both = zip(self.datagrams, self.messages, strict=True)
        return tuple((client, seen.payload) for (client, _), seen in both if seen.payload)


def still(work: Coroutine[None, None, T]) -> T:
    """Run ``work`` on a :class:`StillLoop`."""
    with asyncio.Runner(loop_factory=StillLoop) as runner:
        return runner.run(work)


async def carry(client: ClientConfig, server: ServerConfig, **parameters: int) -> Carried:
    """Make a handshake; ``parameters`` are those of CoapParameters, the same on both sides."""
    chosen, wire = CoapParameters(**parameters), Wire()  # type: ignore[arg-type]
    established: list[AnyEstablished] = []
    ends = [MemoryEndpoint(wire, address) for address in (CLIENT, SERVER)]
    taker = CoapServer(
        ends[1],
        chosen,
        lambda: begin_server(server),
        lambda address, name, result, figures: established.append(result),
        counting(0xA0),
    )
    maker = CoapClient(ends[0], SERVER, chosen, counting(0x20))
    ends[0].start(_CoapOnly(maker))
    ends[1].start(_CoapOnly(taker))
    result = await maker.handshake(partial(open_client, client))
    await maker.close()
    await taker.close()
    if not isinstance(result, Established | Established13):
        raise Error("the example is no handshake of ours")
    return Carried(tuple(wire.seen), result, established[0])
