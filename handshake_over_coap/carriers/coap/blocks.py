"""Bodies and their blocks: cutting, joining, and the answers kept for repetition.

Nothing here waits or sends.  A body is sent block by block at offsets, so the block size may
change at any block boundary that both sizes share (RFC 7959 section 2.3).
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256, Hash

from handshake_over_coap.errors import Error

from .parameters import BLOCK_SIZES
from .scan import Block

ETAG_LENGTH = 2
_DESCENDING = tuple(reversed(BLOCK_SIZES))


class BodyTooLarge(Error):
    """The body passes the limit: 4.13."""


class BodyIncomplete(Error):
    """A block does not continue what is there: 4.08."""


class BadBlock(Error):
    """A block contradicts itself: 4.00."""


def digest(data: bytes) -> bytes:
    """SHA-256 of ``data``: tells whether a body is one seen before."""
    context = Hash(SHA256())
    context.update(data)
    return context.finalize()


def sizes_up_to(largest: int) -> tuple[int, ...]:
    """The sizes of blocks from ``largest`` down; ValueError where that is none of them."""
    return _DESCENDING[_DESCENDING.index(largest) :]


def block_at(offset: int, total: int, largest: int) -> Block:
    """The block that begins ``offset`` bytes into a body of ``total`` bytes.

    Its size is the greatest that is at most ``largest``, a block size, and divides the offset.
    """
    size = next(s for s in sizes_up_to(largest) if offset % s == 0)
    return Block(offset // size, offset + size < total, size)


def as_option(block: Block) -> tuple[int, bool, int]:
    """A block in the form in which aiocoap takes option values."""
    return block.num, block.more, BLOCK_SIZES.index(block.size)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response to a whole body, kept so that the same body gets the same answer.

    ``code`` is the CoAP code as a number, ``content_format`` ``None`` where the resource's default
    applies, ``location`` the values of Location-Path options, ``echo`` a challenge, ``max_age``
    the seconds after which a refused client may try again.
    """

    code: int
    payload: bytes = b""
    content_format: int | None = None
    location: tuple[str, ...] = ()
    echo: bytes | None = None
    max_age: int | None = None

    @property
    def etag(self) -> bytes:
        """Names the payload, so that blocks of two answers never mix."""
        return digest(self.payload)[:ETAG_LENGTH]


class Transfer:
    """One body on its way in by Block1, and the answer that goes back by Block2.

    Lives under (endpoint, path, Request-Tag); ``limit`` in bytes.  ``proven`` tells that its block
    0 came with a valid Echo; ``content_format`` is that of its first block; ``answer`` is there
    once the body is whole and has been answered.
    """

    __slots__ = ("_data", "answer", "content_format", "limit", "proven")

    def __init__(self, limit: int) -> None:
        self._data = bytearray()
        self.limit = limit
        self.proven = False
        self.content_format: int | None = None
        self.answer: Answer | None = None

    def check_format(self, content_format: int | None) -> None:
        """Raises :class:`BodyIncomplete` for a block of another format than the first one's."""
        if content_format != self.content_format:
            raise BodyIncomplete("blocks of two formats (RFC 7959 section 2.3)")

    def add(self, block: Block, payload: bytes) -> bytes | None:
        """Take one block; returns the whole body once it is there, ``None`` before.

        A repeated block is taken again if it has the same bytes; another block 0 begins another
        body (RFC 7959 section 2.5).  Raises :class:`BadBlock`, :class:`BodyIncomplete` or
        :class:`BodyTooLarge`.
        """
        if len(payload) > block.size or (block.more and len(payload) != block.size):
            raise BadBlock(f"a block of size {block.size} with {len(payload)} bytes")
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
