"""The states of a client and a server in memory, one flight at a time, with damage on demand.

No record layer takes part: what is tested is what the states say and refuse.  States are values,
so a test keeps those from before a damaged flight and goes on from there with the genuine one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import pytest

from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.codepoints import HandshakeType
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.flight import HandshakeMessage, Item
from handshake_over_coap.tls.handshake import EpochKeys, State
from handshake_over_coap.tls.messages import Message
from handshake_over_coap.tls.negotiation import (
    Completed,
    Connected13,
    start_client,
    start_server,
)
from handshake_over_coap.tls.tickets import Ticket

Items = tuple[Item, ...]
_MOST_FLIGHTS = 10

Damage = Callable[[Items], Items]
"""What happens to a flight on its way."""


@dataclass(frozen=True)
class Side:
    """One side: its state, and what it was given on the way."""

    state: State
    keys: tuple[EpochKeys, ...] = ()
    tickets: tuple[Ticket, ...] = ()

    def take(self, items: Items) -> tuple[Side, Items]:
        """The side after ``items``, and what it says to them; raises AlertError."""
        side, said = self, Items()
        for item in items:
            step = side.state.handle(item)
            said += step.flight
            side = Side(step.state, (*side.keys, *step.keys), (*side.tickets, *step.tickets))
        return side, said

    @property
    def complete(self) -> bool:
        return isinstance(self.state, Completed)


@dataclass(frozen=True)
class Point:
    """The whole handshake at one moment: both sides, and the flights so far as they were sent."""

    client: Side
    server: Side
    flights: tuple[Items, ...]

    @classmethod
    def start(cls, client: ClientConfig, server: ServerConfig) -> Self:
        """The client has sent flight 1."""
        step = start_client(client)
        return cls(Side(step.state), Side(start_server(server)), (step.flight,))

    @property
    def number(self) -> int:
        """The number of the flight that is on its way, from 1."""
        return len(self.flights)

    @property
    def pending(self) -> Items:
        """The flight that is on its way."""
        return self.flights[-1]

    @property
    def receiver(self) -> str:
        """The side that it goes to."""
        return "server" if self.number % 2 else "client"

    @property
    def complete(self) -> bool:
        return self.client.complete and self.server.complete

    def deliver(self, items: Items | None = None) -> Self:
        """The moment after the pending flight, or ``items`` in its place; raises AlertError."""
        taken = self.pending if items is None else items
        assert self.number <= _MOST_FLIGHTS, "the handshake does not come to an end"
        if self.receiver == "server":
            after, answer = self.server.take(taken)
            return replace(self, server=after, flights=(*self.flights, answer))
        after, answer = self.client.take(taken)
        return replace(self, client=after, flights=(*self.flights, answer))

    def until(self, number: int) -> Self:
        """The moment when flight ``number`` is on its way."""
        point = self
        while point.number < number:
            point = point.deliver()
        return point

    def finish(self, damage: Mapping[int, Damage] | None = None) -> Self:
        """The end of the handshake; ``damage`` by number of the flight it happens to.

        A flight after it, of tickets, is on its way.
        """
        point = self
        while not point.complete:
            change = (damage or {}).get(point.number)
            before = point
            point = point.deliver(None if change is None else change(point.pending))
            if before.receiver == "server" and not point.pending and not point.complete:
                pytest.fail("the server has nothing to say")
        return point


def run(
    client: ClientConfig, server: ServerConfig, damage: Mapping[int, Damage] | None = None
) -> Point:
    """The whole handshake; raises the AlertError of the side that refuses."""
    return Point.start(client, server).finish(damage)


_SHARED = (
    "version",
    "suite",
    "group",
    "psk",
    "resumed",
    "auth",
    "client_random",
    "server_random",
    "server_name",
    "server_certificate_type",
    "verify_data",
    "transcript",
    "secrets",
)


def connected13(side: Side) -> Connected13:
    """The side's last state."""
    assert isinstance(side.state, Connected13)
    return side.state


def agreed(point: Point) -> tuple[Connected13, Connected13]:
    """Client's and server's last state, after asserting that they are one and the same."""
    client, server = connected13(point.client), connected13(point.server)
    for name in _SHARED:
        assert getattr(client, name) == getattr(server, name), name
    assert (client.own_cid, client.peer_cid) == (server.peer_cid, server.own_cid)
    assert [keys.read for keys in point.client.keys] == [k.write for k in point.server.keys]
    assert [keys.write for keys in point.client.keys] == [k.read for k in point.server.keys]
    assert client.export("EXPORTER-test", 24, b"x") == server.export("EXPORTER-test", 24, b"x")
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
            assert (receiver, type(error), error.received) == (by, alert, False), error
            if undamaged is not None:
                assert undamaged.finish().complete
            return error.detail
    pytest.fail("the handshake is complete")


def resume(point: Point) -> Ticket:
    """The one ticket that comes after the handshake."""
    (ticket,) = point.deliver().client.tickets
    return ticket


def message(items: Items, kind: HandshakeType) -> HandshakeMessage:
    """The first message of type ``kind``."""
    return next(i for i in items if isinstance(i, HandshakeMessage) and i.type == kind)


def shape(items: Items) -> list[tuple[str, int]]:
    """Names and epochs of the messages."""
    return [
        (HandshakeType(item.type).name, item.epoch)
        for item in items
        if isinstance(item, HandshakeMessage)
    ]


M = TypeVar("M", bound=Message)


def rewrite(kind: type[M], change: Callable[[M], M]) -> Damage:
    """Decode the first message of a class, change it, and encode it again."""

    def apply(items: Items) -> Items:
        old = message(items, kind.msg_type)
        new = replace(old, body=change(kind.decode(old.body)).encode())
        return tuple(new if item is old else item for item in items)

    return apply


def set_fields(kind: type[Message], **fields: object) -> Damage:
    """Change some fields of the first message of a class."""

    def change(decoded: Any) -> Any:
        return replace(decoded, **fields)

    return rewrite(kind, change)


def drop(kind: HandshakeType) -> Damage:
    """Leave the first message of a type out."""
    return lambda items: tuple(item for item in items if item is not message(items, kind))
