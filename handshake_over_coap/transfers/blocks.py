"""How bodies are cut: blocks of RFC 7959 and where they lie."""

from __future__ import annotations

from handshake_over_coap.coap.message import Message
from handshake_over_coap.coap.options import BLOCK_SIZES, Block, Option

_DESCENDING = tuple(reversed(BLOCK_SIZES))
_PLAIN, _QUICK = {Option.BLOCK1, Option.BLOCK2}, {Option.Q_BLOCK1, Option.Q_BLOCK2}


def sizes_up_to(largest: int) -> tuple[int, ...]:
    """The sizes of blocks from ``largest`` down; ValueError where that is none of them."""
    return _DESCENDING[_DESCENDING.index(largest) :]


def block_at(offset: int, total: int, largest: int) -> Block:
    """The block that begins ``offset`` bytes into a body of ``total`` bytes.

    Its size is the greatest that is at most ``largest``, a block size, and divides the offset.
    """
    size = next(s for s in sizes_up_to(largest) if offset % s == 0)
    return Block(offset // size, offset + size < total, size)


def well_formed(request: Message) -> bool:
    """Whether the block options of a request fit its payload and one another.

    A block with more to come is as long as it says, and no other is longer (RFC 7959 section 2.2);
    who asks for a later block of the answer has no block of a body (section 2.7).  One of RFC 9177
    fits the size of the body, too.
    """
    value1 = value2 = quick = None
    for number, value in request.options:
        if number == Option.BLOCK1:
            value1 = value
        elif number == Option.BLOCK2:
            value2 = value
        elif number == Option.Q_BLOCK1:
            quick = value
    if request.bad_block or not (quick is None or _quick_block_fits(request, quick)):
        return False
    if value1 is None:
        return True
    block, length = Block.decode(value1), len(request.payload)
    if length > block.size or (block.more and length != block.size):
        return False
    return value2 is None or Block.decode(value2).num == 0


def mixes_kinds(request: Message) -> bool:
    """Whether there are blocks of RFC 7959 and of RFC 9177, which must not be (section 4.1)."""
    plain = quick = False
    for number, _ in request.options:
        plain |= number in _PLAIN
        quick |= number in _QUICK
    return plain and quick


def _quick_block_fits(request: Message, value: bytes) -> bool:
    """Whether a block of RFC 9177, by its option, is one of its body (sections 4.3 and 4.4)."""
    total = request.uint(Option.SIZE1)
    if total is None or request.get(Option.REQUEST_TAG) is None:
        return False
    block = Block.decode(value)
    end = min(block.offset + block.size, total)
    begins = block.offset < total or not block.offset
    return begins and block.more == (end < total) and len(request.payload) == end - block.offset
