"""Where a session sends to, and how much, until the peer is known to be there.

A peer with a connection ID may move: its records then come from another address, and sending
follows.  But whoever can make a copy of a record arrive first chooses where it seems to come from.
Until the new address is proven, at most three times as many bytes go there as came from there, as
QUIC does it (RFC 9000 section 8.2), so that no third party can have a session flood a stranger.
The peer itself can: what proves the address is an ACK, and record numbers can be guessed.

Where an address can be tested, in DTLS 1.3, only the test and answers go there.  Application data
goes to the address that was proven last, where the peer still is if the move was none; and the
newest of it once more to the new address, when that is proven.  The replay window of a peer that
gets both drops one.  DTLS 1.2 has no test, and everything follows.

Source: RFC 9146 section 6 and RFC 9147 section 11, which leave the strategy open.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint

AMPLIFICATION: Final = 3

HELD = 16
"""Datagrams of application data that are kept until a new address is proven: the newest."""


class OutgoingDatagrams:
    """Sends datagrams to the peer, wherever it is now; ``address`` is that of its handshake.

    ``tested`` tells whether :meth:`prove` is ever called.
    """

    def __init__(
        self,
        endpoint: DatagramEndpoint,
        address: Address,
        counters: Counter[str],
        *,
        tested: bool,
    ) -> None:
        self._endpoint = endpoint
        self._counters = counters
        self._tested = tested
        self._held = deque[bytes](maxlen=HELD)
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
        if self.proven:
            self._held.clear()  # it went there
        self._counters["address changes"] += 1

    def heard(self, size: int) -> None:
        """A datagram of ``size`` bytes that was the peer's has come from the address."""
        if self._budget is not None:
            self._budget += AMPLIFICATION * size

    def prove(self) -> None:
        """The peer has answered what only somebody at the address could have received."""
        self._budget, self._proven = None, self.address
        while self._held:
            self._endpoint.send(self._held.popleft(), self.address)

    def send_data(self, datagram: bytes) -> None:
        """Send a datagram of the application to where the peer is known to be."""
        if self.proven or not self._tested:
            self.send(datagram)
        else:
            self._endpoint.send(datagram, self._proven)
            self._held.append(datagram)

    def send(self, datagram: bytes) -> None:
        """Send a datagram; one that is more than may go to an unproven address is counted."""
        if self._budget is not None:
            if len(datagram) > self._budget:
                self._counters["held back: address not proven"] += 1
                return
            self._budget -= len(datagram)
        self._endpoint.send(datagram, self.address)
