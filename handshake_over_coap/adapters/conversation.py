"""A conversation whose one side is a DTLS stack that others wrote.

It stands where a conversation of ours would, with one difference: ours is a value, and a flight
that fails leaves it as it was; a stack cannot be rolled back.  After a failed flight the stack's
own state decides.  Records that do not authenticate it drops, so that the genuine Finished can
still follow a forged one.  A message in the clear it believes, and goes on from there: whatever
contradicts what it was told is refused here, since one of the two was forged and nobody can tell
which.  Such a handshake has to begin again, as over UDP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from handshake_over_coap.carriers.carried import Turn
from handshake_over_coap.carriers.hearing import NOTHING_SAID, digest_with
from handshake_over_coap.carriers.protection import Protection12
from handshake_over_coap.encodings.base import Encoding
from handshake_over_coap.encodings.items import BodyItem, FlightItem, Unsealed
from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.records.errors import RecordDropped
from handshake_over_coap.tls.alerts import (
    AlertError,
    BadRecordMac,
    HandshakeFailure,
    UnexpectedMessage,
    alert_error,
)
from handshake_over_coap.tls.codepoints import HandshakeType
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage

from .agreement import OverheardAgreement, overheard
from .around import FindKeys, StackAround
from .framing import FromStack, Said, ToStack
from .records import StackOpener, StackOpener13, StackSealer
from .secrets import keys_of, reading, speaking
from .stack import DtlsStack, StackFailed

NewStack = Callable[[], DtlsStack]
"""Makes a stack for one handshake."""


@dataclass(frozen=True, slots=True)
class StackEstablished:
    """A completed handshake of a stack: what it agreed on, and the stack as record layer.

    ``early`` are content type and plaintext of records that came before the end of the handshake.
    """

    connected: OverheardAgreement
    sealer: StackSealer
    opener: StackOpener | StackOpener13
    early: tuple[tuple[int, bytes], ...] = ()


class StackConversation:
    """One side of a handshake, which ``stack`` leads.

    ``next_message_seq`` is the number that the peer's next message in the clear has: bodies leave
    it out.
    """

    def __init__(self, stack: DtlsStack, *, is_client: bool) -> None:
        self._stack = stack
        self._is_client = is_client
        self._to_stack = ToStack()
        self._from_stack = FromStack()
        self._heard: dict[int, HandshakeMessage] = {}
        self._said: list[HandshakeMessage] = []
        self._changed = False
        self._failure: AlertError | None = None
        self._sealed_alert: SealedRecord | None = None
        self._established: StackEstablished | None = None
        self._messages: list[HandshakeMessage] = []
        self._digest = NOTHING_SAID
        self._references = 0
        self._own_seq = 0
        self.next_message_seq = 0

    @property
    def established(self) -> StackEstablished | None:
        """The result, once the handshake is complete."""
        return self._established

    def start(self) -> tuple[BodyItem, ...]:
        """A client's flight 1.  Raises the AlertError of a stack that fails at once."""
        items = self._turn(self._stack.start)
        if not items:
            raise HandshakeFailure("the stack does not begin: is it a client?")
        return items

    def hear(self, body: bytes, encoding: Encoding) -> Turn[StackEstablished]:
        """Take the peer's flight as a body; gives this conversation and the stack's next flight.

        Raises what :meth:`receive` raises, and ConfigurationError for an encoding that seals in its
        own way: it would need the stack's keys.
        """
        before = tuple(self._messages)
        heard: list[FlightItem] = []
        said: list[BodyItem] = []

        def keys() -> Protection12 | None:
            """Once all before the sealed part has been told, the stack may know them."""
            said.extend(self._turn(lambda: self._tell(self._checked(heard))))
            found = keys_of(self._stack, self._messages, is_client=self._is_client)
            return None if found is None else reading(found)

        around = self._around(before, encoding_for_peer=True, find=keys)
        for item in encoding.decode(body, around):
            heard.append(item)  # noqa: PERF402 -- ``keys`` looks at what has been heard so far
        _, rest = self.receive(map(_for_stack, heard))
        said += rest
        self._digest = digest_with(self._digest, body)
        self._references = around.references
        answer = self._encode(tuple(said), encoding)
        return Turn(self, answer, tuple(heard), tuple(said))

    def open(self, encoding: Encoding) -> Turn[StackEstablished]:
        """A client's flight 1 as a body; raises what :meth:`start` raises."""
        said = self.start()
        return Turn(self, self._encode(said, encoding), (), said)

    def _encode(self, said: tuple[BodyItem, ...], encoding: Encoding) -> bytes:
        if not said:
            return b""
        found = keys_of(self._stack, self._messages, is_client=self._is_client)
        own = [item for item in said if isinstance(item, HandshakeMessage)]
        before = tuple(self._messages[: len(self._messages) - len(own)])
        around = self._around(
            before,
            encoding_for_peer=False,
            find=lambda: None if found is None else speaking(found),
        )
        around.next_message_seq = own[0].message_seq if own else self._own_seq
        self._own_seq += len(own)
        flight = said if found is None else _opened(said, speaking(found))
        answer = encoding.encode(flight, around)
        self._digest = digest_with(self._digest, answer)
        return answer

    def _around(
        self,
        before: tuple[HandshakeMessage, ...],
        *,
        encoding_for_peer: bool,
        find: FindKeys,
    ) -> StackAround:
        return StackAround(
            before,
            from_client=self._is_client is not encoding_for_peer,
            next_message_seq=self.next_message_seq,
            digest=self._digest,
            find=find,
            references=0 if encoding_for_peer else self._references,
        )

    def _checked(self, heard: Iterable[FlightItem]) -> tuple[BodyItem, ...]:
        flight = tuple(map(_for_stack, heard))
        self._check(flight)
        return flight

    def receive(self, items: Iterable[BodyItem]) -> tuple[StackConversation, tuple[BodyItem, ...]]:
        """Take the peer's flight; gives this conversation and the stack's next flight.

        Raises the AlertError to send: the stack's own, BadRecordMac for sealed records that it did
        not accept, UnexpectedMessage for a flight that ends too early or contradicts one before.
        """
        flight = tuple(items)
        self._check(flight)
        answer = self._turn(lambda: self._tell(flight))
        complete = self._stack.handshake_complete
        if not answer and not complete:
            if any(isinstance(item, SealedRecord) for item in flight):
                raise BadRecordMac("the stack does not accept what is sealed in this flight")
            raise UnexpectedMessage("the flight ends too early")
        if complete:
            self._complete(answer)
        self.next_message_seq += sum(isinstance(item, HandshakeMessage) for item in flight)
        return self, answer

    def continues(self, hello: HandshakeMessage) -> bool:
        """Never: a stack that asks for a second hello is refused."""
        return False

    def provisional(self) -> StackEstablished | None:
        """Nothing: in DTLS 1.2 a client waits for the server's Finished."""
        return None

    def confirm(self, datagram: bytes) -> StackEstablished | None:
        """Nothing: a stack of DTLS 1.2 has completed when its peer's Finished has come."""
        return None

    def sealed_alert(self, error: AlertError) -> bytes | None:
        """The stack's own alert where it has sealed one: nobody else has its keys."""
        return None if self._sealed_alert is None else self._sealed_alert.to_bytes()

    def _check(self, flight: tuple[BodyItem, ...]) -> None:
        """Raise for a flight that must not reach the stack."""
        if self._failure is not None:
            raise self._failure
        if self._established is not None:
            raise UnexpectedMessage("the handshake is complete")
        for item in flight:
            if isinstance(item, CiphertextRecord):
                raise UnexpectedMessage("a record of DTLS 1.3, which the stack does not speak")
            if isinstance(item, HandshakeMessage):
                known = self._heard.get(item.message_seq, item)
                if known != item:
                    raise UnexpectedMessage("not what the stack was told before: begin again")
                _refuse_cookies(item)

    def _tell(self, flight: tuple[BodyItem, ...]) -> None:
        """Give the stack what it has not been told yet."""
        for item in flight:
            if isinstance(item, HandshakeMessage):
                if item.message_seq in self._heard:
                    continue
                self._heard[item.message_seq] = item
                self._messages.append(item)
            elif isinstance(item, ChangeCipherSpec):
                if self._changed:
                    continue
                self._changed = True
            for datagram in self._to_stack.datagrams(item):
                self._stack.receive(datagram)

    def _turn(self, work: Callable[[], None]) -> tuple[BodyItem, ...]:
        """Let the stack work, and give what it says; raises an AlertError if it has given up."""
        failed: StackFailed | None = None
        try:
            work()
        except StackFailed as error:
            failed = error
        try:
            said = self._from_stack.said(self._stack.take())
        except HandshakeFailure as error:
            self._failure = error
            raise
        self._sealed_alert = said.sealed_alert
        if failed is not None or said.alert is not None:
            self._failure = _failure(failed, said)
            raise self._failure from failed
        for item in said.items:
            if isinstance(item, HandshakeMessage):
                _refuse_cookies(item)
                self._said.append(item)
                self._messages.append(item)
        return said.items

    def _complete(self, answer: tuple[BodyItem, ...]) -> None:
        """The stack is done, and it has to be the right time for that."""
        if bool(answer) == self._is_client:
            self._failure = HandshakeFailure(
                "the stack has resumed a session, which takes other flights: turn resumption off"
            )
            raise self._failure
        agreed = overheard(self._stack, self._heard.values(), self._said, is_client=self._is_client)
        self._heard.clear()
        self._said.clear()
        self._established = StackEstablished(
            agreed, StackSealer(self._stack), StackOpener(self._stack)
        )


