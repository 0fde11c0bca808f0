"""Datagrams as lines of text, and standard input as datagrams."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import unicodedata
from collections.abc import AsyncGenerator
from typing import Final

from handshake_over_coap.errors import Error

_CHUNK: Final = 65536
LONGEST_LINE: Final = 65536
"""Bytes of the longest line that is kept; no UDP datagram holds as many."""

_NOT_IN_A_LINE: Final = {"Cc", "Zl", "Zp"}


def as_line(data: bytes) -> str:
    """A datagram as one line: its text, or ``hex:`` and its bytes.

    Bytes that are not UTF-8, or would break the line or steer a terminal, count as no text.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"hex:{data.hex()}"
    if any(unicodedata.category(each) in _NOT_IN_A_LINE for each in text.replace("\t", "")):
        return f"hex:{data.hex()}"
    return text


def standard_input() -> int | None:
    """The file descriptor of standard input, None where it is closed."""
    try:
        return None if sys.stdin is None else sys.stdin.fileno()
    except (OSError, ValueError):
        return None


async def lines_of(descriptor: int) -> AsyncGenerator[bytes]:
    """The lines of a file, pipe or terminal as they come, without their newlines.

    The loop is never blocked and the descriptor's mode never changed: a terminal's is shared with
    the shell.  Raises Error for a line longer than 65,536 bytes.
    """
    pending = b""
    while chunk := await _read(descriptor):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            yield line
        if len(pending) > LONGEST_LINE:
            raise Error(f"a line of more than {LONGEST_LINE} bytes on standard input")
    if pending:
        yield pending


async def _read(descriptor: int) -> bytes:
    """What there is to read; nothing at the end, or where the terminal or pipe has gone."""
    try:
        if _can_wait(descriptor):
            await _readable(descriptor)
        else:
            # A file never makes one wait, but others want their turn.
            await asyncio.sleep(0)
        return os.read(descriptor, _CHUNK)
    except BlockingIOError:  # somebody else read it first
        return await _read(descriptor)
    except OSError:
        return b""


def _can_wait(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
