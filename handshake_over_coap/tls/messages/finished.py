"""Finished: proof of having the keys and the same transcript.

Source: RFC 5246 section 7.4.9, RFC 8446 section 4.4.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..codepoints import HandshakeType
from ..wire import Reader, fixed

VERIFY_DATA_LENGTH = 12
VERIFY_DATA_LENGTH_1_3 = 32


@dataclass(frozen=True, slots=True)
class Finished:
    """Finished of 1.2: 12 bytes of verify_data, for all suites this library has."""

    msg_type: ClassVar[HandshakeType] = HandshakeType.finished

    verify_data: bytes

    def encode(self) -> bytes:
        """The 12 bytes; raises ConfigurationError for any other length."""
        return fixed(self.verify_data, VERIFY_DATA_LENGTH)

    @classmethod
    def decode(cls, body: bytes) -> Finished:
        """Parse exactly 12 bytes; raises DecodeError."""
        reader = Reader(body)
        verify_data = reader.take(VERIFY_DATA_LENGTH)
        reader.done()
        return cls(verify_data)


@dataclass(frozen=True, slots=True)
class Finished13:
    """Finished of 1.3: verify_data as long as the hash, 32 bytes for all suites here."""

    msg_type: ClassVar[HandshakeType] = HandshakeType.finished

    verify_data: bytes

    def encode(self) -> bytes:
        """The 32 bytes; raises ConfigurationError for any other length."""
        return fixed(self.verify_data, VERIFY_DATA_LENGTH_1_3)

    @classmethod
    def decode(cls, body: bytes) -> Finished13:
        """Parse exactly 32 bytes; raises DecodeError."""
        reader = Reader(body)
        verify_data = reader.take(VERIFY_DATA_LENGTH_1_3)
        reader.done()
        return cls(verify_data)
