"""From a whole body to its answer: the rules for flights, alerts, repetition and failure.

Each rule stands in the section "Repeated Flights" or "Session Resources" of the draft in ``spec/``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple

from handshake_over_coap.carriers.base import HandshakeCompleted
from handshake_over_coap.carriers.carried import (
    CarriedConversation,
    CarriedFlight,
    Completed,
    CompletedT,
    Turn,
    floor_bytes,
)
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.limits import TooManyHandshakes
from handshake_over_coap.carriers.rejections import Rejections
from handshake_over_coap.coap.codes import Code
from handshake_over_coap.encodings import DEFAULT, Encoding, encoding_for, encoding_named
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT_CONTENT_FORMAT
from handshake_over_coap.encodings.alert import decode_alert, encode_alert
from handshake_over_coap.tls.alerts import AlertError, InternalError
from handshake_over_coap.tls.config import Rng
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.trace.report import TrialFigures
from handshake_over_coap.transfers.base import Answer, Whole

from .handshake import Handshake
from .parameters import CoapParameters
from .peers import Computing, Peer, PeerTable

_NAMES = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
"""Names of sessions: one character, unique at one endpoint.  They are no secret."""


class _Work(NamedTuple):
    """A whole body that has to be answered, from whom, and the digest that tells it apart."""

    peer: Peer
    whole: Whole
    key: bytes


class FlightAnswers:
    """Answers whole bodies for a server, each different body once.

    ``think`` gives the seconds that answering a body takes beyond computing it, for experiments;
    ``challenge`` a fresh Echo value for an address at a time.  ``completed`` collects what has been
    completed until it is taken; ``rejections`` is for all lines that clients cause.
    ``keep_flights``: what is in the flights is kept for it.
    """

    def __init__(
        self,
        parameters: CoapParameters,
        peers: PeerTable,
        begin: Callable[[], CarriedConversation[CompletedT]],
        rng: Rng,
        counters: Counter[str],
        think: Callable[[bytes], float] | None,
        challenge: Callable[[Address, float], bytes],
        *,
        keep_flights: bool,
    ) -> None:
        self._parameters = parameters
        self._keep_flights = keep_flights
        self._peers = peers
        self._begin: Callable[[], CarriedConversation[Any]] = begin
        self._rng = rng
        self._counters = counters
        self._think = think
        self._challenge = challenge
        self._own = encoding_named(parameters.encoding)
        self.rejections = Rejections()
        self._now = 0.0
        self.completed: list[HandshakeCompleted] = []

    def answer(self, peer: Peer, whole: Whole, now: float) -> Answer | Computing:
        """What a body gets; computed at most once for each different body.

        :class:`~.peers.Computing` where it takes its time: :meth:`computed` has it then.
        """
        self._now = now
        path, key = whole.path, _digest(whole)
        at_resource = path == self._parameters.path_segments
        for handshake in peer.handshakes.values():
            if not (at_resource or handshake.name == path[-1]):
                continue
            known = handshake.answers.get(key)
            if known is not None:
                # Without Location-Path, the gate lets flight 1 pass without an Echo too.
                if at_resource and not whole.proven and key == handshake.opened_by:
                    return self._challenged(peer)
                self._counters["repeated flights"] += 1
                return known
        if at_resource and whole.proven and self._peers.evicted.holds(peer.address, key, now):
            self._counters["refused: replayed after eviction"] += 1
            return self._busy()
        work = _Work(peer, whole, key)
        seconds = 0.0 if self._think is None else self._think(whole.body)
        return self._slowly(work, seconds) if seconds > 0 else self._compute(work)

    def _slowly(self, work: _Work, seconds: float) -> Answer | Computing:
        """The same on a slow device; a repetition waits for the computation under way."""
        computing = work.peer.computing
        if work.key not in computing:
            if len(computing) >= self._parameters.limits.requests_per_peer:
                return self._busy()
            computing[work.key] = Computing(self._now + seconds, work)
        return computing[work.key]

    def computed(self, peer: Peer, now: float) -> Iterator[tuple[Computing, Answer]]:
        """The answers that are there by now, in the order in which they were asked for."""
        self._now = now
        for key, each in list(peer.computing.items()):
            if each.due <= now:
                del peer.computing[key]
                yield each, self._compute(each.work)

    def _challenged(self, peer: Peer) -> Answer:
        return Answer(Code.UNAUTHORIZED, echo=self._challenge(peer.address, self._now))

    def _compute(self, work: _Work) -> Answer:
        if work.whole.path == self._parameters.path_segments:
            return self._at_resource(work)
        handshake = work.peer.handshakes.get(work.whole.path[-1])
        return Answer(Code.NOT_FOUND) if handshake is None else self._in_session(work, handshake)

    def _in_session(self, work: _Work, handshake: Handshake) -> Answer:
        """A later flight or an alert.  Nothing unauthenticated does more than wear its patience."""
        if handshake.over:
            return Answer(Code.NOT_FOUND)
        most = self._parameters.limits.failures * work.whole.attempts
        if not handshake.complete and handshake.failures >= most:
            # Whoever is genuine is sent back to flight 1 by this.
            self._counters["given up: too many failures"] += 1
            handshake.end()
            return Answer(Code.NOT_FOUND)
        if work.whole.content_format == ALERT_CONTENT_FORMAT:
            return self._alert(handshake, work.whole.body)
        return self._later_flight(work, handshake)

    def _encoding(self, number: int | None, handshake: Handshake | None = None) -> Encoding:
        """What a body is in: without a number in that of the handshake that it goes on with.

        Flight 1 is plain then, whatever this server prefers itself.
        """
        if number is None:
            return DEFAULT if handshake is None else handshake.encoding
        return encoding_for(number, self._own) or DEFAULT  # the gate lets no other number through

    def _at_resource(self, work: _Work) -> Answer:
        """Flight 1, or without Location-Path any flight of the one half-open handshake."""
        peer, here = work.peer, self._shared_session(work)
        if here is not None:
            return self._in_session(work, here)
        if not work.whole.proven:
            return self._challenged(peer)
        if work.whole.content_format == ALERT_CONTENT_FORMAT:
            return Answer(Code.NOT_FOUND)
        encoding, replaced = self._encoding(work.whole.content_format), peer.half_open
        try:
            self._peers.begin(peer, self._now)  # before anything is computed
            turn = self._begin().hear(work.whole.body, encoding)
        except AlertError as error:
            self._counters[f"rejected flight 1: {error.name}"] += 1
            self.rejections.say(peer.address, error, self._now)
            return alert_answer(error)
        except TooManyHandshakes:
            return self._too_many()
        handshake = Handshake(self._name(peer), turn.after, encoding, opened_by=work.key)
        answer = self._flight_answer(turn.body, work.whole.content_format, handshake.name)
        handshake.answers[work.key] = answer
        handshake.body_bytes += [len(work.whole.body), len(answer.payload)]
        self._keep(handshake, turn)
        try:
            self._peers.lease(peer, self._now)
            for gone in peer.add_handshake(handshake):
                self._peers.forget(peer, gone, self._now)
        except TooManyHandshakes:
            return self._too_many()
        self._counters["half-open handshakes replaced"] += replaced is not None
        return answer

    def _too_many(self) -> Answer:
        self._counters["refused: too many handshakes"] += 1
        return self._busy()

    def _busy(self) -> Answer:
        return Answer(Code.SERVICE_UNAVAILABLE, max_age=self._parameters.retry_after)

    def _shared_session(self, work: _Work) -> Handshake | None:
        """Without Location-Path: the handshake that a body at the resource belongs to."""
        peer = work.peer
        if self._parameters.location or not peer.handshakes:
            return None
        if work.whole.content_format != ALERT_CONTENT_FORMAT:
            # A ClientHello is the first item of flight 1 and of no other flight, unless it is the
            # second one of a handshake under way.
            encoding = self._encoding(work.whole.content_format)
            hello = encoding.hello(work.whole.body)
            here = peer.half_open
            spoken = self._encoding(work.whole.content_format, here)
            if hello is not None and not _goes_on(here, hello, spoken, work.whole.body):
                return None
        return peer.half_open or next(reversed(peer.handshakes.values()))

    def _name(self, peer: Peer) -> str:
        """A name that no handshake of this peer has; later ones come round late."""
        taken = {*peer.handshakes, self._parameters.path_segments[-1]}
        index = self._rng(1)[0] if peer.next_name is None else peer.next_name
        while _NAMES[index % len(_NAMES)] in taken:
            index += 1
        peer.next_name = index + 1
        return _NAMES[index % len(_NAMES)]

    def _flight_answer(self, payload: bytes, number: int | None, name: str) -> Answer:
        if not self._parameters.location:
            return Answer(Code.CHANGED, payload, _mirrored(number))
        location = (*self._parameters.path_segments[:-1], name)
        return Answer(Code.CREATED, payload, _mirrored(number), location)

    def _alert(self, handshake: Handshake, body: bytes) -> Answer:
        """An alert in the clear: anybody could have sent it, so it ends nothing."""
        try:
            alert = decode_alert(body)
        except AlertError:
            self._counters["malformed alerts"] += 1
            return Answer(Code.BAD_REQUEST)
        if handshake.complete:
            self._counters["ignored: unsealed alert for a session"] += 1
            return Answer(Code.BAD_REQUEST)
        self._counters["unsealed alerts"] += 1
        handshake.failures += 1
        self.rejections.tell(
            self._now, "unsealed alert %d in a half-open handshake", alert.description
        )
        return Answer(Code.CHANGED)

    def _later_flight(self, work: _Work, handshake: Handshake) -> Answer:
        """Flight 3: completes the handshake, or leaves it as it was a bounded number of times."""
        if handshake.complete:
            self._counters["ignored: another flight for a session"] += 1
            return Answer(Code.BAD_REQUEST)
        encoding = self._encoding(work.whole.content_format, handshake)
        try:
            turn = handshake.hear(encoding, work.whole.body)
        except AlertError as error:
            handshake.failures += 1
            self._counters[f"rejected flight 3: {error.name}"] += 1
            self.rejections.say(work.peer.address, error, self._now)
            # The client's own alert, sealed: it has given up, and there is nothing to answer.
            if error.authenticated:
                handshake.end()
            answer = Answer(Code.CHANGED) if error.authenticated else alert_answer(error)
        else:
            established = turn.after.established
            final = established is not None
            handshake.go_on(turn, final=final)
            answer = Answer(
                Code.CHANGED, turn.body, _mirrored(work.whole.content_format), final=final
            )
            handshake.body_bytes += [len(work.whole.body), len(answer.payload)]
            self._keep(handshake, turn)
            if established is not None:
                self._complete(work.peer, handshake, established)
        handshake.answers[work.key] = answer
        return answer

    def _keep(self, handshake: Handshake, turn: Turn[Any]) -> None:
        """Remember two flights for whoever wants to know of them."""
        if self._keep_flights:
            handshake.flights += [
                CarriedFlight(self._now, True, turn.heard, turn.peer_pinned),
                CarriedFlight(self._now, False, turn.said, turn.own_pinned),
            ]

    def _complete(self, peer: Peer, handshake: Handshake, established: Completed) -> None:
        handshake.complete = True
        self._peers.finish(peer)
        figures = TrialFigures(
            completed=True,
            datagrams=peer.datagrams,
            bytes=peer.bytes,
            duration_s=self._now - peer.since,
            retransmissions=0,
            body_bytes=tuple(handshake.body_bytes),
            floor_bytes=floor_bytes(handshake.flights),
        )
        flights, handshake.flights = tuple(handshake.flights), []
        self.completed.append(
            HandshakeCompleted(peer.address, handshake.name, established, flights, figures)
        )


def _mirrored(number: int | None) -> int | None:
    """What a flight says of its format: as its request in plain; nothing where that is chosen.

    Who asks in another encoding knows the answer's: it is the same.
    """
    return number if number == DEFAULT.content_format else None


def _digest(whole: Whole) -> bytes:
    """SHA-256 of a body and its format: tells whether it is one seen before."""
    return sha256(f"{whole.content_format} ".encode() + whole.body).digest()


def _goes_on(
    here: Handshake | None, hello: HandshakeMessage, encoding: Encoding, body: bytes
) -> bool:
    """Whether a body that may be a ClientHello belongs to the handshake under way.

    As the second hello after a HelloRetryRequest, or as a flight whose sealed part happens to look
    like a hello: then it authenticates.
    """
    if here is None:
        return False
    if here.continues(hello):
        return True
    try:
        here.hear(encoding, body)
    except AlertError:
        return False
    return True


def alert_answer(error: AlertError) -> Answer:
    """The error response that carries an alert in the clear: 4.00, or 5.00 for our own fault."""
    code = Code.INTERNAL_SERVER_ERROR if isinstance(error, InternalError) else Code.BAD_REQUEST
    return Answer(code, encode_alert(error.alert), ALERT_CONTENT_FORMAT)
