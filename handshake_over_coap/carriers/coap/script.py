"""What a client does, step by step: the exchange of ``spec/`` as it reads there.

A generator: it yields what it waits for (:class:`Post`, :class:`Pause`) and what it has to tell
(an event), and is sent the reply to what it has posted.  Errors are thrown into it, and so is the
:class:`Proof` that the server has completed.

Nothing that comes in the clear after flight 1 is a verdict: an error response to a later flight is
believed only when it stays the same over several attempts, and an answer that does not
authenticate is asked for again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

from handshake_over_coap.carriers.base import (
    AnswerMissing,
    HandshakeCompleted,
    LateRecord,
)
from handshake_over_coap.carriers.carried import (
    CarriedConversation,
    CarriedFlight,
    CompletedT,
    Turn,
)
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.rejections import Rejections
from handshake_over_coap.coap.codes import Code
from handshake_over_coap.encodings import (
    DEFAULT,
    Encoding,
    FlightItem,
    Unsealed,
    encoding_for,
    encoding_named,
)
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT_CONTENT_FORMAT
from handshake_over_coap.encodings.alert import encode_alert
from handshake_over_coap.errors import CarrierError, Error, HandshakeTimeout
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.timers.base import Draw
from handshake_over_coap.tls.alerts import (
    AlertError,
    BadRecordMac,
    DecodeError,
    DecryptError,
    IllegalParameter,
    UnexpectedMessage,
)
from handshake_over_coap.tls.config import Rng
from handshake_over_coap.transfers.base import Incomplete, Reply, Upload

from .exchange import ResetByPeer
from .handshake import is_hello, is_hello_verify_request
from .parameters import CoapParameters
from .refusal import refusal, session_path
from .steps import Pause, Post, Proof, Steps, TimeIsUp

Begin: TypeAlias = Callable[[Encoding], Turn[CompletedT]]
"""Makes a fresh conversation and its flight 1."""

T = TypeVar("T")
_SECOND_LOOK = 10.0
"""Seconds that a flight which fails may take to be made of other pieces."""
_AnyConversation: TypeAlias = CarriedConversation[Any]


class _StateLost(Error):
    """The server no longer knows the handshake: begin again from flight 1."""


_MAY_BE_FORGED = (BadRecordMac, DecodeError, DecryptError, IllegalParameter, UnexpectedMessage)
"""What a flight 2 fails with that was answered to a flight 1 of somebody else, in our name."""


_FORGOTTEN = ("4.04", "4.01")
"""What a later flight gets from a server that lost the handshake; the latter without a Location."""


class Script(Generic[CompletedT]):
    """One client's handshake.

    ``now`` is the time in seconds, set by whoever drives the script before it goes on.
    ``body_bytes`` are the sizes of the encoded flights so far, ``flights`` what is in them;
    ``farewell`` a datagram to send when the script has ended: a sealed alert.
    """

    def __init__(
        self,
        server: Address,
        parameters: CoapParameters,
        begin: Begin[CompletedT],
        rng: Rng,
        draw: Draw,
        *,
        early: bool,
    ) -> None:
        self._server = server
        self._parameters = parameters
        self._begin = begin
        self._early = early
        self._side = parameters.transfer.client(parameters.terms(rng, draw))
        self._encoding = encoding_named(parameters.encoding)
        self._number = None if self._encoding is DEFAULT else self._encoding.content_format
        self._unconfirmed: CarriedConversation[CompletedT] | None = None
        self._lines = Rejections()
        self._ends = 0.0
        self._several, self._abbreviated = False, parameters.path_abbrev
        self.now = 0.0
        self.body_bytes: list[int] = []
        self.flights: list[CarriedFlight] = []
        self.farewell: bytes | None = None

    def confirm(self, datagram: bytes) -> Proof | None:
        """The proof to throw, if a datagram of records is one and the script waits for it."""
        conversation = self._unconfirmed
        established = None if conversation is None else conversation.confirm(datagram)
        return None if established is None else Proof(established)

    def run(self) -> Steps[None]:
        """The whole handshake, begun again where the server has forgotten it.

        Raises AlertError (either side refused), HandshakeTimeout, or CarrierError (CoAP failed).
        """
        self._ends = self.now + self._parameters.timeout
        for left in reversed(range(1 + self._parameters.restarts)):
            try:
                yield from self._attempt(last=not left)
            except _StateLost as error:
                self._lines.tell(self.now, "%s: %s; beginning again", self._server, error)
            else:
                return
        raise CarrierError(
            f"{self._server} has forgotten the handshake every time it was begun", "4.04"
        )

    def _attempt(self, *, last: bool) -> Steps[None]:
        turn, reply = yield from self._flight_1()
        path = session_path(self._server, self._parameters.path_segments, reply)
        try:
            turn = yield from self._take_first(reply, turn)
            if any(map(is_hello, turn.said)):
                # A HelloRetryRequest; a second one is refused by the conversation.
                turn = yield from self._second_hello(path, turn)
        except AlertError as error:
            if not error.received:
                forged = self._several and isinstance(error, _MAY_BE_FORGED)
                yield from self._reject(path, error)
                if forged and not last:
                    raise _StateLost("it answered to another flight 1") from error
            raise
        self._keep_said(turn)
        yield from self._last_flight(path, turn.after, turn.body)

    # -- flights and bodies

    def _take(
        self, reply: Reply, conversation: CarriedConversation[CompletedT]
    ) -> Turn[CompletedT]:
        """Take a flight of the server, which leads to the next one; raises AlertError."""
        turn = self._hear(reply, conversation)
        if any(map(is_hello_verify_request, turn.heard)):
            raise UnexpectedMessage("a cookie exchange inside: Echo is there for that")
        self._keep_heard(reply, turn)
        return turn

    def _take_first(self, reply: Reply, opening: Turn[CompletedT]) -> Steps[Turn[CompletedT]]:
        """Take the answer to flight 1; where it may hold forged pieces, one made of others."""
        path = self._parameters.path_segments
        while True:
            try:
                return self._take(reply, opening.after)
            except AlertError as error:
                if error.received or not self._several:
                    raise
                refused, before = error, reply.payload
            try:
                reply = yield from self._post(path, opening.body, self._number, limit=_SECOND_LOOK)
            except (CarrierError, TimeIsUp):
                raise refused from None
            if reply.payload == before or reply.code != Code.CHANGED:
                raise refused  # all pieces agree that this is what the server has sent

    def _keep_said(self, turn: Turn[Any]) -> None:
        self.body_bytes.append(len(turn.body))
        self.flights.append(CarriedFlight(self.now, True, turn.said, turn.own_pinned))

    def _keep_heard(self, reply: Reply, turn: Turn[Any]) -> None:
        self.body_bytes.append(len(reply.payload))
        self.flights.append(CarriedFlight(self.now, False, turn.heard, turn.peer_pinned))

    def _hear(
        self, reply: Reply, conversation: CarriedConversation[CompletedT]
    ) -> Turn[CompletedT]:
        number = reply.content_format
        encoding = self._encoding if number is None else encoding_for(number, self._encoding)
        if encoding is None:
            raise CarrierError(f"{self._server} answered in content format {number}", reply.dotted)
        return conversation.hear(reply.payload, encoding)

    # -- posting

    def _post(
        self,
        path: tuple[str, ...],
        body: bytes,
        content_format: int | None,
        echo: bytes | None = None,
        *,
        limit: float | None = None,
        first: bool = False,
        known: bool = False,
    ) -> Steps[Reply]:
        """Post a body.

        Raises Incomplete where it has to be begun again, ResetByPeer, HandshakeTimeout when the
        server does not answer, CarrierError when it cannot be reached.
        """
        upload = Upload(path, body, content_format, echo, first, self._abbreviated, known)
        posting = self._side.post(upload)
        self._several = posting.several
        reply = yield Post(posting, limit)
        self._several = posting.several  # a server may take blocks only
        assert isinstance(reply, Reply)  # noqa: S101 - what the engine sends, not what a peer does
        return reply

    def _opened(self) -> Turn[CompletedT]:
        self.body_bytes, self.flights = [], []
        turn = self._begin(self._encoding)
        self._keep_said(turn)
        return turn

    def _flight_1(self) -> Steps[tuple[Turn[CompletedT], Reply]]:
        """Post flight 1, with the Echo that the server asks for; gives it and flight 2."""
        turn, echo = self._opened(), None
        used, given = False, self.now  # whether the Echo has been of use, and since when it is here
        attempts = 1 + self._parameters.restarts
        while attempts > 0:
            attempts -= 1
            path = self._parameters.path_segments
            try:
                reply = yield from self._post(path, turn.body, self._number, echo, first=True)
            except (Incomplete, ResetByPeer) as error:
                self._lines.tell(self.now, "flight 1 has to be sent again: %s", error)
                used = True
                continue
            if reply.code in (Code.CREATED, Code.CHANGED):
                return turn, reply
            if reply.code == Code.UNAUTHORIZED and reply.echo is not None:
                # The first challenge is part of the exchange.  A server that has restarted, or whom
                # a lossy network has let nothing reach in time, asks for another Echo.
                old = used or self.now - given > self._parameters.ack_timeout
                attempts += echo is None or old
                echo, used, given = reply.echo, False, self.now
            elif reply.code == Code.SERVICE_UNAVAILABLE and self._can_wait(reply.max_age):
                attempts += 1  # waiting its turn costs a client nothing but time
                yield Pause(max(1, reply.max_age))
                used = True
                turn = self._opened()  # the one before may have had its place, and lost it
            elif reply.code == Code.BAD_OPTION and self._abbreviated:
                attempts, self._abbreviated = attempts + 1, False  # it does not know the number
            else:
                raise refusal(self._server, reply)
        raise CarrierError(
            f"{self._server} did not take flight 1 in {1 + self._parameters.restarts} attempts"
        )

    def _can_wait(self, seconds: float) -> bool:
        return self.now + max(1, seconds) < self._ends

    def _second_hello(
        self, path: tuple[str, ...], hello: Turn[CompletedT]
    ) -> Steps[Turn[CompletedT]]:
        """Post the second ClientHello until its answer is acceptable; gives what follows it."""
        self._keep_said(hello)
        return (yield from self._persist(path, hello.body, lambda r: self._take(r, hello.after)))

    def _persist(
        self, path: tuple[str, ...], body: bytes, accept: Callable[[Reply], T]
    ) -> Steps[T]:
        """Post a later flight until ``accept`` takes the answer; all other answers are hints.

        Raises what was last wrong, or that the server has forgotten the handshake.
        """
        failure: Error = CarrierError(f"{self._server} gave no answer to a later flight")
        for attempt in range(1 + self._parameters.hint_retries):
            if attempt and not self._several:  # else it has waited for the answer to come again
                yield Pause(self._parameters.ack_timeout)
            try:
                reply = yield from self._post(path, body, self._number, known=True)
                if reply.code == Code.CHANGED:
                    return accept(reply)
                failure = refusal(self._server, reply)
            except (AlertError, CarrierError, Incomplete, ResetByPeer) as error:
                failure = error
            self._lines.tell(self.now, "a later flight, attempt %d: %s", attempt + 1, failure)
        if isinstance(failure, CarrierError) and failure.code in _FORGOTTEN:
            raise _StateLost(str(failure))
        if isinstance(failure, Incomplete | ResetByPeer):
            failure = CarrierError(f"{self._server}: {failure}")
        raise failure

    # -- the end

    def _last_flight(
        self, path: tuple[str, ...], conversation: CarriedConversation[CompletedT], body: bytes
    ) -> Steps[None]:
        """Post the client's last flight until its answer authenticates; all else are hints.

        A record that shows that the server has completed is as good as the answer.  The answer is
        still asked for then: it may hold a ticket, and its messages have numbers that count.
        """
        if self._early and (provisional := conversation.provisional()) is not None:
            yield self._completed(provisional)
            yield from self._fetch(path, conversation, body)
            return
        self._unconfirmed = conversation
        try:
            established = yield from self._persist(
                path, body, lambda r: self._finish(conversation, r)
            )
        except Proof as proof:
            self._unconfirmed = None
            yield self._completed(proof.established)
            yield from self._fetch(path, conversation, body)
            return
        except AlertError as error:
            if not error.received:
                # The server may be complete while we are not: only a sealed alert ends its session.
                self.farewell = conversation.sealed_alert(error)
            raise
        self._unconfirmed = None
        yield self._completed(established)

    def _completed(self, established: CompletedT) -> HandshakeCompleted:
        return HandshakeCompleted(self._server, "", established, tuple(self.flights))

    def _fetch(
        self, path: tuple[str, ...], conversation: _AnyConversation, body: bytes
    ) -> Steps[None]:
        """Get the answer that nobody waits for, and hand on what is sealed in it."""

        def authentic(reply: Reply) -> tuple[FlightItem, ...]:
            return self._hear(reply, conversation).heard

        try:
            items = yield from self._persist(path, body, authentic)
        except Error as failure:
            self._lines.tell(self.now, "the answer to the last flight was not had: %s", failure)
            late = HandshakeTimeout("no answer to the last flight in time")
            yield AnswerMissing(late if isinstance(failure, TimeIsUp) else failure)
            return
        for item in items:
            record = item.standard() if isinstance(item, Unsealed) else item
            if isinstance(record, CiphertextRecord):
                yield LateRecord(record)

    def _finish(self, conversation: CarriedConversation[CompletedT], reply: Reply) -> CompletedT:
        turn = self._hear(reply, conversation)
        established = turn.after.established
        if established is None:
            raise CarrierError(f"{self._server} answered the last flight with half a flight")
        self._keep_heard(reply, turn)
        return established

    def _reject(self, path: tuple[str, ...], error: AlertError) -> Steps[None]:
        """Tell the server why flight 2 was not acceptable, as far as it listens."""
        body = encode_alert(error.alert)
        wait = min(2 * self._parameters.ack_timeout, max(0.0, self._ends - self.now))
        try:
            yield from self._post(path, body, ALERT_CONTENT_FORMAT, limit=wait)
        except Error as failure:
            self._lines.tell(
                self.now, "the alert was not delivered: %s", failure, level=logging.DEBUG
            )
