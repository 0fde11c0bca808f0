"""The server's half of a burst conversation.

It repeats of its own accord, and what it sends to an address that is not proven stays within three
times what came from there.
"""

from __future__ import annotations

from collections.abc import Sequence

from handshake_over_coap.timers import Timer

from .burst_arriving import AT_ONCE, Arriving
from .burst_half import Half, Send
from .burst_pace import MEASURED, UNMEASURED
from .burst_sending import Sending
from .pieces import Note, Part, Piece, Saying, Source

AMPLIFICATION = 3
"""Bytes that may go to an unproven address for each byte that came from it (RFC 9175 2.4)."""
_GUARD = 0.1
"""Seconds after ours in which a repeated flight is no sign of loss, however short the path."""


class Allowance:
    """What may still be sent to one endpoint, in bytes; without a limit once it is ``proven``."""

    def __init__(self, *, proven: bool = False) -> None:
        self.proven = proven
        self.left = 0

    def received(self, size: int) -> None:
        """A datagram of ``size`` bytes came in."""
        self.left += AMPLIFICATION * size

    def spend(self, size: int) -> bool:
        """Whether a datagram of ``size`` bytes may go out; it counts if so."""
        if not self.proven:
            if size > self.left:
                return False
            self.left -= size
        return True


class ServerHalf(Half):
    """The server of one handshake.

    ``overhead`` is what a message takes around the payload, in bytes.  ``probed`` says that the
    client has proven its address by a challenge that it asked for, so that it knows a round trip.
    """

    def __init__(
        self,
        timer: Timer,
        limit: int,
        allowance: Allowance,
        overhead: int,
        *,
        probed: bool,
        quick: bool = False,
    ) -> None:
        super().__init__(timer, MEASURED if probed else UNMEASURED, limit, b"", quick=quick)
        self.allowance = allowance
        self._overhead = overhead
        self._arriving = Arriving(1, limit)
        self._last_out = float("-inf")
        self._sent_once = False
        self._short = 0
        self._copies = 0
        self._answered_in = 0.0
        self._quoted = self._needed_at = float("-inf")

    def answer(self, body: bytes, room: int, now: float, *, last: bool) -> list[Send]:
        """Answer the body given last, in pieces of ``room`` bytes; ``last`` ends the handshake.

        Raises :class:`~handshake_over_coap.transfers.pieces.PieceError` where it cannot be cut.
        """
        flight = self._arriving.flight if self._arriving else 0
        if last and flight > 1:
            self.allowance.proven = True  # its Finished covers what we sent
        source = Source(flight + 1, body, room)
        sending = Sending(source, self._timer, b"", mixed=self._pace.mixed)
        if not last:
            return self._begin(sending, now)
        self._sending, self._arriving = sending, None
        self._report_at = self._whole_at = None
        self._copies = 0
        return self._say_last(sending, now)

    def take(self, part: Part, now: float, stamp: int | None = None) -> list[Send]:
        """Take what came from the client.  The datagram counts as received before."""
        sending, arriving = self._sending, self._arriving
        if isinstance(part, Note):
            return self._hear(part, sending, now)
        if sending is not None and part.flight == sending.flight - 1:
            return self._asked_again(sending, now)
        if arriving is None or part.flight != arriving.flight:
            return []
        if sending is not None and not arriving.begun:
            if self.round_trip is None and self._sent_once and not sending.taken:
                self.measured(self._last_out, now)
            self._answered_in = now - self._last_out
            self._rest(now)
        return self._collect(part, now)

    @property
    def _guard(self) -> float:
        """Seconds in which what comes again may be answered already."""
        return max(_GUARD, self.round_trip or 0.0)

    def _hear(self, note: Note, sending: Sending | None, now: float) -> list[Send]:
        """Take a note on our flight; it has to quote from it, as anybody may have sent it."""
        if sending is None or note.flight != sending.flight:
            return []
        groups = sending.source.groups
        long = groups > 1 and note.saying is Saying.NEED
        sent_at = sending.quoted(note.rest[groups:] if long else note.rest)
        if sent_at is None:
            return []
        self.allowance.proven = True
        again, self._quoted = sent_at <= self._quoted, max(sent_at, self._quoted)
        if note.saying is Saying.NEED:
            if again and now - self._needed_at < self._guard / 2:
                return []  # whoever has seen a quotation once can send it again and again
            self._needed_at = now
        if not again:  # a replay would tell any round trip
            self._noted(note, sent_at, now)
        self._short = 0
        if self._arriving is None:  # the last flight is repeated when asked for, and not by itself
            out = self._needed(note, sending, now) if note.saying is Saying.NEED else []
            sending.stop()
            return out
        if note.saying is Saying.NEED:
            return self._needed(note, sending, now)
        self._computes(sending, now)
        return []

    def _asked_again(self, sending: Sending, now: float) -> list[Send]:
        """A piece of the flight that ours answers: the client has nothing of ours yet, perhaps."""
        guard = self._guard
        if self._arriving is None:
            at_once, _ = self.loss.copies(quick=self._quick)
            early = now - self._last_out < guard / 2
            return [] if early else self._give(sending, at_once * sending.source.k, now)
        if self._arriving.begun:
            return []
        out: list[Send] = []
        if self._short and not self.allowance.proven:
            count, self._short = self._short, 0
            out += self._give(sending, count, now)
        if now - self._last_out > guard:
            count = min(AT_ONCE, 1 + sending.silences // self._pace.step)
            out += self._give(sending, count, now)
            sending.arm(now)
        return out

    def _say_last(self, sending: Sending, now: float) -> list[Send]:
        """Some copies of the last flight, and more after a timer as long as loss asks for them."""
        at_once, in_all = self.loss.copies(quick=self._quick)
        out = self._give(sending, at_once * sending.source.k, now)
        self._copies += at_once
        # Where no round trip is known for sure, this may only be too short, and copies are few.
        likely = max(_GUARD, 1.5 * self._answered_in)
        spacing = self._timer.value if self.round_trip is not None else likely
        sending.deadline = now + spacing if self._copies < in_all else None
        return out

    def _silence(self, sending: Sending, now: float) -> list[Send]:
        if self._arriving is not None:
            return super()._silence(sending, now)
        if sending.owed:
            out = self._give(sending, sending.owed, now)
            sending.arm(now)
            return out
        self.repeats += 1
        return self._say_last(sending, now)

    def _give(
        self, sending: Sending, count: int, now: float, groups: Sequence[int] = ()
    ) -> list[Send]:
        """As many as may go to this address; the others wait for what comes from it."""
        if not self.allowance.proven:
            fit = self.allowance.left // (sending.datagram + self._overhead)
            self._short = min(AT_ONCE, self._short + max(0, count - fit))
            count = min(count, fit)
        self._sent_once = sending.fresh
        out = super()._give(sending, count, now, groups)
        if out:
            self._last_out = now
        return out

    def _dispatch(self, parts: list[Piece] | list[Note], now: float) -> list[Send]:
        """What may go to this address."""
        out = super()._dispatch(parts, now)
        return [each for each in out if self.allowance.spend(len(each.payload) + self._overhead)]
