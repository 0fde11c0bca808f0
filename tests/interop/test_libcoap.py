"""libcoap judges our exchange: both its client and its server, which know nothing of handshakes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.carriers.coap.parameters import CoapParameters
from handshake_over_coap.carriers.conversation import open_client
from handshake_over_coap.coap.codes import Code, is_success
from handshake_over_coap.coap.options import Option
from handshake_over_coap.encodings import encoding_named
from handshake_over_coap.net.endpoint import HostPort, open_udp
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.server import Handler, Server
from tests.support import libcoap
from tests.support.aiocoap_world import free_port
from tests.support.parties import seeded
from tests.support.relay import Direction, Relay
from tests.support.sockets import LOOPBACK, client_arguments, echo, server_arguments, until

pytestmark = pytest.mark.peer

PUT = 3
LABEL = "EXPORTER-handshake-over-coap-test"
PLAIN = encoding_named("plain")


@pytest.fixture
def client(require_peer: Callable[[str], str], tmp_path: Path) -> libcoap.Client:
    """libcoap's client."""
    return libcoap.Client(require_peer(libcoap.CLIENT), free_port(), tmp_path)


@pytest.fixture
def server(require_peer: Callable[[str], str]) -> str:
    """libcoap's server."""
    return require_peer(libcoap.SERVER)


@asynccontextmanager
async def _serving(handler: Handler, kind: str, *, slow: bool) -> AsyncIterator[HostPort]:
    """Our server; a slow one acknowledges first and answers separately."""
    given = server_arguments(kind)
    credentials, trust = given.pop("credentials"), given.pop("trust", None)
    options, rng = Options(location=False, **given), seeded("server")
    config = options.server_config((credentials,), None, trust, rng)
    endpoint = await open_udp(LOOPBACK)
    server = Server(endpoint, options, config, handler, rng, (lambda _: True) if slow else None)
    try:
        yield server.address
    finally:
        await server.close()


async def _handshake(
    client: libcoap.Client,
    dtls: str,
    kind: str,
    *arguments: str,
    lost_responses: Sequence[int] = (),
    slow: bool = False,
) -> Relay:
    """A client of ours whose bodies libcoap carries, with our server."""

    def lose(direction: Direction, index: int, data: bytes) -> Sequence[bytes] | None:
        return [] if direction is Direction.TO_CLIENT and index in lost_responses else None

    keys: list[bytes] = []

    async def handler(session: hoc.Session) -> None:
        keys.append(session.export(LABEL, 16))
        await echo(session)

    given = client_arguments(kind)
    credential, trust = given.pop("credential", None), given.pop("trust", None)
    config = Options(dtls=dtls, **given).client_config(
        credential, trust, LOOPBACK[0], seeded(f"{dtls} {kind}")
    )
    async with (
        _serving(handler, kind, slow=slow) as address,
        Relay(address, hook=lose) as relay,
    ):
        uri = f"coap://{relay.address[0]}:{relay.address[1]}/.well-known/dtls"
        turn = open_client(config, PLAIN)
        while turn.after.established is None:
            reply, complaint = await client.ask(uri, *arguments, body=turn.body)
            assert not complaint
            turn = turn.after.hear(reply, PLAIN)
        assert keys == [turn.after.established.connected.export(LABEL, 16)]
    return relay


@pytest.mark.parametrize("dtls", ["1.2", "1.3"])
@pytest.mark.parametrize("kind", ["psk", "rpk-mutual"])
@pytest.mark.parametrize("size", ["16", "64", "1024"])
def test_a_whole_handshake_passes_its_client(
    client: libcoap.Client, dtls: str, kind: str, size: str
) -> None:
    """Echo answered, Request-Tag and Block1 made, Block2 and ETag followed: all by libcoap."""
    asyncio.run(_handshake(client, dtls, kind, "-b", size))


def test_a_whole_handshake_passes_although_its_client_loses_datagrams(
    client: libcoap.Client,
) -> None:
    relay = asyncio.run(_handshake(client, "1.3", "psk", "-b", "64", "-l", "2"))
    assert len(relay.payloads(Direction.TO_SERVER)) == len(relay.payloads(Direction.TO_CLIENT))


def test_a_whole_handshake_passes_although_our_responses_get_lost(client: libcoap.Client) -> None:
    """libcoap repeats its request with the same message ID, and gets the same response again."""
    relay = asyncio.run(_handshake(client, "1.2", "psk", "-b", "64", lost_responses=(1,)))
    asked = relay.payloads(Direction.TO_SERVER)
    answered = relay.payloads(Direction.TO_CLIENT)
    assert (len(asked) - len(set(asked)), len(answered) - len(set(answered))) == (1, 0)


@pytest.mark.parametrize("size", ["16", "64", "1024"])
def test_its_client_reads_our_discovery(client: libcoap.Client, size: str) -> None:
    async def discover() -> bytes:
        async with hoc.serve(LOOPBACK, handler=echo, **server_arguments("psk")) as ours:
            host, port = ours.address
            return (await client.ask(f"coap://{host}:{port}/.well-known/core", "-b", size))[0]

    assert asyncio.run(discover()).startswith(b"</.well-known/dtls>;rt=core.dtls;ct=")


