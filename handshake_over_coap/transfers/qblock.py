"""Q-Block (RFC 9177): blocks that go out without waiting, and reports of those that are missing.

Theory of operation.  A body goes out by Q-Block1 and its reply comes back by Q-Block2, each block
in a non-confirmable message, :attr:`~.QBlockParameters.max_payloads` at once: a *set*.  Whoever has
all of a set says so and the next one follows (2.31, or a Q-Block2 for it); else it follows after a
pause.  Whoever misses blocks waits, then says which (:mod:`.missing_blocks` from a server, as many
Q-Block2 from a client), and waits twice as long each time.

The RFC leaves open what a client does that hears nothing at all: the answer may be lost, or all of
the body.  It repeats one block, the next one each time, at the times of the timer of RFC 7252.  A
server that has the body answers again; one that has a part says what it misses.

The first message of a client is confirmable, as a server that does not know the options has to
refuse it with 4.02 (section 4.1): the client turns to RFC 7959 then.  A server under address check
answers it with a challenge; Echo is on every block of flight 1 then, since any may come first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from handshake_over_coap.coap.message import Message
from handshake_over_coap.coap.options import Option

from .base import Terms
from .qblock_client import QBlockClient
from .qblock_parameters import QBlockParameters
from .qblock_server import QBlockServer


@dataclass(frozen=True, kw_only=True)
class QBlock(QBlockParameters):
    """RFC 9177 over non-confirmable messages."""

    name: str = field(default="qblock", init=False)
    limits_itself: bool = field(default=False, init=False)
    any_order: bool = field(default=True, init=False)

    def client(self, terms: Terms) -> QBlockClient:
        """The client's part in one handshake."""
        return QBlockClient(terms, self)

    def server(self, terms: Terms) -> QBlockServer:
        """The server's part with one endpoint."""
        return QBlockServer(terms, self)

    def claims(self, request: Message) -> bool:
        """Whether one of the two options is there."""
        one, other = request.get(Option.Q_BLOCK1), request.get(Option.Q_BLOCK2)
        return one is not None or other is not None

    def begins(self, request: Message) -> bool:
        """Whether there is a part of a body: any may come first.

        A request for blocks of the answer has none.
        """
        return bool(request.payload) or request.get(Option.Q_BLOCK1) is not None

    def asks(self, request: Message) -> int:
        """None: what draws the challenge is the first block."""
        return 0

    def content_format(self, request: Message) -> int | None:
        """The option's, which is that of the body."""
        return request.uint(Option.CONTENT_FORMAT)


QBLOCK: Final = QBlock()