def _for_stack(item: FlightItem) -> BodyItem:
    """An item as the stack gets it: what was sealed otherwise as a standard record."""
    return item.standard() if isinstance(item, Unsealed) else item


def _opened(said: tuple[BodyItem, ...], protection: Protection12) -> tuple[FlightItem, ...]:
    """A flight of the stack with what is in its sealed records."""
    found: list[FlightItem] = []
    for item in said:
        if not isinstance(item, SealedRecord):
            found.append(item)
            continue
        try:
            opened = protection.open(item)
        except RecordDropped:
            return said
        tag_length = protection.view(opened.epoch, reading=True).aead.tag_length
        content_type, plaintext, epoch, number = opened
        found.append(Unsealed(epoch, number, content_type, plaintext, tag_length).sealed_as(item))
    return tuple(found)


def _refuse_cookies(message: HandshakeMessage) -> None:
    if message.type == HandshakeType.hello_verify_request:
        raise UnexpectedMessage("a cookie exchange, where Echo has proven the address: turn it off")


def _failure(failed: StackFailed | None, said: Said) -> AlertError:
    """Why a stack has given up, as an alert: its own, or one that the peer has sealed."""
    reason = "the stack gives no reason" if failed is None else str(failed)
    if said.alert is not None:
        return alert_error(said.alert.description, received=False, detail=reason)
    if failed is not None and failed.alert is not None:
        return alert_error(failed.alert, received=True, authenticated=True)
    return HandshakeFailure(reason)


def begin_client(new_stack: NewStack) -> tuple[StackConversation, tuple[BodyItem, ...]]:
    """A client's conversation and its flight 1, from a new stack."""
    conversation = StackConversation(new_stack(), is_client=True)
    return conversation, conversation.start()


def open_client(new_stack: NewStack, encoding: Encoding) -> Turn[StackEstablished]:
    """The same with flight 1 as a body."""
    return StackConversation(new_stack(), is_client=True).open(encoding)


def begin_server(new_stack: NewStack) -> StackConversation:
    """A server's conversation with a new stack, before any client has spoken."""
    stack = new_stack()
    stack.start()
    return StackConversation(stack, is_client=False)
