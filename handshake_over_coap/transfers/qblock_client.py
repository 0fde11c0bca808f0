"""A client's part in Q-Block (RFC 9177): sets of blocks out, blocks of the reply in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from handshake_over_coap.coap.codes import Code
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import BLOCK_SIZES, Block, Option, OptionValue, uint
from handshake_over_coap.coap.paths import path_options
from handshake_over_coap.errors import ConfigurationError, HandshakeTimeout
from handshake_over_coap.timers import earliest

from .base import Incomplete, Outgoing, Reply, Terms, Upload
from .blocks import sizes_up_to
from .blockwise_client import REQUEST_TAG_LENGTH, BlockwiseClient, BlockwisePosting
from .missing_blocks import CONTENT_FORMAT, BadReport, decode_missing
from .qblock_parameters import QBlockParameters
from .qblock_parts import Departing, largest_size
from .qblock_reply import ArrivingReply
from .single import reply_of


class QBlockClient:
    """Posts bodies by Q-Block1.

    ``known`` is whether the server knows the options; ``None`` before its first response.  One that
    does not gets blocks of RFC 7959.  ``largest`` is the largest block in bytes that it is known to
    take.
    """

    def __init__(self, terms: Terms, parameters: QBlockParameters) -> None:
        self.terms, self.parameters = terms, parameters
        self.known: bool | None = None
        self.largest = terms.largest_block
        self._blocks = BlockwiseClient(terms)

    def post(self, upload: Upload) -> QBlockPosting:
        """A body to the server; ConfigurationError where no message can hold a part of it."""
        return QBlockPosting(self, upload)

    def by_blocks(self, upload: Upload) -> BlockwisePosting:
        """The same in the way of RFC 7959 (RFC 9177 section 3)."""
        return self._blocks.post(upload)


class QBlockPosting:
    """One body out by Q-Block1, one reply back by Q-Block2.

    ``repetitions`` counts what was sent again.
    """

    def __init__(self, side: QBlockClient, upload: Upload) -> None:
        self._side, self._terms = side, side.terms
        self._parameters = side.parameters
        self._upload = upload
        self._tag: bytes | None = None
        self._by_blocks: BlockwisePosting | None = None
        self._leaving = self._cut()
        self._coming = ArrivingReply(self._terms, self._parameters)
        self._probing = side.known is None
        self._timer = self._terms.timer.start(self._terms.draw)
        self._pause = self._parameters.between_sets(self._terms.draw)
        self._next_set_at: float | None = None
        self._due: float | None = None
        self._turn = 0
        self.repetitions = 0
        self._reply: Reply | None = None

    @property
    def several(self) -> bool:
        """Any request may draw any number of responses, unless the server does not know that."""
        return self._by_blocks is None

    @property
    def reply(self) -> Reply | None:
        """The reply, once all of it has come."""
        return self._reply if self._by_blocks is None else self._by_blocks.reply

    @property
    def deadline(self) -> float | None:
        """When a set is due, a missing block of the reply, or a word to a silent server."""
        return earliest(self._next_set_at, self._due)

    # -- sending

    def start(self, now: float) -> Sequence[Outgoing]:
        """The first set; where the server is new to us, its first block, confirmable."""
        if self._side.known is False:
            return self._turn_to_blocks(now)
        if self._probing:
            return [Outgoing(each) for each in self._leaving.first_set(now)[:1]]
        return self._begin(now)

    def acknowledged(self, now: float) -> Sequence[Outgoing]:
        """The server has the first block and says no more: it did not refuse its options."""
        return self._probed(now) if self._probing else ()

    def _probed(self, now: float) -> Sequence[Outgoing]:
        """The server knows the options: all blocks go out in messages of one kind (section 7)."""
        self._side.known, self._probing = True, False
        self._leaving = self._cut()
        return self._begin(now)

    def _begin(self, now: float) -> Sequence[Outgoing]:
        self._listen(now)
        return self._set(self._leaving.first_set(now), now)

    def _set(self, blocks: Sequence[Content], now: float) -> Sequence[Outgoing]:
        """Send blocks; the next set follows after a pause, unless it is asked for earlier."""
        self._next_set_at = None if self._leaving.whole else now + self._pause
        return [Outgoing(each, confirmable=False) for each in blocks]

    def _turn_to_blocks(self, now: float) -> Sequence[Outgoing]:
        self._side.known, self._probing = False, False
        self._next_set_at = self._due = None
        self._by_blocks = self._side.by_blocks(self._upload)
        return self._by_blocks.start(now)

    def _cut(self) -> Departing:
        """The body in one message, or in blocks that each fit one."""
        body, largest = self._upload.body, self._side.largest
        hint = (int(Option.Q_BLOCK2), Block(0, True, largest).encode())
        content = self._request(body, hint)
        if len(body) <= largest and self._fits(content):
            return self._departing(1, lambda _: content)
        self._tag = self._tag or self._terms.rng(REQUEST_TAG_LENGTH)
        sizes = sizes_up_to(largest)
        size = largest_size(len(body), sizes, lambda block: self._fits(self._block(block)))
        if size is None:
            least = self._block(Block(0, True, BLOCK_SIZES[0])).size(self._terms.token_length)
            raise ConfigurationError(
                f"an mtu of {self._terms.mtu} bytes is too small: a request to this path with a "
                f"block of {BLOCK_SIZES[0]} bytes takes {least}; raise the mtu or shorten the path"
            )
        count = -(-len(body) // size)
        return self._departing(
            count, lambda number: self._block(Block(number, number < count - 1, size))
        )

    def _departing(self, count: int, make: Callable[[int], Content]) -> Departing:
        parameters = self._parameters
        return Departing(count, make, most=parameters.max_payloads, spacing=parameters.spacing)

    def _block(self, block: Block) -> Content:
        payload = self._upload.body[block.offset : block.offset + block.size]
        size = (int(Option.SIZE1), uint(len(self._upload.body)))
        return self._request(payload, (int(Option.Q_BLOCK1), block.encode()), size)

    def _request(self, payload: bytes, *blocks: OptionValue) -> Content:
        """A POST with what all blocks of one body have; Echo is on each (RFC 9175 section 2.3)."""
        upload = self._upload
        options = list(upload.head)
        options += blocks
        if upload.echo is not None:
            options.append((int(Option.ECHO), upload.echo))
        if self._tag is not None:
            options.append((int(Option.REQUEST_TAG), self._tag))
        return Content(Code.POST, tuple(options), payload)

    def _path(self) -> list[OptionValue]:
        return list(path_options(self._upload.path, abbreviated=self._upload.abbreviated))

    def _fits(self, content: Content) -> bool:
        return content.fits(self._terms.mtu, self._terms.token_length)

    # -- receiving

    def answered(self, response: Message, asked: Outgoing, now: float) -> Sequence[Outgoing]:
        """Take a response.

        Raises Incomplete where the body has to be posted anew, CarrierError for a reply too large.
        """
        if self._by_blocks is not None:
            return self._by_blocks.answered(response, asked, now)
        if self._probing:
            if response.code == Code.BAD_OPTION and not self._upload.abbreviated:
                return self._turn_to_blocks(now)
            if response.code == Code.BAD_OPTION:
                self._reply = reply_of(response)  # it may be the path: that is tried first
                return ()
            if response.code in (Code.CONTINUE, Code.REQUEST_ENTITY_INCOMPLETE):
                return self._probed(now)
            self._side.known, self._probing = True, False
        if response.code == Code.REQUEST_ENTITY_TOO_LARGE and self._is_hint(response, asked):
            return self._cut_smaller(response, now)
        if response.code == Code.CONTINUE:
            return self._continued(response, now)
        if response.code == Code.REQUEST_ENTITY_INCOMPLETE:
            return self._reported(response, now)
        return self._collect(response, now)

    def _is_hint(self, response: Message, asked: Outgoing) -> bool:
        """Whether the server asks for smaller blocks than it was sent (RFC 7959 section 2.9.3)."""
        value, sent = response.get(Option.Q_BLOCK1), asked.content.get(Option.Q_BLOCK1)
        size = len(self._upload.body) if sent is None else Block.decode(sent).size
        return value is not None and Block.decode(value).size < size

    def _cut_smaller(self, response: Message, now: float) -> Sequence[Outgoing]:
        """Begin again with smaller blocks; once, as each of a set may have drawn the hint."""
        size = Block.decode(response.get(Option.Q_BLOCK1) or b"").size
        if size >= self._side.largest:
            return ()
        self._side.largest, self._tag = size, None
        self._leaving = self._cut()
        return self._begin(now)

    def _continued(self, response: Message, now: float) -> Sequence[Outgoing]:
        """2.31: all of the latest set has come, the next one may go (section 7.2)."""
        value = response.get(Option.Q_BLOCK1)
        latest = self._leaving.next - 1
        if value is None or Block.decode(value).num != latest or self._leaving.whole:
            return ()
        self._listen(now)
        return self._set(self._leaving.next_set(now), now)

    def _reported(self, response: Message, now: float) -> Sequence[Outgoing]:
        """4.08: blocks are missing.  A report that cannot be read is dropped (section 5)."""
        if response.uint(Option.CONTENT_FORMAT) != CONTENT_FORMAT:
            raise Incomplete("the server has no part of the body (4.08)")
        try:
            missing = decode_missing(response.payload, self._leaving.count)
        except BadReport:
            return ()
        blocks = self._leaving.again(missing, now)
        if not blocks:
            return ()
        self._listen(now)
        self.repetitions += len(blocks)
        return self._set(blocks, now)

    def _collect(self, response: Message, now: float) -> Sequence[Outgoing]:
        """A response that is whole, or a block of one."""
        coming = self._coming
        if response.get(Option.BLOCK2) is not None:
            # Some servers know Q-Block and answer in blocks of RFC 7959 all the same.
            self._next_set_at = self._due = None
            self._by_blocks = self._side.by_blocks(self._upload)
            return self._by_blocks.fetch(self._tag, response)
        if response.get(Option.Q_BLOCK2) is None:
            self._reply = reply_of(response)
            return ()
        asked = coming.take(response)
        self._reply = coming.reply
        if coming.begun:
            # The server has all of the body: it is up to us to ask from now on.
            self._next_set_at = None
            self._timer.sent(now)
            self._due = now + self._parameters.wait_for_missing(coming.asked)
        return self._ask(asked)

    def _ask(self, blocks: Sequence[Block]) -> Sequence[Outgoing]:
        """A request for blocks of the reply: as many as fit (RFC 9177 section 4.4)."""
        options, fitting = self._path(), None
        tag = () if self._tag is None else ((int(Option.REQUEST_TAG), self._tag),)
        for block in blocks[: self._parameters.max_payloads]:
            options.append((int(Option.Q_BLOCK2), block.encode()))
            content = Content(Code.POST, (*options, *tag))
            if fitting is not None and not self._fits(content):
                break
            fitting = content
        return () if fitting is None else (Outgoing(fitting, confirmable=False),)

    # -- time

    def on_timer(self, now: float) -> Sequence[Outgoing]:
        """The next set, a request for what is missing, or a word to a silent server.

        Raises HandshakeTimeout once the timer is exhausted.
        """
        if self._next_set_at is not None and self._next_set_at <= now:
            self._listen(now)
            return self._set(self._leaving.next_set(now), now)
        if self._due is None or self._due > now:
            return ()
        coming = self._coming
        if coming.begun and coming.asked < self._parameters.non_max_retransmit:
            missing = coming.ask_again()
            self._due = now + self._parameters.wait_for_missing(coming.asked)
            self.repetitions += 1
            return self._ask(missing)
        # Nothing came of it: a part of a reply that is too old is dropped (section 7.2).
        coming.forget()
        return self._repeat(now)

    def _listen(self, now: float) -> None:
        """Wait anew for a response; what silence means is left open by RFC 9177."""
        self._timer.sent(now)
        self._due = now + self._wait

    @property
    def _wait(self) -> float:
        return min(self._timer.value, self._parameters.probing_wait)

    def _repeat(self, now: float) -> Sequence[Outgoing]:
        """One block again, the next one each time."""
        if self._timer.exhausted:
            raise HandshakeTimeout(
                "no answer to a body that was sent: is a server there, and does the network pass "
                "UDP? (a lossy one: raise max-retransmit)"
            )
        self._timer.expired(now)
        self._due = now + self._wait
        sent = max(1, self._leaving.next)
        block = self._leaving.again((self._turn % sent,), now)
        self._turn += 1
        self.repetitions += len(block)
        return [Outgoing(each, confirmable=False) for each in block]
