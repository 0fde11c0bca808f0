"""What a peer sends during a classic DTLS 1.3 handshake: records opened, messages put together.

Nothing here answers.  :class:`Incoming` takes records and says what came of them; the engine hands
messages to the handshake and decides what to send.

What comes in the clear may come from anybody: it is taken where it can be genuine, and ends
nothing.  What is sealed for keys that are not there yet is kept for a while (RFC 9147 section 4.2.1
allows it), within bounds.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable

from handshake_over_coap.carriers.reassembly import Fragment, Placed, Reassembly, read_fragments
from handshake_over_coap.carriers.receipts import Receipts
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls12 import HEADER, PlaintextRecord
from handshake_over_coap.records.dtls13 import (
    FIXED_BITS,
    FIXED_MASK,
    CiphertextRecord,
    RecordNumber,
    split13,
)
from handshake_over_coap.records.errors import MalformedRecord, RecordDropped, WrongEpoch
from handshake_over_coap.records.opener13 import Opened, Opener13
from handshake_over_coap.tls.alerts import (
    Alert,
    DecodeError,
    IllegalParameter,
    UnexpectedMessage,
    sealed_alert,
)
from handshake_over_coap.tls.codepoints import AlertDescription, ContentType
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.schedule13 import HANDSHAKE_EPOCH

from .clear import Hint
from .early import has_room
from .turn import Hellos, PeersFlight, Rivals

_GOODBYES = (AlertDescription.close_notify, AlertDescription.user_canceled)
"""Alerts that tell of no error (RFC 8446 section 6.1)."""


class Incoming:
    """The records of one peer; ``first_seq`` is the message_seq of its next message.

    ``turn`` is where the handshake stood before the hello that brought keys, and ``acceptable``
    says whether it could go on with a rival to that; ``taken_back`` that it has to, until the
    engine has gone back there.

    After a datagram, ``acks`` are the record numbers of the ACKs in it, each with whether it is
    authentic; ``repeated`` says that something of an earlier flight came again, ``answered`` that
    something new came sealed.  ``hint`` is why somebody in the clear says that the handshake fails.
    ``early`` are records of epoch 3 that came before the handshake was complete.
    """

    def __init__(
        self,
        first_seq: int,
        counters: Counter[str],
        acceptable: Callable[[HandshakeMessage], bool],
    ) -> None:
        self._counters = counters
        self.turn: PeersFlight | None = None
        self.hellos = Hellos()
        self.taken_back = False
        self._rivals = Rivals(acceptable, counters)
        self.reassembly = Reassembly(first_seq, counters)
        self.receipts = Receipts()
        self.opener: Opener13 | None = None
        self.flight_start = first_seq
        self.hint = Hint()
        self.early: list[Opened] = []
        self.acks: list[tuple[tuple[RecordNumber, ...], bool]] = []
        self.repeated = self.answered = False
        self.authentic = False
        self._tails: list[bytes] = []
        self._sealed: list[CiphertextRecord] = []

    def begin(self) -> None:
        """A datagram comes."""
        self.acks = []
        self.repeated = self.answered = False

    @property
    def holes(self) -> int:
        """How many gaps show: in messages, and before records that only later keys open."""
        return self.reassembly.holes + bool(self._tails or self._sealed or self.early)

    @property
    def sealed_only(self) -> bool:
        """Whether all that came is sealed as only 1.3 seals, with keys that are not there yet."""
        return bool(self._tails)

    def next_flight(self) -> None:
        """The peer's flight is over, and what comes next belongs to another."""
        self.flight_start = self.reassembly.next_seq
        self.receipts.clear()

    def clear(self, record: PlaintextRecord) -> None:
        """Take a record in the clear."""
        kind, data = record.content_type, record.fragment
        try:
            if kind == ContentType.handshake:
                self._fragments(data, RecordNumber(0, record.sequence_number))
            elif kind == ContentType.alert:
                self._unsealed_alert(Alert.decode(data))
            elif kind == ContentType.ack:
                self._unsealed_ack(Ack.decode(data))
            else:
                self._counters["dropped: unprotected"] += 1
        except DecodeError:
            self._counters["dropped: malformed fragment"] += 1

    def tail(self, data: bytes) -> None:
        """Take the sealed part of a datagram, or keep it while there are no keys.

        Raises the AlertError that was sealed in it, or that has to be sent for what was.
        """
        if self.opener is None:
            self._clear_in(data)
            if has_room(map(len, self._tails), len(data), self._counters):
                self._tails.append(data)
            return
        try:
            for record in split13(data, len(self.opener.cid)):
                if isinstance(record, PlaintextRecord):
                    self.clear(record)
                else:
                    self._open(record, self.opener)
        except MalformedRecord as dropped:
            self._counters[f"dropped: {dropped.reason}"] += 1

    def _clear_in(self, data: bytes) -> None:
        """Take records in the clear that stand after sealed ones: they may bring the keys."""
        with contextlib.suppress(MalformedRecord):
            for record in split13(data):
                if isinstance(record, PlaintextRecord):
                    self.clear(record)

    def new_keys(self) -> None:
        """The opener has more keys: open what waited for them; raises as :meth:`tail`."""
        self.reassembly.forget_unprotected()
        tails, self._tails = self._tails, []
        sealed, self._sealed = self._sealed, []
        for data in tails:
            self.tail(data)
        if self.opener is not None:
            for record in sealed:
                self._open(record, self.opener)

    def _open(self, record: CiphertextRecord, opener: Opener13) -> None:
        try:
            opened = opener.open(record)
        except WrongEpoch:
            if self._room(len(record.ciphertext)):
                self._sealed.append(record)
        except RecordDropped as dropped:
            self._counters[f"dropped: {dropped.reason}"] += 1
        else:
            self.authentic = True
            self.hint.forget()
            self._opened(opened)

    def _opened(self, opened: Opened) -> None:
        if opened.content_type == ContentType.alert:
            said = sealed_alert(opened.plaintext, single=True)
            # Goodbye may have overtaken Finished, and data that goes before it.
            if opened.epoch == HANDSHAKE_EPOCH or said.description not in _GOODBYES:
                raise said
        if opened.content_type == ContentType.ack:
            numbers = Ack.decode(opened.plaintext).record_numbers
            if any(number.epoch > opened.epoch for number in numbers):
                raise IllegalParameter("an ACK of a later epoch than its own")
            self.acks.append((numbers, True))
        elif opened.content_type == ContentType.handshake and opened.epoch == HANDSHAKE_EPOCH:
            self._fragments(opened.plaintext, opened.number)
        elif self._room(len(opened.plaintext)):
            self.early.append(opened)

    def _room(self, size: int) -> bool:
        """Whether a record of so many bytes may be kept for later; counts it otherwise."""
        kept = [len(record.ciphertext) for record in self._sealed]
        kept += [len(opened.plaintext) for opened in self.early]
        return has_room(kept, size, self._counters)

    def _fragments(self, data: bytes, number: RecordNumber) -> None:
        """Take the fragments in a record; raises DecodeError for anything else.

        And UnexpectedMessage for a sealed record without any (RFC 8446 section 5.1).
        """
        if number.epoch and not data:
            raise UnexpectedMessage("a handshake record without content")
        parts = read_fragments(data, number.epoch)
        for part in parts:
            self._look_for_rival(part)
        keyed, next_seq = self.opener is not None, self.reassembly.next_seq
        if number.epoch == 0 and keyed and any(part.message_seq >= next_seq for part in parts):
            # Nothing new comes in the clear any more; what came before may come again.
            self._counters["dropped: unprotected"] += 1
            return
        placed = {self.reassembly.place(part) for part in parts}
        if any(part.message_seq < self.flight_start for part in parts):
            self.repeated = True
        elif Placed.REFUSED not in placed:
            self.receipts.note(number)
        self.answered |= number.epoch > 0 and Placed.NEW in placed

    def _look_for_rival(self, part: Fragment) -> None:
        """Go back for a rival, if nothing has been authenticated yet, and not too often."""
        self.hellos.compare(part)
        if self.turn is None or self.authentic:
            return
        rival = self._rivals.find(self.turn, part)
        if rival is not None:
            self._take_back(rival, self.turn)

    def _take_back(self, rival: HandshakeMessage, turn: PeersFlight) -> None:
        """Go back to before the hello, and take the other one; what is kept was for its keys."""
        self.taken_back, self.opener = True, None
        self.flight_start = turn.first_seq
        self.reassembly = Reassembly(turn.first_seq, self._counters)
        self.reassembly.add(Fragment(rival.type, len(rival.body), turn.first_seq, 0, rival.body, 0))
        self.receipts.clear()
        self._sealed.clear()
        self.early.clear()
        turn.taken.clear()

    def _unsealed_alert(self, alert: Alert) -> None:
        """Anybody can send one: believed only if nothing better comes.

        Not at all from a peer that has the keys: it would seal its alert.
        """
        self._counters["unsealed alerts"] += 1
        if not self.authentic:
            self.hint.hear(alert)

    def _unsealed_ack(self, ack: Ack) -> None:
        if any(number.epoch for number in ack.record_numbers):
            self._counters["dropped: ACK of a later epoch"] += 1
        else:
            self.acks.append((ack.record_numbers, False))


def divide(datagram: bytes) -> tuple[list[PlaintextRecord], bytes]:
    """The records in the clear that a datagram begins with, and what follows if it is sealed.

    How long the connection IDs are need not be known yet.
    """
    clear: list[PlaintextRecord] = []
    offset = 0
    try:
        for record in split13(datagram):
            if not isinstance(record, PlaintextRecord):
                break
            clear.append(record)
            offset += HEADER.size + len(record.fragment)
    except MalformedRecord:
        pass
    tail = datagram[offset:]
    return clear, tail if tail and tail[0] & FIXED_MASK == FIXED_BITS else b""
