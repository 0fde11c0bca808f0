"""Handshake messages after the handshake: DTLS 1.3 tickets, key updates and connection IDs.

Whatever carried the handshake, these go by records: each is sent until an ACK names it, and each
that comes is acknowledged, once for every time that it comes.  The client's last flight and the
server's ACK of it are no different, so they end here too.

The session opens records and hands over those that hold handshake messages or ACKs; it sends the
datagrams it gets back, and calls :meth:`PostHandshake.on_timer` at the deadline.

Source: RFC 9147 sections 5.8.1, 5.8.4, 7, 8 and 9.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from handshake_over_coap.carriers.delivery import Delivery
from handshake_over_coap.carriers.reassembly import Placed, Reassembly, read_fragments
from handshake_over_coap.carriers.receipts import Receipts
from handshake_over_coap.carriers.sending import Sending
from handshake_over_coap.errors import ConfigurationError, HandshakeTimeout
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.records.opener13 import Opened, Opener13
from handshake_over_coap.records.writer13 import Writer13, joined
from handshake_over_coap.timers import Timer
from handshake_over_coap.tls.alerts import UnexpectedMessage
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.dtls13.connected import Connected13
from handshake_over_coap.tls.flight import Flight, HandshakeMessage
from handshake_over_coap.tls.handshake import Step
from handshake_over_coap.tls.schedule13 import HANDSHAKE_EPOCH
from handshake_over_coap.tls.tickets import Ticket

RETENTION = 240.0
"""Seconds that keys of an earlier epoch stay, or more: two lives of a segment (RFC 9147 5.8.1)."""

MOST_TICKETS = 8
"""Tickets that a session hands on; more are acknowledged and dropped."""

REQUESTS = 8
"""Key updates, and requests for connection IDs, that the peer may make in a row."""
REQUEST_PERIOD = 10.0
"""Seconds after which one more is heard: those too many get no ACK, and so will come again."""

ATTEMPTS = 8
"""How often a message is sent again at most, whatever the timer says.

It is given up then, until a record shows that the peer is there: a peer may have slept.
"""

OUTSTANDING = 8
"""Messages of ours that may wait for their ACKs at once."""

COPY = 0.1
"""Seconds within which a repeated flight is taken for a copy that the network made."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a record led to: datagrams to send, and tickets for whoever wants to resume."""

    datagrams: tuple[bytes, ...] = ()
    tickets: tuple[Ticket, ...] = ()


