"""One confirmable message under way: sent, and sent again until somebody says that it came.

RFC 7252 section 4.2.  Both roles send them: a client its requests, a server its separate responses.
"""

from __future__ import annotations

from dataclasses import dataclass

from handshake_over_coap.timers.base import Timer


@dataclass(slots=True)
class Confirmable:
    """A message that waits for its acknowledgement; times in seconds.

    ``due`` is when it is repeated, or given up if ``timer`` is exhausted; ``repeats`` counts how
    often it was repeated.
    """

    datagram: bytes
    message_id: int
    token: bytes
    timer: Timer
    due: float = 0.0
    repeats: int = 0

    def sent(self, now: float) -> bytes:
        """It goes out for the first time."""
        self.timer.sent(now)
        self.due = now + self.timer.value
        return self.datagram

    def again(self, now: float) -> bytes | None:
        """Its time has passed: the datagram once more, ``None`` where it is given up."""
        if self.timer.exhausted:
            return None
        self.timer.expired(now)
        self.due = now + self.timer.value
        self.repeats += 1
        return self.datagram


class MessageIds:
    """Message IDs in a row, from a random one on (RFC 7252 section 4.4)."""

    __slots__ = ("_next",)

    def __init__(self, first: int) -> None:
        self._next = first

    def take(self) -> int:
        """The next one, which is not used again for the next 65,535 messages."""
        taken, self._next = self._next, (self._next + 1) & 0xFFFF
        return taken
