"""Datagrams that wait for the application, and tasks that wait for datagrams."""

from __future__ import annotations

import asyncio
from collections import deque

from handshake_over_coap.errors import Closed

RECEIVE_QUEUE = 1024
"""Datagrams kept for an application that does not fetch them; more are dropped and counted."""


class Inbox:
    """What has arrived and has not been fetched; each datagram goes to one task."""

    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._end: Closed | None = None

    def put(self, data: bytes) -> bool:
        """Keep a datagram; False where there is no room for it."""
        if len(self._queue) >= RECEIVE_QUEUE:
            return False
        self._queue.append(data)
        self._wake()
        return True

    async def get(self) -> bytes:
        """The next datagram; raises Closed once there will be no more."""
        while not self._queue:
            if self._end is not None:
                raise Closed(str(self._end)) from self._end.__cause__
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
                elif self._queue:
                    self._wake()
                raise
        return self._queue.popleft()

    def end(self, reason: Closed) -> None:
        """Nothing will come any more; what has come can still be fetched."""
        self._end = reason
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
