"""One side of a classic DTLS 1.3 handshake: datagrams and time in, datagrams and a deadline out.

Theory of operation (RFC 9147 sections 5.8 and 7).  Our flight is
:class:`~.outgoing13.OutgoingFlights` until an ACK or the peer's next flight covers all of it.  Of
the peer's flight :class:`~..receipts.Receipts` knows which records came, and when an ACK has to say
so.  Both end with the handshake: what is still on its way then belongs to
the session's :class:`~..post_handshake.PostHandshake`.

What comes in the clear may come from anybody: a message that is wrong is dropped, and is the reason
given only if nothing better comes (:class:`~.clear.Hint`).  A well-formed hello is believed until
another comes in its place, while nothing has come under its keys (:class:`~.turn.PeersFlight`).

A client that offers 1.2 as well begins here too: the hellos of both versions travel alike.  Once
the server has chosen 1.2, ``legacy`` goes on with the handshake.
"""

from __future__ import annotations

from collections import Counter

from handshake_over_coap.carriers.established import Established13
from handshake_over_coap.carriers.post_handshake import PostHandshake
from handshake_over_coap.records.opener13 import Opener13
from handshake_over_coap.records.writer13 import Writer13, joined
from handshake_over_coap.timers import Draw, earliest, undrawn
from handshake_over_coap.tls.alerts import AlertError, UnexpectedMessage
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.dtls13.connected import Connected13
from handshake_over_coap.tls.flight import Flight, HandshakeMessage
from handshake_over_coap.tls.handshake import EpochKeys, State, Step
from handshake_over_coap.tls.schedule13 import HANDSHAKE_EPOCH
from handshake_over_coap.tls.tickets import Ticket

from .engine import Engine
from .incoming13 import Incoming, divide
from .outgoing13 import OutgoingFlights
from .parameters import UdpParameters
from .turn import PeersFlight


