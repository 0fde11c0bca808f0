"""Signals that ask a command to end: it says goodbye to its peers and closes its files first."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
_OFFSET: Final = 128
"""What shells add to the number of a signal that ended a command."""


@contextmanager
def handled(on_signal: Callable[[int], None], *more: signal.Signals) -> Iterator[None]:
    """Call ``on_signal`` for each signal that asks to end, and for ``more``, within the block.

    One that is ignored stays so: that is how a command outlives its terminal (``nohup``).
    """
    loop = asyncio.get_running_loop()
    numbers = [each for each in (*_ENDING, *more) if signal.getsignal(each) is not signal.SIG_IGN]
    for number in numbers:
        loop.add_signal_handler(number, on_signal, int(number))
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def orderly(work: Coroutine[Any, Any, int]) -> int:
    """The status of ``work``, which is cancelled by a signal: 128 and its number, then."""
    task = asyncio.ensure_future(work)
    received: list[int] = []

    def end(number: int) -> None:
        received.append(number)
        task.cancel()

    with handled(end):
        try:
            return await task
        except asyncio.CancelledError:
            if not received:
                task.cancel()
                await asyncio.wait((task,))
                raise
            return _OFFSET + received[0]
