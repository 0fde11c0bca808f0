"""Secrets that stand in a capture before the handshake they belong to.

An analyser reads DTLS over UDP from the wire, and reads secrets only before what they open
(measured: secrets behind a handshake open nothing in tshark 4.0, not even with ``-2``).  But they
are known only at its end, and a process may be killed before that.  So a file gets every datagram
at once, and before a ServerHello room that is filled in place later.  What cannot be written in
place, a pipe for example, gets the datagrams from the ServerHello on when the secrets stand there,
or never will.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from handshake_over_coap.trace.capture import Capture
from handshake_over_coap.trace.tap import DatagramSeen

MOST_PEERS: Final = 1024
"""Peers with room, or whose packets wait: the first gives way."""
MOST_DATAGRAMS: Final = 64
"""Packets of one peer that wait; with one more all are written."""
MOST_BYTES: Final = 1024 * 1024
"""Bytes of UDP payloads that wait in all, beyond which those of the first peer are written."""

Begins = Callable[[bytes], bool]
"""Tells by a datagram's bytes whether the secrets have to stand before it."""


class Written(Protocol):
    """What a :class:`Capture` is to those who stand before it."""

    def observe(self, seen: DatagramSeen) -> None:
        """Append a datagram."""

    def reserve(self) -> int | None:
        """Keep room for secrets, where that can be."""

    def secrets(self, key_log: str, room: int | None = None) -> None:
        """Write lines of a key log, into room that was kept or at the end."""


class SecretsInPlace:
    """Stands before ``capture``, a file, and keeps room for secrets before what ``begins``."""

    def __init__(self, capture: Written, begins: Begins) -> None:
        self._capture = capture
        self._begins = begins
        self._rooms: OrderedDict[tuple[str, int], int] = OrderedDict()

    def observe(self, seen: DatagramSeen) -> None:
        """Write a datagram.  A handshake that begins after one that failed has its room."""
        peer = (seen.host, seen.port)
        if self._begins(seen.data) and peer not in self._rooms:
            room = self._capture.reserve()
            if room is not None:
                self._rooms[peer] = room
            if len(self._rooms) > MOST_PEERS:
                self._rooms.popitem(last=False)
        self._capture.observe(seen)

    def secrets(self, host: str, port: int, lines: Sequence[str]) -> None:
        """The handshake with that peer is complete: write its lines of a key log."""
        self._capture.secrets("\n".join(lines), self._rooms.pop((host, port), None))

    def close(self) -> None:
        """Everything is written already."""


class SecretsFirst:
    """Stands before ``capture``, a pipe, and holds handshakes back until their secrets are there.

    One that does not complete within ``patience`` seconds has failed: its packets are written with
    the next that is seen.  Nothing is ever left out.  Packets of different peers may thus not be in
    the order of their times.
    """

    def __init__(self, capture: Written, begins: Begins, patience: float) -> None:
        self._capture = capture
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
            self._capture.observe(seen)
            return
        held = self._held.setdefault(peer, [])
        held.append(seen)
        self._bytes += len(seen.data)
        if len(held) > MOST_DATAGRAMS:
            self._release(peer)
        while self._bytes > MOST_BYTES or len(self._held) > MOST_PEERS:
            self._write_oldest()

    def secrets(self, host: str, port: int, lines: Sequence[str]) -> None:
        """The handshake with that peer is complete: write its lines of a key log, then the rest."""
        self._capture.secrets("\n".join(lines))
        self._release((host, port))

    def close(self) -> None:
        """Write everything that waits."""
        while self._held:
            self._write_oldest()

    @property
    def _oldest(self) -> tuple[tuple[str, int], list[DatagramSeen]]:
        return next(iter(self._held.items()))

    def _write_oldest(self) -> None:
        self._release(self._oldest[0])

    def _release(self, peer: tuple[str, int]) -> None:
        for seen in self._held.pop(peer, ()):
            self._bytes -= len(seen.data)
            self._capture.observe(seen)


def secrets_ahead(
    capture: Capture, begins: Begins, patience: float
) -> SecretsInPlace | SecretsFirst:
    """The one of both that fits ``capture``."""
    if capture.in_place:
        return SecretsInPlace(capture, begins)
    return SecretsFirst(capture, begins, patience)