class Engine13:
    """A handshake with one peer.

    ``first_seq`` is the message_seq of the peer's next message, ``first_record`` the number of our
    first record in the clear.  ``chosen`` says that 1.3 is agreed on already, which a server knows
    when it begins; ``draw`` spreads timers that are spread.  ``legacy`` is the engine to go on with
    where the peer has chosen 1.2; ``flights`` counts those that we have sent.
    """

    def __init__(
        self,
        state: State,
        parameters: UdpParameters,
        counters: Counter[str],
        *,
        first_seq: int = 0,
        first_record: int = 0,
        chosen: bool = False,
        draw: Draw = undrawn,
    ) -> None:
        self._state = state
        self._parameters = parameters
        self._counters = counters
        self._chosen = self._chosen_before = chosen
        self._draw = draw
        self._writer = Writer13(first_record, short_header=parameters.short_header)
        self._incoming = Incoming(first_seq, counters, self._acceptable)
        self._outgoing = OutgoingFlights(self._writer, parameters.timer.start(draw), parameters.mtu)
        self._post: PostHandshake | None = None
        self._tickets: tuple[Ticket, ...] = ()
        self.flights = 0
        self.legacy: Engine | None = None

    @property
    def established(self) -> Established13 | None:
        """The result, once the handshake is complete on this side."""
        post, opener = self._post, self._incoming.opener
        if post is None or opener is None:
            return None
        return Established13(
            post.connected,
            self._writer,
            opener,
            peer_seq=self._incoming.reassembly.next_seq,
            early=tuple(self._incoming.early),
            tickets=self._tickets,
            post=post,
        )

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` has something to do; None for never, and after completion."""
        if self._post is not None:
            return None
        return earliest(*self._outgoing.deadlines, self._incoming.receipts.deadline)

    @property
    def retransmissions(self) -> int:
        """Datagrams that held anything for a second time, up to completion."""
        outgoing = self._outgoing
        return outgoing.retransmissions if self._post is None else outgoing.delivered_again

    @property
    def next_record(self) -> int:
        """The number of our next record in the clear."""
        return self._writer.next_clear

    @property
    def contradicted(self) -> bool:
        """Whether the peer has said two things in the place of a hello, and nothing follows."""
        return self._incoming.hellos.contradicted

    @property
    def unproven(self) -> bool:
        """Whether there are keys by a hello that anybody may have sent: nothing has shown them."""
        return self._incoming.opener is not None and not self._incoming.authentic

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
        if self._post is not None:
            self._counters["dropped: handshake complete"] += 1
            return []
        incoming = self._incoming
        incoming.begin()
        clear, tail = divide(datagram)
        if not clear and not tail:
            self._counters["dropped: malformed"] += 1
        for record in clear:
            incoming.clear(record)
        out = self._advance(now)
        if self.legacy is not None:
            return out + self.legacy.resume(now)
        if tail:
            incoming.tail(tail)
            out += self._advance(now)
        return out + self._react(now, answered=bool(out))

    def take_message(self, message: HandshakeMessage, now: float) -> list[bytes]:
        """Take the peer's first message, put together by the caller; raises as :meth:`receive`."""
        step = self._state.handle(message)
        self._incoming.reassembly.advance()
        return self._take(step, now)

    def repeat(self, now: float) -> list[bytes]:
        """The peer's first message came again."""
        return self._outgoing.repetition(now)

    def take_opened(self, plaintext: bytes, now: float) -> list[bytes] | None:
        """What repeats after completion is the session's own affair in 1.3: always None."""
        return None

    def alert(self, error: AlertError) -> bytes:
        """The datagram that tells the peer of ``error``, sealed if there are keys for it.

        A client has those of the session after our Finished and no sooner (RFC 8446 appendix A.1),
        and those of the handshake perhaps not for long after it: until an answer shows which it
        reads, it is told in both.
        """
        writer, body, early = self._writer, error.alert.encode(), b""
        if not (self._incoming.answered or self._outgoing.arrived):
            early = writer.seal_earlier(HANDSHAKE_EPOCH, ContentType.alert, body)
        return early + writer.seal(writer.epoch, ContentType.alert, body)[0]

    def on_timer(self, now: float) -> list[bytes]:
        """The deadline has passed: acknowledge what came of a flight, or send our own again.

        Raises HandshakeTimeout after the last attempt, or what was wrong in the clear: nothing
        better has come.
        """
        out: list[bytes] = []
        receipts = self._incoming.receipts
        if self._post is None and receipts.deadline is not None and now >= receipts.deadline:
            out += self._acknowledge()
        outgoing = self._outgoing
        out += outgoing.ask(now)
        if not outgoing.due(now):
            return out
        more = outgoing.go_on(now)
        if more is not None:
            return out + more
        out += outgoing.again(self._incoming.hint, now)
        self._incoming.reassembly.forget_contradicted()
        return out

    def _react(self, now: float, *, answered: bool) -> list[bytes]:
        """What a datagram draws besides the handshake's own answer, if any."""
        if self._post is not None:
            return []
        incoming = self._incoming
        out: list[bytes] = []
        if self._chosen:
            for numbers, authentic in incoming.acks:
                out += self._outgoing.acked(numbers, now, authentic=authentic)
        if incoming.repeated and not answered and not out:
            out += self._outgoing.repetition(now)
        if incoming.receipts.wanted(incoming.holes, now, self._outgoing.patience):
            out += self._acknowledge()
        return out

    def _acknowledge(self, *, last: bool = True) -> list[bytes]:
        """ACKs of what came of the peer's flight, under the newest keys.

        None before the peer is known to speak 1.3 (RFC 9147 section 7): another might end the
        handshake over a content type that it does not know.
        """
        receipts = self._incoming.receipts
        if not (self._chosen or self._incoming.sealed_only):
            receipts.deadline = None
            return []
        writer = self._writer
        room = min(self._parameters.mtu - writer.overhead_of(writer.epoch), writer.max_plaintext)
        return [
            writer.seal(writer.epoch, ContentType.ack, ack.encode(), last=last)[0]
            for ack in receipts.acks(room)
        ]

    def _advance(self, now: float) -> list[bytes]:
        """Hand whole messages in order to the handshake, as far as they have come."""
        out: list[bytes] = []
        if self._incoming.taken_back:
            self._go_back()
        reassembly = self._incoming.reassembly
        while self._post is None and (message := reassembly.peek()) is not None:
            try:
                step = self._state.handle(message)
            except AlertError as error:
                if message.epoch:
                    raise
                self._counters["dropped: wrong message in the clear"] += 1
                self._incoming.hint.say(error)
                reassembly.forget_next()
                self._incoming.receipts.clear()  # nothing that was dropped may be acknowledged
                break
            reassembly.advance()
            self._incoming.hint.forget()
            if step.keys and not message.epoch:
                self._remember(message)
            elif not message.epoch:
                self._incoming.hellos.take(message)
            if self._chooses_1_2(message, step):
                self._go_on_with_1_2(step)
                break
            self._answered(now)
            out += self._take(step, now)
        if self._incoming.answered:
            self._answered(now)
        return out

    def _remember(self, hello: HandshakeMessage) -> None:
        """``hello`` brings keys, and anybody may have sent it: another may come in its place."""
        self._incoming.turn = turn = PeersFlight(self._state, hello.message_seq, ())
        turn.taken.append(hello)
        self._chosen_before = self._chosen

    def _acceptable(self, rival: HandshakeMessage) -> bool:
        """Whether the handshake could go on with ``rival`` in the place of the hello taken."""
        turn = self._incoming.turn
        try:
            return turn is not None and turn.state.handle(rival) is not None
        except AlertError:
            self._counters["dropped: wrong message in the clear"] += 1
            return False

    def _go_back(self) -> None:
        """The hello that brought keys was taken back: be where it came."""
        self._incoming.taken_back = False
        turn, self._incoming.turn = self._incoming.turn, None
        if turn is not None:
            self._state, self._chosen = turn.state, self._chosen_before
            self._writer.back_to_clear()

    def _chooses_1_2(self, message: HandshakeMessage, step: Step) -> bool:
        """Whether ``message`` chose 1.2: there a ServerHello leads to nothing yet."""
        if self._chosen or message.type != HandshakeType.server_hello:
            return False
        self._chosen = bool(step.keys or step.flight)
        return not self._chosen

    def _go_on_with_1_2(self, step: Step) -> None:
        """Hand everything over to an engine of 1.2."""
        outgoing = self._outgoing
        self.legacy = Engine.taking_over(
            step.state,
            self._parameters,
            self._counters,
            reassembly=self._incoming.reassembly,
            flight_start=self._incoming.flight_start,
            first_record=self._writer.next_clear,
            flight=outgoing.flight,
            hellos=self._incoming.hellos,
            deadline=outgoing.resend_at,
            expired=outgoing.attempts,
            retransmissions=self.retransmissions,
            draw=self._draw,
        )

    def _answered(self, now: float) -> None:
        """The peer goes on, so it has the whole of our flight."""
        self._incoming.answered = False
        self._outgoing.answered(now)

    def _take(self, step: Step, now: float) -> list[bytes]:
        self._state = step.state
        for keys in step.keys:
            self._install(keys)
        if isinstance(step.state, Connected13):
            return self._complete(step.state, step.flight, now)
        if step.keys:
            self._incoming.new_keys()
        return self._send(step.flight, now)

    def _install(self, keys: EpochKeys) -> None:
        if keys.write is not None:
            self._writer.add(keys.write, cid=keys.peer_cid)
            if keys.peer_record_limit is not None:
                # A client's flight in epoch 2 heeds it too (RFC 8449 section 4).
                self._writer.limit_records(keys.peer_record_limit)
        if keys.read is not None:
            opener = self._incoming.opener or Opener13(cid=keys.own_cid)
            if keys.own_record_limit is not None:
                opener.limit_records(keys.own_record_limit)
            opener.add(keys.read)
            self._incoming.opener = opener

    def _send(self, flight: Flight, now: float) -> list[bytes]:
        if not flight:
            return []
        self._incoming.next_flight()
        self.flights += 1
        return self._outgoing.send(flight, now)

    def _complete(self, connected: Connected13, flight: Flight, now: float) -> list[bytes]:
        """The handshake is complete: a client's last flight, or a server's ACK and tickets."""
        incoming, opener = self._incoming, self._incoming.opener
        if opener is None:
            return []
        if incoming.reassembly.protected:
            # Keys change behind Finished, and no message may span that (RFC 8446 section 5.1).
            raise UnexpectedMessage("a message under the keys of the handshake after Finished")
        is_client = connected.ongoing.client
        out = self._send(flight, now) if is_client else self._acknowledge(last=not flight)
        self._post = PostHandshake(
            connected,
            self._writer,
            opener,
            timer=self._outgoing.timer,
            mtu=self._parameters.mtu,
            counters=self._counters,
            next_seq=incoming.reassembly.next_seq,
            now=now,
            patience=self._parameters.state_lifetime,
            final=self._outgoing.delivery if is_client else None,
            final_numbers=() if is_client else incoming.receipts.numbers,
        )
        self._outgoing.resend_at = None
        incoming.new_keys()
        if not is_client:
            tickets = self._post.send(Step(connected, flight), now)
            out = joined(out, tickets, self._parameters.mtu)
        return out + self._take_early(self._post, now)

    def _take_early(self, post: PostHandshake, now: float) -> list[bytes]:
        """Handshake messages and ACKs of epoch 3 that came before the handshake was complete."""
        out: list[bytes] = []
        early, self._incoming.early = self._incoming.early, []
        for opened in early:
            if opened.content_type in {ContentType.handshake, ContentType.ack}:
                heard = post.receive(opened, now)
                out += heard.datagrams
                self._tickets += heard.tickets
            else:
                self._incoming.early.append(opened)
        return out
