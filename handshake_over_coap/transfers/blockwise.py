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
        """Whatever no other transfer claims is one block, or whole."""
        return True

    def begins(self, request: Message) -> bool:
        """Whether this is block 0 of a request body: the only one that needs an Echo."""
        number1, number2 = request.uint(Option.BLOCK1), request.uint(Option.BLOCK2)
        return (number1 or 0) < 16 and (number2 or 0) < 16

    def asks(self, request: Message) -> int:
        """One challenge for a request without anything in it, which is how a burst begins."""
        empty = not request.payload and request.path and len(request.options) == len(request.path)
        return 1 if empty else 0

    def content_format(self, request: Message) -> int | None:
        """The option's."""
        return request.uint(Option.CONTENT_FORMAT)


BLOCKWISE: Final = Blockwise()
