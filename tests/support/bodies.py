"""Handshakes body by body, in memory and over any encoding; and a context without a handshake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from handshake_over_coap.carriers.carried import CarriedConversation, Turn
from handshake_over_coap.carriers.conversation import begin_server, open_client
from handshake_over_coap.carriers.established import AnyEstablished
from handshake_over_coap.encodings import Encoding, FlightItem
from handshake_over_coap.encodings.items import BodyItem, StandardRecord, Unsealed
from handshake_over_coap.tls.alerts import BadRecordMac
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.suites import AES_128_CCM_8, AeadAlgorithm

AnyTurn = Turn[AnyEstablished]
AnyConversation = CarriedConversation[AnyEstablished]


@dataclass(frozen=True)
class Delivery:
    """A body on its way: to whom, and the turn that made it."""

    receiver: AnyConversation
    turn: AnyTurn
    number: int


def deliveries(
    client: ClientConfig, server: ServerConfig, encoding: Encoding
) -> Iterator[Delivery]:
    """The bodies of a handshake one after the other; it has to complete."""
    turn = open_client(client, encoding)
    ends: list[AnyConversation] = [turn.after, begin_server(server)]
    number = 1
    while turn.body:
        receiver = ends[number % 2]
        yield Delivery(receiver, turn, number)
        turn = receiver.hear(turn.body, encoding)
        ends[number % 2] = turn.after
        number += 1
    assert all(end.established is not None for end in ends)


def turns(client: ClientConfig, server: ServerConfig, encoding: Encoding) -> list[AnyTurn]:
    """The turns that a handshake takes, each with its body."""
    return [each.turn for each in deliveries(client, server, encoding)]


def classic(items: Sequence[FlightItem]) -> tuple[BodyItem, ...]:
    """A flight as DTLS would put it into datagrams."""
    return tuple(item.standard() if isinstance(item, Unsealed) else item for item in items)


@dataclass(frozen=True)
class FixedEpoch:
    """Keys that everybody knows."""

    aead: AeadAlgorithm = AES_128_CCM_8
    next_number: int = 0

    def derive(self, label: str, length: int) -> bytes | None:
        return (label.encode() * length)[:length]


@dataclass
class FixedContext:
    """What is around a flight, without a handshake."""

    from_client: bool
    messages: tuple[HandshakeMessage, ...] = ()
    pins: frozenset[bytes] = frozenset()
    next_message_seq: int = 0
    references: int = 0
    digest: bytes = bytes(32)
    numbers: list[int] = field(default_factory=list)

    def seal(self, record: Unsealed, *, last: bool) -> StandardRecord:
        raise AssertionError("nothing is sealed as a standard record here")

    def sealed(self, record: Unsealed) -> None:
        self.numbers.append(record.number)

    def open(self, record: StandardRecord) -> Unsealed:
        raise AssertionError("nothing is opened as a standard record here")

    def opened(
        self, epoch: int, number: int, content_type: int, plaintext: bytes, *, last: bool
    ) -> Unsealed:
        return Unsealed(epoch, number, content_type, plaintext)

    def forged(self, epoch: int) -> Exception:
        return BadRecordMac("not authentic")

    def epoch(self, number: int) -> FixedEpoch:
        return FixedEpoch()
