"""A conversation whose one side is a stack of DTLS 1.3 that tells its secrets.

As :mod:`.conversation`, whose remarks on flights that fail hold here, too; but protected records of
the handshake end here (:mod:`.around13`), so that any encoding will do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from handshake_over_coap.carriers.carried import Turn
from handshake_over_coap.carriers.hearing import NOTHING_SAID, digest_with
from handshake_over_coap.carriers.protection import APPLICATION_EPOCH
from handshake_over_coap.carriers.reassembly import Reassembly, read_fragments
from handshake_over_coap.encodings.base import Encoding
from handshake_over_coap.encodings.items import FlightItem, Unsealed
from handshake_over_coap.records.dtls12 import PlaintextRecord
from handshake_over_coap.records.dtls13 import CiphertextRecord, RecordNumber, split13
from handshake_over_coap.records.errors import RecordDropped
from handshake_over_coap.tls.alerts import (
    Alert,
    AlertError,
    DecodeError,
    HandshakeFailure,
    UnexpectedMessage,
    alert_error,
)
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.flight import HandshakeMessage, split_messages
from handshake_over_coap.tls.messages import ServerHello
from handshake_over_coap.tls.messages.hello13 import is_hello_retry_request
from handshake_over_coap.tls.schedule13 import HANDSHAKE_EPOCH

from .agreement import overheard13
from .around13 import Records13, StackAround13
from .conversation import StackEstablished
from .records import StackOpener13, StackSealer
from .stack import DtlsStack13, StackFailed


class StackConversation13:
    """One side of a handshake of DTLS 1.3, which ``stack`` leads."""

    def __init__(self, stack: DtlsStack13, *, is_client: bool) -> None:
        self._stack = stack
        self._is_client = is_client
        self._records = Records13(is_client=is_client)
        self._output = _Output(stack)
        self._told: dict[int, HandshakeMessage] = {}
        self._opened: set[RecordNumber] = set()
        self._messages: list[HandshakeMessage] = []
        self._failure: AlertError | None = None
        self._digest = NOTHING_SAID
        self._references = 0
        self._sent_to_stack = 0
        self.next_message_seq = 0
        self._established: StackEstablished | None = None

    @property
    def established(self) -> StackEstablished | None:
        """The result, once the handshake is complete."""
        return self._established

    def open(self, encoding: Encoding) -> Turn[StackEstablished]:
        """A client's flight 1 as a body; raises the AlertError of a stack that fails at once."""
        self._work(self._stack.start)
        self._take(())
        if not self._output.waiting:
            raise HandshakeFailure("the stack does not begin: is it a client?")
        body, said = self._answer(encoding)
        return Turn(self, body, (), said)

    def hear(self, body: bytes, encoding: Encoding) -> Turn[StackEstablished]:
        """Take the peer's flight as a body; gives this conversation and the stack's next flight.

        Raises the AlertError to send: BadRecordMac for what does not authenticate,
        UnexpectedMessage for a flight that ends too early or contradicts one before, or what the
        stack has given up with.
        """
        if self._failure is not None:
            raise self._failure
        if self._established is not None:
            raise UnexpectedMessage("the handshake is complete")
        self._records.begin_flight()
        before, seq = tuple(self._messages), self.next_message_seq
        around = self._around(before, seq, hearing=True)
        heard: list[FlightItem] = []
        messages: list[HandshakeMessage] = []
        for item in encoding.decode(body, around):
            messages += self._tell(item, before, messages)
            heard.append(item)
        complete = self._stack.handshake_complete
        if not self._output.waiting and not complete:
            raise UnexpectedMessage("the flight ends too early")
        self._messages += messages
        self.next_message_seq = seq + len(messages)
        self._digest = digest_with(self._digest, body)
        self._references = around.references
        answer, said = self._answer(encoding)
        if complete:
            agreed = overheard13(self._stack, self._messages, is_client=self._is_client)
            opener = StackOpener13(self._stack)
            self._established = StackEstablished(agreed, StackSealer(self._stack), opener)
        return Turn(self, answer, tuple(heard), said)

    def continues(self, hello: HandshakeMessage) -> bool:
        """Never: a stack that asks for a second hello is refused."""
        return False

    def provisional(self) -> StackEstablished | None:
        """Nothing: a client waits for the server's last flight."""
        return None

    def confirm(self, datagram: bytes) -> StackEstablished | None:
        """Nothing: a stack completes by the answer to its last flight."""
        return None

    def sealed_alert(self, error: AlertError) -> bytes | None:
        """The stack's own alert where it has sealed one."""
        return self._output.sealed_alert

    def _around(
        self, messages: tuple[HandshakeMessage, ...], seq: int, *, hearing: bool
    ) -> StackAround13:
        return StackAround13(
            self._records,
            messages,
            from_client=self._is_client is not hearing,
            hearing=hearing,
            next_message_seq=seq,
            digest=self._digest,
            references=0 if hearing else self._references,
        )

    # -- the peer's flight, for the stack

    def _tell(
        self,
        item: FlightItem,
        before: tuple[HandshakeMessage, ...],
        already: list[HandshakeMessage],
    ) -> list[HandshakeMessage]:
        """Give the stack an item, unless it has had it; gives the messages in it."""
        if isinstance(item, HandshakeMessage):
            known = self._told.get(item.message_seq)
            if known is None:
                self._told[item.message_seq] = item
                record = PlaintextRecord(ContentType.handshake, self._next(), item.dtls_bytes())
                self._give(record.to_bytes(), (*before, *already, item))
            elif known != item:
                raise UnexpectedMessage("not what the stack was told before: begin again")
            return [item]
        if not isinstance(item, Unsealed):
            raise UnexpectedMessage("no item of a flight of DTLS 1.3")
        if item.content_type == ContentType.alert:
            raise Alert.decode(item.plaintext).sealed_error()
        sealed = item.content_type == ContentType.handshake
        found = split_messages(item.plaintext, item.epoch) if sealed else ()
        number = RecordNumber(item.epoch, item.number)
        if number not in self._opened:
            self._opened.add(number)
            record_for_it = self._records.for_stack(item, self._output.sealed_numbers)
            self._give(record_for_it, (*before, *already, *found))
        return list(found)

    def _next(self) -> int:
        number, self._sent_to_stack = self._sent_to_stack, self._sent_to_stack + 1
        return number

    def _give(self, record: bytes, messages: tuple[HandshakeMessage, ...]) -> None:
        self._work(lambda: self._stack.receive(record))
        self._records.learn(self._stack.traffic_secrets(), messages)
        self._take(messages)

    # -- what the stack does, and says

    def _work(self, work: Callable[[], None]) -> None:
        """Let the stack work; raises an AlertError if it has given up."""
        try:
            work()
        except StackFailed as failed:
            with suppress(HandshakeFailure):
                self._take(())
            alert = self._output.alert
            if alert is not None:
                reason = str(failed)
                self._failure = alert_error(alert.description, received=False, detail=reason)
            elif failed.alert is not None:
                self._failure = alert_error(failed.alert, received=True, authenticated=True)
            else:
                self._failure = HandshakeFailure(str(failed))
            raise self._failure from failed

    def _take(self, messages: tuple[HandshakeMessage, ...]) -> None:
        """What the stack has said; of its sealed part it needs the keys, which its hello is for."""
        self._output.take(self._records, messages, self._stack)
        retry = any(map(_asks_again, self._output.clear))
        if retry:
            self._failure = UnexpectedMessage(
                "a second hello is asked for, where Echo has proven the address: turn that off"
            )
            raise self._failure

    def _answer(self, encoding: Encoding) -> tuple[bytes, tuple[FlightItem, ...]]:
        """The stack's flight as a body, and what is in it."""
        self._output.take(self._records, tuple(self._messages), self._stack)
        said = self._output.flight(self._records)
        if not said:
            return b"", ()
        own = self._output.messages()
        seq = own[0].message_seq if own else self._output.next_seq
        body = encoding.encode(said, self._around(tuple(self._messages), seq, hearing=False))
        self._messages += own
        self._digest = digest_with(self._digest, body)
        self._output.clear_flight()
        return body, said


