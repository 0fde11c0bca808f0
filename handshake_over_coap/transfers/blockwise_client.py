"""A client's part in blockwise transfer (RFC 7959): one block after the other, each answered."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from handshake_over_coap.coap.codes import Code, is_success
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import BLOCK_SIZES, Block, Option, OptionValue
from handshake_over_coap.errors import CarrierError, ConfigurationError

from .base import (
    Incomplete,
    Outgoing,
    Reply,
    Terms,
    Upload,
)
from .blocks import block_at, sizes_up_to
from .single import reply_of

REQUEST_TAG_LENGTH = 2
"""Bytes of a Request-Tag: random, so that bodies of one endpoint do not mix (RFC 9175 3)."""


class BlockwiseClient:
    """Posts bodies block by block.

    ``largest`` is the largest block in bytes that the server is known to take, ``whole`` the
    largest body that goes without blocks, None for any that fits.  ``signalled`` is whether the
    server knows our block size by now: it is told once, before the first reply, where one was
    chosen and the server may not take the largest by itself (section 2.3).
    """

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.largest = terms.largest_block
        self.whole = terms.largest_whole
        self.signalled = False

    def post(self, upload: Upload) -> BlockwisePosting:
        """A body to the server."""
        return BlockwisePosting(self, upload)


class BlockwisePosting:
    """One body out by Block1, one reply back by Block2."""

    several = False
    deadline: None = None
    repetitions = 0

    def __init__(self, side: BlockwiseClient, upload: Upload) -> None:
        self._side = side
        self._terms = side.terms
        self._upload = upload
        # Requests for blocks of the reply have the format too, though they have no payload: it is
        # one of the options that make requests match (RFC 9175 section 1.1), as aiocoap insists.
        self._resource = upload.head
        self._steps = self._exchange()
        self.reply: Reply | None = None

    def start(self, now: float) -> Sequence[Outgoing]:
        """The first block, or all of the body."""
        return (Outgoing(next(self._steps)),)

    def fetch(self, tag: bytes | None, first: Message) -> Sequence[Outgoing]:
        """The rest of a reply whose first block came to a body that was not sent in blocks."""
        self._steps = self._collect(tag, first)
        try:
            return (Outgoing(next(self._steps)),)
        except StopIteration as end:
            self.reply = end.value
            return ()

    def answered(self, response: Message, asked: Outgoing, now: float) -> Sequence[Outgoing]:
        """The next block, or the request for the next of the reply."""
        try:
            return (Outgoing(self._steps.send(response)),)
        except StopIteration as end:
            self.reply = end.value
            return ()

    def acknowledged(self, now: float) -> Sequence[Outgoing]:
        """Nothing: the answer follows."""
        return ()

    def on_timer(self, now: float) -> Sequence[Outgoing]:
        """Nothing: what is repeated, the message layer repeats."""
        return ()

    def _exchange(self) -> Generator[Content, Message, Reply]:
        """The whole exchange, from one request to the next response."""
        while True:
            tag, block, response = yield from self._send()
            hint = self._hint(block, response)
            if hint is None:
                break
            self._side.largest = self._side.whole = hint
        if response.code == Code.REQUEST_ENTITY_INCOMPLETE:
            raise Incomplete("the server misses a part of the body (4.08)")
        return (yield from self._collect(tag, response))

    def _hint(self, block: Block | None, response: Message) -> int | None:
        """A smaller size of blocks in which the server may take the body (RFC 7959 2.9.3)."""
        value = response.get(Option.BLOCK1)
        if response.code != Code.REQUEST_ENTITY_TOO_LARGE or value is None:
            return None
        size = Block.decode(value).size
        return size if size < (len(self._upload.body) if block is None else block.size) else None

    def _send(self) -> Generator[Content, Message, tuple[bytes | None, Block | None, Message]]:
        """The body, block by block; gives its Request-Tag, the last block and its response."""
        body, largest = self._upload.body, self._side.largest
        content, block, tag = self._first(body, largest)
        while True:
            response = yield content
            if block is None or not block.more:
                break
            acknowledged = response.get(Option.BLOCK1)
            if response.code != Code.CONTINUE or acknowledged is None:
                break
            asked = Block.decode(acknowledged).size
            content, block = self._block(body, block.offset + block.size, min(largest, asked), tag)
        return tag, block, response

    def _first(self, body: bytes, largest: int) -> tuple[Content, Block | None, bytes | None]:
        """The body in one message, or its first block, and the Request-Tag of that."""
        whole = self._side.whole
        if whole is None or len(body) <= whole:
            more: tuple[OptionValue, ...] = ()
            if whole is not None and largest < BLOCK_SIZES[-1] and not self._side.signalled:
                more = ((int(Option.BLOCK2), Block(0, False, largest).encode()),)
            content = self._request(body, *more, first=True)
            if self._fits(content):
                return content, None, None
        tag = self._terms.rng(REQUEST_TAG_LENGTH)
        content, block = self._block(body, 0, largest, tag, first=True)
        return content, block, tag

    def _block(
        self, body: bytes, offset: int, largest: int, tag: bytes | None, *, first: bool = False
    ) -> tuple[Content, Block]:
        """The request with the block at ``offset``, as large as the mtu lets it be."""
        size = 0
        for limit in sizes_up_to(largest):
            block = block_at(offset, len(body), limit)
            content = self._request(
                body[offset : offset + block.size],
                (int(Option.BLOCK1), block.encode()),
                tag=tag,
                first=first,
            )
            if self._fits(content):
                return content, block
            size = content.size(self._terms.token_length)
        raise ConfigurationError(
            f"an mtu of {self._terms.mtu} bytes is too small: a request to this path with a "
            f"block of {BLOCK_SIZES[0]} bytes takes {size}; raise the mtu or shorten the path"
        )

    def _request(
        self, payload: bytes, *blocks: OptionValue, tag: bytes | None = None, first: bool = False
    ) -> Content:
        """A POST with what the blocks of one body have in common."""
        options, upload = self._resource + blocks, self._upload
        if first and upload.echo is not None:
            options += ((int(Option.ECHO), upload.echo),)
        if tag is not None:
            options += ((int(Option.REQUEST_TAG), tag),)
        return Content(Code.POST, options, payload)

    def _fits(self, content: Content) -> bool:
        return content.fits(self._terms.mtu, self._terms.token_length)

    def _collect(self, tag: bytes | None, first: Message) -> Generator[Content, Message, Reply]:
        """Fetch the rest of the reply by Block2; every block has to have the same ETag."""
        # A refusal may come from a server that keeps nothing, such as a challenge.
        self._side.signalled = is_success(first.code)
        payload, block = bytearray(), self._append(bytearray(), first)
        payload += first.payload
        while block is not None and block.more:
            size = min(block.size, self._terms.largest_block)
            asked = Block(len(payload) // size, False, size)
            options = (*self._resource, (int(Option.BLOCK2), asked.encode()))
            if tag is not None:
                options += ((int(Option.REQUEST_TAG), tag),)
            response = yield Content(Code.POST, options)
            block = self._append(payload, response)
            same = response.get(Option.ETAG) == first.get(Option.ETAG)
            if response.code != first.code or not same or block is None:
                raise Incomplete("the reply changed between two blocks")
            payload += response.payload
        return reply_of(first, payload=bytes(payload))

    def _append(self, payload: bytearray, response: Message) -> Block | None:
        """The Block2 of a part of a reply, which has to follow what has come before."""
        value, limit = response.get(Option.BLOCK2), self._terms.body_limit
        block = None if value is None else Block.decode(value)
        if block is not None and (
            block.offset != len(payload) or (block.more and len(response.payload) != block.size)
        ):
            raise Incomplete("the blocks of the reply do not follow one another")
        if len(payload) + len(response.payload) > limit:
            raise CarrierError(f"the reply passes {limit} bytes")
        return block
