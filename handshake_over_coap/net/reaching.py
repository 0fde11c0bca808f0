"""Which of the addresses of a name to talk to: the first at which somebody answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.errors import CarrierError, Error, HandshakeTimeout

from .client import Client
from .endpoint import HostPort, UdpEndpoint, open_each
from .session import Session

log = logging.getLogger(__name__)

SILENCE: Final = 8.0
"""Seconds after which an address from which nothing has come is left for the next one.

Two repetitions of a first message have gone out by then, by any of the standards' timers but that
of RFC 7925.
"""

Attempt: TypeAlias = tuple[Client, Callable[[], Coroutine[Any, Any, Session]]]
"""A client at one address, and what makes its handshake."""


@asynccontextmanager
async def reached(
    address: HostPort,
    local: HostPort | None,
    attempt: Callable[[UdpEndpoint, Address], Attempt],
) -> AsyncIterator[Session]:
    """The session with the first address of a name that answers; closed when the block is left.

    At the last that can be used, and at the only one of most names, the handshake has all its time.
    Captures are of the last attempt.  Raises what opening the endpoint and the handshake raise.
    """
    endpoints = open_each(local, connect_to=address)
    latest: _Attempt | None = None
    try:
        async for endpoint, further in endpoints:
            if latest is not None:
                log.info("%s does not answer; trying %s", latest.peer, endpoint.peer)
                await latest.close()
            latest = _Attempt(endpoint, attempt)
            if not further or not await latest.silent():
                break
            if local is not None and local[1]:  # the next one needs the port
                await latest.close()
        if latest is None or latest.session.cancelled():
            raise HandshakeTimeout(f"no address of {address[0]} answers")
        yield await latest.session
    finally:
        await endpoints.aclose()
        if latest is not None:
            await latest.close()
    if latest.files_failure is not None:
        raise latest.files_failure


class _Attempt:
    """A handshake with one address."""

    def __init__(
        self, endpoint: UdpEndpoint, make: Callable[[UdpEndpoint, Address], Attempt]
    ) -> None:
        self.peer = _peer(endpoint)
        try:
            self._client, handshake = make(endpoint, self.peer)
        except BaseException:
            endpoint.close()
            raise
        self.session: asyncio.Future[Session] = asyncio.ensure_future(handshake())

    async def silent(self) -> bool:
        """Whether nothing comes from there, or nobody is there; False as soon as it is not so."""
        noticed = asyncio.ensure_future(self._client.noticed.wait())
        waited: set[asyncio.Future[Any]] = {self.session, noticed}
        await asyncio.wait(waited, timeout=SILENCE, return_when=asyncio.FIRST_COMPLETED)
        noticed.cancel()
        if self._client.heard or not self.session.done():
            return not self._client.heard
        failure = None if self.session.cancelled() else self.session.exception()
        return isinstance(failure, HandshakeTimeout | CarrierError)

    @property
    def files_failure(self) -> Error | None:
        """Why a file of the client is not whole, once it is closed."""
        return self._client.files_failure

    async def close(self) -> None:
        """End the handshake, if it is under way, and the session."""
        self.session.cancel()
        await asyncio.wait((self.session,))
        if not self.session.cancelled():
            self.session.exception()  # whoever waited for it has it
        await self._client.close()


def _peer(endpoint: UdpEndpoint) -> Address:
    if endpoint.peer is None:
        raise Error("the endpoint is not connected")
    return endpoint.peer
