"""Putting packets together again: a few buffers, each for a limited time (RFC 4944 section 5.3)."""

from __future__ import annotations

from collections import Counter
from typing import Final

from .errors import MalformedFrame
from .fragmentation import UNIT, FirstFragment, LaterFragment
from .iphc import Contexts, Hop, decompress

MAX_TIMEOUT: Final = 60.0
"""Seconds that the standard allows at most."""

TIMEOUT: Final = 3.0
"""Seconds, unless told otherwise: what RIOT takes (CONFIG_GNRC_SIXLOWPAN_FRAG_RBUF_TIMEOUT_US).

OpenThread takes 2 s, Contiki-NG 8 s (SICSLOWPAN_REASS_MAXAGE).
"""
BUFFERS: Final = 4
"""Packets, unless told otherwise: RIOT's too (.._RBUF_SIZE); Contiki-NG has 2.

By default RIOT also has the oldest packet make room, as we do.
"""


class _Buffer:
    """A packet that is being put together; ``parts`` holds lengths by offset."""

    __slots__ = ("begun", "data", "parts")

    def __init__(self, begun: float, size: int) -> None:
        self.begun = begun
        self.data = bytearray(size)
        self.parts: dict[int, int] = {}

    def overlaps(self, offset: int, length: int) -> bool:
        return any(
            start < offset + length and offset < start + size for start, size in self.parts.items()
        )

    def put(self, offset: int, part: bytes) -> bool:
        """Keep ``part``; True if nothing is missing any more."""
        self.data[offset : offset + len(part)] = part
        self.parts[offset] = len(part)
        return sum(self.parts.values()) == len(self.data)


class Reassembler:
    """One node's packets that are under way: at most ``buffers``, ``timeout`` seconds each.

    When all buffers are in use, the oldest packet makes room for another one: it most likely lacks
    a fragment that was lost, while the other one is just coming in.  ``counters`` counts what went
    wrong: ``expired``, ``made room``, ``overlap``.  ``peak`` is the most bytes that were held at a
    time.
    """

    __slots__ = ("_buffers", "_limit", "_timeout", "counters", "peak")

    def __init__(self, timeout: float = TIMEOUT, buffers: int = BUFFERS) -> None:
        self._timeout = timeout
        self._limit = buffers
        self._buffers: dict[tuple[Hop, int, int], _Buffer] = {}
        self.counters: Counter[str] = Counter()
        self.peak = 0

    @property
    def held(self) -> int:
        """Bytes of all buffers."""
        return sum(len(buffer.data) for buffer in self._buffers.values())

    def add(
        self, now: float, piece: FirstFragment | LaterFragment, hop: Hop, contexts: Contexts
    ) -> bytes | None:
        """Take in a fragment that came over ``hop``; the packet, uncompressed, once it is whole.

        Raises MalformedFrame, and keeps nothing, for headers that cannot be read.
        """
        offset, part = _placed(piece, hop, contexts)
        self.expire(now)
        key = (hop, piece.size, piece.tag)
        buffer = self._buffers.get(key)
        if buffer is not None and buffer.overlaps(offset, len(part)):
            if buffer.parts.get(offset) == len(part):
                return None  # the same fragment again
            self.counters["overlap"] += 1
            del self._buffers[key]
            buffer = None
        if buffer is None:
            if len(self._buffers) >= self._limit:
                self.counters["made room"] += 1
                del self._buffers[next(iter(self._buffers))]
            buffer = self._buffers[key] = _Buffer(now, piece.size)
            self.peak = max(self.peak, self.held)
        if not buffer.put(offset, part):
            return None
        del self._buffers[key]
        return bytes(buffer.data)

    def expire(self, now: float) -> None:
        """Give up on packets whose first fragment to come is ``timeout`` seconds old."""
        old = [key for key, buffer in self._buffers.items() if now - buffer.begun >= self._timeout]
        for key in old:
            del self._buffers[key]
        self.counters["expired"] += len(old)


def _placed(
    piece: FirstFragment | LaterFragment, hop: Hop, contexts: Contexts
) -> tuple[int, bytes]:
    """Where the bytes of a fragment belong, and those bytes, uncompressed."""
    if isinstance(piece, LaterFragment):
        if not piece.offset:
            raise MalformedFrame("a later fragment at the packet's start")
        return piece.offset, piece.data
    headers, taken = decompress(piece.rest, hop, contexts, piece.size)
    part = headers + piece.rest[taken:]
    if len(part) > piece.size or (len(part) < piece.size and len(part) % UNIT):
        raise MalformedFrame(f"a first fragment of {len(part)} bytes of a packet of {piece.size}")
    return 0, part