class PostHandshake:
    """The messages of one session after its handshake, in both directions.

    ``next_seq`` is the message_seq of the peer's next message; ``unseen`` from there on may be in
    an answer over CoAP that is still asked for: those after them are kept, and not acknowledged,
    until :meth:`answered` or :meth:`unanswered` is called.  ``final`` is the client's last flight,
    just sent over UDP, which only an ACK answers.  A server acknowledges the client's as often as
    it comes, for as long as ``opener`` has the keys of epoch 2: for ``patience`` seconds, in which
    the client may still send it, and no less than RFC 9147 asks for; ``final_numbers`` are the
    records in which it came first.  ``acked_turn`` is the latest time, from 0, of all when our last
    KeyUpdate was sent that its ACK named.
    """

    def __init__(
        self,
        connected: Connected13,
        writer: Writer13,
        opener: Opener13,
        *,
        timer: Timer,
        mtu: int,
        counters: Counter[str],
        next_seq: int,
        now: float,
        patience: float = 0.0,
        final: Delivery | None = None,
        final_numbers: Iterable[RecordNumber] = (),
        unseen: int = 0,
    ) -> None:
        self.connected = connected
        self._writer, self._opener = writer, opener
        self._timer, self._mtu, self._counters = timer, mtu, counters
        self._reassembly = Reassembly(next_seq, counters)
        self._unseen = unseen
        self._receipts = Receipts()
        self._sendings: list[Sending] = []
        self._tickets = 0
        self._allowance, self._allowed_at = float(REQUESTS), now
        self._update_acked = False
        self.acked_turn = -1
        self._is_server = not connected.ongoing.client
        self._retired: dict[int, float] = {}
        self._retransmissions = 0
        self._final_numbers = tuple(final_numbers)
        self._acked_final_at = now
        if self._is_server and HANDSHAKE_EPOCH in opener.epochs:
            self._retired[HANDSHAKE_EPOCH] = now + max(RETENTION, patience)
        if final is not None:
            self._sendings.append(Sending.begun(final, timer, now))

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` has something to do, None for never."""
        times = [sending.deadline for sending in self._sendings if sending.deadline is not None]
        asks = [sending.delivery.ask_at for sending in self._sendings]
        times += [*self._retired.values(), *(ask for ask in asks if ask is not None)]
        if self._receipts.deadline is not None:
            times.append(self._receipts.deadline)
        return min(times, default=None)

    @property
    def outstanding(self) -> int:
        """How many flights of ours wait for an ACK."""
        return len(self._sendings)

    @property
    def update_turns(self) -> int | None:
        """How often the KeyUpdate that waits for its ACK was sent; None where none waits."""
        for sending in self._sendings:
            if sending.holds(HandshakeType.key_update):
                return sending.delivery.turns
        return None

    @property
    def retransmissions(self) -> int:
        """Datagrams that held anything for a second time."""
        waiting = sum(sending.delivery.repeated for sending in self._sendings)
        return self._retransmissions + waiting

    def count_into(self, counters: Counter[str]) -> None:
        """Count in ``counters`` from now on: those of the session, no more of the handshake."""
        self._counters = counters
        self._reassembly.counters = counters

    def receive(self, opened: Opened, now: float) -> Heard:
        """Take what was in a record: a handshake message or a part of one, or an ACK.

        Raises the AlertError with which the session has to end.  Other content is passed over.
        """
        if opened.content_type == ContentType.ack:
            return Heard(tuple(self._ack(opened, now)))
        if opened.content_type != ContentType.handshake:
            return Heard()
        if opened.epoch == HANDSHAKE_EPOCH:
            return Heard(tuple(self._of_the_handshake(opened, now)))
        return self._messages(opened, now)

    def answered(self) -> None:
        """The answer of which messages were missing has come; they are received next."""
        self._unseen = 0

    def unanswered(self, now: float) -> Heard:
        """The answer of which messages are missing is lost: what follows from those after them."""
        self._reassembly.skip(self._unseen)
        self._unseen = 0
        return self._go_on(now)[0]

    def revive(self, now: float) -> list[bytes]:
        """The peer is there: try again what was given up, if anything was."""
        return [data for each in self._sendings for data in each.revive(now, self._timer)]

    def on_timer(self, now: float) -> list[bytes]:
        """The deadline has passed: the datagrams to send.

        Raises HandshakeTimeout where the client's last flight is never acknowledged.
        """
        for epoch in [epoch for epoch, end in self._retired.items() if now >= end]:
            # The peer writes with old keys until it has our ACK, however long (RFC 9147 section 8).
            if epoch > HANDSHAKE_EPOCH and self._opener.highest(epoch + 1) < 0:
                self._retired[epoch] = now + RETENTION
            else:
                self._retire(epoch)
        out: list[bytes] = []
        if self._receipts.deadline is not None and now >= self._receipts.deadline:
            out += self.acknowledge()
        for sending in self._sendings:
            ask_at = sending.delivery.ask_at
            if ask_at is not None and now >= ask_at:
                out += sending.resend_lost(now, news=True)
            if sending.deadline is not None and now >= sending.deadline:
                out += self._again(sending, now)
        return out

    def send(self, step: Step, now: float) -> list[bytes]:
        """Go on with a step that :attr:`connected` gave: the datagrams of its flight.

        Raises ConfigurationError where a KeyUpdate, or too much, still waits for its ACK.
        """
        if len(self._sendings) >= OUTSTANDING:
            raise ConfigurationError("too many messages wait for their acknowledgements")
        if any(sending.holds(HandshakeType.key_update) for sending in self._sendings):
            raise ConfigurationError("a KeyUpdate waits for its acknowledgement (RFC 9147 8)")
        return self._step(step, now)

    def update_keys(self, now: float, *, request: bool = False) -> list[bytes]:
        """Change the keys that are written with, and ``request`` the same of the peer.

        The new ones are in use once the KeyUpdate is acknowledged; one that waits, given up or
        not, is sent once more.
        """
        for sending in self._sendings:
            if sending.holds(HandshakeType.key_update):
                sending.deadline = None
                return sending.revive(now, self._timer)
        return self._step(self.connected.update_keys(request=request), now)

    def acknowledge(self, *, last: bool = True) -> list[bytes]:
        """Records with ACKs of what came; without ``last`` more may follow in the datagram."""
        epoch = self._writer.epoch
        room = min(self._mtu - self._writer.overhead_of(epoch), self._writer.longest(epoch))
        acks = self._receipts.acks(room)
        self._receipts.clear()
        return [
            self._writer.seal(epoch, ContentType.ack, ack.encode(), last=last)[0] for ack in acks
        ]

    def note(self, numbers: Iterable[RecordNumber]) -> None:
        """Records that an ACK still has to name."""
        for number in numbers:
            self._receipts.note(number)

    def _ack(self, opened: Opened, now: float) -> list[bytes]:
        # Of a later epoch than the ACK's own may be what it names: since the handshake each side
        # has had its own epochs.
        numbers = Ack.decode(opened.plaintext).record_numbers
        out: list[bytes] = []
        for sending in list(self._sendings):
            news = sending.delivery.acknowledge(numbers, now, authentic=True)
            if sending.delivery.done:
                out += self._delivered(sending, now)
            elif news or not (numbers or sending.nudged or sending.delivery.touched):
                out += sending.resend_lost(now, news=news)
        return out

    def _delivered(self, sending: Sending, now: float) -> list[bytes]:
        """The peer has all of it."""
        self._sendings.remove(sending)
        self._retransmissions += sending.delivery.repeated
        sending.timer.answered(now, sending.delivery.repeats)
        if not sending.delivery.repeats:
            self._timer = sending.timer  # it knows the path as it is now
        if sending.epoch == HANDSHAKE_EPOCH:
            self._retire(HANDSHAKE_EPOCH)
        if sending.holds(HandshakeType.key_update):
            self._update_acked, self.acked_turn = True, sending.delivery.highest_turn
        # New keys only after all that came before the KeyUpdate as well (RFC 9147 section 8).
        if not self._update_acked:
            return []
        if self._sendings:
            return self.revive(now)
        self._update_acked = False
        return self._step(self.connected.update_acknowledged(), now)

    def _again(self, sending: Sending, now: float) -> list[bytes]:
        """Nothing has acknowledged a flight in time."""
        # The handshake has a time limit of its own, which ends its last flight too.
        of_handshake = sending.epoch == HANDSHAKE_EPOCH
        too_many = sending.delivery.attempts >= ATTEMPTS and not of_handshake
        if sending.timer.exhausted or too_many:
            if of_handshake:
                raise HandshakeTimeout("the last flight of the handshake is not acknowledged")
            self._counters["post-handshake messages given up"] += 1
            sending.deadline = None
            return []
        return sending.resend(now)

    def _of_the_handshake(self, opened: Opened, now: float) -> list[bytes]:
        """A message of the handshake itself came again: its sender lacks our answer."""
        parts = read_fragments(opened.plaintext, opened.epoch)
        if any(part.message_seq >= self._reassembly.next_seq for part in parts):
            raise UnexpectedMessage("a new message under the keys of the handshake")
        if self._is_server:
            if now - self._acked_final_at < COPY:
                return []
            self._acked_final_at = now
            self.note((*self._final_numbers, opened.number))
            return self.acknowledge()
        out: list[bytes] = []
        for sending in self._sendings:
            delivery = sending.delivery
            if sending.epoch != HANDSHAKE_EPOCH or delivery.touched:
                continue
            if now - delivery.last_sent >= COPY:
                sending.deadline = now + sending.timer.value
                out += delivery.resend(now)
        return out

    def _messages(self, opened: Opened, now: float) -> Heard:
        parts = read_fragments(opened.plaintext, opened.epoch)
        before = self._reassembly.next_seq
        refused = Placed.REFUSED in [self._reassembly.place(part) for part in parts]
        heard, unheard = self._go_on(now)
        advanced = self._reassembly.next_seq > before
        # The answer with those in between may take its time: acknowledged, a KeyUpdate would be
        # followed by records that cannot be read.  It comes again.
        ahead = self._unseen and not advanced and all(p.message_seq > before for p in parts)
        if refused or unheard or ahead:
            return heard
        self._receipts.note(opened.number)
        # What is whole is acknowledged at once, and so is a copy of what was taken before.
        hurry = advanced or all(part.message_seq < before for part in parts)
        out = list(heard.datagrams)
        if self._receipts.wanted(self._reassembly.holes, now, self._timer.value / 4) or hurry:
            out = joined(self.acknowledge(last=not out), out, self._mtu)
        return Heard(tuple(out), heard.tickets)

    def _go_on(self, now: float) -> tuple[Heard, bool]:
        """Take the messages that are whole and next; whether one of them may not be heard yet."""
        out: list[bytes] = []
        tickets: list[Ticket] = []
        while (message := self._reassembly.peek()) is not None:
            if not self._may_be_heard(message, now):
                self._counters["dropped: too many requests"] += 1
                self._reassembly.forget_next()
                return Heard(tuple(out), tuple(tickets)), True
            self._reassembly.advance()
            step = self._handle(message)
            tickets += step.tickets
            out += self._step(step, now)
        return Heard(tuple(out), tuple(tickets)), False

    def _handle(self, message: HandshakeMessage) -> Step:
        """What a message of the peer leads to."""
        if message.type != HandshakeType.new_session_ticket or self._is_server:
            return self.connected.handle(message)
        self._tickets += 1
        enough = self._tickets > MOST_TICKETS
        step = Step(self.connected) if enough else self.connected.handle(message)
        if not step.tickets:
            self._counters["dropped: ticket"] += 1
        return step

    def _may_be_heard(self, message: HandshakeMessage, now: float) -> bool:
        """Whether the peer may make one more request of us now."""
        if message.type == HandshakeType.request_connection_id:
            # Our answer to the one before has to be acknowledged first (RFC 9147 section 9).
            if any(sending.holds(HandshakeType.new_connection_id) for sending in self._sendings):
                return False
        elif message.type != HandshakeType.key_update:
            return True
        gained = (now - self._allowed_at) / REQUEST_PERIOD
        self._allowance, self._allowed_at = min(self._allowance + gained, REQUESTS), now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _step(self, step: Step, now: float) -> list[bytes]:
        """Install what a step brings, and send its flight."""
        if not isinstance(step.state, Connected13):
            raise UnexpectedMessage("the handshake is complete")
        self.connected = step.state
        for keys in step.keys:
            if keys.read is not None:
                self._opener.add(keys.read)
                self._keep_one(keys.read.epoch, now)
            if keys.write is not None:
                former = self._writer.epoch
                self._writer.add(keys.write)
                self._writer.drop(former)
            self._writer.change_cid(keys.peer_cid)
        return self._deliver(step.flight, now)

    def _deliver(self, flight: Flight, now: float) -> list[bytes]:
        if not flight:
            return []
        delivery = Delivery(flight, self._writer, self._mtu)
        self._sendings.append(Sending.begun(delivery, self._timer, now))
        return delivery.send(now)

    def _keep_one(self, newest: int, now: float) -> None:
        """Of the session's epochs before ``newest`` keep one, for records that are late."""
        for epoch in self._opener.epochs:
            if HANDSHAKE_EPOCH < epoch < newest - 1:
                self._retire(epoch)
        self._retired[newest - 1] = now + RETENTION

    def _retire(self, epoch: int) -> None:
        self._retired.pop(epoch, None)
        self._opener.drop(epoch)
        self._writer.drop(epoch)
