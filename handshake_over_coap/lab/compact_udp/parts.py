"""What is on the wire: parts of bodies, ACKs of parts, and cookies.

Each datagram begins with 8 bytes: what it is (one byte), which body of its sender (one), the number
of the datagram (two), then two numbers of two bytes each:

==========  ================  ===================  ====================================
0x40        length of body    offset of the part   then the part
0x41        how many numbers  0                    then the numbers, two bytes each
0x42        0                 0                    then the cookie
==========  ================  ===================  ====================================
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from handshake_over_coap.carriers.reassembly import MESSAGE_HEADER, Fragment
from handshake_over_coap.errors import Error
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.records.writer13 import Writer13
from handshake_over_coap.tls.codepoints import HandshakeType
from handshake_over_coap.tls.flight import HandshakeMessage

EPOCH = 2
"""The epoch that all bodies are given: nothing is known only later, and no key comes late."""

_HEADER = struct.Struct("!BBHHH")
_NUMBER = struct.Struct("!H")
_PART, _ACK, _COOKIE = 0x40, 0x41, 0x42
_LONGEST = 0xFFFF


class Malformed(Error):
    """A datagram that is none of these."""


class TooMany(Error):
    """A number does not fit two bytes."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a body, and the number of its datagram."""

    fragment: Fragment
    number: RecordNumber


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The numbers of datagrams that have come."""

    numbers: tuple[RecordNumber, ...]


@dataclass(frozen=True, slots=True)
class Cookie:
    """What a server wants back."""

    value: bytes


Content: TypeAlias = Part | Acknowledgement | Cookie


def body_message(body: bytes, seq: int) -> HandshakeMessage:
    """A body as what the carrier over UDP cuts and puts together."""
    return HandshakeMessage(HandshakeType.client_hello, body, seq, EPOCH)


def decode(data: bytes) -> Content:
    """What a datagram holds; raises Malformed."""
    if len(data) < _HEADER.size:
        raise Malformed("a datagram without a whole header")
    kind, seq, number, first, second = _HEADER.unpack_from(data)
    rest = data[_HEADER.size :]
    if kind == _PART and second + len(rest) <= first:
        fragment = Fragment(HandshakeType.client_hello, first, seq, second, rest, EPOCH)
        return Part(fragment, RecordNumber(EPOCH, number))
    if kind == _ACK and len(rest) == first * _NUMBER.size and not second:
        numbers = (each for (each,) in _NUMBER.iter_unpack(rest))
        return Acknowledgement(tuple(RecordNumber(EPOCH, each) for each in numbers))
    if kind == _COOKIE and not first and not second:
        return Cookie(rest)
    raise Malformed("a datagram of no kind that there is")


class PartWriter(Writer13):
    """Writes datagrams for :class:`~handshake_over_coap.carriers.delivery.Delivery`."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = EPOCH
        self._next = 0

    def seal(
        self, epoch: int, content_type: int, plaintext: bytes, *, last: bool = True
    ) -> tuple[bytes, RecordNumber]:
        """The next datagram, with one fragment in the form that DTLS has, and its number."""
        length, seq = plaintext[1:4], plaintext[5]
        offset, part = plaintext[6:9], plaintext[MESSAGE_HEADER:]
        number = self._take()
        header = _header(_PART, seq, number, int.from_bytes(length), int.from_bytes(offset))
        return header + part, RecordNumber(EPOCH, number)

    def overhead_of(self, epoch: int) -> int:
        """How much longer a datagram is than a fragment in the form that DTLS has: it is not."""
        return _HEADER.size - MESSAGE_HEADER

    def longest(self, epoch: int) -> int:
        """How many bytes of such fragments fit a datagram, were it not for the mtu."""
        return _LONGEST

    def acknowledge(self, numbers: Iterable[RecordNumber]) -> bytes:
        """An ACK."""
        return acknowledging(numbers, self._take())

    def _take(self) -> int:
        number, self._next = self._next, self._next + 1
        return number


def acknowledging(numbers: Iterable[RecordNumber], number: int) -> bytes:
    """An ACK of a server that keeps no count of its datagrams; it gets that number."""
    packed = b"".join(_NUMBER.pack(each.sequence_number) for each in numbers)
    return _header(_ACK, 0, number, len(packed) // _NUMBER.size, 0) + packed


def cookie(value: bytes, number: int) -> bytes:
    """A datagram that wants ``value`` back."""
    return _header(_COOKIE, 0, number, 0, 0) + value


def _header(kind: int, seq: int, number: int, first: int, second: int) -> bytes:
    if max(number, first, second) > _LONGEST or seq > 0xFF:
        raise TooMany("a number does not fit the header of a part")
    return _HEADER.pack(kind, seq, number, first, second)
