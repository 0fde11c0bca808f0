"""Packets of a handshake that wait for its secrets, which an analyser reads before them.

DTLS over UDP is read from the wire, and the secrets of a handshake are known only at its end.  So a
capture that is to hold both gets the packets from a peer's ClientHello on when its secrets stand
there.  Packets of different peers may thus not be in the order of their times.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from handshake_over_coap.trace.tap import DatagramSeen, Observer

MOST_PEERS: Final = 256
"""Peers whose packets wait: those of the first make room."""
MOST_DATAGRAMS: Final = 64
"""Packets of one peer that wait; with one more all are written."""
MOST_BYTES: Final = 1024 * 1024
"""Bytes of UDP payloads that wait in all, beyond which those of the first peer are written."""


class SecretsFirst:
    """Stands before ``observer``, a capture, and holds handshakes back until they are released.

    ``begins`` tells by a datagram's bytes that a handshake begins.  One that is not released within
    ``patience`` seconds of that has failed: its packets are written with the next that is seen.
    Nothing is ever left out.
    """

    def __init__(
        self, observer: Observer, begins: Callable[[bytes], bool], patience: float
    ) -> None:
        self._observer = observer
        self._begins = begins
        self._patience = patience
        self._held: OrderedDict[tuple[str, int], list[DatagramSeen]] = OrderedDict()
        self._bytes = 0

    def observe(self, seen: DatagramSeen) -> None:
        """Write a datagram, or keep it if it belongs to a handshake under way."""
        while self._held and self._oldest[1][0].time + self._patience <= seen.time:
            self._write_oldest()
        peer = (seen.host, seen.port)
        if peer not in self._held and not self._begins(seen.data):
            self._observer.observe(seen)
            return
        held = self._held.setdefault(peer, [])
        held.append(seen)
        self._bytes += len(seen.data)
        if len(held) > MOST_DATAGRAMS:
            self.release(*peer)
        while self._bytes > MOST_BYTES or len(self._held) > MOST_PEERS:
            self._write_oldest()

    @property
    def _oldest(self) -> tuple[tuple[str, int], list[DatagramSeen]]:
        return next(iter(self._held.items()))

    def _write_oldest(self) -> None:
        self.release(*self._oldest[0])

    def release(self, host: str, port: int) -> None:
        """Write what waits of that peer: its secrets stand in the capture, or never will."""
        for seen in self._held.pop((host, port), ()):
            self._bytes -= len(seen.data)
            self._observer.observe(seen)

    def close(self) -> None:
        """Write everything that waits."""
        while self._held:
            self._write_oldest()
