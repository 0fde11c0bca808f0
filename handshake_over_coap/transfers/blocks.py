"""How bodies are cut: blocks of RFC 7959 and where they lie."""

from __future__ import annotations

from handshake_over_coap.coap.options import BLOCK_SIZES, Block

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
