"""Between a stack and a body: the headers of classic DTLS on, and off again.

Towards the stack each item of a body becomes a datagram of its own, with the record header and the
12-byte message header that RFC 6347 gives it.  From the stack records come back, in whatever
datagrams: fragments are joined, and what the stack repeats is left out, since CoAP has carried the
original.  Sealed records pass as they are in both directions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from handshake_over_coap.carriers.reassembly import Reassembly, read_fragments
from handshake_over_coap.encodings.items import BodyItem
from handshake_over_coap.records.dtls12 import (
    MAX_PLAINTEXT,
    PlaintextRecord,
    SealedRecord,
    split_datagram,
)
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.records.errors import RecordDropped
from handshake_over_coap.tls.alerts import Alert, DecodeError, HandshakeFailure, UnexpectedMessage
from handshake_over_coap.tls.codepoints import AlertLevel, ContentType
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from handshake_over_coap.tls.wire import u8, u16, u24

_LARGEST_FRAGMENT = MAX_PLAINTEXT - 12


class ToStack:
    """Items of the peer's flights as the datagrams that the stack gets."""

    def __init__(self) -> None:
        self._next_number = 0

    def datagrams(self, item: BodyItem) -> Iterator[bytes]:
        """One for each item; more only for a message that is too long for one record.

        Raises UnexpectedMessage for a record of DTLS 1.3, which the stack does not speak.
        """
        if isinstance(item, CiphertextRecord):
            raise UnexpectedMessage("a record of DTLS 1.3 in a handshake of DTLS 1.2")
        if isinstance(item, SealedRecord):
            yield item.to_bytes()
        elif isinstance(item, ChangeCipherSpec):
            yield self._record(ContentType.change_cipher_spec, b"\x01")
        elif len(item.body) <= _LARGEST_FRAGMENT:
            yield self._record(ContentType.handshake, item.dtls_bytes())
        else:
            for offset in range(0, len(item.body), _LARGEST_FRAGMENT):
                yield self._record(ContentType.handshake, _fragment(item, offset))

    def _record(self, content_type: ContentType, fragment: bytes) -> bytes:
        """A record in the clear.  Bodies leave its number out: any that counts up will do."""
        number, self._next_number = self._next_number, self._next_number + 1
        return PlaintextRecord(content_type, number, fragment).to_bytes()


def _fragment(message: HandshakeMessage, offset: int) -> bytes:
    data = message.body[offset : offset + _LARGEST_FRAGMENT]
    length = u24(len(message.body)) + u16(message.message_seq)
    return u8(message.type) + length + u24(offset) + u24(len(data)) + data


@dataclass(frozen=True, slots=True)
class Said:
    """What a stack has said: its flight, and how it gave up, if it did.

    ``alert`` is its fatal alert in the clear, ``sealed_alert`` the record of one that nobody here
    can read.
    """

    items: tuple[BodyItem, ...]
    alert: Alert | None = None
    sealed_alert: SealedRecord | None = None


class FromStack:
    """Records of the stack as the items of its flights, each of them once."""

    def __init__(self) -> None:
        self._messages = Reassembly(0, Counter())
        self._changed = False

    def said(self, output: bytes) -> Said:
        """Take all that the stack has said; raises HandshakeFailure for what is not DTLS 1.2."""
        turn = _Turn(self._messages, self._changed)
        try:
            for record in split_datagram(output) if output else ():
                turn.record(record)
        except (RecordDropped, DecodeError) as error:
            raise HandshakeFailure(f"the stack does not speak DTLS 1.2: {error}") from None
        self._changed = turn.changed
        return Said(tuple(turn.items), turn.alert, turn.sealed_alert)


class _Turn:
    """The work on the output of one turn.

    ``finishing`` is whether sealed messages are the stack's Finished for the first time: a stack
    whose timer has run out says its last flight again, under new record numbers.
    """

    def __init__(self, messages: Reassembly, changed: bool) -> None:
        self._messages = messages
        self._finishing = False
        self.changed = changed
        self.items: list[BodyItem] = []
        self.alert: Alert | None = None
        self.sealed_alert: SealedRecord | None = None

    def record(self, record: PlaintextRecord | SealedRecord) -> None:
        match record.content_type:
            case ContentType.handshake if isinstance(record, SealedRecord):
                self.items += [record] if self._finishing else []
            case ContentType.handshake:
                self._finishing = False
                self.items += self._whole(record.fragment)
            case ContentType.change_cipher_spec:
                self._finishing = not self.changed
                self.items += [ChangeCipherSpec()] if self._finishing else []
                self.changed = True
            case ContentType.alert if isinstance(record, SealedRecord):
                self.sealed_alert = record
            case ContentType.alert:
                alert = Alert.decode(record.fragment)
                self.alert = alert if alert.level == AlertLevel.fatal else self.alert

    def _whole(self, data: bytes) -> Iterable[HandshakeMessage]:
        """The messages that are whole with the fragments in ``data``, repetitions left out."""
        for fragment in read_fragments(data, 0):
            self._messages.add(fragment)
            while (message := self._messages.peek()) is not None:
                self._messages.advance()
                yield message
