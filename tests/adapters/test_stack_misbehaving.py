"""What a stack may do that no good one does: a scripted one does it all."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from handshake_over_coap.adapters import StackFailed
from handshake_over_coap.adapters.conversation import (
    StackConversation,
    begin_client,
)
from handshake_over_coap.errors import Closed, ConfigurationError
from handshake_over_coap.records.dtls12 import PlaintextRecord, SealedRecord
from handshake_over_coap.tls.alerts import (
    AlertError,
    BadRecordMac,
    HandshakeFailure,
    UnexpectedMessage,
)
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage


class Scripted:
    """A stack that says what it is told to say."""

    def __init__(
        self,
        outputs: Iterable[bytes],
        *,
        failure: StackFailed | None = None,
        complete_after: int = 100,
    ) -> None:
        self._outputs = list(outputs)
        self._failure = failure
        self._turns = 0
        self._complete_after = complete_after
        self.received: list[bytes] = []

    def start(self) -> None:
        pass

    def receive(self, datagram: bytes) -> None:
        self.received.append(datagram)
        self._turns += 1
        if self._failure is not None:
            raise self._failure

    def take(self) -> bytes:
        return self._outputs.pop(0) if self._outputs else b""

    @property
    def handshake_complete(self) -> bool:
        return self._turns >= self._complete_after

    @property
    def overhead(self) -> int:
        return 29

    def send(self, data: bytes) -> None:
        raise StackFailed("scripted")

    def read(self) -> bytes | None:
        raise Closed("scripted")

    def close(self) -> None:
        pass

    def export(self, label: str, length: int, context: bytes | None) -> bytes:
        raise ConfigurationError("scripted")


HELLO = HandshakeMessage(HandshakeType.client_hello, b"hello")


def said(kind: HandshakeType, body: bytes = b"", seq: int = 0, number: int = 0) -> bytes:
    message = HandshakeMessage(kind, body, seq).dtls_bytes()
    return PlaintextRecord(ContentType.handshake, number, message).to_bytes()


def served(*outputs: bytes, failure: StackFailed | None = None) -> StackConversation:
    return StackConversation(Scripted(outputs, failure=failure), is_client=False)


def test_a_stack_that_asks_for_a_cookie_is_refused() -> None:
    with pytest.raises(UnexpectedMessage, match="cookie"):
        served(said(HandshakeType.hello_verify_request)).receive((HELLO,))
    peer = HandshakeMessage(HandshakeType.hello_verify_request, b"")
    stack = Scripted([said(HandshakeType.client_hello)])
    client, _ = begin_client(lambda: stack)
    with pytest.raises(UnexpectedMessage, match="cookie"):
        client.receive((peer,))
    assert stack.received == []


def test_a_stack_is_told_everything_in_the_clear_once() -> None:
    stack = Scripted([])
    talk = StackConversation(stack, is_client=False)
    finished = SealedRecord(ContentType.handshake, 1, 0, bytes(40))
    flight = (HELLO, ChangeCipherSpec(), finished)
    for _ in range(2):
        with pytest.raises(BadRecordMac):
            talk.receive(flight)
    assert [datagram[0] for datagram in stack.received] == [22, 20, 22, 22]
    assert stack.received[2] == stack.received[3] == finished.to_bytes()


def test_a_stack_that_says_nothing_at_first_is_no_client() -> None:
    with pytest.raises(HandshakeFailure, match="is it a client"):
        begin_client(lambda: Scripted([]))


def test_a_stack_of_another_version_is_refused() -> None:
    other = b"\x16\x03\x03" + said(HandshakeType.server_hello)[3:]
    with pytest.raises(HandshakeFailure, match="does not speak"):
        served(other).receive((HELLO,))


def test_a_sealed_alert_of_the_peer_is_reported_as_authentic() -> None:
    talk = served(failure=StackFailed("an alert came", alert=49))
    with pytest.raises(AlertError, match="access_denied") as caught:
        talk.receive((HELLO,))
    assert caught.value.received
    assert caught.value.authenticated


def test_the_sealed_alert_of_a_stack_is_kept_to_be_sent() -> None:
    alert = SealedRecord(ContentType.alert, 1, 1, bytes(26))
    talk = served(alert.to_bytes(), failure=StackFailed("Finished is wrong"))
    with pytest.raises(HandshakeFailure, match="Finished is wrong") as caught:
        talk.receive((HELLO,))
    assert talk.sealed_alert(caught.value) == alert.to_bytes()


def test_a_stack_that_completes_at_the_wrong_time_is_refused() -> None:
    stack = Scripted([b""], complete_after=1)
    with pytest.raises(HandshakeFailure, match="resumed"):
        StackConversation(stack, is_client=False).receive((HELLO,))
