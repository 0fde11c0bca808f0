"""One budget for all lines of the log that a peer can cause, so that nobody fills a disk with them.

What goes beyond is left out and counted; the next line that is written says how many were.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

AT_ONCE: Final = 100
"""Lines that may be written one after the other."""

A_SECOND: Final = 5.0
"""Lines that may be written in each second besides."""

_CAUSED_BY_PEERS: Final = (
    "carriers.coap.client",
    "carriers.coap.exchange",
    "carriers.rejections",
    "cli.exchange",
    "cli.serve",
    "integrations.aiocoap.resource",
    "net.server",
    "net.session",
    "net.traces",
    "net.udp",
    "tls.credentials.psk",
)
"""Modules whose lines of level INFO and above follow from what comes in."""


class Budget(logging.Filter):
    """Lets so many records through; those of level DEBUG, which somebody asked for, always.

    ``clock`` gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._left = float(AT_ONCE)
        self._at = clock()
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        if record.levelno < logging.INFO or _simulated():
            return True
        now = self._clock()
        self._left = min(AT_ONCE, self._left + A_SECOND * (now - self._at))
        self._at = now
        if self._left < 1:
            self._left_out += 1
            return False
        self._left -= 1
        if self._left_out:
            record.msg = f"{record.msg} ({self._left_out:,} lines left out before)"
            self._left_out = 0
        return True


def _simulated() -> bool:
    """Whether there is no peer but one that the user asked for: only virtual time has a zero."""
    try:
        return hasattr(asyncio.get_running_loop(), "time_zero_ns")
    except RuntimeError:
        return False


_BUDGET: Final = Budget()


def install() -> None:
    """Have every module whose lines a peer can cause share the budget of this process."""
    for name in _CAUSED_BY_PEERS:
        logging.getLogger(f"handshake_over_coap.{name}").addFilter(_BUDGET)
