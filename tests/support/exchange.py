"""A CoAP server and clients of the handshake on a network in memory, all of it seeded."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar

from handshake_over_coap.carriers.base import HandshakeCompleted
from handshake_over_coap.carriers.carried import CarriedConversation, Turn
from handshake_over_coap.carriers.coap import CoapParameters
from handshake_over_coap.carriers.conversation import (
    Established,
    Established13,
    begin_server,
    open_client,
)
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.established import AnyEstablished
from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.coap.message import Message, encode_options
from handshake_over_coap.encodings import Encoding
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.sim import run
from handshake_over_coap.timers.base import Draw
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.trace.report import TrialFigures
from tests.support.network import Network, Verdict, deliver_all
from tests.support.parties import PSK_CCM, Scenario, seeded
from tests.support.parties13 import Scenario13
from tests.support.pumped import PumpedCoapClient, PumpedCoapServer

P = ParamSpec("P")
T = TypeVar("T")

PSK: Final = Scenario(PSK_CCM)
SERVER: Final = Address("192.0.2.1", 5684)
CON, NON, ACK, RST = range(4)
GET, POST, PUT, DELETE = 1, 2, 3, 4

URI_PATH, CONTENT_FORMAT, ACCEPT, BLOCK2, BLOCK1 = 11, 12, 17, 23, 27
ETAG, LOCATION_PATH, MAX_AGE = 4, 8, 14
Q_BLOCK1, Q_BLOCK2 = 19, 31
SIZE1, ECHO, REQUEST_TAG = 60, 252, 292

RESOURCE: Final = ((URI_PATH, b".well-known"), (URI_PATH, b"dtls"))


@dataclass(frozen=True)
class Completed:
    """What the server reported of a handshake of either version."""

    time: float
    address: Address
    name: str
    result: AnyEstablished
    figures: TrialFigures

    @property
    def established(self) -> Established:
        """The result, of DTLS 1.2."""
        assert isinstance(self.result, Established)
        return self.result

    @property
    def established13(self) -> Established13:
        """The result, of DTLS 1.3."""
        assert isinstance(self.result, Established13)
        return self.result


class TestClient:
    """A CoapClient on an endpoint of its own.

    ``records`` are the datagrams that are no CoAP, and of no use for the handshake; ``late`` is
    what an answer held that a record has overtaken.
    """

    __test__ = False

    def __init__(
        self,
        network: Network,
        address: Address,
        parameters: CoapParameters,
        scenario: Scenario | Scenario13,
        seed: str,
        draw: Draw,
        **config: Any,
    ) -> None:
        self.address = address
        self.endpoint = network.endpoint(address.host, address.port)
        self.records: list[bytes] = []
        self.ignored: list[bytes] = []
        self.late: list[CiphertextRecord] = []
        self._config = scenario.client(f"client {seed}", **config)
        rng = seeded(f"coap {seed}")
        self.coap = PumpedCoapClient(self.endpoint, SERVER, parameters, rng, draw)
        self.coap.on_late_record = self.late.append
        self.endpoint.start(self)

    def on_datagram(self, data: bytes, address: Address) -> None:
        if 0x40 <= data[0] < 0x80:
            if not self.coap.receive(data, address):
                self.ignored.append(data)
        elif not self.coap.receive_records(data):
            self.records.append(data)

    def on_error(self, error: OSError, address: Address | None) -> None:
        self.coap.on_error(error)

    async def handshake(self) -> Established:
        """A handshake that has to end in DTLS 1.2."""
        established = await self.handshake_of_any_version()
        assert isinstance(established, Established)
        return established

    async def handshake13(self) -> Established13:
        """A handshake that has to end in DTLS 1.3."""
        established = await self.handshake_of_any_version()
        assert isinstance(established, Established13)
        return established

    async def handshake_of_any_version(self) -> AnyEstablished:
        result: AnyEstablished = await self.coap.handshake(self._begin)
        return result

    def _begin(self, encoding: Encoding) -> Turn[AnyEstablished]:
        return open_client(self._config, encoding)

    async def close(self) -> None:
        self.coap.close()
        self.endpoint.close()


class Raw:
    """An endpoint that speaks CoAP by hand; ``received`` holds what came back."""

    def __init__(self, network: Network, address: Address, first_message_id: int = 1) -> None:
        self._network = network
        self.address = address
        self.endpoint = network.endpoint(address.host, address.port)
        self.endpoint.start(self)
        self.received: list[bytes] = []
        self._message_id = first_message_id

    def on_datagram(self, data: bytes, address: Address) -> None:
        self.received.append(data)

    def on_error(self, error: OSError, address: Address | None) -> None:
        raise AssertionError(error)

    async def send(self, data: bytes, wait: float = 0.2) -> list[bytes]:
        """Send a datagram and give what comes back within ``wait`` seconds."""
        before = len(self.received)
        self.endpoint.send(data, SERVER)
        await asyncio.sleep(wait)
        return self.received[before:]

    async def ask(
        self,
        *options: tuple[int, bytes],
        payload: bytes = b"",
        code: int = POST,
        wait: float = 0.2,
        **more: Any,
    ) -> Message:
        """Make a request and give its one response."""
        self._message_id += 1
        data = request(*options, payload=payload, code=code, mid=self._message_id, **more)
        (response,) = await self.send(data, wait)
        return Message.decode(response)

    async def echo(self, payload: bytes = b"x") -> bytes:
        """An Echo value from the server."""
        response = await self.ask(*RESOURCE, payload=payload)
        value = response.get(ECHO)
        assert response.code == 0x81
        assert value is not None
        return value


def request(
    *options: tuple[int, bytes],
    payload: bytes = b"",
    code: int = POST,
    mid: int = 1,
    token: bytes = b"tk",
    kind: int = CON,
) -> bytes:
    """A CoAP request as it is on the wire; ``options`` in any order."""
    header = bytes([0x40 | kind << 4 | len(token), code]) + mid.to_bytes(2, "big") + token
    body = b"\xff" + payload if payload else b""
    return header + encode_options(sorted(options, key=lambda o: o[0])) + body


def response(
    to: bytes,
    code: int,
    *options: tuple[int, bytes],
    payload: bytes = b"",
    kind: int = ACK,
    mid: int | None = None,
) -> bytes:
    """A response to the request ``to`` as it is on the wire."""
    request = Message.decode(to)
    number = request.message_id if mid is None else mid
    header = bytes([0x40 | kind << 4 | len(request.token), code]) + number.to_bytes(2, "big")
    body = b"\xff" + payload if payload else b""
    return header + request.token + encode_options(sorted(options, key=lambda o: o[0])) + body


def uint(value: int) -> bytes:
    """A CoAP option of format uint."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def block(number: int, more: bool, size: int) -> bytes:
    """The value of a Block1 or Block2 option."""
    return uint(number << 4 | more << 3 | (size.bit_length() - 5))


