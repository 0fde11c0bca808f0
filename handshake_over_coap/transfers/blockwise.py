"""Blockwise transfer (RFC 7959): one confirmable message at a time, each block acknowledged.

A body goes out by Block1 and the reply comes back by Block2.  Blocks are cut at offsets, so that
their size may change wherever two sizes share a boundary (section 2.3).  A Request-Tag is on every
body of several blocks, and an ETag on every reply of several (RFC 9175 section 3): bodies of one
endpoint never mix.  Echo rides on block 0 alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from handshake_over_coap.coap.codes import Code
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import BLOCK_SIZES, Block, Option, OptionValue, uint
from handshake_over_coap.errors import CarrierError

from .base import (
    Answer,
    AssemblyKey,
    BadPart,
    BodyIncomplete,
    BodyTooLarge,
    Contact,
    Outgoing,
    Received,
    Terms,
    Whole,
)
from .blocks import block_at, sizes_up_to
from .blockwise_client import BlockwiseClient
from .wrapping import unwrapped

ETAG_LENGTH = 2
"""Bytes of an ETag: it tells two answers to one endpoint apart."""

_OTHERS: Final = frozenset({Option.Q_BLOCK1, Option.Q_BLOCK2})
_BLOCKS: Final = frozenset({Option.BLOCK1, Option.BLOCK2})
_SECOND: Final = 1 << 4
"""The least value of an option for a block after the first."""


def assembly_key(request: Message) -> AssemblyKey:
    """Under what a body is joined, besides its endpoint."""
    return request.path, request.get(Option.REQUEST_TAG)


class Assembly:
    """One body on its way in by Block1, and the answer that goes back by Block2.

    ``limit`` in bytes.  ``proven`` tells that its block 0 came with a valid Echo;
    ``content_format`` is that of its first block; ``answer`` is there once the body is whole and
    has been answered.
    """

    __slots__ = ("_data", "answer", "content_format", "limit", "proven")

    def __init__(self, limit: int) -> None:
        self._data = bytearray()
        self.limit = limit
        self.proven = False
        self.content_format: int | None = None
        self.answer: Answer | None = None

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return len(self._data)

    def check_format(self, content_format: int | None) -> None:
        """Raises :class:`BodyIncomplete` for a block of another format than the first one's."""
        if content_format != self.content_format:
            raise BodyIncomplete("blocks of two formats (RFC 7959 section 2.3)")

    def add(self, block: Block, payload: bytes) -> bytes | None:
        """Take one block; returns the whole body once it is there, ``None`` before.

        A repeated block is taken again if it has the same bytes; another block 0 begins another
        body (RFC 7959 section 2.5).  Raises :class:`BadPart`, :class:`BodyIncomplete` or
        :class:`BodyTooLarge`.
        """
        if len(payload) > block.size or (block.more and len(payload) != block.size):
            raise BadPart(f"a block of size {block.size} with {len(payload)} bytes")
        end = block.offset + len(payload)
        if end > self.limit:
            raise BodyTooLarge(f"the body passes {self.limit} bytes")
        if block.offset > len(self._data):
            raise BodyIncomplete(f"byte {len(self._data)} is missing before block {block.num}")
        if block.offset < len(self._data) and self._data[block.offset : end] != payload:
            if block.num > 0:
                raise BodyIncomplete(f"block {block.num} differs from what was sent before")
            self._data.clear()
            self.answer = None
        self._data[block.offset : end] = payload
        if not block.more:
            del self._data[end:]
        return None if block.more else bytes(self._data)


