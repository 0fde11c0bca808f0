"""Messages after the handshake on their way out: sent until an ACK names them, or given up."""

from __future__ import annotations

from dataclasses import dataclass

from handshake_over_coap.carriers.delivery import Delivery
from handshake_over_coap.carriers.timer13 import Timer
from handshake_over_coap.tls.codepoints import HandshakeType


@dataclass(slots=True, eq=False)
class Sending:
    """Messages of ours that wait for their ACKs.

    ``wait`` is the present value of their own timer, in seconds; ``deadline`` is None once they are
    given up.  ``nudged`` says that an ACK without news has had them sent again since the timer last
    ran out.
    """

    delivery: Delivery
    wait: float
    deadline: float | None
    nudged: bool = False

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
            self.deadline = now + self.wait
        return lost

    def resend(self, now: float, timer: Timer) -> list[bytes]:
        """Nothing has acknowledged them in time: send them again, and wait twice as long."""
        self.delivery.attempts += 1
        self.wait = timer.doubled(self.wait)
        self.deadline, self.nudged = now + self.wait, False
        return self.delivery.resend(now)

    def revive(self, now: float, timer: Timer) -> list[bytes]:
        """Try again what was given up, if it was."""
        if self.deadline is not None:
            return []
        self.delivery.attempts = 0
        self.wait, self.deadline = timer.value, now + timer.value
        return self.delivery.resend(now)
