"""libcoap, which others wrote in C: its client and server programs, without their DTLS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from handshake_over_coap.carriers.coap.exchange import ClientExchange
from handshake_over_coap.carriers.coap.parameters import CoapParameters
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.coap.codes import Code, MessageType
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Option, OptionValue
from handshake_over_coap.net.endpoint import HostPort, UdpEndpoint, open_udp
from handshake_over_coap.timers import draws_from
from handshake_over_coap.transfers.base import Outgoing, Posting, Reply, Upload
from tests.support.aiocoap_world import HOST, free_port, until_pinged
from tests.support.parties import seeded

CLIENT = "coap-client-notls"
SERVER = "coap-server-notls"


@dataclass(frozen=True)
class Client:
    """libcoap's client: one process for each request, always from the same port."""

    program: str
    port: int
    folder: Path

    async def ask(self, uri: str, *arguments: str, body: bytes | None = None) -> tuple[bytes, str]:
        """The payload of a response, and the codes of errors that it told of."""
        out, data = self.folder / "response", self.folder / "request"
        out.unlink(missing_ok=True)
        command = [self.program, "-p", str(self.port), "-o", str(out), *arguments]
        if body is not None:
            data.write_bytes(body)
            command += ["-m", "post", "-f", str(data)]
        process = await asyncio.create_subprocess_exec(
            *command, uri, stderr=asyncio.subprocess.PIPE
        )
        _, said = await process.communicate()
        return (out.read_bytes() if out.exists() else b""), said.decode()


@asynccontextmanager
async def server(program: str, *arguments: str) -> AsyncIterator[HostPort]:
    """libcoap's server, once it answers."""
    port = free_port()
    command = [program, "-A", HOST, "-p", str(port), *arguments]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        await asyncio.to_thread(until_pinged, port)
        yield HOST, port
    finally:
        process.kill()
        await process.wait()


async def knows_q_block(address: HostPort) -> bool:
    """Whether the server at an address knows RFC 9177, which not every build of libcoap does."""
    options = ((Option.URI_PATH, b"example_data"), (Option.Q_BLOCK2, b""))
    request = Content(Code.GET, options).encode(MessageType.CON, 1, b"q")
    loop = asyncio.get_running_loop()

    def ask() -> Message:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(10)
            sock.connect(address)
            sock.send(request)
            return Message.decode(sock.recv(2048))

    return (await loop.run_in_executor(None, ask)).code != Code.BAD_OPTION


@dataclass(frozen=True)
class Altered:
    """A posting of ours whose requests have another method, and further options."""

    posting: Posting
    code: int
    options: Sequence[OptionValue] = ()

    @property
    def several(self) -> bool:
        """Whether a request may draw any number of responses."""
        return self.posting.several

    @property
    def deadline(self) -> float | None:
        """When something is due."""
        return self.posting.deadline

    @property
    def repetitions(self) -> int:
        """What was sent again."""
        return self.posting.repetitions

    @property
    def reply(self) -> Reply | None:
        """The reply, once all of it has come."""
        return self.posting.reply

    def start(self, now: float) -> Sequence[Outgoing]:
        """The first message."""
        return self._altered(self.posting.start(now))

    def answered(self, response: Message, asked: Outgoing, now: float) -> Sequence[Outgoing]:
        """The next one."""
        return self._altered(self.posting.answered(response, asked, now))

    def acknowledged(self, now: float) -> Sequence[Outgoing]:
        """What follows a confirmable message that has come."""
        return self._altered(self.posting.acknowledged(now))

    def on_timer(self, now: float) -> Sequence[Outgoing]:
        """What is due."""
        return self._altered(self.posting.on_timer(now))

    def _altered(self, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        return [each._replace(content=self._content(each.content)) for each in outgoing]

    def _content(self, content: Content) -> Content:
        options = sorted((*content.options, *self.options), key=lambda each: each[0])
        return content._replace(code=self.code, options=tuple(options))


class OurClient:
    """Our client's message layer and transfer, without a handshake."""

    def __init__(
        self, endpoint: UdpEndpoint, address: HostPort, parameters: CoapParameters
    ) -> None:
        rng = seeded("libcoap")
        self._endpoint = endpoint
        self._server = Address(*address)
        self._loop = asyncio.get_running_loop()
        self._side = parameters.transfer.client(parameters.terms(rng, draws_from(rng)))
        self.exchange = ClientExchange(self._server, parameters, rng, draws_from(rng))
        self._news = asyncio.Event()
        endpoint.start(self)

    async def ask(
        self,
        code: int,
        path: tuple[str, ...],
        body: bytes = b"",
        *options: OptionValue,
        content_format: int | None = None,
    ) -> Reply:
        """The reply to a request; raises what the exchange has come to otherwise."""
        posting = Altered(self._side.post(Upload(path, body, content_format)), code, options)
        self._send(self.exchange.post(posting, self._loop.time()))
        while self.exchange.outcome is None:
            self._news.clear()
            deadline = self.exchange.deadline
            wait = None if deadline is None else max(0.0, deadline - self._loop.time())
            try:
                await asyncio.wait_for(self._news.wait(), wait)
            except TimeoutError:
                self._send(self.exchange.on_timer(self._loop.time()))
        if isinstance(self.exchange.outcome, Reply):
            return self.exchange.outcome
        raise self.exchange.outcome

    def _send(self, datagrams: Sequence[bytes]) -> None:
        for each in datagrams:
            self._endpoint.send(each, self._server)

    def on_datagram(self, data: bytes, address: Address) -> None:
        """Take a datagram."""
        self._send(self.exchange.receive(Message.decode(data), self._loop.time()))
        self._news.set()

    def on_error(self, error: OSError, address: Address | None) -> None:
        """Nothing."""


@asynccontextmanager
async def our_client(address: HostPort, parameters: CoapParameters) -> AsyncIterator[OurClient]:
    """A client of ours that talks to ``address``."""
    endpoint = await open_udp(connect_to=address)
    try:
        yield OurClient(endpoint, address, parameters)
    finally:
        endpoint.close()
