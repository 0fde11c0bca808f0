"""One case from end to end: our side in this process, theirs as a program, data echoed after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import handshake_over_coap as hoc
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from tests.support.parties import CLIENT_KEYS, NAME, SERVER_KEYS, trust_in
from tests.support.relay import Direction, Impairments, Relay
from tests.support.sockets import PSK, echo

from . import gnutls, mbedtls, openssl, tinydtls, wolfssl
from .cases import Case
from .material import HOST, Material
from .programs import Program, free_port

Address = tuple[str, int]

CALL = "ping "
"""How lines begin that a server's program gets back on its standard input."""

COMMANDS: dict[tuple[str, str], tuple[str, Callable[[str, Case, int, Material], list[str]]]] = {
    ("OpenSSL", "their client"): ("openssl", openssl.client),
    ("OpenSSL", "their server"): ("openssl", openssl.server),
    ("GnuTLS", "their client"): ("gnutls-cli", gnutls.client),
    ("GnuTLS", "their server"): ("gnutls-serv", gnutls.server),
    ("mbedTLS", "their client"): ("mbedtls", mbedtls.client),
    ("mbedTLS", "their server"): ("mbedtls", mbedtls.server),
    ("tinydtls", "their client"): ("DTLSSocket", tinydtls.client),
    ("tinydtls", "their server"): ("DTLSSocket", tinydtls.server),
    ("wolfSSL", "their client"): ("wolfSSL", wolfssl.client),
    ("wolfSSL", "their server"): ("wolfSSL", wolfssl.server),
}
"""For each stack and direction the program to look for, and what makes its command line."""

ATTEMPTS = 100
"""How often a line is said again, once a second, before it is given up."""

HARSH = Impairments(drop=0.2, duplicate=0.2, reorder=0.2)


def our_server(case: Case) -> dict[str, Any]:
    """Keyword arguments of ``serve``."""
    options: dict[str, Any] = {"address_check": case.cookie, **_both(case)}
    if case.shares_a_key:
        return options | {"credentials": PSK}
    kind = "rpk-p256" if case.auth == "rpk" else "x509"
    options["credentials"] = SERVER_KEYS[kind]
    if case.mutual:
        options |= {"mutual": True, "trust": trust_in(CLIENT_KEYS[kind])}
    return options


def our_client(case: Case) -> dict[str, Any]:
    """Keyword arguments of ``connect``."""
    if case.shares_a_key:
        return {"credential": PSK, **_both(case)}
    kind = "rpk-p256" if case.auth == "rpk" else "x509"
    options = {"trust": trust_in(SERVER_KEYS[kind]), **_both(case)}
    if case.auth == "x509":
        options["server_name"] = NAME
    if case.mutual:
        options["credential"] = CLIENT_KEYS[kind]
    return options


def _both(case: Case) -> dict[str, Any]:
    chosen: dict[str, Any] = {"transport": "udp", "dtls": case.dtls, "auth": case.auth}
    return chosen | {"suite": case.suite, "mtu": case.mtu, "timeout": float(ATTEMPTS)}


@asynccontextmanager
async def network(server: Address, seed: int | None) -> AsyncIterator[Relay]:
    """A relay in front of the server: harsh with a seed, else one that only takes note."""
    harm = Impairments() if seed is None else HARSH
    async with Relay(server, impairments=harm, seed=seed or 0) as relay:
        yield relay


async def serve_their_client(
    case: Case,
    program: str,
    files: Material,
    seed: int | None = None,
    ours: Mapping[str, Any] | None = None,
) -> None:
    """Their client with our server; its lines have to come back.  ``ours`` are more keywords."""
    make = COMMANDS[case.stack, case.direction][1]
    async with (
        hoc.serve((HOST, 0), handler=echo, **our_server(case) | dict(ours or {})) as server,
        network(server.address, seed) as relay,
        Program(make(program, case, relay.address[1], files)) as theirs,
    ):
        for number in range(3):
            await call_until_answered(theirs, f"{CALL}{number} {'.' * 20 * number}", seed)
        (session,) = server.sessions
        assert session.connected.suite.name == case.suite
        shown = session.peer.raw_public_key if case.auth == "rpk" else session.peer.certificates
        assert bool(shown) == case.mutual
        await check_exporter(case, session, theirs)
        check_sizes(case, relay.payloads(Direction.TO_CLIENT), relay.payloads(Direction.TO_SERVER))


async def call_until_answered(theirs: Program, line: str, seed: int | None) -> None:
    """Lines are lost too, through the relay: say it again until it comes back."""
    for attempt in range(ATTEMPTS):
        text = f"{line}{attempt}"
        theirs.write(text)
        try:
            await theirs.says(text, 20.0 if seed is None else 1.0)
        except TimeoutError:
            if seed is None:
                raise
            continue
        return
    raise TimeoutError("no line came back")


async def connect_to_their_server(
    case: Case, program: str, files: Material, seed: int | None = None
) -> None:
    """Our client with their server; what we send has to come back."""
    make = COMMANDS[case.stack, case.direction][1]
    port = free_port()
    async with Program(make(program, case, port, files), echo=CALL) as theirs:
        await theirs.listens(port)
        async with (
            network((HOST, port), seed) as relay,
            hoc.connect(relay.address, **our_client(case)) as session,
        ):
            for number in range(3):
                await send_until_echoed(session, f"{CALL}{number} {'.' * 20 * number}", seed)
            assert session.connected.suite.name == case.suite
            await check_exporter(case, session, theirs)
            check_sizes(
                case, relay.payloads(Direction.TO_SERVER), relay.payloads(Direction.TO_CLIENT)
            )


def check_sizes(case: Case, ours: list[bytes], theirs: list[bytes]) -> None:
    """Neither side went above its MTU; but mbedTLS sends a ClientHello whole, however long."""
    assert max(map(len, ours)) <= case.mtu
    if case.their_mtu is not None:
        cut = [data for data in theirs if case.stack != "mbedTLS" or not _is_client_hello(data)]
        assert max(map(len, cut)) <= case.their_mtu


async def check_exporter(case: Case, session: hoc.Session, theirs: Program) -> None:
    """Both sides have the same secrets, where the other one tells."""
    if case.stack == wolfssl.NAME:
        await theirs.says('"connected"')
        told = wolfssl.events(theirs.output, "connected")[-1]["exporter"]
        assert told == session.export(wolfssl.LABEL, 32).hex()


def _is_client_hello(data: bytes) -> bool:
    return data[0] == ContentType.handshake and data[13] == HandshakeType.client_hello


async def send_until_echoed(session: hoc.Session, line: str, seed: int | None) -> None:
    """The same from our side."""
    for attempt in range(ATTEMPTS):
        data = f"{line}{attempt}\n".encode()
        await session.send(data)
        try:
            async with asyncio.timeout(20.0 if seed is None else 1.0):
                while await session.receive() != data:
                    pass
        except TimeoutError:
            if seed is None:
                raise
            continue
        return
    raise TimeoutError("no line came back")
