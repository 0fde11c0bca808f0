"""Writes the examples of the draft: real handshakes, run in memory, their bytes explained.

``python -m spec.examples`` writes the files that the draft includes; ``tests/spec`` compares them
with what the code does today, so that no example outlives the behaviour that it shows.

Nothing is random: each side draws its "random" bytes by counting, and the clock stands still.  A
reader can therefore tell by the value of a byte who has drawn it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import Final, TypeVar

from handshake_over_coap.carriers.coap import CoapClient, CoapParameters, CoapServer
from handshake_over_coap.carriers.conversation import Established, begin_client, begin_server
from handshake_over_coap.carriers.datagram import Address, DatagramReceiver
from handshake_over_coap.errors import Error
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.config import ClientConfig, Rng, ServerConfig
from handshake_over_coap.tls.credentials import PSK, psk_lookup
from handshake_over_coap.tls.schedule12 import connection_keys
from handshake_over_coap.tls.suites import suite_by_name
from handshake_over_coap.trace.coap import CoapSeen, read_coap

from .annotate import (
    Lines,
    coap_message,
    coap_summary,
    finished_record,
    named,
    plain_body,
)

FOLDER: Final = Path(__file__).parent

CLIENT: Final = Address("2001:db8::1", 61616)
SERVER: Final = Address("2001:db8::2", 5683)
NOW: Final = 1000.0
"""The server's clock in seconds, which stands still."""
IDENTITY: Final = b"Client_identity"
KEY: Final = bytes(range(0xF0, 0x100))
SUITE: Final = suite_by_name("TLS_PSK_WITH_AES_128_CCM_8")
GREETING: Final = b"hello"

T = TypeVar("T")


def counting(first: int) -> Rng:
    """A source of bytes that counts up from ``first``."""
    values = count(first)
    return lambda n: bytes(value & 0xFF for value in islice(values, n))


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
class Handshake:
    """A finished handshake: all datagrams in order, and both results."""

    datagrams: tuple[tuple[bool, bytes], ...]
    client: Established
    server: Established

    @property
    def messages(self) -> tuple[CoapSeen, ...]:
        """The datagrams as CoAP messages."""
        read = [read_coap(data) for _, data in self.datagrams]
        return tuple(message for message in read if message is not None)


def still(work: Coroutine[None, None, T]) -> T:
    """Run ``work`` on a :class:`StillLoop`."""
    with asyncio.Runner(loop_factory=StillLoop) as runner:
        return runner.run(work)


async def make_handshake(**parameters: int) -> Handshake:
    """A handshake with a pre-shared key; ``parameters`` are those of CoapParameters, both sides."""
    chosen, wire = CoapParameters(**parameters), Wire()  # type: ignore[arg-type]
    established: list[Established] = []
    server_config = ServerConfig(
        rng=counting(0x80), now=_today, suites=(SUITE,), psk=psk_lookup({IDENTITY: KEY}, KEY)
    )
    client_config = ClientConfig(
        rng=counting(0x00), now=_today, suites=(SUITE,), psk=PSK(IDENTITY, KEY)
    )
    ends = [MemoryEndpoint(wire, address) for address in (CLIENT, SERVER)]
    server = CoapServer(
        ends[1],
        chosen,
        lambda: begin_server(server_config),
        lambda address, name, result, figures: established.append(result),
        counting(0xA0),
    )
    client = CoapClient(ends[0], SERVER, chosen, counting(0x20))
    ends[0].start(_CoapOnly(client))
    ends[1].start(_CoapOnly(server))
    result = await client.handshake(lambda: begin_client(client_config))
    await client.close()
    await server.close()
    return Handshake(tuple(wire.seen), result, established[0])


def _today() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


def psk_example() -> str:
    """The four bodies of a handshake, field by field, with keys, and the first record."""
    handshake = still(make_handshake())
    bodies = [m.payload for m in handshake.messages if m.payload]
    # Flight 1 was sent twice, as the first was answered with Echo alone.
    flights = bodies[1:]
    if len(flights) != 4 or bodies[0] != bodies[1]:
        raise Error("the example is no handshake of four flights in one block each")
    lines = Lines()
    lines.section("Input")
    lines.field("pre-shared key", KEY)
    lines.field("PSK identity", IDENTITY, '"Client_identity"')
    for number, body in enumerate(flights, 1):
        sender = "client" if number % 2 else "server"
        lines.section(f"Flight {number}, {sender}, {len(body)} bytes")
        lines += plain_body(body)
    lines.section("Keys")
    lines += _secrets(handshake)
    for record, side in zip(_finished(handshake, flights), ("client", "server"), strict=True):
        lines.section(f"The {side}'s Finished, as a record of DTLS")
        lines += record
    lines.section('The first record after the handshake: the client says "hello"')
    data = handshake.client.sealer.seal_datagram(ContentType.application_data, GREETING)
    if handshake.server.opener.open_datagram(data) != (ContentType.application_data, GREETING):
        raise Error("the server cannot open the client's record")
    lines += named(data, finished=False)
    return lines.text()


def _secrets(handshake: Handshake) -> Lines:
    connected, lines = handshake.client.connected, Lines()
    keys = connection_keys(
        connected.master_secret, SUITE.aead, connected.client_random, connected.server_random
    )
    lines.field("extended master_secret", connected.master_secret)
    lines.field("client_write_key", keys.client_write.key)
    lines.field("server_write_key", keys.server_write.key)
    lines.field("client_write_IV", keys.client_write.iv)
    lines.field("server_write_IV", keys.server_write.iv)
    return lines


def _finished(handshake: Handshake, flights: list[bytes]) -> Iterator[Lines]:
    connected = handshake.client.connected
    keys = connection_keys(
        connected.master_secret, SUITE.aead, connected.client_random, connected.server_random
    )
    for body, own in ((flights[2], keys.client_write), (flights[3], keys.server_write)):
        yield finished_record(body, Opener(own))


def coap_example() -> str:
    """The datagrams of the same handshake, option by option."""
    handshake = still(make_handshake())
    lines, flights = Lines(), iter((1, 1, 2, 3, 4))
    for (client, data), message in zip(handshake.datagrams, handshake.messages, strict=True):
        sender = "client to server" if client else "server to client"
        lines.section(f"{sender}, {len(data)} bytes")
        note = f"flight {next(flights)}" if message.payload else ""
        lines += coap_message(data, message, note)
    return lines.text()


def blocks_example() -> str:
    """The messages of a handshake in blocks of 32 bytes, one line each."""
    handshake = still(make_handshake(block_size=32))
    lines = Lines()
    for (client, _), message in zip(handshake.datagrams, handshake.messages, strict=True):
        lines.wrapped("-->" if client else "<--", coap_summary(message))
    return lines.text()


FILES: Final = {
    "example-psk.txt": psk_example,
    "example-coap.txt": coap_example,
    "example-blocks.txt": blocks_example,
}
"""What is written, and by which function."""


def main() -> None:
    """Write all files."""
    for name, make in FILES.items():
        (FOLDER / name).write_text(make(), encoding="ascii")


if __name__ == "__main__":
    main()
