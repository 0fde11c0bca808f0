"""A server's part in Q-Block (RFC 9177): bodies in by Q-Block1, answers out by Q-Block2."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from handshake_over_coap.coap.codes import Code
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Block, Option, OptionValue, uint
from handshake_over_coap.timers import earliest

from .base import (
    Answer,
    AssemblyKey,
    BadPart,
    BodyTooLarge,
    Contact,
    Outgoing,
    Received,
    Terms,
    Whole,
)
from .blockwise import assembly_key
from .missing_blocks import CONTENT_FORMAT, encode_missing
from .qblock_answer import departing, response
from .qblock_parameters import QBlockParameters
from .qblock_parts import Arriving, Departing


@dataclass(slots=True)
class _Body:
    """One body of a client, and its answer.

    ``token`` is that of the latest request with a part of it; ``asked`` how often missing blocks
    were asked for since, and ``due`` when they are next; ``kept_until`` is for a part of a body.
    ``leaving`` is the answer, if it takes several blocks, and ``answer_token`` its token;
    ``next_set_at`` when the next set of it goes.  Times are in seconds.
    """

    arriving: Arriving | None = None
    content_format: int | None = None
    proven: bool = False
    token: bytes = b""
    asked: int = 0
    due: float | None = None
    kept_until: float | None = None
    confirmed: int = 0
    block_size: int | None = None
    answer: Answer | None = None
    leaving: Departing | None = None
    answer_size: int = 0
    answer_token: bytes = b""
    next_set_at: float | None = None

    @property
    def deadline(self) -> float | None:
        """When something of it is due."""
        return earliest(self.due, self.kept_until, self.next_set_at)


@dataclass(slots=True)
class QBlockServer:
    """The bodies of one endpoint, in the order in which they began."""

    terms: Terms
    parameters: QBlockParameters
    bodies: OrderedDict[AssemblyKey, _Body] = field(default_factory=OrderedDict)
    proves: bool = field(default=False, init=False)

    @property
    def deadline(self) -> float | None:
        """When missing blocks are asked for, or a set of an answer goes."""
        return earliest(*(each.deadline for each in self.bodies.values()))

    @property
    def held(self) -> int:
        """Bytes of all bodies that are here, with the blocks that have not come yet."""
        return sum(each.arriving.total for each in self.bodies.values() if each.arriving)

    def continues(self, request: Message) -> bool:
        """Whether a part of a body, or a request for blocks of an answer, is for one here."""
        return self._find(request) is not None

    def _find(self, request: Message) -> _Body | None:
        """The body that a request is for.

        One for blocks of an answer need not say which: then it is the latest for the same path.
        """
        key = assembly_key(request)
        found = self.bodies.get(key)
        if found is not None or request.get(Option.Q_BLOCK1) is not None:
            return found
        alike = (body for k, body in reversed(self.bodies.items()) if k[0] == key[0])
        return next((body for body in alike if body.leaving is not None), None)

    def clear(self) -> None:
        """Forget all bodies."""
        self.bodies.clear()

    # -- bodies in

    def receive(self, request: Message, contact: Contact, now: float) -> Received:
        """Take a block, or the request for some of an answer.

        Raises :class:`BadPart` or :class:`BodyTooLarge`; a part of a body that is there stays.
        """
        if request.get(Option.BLOCK1) is not None or request.get(Option.BLOCK2) is not None:
            # The two kinds must not be mixed (RFC 9177 section 4.1).
            return Received((Outgoing(Content(Code.BAD_OPTION)),))
        if request.get(Option.Q_BLOCK1) is not None:
            return self._block(request, contact, now)
        if not request.payload:
            return Received(self._requested(request, now))
        if len(request.payload) > self.terms.body_limit:
            raise BodyTooLarge("in a single datagram")
        body = self._body(request, contact)
        hint = Block.decode(request.get(Option.Q_BLOCK2) or b"")
        body.block_size = hint.size
        return Received(whole=self._whole(request, body, request.payload))

    def _block(self, request: Message, contact: Contact, now: float) -> Received:
        block = Block.decode(request.get(Option.Q_BLOCK1) or b"")
        total = request.uint(Option.SIZE1)
        if total is None or request.get(Option.REQUEST_TAG) is None:
            raise BadPart("a block without Request-Tag or Size1 (RFC 9177 section 4.3)")
        if total > self.terms.body_limit:
            raise BodyTooLarge(f"the body passes {self.terms.body_limit} bytes")
        key = assembly_key(request)
        body = self.bodies.get(key)
        arriving = None if body is None else body.arriving
        if arriving is None:
            arriving = Arriving(total, block.size, self.parameters.max_payloads)
        new = arriving.add(block, total, request.payload)
        if body is not None and request.uint(Option.CONTENT_FORMAT) != body.content_format:
            raise BadPart("blocks of two formats (RFC 9177 section 4.1)")
        body = body or self._body(request, contact)
        body.arriving = arriving
        body.proven |= contact.proven
        hint = request.get(Option.Q_BLOCK2)
        body.block_size = block.size if hint is None else Block.decode(hint).size
        return self._joined(request, body, arriving, block, new=new, now=now)

    def _joined(
        self,
        request: Message,
        body: _Body,
        arriving: Arriving,
        block: Block,
        *,
        new: bool,
        now: float,
    ) -> Received:
        """What a block draws: nothing, mostly; the end of a set is confirmed (section 7.2)."""
        body.token = request.token
        whole = arriving.whole
        if whole is not None:
            body.due = body.kept_until = None
            return Received(whole=self._whole(request, body, whole))
        wait = now + self.parameters.wait_for_missing(0)
        # A block that comes again shows that a report was lost, but must not put off the next one.
        body.due = wait if new or body.due is None else min(body.due, wait)
        body.asked = 0
        body.kept_until = now + self.parameters.partial_timeout
        if not new:
            return Received()
        confirmed = arriving.confirmed
        if confirmed > body.confirmed:
            body.confirmed = confirmed
            value = Block(confirmed - 1, True, arriving.size).encode()
            go_on = Content(Code.CONTINUE, ((int(Option.Q_BLOCK1), value),))
            return Received((Outgoing(go_on, confirmable=False),))
        if arriving.begins_set(block.num) and (missing := arriving.missing_before(block.num)):
            return Received((Outgoing(self._report(body, missing), confirmable=False),))
        return Received()

    def _body(self, request: Message, contact: Contact) -> _Body:
        """The body of a request, begun if it is new; the oldest for the same path makes room.

        Others may begin bodies in the endpoint's name at a session: those do not drive out what
        goes on at the resource.
        """
        key = assembly_key(request)
        found = self.bodies.get(key)
        if found is None:
            found = self.bodies[key] = _Body()
            while len(self.bodies) > self.terms.bodies:
                others = [each for each in self.bodies if each != key]
                alike = [each for each in others if each[0] == key[0]]
                del self.bodies[(alike or others)[0]]
        found.content_format = request.uint(Option.CONTENT_FORMAT)
        found.proven = contact.proven
        return found

    def _whole(self, request: Message, body: _Body, whole: bytes) -> Whole:
        path = tuple(each.decode() for each in request.path)
        return Whole(request, whole, path, body.content_format, body.proven, place=body)

    def _report(self, body: _Body, missing: Sequence[int]) -> Content:
        """4.08 with the numbers of missing blocks; as many as a set, and as fit."""
        options: tuple[OptionValue, ...] = ((int(Option.CONTENT_FORMAT), uint(CONTENT_FORMAT)),)
        bare = Content(Code.REQUEST_ENTITY_INCOMPLETE, options)
        room = self.terms.mtu - bare.size(len(body.token)) - 1
        payload = encode_missing(missing[: self.parameters.max_payloads], room)
        return Content(Code.REQUEST_ENTITY_INCOMPLETE, options, payload)

    # -- answers out

    def answer(self, whole: Whole, answer: Answer, now: float) -> Sequence[Outgoing]:
        """The answer in one message, or the first set of its blocks.

        Raises CarrierError where no block of it fits.
        """
        body, request = whole.place, whole.request
        single = response(answer, len(answer.payload))
        size = self.terms.largest_block
        if isinstance(body, _Body):
            size = min(size, body.block_size or size)
        fits = single.fits(self.terms.mtu, len(request.token))
        if (fits and len(answer.payload) <= size) or not isinstance(body, _Body):
            return (Outgoing(single, confirmable=False),)
        if body.leaving is None or body.answer != answer:
            body.leaving, body.answer_size = departing(
                answer, size, len(request.token), self.terms, self.parameters
            )
            body.answer = answer
        body.answer_token = request.token
        blocks = body.leaving.first_set(now)
        self._set_went(body, now)
        return _to(request, blocks)

    def _set_went(self, body: _Body, now: float) -> None:
        more = body.leaving is not None and not body.leaving.whole
        pause = self.parameters.between_sets(self.terms.draw) if more else 0.0
        body.next_set_at = now + pause if more else None

    def _requested(self, request: Message, now: float) -> Sequence[Outgoing]:
        """Blocks of an answer that a client asks for (section 4.4)."""
        body = self._find(request)
        if body is None or body.leaving is None:
            return (Outgoing(Content(Code.REQUEST_ENTITY_INCOMPLETE), confirmable=False),)
        asked = [Block.decode(each) for each in request.values(Option.Q_BLOCK2)]
        numbers = [each.num for each in asked]
        if any(a >= b for a, b in pairwise(numbers)):
            raise BadPart("blocks are asked for in ascending order (RFC 9177 section 4.4)")
        if numbers[-1] >= body.leaving.count or any(b.size != body.answer_size for b in asked):
            raise BadPart("the answer has no such block")
        first, most = asked[0], self.parameters.max_payloads
        if first.more and len(asked) == 1 and not first.num % most:
            return self._go_on(request, body, body.leaving, first.num, now)
        wanted: dict[int, None] = {}
        for each in asked:
            end = each.num - each.num % most + most if each.more else each.num + 1
            wanted.update(dict.fromkeys(range(each.num, end)))
        return _to(request, body.leaving.again(wanted, now))

    def _go_on(
        self, request: Message, body: _Body, leaving: Departing, number: int, now: float
    ) -> Sequence[Outgoing]:
        """The next set, as all before it has come; or the whole answer again."""
        if number == 0:
            body.answer_token = request.token
            blocks = leaving.first_set(now)
        elif number == leaving.next:
            blocks = leaving.next_set(now)
        else:
            return ()
        self._set_went(body, now)
        # A set that follows has the token of those before it (RFC 9177 section 10.3.2).
        return [Outgoing(each, confirmable=False, token=body.answer_token) for each in blocks]

    # -- time

    def another(self, whole: Whole, now: float) -> Whole | None:
        """Nothing: each part has its place."""
        return None

    def on_timer(self, now: float) -> Sequence[Outgoing]:
        """Reports of what is missing, and the next sets of answers."""
        out: list[Outgoing] = []
        for key, body in list(self.bodies.items()):
            if body.next_set_at is not None and body.next_set_at <= now and body.leaving:
                blocks = body.leaving.next_set(now)
                self._set_went(body, now)
                out += [Outgoing(b, confirmable=False, token=body.answer_token) for b in blocks]
            if body.due is not None and body.due <= now and body.arriving is not None:
                if body.asked >= self.parameters.non_max_retransmit:
                    del self.bodies[key]  # nobody is there any more (section 7.2)
                    continue
                body.asked += 1
                body.due = now + self.parameters.wait_for_missing(body.asked)
                report = self._report(body, body.arriving.missing())
                out.append(Outgoing(report, confirmable=False, token=body.token))
            elif body.kept_until is not None and body.kept_until <= now:
                del self.bodies[key]
        return out


def _to(request: Message, blocks: Sequence[Content]) -> Sequence[Outgoing]:
    """Responses to a request: the first may ride in its acknowledgement."""
    first = [Outgoing(each, confirmable=False) for each in blocks[:1]]
    return first + [Outgoing(each, confirmable=False, token=request.token) for each in blocks[1:]]