def test_its_client_understands_our_refusals(client: libcoap.Client) -> None:
    async def refused() -> list[str]:
        async with hoc.serve(LOOPBACK, handler=echo, **server_arguments("psk")) as ours:
            base = "coap://{}:{}".format(*ours.address)
            asked = [
                client.ask(f"{base}/elsewhere"),
                client.ask(f"{base}/.well-known/dtls"),
                client.ask(f"{base}/.well-known/dtls", "-t", "0", body=b"?"),
                client.ask(f"{base}/.well-known/dtls", "-O", "2049,?", body=b"?"),
                client.ask(f"{base}/.well-known/dtls", body=b"no hello"),
            ]
            return [(await each)[1].split()[0] for each in asked]

    assert asyncio.run(refused()) == ["4.04", "4.05", "4.15", "4.02", "4.00"]


def test_our_reset_answers_its_ping(client: libcoap.Client) -> None:
    async def pinged() -> Relay:
        async with (
            hoc.serve(LOOPBACK, handler=echo, **server_arguments("psk")) as ours,
            Relay(ours.address) as relay,
        ):
            uri = "coap://{}:{}/.well-known/core".format(*relay.address)
            await client.ask(uri, "-K", "1", "-G", "3")
            return relay

    relay = asyncio.run(pinged())
    pings, resets = (
        [each for each in relay.payloads(direction) if len(each) == 4 and each[0] == first]
        for direction, first in ((Direction.TO_SERVER, 0x40), (Direction.TO_CLIENT, 0x70))
    )
    assert pings
    assert [each[2:] for each in pings] == [each[2:] for each in resets]


SMALL = CoapParameters(block_size=64, ack_timeout=0.2, ack_random_factor=1.0, max_retransmit=8)


@pytest.mark.parametrize("size", [0, 1, 64, 65, 1000])
def test_its_server_joins_our_blocks_and_we_join_its(server: str, size: int) -> None:
    body = bytes(index % 251 for index in range(size))

    async def echoed() -> bytes:
        async with (
            libcoap.server(server, "-e") as address,
            libcoap.our_client(address, SMALL) as ours,
        ):
            reply = await ours.ask(PUT, ("example_data",), body)
            assert is_success(reply.code)
            return reply.payload

    assert asyncio.run(echoed()) == body


def test_its_server_may_lose_datagrams(server: str) -> None:
    body = bytes(300)

    async def echoed() -> tuple[bytes, int]:
        async with (
            libcoap.server(server, "-e", "-l", "3,4,7") as address,
            libcoap.our_client(address, SMALL) as ours,
        ):
            reply = await ours.ask(PUT, ("example_data",), body)
            return reply.payload, ours.exchange.retransmissions

    payload, repeated = asyncio.run(echoed())
    assert payload == body
    assert repeated >= 3


def test_its_server_answers_separately_and_takes_our_acknowledgement(server: str) -> None:
    async def asked() -> tuple[bytes, list[bytes]]:
        async with (
            libcoap.server(server) as address,
            Relay(address) as relay,
            libcoap.our_client(relay.address, SMALL) as ours,
        ):
            query = (int(Option.URI_QUERY), b"1")
            reply = await ours.ask(Code.GET, ("async",), b"", query)
            await until(lambda: len(relay.payloads(Direction.TO_SERVER)) > 1)
            return reply.payload, relay.payloads(Direction.TO_SERVER)

    payload, sent = asyncio.run(asked())
    assert payload == b"done"
    assert sent[-1][:2] == b"\x60\x00"  # an empty acknowledgement


def test_its_client_takes_and_acknowledges_our_separate_responses(client: libcoap.Client) -> None:
    relay = asyncio.run(_handshake(client, "1.2", "psk", "-b", "1024", slow=True))
    separate = [each for each in relay.payloads(Direction.TO_CLIENT) if each[0] >> 4 == 4]
    empty = [each for each in relay.payloads(Direction.TO_SERVER) if each[:2] == b"\x60\x00"]
    assert len(separate) == 2  # flights 2 and 4
    assert [each[2:4] for each in separate] == [each[2:4] for each in empty]


@pytest.mark.parametrize("check", ["always", "adaptive"])
@pytest.mark.parametrize("profile", ["standard", "lean"])
def test_a_number_for_the_path_is_spelled_out_for_its_server(
    server: str, profile: str, check: str
) -> None:
    """It takes no handshakes: what counts is that it is asked by the path in the end."""

    async def refused() -> list[bytes]:
        async with libcoap.server(server) as address, Relay(address) as relay:
            with pytest.raises(hoc.Error, match=r"4\.0[45]"):
                async with hoc.connect(
                    relay.address,
                    profile=profile,
                    path_abbrev=True,
                    address_check=check,
                    **client_arguments("psk"),
                ):
                    pass
            return relay.payloads(Direction.TO_SERVER)

    sent = asyncio.run(refused())
    assert b".well-known" not in sent[0]
    assert b".well-known" in sent[-1]
