"""Discovery: the links that tell of the handshake resource (RFC 6690)."""

from __future__ import annotations

from collections.abc import Iterable

from handshake_over_coap.coap.codes import Code
from handshake_over_coap.coap.message import Content, Message, MessageFormatError
from handshake_over_coap.coap.options import BLOCK_SIZES, Block, Option, OptionValue, uint
from handshake_over_coap.transfers.blocks import mixes_kinds

from .parameters import CoapParameters

DISCOVERY = (b".well-known", b"core")
CONTENT_FORMAT_LINK = 40

_LINKS_ETAG: OptionValue = (int(Option.ETAG), b"\1")
"""The links of one server stay the same (RFC 9177 section 4.4 wants an ETag)."""


class Links:
    """What a server has at ``/.well-known/core``; ``formats`` are those of flights."""

    def __init__(self, parameters: CoapParameters, formats: Iterable[int]) -> None:
        self._mtu = parameters.mtu
        told = " ".join(map(str, formats))
        self._links = f'<{parameters.resource}>;rt=core.dtls;ct="{told}"'.encode()

    def answer(self, request: Message) -> Content:
        """The links, with a query on ``rt`` honoured, or what is wrong with the request."""
        if request.code != Code.GET:
            return Content(Code.METHOD_NOT_ALLOWED)
        if request.uint(Option.ACCEPT) not in (None, CONTENT_FORMAT_LINK):
            return Content(Code.NOT_ACCEPTABLE)
        if mixes_kinds(request):
            return Content(Code.BAD_OPTION)
        if request.bad_block:
            return Content(Code.BAD_REQUEST)
        try:
            return self._reply(request)
        except MessageFormatError:
            return Content(Code.BAD_REQUEST)

    def _reply(self, request: Message) -> Content:
        """The links, or the block of them that is asked for or that fits a datagram."""
        links = self._links if all(map(_matches, request.values(Option.URI_QUERY))) else b""
        options = ((int(Option.CONTENT_FORMAT), uint(CONTENT_FORMAT_LINK)),)
        whole = Content(Code.CONTENT, options, links)
        quick = request.values(Option.Q_BLOCK2)
        value = next(iter((*quick, *request.values(Option.BLOCK2))), None)
        asked = None if value is None else Block.decode(value)
        fits = whole.fits(self._mtu, len(request.token))
        if fits and (asked is None or (quick and asked.more)):
            return whole
        if len(quick) > 1 or (quick and asked is not None and asked.more):
            return Content(Code.BAD_OPTION)  # several responses, and nothing is kept here
        # 32 bytes are for header, token and options.
        room = max(BLOCK_SIZES[0], self._mtu - 32)
        largest = max(s for s in BLOCK_SIZES if s <= room)
        offset, size = (asked.offset, min(asked.size, largest)) if asked else (0, largest)
        if offset and offset >= len(links):
            raise MessageFormatError("there is no such block")
        block = Block(offset // size, offset + size < len(links), size)
        payload = links[offset : offset + size]
        if quick:
            more = (int(Option.SIZE2), uint(len(links))), (int(Option.Q_BLOCK2), block.encode())
            return Content(Code.CONTENT, (_LINKS_ETAG, *options, *more), payload)
        return Content(Code.CONTENT, (*options, (int(Option.BLOCK2), block.encode())), payload)


def _matches(query: bytes) -> bool:
    """Whether the handshake resource passes a filter on its resource type (RFC 6690 4.1)."""
    name, _, value = query.partition(b"=")
    if value.endswith(b"*"):
        return name == b"rt" and b"core.dtls".startswith(value[:-1])
    return name == b"rt" and value == b"core.dtls"
