"""What a peer sends during a classic DTLS 1.2 handshake: records opened, messages put together.

Nothing here answers.  :class:`Incoming12` takes records and says what came of them; the engine
hands messages to the handshake and decides what to send.

What comes in the clear may come from anybody: it is taken where it can be genuine, and ends
nothing.  What was taken and has a rival may be taken back (:class:`~.turn.PeersFlight`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from handshake_over_coap.carriers.reassembly import Fragment, Reassembly, read_fragments
from handshake_over_coap.records.dtls12 import PlaintextRecord, SealedRecord, split_datagram
from handshake_over_coap.records.errors import ForgedRecord, RecordDropped
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.tls.alerts import (
    Alert,
    CloseNotify,
    DecodeError,
    UnexpectedMessage,
    sealed_alert,
)
from handshake_over_coap.tls.codepoints import AlertLevel, ContentType, HandshakeType
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.handshake import EpochKeys

from .clear import Hint
from .early import has_room
from .fragments import CHANGE_CIPHER_SPEC
from .turn import Hellos, PeersFlight, Rivals


class Incoming12:
    """The records of one peer; ``turn`` is the flight that it is sending.

    ``acceptable`` says whether the handshake could go on with a rival to a message of it.

    ``flight_start`` is the message_seq of the first message that answers ours: those before belong
    to flights that are over.  ``hint`` is why somebody in the clear says that the handshake fails.
    ``early`` are content type and plaintext of records of the new epoch that came before
    completion.  ``forged`` counts records that did not authenticate; ``taken_back`` says that the
    handshake has to go back to the beginning of ``turn``, until the engine has done so.
    """

    def __init__(
        self,
        turn: PeersFlight,
        reassembly: Reassembly,
        counters: Counter[str],
        acceptable: Callable[[HandshakeMessage], bool],
    ) -> None:
        self._counters = counters
        self.turn = turn
        self.reassembly = reassembly
        self.flight_start = turn.first_seq
        self.opener: Opener | None = None
        self.change_cipher_spec = False
        self.hint = Hint()
        self.early: list[tuple[int, bytes]] = []
        self.forged = 0
        self.taken_back = False
        self.hellos = Hellos()
        self._rivals = Rivals(acceptable, counters)
        self._sealed: list[SealedRecord] = []
        self._tails: list[bytes] = []

    def records(self, data: bytes, cid_length: int = 0) -> bool:
        """Take the records in ``data``; True if any repeats a flight that is over.

        Raises the AlertError that was sealed in one, or that has to be sent for what was.
        """
        repeated = False
        try:
            for record in split_datagram(data, cid_length):
                repeated |= self._record(record)
        except RecordDropped as dropped:
            self._counters[f"dropped: {dropped.reason}"] += 1
        return repeated

    def tail(self, data: bytes) -> bool:
        """Take records with a connection ID, or keep them until its length is known."""
        if self.opener is not None:
            return self.records(data, len(self.opener.cid))
        if self._room(len(data)):
            self._tails.append(data)
        return False

    def install(self, keys: EpochKeys) -> None:
        """There are keys to read with: open what waited for them; raises as :meth:`records`."""
        if keys.read is None:
            return
        limit = keys.own_record_limit
        self.opener = opener = Opener(keys.read, cid=keys.own_cid, record_limit=limit)
        sealed, self._sealed = self._sealed, []
        for record in sealed:
            self._open(record, opener)
        tails, self._tails = self._tails, []
        for data in tails:
            self.tail(data)

    def repeats(self, data: bytes) -> bool:
        """Whether a datagram has messages in the clear, all taken before, and nothing new."""
        repeated = False
        try:
            for record in split_datagram(data):
                if isinstance(record, PlaintextRecord):
                    handshake = record.content_type == ContentType.handshake
                    repeated |= handshake and self._all_taken(record.fragment)
        except RecordDropped as dropped:
            self._counters[f"dropped: {dropped.reason}"] += 1
        return repeated

    def repeats_finished(self, plaintext: bytes) -> bool:
        """Whether a handshake record that a session opened is the peer's Finished once more."""
        if self.opener is None:
            return False
        try:
            parts = read_fragments(plaintext, self.opener.epoch)
        except DecodeError:
            return False
        # A hello that would renegotiate counts from 0 again: only Finished is ours to repeat.
        return all(part.type == HandshakeType.finished for part in parts)

    def _all_taken(self, data: bytes) -> bool:
        try:
            parts = read_fragments(data, 0)
        except DecodeError:
            return False
        return all(part.message_seq < self.reassembly.next_seq for part in parts)

    def _room(self, size: int) -> bool:
        """Whether so many bytes may be kept for later; counts it otherwise."""
        kept = [len(tail) for tail in self._tails]
        kept += [len(record.fragment) for record in self._sealed]
        kept += [len(content) for _, content in self.early]
        return has_room(kept, size, self._counters)

    def _record(self, record: PlaintextRecord | SealedRecord) -> bool:
        if isinstance(record, PlaintextRecord):
            return self._plain(record)
        if self.opener is None:
            if self._room(len(record.fragment)):
                self._sealed.append(record)
            return False
        return self._open(record, self.opener)

    def _plain(self, record: PlaintextRecord) -> bool:
        if record.content_type == ContentType.handshake:
            return self._fragments(record.fragment, 0)
        if record.content_type == ContentType.change_cipher_spec:
            self._change_cipher_spec(record.fragment)
        elif record.content_type == ContentType.alert:
            self._unsealed_alert(record.fragment)
        else:
            self._counters["dropped: unprotected"] += 1
        return False

    def _change_cipher_spec(self, data: bytes) -> None:
        """One byte, 1 (RFC 5246 section 7.1); anybody may have sent anything else."""
        if data == CHANGE_CIPHER_SPEC:
            self.change_cipher_spec = True
        else:
            self._counters["dropped: wrong message in the clear"] += 1
            self.hint.say(DecodeError("a ChangeCipherSpec is one byte, 1"))

    def _open(self, record: SealedRecord, opener: Opener) -> bool:
        try:
            content_type, plaintext = opener.open_content(record)
        except RecordDropped as dropped:
            self._counters[f"dropped: {dropped.reason}"] += 1
            self.forged += isinstance(dropped, ForgedRecord)
            return False
        if content_type == ContentType.handshake:
            return self._fragments(plaintext, record.epoch)
        if content_type == ContentType.alert:
            said = sealed_alert(plaintext)
            if said.level != AlertLevel.warning or isinstance(said, CloseNotify):
                raise said
            self._counters["warning alerts"] += 1  # RFC 5246 section 7.2.2: it goes on
            return False
        if content_type == ContentType.change_cipher_spec:
            raise UnexpectedMessage("a ChangeCipherSpec under the new keys")
        if self._room(len(plaintext)):
            self.early.append((content_type, plaintext))
        return False

    def _fragments(self, data: bytes, epoch: int) -> bool:
        try:
            parts = read_fragments(data, epoch)
        except DecodeError:
            if epoch:
                raise
            self._counters["dropped: malformed fragment"] += 1
            return False
        repeats = False
        for part in parts:
            self._look_for_rival(part)
            # What belongs to a flight that is still coming in is no reason to ask for it again.
            repeats |= self.reassembly.add(part) and part.message_seq < self.flight_start
        return repeats

    def _look_for_rival(self, part: Fragment) -> None:
        """Go back for a rival, if nothing has been authenticated yet, and not too often."""
        self.hellos.compare(part)
        authentic = self.opener is not None and self.opener.highest >= 0
        rival = None if authentic else self._rivals.find(self.turn, part)
        if rival is not None:
            self._take_back(rival)

    def _take_back(self, rival: HandshakeMessage) -> None:
        """Go back to the beginning of the flight, and on up to a message that was another."""
        self.taken_back, self.opener = True, None
        self.change_cipher_spec = False
        self.flight_start = self.turn.first_seq
        self.reassembly = Reassembly(self.turn.first_seq, self._counters)
        for each in (*self.turn.before(rival.message_seq), rival):
            size = len(each.body)
            self.reassembly.add(Fragment(each.type, size, each.message_seq, 0, each.body, 0))
        self.turn.taken.clear()

    def _unsealed_alert(self, data: bytes) -> None:
        """Anybody can send one: believed only if nothing better comes."""
        try:
            alert = Alert.decode(data)
        except DecodeError:
            return
        self._counters["unsealed alerts"] += 1
        self.hint.hear(alert)