class BlockwiseServer:
    """The bodies of one endpoint.

    ``block_size`` is the size in bytes that the endpoint has asked for, ``assemblies`` are in the
    order in which they began.
    """

    deadline: None = None
    proves = False

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.assemblies: OrderedDict[AssemblyKey, Assembly] = OrderedDict()
        self.block_size: int | None = None

    @property
    def held(self) -> int:
        """Bytes of all bodies that are here."""
        return sum([each.size for each in self.assemblies.values()])

    def continues(self, request: Message) -> bool:
        """Whether a later block goes on with a body that is here."""
        return assembly_key(request) in self.assemblies

    def clear(self) -> None:
        """Forget all bodies."""
        self.assemblies.clear()

    def another(self, whole: Whole, now: float) -> Whole | None:
        """Nothing: each part has its place."""
        return None

    def on_timer(self, now: float) -> Sequence[Outgoing]:
        """Nothing: a server of blocks only answers."""
        return ()

    def receive(self, request: Message, contact: Contact, now: float) -> Received:
        """Take a block, or the request for one of the answer."""
        key, asked = assembly_key(request), request.get(Option.BLOCK2)
        if asked is not None:
            block2 = Block.decode(asked)
            self.block_size = block2.size
            if block2.num > 0:
                return Received((Outgoing(self._later_block(self.assemblies.get(key), block2)),))
        assembly = self._assembly(key)
        try:
            body = self._join(assembly, request, proven=contact.proven, asked=asked is not None)
        except (BadPart, BodyIncomplete, BodyTooLarge):
            self.assemblies.pop(key, None)
            raise
        if body is None:
            return Received((Outgoing(self._continue(request)),))
        path = tuple([each.decode() for each in key[0]])
        whole = Whole(request, body, path, assembly.content_format, assembly.proven, place=assembly)
        return Received(whole=whole)

    def _assembly(self, key: AssemblyKey) -> Assembly:
        """The body under ``key``, begun if it is new; the oldest makes room.

        The oldest for the same path, if there is one: anybody can begin some for a session in the
        endpoint's name, and those do not drive out what goes on at the resource.
        """
        found = self.assemblies.get(key)
        if found is None:
            found = self.assemblies[key] = Assembly(self._terms.body_limit)
            while len(self.assemblies) > self._terms.bodies:
                others = [each for each in self.assemblies if each != key]
                alike = [each for each in others if each[0] == key[0]]
                del self.assemblies[(alike or others)[0]]
        return found

    def _join(
        self, assembly: Assembly, request: Message, *, proven: bool, asked: bool
    ) -> bytes | None:
        """The whole body that ``request`` is, or is the last block of; ``None`` before that."""
        value, payload = request.get(Option.BLOCK1), request.payload
        block = None if value is None else Block.decode(value)
        content_format = request.uint(Option.CONTENT_FORMAT)
        if block is None or block.num == 0:
            assembly.content_format = content_format
            assembly.proven = proven
        if block is None:
            if len(payload) > self._terms.body_limit:
                raise BodyTooLarge("in a single datagram")
            return payload
        if not asked:
            self.block_size = block.size
        assembly.check_format(content_format)
        return assembly.add(block, payload)

    def _continue(self, request: Message) -> Content:
        """2.31; asks for smaller blocks where we prefer them (RFC 7959 section 2.3)."""
        block = Block.decode(request.get(Option.BLOCK1) or b"")
        size = min(block.size, self._terms.largest_block)
        answer = Block(block.num, True, size)
        return Content(Code.CONTINUE, ((int(Option.BLOCK1), answer.encode()),))

    def answer(self, whole: Whole, answer: Answer, now: float) -> Sequence[Outgoing]:
        """The response to the last block, with the first block of the answer."""
        if isinstance(whole.place, Assembly):
            whole.place.answer = answer
        content = self._response(whole.request, answer, len(answer.payload), None)
        if self._wants_blocks(answer) or self._too_large(content, whole.request):
            size = min(self._terms.largest_block, self.block_size or BLOCK_SIZES[-1])
            content = self._cut(whole.request, answer, size)
        return (Outgoing(content),)

    def _wants_blocks(self, answer: Answer) -> bool:
        """Whether a body is longer than the blocks that either side has chosen."""
        chosen = (self._terms.largest_whole, self.block_size)
        return any(each is not None and len(answer.payload) > each for each in chosen)

    def _response(
        self, request: Message, answer: Answer, length: int, block2: Block | None
    ) -> Content:
        """The first response of an answer, with ``length`` bytes of it."""
        options = options_of_answer(answer)
        if block2 is not None:
            options.append((int(Option.ETAG), etag(answer)))
            options.append((int(Option.BLOCK2), block2.encode()))
        if (block1 := request.get(Option.BLOCK1)) is not None:
            options.append((int(Option.BLOCK1), Block.decode(block1).encode()))
        options.sort(key=lambda option: option[0])  # the segments of a path stay in their order
        return Content(answer.code, tuple(options), answer.payload[:length])

    def _too_large(self, content: Content, request: Message) -> bool:
        return not content.fits(self._terms.mtu, len(request.token))

    def _cut(self, request: Message, answer: Answer, size: int) -> Content:
        """As much of the answer as fits, by blocks of at most ``size``."""
        for smaller in sizes_up_to(size):
            block = block_at(0, len(answer.payload), smaller)
            content = self._response(request, answer, block.size, block)
            if not self._too_large(content, request):
                return content
        raise CarrierError(f"no block fits an mtu of {self._terms.mtu} bytes")

    def _later_block(self, assembly: Assembly | None, asked: Block) -> Content:
        if assembly is None or assembly.answer is None:
            return Content(Code.REQUEST_ENTITY_INCOMPLETE)
        answer = assembly.answer
        size = min(asked.size, self._terms.largest_block)
        if asked.offset >= len(answer.payload):
            return Content(Code.BAD_REQUEST)
        end = asked.offset + size
        block = Block(asked.offset // size, end < len(answer.payload), size)
        options = ((int(Option.ETAG), etag(answer)), (int(Option.BLOCK2), block.encode()))
        return Content(answer.code, options, answer.payload[asked.offset : end])


def etag(answer: Answer) -> bytes:
    """Names the payload of an answer, so that blocks of two answers never mix."""
    return sha256(answer.payload).digest()[:ETAG_LENGTH]


def options_of_answer(answer: Answer) -> list[OptionValue]:
    """What says something of the whole answer, in the order of the option numbers."""
    options = [(int(Option.LOCATION_PATH), each.encode()) for each in answer.location]
    if answer.content_format is not None:
        options.append((int(Option.CONTENT_FORMAT), uint(answer.content_format)))
    if answer.max_age is not None:
        options.append((int(Option.MAX_AGE), uint(answer.max_age)))
    if answer.echo is not None:
        options.append((int(Option.ECHO), answer.echo))
    return options


@dataclass(frozen=True)
class Blockwise:
    """RFC 7959 by the book, over confirmable messages."""

    name: str = field(default="blockwise", init=False)
    limits_itself: bool = field(default=False, init=False)
    any_order: bool = field(default=False, init=False)

    def client(self, terms: Terms) -> BlockwiseClient:
        """The client's part in one handshake."""
        return BlockwiseClient(terms)

    def server(self, terms: Terms) -> BlockwiseServer:
        """The server's part with one endpoint."""
        return BlockwiseServer(terms)

    def claims(self, request: Message) -> bool:
        """Whatever no option says to be another transfer's is one block, or whole."""
        for number, value in request.options:
            if number in _OTHERS:
                return False
            if number == Option.CONTENT_FORMAT and unwrapped(int.from_bytes(value, "big")):
                return False
        return True

    def begins(self, request: Message) -> bool:
        """Whether this is block 0 of a request body: the only one that needs an Echo."""
        for number, value in request.options:
            if number in _BLOCKS and int.from_bytes(value, "big") >= _SECOND:
                return False
        return True

    def asks(self, request: Message) -> int:
        """One challenge for a request without anything in it, which is how a burst begins."""
        of_path = (Option.URI_PATH, Option.URI_PATH_ABBREV)
        bare = all(number in of_path for number, _ in request.options)
        empty = not request.payload and request.path and bare
        return 1 if empty else 0

    def content_format(self, request: Message) -> int | None:
        """The option's."""
        return request.uint(Option.CONTENT_FORMAT)


BLOCKWISE: Final = Blockwise()
