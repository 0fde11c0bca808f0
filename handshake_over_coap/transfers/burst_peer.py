"""What a server keeps of the bursts of one endpoint: a conversation for each tag, a few of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from handshake_over_coap.coap.codes import Code, MessageType, is_success
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Option
from handshake_over_coap.errors import CarrierError
from handshake_over_coap.timers import earliest

from .base import Answer, BadPart, BodyIncomplete, Contact, Outgoing, Received, Terms, Whole
from .blockwise import options_of_answer
from .burst_arriving import TRIED
from .burst_half import Send
from .burst_server import Allowance, ServerHalf
from .pieces import PieceError, decode
from .wrapping import unwrapped

_AGAIN = 0.1
"""Seconds between two error responses to the same flight."""


@dataclass(slots=True, eq=False)
class _Conversation:
    """One handshake: ``path`` names it above, ``token`` is that of the newest request.

    ``refusal`` is what its latest flight got if that was refused, ``refused_at`` when; ``other`` is
    what the pieces may be besides what was refused.
    """

    half: ServerHalf
    path: tuple[str, ...]
    token: bytes
    proven: bool
    answered: bool = False
    over: bool = False
    refusal: Content | None = None
    refused_at: float = 0.0
    other: bytes | None = None


class BurstServer:
    """The conversations of one endpoint; ``quick`` as in ``Burst``."""

    def __init__(self, terms: Terms, *, quick: bool) -> None:
        self._terms = terms
        self._quick = quick
        self._conversations: OrderedDict[bytes, _Conversation] = OrderedDict()
        self._allowance = Allowance(proven=False)

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` has something to do."""
        return earliest(*(each.half.deadline for each in self._conversations.values()))

    @property
    def held(self) -> int:
        """Bytes of all pieces that have come and are here."""
        return sum(each.half.held for each in self._conversations.values())

    def continues(self, request: Message) -> bool:
        """Whether the tag of a request names a conversation that is here."""
        try:
            return decode(request.payload, tagged=True).tag in self._conversations
        except PieceError:
            return False

    @property
    def proves(self) -> bool:
        """Whether a note quoted from us, or a handshake was completed."""
        return self._allowance.proven

    def receive(self, request: Message, contact: Contact, now: float) -> Received:
        """Take a piece or a note.

        Raises :class:`BadPart` for what is neither, :class:`BodyIncomplete` for an unknown tag.
        """
        try:
            part = decode(request.payload, tagged=True)
        except PieceError as error:
            raise BadPart(str(error)) from None
        if part.flight == 0:
            return Received()
        conversation = self._conversations.get(part.tag)
        if conversation is None:
            if part.flight != 1:
                raise BodyIncomplete("no handshake has this tag")
            conversation = self._begin(part.tag, request, contact, now)
        if contact.proven and not contact.limited:
            self._allowance.proven = True
        self._allowance.received(request.content.size(len(request.token)))
        conversation.token = request.token
        half = conversation.half
        out = self._responses(conversation, half.take(part, now), request)
        body = half.body(now)
        if body is None:
            return Received((*out, *self._refused_again(conversation, request, now)))
        number = request.uint(Option.CONTENT_FORMAT)
        inner = None if number is None else unwrapped(number)
        path, proven = conversation.path, conversation.proven
        whole = Whole(request, body, path, inner, proven, TRIED, conversation)
        return Received(out, whole)

    def _begin(self, tag: bytes, request: Message, contact: Contact, now: float) -> _Conversation:
        terms, challenge = self._terms, contact.challenge
        probed = challenge is not None and challenge.attempts is not None
        half = ServerHalf(
            terms.timer.start(terms.draw),
            terms.body_limit,
            self._allowance,
            _overhead(request.token),
            probed=probed,
            quick=self._quick,
        )
        if challenge is not None and challenge.attempts is not None:
            half.loss.silences = challenge.attempts
            half.measured(now - challenge.age, now)
        path = tuple(each.decode() for each in request.path)
        conversation = _Conversation(half, path, request.token, contact.proven)
        while len(self._conversations) >= self._terms.bodies:
            unfinished = (t for t, each in self._conversations.items() if not each.answered)
            del self._conversations[next(unfinished, next(iter(self._conversations)))]
        self._conversations[tag] = conversation
        return conversation

    def _responses(
        self, conversation: _Conversation, sends: Sequence[Send], to: Message | None = None
    ) -> tuple[Outgoing, ...]:
        """Pieces as responses; the first one is piggybacked if it answers a confirmable one."""
        token = conversation.token
        out = [Outgoing(Content(Code.CHANGED, (), s.payload), False, token) for s in sends]
        if out and to is not None and to.type == MessageType.CON:
            out[0] = Outgoing(out[0].content)
        return tuple(out)

    def answer(self, whole: Whole, answer: Answer, now: float) -> Sequence[Outgoing]:
        """The messages that carry ``answer`` back; CarrierError where no piece of it fits."""
        conversation = whole.place
        if not isinstance(conversation, _Conversation):
            return ()
        if not is_success(answer.code):
            return self._refuse(conversation, whole.request, answer, now)
        conversation.path = answer.location or conversation.path
        conversation.answered, conversation.refusal = True, None
        conversation.over = answer.final
        room = self._terms.mtu - _overhead(conversation.token)
        try:
            out = conversation.half.answer(answer.payload, room, now, last=answer.final)
        except PieceError as error:
            raise CarrierError(f"no piece of the answer fits: {error}") from None
        return self._responses(conversation, out, whole.request)

    def _refuse(
        self, conversation: _Conversation, request: Message, answer: Answer, now: float
    ) -> Sequence[Outgoing]:
        """An error response; what was refused may have been forged, and another body may follow.

        A first flight that is to come again is forgotten.
        """
        conversation.half.reject(now)
        if answer.code in (Code.UNAUTHORIZED, Code.SERVICE_UNAVAILABLE):
            self._forget(conversation)
        else:
            conversation.other = conversation.half.body(now)
            if conversation.other is not None:
                return ()
        options = tuple(options_of_answer(answer))
        conversation.refusal = Content(answer.code, options, answer.payload)
        conversation.refused_at = float("-inf")
        return self._refused_again(conversation, request, now)

    def another(self, whole: Whole, now: float) -> Whole | None:
        """What the pieces give besides what was refused."""
        conversation = whole.place
        if not isinstance(conversation, _Conversation) or conversation.other is None:
            return None
        body, conversation.other = conversation.other, None
        return whole._replace(body=body, proven=conversation.proven)

    def _forget(self, conversation: _Conversation) -> None:
        for tag, each in list(self._conversations.items()):
            if each is conversation:
                del self._conversations[tag]

    def _refused_again(
        self, conversation: _Conversation, request: Message, now: float
    ) -> tuple[Outgoing, ...]:
        """The error response to a flight that comes again, within what the address may get."""
        content, token = conversation.refusal, conversation.token
        if content is None or now - conversation.refused_at < _AGAIN:
            return ()
        if not self._allowance.spend(content.size(len(token))):
            return ()
        conversation.refused_at = now
        # In the acknowledgement of a confirmable one, which else would never come.
        answers = None if request.type == MessageType.CON else token
        return (Outgoing(content, confirmable=False, token=answers),)

    def on_timer(self, now: float) -> Sequence[Outgoing]:
        """Messages to send now that the deadline has passed."""
        out: list[Outgoing] = []
        for each in self._conversations.values():
            if each.half.deadline is not None and each.half.deadline <= now:
                out += self._responses(each, each.half.on_timer(now))
        return out

    def clear(self) -> None:
        """Forget what is not over; a last flight may still have to be repeated."""
        for tag in [tag for tag, each in self._conversations.items() if not each.over]:
            del self._conversations[tag]


def _overhead(token: bytes) -> int:
    """Bytes around a piece in a response: header, token, payload marker."""
    return 4 + len(token) + 1
