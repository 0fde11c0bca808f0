"""How the practical-issues draft seems to have packed the nine small columns of its table 1.

One set of messages cannot explain the whole table.  With compression (table 2) the handshake takes
617 bytes at 1152 and 567 at 90, though smaller datagrams can only add to it; without, six more
datagrams cost 47 bytes, less than their six record headers.  The nine small columns by themselves
fit a handshake whose bodies are smaller, packed like this:

- consecutive messages of a flight, or pieces of them, share one record in each datagram;
- a message begins in what is left of a datagram if 20 bytes of its body fit there, a sealed
  Finished if one byte does.

The sizes below come from a search over all of them.  They are those of a 160-bit curve (secp160r1:
a SubjectPublicKeyInfo of 64 bytes, points of 41, a signature of 46) and reproduce the datagrams of
all nine columns and the bytes of seven.  They are a fit.  Table 2, which the search for the sizes
did not use, supports it: with compressed headers (:mod:`.table2`) they come within nine bytes of
eight of its nine small columns.  It is less than a blind test, as the packing there was chosen,
among about 24 combinations, on table 2 itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from handshake_over_coap.carriers.reassembly import MESSAGE_HEADER
from handshake_over_coap.lab.parts import SEALING, Parts
from handshake_over_coap.records.dtls12 import HEADER
from handshake_over_coap.tls.codepoints import HandshakeType

_CLIENT_HELLO: Final = 59
_COOKIE: Final = 22
_SERVER_HELLO: Final = 72
_CERTIFICATE: Final = 3 + 64
_SERVER_KEY_EXCHANGE: Final = 3 + 1 + 41 + 2 + 2 + 46
_CLIENT_KEY_EXCHANGE: Final = 1 + 41
_FINISHED: Final = 12

LEAST: Final = 20
"""Bytes of a body that make it worth while to begin a message in a datagram that is in use."""


@dataclass(frozen=True, slots=True)
class Message:
    """A handshake message: type, bytes of its body, message_seq; sealed ones are in epoch 1."""

    type: int
    body: int
    seq: int
    sealed: bool = False


Flight: TypeAlias = Sequence[Message | None]
"""Messages in their order; ``None`` is a ChangeCipherSpec."""

FLIGHTS: Final[tuple[Flight, ...]] = (
    (Message(HandshakeType.client_hello, _CLIENT_HELLO, 0),),
    (Message(HandshakeType.hello_verify_request, 3 + _COOKIE, 0),),
    (Message(HandshakeType.client_hello, _CLIENT_HELLO + _COOKIE, 1),),
    (
        Message(HandshakeType.server_hello, _SERVER_HELLO, 1),
        Message(HandshakeType.certificate, _CERTIFICATE, 2),
        Message(HandshakeType.server_key_exchange, _SERVER_KEY_EXCHANGE, 3),
        Message(HandshakeType.server_hello_done, 0, 4),
    ),
    (
        Message(HandshakeType.client_key_exchange, _CLIENT_KEY_EXCHANGE, 2),
        None,
        Message(HandshakeType.finished, _FINISHED, 3, sealed=True),
    ),
    (None, Message(HandshakeType.finished, _FINISHED, 5, sealed=True)),
)
"""The flights that the small columns point to."""


def reconstruct(limit: int) -> Parts:
    """The parts of the whole handshake with UDP payloads of at most ``limit`` bytes."""
    packing = _Packing(limit)
    for flight in FLIGHTS:
        packing.flight(flight)
    return packing.parts


def datagrams_by_flight(limit: int) -> tuple[int, ...]:
    """The number of datagrams that each of the six flights takes."""
    found = []
    for flight in FLIGHTS:
        packing = _Packing(limit)
        packing.flight(flight)
        found.append(packing.parts.datagrams)
    return tuple(found)


class _Packing:
    """Counts what a packer of this kind sends."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._record_open = False
        self._datagrams = self._records = self._sealed = self._fragments = self._bodies = 0

    @property
    def parts(self) -> Parts:
        return Parts(self._datagrams, self._records, self._sealed, self._fragments, self._bodies)

    def flight(self, items: Flight) -> None:
        for item in items:
            if item is None:
                self._change_cipher_spec()
            else:
                self._message(item)
        self._send()

    def _send(self) -> None:
        if self._used:
            self._datagrams += 1
        self._used, self._record_open = 0, False

    def _change_cipher_spec(self) -> None:
        if self._used + HEADER.size + 1 > self._limit:
            self._send()
        self._used += HEADER.size + 1
        self._records += 1
        self._bodies += 1
        self._record_open = False

    def _message(self, message: Message) -> None:
        left, least = message.body, 1 if message.sealed else LEAST
        while True:
            room = self._limit - self._used - self._overhead(message)
            if self._used and room < left and room < least:
                self._send()
                continue
            took = min(left, room)
            self._fragment(message, took)
            left -= took
            if not left:
                return
            self._send()

    def _overhead(self, message: Message) -> int:
        if message.sealed:
            return HEADER.size + SEALING + MESSAGE_HEADER
        return (0 if self._record_open else HEADER.size) + MESSAGE_HEADER

    def _fragment(self, message: Message, size: int) -> None:
        self._used += self._overhead(message) + size
        self._records += message.sealed or not self._record_open
        self._sealed += message.sealed
        self._fragments += 1
        self._bodies += size
        self._record_open = not message.sealed
