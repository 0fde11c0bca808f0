"""The examples of DTLS 1.3: bodies and keys, and the messages of two handshakes in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from handshake_over_coap.carriers.established import Established13
from handshake_over_coap.errors import Error
from handshake_over_coap.tls.codepoints import (
    ContentType,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
)
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.credentials import PSK, psk_lookup
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.suites13 import suite13_by_name
from handshake_over_coap.tls.tickets import Ticket

from .annotate import Lines, coap_summary
from .annotate13 import Side, contents, datagram13, plain_body13
from .memory import IDENTITY, KEY, Carried, carry, counting, today

SUITE13: Final = suite13_by_name("TLS_AES_128_CCM_SHA256")
TICKET_KEY: Final = bytes(range(0xC0, 0xE0))
GREETING: Final = b"hello"
VERSIONS: Final = (ProtocolVersion.DTLS_1_3,)


@dataclass(frozen=True)
class Handshake13(Carried):
    """A finished handshake of DTLS 1.3."""

    client: Established13
    server: Established13

    def side(self, *, client: bool) -> Side:
        """The keys of one side, with a reader that has read nothing yet."""
        return Side.of(self.client.connected, client=client)


def make_handshake13(
    group: NamedGroup | None = None, *, retry: bool = False, ticket: Ticket | None = None
) -> Handshake13:
    """A handshake with a pre-shared key, alone or with ``group``.

    With ``retry`` the client sends a share of another group first; ``ticket`` is offered in place
    of the key.
    """
    mode = PskKeyExchangeMode.psk_ke if group is None else PskKeyExchangeMode.psk_dhe_ke
    ours = NamedGroup.secp256r1 if group is None else group
    offered = (NamedGroup.x25519, ours) if retry else (ours,)
    carried = carry(
        ClientConfig(
            rng=counting(0x00),
            now=today,
            versions=VERSIONS,
            suites13=(SUITE13,),
            psk=PSK(IDENTITY, KEY) if ticket is None else None,
            psk_modes=(mode,),
            groups=offered,
            ticket=ticket,
        ),
        ServerConfig(
            rng=counting(0x80),
            now=today,
            versions=VERSIONS,
            suites13=(SUITE13,),
            psk=psk_lookup({IDENTITY: KEY}, KEY),
            psk_modes=(mode,),
            groups=(ours,),
            ticket_key=TICKET_KEY,
        ),
    )
    client, server = carried.client, carried.server
    if not isinstance(client, Established13) or not isinstance(server, Established13):
        raise Error("the example is no handshake of DTLS 1.3")
    return Handshake13(carried.datagrams, client, server)


def psk13_example() -> str:
    """The four bodies of a handshake, field by field, what is sealed in them, and keys."""
    handshake = make_handshake13()
    first, *bodies = handshake.bodies
    if [client for client, _ in bodies] != [True, False, True, False] or first != bodies[0]:
        raise Error("the example is no handshake of four flights in one block each")
    sides = {client: handshake.side(client=client) for client in (True, False)}
    lines = Lines()
    lines.section("Input")
    lines.field("pre-shared key", KEY)
    lines.field("PSK identity", IDENTITY, '"Client_identity"')
    for number, (client, body) in enumerate(bodies, 1):
        sender = "client" if client else "server"
        lines.section(f"Flight {number}, {sender}, {len(body)} bytes")
        shown, records = plain_body13(body, sides[client])
        lines += shown
        for place, record in enumerate(records, 1):
            lines.section(f"Flight {number}, what is in record {place} of the body")
            lines += record
    for title, keys in _keys(handshake):
        lines.section(title)
        lines += keys
    lines.section('The first record after the handshake: the client says "hello"')
    _greet(handshake, sides[True], lines)
    return lines.text()


def _keys(handshake: Handshake13) -> Iterator[tuple[str, Lines]]:
    secrets = handshake.client.connected.secrets
    named = (
        ("client", "handshake", secrets.client_handshake),
        ("server", "handshake", secrets.server_handshake),
        ("client", "application", secrets.client_application),
        ("server", "application", secrets.server_application),
    )
    for sender, kind, secret in named:
        side = handshake.side(client=sender == "client")
        keys: TrafficKeys = side.handshake if kind == "handshake" else side.application
        lines = Lines()
        lines.field("traffic secret", secret)
        lines.field("write_key", keys.key)
        lines.field("write_iv", keys.iv)
        lines.field("sn_key", keys.sn_key)
        yield f"Keys of epoch {keys.epoch}, {sender}", lines


def _greet(handshake: Handshake13, client: Side, lines: Lines) -> None:
    data = handshake.client.sealer.seal_datagram(ContentType.application_data, GREETING)
    opened = handshake.server.opener.open_datagram(data)
    if opened is None or opened.plaintext != GREETING:
        raise Error("the server cannot open the client's record")
    for part in datagram13(data, client):
        lines += part


def ladder13_example() -> str:
    """The messages of a handshake, and of one with HelloRetryRequest, and what they carry."""
    lines = Lines()
    lines.section("A pre-shared key alone")
    _ladder(make_handshake13(), lines)
    lines.section("With secp256r1, after a share of x25519")
    _ladder(make_handshake13(NamedGroup.secp256r1, retry=True), lines)
    return lines.text()


def _ladder(handshake: Handshake13, lines: Lines) -> None:
    sides = {client: handshake.side(client=client) for client in (True, False)}
    for (client, _), message in zip(handshake.datagrams, handshake.messages, strict=True):
        lines.wrapped("-->" if client else "<--", coap_summary(message))
        if message.payload:
            lines.wrapped("      ", contents(message.payload, sides[client]))


def body_sizes(group: NamedGroup | None, *, resume: bool = False) -> tuple[int, ...]:
    """Bytes of the bodies of flights 1 to 4; with ``resume``, of a handshake that resumes one."""
    ticket = None
    if resume:
        (ticket,) = make_handshake13(group).client.tickets
    handshake = make_handshake13(group, ticket=ticket)
    sizes: list[int] = []
    sender: bool | None = None
    for client, block in handshake.bodies[1:]:
        if client == sender:
            sizes[-1] += len(block)
        else:
            sizes.append(len(block))
        sender = client
    return tuple(sizes)
