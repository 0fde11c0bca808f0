"""One side of a classic DTLS 1.2 handshake: datagrams and time in, datagrams and a deadline out.

Theory of operation (RFC 6347 section 4.2.4).  A side sends a flight and waits for the next one of
its peer, sending its own again whenever the timer runs out, which then doubles, or when the peer
repeats the flight before.  The last flight has no timer: it is sent again when its peer asks by
repeating.  All of that is in :meth:`Engine._transmit` and :meth:`Engine.on_timer`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from handshake_over_coap.carriers.conversation import Established
from handshake_over_coap.carriers.reassembly import Reassembly, read_fragments
from handshake_over_coap.records.dtls12 import PlaintextRecord, SealedRecord, split_datagram
from handshake_over_coap.records.errors import ForgedRecord, RecordDropped
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.records.sealer import Sealer
from handshake_over_coap.timers import Draw, undrawn
from handshake_over_coap.tls.alerts import Alert, AlertError, BadRecordMac, DecodeError
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.flight import ChangeCipherSpec, Flight, HandshakeMessage
from handshake_over_coap.tls.handshake import Connected, State, Step

from .clear import Hint, before_connection_id
from .early import has_room
from .fragments import Numbers, Packer, plain_record
from .parameters import UdpParameters


class Engine:
    """A handshake with one peer.

    ``first_seq`` is the message_seq of the peer's first message, ``first_record`` the number of our
    first record in epoch 0; ``draw`` spreads timers that are spread.  ``early`` are
    content type and plaintext of records of the new epoch that came before completion.
    """

    def __init__(
        self,
        state: State,
        parameters: UdpParameters,
        counters: Counter[str],
        *,
        first_seq: int = 0,
        first_record: int = 0,
        draw: Draw = undrawn,
    ) -> None:
        self._state = state
        self._counters = counters
        self._numbers = Numbers(first_record)
        self._packer = Packer(parameters.mtu, self._numbers)
        self._reassembly = Reassembly(first_seq, counters)
        self._sealer: Sealer | None = None
        self._opener: Opener | None = None
        self._flight: Flight = ()
        self._sent_at = 0.0
        self._timer = parameters.timer12.start(draw)
        self._copies = self._timer.value / 4
        self._change_cipher_spec_seen = False
        self._sealed: list[SealedRecord] = []
        self._tails: list[bytes] = []
        self._hint = Hint()
        self._alerts: list[bytes] = []
        self._alerts_left = 2
        self.early: list[tuple[int, bytes]] = []
        self._times_again = 0
        self.deadline: float | None = None
        self.retransmissions = 0

    @classmethod
    def taking_over(
        cls,
        state: State,
        parameters: UdpParameters,
        counters: Counter[str],
        *,
        reassembly: Reassembly,
        first_record: int,
        flight: Flight,
        deadline: float | None,
        expired: int,
        retransmissions: int,
        draw: Draw = undrawn,
    ) -> Engine:
        """An engine for a handshake that has begun: the peer has chosen 1.2.

        ``reassembly`` holds what has come already (:meth:`resume` takes it up); ``flight`` is the
        last that we have sent, due again at ``deadline``; its timer has ``expired`` so often.
        """
        engine = cls(state, parameters, counters, first_record=first_record, draw=draw)
        for _ in range(expired):
            engine._timer.expired(0.0)
        engine._reassembly = reassembly
        engine._flight, engine.deadline = flight, deadline
        engine.retransmissions = engine._times_again = retransmissions
        return engine

    def resume(self, now: float) -> list[bytes]:
        """Go on with what had come before; gives the datagrams to send, raises as receive()."""
        return self._advance(now)

    @property
    def established(self) -> Established | None:
        """The result, once the handshake is complete on this side."""
        if isinstance(self._state, Connected) and self._sealer and self._opener:
            return Established(self._state, self._sealer, self._opener, tuple(self.early))
        return None

    @property
    def reason(self) -> AlertError | None:
        """What was wrong in the clear, if nothing better has come since."""
        return self._hint.error

    def start(self, step: Step, now: float) -> list[bytes]:
        """Take the first step, made by the caller; gives the datagrams to send."""
        return self._take(step, now)

    def receive(self, datagram: bytes, now: float) -> list[bytes]:
        """Take a datagram of the peer; gives the datagrams to send.

        Raises the AlertError to send (:meth:`alert`) when the peer's flight is wrong, or the
        sealed alert that the peer sent.
        """
        if isinstance(self._state, Connected):
            return self._after_completion(datagram, now)
        head, tail = before_connection_id(datagram)
        repeated = (bool(head) or not tail) and self._records(head, 0)
        out = self._advance(now)
        if tail:
            repeated |= self._tail(tail)
            out += self._advance(now)
        if not out and repeated and self._hint.error is None:
            out = self._answer_repetition(now)
        alerts, self._alerts = self._alerts, []
        return out + alerts

    def _after_completion(self, datagram: bytes, now: float) -> list[bytes]:
        """The peer may repeat its flight; nothing else in the clear means anything any more.

        Sealed records are left alone: the opener is the session's now.
        """
        repeated = False
        try:
            for record in split_datagram(before_connection_id(datagram)[0]):
                if isinstance(record, PlaintextRecord):
                    repeated |= self._repeats(record)
        except RecordDropped as dropped:
            self._counters[f"dropped: {dropped.reason}"] += 1
        return self._answer_repetition(now) if repeated else []

    def _repeats(self, record: PlaintextRecord) -> bool:
        """Whether a record holds messages that were taken before."""
        if record.content_type != ContentType.handshake:
            return False
        return self._all_taken(record.fragment, 0)

    def _all_taken(self, data: bytes, epoch: int) -> bool:
        try:
            parts = read_fragments(data, epoch)
        except DecodeError:
            return False
        return all(part.message_seq < self._reassembly.next_seq for part in parts)

    def take_message(self, message: HandshakeMessage, now: float) -> list[bytes]:
        """Take the peer's first message, put together by the caller; raises as :meth:`receive`."""
        self._reassembly.advance()
        return self._take(self._state.handle(message), now)

    def repeat(self, now: float) -> list[bytes]:
        """The peer's first message came again."""
        return self._answer_repetition(now)

    def take_opened(self, plaintext: bytes, now: float) -> list[bytes] | None:
        """Take the plaintext of a handshake record that a session opened after completion.

        None if it is not a repetition of the handshake's own messages.
        """
        if self._opener is None:
            return None
        try:
            parts = read_fragments(plaintext, self._opener.epoch)
        except DecodeError:
            return None
        # A hello that would renegotiate counts from 0 again: only Finished is ours to repeat.
        if not all(part.type == HandshakeType.finished for part in parts):
            return None
        return self._answer_repetition(now)

    def alert(self, error: AlertError) -> bytes:
        """The record that tells the peer of ``error``, sealed if there are keys for it."""
        body = error.alert.encode()
        if self._sealer is not None:
            return self._sealer.seal_datagram(ContentType.alert, body)
        return plain_record(ContentType.alert, self._numbers.take(), body)

    def on_timer(self, now: float) -> list[bytes]:
        """The deadline has passed: send the flight again, with twice the time to wait.

        Raises HandshakeTimeout after the last attempt, or what was wrong in the clear: nothing
        better has come.
        """
        if self.deadline is None or now < self.deadline:
            return []
        self._hint.weigh()
        if self._timer.exhausted:
            raise self._hint.or_silence(self._times_again + 1)
        if self._hint.error is None:
            self._timer.expired(now)
        self._reassembly.forget_contradicted()
        return self._retransmit(now)

    def _records(self, data: bytes, cid_length: int) -> bool:
        """Take the records in ``data``; True if any repeats what was taken before."""
        repeated = False
        try:
            for record in split_datagram(data, cid_length):
                repeated |= self._record(record)
        except RecordDropped as dropped:
            self._counters[f"dropped: {dropped.reason}"] += 1
        return repeated

    def _tail(self, data: bytes) -> bool:
        """Take records with a connection ID, or keep them until its length is known."""
        if self._opener is not None:
            return self._records(data, len(self._opener.cid))
        if self._room(len(data)):
            self._tails.append(data)
        return False

    def _room(self, size: int) -> bool:
        """Whether so many bytes may be kept for later; counts it otherwise."""
        kept = [len(tail) for tail in self._tails]
        kept += [len(record.fragment) for record in self._sealed]
        kept += [len(content) for _, content in self.early]
        return has_room(kept, size, self._counters)

    def _record(self, record: PlaintextRecord | SealedRecord) -> bool:
        """Take one record; True if it repeats what was taken before."""
        if isinstance(record, PlaintextRecord):
            return self._plain(record)
        if self._opener is None:
            if self._room(len(record.fragment)):
                self._sealed.append(record)
            return False
        return self._open(record, self._opener)

    def _plain(self, record: PlaintextRecord) -> bool:
        if record.content_type == ContentType.handshake:
            return self._fragments(record.fragment, 0)
        if record.content_type == ContentType.change_cipher_spec:
            self._change_cipher_spec_seen = True
        elif record.content_type == ContentType.alert:
            self._unsealed_alert(record.fragment)
        else:
            self._counters["dropped: unprotected"] += 1
        return False

    def _open(self, record: SealedRecord, opener: Opener) -> bool:
        try:
            content_type, plaintext = opener.open_content(record)
        except RecordDropped as dropped:
            self._counters[f"dropped: {dropped.reason}"] += 1
            if isinstance(dropped, ForgedRecord):
                self._say_bad_record_mac()
            return False
        if content_type == ContentType.handshake:
            return self._fragments(plaintext, record.epoch)
        if content_type == ContentType.alert:
            raise Alert.decode(plaintext).sealed_error()
        if self._room(len(plaintext)):
            self.early.append((content_type, plaintext))
        return False

    def _say_bad_record_mac(self) -> None:
        """A hint for a peer with other keys; it cannot be sealed, as he could not open it."""
        if self._alerts_left and not isinstance(self._state, Connected):
            self._alerts_left -= 1
            body = BadRecordMac().alert.encode()
            self._alerts.append(plain_record(ContentType.alert, self._numbers.take(), body))

    def _fragments(self, data: bytes, epoch: int) -> bool:
        try:
            parts = read_fragments(data, epoch)
        except DecodeError:
            self._counters["dropped: malformed fragment"] += 1
            return False
        repeats = [self._reassembly.add(part) for part in parts]
        return any(repeats)

    def _unsealed_alert(self, data: bytes) -> None:
        """Anybody can send one: believed only if nothing better comes."""
        try:
            alert = Alert.decode(data)
        except DecodeError:
            return
        self._counters["unsealed alerts"] += 1
        self._hint.hear(alert)

    def _advance(self, now: float) -> list[bytes]:
        """Hand whole messages in order to the handshake, as far as they have come."""
        out: list[bytes] = []
        while (message := self._reassembly.peek()) is not None:
            if message.epoch and not self._change_cipher_spec_seen:
                break
            for item in self._items(message):
                try:
                    step = self._state.handle(item)
                except AlertError as error:
                    if message.epoch:
                        raise
                    self._drop_wrong(error)
                    return out
                if item is message:
                    self._reassembly.advance()
                    self._hint.forget()
                out += self._take(step, now)
        return out

    def _drop_wrong(self, error: AlertError) -> None:
        """Anybody may have sent a message in the clear: another may come in its place.

        It is why the handshake ends only if nothing better comes.
        """
        self._counters["dropped: wrong message in the clear"] += 1
        self._hint.say(error)
        self._reassembly.forget_next()

    def _items(self, message: HandshakeMessage) -> Iterable[HandshakeMessage | ChangeCipherSpec]:
        """A message, after the ChangeCipherSpec if it is the first of its epoch."""
        if message.epoch and not isinstance(self._state, Connected):
            yield ChangeCipherSpec()
        yield message

    def _take(self, step: Step, now: float) -> list[bytes]:
        self._state = step.state
        for keys in step.keys:
            if keys.write is not None:
                limit = keys.peer_record_limit
                self._sealer = Sealer(keys.write, cid=keys.peer_cid, record_limit=limit)
            if keys.read is not None:
                limit = keys.own_record_limit
                self._opener = Opener(keys.read, cid=keys.own_cid, record_limit=limit)
        if step.keys and self._opener is not None:
            sealed, self._sealed = self._sealed, []
            for record in sealed:
                self._open(record, self._opener)
            tails, self._tails = self._tails, []
            for tail in tails:
                self._tail(tail)
        completes = isinstance(step.state, Connected)
        if self._flight and (step.flight or completes):
            self._timer.answered(now, self._times_again)
        if completes:
            # Whoever completes without a word has had the last one from its peer, who needs no
            # flight again; without this, two sides would answer each other's repetitions for ever.
            self._flight, self.deadline = (), None
        if not step.flight:
            return []
        self._flight = step.flight
        self._times_again = 0
        self._timer.sent(now)
        return self._transmit(now)

    def _transmit(self, now: float) -> list[bytes]:
        self._sent_at = now
        waiting = not isinstance(self._state, Connected)
        self.deadline = now + self._timer.value if waiting else None
        return self._packer.pack(self._flight, self._sealer)

    def _retransmit(self, now: float) -> list[bytes]:
        self._times_again += 1
        datagrams = self._transmit(now)
        self.retransmissions += len(datagrams)
        return datagrams

    def _answer_repetition(self, now: float) -> list[bytes]:
        """The peer repeats a flight: ours was lost.  Not for each copy that the network makes."""
        if not self._flight or now - self._sent_at < self._copies:
            return []
        return self._retransmit(now)
