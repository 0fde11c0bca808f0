"""What 1.3 does with the hellos: the retry inside a ServerHello, binders, EncryptedExtensions.

ClientHello and ServerHello keep the form of 1.2 (RFC 9147 sections 5.3 and 5.4): the version field
says 1.2, the cookie of the ClientHello is empty, and extensions say the rest.

Source: RFC 8446 sections 4.1.3, 4.1.4, 4.2.11.2, 4.3.1 and 4.4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from ..alerts import IllegalParameter
from ..codepoints import ExtensionType, HandshakeType
from ..extensions import NO_EXTENSIONS, Extensions, OfferedPsks
from ..wire import Reader, fixed, u8, u24
from .hello import ClientHello, ServerHello

HELLO_RETRY_RANDOM: Final = bytes.fromhex(
    "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
)
"""The random that makes a HelloRetryRequest of a ServerHello: SHA-256 of "HelloRetryRequest"."""

DOWNGRADE_TO_1_2: Final = b"DOWNGRD\x01"
"""Last 8 bytes of the random of a server that speaks 1.3 and settles for 1.2 (RFC 8446 4.1.3)."""

DOWNGRADE_TO_1_0: Final = b"DOWNGRD\x00"
"""The same for DTLS 1.0."""

HASH_LENGTH: Final = 32


def is_hello_retry_request(hello: ServerHello) -> bool:
    """Whether ``hello`` is a HelloRetryRequest: its random tells."""
    return hello.random == HELLO_RETRY_RANDOM


def offered_psks(hello: ClientHello) -> OfferedPsks | None:
    """The pre-shared keys that ``hello`` offers, or None.

    Raises IllegalParameter where pre_shared_key is not the last extension (RFC 8446 section
    4.2.11) or has not a binder for each identity, DecodeError where it is malformed.
    """
    types = hello.extensions.types()
    if ExtensionType.pre_shared_key not in types:
        return None
    if types[-1] != ExtensionType.pre_shared_key:
        raise IllegalParameter("pre_shared_key is not the last extension")
    return hello.extensions.find(OfferedPsks)


def binder_input(body: bytes, psks: OfferedPsks) -> bytes:
    """What a binder is computed over, after the messages before this ClientHello.

    The 4-byte TLS header with the length of the whole message, then ``body`` as far as the list
    of binders (RFC 8446 section 4.2.11.2).  ``psks`` is what ``body`` ends with.
    """
    header = u8(HandshakeType.client_hello) + u24(len(body))
    return header + body[: len(body) - psks.binders_length]


@dataclass(frozen=True, slots=True)
class MessageHash:
    """The stand-in for a ClientHello that a HelloRetryRequest answered (RFC 8446 section 4.4.1).

    ``digest`` is that hello's hash, 32 bytes.  It is never sent.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.message_hash

    digest: bytes

    def encode(self) -> bytes:
        """The 32 bytes; raises ConfigurationError for any other length."""
        return fixed(self.digest, HASH_LENGTH)

    @classmethod
    def decode(cls, body: bytes) -> MessageHash:
        """Parse exactly 32 bytes; raises DecodeError."""
        reader = Reader(body)
        digest = reader.take(HASH_LENGTH)
        reader.done()
        return cls(digest)


@dataclass(frozen=True, slots=True)
class EncryptedExtensions:
    """EncryptedExtensions: the server's answers that no key depends on (RFC 8446 section 4.3.1)."""

    msg_type: ClassVar[HandshakeType] = HandshakeType.encrypted_extensions

    extensions: Extensions = NO_EXTENSIONS

    def encode(self) -> bytes:
        """The block, which is there even when it is empty."""
        return self.extensions.encode_block()

    @classmethod
    def decode(cls, body: bytes) -> EncryptedExtensions:
        """Parse a body; raises DecodeError, for a repeated extension too."""
        reader = Reader(body)
        extensions = Extensions.read_required(reader)
        reader.done()
        return cls(extensions)
