"""A client's and a server's side of burst, joined by CoAP messages without a network or a clock.

What the carrier adds is as small as can be: tokens, message IDs, and an Echo value that is asked
for where the address has to be proven.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from handshake_over_coap.coap.codes import Code, MessageType
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Option
from handshake_over_coap.timers import Adaptive
from handshake_over_coap.transfers.base import (
    Answer,
    Challenge,
    Contact,
    Outgoing,
    Reply,
    Terms,
    Upload,
)
from handshake_over_coap.transfers.burst import Burst

TOKEN = 4
ECHO = b"proven!!"
PATH = ("d",)
ONE_WAY = 0.05


def terms(rng: random.Random, *, mtu: int = 65, probe: bool = True) -> Terms:
    """What both sides keep to."""
    return Terms(
        mtu=mtu,
        token_length=TOKEN,
        largest_block=16,
        body_limit=16384,
        bodies=4,
        timer=Adaptive(),
        rng=rng.randbytes,
        draw=rng.random,
        probe=probe,
    )


@dataclass
class Joined:
    """One client and one server; ``answers`` maps whole bodies to what they get.

    ``lost`` are numbers of datagrams that do not arrive.  ``datagrams`` keeps all that were sent.
    """

    answers: Callable[[bytes], Answer]
    burst: Burst = field(default_factory=Burst)
    mtu: int = 65
    probe: bool = True
    check: bool = True
    lost: frozenset[int] = frozenset()
    datagrams: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.rng = random.Random(5)
        both = terms(self.rng, mtu=self.mtu, probe=self.probe)
        self.client, self.server = self.burst.client(both), self.burst.server(both)
        self._asked: dict[bytes, Outgoing] = {}
        self._way: deque[tuple[float, bool, bytes]] = deque()

    def post(self, body: bytes, *, first: bool = False, until: float = 100.0) -> Reply | None:
        """Post a body and run until its reply is there, or so many seconds have passed."""
        end = self.now + until
        posting = self.client.post(Upload(PATH, body, first=first))
        self._from_client(posting.start(self.now))
        while posting.reply is None and self.now < end:
            times = [t for t in (posting.deadline, self.server.deadline) if t is not None]
            if self._way and self._way[0][0] <= min(times, default=end):
                self.now, to_server, data = self._way.popleft()
                message = Message.decode(data)
                if to_server:
                    self._at_server(message)
                elif message.token in self._asked:
                    asked = self._asked[message.token]
                    self._from_client(posting.answered(message, asked, self.now))
                continue
            if not times:
                return None
            self.now = min(times)
            if posting.deadline is not None and posting.deadline <= self.now:
                self._from_client(posting.on_timer(self.now))
            if self.server.deadline is not None and self.server.deadline <= self.now:
                self._from_server(self.server.on_timer(self.now))
        return posting.reply

    def _send(self, content: Content, token: bytes, *, to_server: bool) -> None:
        data = content.encode(MessageType.NON, len(self.datagrams), token)
        self.datagrams.append(data)
        if len(self.datagrams) - 1 not in self.lost:
            self._way.append((self.now + ONE_WAY, to_server, data))

    def _from_client(self, outgoing: Sequence[Outgoing]) -> None:
        for each in outgoing:
            token = self.rng.randbytes(TOKEN)
            self._asked[token] = each
            self._send(each.content, token, to_server=True)

    def _from_server(self, outgoing: Sequence[Outgoing], token: bytes = b"") -> None:
        for each in outgoing:
            self._send(each.content, each.token or token, to_server=False)

    def _at_server(self, request: Message) -> None:
        begins = not self.burst.claims(request) or self.burst.begins(request)
        proven = request.get(Option.ECHO) == ECHO
        if begins and self.check and not proven:
            challenge = Content(Code.UNAUTHORIZED, ((int(Option.ECHO), ECHO),))
            for _ in range(max(1, self.burst.asks(request))):
                self._send(challenge, request.token, to_server=False)
            return
        told = Challenge(0.1, 0) if proven else None
        contact = Contact(not self.check or proven, told, limited=not self.check)
        received = self.server.receive(request, contact, self.now)
        self._from_server(received.send, request.token)
        if received.whole is not None:
            self.bodies.append(received.whole.body)
            answer = self.answers(received.whole.body)
            self._from_server(self.server.answer(received.whole, answer, self.now), request.token)
