"""Blockwise transfer (RFC 7959): one confirmable message at a time, each block acknowledged.

A body goes out by Block1 and the reply comes back by Block2.  Blocks are cut at offsets, so that
their size may change wherever two sizes share a boundary (section 2.3).  A Request-Tag is on every
body of several blocks, and an ETag on every reply of several (RFC 9175 section 3): bodies of one
endpoint never mix.  Echo rides on block 0 alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from handshake_over_coap.coap.message import Message
from handshake_over_coap.coap.options import Option

from .base import Terms
from .blockwise_client import BlockwiseClient
from .blockwise_server import BlockwiseServer
from .wrapping import unwrapped

_OTHERS: Final = frozenset({Option.Q_BLOCK1, Option.Q_BLOCK2})
_BLOCKS: Final = frozenset({Option.BLOCK1, Option.BLOCK2})
_SECOND: Final = 1 << 4
"""The least value of an option for a block after the first."""


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
