"""Bodies that go out whole, for somebody else to cut: aiocoap's own blockwise transfer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from handshake_over_coap.coap.codes import Code
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Block, Option, OptionValue, uint
from handshake_over_coap.transfers.base import (
    Incomplete,
    Outgoing,
    Reply,
    Terms,
    Upload,
)
from handshake_over_coap.transfers.blockwise import Blockwise
from handshake_over_coap.transfers.blockwise_client import REQUEST_TAG_LENGTH
from handshake_over_coap.transfers.single import reply_of


@dataclass(frozen=True, slots=True)
class WholeBodies(Blockwise):
    """Blockwise by whoever carries the bodies: one request for each, and one response."""

    name: str = field(default="whole", init=False)

    def client(self, terms: Terms) -> WholeClient:  # type: ignore[override]
        """The client's part in one handshake; a server's is that of any blocks."""
        return WholeClient(terms)


WHOLE: Final = WholeBodies()


class WholeClient:
    """Posts bodies whole."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    def post(self, upload: Upload) -> WholePosting:
        """A body to the server."""
        return WholePosting(self.terms, upload)


class WholePosting:
    """One body as one request.

    A Request-Tag keeps its blocks apart from others (RFC 9175 section 3), and a server that may
    choose is told our block size (RFC 7959 section 2.3): aiocoap does neither by itself.
    """

    several = False
    deadline: None = None
    repetitions = 0

    def __init__(self, terms: Terms, upload: Upload) -> None:
        self._terms = terms
        self._upload = upload
        self.reply: Reply | None = None

    def start(self, now: float) -> Sequence[Outgoing]:
        """The body."""
        upload, block = self._upload, Block(0, False, self._terms.largest_block)
        options: list[OptionValue] = [(int(Option.URI_PATH), each.encode()) for each in upload.path]
        if upload.content_format is not None:
            options.append((int(Option.CONTENT_FORMAT), uint(upload.content_format)))
        options.append((int(Option.BLOCK2), block.encode()))
        if upload.echo is not None:
            options.append((int(Option.ECHO), upload.echo))
        options.append((int(Option.REQUEST_TAG), self._terms.rng(REQUEST_TAG_LENGTH)))
        return (Outgoing(Content(Code.POST, tuple(options), upload.body)),)

    def answered(self, response: Message, asked: Outgoing, now: float) -> Sequence[Outgoing]:
        """The response; raises Incomplete where the server misses a part of the body."""
        if response.code == Code.REQUEST_ENTITY_INCOMPLETE:
            raise Incomplete("the server misses a part of the body (4.08)")
        self.reply = reply_of(response, payload=response.payload)
        return ()

    def acknowledged(self, now: float) -> Sequence[Outgoing]:
        """Nothing: the answer follows."""
        return ()

    def on_timer(self, now: float) -> Sequence[Outgoing]:
        """Nothing: what is repeated, the message layer repeats."""
        return ()
