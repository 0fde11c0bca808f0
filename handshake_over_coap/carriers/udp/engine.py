"""One side of a classic DTLS 1.2 handshake: datagrams and time in, datagrams and a deadline out.

Theory of operation (RFC 6347 section 4.2.4).  A side sends a flight and waits for the next one of
its peer, sending its own again whenever the timer runs out, or when the peer repeats the flight
before.  The last flight has no timer: it is sent again when its peer asks by repeating.  All of
that is in :meth:`Engine._transmit` and :meth:`Engine.on_timer`; what comes goes through
:class:`~.incoming12.Incoming12`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from handshake_over_coap.carriers.conversation import Established
from handshake_over_coap.carriers.reassembly import Reassembly
from handshake_over_coap.records.sealer import Sealer
from handshake_over_coap.timers import Draw, undrawn
from handshake_over_coap.tls.alerts import AlertError, BadRecordMac, UnexpectedMessage
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.flight import ChangeCipherSpec, Flight, HandshakeMessage
from handshake_over_coap.tls.handshake import Connected, EpochKeys, State, Step

from .clear import before_connection_id
from .fragments import Numbers, Packer, plain_record
from .incoming12 import Incoming12
from .parameters import UdpParameters
from .turn import Hellos, PeersFlight

BAD_RECORD_MACS = 2
"""Alerts in the clear for records that do not authenticate, at most."""


class Engine:
    """A handshake with one peer.

    ``first_seq`` is the message_seq of the peer's first message, ``first_record`` the number of our
    first record in epoch 0; ``draw`` spreads timers that are spread.
    ``flights`` counts those that we have sent.
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
        reassembly = Reassembly(first_seq, counters)
        turn = PeersFlight(state, first_seq, ())
        self._incoming = Incoming12(turn, reassembly, counters, self._acceptable)
        self._sealer: Sealer | None = None
        self._first_sealed = 0
        self._says_change_cipher_spec = False
        self._flight: Flight = ()
        self._sent_at = 0.0
        self._timer = parameters.timer12.start(draw)
        self._copies = self._timer.value / 4
        self._alerts_left = BAD_RECORD_MACS
        self._times_again = 0
        self.deadline: float | None = None
        self.retransmissions = self.flights = 0
        self.unproven = False

    @classmethod
    def taking_over(
        cls,
        state: State,
        parameters: UdpParameters,
        counters: Counter[str],
        *,
        reassembly: Reassembly,
        flight_start: int,
        first_record: int,
        flight: Flight,
        hellos: Hellos,
        deadline: float | None,
        expired: int,
        retransmissions: int,
        draw: Draw = undrawn,
    ) -> Engine:
        """An engine for a handshake that has begun: the peer has chosen 1.2.

        ``reassembly`` holds what has come already (:meth:`resume` takes it up), with the peer's
        message at ``flight_start`` the first that answers ``flight``, the last that we have sent;
        ``hellos`` is what it has said so far.  The flight is due again at ``deadline``, and its
        timer has ``expired`` so often.
        """
        engine = cls(state, parameters, counters, first_record=first_record, draw=draw)
        for _ in range(expired):
            engine._timer.expired(0.0)
        turn = PeersFlight(state, reassembly.next_seq, flight)
        engine._incoming = Incoming12(turn, reassembly, counters, engine._acceptable)
        engine._incoming.flight_start, engine._incoming.hellos = flight_start, hellos
        engine._flight, engine.deadline = flight, deadline
        engine.flights = 1
        engine.retransmissions = engine._times_again = retransmissions
        return engine

    def resume(self, now: float) -> list[bytes]:
        """Go on with what had come before; gives the datagrams to send, raises as receive()."""
        return self._advance(now)

    @property
    def established(self) -> Established | None:
        """The result, once the handshake is complete on this side."""
        incoming = self._incoming
        if isinstance(self._state, Connected) and self._sealer and incoming.opener:
            return Established(self._state, self._sealer, incoming.opener, tuple(incoming.early))
        return None

    @property
    def next_record(self) -> int:
        """The number of our next record in the clear."""
        return self._numbers.next

    @property
    def contradicted(self) -> bool:
        """Whether the peer has said two things in the place of a hello, and nothing follows."""
        return self._incoming.hellos.contradicted

    @property
    def reason(self) -> AlertError | None:
        """What was wrong in the clear, if nothing better has come since."""
        return self._incoming.hint.error

    def start(self, step: Step, now: float) -> list[bytes]:
        """Take the first step, made by the caller; gives the datagrams to send."""
        return self._take(step, now)

    def receive(self, datagram: bytes, now: float) -> list[bytes]:
        """Take a datagram of the peer; gives the datagrams to send.

        Raises the AlertError to send (:meth:`alert`) when the peer's flight is wrong, or the
        sealed alert that the peer sent.
        """
        incoming = self._incoming
        if isinstance(self._state, Connected):
            # Nothing but a repetition means anything in the clear any more, and sealed records are
            # left alone: the opener is the session's now.
            repeated = incoming.repeats(before_connection_id(datagram)[0])
            return self._answer_repetition(now) if repeated else []
        forged = incoming.forged
        head, tail = before_connection_id(datagram)
        repeated = (bool(head) or not tail) and incoming.records(head)
        out = self._advance(now)
        if tail:
            repeated |= incoming.tail(tail)
            out += self._advance(now)
        if not out and repeated and incoming.hint.error is None:
            out = self._answer_repetition(now)
        return out + self._bad_record_macs(incoming.forged - forged)

    def take_message(self, message: HandshakeMessage, now: float) -> list[bytes]:
        """Take the peer's first message, put together by the caller; raises as :meth:`receive`."""
        self._incoming.reassembly.advance()
        return self._take(self._state.handle(message), now)

    def repeat(self, now: float) -> list[bytes]:
        """The peer's first message came again."""
        return self._answer_repetition(now)

    def take_opened(self, plaintext: bytes, now: float) -> list[bytes] | None:
        """Take the plaintext of a handshake record that a session opened after completion.

        None if it is not a repetition of the handshake's own messages.
        """
        if not self._incoming.repeats_finished(plaintext):
            return None
        return self._answer_repetition(now)

    def alert(self, error: AlertError) -> bytes:
        """The record that tells the peer of ``error``.

        It is sealed once the peer has been sent ChangeCipherSpec: before that it reads nothing
        sealed (RFC 5246 section 7.1).
        """
        body = error.alert.encode()
        if self._sealer is not None and self._says_change_cipher_spec:
            return self._sealer.seal_datagram(ContentType.alert, body)
        return plain_record(ContentType.alert, self._numbers.take(), body)

    def on_timer(self, now: float) -> list[bytes]:
        """The deadline has passed: send the flight again, with twice the time to wait.

        Raises HandshakeTimeout after the last attempt, or what was wrong in the clear: nothing
        better has come.
        """
        if self.deadline is None or now < self.deadline:
            return []
        hint = self._incoming.hint
        hint.weigh()
        if self._timer.exhausted:
            raise hint.or_silence(self._times_again + 1)
        if hint.error is None:
            self._timer.expired(now)
        self._incoming.reassembly.forget_contradicted()
        return self._retransmit(now)

    def _bad_record_macs(self, forged: int) -> list[bytes]:
        """Hints for a peer with other keys; not sealed, as he could not open them."""
        count = 0 if isinstance(self._state, Connected) else min(forged, self._alerts_left)
        self._alerts_left -= count
        body = BadRecordMac().alert.encode()
        return [plain_record(ContentType.alert, self._numbers.take(), body) for _ in range(count)]

    def _advance(self, now: float) -> list[bytes]:
        """Hand whole messages in order to the handshake, as far as they have come."""
        out: list[bytes] = []
        incoming = self._incoming
        if incoming.taken_back:
            self._go_back()
        while not isinstance(self._state, Connected):
            message = incoming.reassembly.peek()
            if message is None:
                break
            if message.epoch and not incoming.change_cipher_spec:
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
                    incoming.reassembly.advance()
                    incoming.hint.forget()
                    incoming.hellos.contradicted = False
                    if not message.epoch:
                        incoming.turn.taken.append(message)
                out += self._take(step, now)
        return out

    def _acceptable(self, rival: HandshakeMessage) -> bool:
        """Whether the handshake could go on with ``rival`` in the place of a message taken."""
        turn = self._incoming.turn
        state = turn.state
        try:
            for message in (*turn.before(rival.message_seq), rival):
                state = state.handle(message).state
        except AlertError:
            self._counters["dropped: wrong message in the clear"] += 1
            return False
        return True

    def _go_back(self) -> None:
        """Messages in the clear were taken back: be where the peer's flight begins."""
        turn = self._incoming.turn
        self._incoming.taken_back = False
        self._state, self._flight = turn.state, turn.flight
        self._says_change_cipher_spec = False
        if self._sealer is not None:
            # The keys may turn out the same: no number of theirs may be used again.
            self._first_sealed = self._sealer.next_sequence_number
        self._sealer = None

    def _drop_wrong(self, error: AlertError) -> None:
        """Anybody may have sent a message in the clear: another may come in its place.

        It is why the handshake ends only if nothing better comes.
        """
        self._counters["dropped: wrong message in the clear"] += 1
        self._incoming.hint.say(error)
        self._incoming.reassembly.forget_next()

    def _items(self, message: HandshakeMessage) -> Iterable[HandshakeMessage | ChangeCipherSpec]:
        """A message, after the ChangeCipherSpec if it is the first of its epoch."""
        if message.epoch and not isinstance(self._state, Connected):
            yield ChangeCipherSpec()
        yield message

    def _take(self, step: Step, now: float) -> list[bytes]:
        completes = isinstance(step.state, Connected)
        if completes:
            self._check_end(answered=bool(step.flight))
        self._state = step.state
        for keys in step.keys:
            self._install(keys)
        if self._flight and (step.flight or completes):
            self._timer.answered(now, self._times_again)
        if completes:
            # Whoever completes without a word has had the last one from its peer, who needs no
            # flight again; without this, two sides would answer each other's repetitions for ever.
            self._flight, self.deadline = (), None
        if not step.flight:
            return []
        self._flight = step.flight
        self.flights += 1
        incoming = self._incoming
        incoming.flight_start = incoming.reassembly.next_seq
        if not (step.keys or completes):
            incoming.turn = PeersFlight(step.state, incoming.flight_start, step.flight)
        self._says_change_cipher_spec |= any(isinstance(i, ChangeCipherSpec) for i in step.flight)
        self._times_again = 0
        self._timer.sent(now)
        return self._transmit(now)

    def _check_end(self, *, answered: bool) -> None:
        """Finished is the last message of its flight; raises UnexpectedMessage for one behind it.

        Before anything is said in answer: a client that has not been sent ChangeCipherSpec reads
        no sealed alert.  A server may ask for another handshake at any time, which a client may
        pass over (RFC 5246 section 7.4.1.1).
        """
        reassembly = self._incoming.reassembly
        message = reassembly.peek()
        if not answered and message and message.type == HandshakeType.hello_request:
            reassembly.advance()
        if reassembly.protected:
            raise UnexpectedMessage("a message behind Finished")

    def _install(self, keys: EpochKeys) -> None:
        if keys.write is not None:
            self._sealer = Sealer(
                keys.write,
                next_sequence_number=self._first_sealed,
                cid=keys.peer_cid,
                record_limit=keys.peer_record_limit,
            )
        self._incoming.install(keys)

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
