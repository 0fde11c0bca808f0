"""ClientHellos from addresses that are not proven yet.

A hello without a cookie draws a request for one and leaves nothing.  A hello that comes in
fragments shows its cookie only when it is whole, and with the smallest datagrams its cookie is not
even in the first fragment; so a second hello, and no other message, is put together
(:mod:`.strangers`), and in 1.3 acknowledged in part.  Where 1.3 is spoken a first hello is put
together too: its version, and what the cookie has to hold, show only in the whole.

Source: RFC 6347 section 4.2.1, RFC 9147 section 5.1.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TypeAlias

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.reassembly import MESSAGE_HEADER, Fragment, read_fragments
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls12 import PlaintextRecord, split_datagram
from handshake_over_coap.records.dtls13 import split13
from handshake_over_coap.records.errors import RecordDropped
from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.messages import ClientHello

from .strangers import Joined, Strangers, repeats

MAX_HELLO = 4096
"""Bytes of the largest ClientHello that is put together for a stranger."""
MAX_FIRST_SEQ = 255
"""The largest message_seq of a hello: it counts the cookies that the client was sent before."""
MAX_FIRST_RECORD = (1 << 47) - 1
"""The largest number of the record of a hello: the server's own numbers go on from there."""

_HANDSHAKE = bytes((ContentType.handshake, 0xFE))
"""What a record of a hello begins with."""
_CLIENT_HELLO = bytes((HandshakeType.client_hello,))


@dataclass(frozen=True, slots=True)
class Hello:
    """A whole ClientHello, and the number for our next record in the clear.

    That is the number of the record that it (or its last part) came in, or more if that is taken;
    ``cut`` says that it came in parts.
    """

    message: HandshakeMessage
    hello: ClientHello
    record_number: int
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """The first part of a first ClientHello, which is all that a cookie needs to be sent."""

    record_number: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """A whole ClientHello that cannot be read, and the number of the record that it came in."""

    error: DecodeError
    record_number: int


@dataclass(frozen=True, slots=True)
class Partial:
    """Part of a second ClientHello of 1.3: ACKs of it, and the number of the first of them."""

    acks: tuple[Ack, ...]
    record_number: int

    def behind(self, other: Partial | None) -> Partial:
        """The same after ``other``, of the same datagram."""
        return self if other is None else replace(other, acks=other.acks + self.acks)


Found: TypeAlias = Hello | Opening | Malformed | Partial
"""What a datagram of a stranger amounts to."""


class Prelude:
    """Finds the ClientHello in what a stranger sends.

    ``strangers`` are those of whose hellos something is kept.
    """

    def __init__(self, counters: Counter[str], strangers: Strangers) -> None:
        self._counters = counters
        self.strangers = strangers

    def receive(
        self, datagram: bytes, address: Address, now: float, *, keep_first: bool
    ) -> Found | None:
        """What a datagram of a stranger amounts to; None for nothing (yet).

        A hello counts wherever in the datagram it stands, and one with bytes behind it that are no
        message if there is no other.

        With ``keep_first`` a first hello is put together too: no cookies are asked for, or 1.3 is
        spoken.
        """
        records, whole = clear_records(datagram)
        malformed: Malformed | None = None
        partial: Partial | None = None
        for record in records:
            if record.content_type != ContentType.handshake:
                continue
            number = record.sequence_number
            try:
                parts = read_fragments(record.fragment, 0)
            except DecodeError as error:
                self._counters["dropped: malformed"] += 1
                if malformed is None and _begins_with_hello(record.fragment):
                    malformed = Malformed(error, min(number, MAX_FIRST_RECORD))
                continue
            for part in parts:
                found = self._part(part, number, address, now, keep_first)
                if isinstance(found, Partial):
                    partial = found.behind(partial)
                elif found is not None:
                    return found
        if not whole:
            self._counters["dropped: malformed"] += 1
        return malformed or partial

    def _part(
        self, part: Fragment, number: int, address: Address, now: float, keep_first: bool
    ) -> Found | None:
        if part.type != HandshakeType.client_hello or part.length > MAX_HELLO:
            self._counters["dropped: no ClientHello"] += 1
            return None
        if part.message_seq > MAX_FIRST_SEQ or number > MAX_FIRST_RECORD:
            self._counters["dropped: hello with numbers far ahead"] += 1
            return None
        if len(part.data) == part.length:
            message = HandshakeMessage(part.type, part.data, part.message_seq)
            return _read(message, number)
        if part.message_seq == 0 and not keep_first:
            return Opening(number) if part.offset == 0 else None
        joined = self.strangers.join(part, number, address, now)
        return None if joined is None else _found(joined)


def hello_in(datagram: bytes) -> int | None:
    """The message_seq of the first ClientHello in a datagram, or of a part of one; None for none.

    A hello may stand behind other records.
    """
    if _HANDSHAKE not in datagram:
        return None  # in next to no time, as almost all datagrams are other ones
    for record in clear_records(datagram)[0]:
        begins = record.fragment[:1] == _CLIENT_HELLO
        if record.content_type == ContentType.handshake and begins:
            return int.from_bytes(record.fragment[4:6], "big")
    return None


def _begins_with_hello(data: bytes) -> bool:
    """Whether a whole ClientHello stands in front, whatever follows it."""
    kind, length, offset, size = data[:1], data[1:4], data[6:9], data[9:12]
    fits = int.from_bytes(size, "big") <= len(data) - MESSAGE_HEADER
    return kind == _CLIENT_HELLO and length == size and offset == bytes(3) and fits


def repeats_hello(datagram: bytes, message: HandshakeMessage) -> bool:
    """Whether a datagram holds parts of that very hello again, and of no other."""
    parts = []
    for record in clear_records(datagram)[0]:
        if record.content_type == ContentType.handshake:
            try:
                parts += read_fragments(record.fragment, 0)
            except DecodeError:
                return False
    return bool(parts) and all(repeats(part, message) for part in parts)


def clear_records(datagram: bytes) -> tuple[list[PlaintextRecord], bool]:
    """The records in the clear among those of either version, and whether all could be told."""
    best: list[PlaintextRecord] = []
    for split in (split_datagram, split13):
        found: list[PlaintextRecord] = []
        try:
            found.extend(each for each in split(datagram) if isinstance(each, PlaintextRecord))
        except RecordDropped:
            best = max(best, found, key=len)
        else:
            return found, True
    return best, False


def _found(joined: Joined) -> Found:
    if joined.message is None:
        return Partial(joined.acks, joined.record_number)
    return _read(joined.message, joined.record_number, cut=True)


def _read(message: HandshakeMessage, number: int, *, cut: bool = False) -> Hello | Malformed:
    try:
        return Hello(message, ClientHello.decode(message.body), number, cut)
    except DecodeError as error:
        return Malformed(error, number)
