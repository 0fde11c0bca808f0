"""A client's and a server's conversation in memory, one flight at a time, with damage on demand.

Conversations are values, so a test keeps the ones from before a damaged flight and goes on from
there with the genuine flight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import pytest

from handshake_over_coap.carriers.conversation import (
    Conversation,
    Established,
    Established13,
    begin_client,
    begin_server,
)
from handshake_over_coap.encodings.items import BodyItem
from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from handshake_over_coap.tls.messages import Message

Body = tuple[BodyItem, ...]
_MOST_FLIGHTS = 10

Damage = Callable[[Body], Body]
"""What happens to a flight on its way."""


@dataclass(frozen=True)
class Point:
    """The whole handshake at one moment: both sides, and the flights so far as they were sent."""

    client: Conversation
    server: Conversation
    flights: tuple[Body, ...]

    @classmethod
    def start(cls, client: ClientConfig, server: ServerConfig) -> Self:
        """The client has sent flight 1."""
        conversation, flight = begin_client(client)
        return cls(conversation, begin_server(server), (flight,))

    @property
    def number(self) -> int:
        """The number of the flight that is on its way, from 1."""
        return len(self.flights)

    @property
    def pending(self) -> Body:
        """The flight that is on its way."""
        return self.flights[-1]

    @property
    def receiver(self) -> str:
        """The side that it goes to."""
        return "server" if self.number % 2 else "client"

    @property
    def complete(self) -> bool:
        return bool(self.client.established and self.server.established)

    def deliver(self, items: Body | None = None) -> Self:
        """The moment after the pending flight, or ``items`` in its place; raises AlertError."""
        taken = self.pending if items is None else items
        assert self.number <= _MOST_FLIGHTS, "the handshake does not come to an end"
        if self.receiver == "server":
            after, answer = self.server.receive(taken)
            return replace(self, server=after, flights=(*self.flights, answer))
        after, answer = self.client.receive(taken)
        flights = self.flights if after.established else (*self.flights, answer)
        return replace(self, client=after, flights=flights)

    def until(self, number: int) -> Self:
        """The moment when flight ``number`` is on its way."""
        point = self
        while point.number < number:
            point = point.deliver()
        return point

    def finish(self, damage: Mapping[int, Damage] | None = None) -> Self:
        """The end of the handshake; ``damage`` by number of the flight it happens to."""
        point = self
        while not point.complete:
            change = (damage or {}).get(point.number)
            point = point.deliver(None if change is None else change(point.pending))
        return point


def run(
    client: ClientConfig, server: ServerConfig, damage: Mapping[int, Damage] | None = None
) -> Point:
    """The whole handshake; raises the AlertError of the side that refuses."""
    return Point.start(client, server).finish(damage)


_SHARED = (
    "version",
    "suite",
    "client_random",
    "server_random",
    "master_secret",
    "server_name",
    "extended_master_secret",
    "verify_data",
    "transcript",
)


def agreed(point: Point) -> tuple[Established, Established]:
    """Client's and server's result, after asserting that they are one and the same."""
    client, server = point.client.established, point.server.established
    assert isinstance(client, Established)
    assert isinstance(server, Established)
    ours, theirs = client.connected, server.connected
    for name in _SHARED:
        assert getattr(ours, name) == getattr(theirs, name), name
    for one, other in ((client, server), (server, client)):
        datagram = one.sealer.seal_datagram(ContentType.application_data, b"some data")
        assert other.opener.open_datagram(datagram) == (ContentType.application_data, b"some data")
    return client, server


_SHARED_13 = (
    "version",
    "suite",
    "group",
    "auth",
    "client_random",
    "server_random",
    "server_name",
    "verify_data",
    "transcript",
    "secrets",
)


def agreed13(point: Point) -> tuple[Established13, Established13]:
    """The same for DTLS 1.3."""
    client, server = point.client.established, point.server.established
    assert isinstance(client, Established13)
    assert isinstance(server, Established13)
    for name in _SHARED_13:
        assert getattr(client.connected, name) == getattr(server.connected, name), name
    for one, other in ((client, server), (server, client)):
        datagram = one.sealer.seal_datagram(ContentType.application_data, b"some data")
        opened = other.opener.open_datagram(datagram)
        assert opened is not None
        assert (opened.content_type, opened.plaintext, opened.epoch) == (23, b"some data", 3)
    return client, server


def refused(
    by: str,
    alert: type[AlertError],
    client: ClientConfig,
    server: ServerConfig,
    damage: Mapping[int, Damage] | None = None,
) -> str:
    """What the alert says that ends the handshake, after asserting its type and its sender.

    Where there was damage, the handshake goes on from before it without, and completes.
    """
    point = Point.start(client, server)
    undamaged: Point | None = None
    while not point.complete:
        change = (damage or {}).get(point.number)
        if change is not None and undamaged is None:
            undamaged = point
        receiver = point.receiver
        try:
            point = point.deliver(None if change is None else change(point.pending))
        except AlertError as error:
            assert (receiver, type(error), error.received) == (by, alert, False)
            if undamaged is not None:
                after = undamaged.finish()
                is_13 = isinstance(after.client.established, Established13)
                (agreed13 if is_13 else agreed)(after)
            return error.detail
    pytest.fail("the handshake is complete")


def drop(index: int) -> Damage:
    return lambda items: items[:index] + items[index + 1 :]


def insert(index: int, *new: BodyItem) -> Damage:
    return lambda items: items[:index] + new + items[index:]


def append(*new: BodyItem) -> Damage:
    return lambda items: items + new


def duplicate(index: int) -> Damage:
    return lambda items: items[: index + 1] + items[index:]


def swap(first: int, second: int) -> Damage:
    def apply(items: Body) -> Body:
        changed = list(items)
        changed[first], changed[second] = changed[second], changed[first]
        return tuple(changed)

    return apply


def renumbered(items: Body, first: int) -> Body:
    """The messages in the clear numbered anew from ``first``, as a CoAP body would have them."""
    result: list[BodyItem] = []
    for item in items:
        if isinstance(item, HandshakeMessage):
            result.append(replace(item, message_seq=first))
            first += 1
        else:
            result.append(item)
    return tuple(result)


def position(items: Body, kind: HandshakeType) -> int:
    """Where the first message of type ``kind`` stands."""
    return next(
        index
        for index, item in enumerate(items)
        if isinstance(item, HandshakeMessage) and item.type == kind
    )


def body(items: Body, kind: HandshakeType) -> bytes:
    """The body of the first message of type ``kind``."""
    item = items[position(items, kind)]
    assert isinstance(item, HandshakeMessage)
    return item.body


def change_item(index: int, change: Callable[[bytes], bytes]) -> Damage:
    """Change the body of a message, the fragment of a record, or its ciphertext in 1.3."""

    def apply(items: Body) -> Body:
        item = items[index]
        if isinstance(item, ChangeCipherSpec):
            raise TypeError("nothing to change")
        if isinstance(item, SealedRecord):
            changed: BodyItem = replace(item, fragment=change(item.fragment))
        elif isinstance(item, CiphertextRecord):
            changed = replace(item, ciphertext=change(item.ciphertext))
        else:
            changed = replace(item, body=change(item.body))
        return (*items[:index], changed, *items[index + 1 :])

    return apply


def change_body(kind: HandshakeType, change: Callable[[bytes], bytes]) -> Damage:
    """Change the body of the first message of type ``kind``."""
    return lambda items: change_item(position(items, kind), change)(items)


M = TypeVar("M", bound=Message)


def rewrite(kind: type[M], change: Callable[[M], M]) -> Damage:
    """Decode the first message of a class, change it, and encode it again."""
    return change_body(kind.msg_type, lambda data: change(kind.decode(data)).encode())


def substitute(message: Message) -> Damage:
    """Put ``message`` in the place of the first one of its class."""
    return rewrite(type(message), lambda _: message)


def set_fields(kind: type[Message], **fields: object) -> Damage:
    """Change some fields of the first message of a class."""

    def change(message: Any) -> Any:
        return replace(message, **fields)

    return rewrite(kind, change)


def flip(data: bytes, index: int = -1) -> bytes:
    """``data`` with one bit changed."""
    changed = bytearray(data)
    changed[index] ^= 0x01
    return bytes(changed)