def dotted(code: int) -> str:
    """A CoAP code as people write it."""
    return f"{code >> 5}.{code & 31:02}"


class Exchange:
    """One server, the network around it, and the clients; make it by :func:`exchange`.

    ``completed`` is what the server reported, ``records`` the datagrams to it that are no CoAP,
    ``begun`` counts the conversations it began.
    """

    def __init__(
        self,
        network: Network,
        scenario: Scenario | Scenario13,
        parameters: CoapParameters,
        think: Callable[[bytes], float] | None,
        server_config: dict[str, Any],
    ) -> None:
        self.network = network
        self.scenario = scenario
        self.parameters = parameters
        self.completed: list[Completed] = []
        self.clients: list[TestClient] = []
        self.records: list[bytes] = []
        self.begun = 0
        self._think = think
        self._config = scenario.server("server", **server_config)
        self._rng = seeded("coap server")
        self.draw = random.Random("jitter").random
        self._loop = asyncio.get_running_loop()
        self.endpoint = network.endpoint(SERVER.host, SERVER.port)
        self.endpoint.start(self)
        self.server = self.new_server()

    def new_server(self) -> PumpedCoapServer:
        """A server that knows nothing, in place of the one before: it has restarted."""
        self.server = PumpedCoapServer(
            self.endpoint,
            self.parameters,
            self._begin,
            self._established,
            self._rng,
            self.draw,
            think=self._think,
        )
        return self.server

    def _begin(self) -> CarriedConversation[AnyEstablished]:
        self.begun += 1
        return begin_server(self._config)

    def _established(self, done: HandshakeCompleted) -> None:
        now = self._loop.time()
        self.completed.append(
            Completed(now, done.address, done.name, done.established, done.figures)
        )

    def on_datagram(self, data: bytes, address: Address) -> None:
        if 0x40 <= data[0] < 0x80:
            self.server.receive(data, address)
        else:
            self.records.append(data)

    def on_error(self, error: OSError, address: Address | None) -> None:
        raise AssertionError(error)

    def client(
        self,
        host: str = "192.0.2.2",
        port: int = 40000,
        *,
        parameters: CoapParameters | None = None,
        seed: str = "",
        **config: Any,
    ) -> TestClient:
        """A client, closed with the exchange; further keywords go to its ClientConfig."""
        client = TestClient(
            self.network,
            Address(host, port),
            parameters or self.parameters,
            self.scenario,
            seed or f"{host} {port} {len(self.clients)}",
            self.draw,
            **config,
        )
        self.clients.append(client)
        return client

    def raw(self, host: str = "192.0.2.3", port: int = 50000) -> Raw:
        """A client by hand."""
        return Raw(self.network, Address(host, port))

    def codes(self, source: Address | None = None, destination: Address | None = None) -> list[str]:
        """The codes of the CoAP messages that were sent, in order."""
        sent = self.network.between(source, destination)
        return [dotted(s.data[1]) for s in sent if 0x40 <= s.data[0] < 0x80]

    def residue(self) -> dict[str, int]:
        """What the server keeps, by place; empty where nothing is left."""
        peers = self.server.peers
        exchanges = [peer.exchange for peer in peers]
        sizes = {
            "peers": len(peers),
            "unfinished": peers.unfinished,
            "aging": len(peers._aging),
            "computing": sum(len(peer.computing) for peer in peers),
            "recent": sum(len(each._recent) for each in exchanges),
            "exchanges": sum(not each.idle for each in exchanges),
            "agenda": len(self.server._agenda._deadlines),
        }
        return {place: size for place, size in sizes.items() if size}


