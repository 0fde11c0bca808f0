"""An answer as messages: whole, or cut into blocks of RFC 9177."""

from __future__ import annotations

from handshake_over_coap.coap.message import Content
from handshake_over_coap.coap.options import Block, Option, uint
from handshake_over_coap.errors import CarrierError

from .base import Answer, Terms
from .blocks import sizes_up_to
from .blockwise import etag, options_of_answer
from .qblock_parameters import QBlockParameters
from .qblock_parts import Departing, largest_size


def response(answer: Answer, length: int) -> Content:
    """An answer that is one message, with the first ``length`` bytes of its payload."""
    return Content(answer.code, tuple(options_of_answer(answer)), answer.payload[:length])


def departing(
    answer: Answer, size: int, token_length: int, terms: Terms, parameters: QBlockParameters
) -> tuple[Departing, int]:
    """An answer on its way out in blocks of at most ``size`` bytes, and their size.

    Raises CarrierError where no block fits a datagram.
    """

    def block(part: Block) -> Content:
        # ETag and Size2 are on every block (sections 4.4 and 4.6); of the rest, what is said on the
        # first block is said of all.
        options = options_of_answer(answer) if part.num == 0 else []
        options.append((int(Option.ETAG), etag(answer)))
        options.append((int(Option.SIZE2), uint(len(answer.payload))))
        options.append((int(Option.Q_BLOCK2), part.encode()))
        payload = answer.payload[part.offset : part.offset + part.size]
        return Content(answer.code, tuple(sorted(options, key=lambda o: o[0])), payload)

    total = len(answer.payload)
    chosen = largest_size(
        total, sizes_up_to(size), lambda part: block(part).fits(terms.mtu, token_length)
    )
    if chosen is None:
        raise CarrierError(f"no block fits an mtu of {terms.mtu} bytes")
    count = max(1, -(-total // chosen))
    leaving = Departing(
        count,
        lambda number: block(Block(number, number < count - 1, chosen)),
        most=parameters.max_payloads,
        spacing=parameters.spacing,
    )
    return leaving, chosen
