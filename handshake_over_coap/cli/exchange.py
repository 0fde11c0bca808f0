"""Application data of a client: what is sent, what comes back, and when to stop waiting."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Final

from handshake_over_coap.cli.describe import Application
from handshake_over_coap.cli.progress import progress
from handshake_over_coap.errors import Closed, DatagramTooLarge, Error
from handshake_over_coap.net.session import Session
from handshake_over_coap.tls.alerts import AlertError

_WINDOW: Final = 32
_PACE: Final = 0.001
"""With 32 datagrams unanswered, as many seconds go by before the next, unless a reply comes."""

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

    async def run(self, datagrams: AsyncIterator[bytes], wait: float) -> None:
        """Send all ``datagrams``, then wait for the last replies.

        The wait is over when as many have come as were sent, or none for ``wait`` seconds.
        Raises Closed when the session ends before everything is sent, AlertError when a fatal
        alert ended it, and Error when a datagram did not fit.
        """
        receiver = asyncio.create_task(self._receive())
        sender = asyncio.create_task(self._send_all(datagrams))
        try:
            await asyncio.wait({receiver, sender}, return_when=asyncio.FIRST_COMPLETED)
            if not sender.done():
                receiver.result()
            sender.result()
            await self._last_replies(receiver, wait)
        finally:
            receiver.cancel()
            sender.cancel()
            await asyncio.gather(receiver, sender, return_exceptions=True)
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
                self._figures.bytes += len(data)
                self._clear()
                self._show(data)
                self._arrived.set()
        finally:
            self._arrived.set()

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
                if not await self._arrival(wait):
                    _log.info("%d replies to %d datagrams", figures.received, figures.sent)
                    break
            self._clear = _nothing
        if receiver.done():
            self._judge_end(receiver)

    @staticmethod
    def _judge_end(receiver: asyncio.Task[None]) -> None:
        """Everything was sent: that the peer closes then is no failure, unless by an alert."""
        try:
            receiver.result()
        except Closed as closed:
            if isinstance(closed.__cause__, AlertError):
                raise
            _log.info("%s", closed)


def _nothing() -> None:
    pass
