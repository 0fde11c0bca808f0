"""Burst: a body crosses in pieces that go out together, and both sides repeat what is missing.

Theory of operation.  A body is cut into equal pieces, and more pieces are made of all of them
(:mod:`.erasure`, :mod:`.pieces`); as many different ones as it was cut into give it back.  A flight
goes out at once, and the next flight acknowledges it (:mod:`.burst_half`): the client's half is
:mod:`.burst_client`, the server's :mod:`.burst_server`.  Neither knows CoAP; :mod:`.burst_posting`
and :mod:`.burst_peer` give their payloads options, and take what comes back apart.

Every message is non-confirmable and has a message ID of its own.  A client's requests are POSTs to
the handshake resource, each with a token; any of them may be answered, by as many responses as it
takes (draft-ietf-core-responses).  The Content-Format elicits that: it wraps the format of the
encoding.  There is no Location: the tag in each request names the handshake at its endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from handshake_over_coap.coap.message import Message
from handshake_over_coap.coap.options import Option

from .base import Terms
from .burst_client import MOST_CHALLENGES
from .burst_peer import BurstServer
from .burst_posting import BurstClient
from .pieces import Note, Part, PieceError, Saying, decode
from .wrapping import unwrapped


@dataclass(frozen=True)
class Burst:
    """Pieces of an erasure code in non-confirmable messages, repeated by both sides."""

    quick: bool = field(
        default=False,
        metadata={"doc": "one spare piece in every flight: more datagrams, half the time"},
    )
    answer_bytes: int = field(
        default=400,
        metadata={
            "doc": "the first flight is padded until three times its bytes hold so many, "
            "where it is answered before the address is proven",
            "unit": "bytes",
        },
    )
    name: str = field(default="burst", init=False)
    limits_itself: bool = field(default=True, init=False)
    any_order: bool = field(default=False, init=False)

    def client(self, terms: Terms) -> BurstClient:
        """The client's part in one handshake."""
        return BurstClient(terms, quick=self.quick, answer_bytes=self.answer_bytes)

    def server(self, terms: Terms) -> BurstServer:
        """The server's part with one endpoint."""
        return BurstServer(terms, quick=self.quick)

    def claims(self, request: Message) -> bool:
        """Whether the Content-Format is one that wraps another."""
        number = request.uint(Option.CONTENT_FORMAT)
        return number is not None and unwrapped(number) is not None

    def begins(self, request: Message) -> bool:
        """Whether this belongs to a first flight; what cannot be read has to prove itself too."""
        part = _part(request)
        return part is None or part.flight <= 1

    def asks(self, request: Message) -> int:
        """How many challenges a note asks for, as earlier ones were lost; 0 for all else."""
        part = _part(request)
        if not isinstance(part, Note) or part.saying is not Saying.ASK:
            return 0
        return min(MOST_CHALLENGES, max(1, part.count))

    def content_format(self, request: Message) -> int | None:
        """What the option's format wraps."""
        number = request.uint(Option.CONTENT_FORMAT)
        return None if number is None else unwrapped(number)


def _part(request: Message) -> Part | None:
    try:
        return decode(request.payload, tagged=True)
    except PieceError:
        return None


BURST: Final = Burst()
