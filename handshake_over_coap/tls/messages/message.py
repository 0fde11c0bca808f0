"""What all decoded handshake messages have in common."""

from __future__ import annotations

from typing import ClassVar, Protocol, Self

from ..codepoints import HandshakeType


class Message(Protocol):
    """A decoded handshake message: it knows its type and its body, and no header.

    Decoding loses nothing: what decodes encodes to the same bytes again.  Where a type has several
    forms (key exchanges, certificates), the caller chooses the class.
    """

    msg_type: ClassVar[HandshakeType]

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for a field that has no place on the wire."""

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Parse all of ``body``; raises AlertError (DecodeError unless it says otherwise)."""
