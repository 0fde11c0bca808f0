"""Where a session sends to, and how much, until the peer is known to be there.

A peer with a connection ID may move: its records then come from another address, and sending
follows.  But whoever can make a copy of a record arrive first chooses where it seems to come from.
Until the new address is proven, at most three times as many bytes go there as came from there, as
QUIC does it (RFC 9000 section 8.2), so that no third party can have a session flood a stranger.
The peer itself can: what proves the address is an ACK, and record numbers can be guessed.

Source: RFC 9146 section 6 and RFC 9147 section 11, which leave the strategy open.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint

AMPLIFICATION: Final = 3


class Outgoing:
    """Sends datagrams to the peer, wherever it is now; ``address`` is that of its handshake."""

    def __init__(
        self, endpoint: DatagramEndpoint, address: Address, counters: Counter[str]
    ) -> None:
        self._endpoint = endpoint
        self._counters = counters
        self._budget: int | None = None
        self._proven = address
        self.address = address

    @property
    def proven(self) -> bool:
        """Whether the peer is known to receive what is sent to its address."""
        return self._budget is None

    def move(self, address: Address) -> None:
        """The peer is at another address, so it seems, or back where it was last proven to be."""
        self.address = address
        self._budget = None if address == self._proven else 0
        self._counters["address changes"] += 1

    def heard(self, size: int) -> None:
        """A datagram of ``size`` bytes that was the peer's has come from the address."""
        if self._budget is not None:
            self._budget += AMPLIFICATION * size

    def prove(self) -> None:
        """The peer has answered what only somebody at the address could have received."""
        self._budget, self._proven = None, self.address

    def send(self, datagram: bytes) -> None:
        """Send a datagram; one that is more than may go to an unproven address is counted."""
        if self._budget is not None:
            if len(datagram) > self._budget:
                self._counters["held back: address not proven"] += 1
                return
            self._budget -= len(datagram)
        self._endpoint.send(datagram, self.address)
