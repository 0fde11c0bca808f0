"""Messages after the handshake on their way out: sent until an ACK names them, or given up."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from handshake_over_coap.carriers.delivery import Delivery
from handshake_over_coap.timers import Timer
from handshake_over_coap.tls.codepoints import HandshakeType


@dataclass(slots=True, eq=False)
class Sending:
    """Messages of ours that wait for their ACKs.

    ``timer`` is their own; ``deadline`` is None once they are given up.  ``nudged`` says that an
    ACK without news has had them sent again since the timer last ran out.
    """

    delivery: Delivery
    timer: Timer
    deadline: float | None
    nudged: bool = False

    @classmethod
    def begun(cls, delivery: Delivery, timer: Timer, now: float) -> Sending:
        """What is sent now for the first time, waiting as ``timer`` has learnt from others."""
        own = copy.copy(timer)
        own.sent(now)
        return cls(delivery, own, now + own.value)

    @property
    def epoch(self) -> int:
        """The epoch in which they are sealed."""
        return self.delivery.messages[0].epoch

    def holds(self, kind: HandshakeType) -> bool:
        """Whether a message of that type is among them."""
        return any(message.type == kind for message in self.delivery.messages)

    def resend_lost(self, now: float, *, news: bool) -> list[bytes]:
        """An ACK says that something is missing: send that, and wait afresh."""
        self.nudged = not news
        lost = self.delivery.resend_lost(now) if news else self.delivery.resend(now)
        if lost:
            self.deadline = now + self.timer.value
        return lost

    def resend(self, now: float) -> list[bytes]:
        """Nothing has acknowledged them in time: send them again, and wait longer."""
        self.delivery.attempts += 1
        self.timer.expired(now)
        self.deadline, self.nudged = now + self.timer.value, False
        return self.delivery.resend(now)

    def revive(self, now: float, timer: Timer) -> list[bytes]:
        """Try again what was given up, if it was."""
        if self.deadline is not None:
            return []
        self.delivery.attempts = 0
        self.timer = copy.copy(timer)
        self.timer.sent(now)
        self.deadline = now + self.timer.value
        return self.delivery.resend(now)
