"""A reply on its way back to a client by Q-Block2 (RFC 9177 section 4.4)."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_over_coap.coap.message import Message
from handshake_over_coap.coap.options import Block, Option
from handshake_over_coap.errors import CarrierError

from .base import BadPart, Reply, Terms
from .qblock_parameters import QBlockParameters
from .qblock_parts import Arriving
from .single import reply_of


class ArrivingReply:
    """What has come of the reply to one body.

    ``asked`` is how often missing blocks were asked for since the latest one came.
    """

    def __init__(self, terms: Terms, parameters: QBlockParameters) -> None:
        self._limit, self._most = terms.body_limit, parameters.max_payloads
        self._of: tuple[int, bytes] | None = None
        self._arriving: Arriving | None = None
        self._first: Message | None = None
        self._confirmed = 0
        self.asked = 0

    @property
    def begun(self) -> bool:
        """Whether a part of it is there."""
        return self._arriving is not None

    @property
    def reply(self) -> Reply | None:
        """The reply, once all of it has come; what is not payload is that of its first block."""
        whole = None if self._arriving is None else self._arriving.whole
        if whole is None or self._first is None:
            return None
        return reply_of(self._first, payload=whole)

    def take(self, response: Message) -> Sequence[Block]:
        """Take a block; gives those to ask for at once.

        A block that contradicts itself or the others is dropped; one of another reply is the first
        of that (section 4.4).  Raises CarrierError for a reply that is too large.
        """
        block = Block.decode(response.get(Option.Q_BLOCK2) or b"")
        total, etag = response.uint(Option.SIZE2), response.get(Option.ETAG)
        if total is None and not block.num and not block.more:
            total, etag = len(response.payload), etag or b""
        if total is None or etag is None:
            return ()
        if total > self._limit:
            raise CarrierError(f"the reply passes {self._limit} bytes")
        arriving = self._arriving
        if arriving is None or self._of != (response.code, etag):
            arriving, self._confirmed = Arriving(total, block.size, self._most), 0
        try:
            new = arriving.add(block, total, response.payload)
        except BadPart:
            return ()
        self._arriving, self._of = arriving, (response.code, etag)
        if not block.num:
            self._first = response
        return self._at_once(arriving, block) if new else ()

    def _at_once(self, arriving: Arriving, block: Block) -> Sequence[Block]:
        """The next set, once all up to it are there; what is missing before a set that begins."""
        self.asked = 0
        confirmed = arriving.confirmed
        if self._confirmed < confirmed < arriving.count:
            self._confirmed = confirmed
            return (Block(confirmed, True, arriving.size),)
        if arriving.begins_set(block.num):
            return self._blocks(arriving.missing_before(block.num))
        return ()

    def ask_again(self) -> Sequence[Block]:
        """What is missing by now, as it has not come in time."""
        self.asked += 1
        return () if self._arriving is None else self._blocks(self._arriving.missing())

    def _blocks(self, numbers: Sequence[int]) -> Sequence[Block]:
        size = 0 if self._arriving is None else self._arriving.size
        return [Block(number, False, size) for number in numbers]

    def forget(self) -> None:
        """The part that is there is too old."""
        self._arriving = self._of = self._first = None
        self._confirmed = self.asked = 0
