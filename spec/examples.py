"""Writes the examples of the draft: real handshakes, run in memory, their bytes explained.

``python -m spec.examples`` writes the files that the draft includes; ``tests/spec`` compares them
with what the code does today, so that no example outlives the behaviour that it shows.

Those of DTLS 1.2 are made here, those of DTLS 1.3 in :mod:`.examples13`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from handshake_over_coap.carriers.conversation import Established
from handshake_over_coap.errors import Error
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.credentials import PSK, psk_lookup
from handshake_over_coap.tls.schedule12 import connection_keys
from handshake_over_coap.tls.suites import suite_by_name

from .annotate import (
    Lines,
    coap_message,
    coap_summary,
    finished_record,
    named,
    plain_body,
)
from .examples13 import ladder13_example, psk13_example
from .memory import IDENTITY, KEY, Carried, carry, counting, today

FOLDER: Final = Path(__file__).parent

SUITE: Final = suite_by_name("TLS_PSK_WITH_AES_128_CCM_8")
GREETING: Final = b"hello"


@dataclass(frozen=True)
class Handshake(Carried):
    """A finished handshake of DTLS 1.2."""

    client: Established
    server: Established


def make_handshake(**parameters: int) -> Handshake:
    """A handshake with a pre-shared key; ``parameters`` are those of CoapParameters, both sides."""
    carried = carry(
        ClientConfig(rng=counting(0x00), now=today, suites=(SUITE,), psk=PSK(IDENTITY, KEY)),
        ServerConfig(
            rng=counting(0x80), now=today, suites=(SUITE,), psk=psk_lookup({IDENTITY: KEY}, KEY)
        ),
        **parameters,
    )
    client, server = carried.client, carried.server
    if not isinstance(client, Established) or not isinstance(server, Established):
        raise Error("the example is no handshake of DTLS 1.2")
    return Handshake(carried.datagrams, client, server)


def psk_example() -> str:
    """The four bodies of a handshake, field by field, with keys, and the first record."""
    handshake = make_handshake()
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
    handshake = make_handshake()
    lines, flights = Lines(), iter((1, 1, 2, 3, 4))
    for (client, data), message in zip(handshake.datagrams, handshake.messages, strict=True):
        sender = "client to server" if client else "server to client"
        lines.section(f"{sender}, {len(data)} bytes")
        note = f"flight {next(flights)}" if message.payload else ""
        lines += coap_message(data, message, note)
    return lines.text()


def blocks_example() -> str:
    """The messages of a handshake in blocks of 32 bytes, one line each."""
    handshake = make_handshake(block_size=32)
    lines = Lines()
    for (client, _), message in zip(handshake.datagrams, handshake.messages, strict=True):
        lines.wrapped("-->" if client else "<--", coap_summary(message))
    return lines.text()


FILES: Final = {
    "example-psk.txt": psk_example,
    "example-coap.txt": coap_example,
    "example-blocks.txt": blocks_example,
    "example-psk13.txt": psk13_example,
    "example-ladder13.txt": ladder13_example,
}
"""What is written, and by which function."""


def main() -> None:
    """Write all files."""
    for name, make in FILES.items():
        (FOLDER / name).write_text(make(), encoding="ascii")


if __name__ == "__main__":
    main()
