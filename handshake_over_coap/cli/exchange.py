"""Application data of a client: what is sent, what comes back, and when to stop waiting."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable
from typing import Final

from handshake_over_coap.cli.describe import Application
from handshake_over_coap.cli.progress import progress
from handshake_over_coap.errors import Closed, ConfigurationError, DatagramTooLarge, Error
from handshake_over_coap.net.session import Session
from handshake_over_coap.tls.alerts import AlertError

_WINDOW: Final = 32
_PACE: Final = 0.001
"""With 32 datagrams unanswered, as many seconds go by before the next, unless a reply comes."""

_GLANCE: Final = 0.02
"""Seconds between two looks at whether something is acknowledged."""

_DOUBT: Final = 5.0
"""Seconds without a sign of the server after something was sent, until it is asked for one."""

_GONE: Final = (
    "the server does not answer any more: it has gone, or started anew and forgotten the session, "
    "and what was sent last is probably lost; connect again"
)

_log = logging.getLogger(__name__)


class Exchange:
    """Sends datagrams over a session and passes each reply to ``show``; counts in ``figures``."""

    def __init__(
        self, session: Session, figures: Application, show: Callable[[bytes], None]
    ) -> None:
        self._session = session
        self._figures = figures
        self._show = show
        self._clear: Callable[[], None] = _nothing
        self._arrived = asyncio.Event()
        self._too_large = 0
        self._sent_at = self._heard_at = -math.inf

    async def run(self, datagrams: AsyncIterator[bytes], wait: float) -> None:
        """Send all ``datagrams``, then wait for the last replies.

        The wait is over when as many have come as were sent, or none for ``wait`` seconds.
        Raises Closed when the session ends before everything is sent, AlertError when a fatal
        alert ended it, and Error when a datagram did not fit or the server has no session any more.
        """
        receiver = asyncio.create_task(self._receive())
        sender = asyncio.create_task(self._send_all(datagrams))
        watcher = asyncio.create_task(self._watch())
        tasks = {receiver, sender, watcher}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not sender.done():
                (receiver if receiver.done() else watcher).result()
            sender.result()
            watcher.cancel()
            await self._last_replies(receiver, wait)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._too_large:
            raise Error(
                f"{self._too_large} of the datagrams did not fit: at most {self._session.limit} "
                "bytes; a larger --mtu allows more"
            )

    async def _send_all(self, datagrams: AsyncIterator[bytes]) -> None:
        async for data in datagrams:
            try:
                await self._session.send(data)
            except DatagramTooLarge as error:
                self._too_large += 1
                _log.warning("not sent: %s", error)
                continue
            self._figures.sent += 1
            self._figures.bytes += len(data)
            self._sent_at = asyncio.get_running_loop().time()
            await self._pace()

    async def _pace(self) -> None:
        """Give a fast source no chance to overrun the buffers on the way."""
        if self._figures.sent - self._figures.received >= _WINDOW:
            await self._arrival(_PACE)
        else:
            await asyncio.sleep(0)

    async def _receive(self) -> None:
        """Pass on what comes; ends with the exception that ends the session."""
        try:
            while True:
                data = await self._session.receive()
                self._figures.received += 1
                self._heard_at = asyncio.get_running_loop().time()
                self._figures.bytes += len(data)
                self._clear()
                self._show(data)
                self._arrived.set()
        finally:
            self._arrived.set()

    async def _watch(self) -> None:
        """Raise Error once the server turns out to have no session any more."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_DOUBT / 4)
            doubtful = self._sent_at > self._heard_at and loop.time() - self._sent_at >= _DOUBT
            if doubtful and await reachable(self._session, _DOUBT) is False:
                raise Error(_GONE)
            if doubtful:
                self._heard_at = loop.time()

    async def _arrival(self, wait: float) -> bool:
        """Whether a reply, or the end, came within ``wait`` seconds."""
        self._arrived.clear()
        try:
            async with asyncio.timeout(wait):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    async def _last_replies(self, receiver: asyncio.Task[None], wait: float) -> None:
        figures = self._figures
        async with progress(lambda: f"replies: {figures.received} of {figures.sent}") as clear:
            self._clear = clear
            while figures.received < figures.sent and not receiver.done():
                # The second half of the time asks the server for a sign, too.
                if not await self._arrival(wait / 2) and not await self._sign(receiver, wait / 2):
                    break
            self._clear = _nothing
        if receiver.done():
            self._judge_end(receiver)

    async def _sign(self, receiver: asyncio.Task[None], wait: float) -> bool:
        """Whether a reply comes; raises Error where the server does not even acknowledge."""
        figures = self._figures
        asked = asyncio.create_task(reachable(self._session, wait))
        try:
            if await self._arrival(wait) or receiver.done():
                return True
            there = await asked if wait else None
        finally:
            asked.cancel()
        said = f"{figures.received} replies to {figures.sent} datagrams"
        if there is False:
            raise Error(f"{said}: {_GONE}")
        if there is None and wait:
            _log.warning("%s; DTLS 1.2 cannot tell whether the others have arrived", said)
        else:
            _log.info("%s", said)
        return False

    @staticmethod
    def _judge_end(receiver: asyncio.Task[None]) -> None:
        """Everything was sent: that the peer closes then is no failure, unless by an alert."""
        try:
            receiver.result()
        except Closed as closed:
            if isinstance(closed.__cause__, AlertError):
                raise
            _log.info("%s", closed)


async def reachable(session: Session, patience: float) -> bool | None:
    """Whether the peer still has this session: it acknowledges a change of keys in time.

    ``patience`` is in seconds.  None in DTLS 1.2, whose peers acknowledge nothing.  Raises Closed
    after the end.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    try:
        await session.update_keys()
    except ConfigurationError:
        return None
    while session.updating and not session.closed:
        if loop.time() >= until:
            return False
        await asyncio.sleep(min(_GLANCE, patience))
    return not session.closed


def _nothing() -> None:
    pass
