"""The ACK message of DTLS 1.3: which records of handshake messages have arrived.

Content type 26, no handshake message (RFC 9147 section 7)::

    length 16 | (epoch 64 | sequence_number 64) * n
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records.dtls12 import MAX_PLAINTEXT
from handshake_over_coap.records.dtls13 import MAX_NUMBER, RecordNumber
from handshake_over_coap.tls.alerts import DecodeError

_LENGTH = Struct(">H")
_NUMBER = Struct(">QQ")

RECORD_NUMBER_LENGTH = _NUMBER.size
"""Bytes that each record number takes."""

MAX_RECORD_NUMBERS = (MAX_PLAINTEXT - _LENGTH.size) // RECORD_NUMBER_LENGTH
"""How many record numbers fit an ACK that is one record of 2^14 bytes."""


@dataclass(frozen=True, slots=True)
class Ack:
    """An ACK; ``record_numbers`` in increasing order when made with :meth:`of`.

    An empty one names nothing and asks for the flight to be sent again.
    """

    record_numbers: tuple[RecordNumber, ...] = ()

    @classmethod
    def of(cls, numbers: Iterable[RecordNumber]) -> Ack:
        """An ACK of these records, each named once, in increasing order."""
        return cls(tuple(sorted(set(numbers))))

    def encode(self) -> bytes:
        """The message; ConfigurationError for more than 1023 numbers or one over 64 bits."""
        if len(self.record_numbers) > MAX_RECORD_NUMBERS:
            raise ConfigurationError(
                f"ACK of {len(self.record_numbers)} records, at most {MAX_RECORD_NUMBERS}"
            )
        for epoch, number in self.record_numbers:
            if not (0 <= epoch <= MAX_NUMBER and 0 <= number <= MAX_NUMBER):
                raise ConfigurationError(f"record number ({epoch}, {number}) is out of range")
        body = b"".join(_NUMBER.pack(*number) for number in self.record_numbers)
        return _LENGTH.pack(len(body)) + body

    @classmethod
    def decode(cls, data: bytes) -> Ack:
        """Parse exactly one ACK, its numbers as they came; raises DecodeError for anything else.

        Order and repetition are not checked: they harm nobody.  At most as many numbers come out
        as a record of 2^14 bytes holds.
        """
        body = data[_LENGTH.size :]
        if len(data) < _LENGTH.size or _LENGTH.unpack_from(data)[0] != len(body):
            raise DecodeError(f"ACK of {len(data)} bytes")
        if len(body) % RECORD_NUMBER_LENGTH or len(data) > MAX_PLAINTEXT:
            raise DecodeError(f"{len(body)} bytes of record numbers")
        return cls(tuple(RecordNumber(*pair) for pair in _NUMBER.iter_unpack(body)))
