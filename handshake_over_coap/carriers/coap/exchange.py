"""A client's message layer: requests with their tokens, repetition, responses of every kind.

RFC 7252 sections 4 and 5.  One confirmable message is under way at a time (NSTART is 1, section
4.7); others wait.  Responses come piggybacked in the acknowledgement, or separately after an empty
one, confirmable or not.  What is in a body, and which body comes next, is no matter of this layer:
it carries one :class:`~handshake_over_coap.transfers.base.Posting` at a time.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.coap.codes import MessageType
from handshake_over_coap.coap.message import Message, acknowledgement, reset
from handshake_over_coap.errors import CarrierError, Error, HandshakeTimeout
from handshake_over_coap.timers.base import Draw, earliest
from handshake_over_coap.tls.config import Rng
from handshake_over_coap.transfers.base import Outgoing, Posting, Reply

from .confirmable import Confirmable, MessageIds
from .parameters import CoapParameters

ANSWERABLE = 256
"""Requests of one posting that may be answered, where there are several: the newest ones."""

log = logging.getLogger(__name__)

REMEMBERED = 16
"""Responses that are known when they come again: they are processed once (section 4.5)."""


class ResetByPeer(Error):
    """A reset came instead of an answer; anybody may have sent it."""


class _Request(NamedTuple):
    """A request that may be answered; an acknowledgement has to have its ``message_id``."""

    message_id: int
    asked: Outgoing


class ClientExchange:
    """Carries postings to one server.

    ``outcome`` is what the posting under way has come to, once it has: its reply, or what was
    wrong.  ``heard`` tells that something has come from the server at all.
    """

    def __init__(self, server: Address, parameters: CoapParameters, rng: Rng, draw: Draw) -> None:
        self._server = server
        self._parameters = parameters
        self._rng = rng
        self._ids = MessageIds(int.from_bytes(rng(2), "big"))
        self._timer = parameters.timing.start(draw)
        self._posting: Posting | None = None
        self._requests: dict[bytes, _Request] = {}
        self._confirmable: Confirmable | None = None
        self._waiting: deque[Outgoing] = deque()
        self._asked: Outgoing | None = None
        self._repeats = 0
        self._repost_at: float | None = None
        self._repost_after = parameters.repost_interval
        self._taken: OrderedDict[int, None] = OrderedDict()
        self.outcome: Reply | Error | None = None
        self.heard = False
        self._retransmissions = 0

    @property
    def retransmissions(self) -> int:
        """Messages sent again so far."""
        under_way = 0 if self._posting is None else self._posting.repetitions
        return self._retransmissions + under_way

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` has something to do."""
        return earliest(
            None if self._confirmable is None else self._confirmable.due,
            self._repost_at,
            None if self._posting is None else self._posting.deadline,
        )

    def post(self, posting: Posting, now: float) -> list[bytes]:
        """Begin with a posting, in place of what was under way; gives the datagrams to send."""
        self.stop()
        self._posting, self.outcome = posting, None
        return self._go_on(posting, lambda: posting.start(now), now)

    def stop(self) -> None:
        """Nobody wants the answer any more: nothing is repeated, no response is expected."""
        if self._posting is not None:
            self._retransmissions += self._posting.repetitions
        self._posting = self._confirmable = self._repost_at = self._asked = None
        self._requests.clear()
        self._waiting.clear()

    def fail(self, reason: str) -> None:
        """End what is under way: the network says that nobody is there."""
        if self._posting is not None:
            self._end(CarrierError(reason))

    def _end(self, outcome: Reply | Error) -> None:
        self.outcome = outcome
        self.stop()

    # -- sending

    def _go_on(
        self, posting: Posting, work: Callable[[], Iterable[Outgoing]], now: float
    ) -> list[bytes]:
        """Let the posting work, and see whether that was all."""
        try:
            outgoing = work()
        except Error as error:
            self._end(error)
            return []
        if posting.reply is not None:
            self._end(posting.reply)
            return []
        return self._send(outgoing, now)

    def _send(self, outgoing: Iterable[Outgoing], now: float) -> list[bytes]:
        datagrams = []
        for each in outgoing:
            if not each.confirmable:
                datagrams.append(self._encode(each, MessageType.NON)[0])
            elif self._confirmable is not None:
                self._waiting.append(each)
            else:
                datagrams.append(self._ask(each, now))
        return datagrams

    def _ask(self, asked: Outgoing, now: float) -> bytes:
        """A confirmable request, as the first message to be repeated."""
        self._asked, self._repeats = asked, 0
        self._repost_at, self._repost_after = None, self._parameters.repost_interval
        return self._confirm(asked, now)

    def _confirm(self, asked: Outgoing, now: float) -> bytes:
        datagram, message_id, token = self._encode(asked, MessageType.CON)
        self._confirmable = Confirmable(datagram, message_id, token, self._timer)
        return self._confirmable.sent(now)

    def _encode(self, asked: Outgoing, kind: MessageType) -> tuple[bytes, int, bytes]:
        message_id, token = self._ids.take(), self._new_token()
        self._requests[token] = _Request(message_id, asked)
        if len(self._requests) > ANSWERABLE:
            del self._requests[next(iter(self._requests))]
        return asked.content.encode(kind, message_id, token), message_id, token

    def _new_token(self) -> bytes:
        """A random token that no outstanding request uses (RFC 7252 section 5.3.1)."""
        length = self._parameters.token_length
        for _ in range(16):
            token = self._rng(length)
            # There is only one token without bytes, and it may be used again for the same.
            if token not in self._requests or not length:
                return token
        raise CarrierError("no free token: use a greater token length")

    # -- receiving

    def receive(self, message: Message, now: float) -> list[bytes]:
        """Take a message from the server; gives the datagrams that it draws."""
        self.heard = True
        if not message.code:
            return self._empty(message, now)
        posting = self._posting
        asked = None if posting is None else self._requests.get(message.token)
        sound = not (message.bad_option or message.bad_block)
        if posting is None or asked is None or self._of_another(message, asked) or not sound:
            return self._unexpected(message)
        datagrams = self._acknowledge(message)
        self._answered(posting, message.token, now)
        return datagrams + self._go_on(
            posting, lambda: self._take(posting, message, asked.asked, now), now
        )

    def _of_another(self, message: Message, asked: _Request) -> bool:
        """Whether a response is none to ``asked``, though it has its token: that may be short.

        One that is piggybacked has the request's message ID too (section 5.3.2), one that is not
        has never come before, and a reset is empty (section 4.2).
        """
        if message.type == MessageType.ACK:
            return asked.message_id != message.message_id
        return message.type == MessageType.RST or message.message_id in self._taken

    def _take(
        self, posting: Posting, message: Message, asked: Outgoing, now: float
    ) -> Iterable[Outgoing]:
        several = posting.several
        outgoing = posting.answered(message, asked, now)
        if several and not posting.several:
            self._requests.clear()  # what is repeated of the answer is none to what follows
        return outgoing

    def _empty(self, message: Message, now: float) -> list[bytes]:
        if message.type == MessageType.CON:
            return [reset(message.message_id)]  # a ping (section 4.3)
        under_way = self._confirmable
        if under_way is None or under_way.message_id != message.message_id:
            return []
        if message.type == MessageType.RST:
            self._end(ResetByPeer("a reset came instead of an answer"))
        elif message.type == MessageType.ACK:
            self._confirmable, self._repeats = None, 1  # what comes now tells no round trip
            self._repost_at = now + self._repost_after
            self._repost_after = min(2 * self._repost_after, self._parameters.max_interval)
            return self._acknowledged_one(now)
        return []

    def _acknowledged_one(self, now: float) -> list[bytes]:
        """A confirmable message has come: those may follow that wait for it."""
        datagrams, posting = self._next(now), self._posting
        if posting is not None:
            more = self._go_on(posting, lambda: posting.acknowledged(now), now)
            if more:
                self._repost_at = None  # the posting goes on by itself
            datagrams += more
        return datagrams

    def _unexpected(self, message: Message) -> list[bytes]:
        """Nobody waits for it, or it cannot be understood (sections 4.2 and 4.5)."""
        if message.type != MessageType.CON:
            return []
        if message.message_id in self._taken:
            return [acknowledgement(message.message_id)]
        return [reset(message.message_id)]

    def _acknowledge(self, response: Message) -> list[bytes]:
        """Note a response with a message ID of its own; its acknowledgement, if it wants one."""
        if response.type == MessageType.ACK:
            return []
        self._taken[response.message_id] = None
        while len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)
        confirmable = response.type == MessageType.CON
        return [acknowledgement(response.message_id)] if confirmable else []

    def _answered(self, posting: Posting, token: bytes, now: float) -> None:
        """A response is as good as an acknowledgement, if that was lost (section 5.2.2)."""
        under_way = self._confirmable
        if posting.several and (under_way is None or under_way.token != token):
            return
        if under_way is not None:
            self._repeats = self._repeats or under_way.repeats
        self._timer.answered(now, self._repeats)
        self._confirmable = self._repost_at = self._asked = None
        if not posting.several:
            self._requests.clear()

    # -- time

    def on_timer(self, now: float) -> list[bytes]:
        """Repeat, ask anew or give up: whatever is due."""
        datagrams: list[bytes] = []
        under_way = self._confirmable
        if under_way is not None and under_way.due <= now:
            again = under_way.again(now)
            if again is None:
                self._end(self._unanswered(under_way))
                return datagrams
            self._retransmissions += 1
            log.info("%s has not answered: sent again, %d", self._server, under_way.repeats)
            datagrams.append(again)
        if self._repost_at is not None and self._repost_at <= now and self._asked is not None:
            # A separate response may be lost after an empty acknowledgement, or that was forged.
            # The server answers the same request made anew like the first, and either answer will
            # do: the first one may only have been slow.
            self._repost_at = None
            datagrams.append(self._confirm(self._asked, now))
        posting = self._posting
        if posting is not None and posting.deadline is not None and posting.deadline <= now:
            datagrams += self._go_on(posting, lambda: posting.on_timer(now), now)
        return datagrams

    def _next(self, now: float) -> list[bytes]:
        """A message that has waited for the one before to be acknowledged."""
        if self._confirmable is None and self._waiting:
            return [self._ask(self._waiting.popleft(), now)]
        return []

    def _unanswered(self, message: Confirmable) -> Error:
        return HandshakeTimeout(
            f"no answer from {self._server} to a message sent {message.repeats + 1} times; is a "
            "server there, and does the network pass UDP? (a lossy one: raise max-retransmit)"
        )
