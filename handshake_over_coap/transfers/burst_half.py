"""What both halves of a burst conversation do alike: send one flight, put another together.

A flight goes out as its pieces and what loss makes worth adding.  The next flight acknowledges it;
until that begins, each silence draws a few pieces more, at intervals that double.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handshake_over_coap.timers import Timer, earliest

from .burst_arriving import AT_ONCE, Arriving
from .burst_pace import Loss, Pace
from .burst_sending import Sending
from .pieces import LONG_AGO, Note, Part, Piece, Saying

LONGEST_WAIT = 60.0
"""Seconds: no interval between reports is longer."""
COMPUTING = 8.0
"""Seconds that a side waits for a peer who said that it computes."""
_QUARTER = 0.25
_PAUSE = 16.0
"""Timers that a flight rests once the next one has begun; pieces of that may have been forged."""
_STALL = 16.0
"""Timers that a side with part of a flight waits, where it need not report, before it does."""


@dataclass(frozen=True, slots=True)
class Send:
    """The payload of a message that is to be sent now; ``stamp`` names it, to time its answer."""

    payload: bytes
    stamp: int


class Half:
    """One side of one handshake.  Times are seconds of the caller's clock.

    ``timer`` is made for the peer.  ``limit`` is the longest body in bytes.  ``given_up`` says that
    the timer allows no further repetition.  ``repeats`` counts pieces sent at silences.
    """

    def __init__(self, timer: Timer, pace: Pace, limit: int, tag: bytes, *, quick: bool) -> None:
        self._timer = timer
        self._pace = pace
        self._limit = limit
        self._tag = tag
        self._quick = quick
        self.loss = Loss(pace)
        self.round_trip: float | None = None
        self.given_up = False
        self.repeats = 0
        self._sending: Sending | None = None
        self._arriving: Arriving | None = None
        self._stamp = 0
        self._report_at: float | None = None
        self._reports = 0
        self._whole_at: float | None = None
        self._whole_said = False

    @property
    def held(self) -> int:
        """Bytes of the pieces that have come of a flight that is not answered."""
        return 0 if self._arriving is None else self._arriving.held

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` is due; None while there is nothing to wait for."""
        sending = self._sending.deadline if self._sending else None
        return earliest(sending, self._report_at, self._whole_at)

    def on_timer(self, now: float) -> list[Send]:
        """Do what is due."""
        out: list[Send] = []
        sending = self._sending
        if sending is not None and sending.deadline is not None and sending.deadline <= now:
            out += self._silence(sending, now)
        if self._report_at is not None and self._report_at <= now:
            out += self._report(now)
        if self._whole_at is not None and self._whole_at <= now:
            out += self._say_whole(now)
        return out

    def body(self, now: float) -> bytes | None:
        """What the flight that arrives may be, if it is whole: the next one after a rejection.

        Until the caller has rejected or answered it, it is being computed.
        """
        if self._arriving is None or self._whole_at is not None:
            return None
        body = self._arriving.body()
        if body is not None:
            self._report_at = None
            if self._sending is not None:
                self._sending.stop()
            self._whole_at, self._whole_said = now + _QUARTER * self._timer.value, False
        return body

    def reject(self, now: float) -> None:
        """That body was not genuine; another may follow from the same pieces or from more.

        Nor need the pieces have been: our own flight, which stopped for them, goes on in a while.
        """
        if self._arriving is not None:
            self._arriving.reject()
            self._whole_at = None
            self._report_at = now + self._timer.value
        self._rest(now)

    def _rest(self, now: float) -> None:
        """The next flight has begun, as it seems: ours rests, and goes on if that was forged."""
        if self._sending is not None:
            self._sending.wait(now, _PAUSE * self._timer.value)

    @property
    def unanimous(self) -> bool:
        """Whether the body given last is what the peer has sent, as further pieces show."""
        return self._arriving is not None and self._arriving.unanimous

    def ask(self, now: float) -> list[Send]:
        """Report at once, after a rejection: one more piece may tell which were forged."""
        return self._report(now)

    def measured(self, sent_at: float, now: float) -> None:
        """An answer to what was sent at ``sent_at`` came ``now``, and had no cause to wait."""
        self.round_trip = now - sent_at
        self._timer.sent(sent_at)
        self._timer.answered(now, 0)

    def _begin(self, sending: Sending, now: float) -> list[Send]:
        """Send a flight for the first time, and expect the one after it."""
        self._sending, self._arriving = sending, Arriving(sending.flight + 1, self._limit)
        self._report_at = self._whole_at = None
        self._reports = 0
        self._timer.sent(now)
        k = sending.source.k
        out = self._give(sending, k + self.loss.spare(k, quick=self._quick), now)
        sending.arm(now)
        return out

    def _give(
        self, sending: Sending, count: int, now: float, groups: Sequence[int] = ()
    ) -> list[Send]:
        """``count`` fresh pieces, of ``groups`` first."""
        return self._dispatch(sending.pieces(count, now, groups[:count]), now)

    def _dispatch(self, parts: list[Piece] | list[Note], now: float) -> list[Send]:
        out = []
        for part in parts:
            self._stamp += 1
            out.append(Send(part.encode(), self._stamp))
        return out

    def _silence(self, sending: Sending, now: float) -> list[Send]:
        """The timer has passed: the rest of a long flight, or some fresh pieces."""
        if sending.owed:
            out = self._give(sending, sending.owed, now)
        elif sending.timer.exhausted:
            self.given_up = True
            sending.stop()
            return []
        else:
            count = min(AT_ONCE, 1 + sending.silences // self._pace.step)
            out = self._give(sending, count, now)
            self.repeats += len(out)
            sending.silences += 1
            self.loss.silences += 1
            sending.timer.expired(now)
        sending.arm(now)
        return out

    def _collect(self, piece: Piece, now: float) -> list[Send]:
        """Take a piece of the flight that is expected; reports where that is due."""
        arriving = self._arriving
        if arriving is None:
            return []
        fresh = arriving.add(piece, now)
        self.loss.saw(arriving.flight, *arriving.seen)
        if self._whole_at is not None:
            return self._say_whole(now) if self._whole_said else []
        if not fresh:
            return []
        if arriving.report_due:
            return self._report(now)
        self._report_at = now + (_QUARTER if self._reports_soon else _STALL) * self._timer.value
        return []

    @property
    def _reports_soon(self) -> bool:
        """Whether the peer, which knows no round trip yet, waits longer than it has to."""
        arriving = self._arriving
        return self._pace.reports and arriving is not None and arriving.flight <= 2

    def _report(self, now: float) -> list[Send]:
        """Say what is missing, and again at intervals that double."""
        arriving = self._arriving
        if arriving is None or not arriving.begun:
            self._report_at = None
            return []
        wait = (1.0 if self._reports_soon else _STALL) * self._timer.value
        self._report_at = now + min(LONGEST_WAIT, wait * 2 ** min(self._reports, 16))
        self._reports += 1
        arriving.reported()
        missing = arriving.missing
        counts = bytes(missing) if len(missing) > 1 else b""
        return self._note(Saying.NEED, arriving, now, min(255, sum(missing)), counts)

    def _say_whole(self, now: float) -> list[Send]:
        """Say that a flight is whole and its answer takes time; again while that lasts."""
        arriving = self._arriving
        self._whole_at, self._whole_said = now + COMPUTING / 2, True
        return self._note(Saying.WHOLE, arriving, now) if arriving else []

    def _note(
        self, saying: Saying, arriving: Arriving, now: float, count: int = 0, counts: bytes = b""
    ) -> list[Send]:
        newest = arriving.newest
        quotation = newest.quotation() if newest and self._tag else b""
        delay = min(LONG_AGO, int(100 * (now - arriving.newest_at)))
        note = Note(saying, arriving.flight, count, delay, counts + quotation, self._tag)
        return self._dispatch([note], now)

    def _noted(self, note: Note, sent_at: float | None, now: float) -> None:
        """Measure a round trip by a note on what was sent at ``sent_at``."""
        if sent_at is not None and note.delay != LONG_AGO:
            self.measured(min(now, sent_at + note.delay / 100), now)

    def _computes(self, sending: Sending, now: float) -> None:
        """The peer has our flight and computes: its silence said nothing of loss, nor will it.

        Anybody may say so, again and again: a piece goes out now and then all the same.
        """
        if sending.deadline is not None and now - sending.last_sent > 2 * COMPUTING:
            return
        self.loss.silences -= min(self.loss.silences, sending.silences)
        sending.taken = True
        sending.wait(now, COMPUTING)

    def _needed(self, note: Note, sending: Sending, now: float) -> list[Send]:
        """The peer needs more of our flight: as much, and what loss makes worth adding."""
        sending.wait(now, 0.0)
        groups = sending.source.groups
        counts = note.rest[:groups] if groups > 1 else bytes([note.count])
        # One of each group in turn, as a burst of loss takes several in a row.
        rounds = range(max(counts, default=0))
        wanted = [group for turn in rounds for group, n in enumerate(counts) if n > turn]
        spare = self.loss.spare(len(wanted), quick=False)
        count = min(len(wanted), sending.source.k) + spare
        out = self._give(sending, count, now, wanted if groups > 1 else ())
        sending.arm(now)
        return out

    def take(self, part: Part, now: float, stamp: int | None = None) -> list[Send]:
        """Take what came from the peer; ``stamp`` names what it answers, where that is known."""
        raise NotImplementedError
