"""Strategies as somebody outside the package would write them, one of each kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from handshake_over_coap.encodings import FlightContext, FlightItem
from handshake_over_coap.encodings.plain import PLAIN
from handshake_over_coap.timers.base import Backoff, Draw
from handshake_over_coap.tls.flight import HandshakeMessage


@dataclass(frozen=True)
class Patient:
    """A timer that always waits for the same time."""

    wait: float = field(default=7.0, metadata={"doc": "every wait", "unit": "s"})
    name: str = field(default="patient", init=False)

    def start(self, draw: Draw) -> Backoff:
        return Backoff(self.wait, self.wait, None)


@dataclass(frozen=True)
class Reversed:
    """An encoding that turns the plain one round."""

    name: str = field(default="reversed", init=False)
    content_format: int = 65099

    def encode(self, flight: Sequence[FlightItem], context: FlightContext) -> bytes:
        return PLAIN.encode(flight, context)[::-1]

    def decode(self, body: bytes, context: FlightContext) -> Iterator[FlightItem]:
        return PLAIN.decode(body[::-1], context)

    def hello(self, body: bytes) -> HandshakeMessage | None:
        return PLAIN.hello(body[::-1])