def _asks_again(message: HandshakeMessage) -> bool:
    """Whether this is a HelloRetryRequest."""
    if message.type != HandshakeType.server_hello:
        return False
    try:
        return is_hello_retry_request(ServerHello.decode(message.body))
    except AlertError:
        return False


class _Output:
    """What the stack has said since its last flight: messages whole, ACKs, alerts."""

    def __init__(self, stack: DtlsStack13) -> None:
        self._reassembly = Reassembly(0, Counter())
        self._unread = b""
        self.clear: list[HandshakeMessage] = []
        self._sealed: list[HandshakeMessage] = []
        self._later: list[tuple[int, int, bytes]] = []
        self.sealed_numbers: list[RecordNumber] = []
        self.alert: Alert | None = None
        self.sealed_alert: bytes | None = None

    @property
    def waiting(self) -> bool:
        """Whether there is anything for a body."""
        return bool(self._unread or self.clear or self._sealed or self._later)

    @property
    def next_seq(self) -> int:
        """The message_seq of the stack's next message."""
        return self._reassembly.next_seq

    def take(
        self, records: Records13, messages: tuple[HandshakeMessage, ...], stack: DtlsStack13
    ) -> None:
        """Read the stack's records as far as their keys are known.

        Raises HandshakeFailure for what is not DTLS 1.3.
        """
        self._unread += stack.take()
        data, self._unread = self._unread, b""
        try:
            for record in split13(data) if data else ():
                if isinstance(record, PlaintextRecord):
                    self._in_clear(record)
                    records.learn(stack.traffic_secrets(), (*messages, *self.clear))
                else:
                    self._protected(record, records)
        except (RecordDropped, DecodeError) as error:
            raise HandshakeFailure(f"the stack does not speak DTLS 1.3: {error}") from None

    def _in_clear(self, record: PlaintextRecord) -> None:
        if record.content_type == ContentType.handshake:
            self.clear += self._whole(record.fragment, 0)
        elif record.content_type == ContentType.alert:
            self.alert = Alert.decode(record.fragment)

    def _protected(self, record: CiphertextRecord, records: Records13) -> None:
        if records.own is None:
            raise HandshakeFailure("the stack seals, and has told no secrets")
        content_type, plaintext, epoch, number = records.own.open(record)
        if content_type == ContentType.alert:
            self.alert, self.sealed_alert = Alert.decode(plaintext), record.to_bytes()
        elif epoch >= APPLICATION_EPOCH:
            self._later.append((content_type, number, plaintext))
        elif content_type == ContentType.handshake:
            self.sealed_numbers.append(RecordNumber(epoch, number))
            self._sealed += self._whole(plaintext, epoch)

    def _whole(self, data: bytes, epoch: int) -> list[HandshakeMessage]:
        """The messages that are whole with these fragments, repetitions left out."""
        found = []
        for fragment in read_fragments(data, epoch):
            self._reassembly.add(fragment)
            while (message := self._reassembly.peek()) is not None:
                self._reassembly.advance()
                found.append(message)
        return found

    def messages(self) -> list[HandshakeMessage]:
        """The handshake messages of the flight."""
        return [*self.clear, *self._sealed]

    def flight(self, records: Records13) -> tuple[FlightItem, ...]:
        """The flight for a body: what is of the handshake's epoch in one record."""
        items: list[FlightItem] = list(self.clear)
        if self._sealed:
            plaintext = b"".join(message.dtls_bytes() for message in self._sealed)
            items.append(records.joined(HANDSHAKE_EPOCH, ContentType.handshake, plaintext, 0))
        for content_type, number, plaintext in self._later:
            items.append(records.joined(APPLICATION_EPOCH, content_type, plaintext, number))
        return tuple(items)

    def clear_flight(self) -> None:
        """The flight is a body."""
        self.clear, self._sealed, self._later = [], [], []
