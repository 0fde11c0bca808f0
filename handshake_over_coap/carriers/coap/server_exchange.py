"""A server's message layer with one client: repetitions recognised, responses of every kind.

RFC 7252 sections 4 and 5.  A response is piggybacked in the acknowledgement where it is there in
time; else an empty acknowledgement goes first and the response follows in a confirmable message of
its own (section 5.2.2).  What is kept is bounded, and dies with the peer: the resources answer a
repetition that slips past with the same bytes, so none of this is what correctness rests on.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from handshake_over_coap.coap.codes import MessageType
from handshake_over_coap.coap.message import Content, Message, acknowledgement
from handshake_over_coap.timers.base import Draw, TimerPolicy

from .confirmable import Confirmable, MessageIds

RECENT_MESSAGES = 16
"""Message IDs remembered for each peer; it has one confirmable message under way (NSTART 1)."""

EXCHANGE_LIFETIME = 247.0
"""Seconds for which a message ID stands for one message (RFC 7252 section 4.8.2)."""

MOST_OWED = 64
"""Confirmable requests of one peer that are not answered yet; the oldest ones are forgotten."""

MOST_WAITING = 8
"""Separate responses of one peer that wait for the one before to be acknowledged."""


@dataclass(slots=True)
class _Owed:
    """A confirmable request that is not answered yet: its empty acknowledgement is ``due``."""

    message_id: int
    due: float
    part: bool
    acknowledged: bool = False


@dataclass(slots=True)
class _Taken:
    """A request that was taken at ``since`` seconds, and what it drew last.

    Another ``token`` is another request: a client that has restarted may come by the same ID.  So
    is one that is confirmable where this was not: it wants an acknowledgement.
    """

    since: float
    token: bytes
    confirmable: bool
    reaction: bytes | None = None


class ServerExchange:
    """The messages of one client; ``separate_after`` is in seconds.

    ``timing`` says when a separate response is repeated.  ``retransmissions`` counts what was sent
    again since it was last asked for.
    """

    def __init__(
        self, ids: MessageIds, timing: TimerPolicy, draw: Draw, separate_after: float
    ) -> None:
        self._ids = ids
        self._timing, self._draw = timing, draw
        self._separate_after = separate_after
        self._recent: dict[int, _Taken] = {}
        self._owed: OrderedDict[bytes, _Owed] = OrderedDict()
        self._confirmable: Confirmable | None = None
        self._waiting: deque[tuple[Content, bytes]] = deque()
        self.retransmissions = 0

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` has something to do."""
        times = [each.due for each in self._owed.values() if not each.acknowledged]
        if self._confirmable is not None:
            times.append(self._confirmable.due)
        return min(times, default=None)

    @property
    def idle(self) -> bool:
        """Whether nothing is owed or under way."""
        return not (self._owed or self._confirmable or self._waiting)

    def forget(self) -> None:
        """The message IDs seen are too old to come again."""
        self._recent.clear()

    def stop(self) -> None:
        """The peer has vanished: nothing more is sent."""
        self._owed.clear()
        self._waiting.clear()
        self._confirmable = None

    def knows(self, request: Message, now: float) -> bool:
        """Whether a request was taken before."""
        return self._taken(request, now) is not None

    def repeated(self, request: Message, now: float) -> list[bytes] | None:
        """What a request draws that was taken before; ``None`` for a new one, which is noted."""
        known = self._taken(request, now)
        if known is None:
            recent, message_id = self._recent, request.message_id
            recent.pop(message_id, None)  # or it would stand where it stood
            recent[message_id] = _Taken(now, request.token, request.type == MessageType.CON)
            if len(recent) > RECENT_MESSAGES:
                del recent[next(iter(recent))]
            return None
        again = known.reaction if request.type == MessageType.CON else None
        return [] if again is None else [again]

    def _taken(self, request: Message, now: float) -> _Taken | None:
        known = self._recent.get(request.message_id)
        if known is None or known.token != request.token:
            return None
        if request.type == MessageType.CON and not known.confirmable:
            return None
        return known if now - known.since <= EXCHANGE_LIFETIME else None

    def postpone(self, request: Message, now: float, *, part: bool = False) -> None:
        """The answer will take a while: an empty acknowledgement is due soon.

        ``part``: the request is a part of a body, and the answer may be to another part of it.
        """
        if request.type == MessageType.CON:
            # The peer may give its token to another request meanwhile: then that is answered.
            self._owed[request.token] = _Owed(request.message_id, now + self._separate_after, part)
            while len(self._owed) > MOST_OWED:
                self._owed.popitem(last=False)

    def respond(self, request: Message, content: Content, now: float) -> list[bytes]:
        """The response to a request, piggybacked if it is in time."""
        if request.type != MessageType.CON:
            return [content.encode(MessageType.NON, self._ids.take(), request.token)]
        owed = self._owed.get(request.token)
        if owed is not None and owed.message_id != request.message_id and not owed.part:
            # Its token is another request's by now, which a separate response would be taken for.
            owed = None
            if self.repeated(request, now):
                return []
        elif owed is not None:
            del self._owed[request.token]
        if owed is not None and owed.acknowledged:
            return self._separately(content, request.token, now)
        datagram = content.encode(MessageType.ACK, request.message_id, request.token)
        self._note(request.message_id, datagram)
        return [datagram]

    def send(self, content: Content, token: bytes) -> bytes:
        """A non-confirmable response to whatever request had ``token``."""
        return content.encode(MessageType.NON, self._ids.take(), token)

    def reacted(self, request: Message, drawn: Sequence[bytes], now: float) -> None:
        """A request was answered by other means than :meth:`respond`: a repetition draws the same.

        ``drawn`` is what it drew, one datagram at most.
        """
        self.repeated(request, now)
        for datagram in drawn:
            self._note(request.message_id, datagram)

    def _note(self, message_id: int, datagram: bytes) -> None:
        if message_id in self._recent:
            self._recent[message_id].reaction = datagram

    def _separately(self, content: Content, token: bytes, now: float) -> list[bytes]:
        if self._confirmable is not None:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append((content, token))
            return []
        message_id = self._ids.take()
        datagram = content.encode(MessageType.CON, message_id, token)
        timer = self._timing.start(self._draw)
        self._confirmable = Confirmable(datagram, message_id, token, timer)
        return [self._confirmable.sent(now)]

    def acknowledged(self, message: Message, now: float) -> list[bytes]:
        """An empty acknowledgement or a reset: a separate response has arrived."""
        under_way = self._confirmable
        if under_way is None or under_way.message_id != message.message_id:
            return []
        self._confirmable = None
        return self._separately(*self._waiting.popleft(), now) if self._waiting else []

    def on_timer(self, now: float) -> list[bytes]:
        """Acknowledge what waits for its answer, and repeat what is not acknowledged."""
        datagrams: list[bytes] = []
        for token, owed in list(self._owed.items()):
            if owed.part and owed.due <= now:
                del self._owed[token]
            if not owed.acknowledged and owed.due <= now:
                owed.acknowledged = True
                datagram = acknowledgement(owed.message_id)
                self._note(owed.message_id, datagram)
                datagrams.append(datagram)
        under_way = self._confirmable
        if under_way is not None and under_way.due <= now:
            again = under_way.again(now)
            if again is None:
                self._confirmable = None
                self._waiting.clear()  # whoever takes none of them has vanished
            else:
                self.retransmissions += 1
                datagrams.append(again)
        return datagrams
