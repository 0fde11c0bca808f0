"""Handshakes of DTLS 1.3 in memory, record by record: their moments, and what is in flights."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from handshake_over_coap.carriers.conversation import (
    Conversation,
    Established13,
)
from handshake_over_coap.carriers.post_handshake import PostHandshake
from handshake_over_coap.carriers.protection import Protection13
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.records.opener13 import Opened, Opener13
from handshake_over_coap.records.writer13 import Writer13
from handshake_over_coap.timers import Rfc9147, undrawn
from handshake_over_coap.tls.codepoints import (
    ContentType,
    HandshakeType,
)
from handshake_over_coap.tls.flight import split_messages
from tests.support.memory_pair import (
    Body,
    Point,
    agreed13,
)
from tests.support.parties13 import CCM, HYBRID, P256, Scenario13

PSK_KE = Scenario13(CCM, None)
PSK_DHE = Scenario13(CCM, P256)
RPK = Scenario13(CCM, P256, "rpk-p256", "rpk-p256")
RETRY = Scenario13(CCM, P256, retry=True)
HYBRID_RETRY = Scenario13(CCM, HYBRID, retry=True)

ALERT, HANDSHAKE, APPLICATION, ACK = (
    ContentType.alert,
    ContentType.handshake,
    ContentType.application_data,
    ContentType.ack,
)


def start(scenario: Scenario13) -> Point:
    return Point.start(scenario.client(), scenario.server())


@dataclass(frozen=True)
class Moments:
    """One handshake before the server's flight, the client's last one, and the last answer.

    They belong together: its keys depend on what each side has drawn.
    """

    server_flight: Point
    client_flight: Point
    last_answer: Point

    @classmethod
    def of(cls, point: Point) -> Moments:
        """From a point at which the server's flight, with its Finished, is on its way."""
        after = point.deliver()
        return cls(point, after, after.deliver())

    @property
    def all(self) -> tuple[Point, Point, Point]:
        return self.server_flight, self.client_flight, self.last_answer

    @property
    def client(self) -> Protection13:
        """The client's keys."""
        return protection_of(self.client_flight.client)

    @property
    def server(self) -> Protection13:
        """The server's keys."""
        return protection_of(self.server_flight.server)

    @property
    def finished(self) -> Point:
        return self.last_answer.deliver()

    @property
    def senders(self) -> tuple[tuple[Point, int, Writer13], ...]:
        """Each moment with the epoch of its sender, and what the sender might write."""
        ours, theirs = writer_of(self.client), writer_of(self.server)
        return tuple(zip(self.all, (2, 2, 3), (theirs, ours, theirs), strict=True))


def moments(scenario: Scenario13, **server: Any) -> Moments:
    point = Point.start(scenario.client(), scenario.server(**server))
    return Moments.of(point.until(last_number(scenario) - 1))


def last_number(scenario: Scenario13) -> int:
    """The number of the client's last flight."""
    return 5 if scenario.retry else 3


def protection_of(conversation: Conversation) -> Protection13:
    assert isinstance(conversation.protection, Protection13)
    return conversation.protection


def writer_of(protection: Protection13) -> Writer13:
    """A writer that begins with number 0 in each epoch: what the owner of the keys might send."""
    writer = Writer13()
    for keys in protection.keys:
        assert keys.write is not None
        writer.add(keys.write)
    return writer


def record(writer: Writer13, epoch: int, content_type: int, content: bytes) -> CiphertextRecord:
    """A genuine record that something may follow, its number apart from the handshake's own."""
    for _ in range(50):
        writer.seal(epoch, APPLICATION, b"")
    return CiphertextRecord.from_bytes(writer.seal(epoch, content_type, content, last=False)[0])


def reader_of(protection: Protection13) -> Opener13:
    """An opener that has opened nothing."""
    opener = Opener13()
    for keys in protection.keys:
        assert keys.read is not None
        opener.add(keys.read)
    return opener


def opened_in(flight: Body, reader: Protection13) -> list[Opened]:
    """What the sealed records of a flight hold."""
    opener = reader_of(reader)
    records = [item for item in flight if isinstance(item, CiphertextRecord)]
    return [opener.open_in_body(each) for each in records]


def post_of(established: Established13) -> PostHandshake:
    """What a session makes of a completed handshake."""
    return PostHandshake(
        established.connected,
        established.sealer,
        established.opener,
        timer=Rfc9147().start(undrawn),
        mtu=1152,
        counters=Counter(),
        next_seq=established.peer_seq,
        now=0.0,
        unseen=established.unseen,
    )


def names(opened: Opened) -> list[str]:
    return [HandshakeType(m.type).name for m in split_messages(opened.plaintext, opened.epoch)]


def unchanged(point: Point) -> None:
    """A refused flight has left nothing behind: the genuine one completes the handshake."""
    agreed13(point.finish())