@asynccontextmanager
async def exchange(
    scenario: Scenario | Scenario13 = PSK,
    *,
    delay: float = 0.05,
    verdict: Verdict = deliver_all,
    think: Callable[[bytes], float] | None = None,
    server_config: dict[str, Any] | None = None,
    limits: Limits | None = None,
    **parameters: Any,
) -> AsyncIterator[Exchange]:
    """A running server with these CoapParameters, which its clients take over by default."""
    network = Network(delay, verdict)
    chosen = CoapParameters(**parameters, limits=limits or Limits())
    here = Exchange(network, scenario, chosen, think, server_config or {})
    try:
        yield here
    finally:
        for client in here.clients:
            await client.close()
        here.server.close()
        here.endpoint.close()


def agree(client: Established, server: Established) -> bool:
    """Whether both sides hold the same keys: each opens what the other seals."""
    ours, theirs = client.connected, server.connected
    if ours.master_secret != theirs.master_secret or ours.verify_data != theirs.verify_data:
        return False
    for sealer, opener in ((client.sealer, server.opener), (server.sealer, client.opener)):
        record = sealer.seal(ContentType.application_data, b"both ways")
        if opener.open(record) != b"both ways":
            return False
    return True


def agree13(client: Established13, server: Established13) -> bool:
    """The same for DTLS 1.3, where a record has to open in the newest epoch of both sides."""
    ours, theirs = client.connected, server.connected
    if (ours.secrets, ours.verify_data) != (theirs.secrets, theirs.verify_data):
        return False
    if ours.export("EXPORTER-test", 32) != theirs.export("EXPORTER-test", 32):
        return False
    for writer, opener in ((client.sealer, server.opener), (server.sealer, client.opener)):
        datagram = writer.seal_datagram(ContentType.application_data, b"both ways")
        opened = opener.open_datagram(datagram)
        if opened is None or opened.plaintext != b"both ways":
            return False
    return True


def virtual(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Runs an asynchronous test on virtual time."""

    @functools.wraps(test)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(test(*args, **kwargs))

    return wrapper


async def complete(here: Exchange, scenario: Scenario | Scenario13) -> None:
    """Make one handshake of either version and see that both sides agree."""
    client = here.client()
    if isinstance(scenario, Scenario13):
        assert agree13(await client.handshake13(), here.completed[0].established13)
    else:
        assert agree(await client.handshake(), here.completed[0].established)
