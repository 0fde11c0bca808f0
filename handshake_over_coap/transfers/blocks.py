"""How bodies are cut: blocks of RFC 7959 and where they lie."""

from __future__ import annotations

from handshake_over_coap.coap.message import Message
from handshake_over_coap.coap.options import BLOCK_SIZES, Block, Option

_DESCENDING = tuple(reversed(BLOCK_SIZES))


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
    who asks for a later block of the answer has no block of a body (section 2.7).
    """
    value1 = value2 = None
    for number, value in request.options:
        if number == Option.BLOCK1:
            value1 = value
        elif number == Option.BLOCK2:
            value2 = value
    if request.bad_block:
        return False
    if value1 is None:
        return True
    block, length = Block.decode(value1), len(request.payload)
    if length > block.size or (block.more and length != block.size):
        return False
    return value2 is None or Block.decode(value2).num == 0
