"""Our flight of a classic DTLS 1.3 handshake on its way, and when it goes out again.

It does when the timer runs out, when an ACK shows a loss, or when the peer repeats the flight
before; only what the peer is not known to have.  Sans I/O like the engine, which says what came.

Source: RFC 9147 sections 5.8.1 to 5.8.3 and 7.2.
"""

from __future__ import annotations

from handshake_over_coap.carriers.delivery import Delivery
from handshake_over_coap.carriers.post_handshake import COPY
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.records.writer13 import Writer13
from handshake_over_coap.timers import Timer
from handshake_over_coap.tls.flight import Flight

from .clear import Hint


class OutgoingFlights:
    """The flights of one side, one after the other; ``mtu`` is the largest datagram in bytes."""

    def __init__(self, writer: Writer13, timer: Timer, mtu: int) -> None:
        self._writer, self._mtu = writer, mtu
        self.timer = timer
        self.delivery: Delivery | None = None
        self.resend_at: float | None = None
        self._nudged = self._repetition_answered = False
        self._retransmissions = 0

    @property
    def patience(self) -> float:
        """Seconds to wait for the rest of a flight before it is acknowledged in part."""
        return self.timer.value / 4

    @property
    def deadlines(self) -> tuple[float | None, float | None]:
        """When :meth:`go_on` or :meth:`on_timer` have something to do."""
        return self.resend_at, None if self.delivery is None else self.delivery.ask_at

    @property
    def flight(self) -> Flight:
        """What is on its way."""
        return () if self.delivery is None else self.delivery.messages

    @property
    def arrived(self) -> bool:
        """Whether the peer has shown that it has all of it."""
        return self.delivery is None or self.delivery.done

    @property
    def attempts(self) -> int:
        """How often the timer has had it sent again."""
        return 0 if self.delivery is None else self.delivery.attempts

    @property
    def delivered_again(self) -> int:
        """Datagrams that held anything for a second time, in flights that are answered."""
        return self._retransmissions

    @property
    def retransmissions(self) -> int:
        """Datagrams that held anything for a second time."""
        return self._retransmissions + (0 if self.delivery is None else self.delivery.repeated)

    def send(self, flight: Flight, now: float) -> list[bytes]:
        """The datagrams of a new flight, as far as they may go out at once."""
        self._nudged = self._repetition_answered = False
        self.delivery = Delivery(flight, self._writer, self._mtu)
        datagrams = self.delivery.send(now)
        self.timer.sent(now)
        self._wait(now)
        return datagrams

    def answered(self, now: float) -> None:
        """The peer goes on, so it has the whole of our flight."""
        delivery, self.delivery, self.resend_at = self.delivery, None, None
        if delivery is None:
            return
        self._retransmissions += delivery.repeated
        self.timer.answered(now, delivery.repeats)

    def ask(self, now: float) -> list[bytes]:
        """The datagrams of what ACKs show to be lost, once no more of them are to follow."""
        delivery = self.delivery
        if delivery is None or delivery.ask_at is None or now < delivery.ask_at:
            return []
        return self._sent_again(delivery.resend_lost(now), now)

    def due(self, now: float) -> bool:
        """Whether the timer has run out."""
        return self.delivery is not None and self.resend_at is not None and now >= self.resend_at

    def go_on(self, now: float) -> list[bytes] | None:
        """The datagrams of a long flight that were still to come; None where there are none."""
        if self.delivery is None or not self.delivery.rest_is_clear:
            return None
        return self._sent_again(self.delivery.go_on(now), now)

    def again(self, hint: Hint, now: float) -> list[bytes]:
        """The datagrams of the flight once more, as the timer has run out.

        Raises HandshakeTimeout after the last attempt, or what ``hint`` says by now.
        """
        delivery = self.delivery
        if delivery is None:
            return []
        hint.weigh()
        if self.timer.exhausted:
            raise hint.or_silence(delivery.attempts + 1)
        delivery.attempts += 1
        self._nudged = self._repetition_answered = False
        if hint.error is None:
            self.timer.expired(now)
        return self._sent_again(delivery.resend(now), now)

    def acked(
        self, numbers: tuple[RecordNumber, ...], now: float, *, authentic: bool
    ) -> list[bytes]:
        """The peer names what it has of our flight: the datagrams of what it lacks."""
        delivery = self.delivery
        if delivery is None:
            return []
        news = delivery.acknowledge(numbers, now, authentic=authentic)
        if authentic:
            news |= delivery.has_keys()
        self._measure(delivery.measured_from, now)
        if delivery.done:
            self.resend_at = None
            return []
        if self._nudged and not news:
            return []
        self._nudged = not news
        # Without a number, or in the clear: the peer has no keys yet, or nothing at all.  A hello
        # needs none.
        reads_all = authentic or delivery.all_clear
        hears_all = reads_all and (numbers or delivery.touched)
        again = delivery.resend_lost(now) if hears_all else delivery.resend_first(now)
        return self._sent_again(again, now)

    def repetition(self, now: float) -> list[bytes]:
        """The peer repeats a flight: ours was lost.  Not for each copy that the network makes.

        Once until the timer runs out, too: anybody can repeat what was in the clear.
        """
        delivery = self.delivery
        if delivery is None or delivery.touched or self._repetition_answered:
            return []
        if now - delivery.last_sent < COPY:
            return []
        self._repetition_answered = True
        return self._sent_again(delivery.resend(now), now)

    def _measure(self, since: float | None, now: float) -> None:
        """An ACK names what was sent at ``since``, and only then: that is a round trip.

        However often other parts of the flight were repeated: the timer starts from there again,
        and counts repetitions anew (RFC 9147 section 5.8.2).
        """
        if since is None or self.resend_at is None:
            return
        self.timer.sent(since)
        self.timer.answered(now, 0)
        self.resend_at = min(self.resend_at, now + self.timer.value)

    def _sent_again(self, datagrams: list[bytes], now: float) -> list[bytes]:
        """Wait afresh, if anything was sent."""
        if datagrams:
            if self.delivery is not None and not self.delivery.repeats:
                self.timer.sent(now)  # more of a flight too long to be sent at once
            self._wait(now)
        return datagrams

    def _wait(self, now: float) -> None:
        """Until the timer runs out, or until more of a long hello goes out without an ACK.

        A server that keeps nothing of its clients acknowledges no part of one, and neither does a
        client that does not know yet which version the server speaks.
        """
        more = self.delivery is not None and self.delivery.rest_is_clear
        self.resend_at = now + (self.patience if more else self.timer.value)
