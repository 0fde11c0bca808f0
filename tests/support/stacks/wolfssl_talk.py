"""Conversations in DTLS 1.3 with wolfSSL, and of wolfSSL with itself, which shows what it can do.

Each of the contexts gives a :class:`Talk`: lines that a client says have to come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import handshake_over_coap as hoc
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from tests.support.relay import Direction, Relay
from tests.support.sockets import echo

from . import wolfssl
from .cases import Case
from .material import HOST, Material
from .programs import Program, free_port
from .runs import CALL, call_until_answered, network, our_client, our_server, send_until_echoed

Pairing = Literal["their client", "their server", "wolfSSL alone"]

PAIRINGS: Final[tuple[Pairing, ...]] = ("their client", "their server", "wolfSSL alone")

_PATIENCE: Final = 20.0
"""Seconds to wait for an event."""


def case_of(
    pairing: Pairing, credential: str = "psk", cipher: str = "CCM_8", *, cookie: bool = True
) -> Case:
    """A case on an undisturbed network with an MTU of 1280."""
    direction = "their server" if pairing == "wolfSSL alone" else pairing
    return Case("wolfSSL", direction, credential, cipher, cookie, 1280, 1280, dtls="1.3")


@dataclass(frozen=True)
class Talk:
    """One client and one server, and the relay between them.

    ``theirs`` is wolfSSL's program, which is the client where both are, with the server ``beside``
    it; ``sessions`` are ours.
    """

    call: Callable[[str], Awaitable[None]]
    theirs: Program
    relay: Relay
    sessions: Callable[[], Sequence[hoc.Session]]
    beside: Program | None = None

    async def told(self, event: str, count: int = 1) -> dict[str, Any]:
        """What wolfSSL says of its ``count``-th event of that name, when it has come to it.

        Raises EOFError if it ended without, or TimeoutError.
        """
        async with asyncio.timeout(_PATIENCE):
            while len(wolfssl.events(self.theirs.output, event)) < count:
                await self.theirs.changes()
        return wolfssl.events(self.theirs.output, event)[count - 1]

    async def check_secrets(self) -> None:
        """Both sides export the same bytes, where one of them is ours."""
        told = await self.told("connected")
        for session in self.sessions():
            assert session.export(wolfssl.LABEL, 32).hex() == told["exporter"]

    def client_hellos(self) -> int:
        """How many the client has sent: two, where a HelloRetryRequest came in between.

        Each is counted once, however often a timer has had it sent again.
        """
        sent = self.relay.payloads(Direction.TO_SERVER)
        return len({data[17:19] for data in sent if _begins_client_hello(data)})


def _begins_client_hello(data: bytes) -> bool:
    """Whether a datagram begins with the first fragment of a ClientHello."""
    kinds = (ContentType.handshake, HandshakeType.client_hello)
    return len(data) > 25 and (data[0], data[13]) == kinds and data[19:22] == bytes(3)


class Opens(Protocol):
    """A context that begins a conversation.

    ``theirs`` are more options for wolfSSL's side (the client's, where both are), ``server`` for
    its server where both are, and ``ours`` are more keywords for ``connect`` or ``serve``.
    """

    def __call__(
        self,
        case: Case,
        program: str,
        files: Material,
        seed: int | None = None,
        *,
        theirs: Sequence[str] = (),
        server: Sequence[str] = (),
        ours: Mapping[str, Any] | None = None,
    ) -> AbstractAsyncContextManager[Talk]: ...


def _said_by(client: Program, seed: int | None) -> Callable[[str], Awaitable[None]]:
    return lambda line: call_until_answered(client, CALL + line, seed)


@asynccontextmanager
async def _with_their_client(
    case: Case,
    program: str,
    files: Material,
    seed: int | None = None,
    *,
    theirs: Sequence[str] = (),
    server: Sequence[str] = (),
    ours: Mapping[str, Any] | None = None,
) -> AsyncIterator[Talk]:
    async with (
        hoc.serve((HOST, 0), handler=echo, **our_server(case) | dict(ours or {})) as serving,
        network(serving.address, seed) as relay,
        Program([*wolfssl.client(program, case, relay.address[1], files), *theirs]) as client,
    ):
        yield Talk(_said_by(client, seed), client, relay, lambda: list(serving.sessions))


@asynccontextmanager
async def _with_their_server(
    case: Case,
    program: str,
    files: Material,
    seed: int | None = None,
    *,
    theirs: Sequence[str] = (),
    server: Sequence[str] = (),
    ours: Mapping[str, Any] | None = None,
) -> AsyncIterator[Talk]:
    port = free_port()
    async with Program([*wolfssl.server(program, case, port, files), *theirs]) as serving:
        await serving.listens(port)
        async with (
            network((HOST, port), seed) as relay,
            hoc.connect(relay.address, **our_client(case) | dict(ours or {})) as session,
        ):
            yield Talk(
                lambda line: send_until_echoed(session, CALL + line, seed),
                serving,
                relay,
                lambda: [session],
            )


@asynccontextmanager
async def _alone(
    case: Case,
    program: str,
    files: Material,
    seed: int | None = None,
    *,
    theirs: Sequence[str] = (),
    server: Sequence[str] = (),
    ours: Mapping[str, Any] | None = None,
) -> AsyncIterator[Talk]:
    port = free_port()
    async with Program([*wolfssl.server(program, case, port, files), *server]) as serving:
        await serving.listens(port)
        async with (
            network((HOST, port), seed) as relay,
            Program([*wolfssl.client(program, case, relay.address[1], files), *theirs]) as client,
        ):
            yield Talk(_said_by(client, seed), client, relay, list, serving)


OPENS: Final[Mapping[Pairing, Opens]] = {
    "their client": _with_their_client,
    "their server": _with_their_server,
    "wolfSSL alone": _alone,
}
"""What begins a conversation of each pairing."""
