"""The log of what peers do, rejected handshakes above all: who and why, but no flood of it."""

from __future__ import annotations

import logging
import math

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.tls.alerts import AlertError

log = logging.getLogger(__name__)

MOST_LINES = 10
"""Lines a second: anybody can send what is rejected."""


class Rejections:
    """One budget for all lines that a peer can cause, at one engine."""

    def __init__(self) -> None:
        self._second = -1
        self._lines = 0

    def say(self, address: Address, error: AlertError, now: float) -> None:
        """Log a rejected handshake: whose it was and which alert ended it."""
        self.tell(now, "rejected handshake of %s: %s", address, error)

    def tell(self, now: float, text: str, *about: object, level: int = logging.INFO) -> None:
        """Log a line at the time ``now`` of the loop, while there have been few in this second."""
        second = math.floor(now)
        if second != self._second:
            if self._lines > MOST_LINES:
                log.info("and %d lines more that peers have caused", self._lines - MOST_LINES)
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines <= MOST_LINES:
            log.log(level, text, *about)
