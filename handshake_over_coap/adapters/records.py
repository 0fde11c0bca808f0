"""A stack as the record layer of a session: plaintext in, datagrams out, and the other way round.

What the stack would answer by itself (a repeated flight, the refusal of a renegotiation) is
dropped: nothing of it belongs to a session whose handshake CoAP has carried.
"""

from __future__ import annotations

from handshake_over_coap.errors import Closed, DatagramTooLarge
from handshake_over_coap.records.dtls12 import MAX_PLAINTEXT, SealedRecord
from handshake_over_coap.records.errors import NumbersExhausted, RecordDropped
from handshake_over_coap.tls.alerts import Alert
from handshake_over_coap.tls.codepoints import AlertDescription, AlertLevel, ContentType

from .stack import DtlsStack, StackFailed

_CLOSE_NOTIFY = Alert(AlertLevel.warning, AlertDescription.close_notify).encode()


class StackDropped(RecordDropped):
    """A record that the stack did not take: forged, replayed, or nothing for an application."""

    default_reason = "by the stack"


class StackSealer:
    """Seals application data, and close_notify, with a stack."""

    def __init__(self, stack: DtlsStack) -> None:
        self._stack = stack
        self.overhead = stack.overhead

    def seal_datagram(self, content_type: int, plaintext: bytes) -> bytes:
        """The record as it goes on the wire.

        Raises DatagramTooLarge over 2^14 bytes, NumbersExhausted where the stack seals nothing
        more, or an alert other than close_notify: those are the stack's to send.
        """
        if len(plaintext) > MAX_PLAINTEXT:
            raise DatagramTooLarge(len(plaintext), MAX_PLAINTEXT)
        if content_type == ContentType.application_data:
            try:
                self._stack.send(plaintext)
            except StackFailed as failed:
                raise NumbersExhausted(f"the stack seals nothing more: {failed}") from failed
        elif plaintext == _CLOSE_NOTIFY:
            self._stack.close()
        datagram = self._stack.take()
        if not datagram:
            raise NumbersExhausted("the stack seals nothing more")
        return datagram


class StackOpener:
    """Opens records with a stack, which drops replayed and forged ones by itself.

    ``dead`` is whether the stack has given its connection up.
    """

    def __init__(self, stack: DtlsStack) -> None:
        self._stack = stack
        self.dead = False

    def open_datagram(self, data: bytes) -> tuple[int, bytes] | None:
        """Nothing: a stack is given one record at a time."""
        return None

    def open(self, record: SealedRecord) -> bytes:
        """The plaintext of a record; raises :class:`StackDropped` where the stack gives none."""
        plaintext: bytes | None = None
        reason = f"record {record.epoch}.{record.sequence_number}"
        try:
            self._stack.receive(record.to_bytes())
            plaintext = self._stack.read()
        except Closed:
            if record.content_type == ContentType.alert:
                plaintext = _CLOSE_NOTIFY
        except StackFailed as failed:
            self.dead, reason = True, str(failed)
            if record.content_type == ContentType.alert and failed.alert is not None:
                plaintext = Alert(AlertLevel.fatal, failed.alert).encode()
        finally:
            self._stack.take()
        if plaintext is None:
            raise StackDropped(reason)
        return plaintext


class StackOpener13:
    """The same with a stack of DTLS 1.3, which is given whole datagrams.

    What it would answer by itself (an ACK, say) is dropped.
    """

    dead = False

    def __init__(self, stack: DtlsStack) -> None:
        self._stack = stack

    def open_datagram(self, data: bytes) -> tuple[int, bytes]:
        """Content type and plaintext; raises :class:`StackDropped` where the stack gives none."""
        reason = "a datagram of DTLS 1.3"
        try:
            self._stack.receive(data)
            plaintext = self._stack.read()
        except Closed:
            return ContentType.alert, _CLOSE_NOTIFY
        except StackFailed as failed:
            self.dead, reason, plaintext = True, str(failed), None
            if failed.alert is not None:
                return ContentType.alert, Alert(AlertLevel.fatal, failed.alert).encode()
        finally:
            self._stack.take()
        if plaintext is None:
            raise StackDropped(reason)
        return ContentType.application_data, plaintext

    def open(self, record: SealedRecord) -> bytes:
        """Nothing: records of DTLS 1.2 have no place here."""
        raise StackDropped("a record of DTLS 1.2")
