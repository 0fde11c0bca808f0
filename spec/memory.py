"""Two ends of the carrier over CoAP, joined in memory, for the examples of the draft.

Nothing is random: each side draws its "random" bytes by counting, and the clock stands still.  A
reader can therefore tell by the value of a byte who has drawn it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count, islice
from typing import Final

from handshake_over_coap.carriers.base import HandshakeCompleted, HandshakeFailed
from handshake_over_coap.carriers.coap import CoapClient, CoapParameters, CoapServer
from handshake_over_coap.carriers.conversation import begin_server, open_client
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.established import AnyEstablished, Established, Established13
from handshake_over_coap.coap.message import Message
from handshake_over_coap.errors import Error
from handshake_over_coap.tls.config import ClientConfig, Rng, ServerConfig
from handshake_over_coap.trace.coap import read_coap

CLIENT: Final = Address("2001:db8::1", 61616)
SERVER: Final = Address("2001:db8::2", 5683)
NOW: Final = 1000.0
"""The server's clock in seconds, which stands still."""
IDENTITY: Final = b"Client_identity"
KEY: Final = bytes(range(0xF0, 0x100))


def counting(first: int) -> Rng:
    """A source of bytes that counts up from ``first``."""
    values = count(first)
    return lambda n: bytes(value & 0xFF for value in islice(values, n))


def today() -> datetime:
    """The date of every example."""
    return datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Carried:
    """A handshake of either version that was carried: all datagrams in order, both results."""

    datagrams: tuple[tuple[bool, bytes], ...]
    client: AnyEstablished
    server: AnyEstablished

    @property
    def messages(self) -> tuple[Message, ...]:
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


def no_jitter() -> float:
    """Nothing is random: timers wait for the shortest time that they may."""
    return 0.0


def carry(client: ClientConfig, server: ServerConfig, **parameters: int) -> Carried:
    """Make a handshake; ``parameters`` are those of CoapParameters, the same on both sides."""
    chosen = CoapParameters(**parameters)  # type: ignore[arg-type]
    taker = CoapServer(chosen, lambda: begin_server(server), counting(0xA0), no_jitter)
    maker = CoapClient(SERVER, chosen, partial(open_client, client), counting(0x20), no_jitter)
    seen: list[tuple[bool, bytes]] = []
    results: list[AnyEstablished] = []
    output, from_client = maker.start(NOW), True
    under_way = deque((data, from_client) for data, _ in output.datagrams)
    while under_way:
        data, from_client = under_way.popleft()
        seen.append((from_client, data))
        output = (
            taker.receive(data, CLIENT, NOW) if from_client else maker.receive(data, SERVER, NOW)
        )
        for event in output.events:
            if isinstance(event, HandshakeFailed):
                raise event.error
            if isinstance(event, HandshakeCompleted):
                results.append(event.established)
        under_way += ((each, not from_client) for each, _ in output.datagrams)
    at_server, at_client = results
    if not isinstance(at_client, Established | Established13):
        raise Error("the example is no handshake of ours")
    return Carried(tuple(seen), at_client, at_server)
