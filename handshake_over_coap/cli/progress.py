"""A line on the terminal while something takes longer than a second."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

_PATIENCE: Final = 1.0
_INTERVAL: Final = 0.5
_CLEAR: Final = "\r\x1b[K"


@asynccontextmanager
async def progress(text: str | Callable[[], str]) -> AsyncIterator[Callable[[], None]]:
    """Show ``text`` and the seconds so far on standard error, if that is a terminal.

    Gives a function that takes the line away until its next turn, for when something else is to
    be printed.
    """
    if not (sys.stderr is not None and sys.stderr.isatty()):
        yield _nothing
        return
    task = asyncio.create_task(_show(text))
    try:
        yield _clear
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _show(text: str | Callable[[], str]) -> None:
    began = time.monotonic()
    await asyncio.sleep(_PATIENCE)
    try:
        while True:
            said = text if isinstance(text, str) else text()
            elapsed = time.monotonic() - began
            print(f"{_CLEAR}{said} ({elapsed:.0f} s)", end="", file=sys.stderr, flush=True)
            await asyncio.sleep(_INTERVAL)
    finally:
        _clear()


def _clear() -> None:
    print(_CLEAR, end="", file=sys.stderr, flush=True)


def _nothing() -> None:
    pass
