"""The client's half of a burst conversation.

It may begin with probes, which draw a challenge; then it posts flight 1, and after each flight of
the server the next one.
"""

from __future__ import annotations

from collections import OrderedDict

from handshake_over_coap.timers import Timer, earliest

from .burst_half import Half, Send
from .burst_pace import MEASURED, UNMEASURED
from .burst_sending import Sending
from .pieces import Note, Part, Piece, Saying, Source, group_size

_REMEMBERED = 128
"""Datagrams of which the time is kept, to measure round trips by their answers."""
MOST_CHALLENGES = 9
"""Copies of a challenge that a probe asks for, at most."""


class ClientHalf(Half):
    """The client of one handshake.

    ``tag`` is random and names the handshake at this endpoint.  With ``probing`` the address is
    proven first.
    """

    def __init__(
        self, timer: Timer, tag: bytes, limit: int, *, probing: bool, quick: bool = False
    ) -> None:
        super().__init__(timer, MEASURED if probing else UNMEASURED, limit, tag, quick=quick)
        self._probe_at: float | None = None
        self._sent_at: OrderedDict[int, float] = OrderedDict()
        self._probes: dict[int, int] = {}
        self._flight = -1
        self._again_after = 0

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` is due; None while there is nothing to wait for."""
        return earliest(self._probe_at, super().deadline)

    def probe(self, now: float) -> list[Send]:
        """Ask for a challenge; the j-th probe, from 0, wants 1 + j copies, as others were lost.

        Its payload is a note for all but the first, which is empty; the caller pads it.
        """
        number = len(self._probes)
        if number == 0:
            self._timer.sent(now)
        elif self._timer.exhausted:
            self.given_up, self._probe_at = True, None
            return []
        else:
            self._timer.expired(now)
            self.repeats += 1
        self._stamp += 1
        self._probes[self._stamp] = number
        self._sent_at[self._stamp] = now
        self._probe_at = now + self._timer.value
        note = Note(Saying.ASK, 0, min(MOST_CHALLENGES, 1 + number), tag=self._tag)
        return [Send(note.encode() if number else b"", self._stamp)]

    def challenged(self, stamp: int, now: float) -> int | None:
        """A challenge came in answer to the probe ``stamp``.

        Gives how many probes went unanswered before that one; None where it is not the first.
        """
        number = self._probes.get(stamp)
        if number is None or self._probe_at is None:
            return None
        self._probe_at = None
        self.loss.silences = number
        self.measured(self._sent_at[stamp], now)
        return number

    def post(self, body: bytes, room: int, now: float, *, least: int = 0) -> list[Send]:
        """Send the next flight, in pieces of ``room`` bytes and at least ``least``, tag excluded.

        Raises :class:`~handshake_over_coap.transfers.pieces.PieceError` where it cannot be cut.
        """
        self._flight += 2
        source = Source(self._flight, body, room, least=least)
        return self._begin(Sending(source, self._timer, self._tag), now)

    def again(self, now: float, recut: tuple[bytes, int] | None = None) -> list[Send]:
        """Send the flight anew in fresh pieces: what went before was not taken.

        ``recut`` is its body and the room for a piece, where that has changed.  Raises
        :class:`~handshake_over_coap.transfers.pieces.PieceError` where it cannot be cut.
        """
        if self._sending is None:
            return []
        self._again_after = self._stamp
        if recut is not None:
            body, room = recut
            self._sending = Sending(Source(self._flight, body, room), self._timer, self._tag)
        self._sending.wait(now, 0.0)
        out = self._give(self._sending, self._sending.source.k, now)
        self._sending.arm(now)
        return self._stamped(out, now)

    @property
    def begun(self) -> bool:
        """Whether any piece of the server's next flight has come."""
        return self._arriving is not None and self._arriving.begun

    def refused(self, stamp: int, now: float) -> float:
        """An error came in answer to ``stamp``; gives when to ask again whether that is so.

        Those that come in answer to what was sent before are no news.
        """
        self._again_after = self._stamp
        sent_at = self._when(stamp)
        if sent_at is not None and self.round_trip is None:
            self.measured(sent_at, now)
        return now + self._timer.value

    def is_news(self, stamp: int) -> bool:
        """Whether ``stamp`` is of what was sent last, so that an answer to it tells news.

        Pieces that went out together may each be answered alike.
        """
        return stamp > self._again_after

    def ask(self, now: float) -> list[Send]:
        """Report at once, after a rejection: one more piece may tell which were forged."""
        return self._stamped(super().ask(now), now)

    def finish(self) -> None:
        """The last flight of the server is genuine: nothing more is sent."""
        self._arriving = None
        self._report_at = self._whole_at = self._probe_at = None
        if self._sending is not None:
            self._sending.stop()

    def on_timer(self, now: float) -> list[Send]:
        """Do what is due."""
        due = self._probe_at is not None and self._probe_at <= now
        return (self.probe(now) if due else []) + self._stamped(super().on_timer(now), now)

    def take(self, part: Part, now: float, stamp: int | None = None) -> list[Send]:
        """Take what came from the server; ``stamp`` names what it answers, where that is known."""
        return self._stamped(self._take(part, now, stamp), now)

    def _take(self, part: Part, now: float, stamp: int | None) -> list[Send]:
        arriving, sending = self._arriving, self._sending
        if arriving is None or sending is None:
            return []
        if isinstance(part, Note):
            if part.flight != sending.flight or arriving.begun:
                return []
            self._noted(part, self._when(stamp), now)
            if part.saying is Saying.NEED:
                return self._needed(part, sending, now)
            self._computes(sending, now)
            return []
        if part.flight != arriving.flight:
            return []
        sent_at = self._when(stamp)
        prompt = not arriving.begun and not sending.taken and self._was_at_once(part)
        if sent_at is not None and prompt:
            self.measured(sent_at, now)
        if not arriving.begun:
            self._rest(now)
        return self._collect(part, now)

    def _was_at_once(self, piece: Piece) -> bool:
        """Whether the server sent it in answer to what its token says, and not at a silence."""
        size = group_size(piece.k, piece.group)
        first = size if self._pace.mixed and piece.k > 1 else 0
        return first <= piece.number < first + size

    def _when(self, stamp: int | None) -> float | None:
        return None if stamp is None else self._sent_at.get(stamp)

    def _begin(self, sending: Sending, now: float) -> list[Send]:
        return self._stamped(super()._begin(sending, now), now)

    def _stamped(self, out: list[Send], now: float) -> list[Send]:
        for each in out:
            self._sent_at[each.stamp] = now
        while len(self._sent_at) > _REMEMBERED:
            self._sent_at.popitem(last=False)
        return out
