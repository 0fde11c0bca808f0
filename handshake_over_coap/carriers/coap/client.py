"""The client's side of the exchange: flights out, flights in, until both sides are done.

The client posts its flights: the ClientHello to the resource (and, after a HelloRetryRequest, a
second one to the session), then its last flight to the session.

Nothing that comes in the clear after flight 1 is a verdict: an error response to the last flight is
believed only when it stays the same over several attempts, and an answer that does not
authenticate is asked for again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from handshake_over_coap.carriers.carried import (
    CarriedConversation,
    CarriedFlight,
    CompletedT,
    Turn,
)
from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint
from handshake_over_coap.encodings import (
    DEFAULT,
    Encoding,
    FlightItem,
    Unsealed,
    encoding_for,
    encoding_named,
)
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT_CONTENT_FORMAT
from handshake_over_coap.encodings.alert import decode_alert, encode_alert
from handshake_over_coap.errors import CarrierError, Error, HandshakeTimeout
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.tls.alerts import AlertError, UnexpectedMessage, alert_error
from handshake_over_coap.tls.codepoints import HandshakeType
from handshake_over_coap.tls.config import Rng
from handshake_over_coap.tls.flight import HandshakeMessage

from .gate import Code
from .parameters import CoapParameters
from .peers import is_hello
from .requests import Incomplete, Reply, Requests, ResetByPeer

log = logging.getLogger(__name__)

Begin: TypeAlias = Callable[[Encoding], Turn[CompletedT]]
"""Makes a fresh conversation and its flight 1."""

T = TypeVar("T")
_AnyConversation: TypeAlias = CarriedConversation[Any]

_REMEDIES = {
    Code.NOT_FOUND: "it has no handshake resource at this path",
    Code.METHOD_NOT_ALLOWED: "the resource at this path takes no handshakes",
    Code.UNSUPPORTED_CONTENT_FORMAT: "it does not know this encoding of the flights",
    Code.REQUEST_ENTITY_TOO_LARGE: "the flight is larger than it takes: shorten the chain or names",
    Code.SERVICE_UNAVAILABLE: "it is busy with other handshakes: try again later",
    Code.PROXYING_NOT_SUPPORTED: "it takes no handshakes through a proxy",
    Code.BAD_OPTION: "it does not understand an option of the request",
}


_FORGOTTEN = ("4.04", "4.01")
"""What a later flight gets from a server that lost the handshake; the latter without a Location."""


class _StateLost(Error):
    """The server no longer knows the handshake: begin again from flight 1."""


class CoapClient:
    """One handshake with one server over CoAP.

    ``body_bytes`` are the sizes of the encoded flights so far, in bytes; ``flights`` what is in
    them.  With ``early`` a handshake of DTLS 1.3 gives its result once the last flight is on its
    way.  Where the result does not wait for the server's last answer, ``on_late_record`` gets the
    records in it, and ``on_unanswered`` the failure if it is never had.
    """

    def __init__(
        self, endpoint: DatagramEndpoint, server: Address, parameters: CoapParameters, rng: Rng
    ) -> None:
        self._endpoint = endpoint
        self._server = server
        self._parameters = parameters
        self._loop = asyncio.get_running_loop()
        self._requests = Requests(endpoint, server, parameters, rng)
        self._encoding = encoding_named(parameters.encoding)
        self._number = None if self._encoding is DEFAULT else self._encoding.content_format
        self._deadline = 0.0
        self.body_bytes: list[int] = []
        self.flights: list[CarriedFlight] = []
        self._confirm: Callable[[bytes], bool] | None = None
        self._fetching: asyncio.Task[None] | None = None
        self.early = False
        self.on_unanswered: Callable[[Error], None] = lambda _: None
        self.on_late_record: Callable[[CiphertextRecord], None] = lambda _: None

    @property
    def retransmissions(self) -> int:
        """Confirmable messages sent again so far."""
        return self._requests.retransmissions

    def receive(self, data: bytes, address: Address) -> bool:
        """Take a datagram whose first octet says CoAP; False if it is not from the server."""
        return address == self._server and self._requests.receive(data)

    def receive_records(self, data: bytes) -> bool:
        """Take a datagram of records from the server; False if the handshake cannot use it.

        An answer that has come in this very turn of the loop tells more than any record.
        """
        if self._confirm is None or self._requests.answered:
            return False
        return self._confirm(data)

    def on_error(self, error: OSError) -> None:
        """An ICMP error: believed only while nothing has been heard from the server."""
        if not self._requests.heard:
            self._requests.fail(
                f"{self._server} cannot be reached ({error.strerror or error}): "
                "is a server running there?"
            )

    async def close(self) -> None:
        """Cancel everything; the endpoint stays open."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})
        await self._requests.close()

    async def handshake(self, begin: Begin[CompletedT]) -> CompletedT:
        """Carry a whole handshake.

        Raises AlertError (either side refused), HandshakeTimeout, or CarrierError (CoAP failed).
        """
        self._deadline = self._loop.time() + self._parameters.timeout
        try:
            async with asyncio.timeout_at(self._deadline):
                for _ in range(1 + self._parameters.restarts):
                    try:
                        return await self._attempt(begin)
                    except _StateLost:
                        log.info("%s has forgotten the handshake; beginning again", self._server)
                raise CarrierError(
                    f"{self._server} has forgotten the handshake every time it was begun", "4.04"
                )
        except TimeoutError as error:
            if isinstance(error, HandshakeTimeout):
                raise
            raise HandshakeTimeout(
                f"no completed handshake with {self._server} in {self._parameters.timeout:g} s"
            ) from None

    async def _attempt(self, begin: Begin[CompletedT]) -> CompletedT:
        self.body_bytes, self.flights = [], []
        turn = begin(self._encoding)
        self._keep_said(turn)
        reply = await self._flight_1(turn.body)
        path = self._session_path(reply)
        try:
            turn = self._take(reply, turn.after)
            if any(map(is_hello, turn.said)):
                # A HelloRetryRequest; a second one is refused by the conversation.
                turn = await self._second_hello(path, turn)
        except AlertError as error:
            if not error.received:
                await self._reject(path, error)
            raise
        self._keep_said(turn)
        return await self._last_flight(path, turn.after, turn.body)

    def _take(
        self, reply: Reply, conversation: CarriedConversation[CompletedT]
    ) -> Turn[CompletedT]:
        """Take a flight of the server, which leads to the next one; raises AlertError."""
        turn = self._hear(reply, conversation)
        if any(map(_is_hello_verify_request, turn.heard)):
            raise UnexpectedMessage("a cookie exchange inside: Echo is there for that")
        self._keep_heard(reply, turn)
        return turn

    def _keep_said(self, turn: Turn[Any]) -> None:
        self.body_bytes.append(len(turn.body))
        self.flights.append(CarriedFlight(self._loop.time(), from_client=True, items=turn.said))

    def _keep_heard(self, reply: Reply, turn: Turn[Any]) -> None:
        self.body_bytes.append(len(reply.payload))
        self.flights.append(CarriedFlight(self._loop.time(), from_client=False, items=turn.heard))

    def _hear(
        self, reply: Reply, conversation: CarriedConversation[CompletedT]
    ) -> Turn[CompletedT]:
        number = reply.content_format
        encoding = self._encoding if number is None else encoding_for(number, self._encoding)
        if encoding is None:
            raise CarrierError(f"{self._server} answered in content format {number}", reply.dotted)
        return conversation.hear(reply.payload, encoding)

    async def _flight_1(self, body: bytes) -> Reply:
        """Post flight 1, with the Echo that the server asks for; gives flight 2."""
        echo: bytes | None = None
        attempts = 1 + self._parameters.restarts
        while attempts > 0:
            attempts -= 1
            try:
                reply = await self._requests.post(
                    self._parameters.path_segments, body, self._number, echo
                )
            except (Incomplete, ResetByPeer) as error:
                log.info("flight 1 has to be sent again: %s", error)
                continue
            if reply.code in (Code.CREATED, Code.CHANGED):
                return reply
            if reply.code == Code.UNAUTHORIZED and reply.echo is not None:
                echo = reply.echo
            elif reply.code == Code.SERVICE_UNAVAILABLE and self._can_wait(reply.max_age):
                attempts += 1  # waiting its turn costs a client nothing but time
                await asyncio.sleep(max(1, reply.max_age))
            else:
                raise self._refusal(reply)
        raise CarrierError(
            f"{self._server} did not take flight 1 in {1 + self._parameters.restarts} attempts"
        )

    def _can_wait(self, seconds: float) -> bool:
        return self._loop.time() + max(1, seconds) < self._deadline

    async def _second_hello(
        self, path: tuple[str, ...], hello: Turn[CompletedT]
    ) -> Turn[CompletedT]:
        """Post the second ClientHello until its answer is acceptable; gives what follows it."""
        self._keep_said(hello)
        return await self._persist(path, hello.body, lambda reply: self._take(reply, hello.after))

    async def _persist(self, path: tuple[str, ...], body: bytes, accept: Callable[[Reply], T]) -> T:
        """Post a later flight until ``accept`` takes the answer; all other answers are hints.

        Raises what was last wrong, or that the server has forgotten the handshake.
        """
        failure: Error = CarrierError(f"{self._server} gave no answer to a later flight")
        for attempt in range(1 + self._parameters.hint_retries):
            if attempt:
                await asyncio.sleep(self._parameters.ack_timeout)
            try:
                reply = await self._requests.post(path, body, self._number)
                if reply.code == Code.CHANGED:
                    return accept(reply)
                failure = self._refusal(reply)
            except (AlertError, CarrierError, Incomplete, ResetByPeer) as error:
                failure = error
            log.info("a later flight, attempt %d: %s", attempt + 1, failure)
        if isinstance(failure, CarrierError) and failure.code in _FORGOTTEN:
            raise _StateLost(str(failure))
        if isinstance(failure, Incomplete | ResetByPeer):
            failure = CarrierError(f"{self._server}: {failure}")
        raise failure

    async def _last_flight(
        self, path: tuple[str, ...], conversation: CarriedConversation[CompletedT], body: bytes
    ) -> CompletedT:
        """Post the client's last flight until its answer authenticates; all else are hints.

        A record that shows that the server has completed is as good as the answer.  The answer is
        still asked for then: it may hold a ticket, and its messages have numbers that count.
        """
        if self.early and (provisional := conversation.provisional()) is not None:
            self._fetching = self._loop.create_task(self._fetch(path, conversation, body))
            await asyncio.sleep(0)  # the flight goes out before anything that is sent after it
            return provisional
        confirmed: list[CompletedT] = []

        def confirm(datagram: bytes) -> bool:
            established = None if confirmed else conversation.confirm(datagram)
            if established is not None:
                confirmed.append(established)
                self._requests.interrupt()
            return established is not None

        self._confirm = confirm
        try:
            established = await self._persist(path, body, lambda r: self._finish(conversation, r))
        except Error as error:
            if confirmed:
                self._fetching = self._loop.create_task(self._fetch(path, conversation, body))
                return confirmed[0]
            if isinstance(error, AlertError) and not error.received:
                self._send_sealed_alert(conversation, error)
            raise
        finally:
            self._confirm = None
        if confirmed:  # both came in one turn of the loop, and the record must not be lost
            self._fetching = self._loop.create_task(self._fetch(path, conversation, body))
            return confirmed[0]
        return established

    async def _fetch(
        self, path: tuple[str, ...], conversation: _AnyConversation, body: bytes
    ) -> None:
        """Get the answer that nobody waits for, and hand on what is sealed in it."""

        def authentic(reply: Reply) -> tuple[FlightItem, ...]:
            return self._hear(reply, conversation).heard

        self._requests.resume()
        try:
            async with asyncio.timeout(self._parameters.timeout):
                items = await self._persist(path, body, authentic)
        except (Error, TimeoutError) as failure:
            log.info("the answer to the last flight was not had: %s", failure)
            if not isinstance(failure, Error):
                failure = HandshakeTimeout("no answer to the last flight in time")
            self.on_unanswered(failure)
            return
        for item in items:
            record = item.standard() if isinstance(item, Unsealed) else item
            if isinstance(record, CiphertextRecord):
                self.on_late_record(record)

    def _finish(self, conversation: CarriedConversation[CompletedT], reply: Reply) -> CompletedT:
        turn = self._hear(reply, conversation)
        established = turn.after.established
        if established is None:
            raise CarrierError(f"{self._server} answered the last flight with half a flight")
        self._keep_heard(reply, turn)
        return established

    def _session_path(self, reply: Reply) -> tuple[str, ...]:
        """Where flight 3 goes; a Location other than a sibling of the resource is refused."""
        resource = self._parameters.path_segments
        if not reply.location:
            return resource
        sibling = len(reply.location) == len(resource) and reply.location[:-1] == resource[:-1]
        if not sibling or reply.location[-1] in ("", ".", ".."):
            named = "/" + "/".join(reply.location)
            raise CarrierError(f"{self._server} names {named}, which is no sibling of the resource")
        return reply.location

    def _refusal(self, reply: Reply) -> Error:
        """The error that a response stands for."""
        if reply.content_format == ALERT_CONTENT_FORMAT:
            try:
                alert = decode_alert(reply.payload)
            except AlertError:
                return CarrierError(f"{self._server} sent an alert that is none", reply.dotted)
            detail = f"unsealed, in a {reply.dotted} from {self._server}"
            return alert_error(alert.description, received=True, level=alert.level, detail=detail)
        known = {int(code): text for code, text in _REMEDIES.items()}
        remedy = known.get(reply.code, "this is no answer of the handshake")
        return CarrierError(f"{self._server} answered {reply.dotted}: {remedy}", reply.dotted)

    async def _reject(self, path: tuple[str, ...], error: AlertError) -> None:
        """Tell the server why flight 2 was not acceptable, as far as it listens."""
        body = encode_alert(error.alert)
        wait = min(2 * self._parameters.ack_timeout, max(0.0, self._deadline - self._loop.time()))
        try:
            async with asyncio.timeout(wait):
                await self._requests.post(path, body, ALERT_CONTENT_FORMAT)
        except (Error, TimeoutError) as failure:
            log.debug("the alert was not delivered: %s", failure)

    def _send_sealed_alert(self, conversation: _AnyConversation, error: AlertError) -> None:
        """The server may be complete while we are not: only a sealed alert ends its session."""
        record = conversation.sealed_alert(error)
        if record is not None:
            self._endpoint.send(record, self._server)


def _is_hello_verify_request(item: FlightItem) -> bool:
    verify = HandshakeType.hello_verify_request
    return isinstance(item, HandshakeMessage) and item.type == verify
