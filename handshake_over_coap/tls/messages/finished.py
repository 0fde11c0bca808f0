"""Finished of DTLS 1.2.

Source: RFC 5246 section 7.4.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..codepoints import HandshakeType
from ..wire import Reader, fixed

VERIFY_DATA_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Finished:
    """Finished: 12 bytes of verify_data, for all suites this library has."""

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
