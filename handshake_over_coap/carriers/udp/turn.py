"""The flight that a peer is sending in the clear, while anybody may have written it.

Messages in the clear are taken as they come, and one of them may be forged, or of a handshake that
was made from this port before: a ClientKeyExchange of 1.2 with a key share of somebody else, say,
or a ServerHello of 1.3.  The genuine peer, which gets no answer that it can use,
sends its flight again, and what it says then contradicts what was taken.  So the beginning of the
flight is kept until something has come under the new keys.  A whole message that says other than
the one that was taken is a rival to it; if the handshake could go on with it, it does: of two
versions of a message the later one counts.  That costs a key exchange each time, and so is done a
bounded number of times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from handshake_over_coap.carriers.reassembly import Fragment, Placed, Reassembly
from handshake_over_coap.tls.flight import Flight, HandshakeMessage
from handshake_over_coap.tls.handshake import State

RIVALS = 8
"""How many rivals are looked at in a handshake."""


class PeersFlight:
    """The peer's flight, and where the handshake stood before it.

    ``first_seq`` is the message_seq of its first message, ``flight`` what we had sent before it,
    ``taken`` its messages so far that came in the clear.
    """

    __slots__ = ("_rivals", "first_seq", "flight", "state", "taken")

    def __init__(self, state: State, first_seq: int, flight: Flight) -> None:
        self.state, self.first_seq, self.flight = state, first_seq, flight
        self.taken: list[HandshakeMessage] = []
        self._rivals = Reassembly(first_seq, Counter())

    def rival(self, part: Fragment) -> HandshakeMessage | None:
        """The message that ``part`` makes whole, if it says other than the one that was taken."""
        index, seq = part.message_seq - self.first_seq, part.message_seq
        if part.epoch or not 0 <= index < len(self.taken):
            return None
        message = self.taken[index]
        if _agrees(part, message) and not self._rivals.holds(seq):
            return None
        if self._rivals.place(part) is Placed.REFUSED:
            self._rivals.forget(seq)
            self._rivals.place(part)
        whole = self._rivals.whole(seq)
        if whole is None:
            return None
        self._rivals.forget(seq)
        same = (whole.type, whole.body) == (message.type, message.body)
        return None if same else whole

    def before(self, message_seq: int) -> list[HandshakeMessage]:
        """The messages that were taken before ``message_seq``."""
        return [each for each in self.taken if each.message_seq < message_seq]


class Rivals:
    """Looks for messages to go back for: :data:`RIVALS` at most, in whichever flights they come.

    ``acceptable`` tells whether the handshake could go on with one; ``seen`` counts them.
    """

    __slots__ = ("_acceptable", "_counters", "seen")

    def __init__(
        self, acceptable: Callable[[HandshakeMessage], bool], counters: Counter[str]
    ) -> None:
        self._acceptable, self._counters = acceptable, counters
        self.seen = 0

    def find(self, flight: PeersFlight, part: Fragment) -> HandshakeMessage | None:
        """The message that ``part`` makes whole, where it is to take the place of one of these."""
        rival = None if self.seen >= RIVALS else flight.rival(part)
        if rival is None:
            return None
        self.seen += 1
        if not self._acceptable(rival):
            return None
        self._counters["messages taken back"] += 1
        return rival


class Hellos:
    """What a server has said before there are keys: HelloVerifyRequest, or hellos without any.

    ``contradicted`` says that something else has come in the place of one of them since the
    handshake last went on.  Anybody may have sent either; if nothing follows from what was taken, a
    client begins again.
    """

    __slots__ = ("_said", "contradicted")

    def __init__(self) -> None:
        self._said: dict[int, HandshakeMessage] = {}
        self.contradicted = False

    def take(self, message: HandshakeMessage) -> None:
        """The handshake goes on with a message in the clear."""
        self._said[message.message_seq] = message
        self.contradicted = False

    def compare(self, part: Fragment) -> None:
        """Look whether a part of a message says other than the one that was taken."""
        said = self._said.get(part.message_seq)
        self.contradicted |= said is not None and not part.epoch and not _agrees(part, said)


def _agrees(part: Fragment, message: HandshakeMessage) -> bool:
    end = part.offset + len(part.data)
    said = message.body[part.offset : end]
    return (part.type, part.length, part.data) == (message.type, len(message.body), said)
