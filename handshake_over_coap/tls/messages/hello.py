"""The hellos, and the messages without content that frame those of 1.2.

1.3 uses ClientHello and ServerHello as they are; what it adds is in ``hello13``.

Source: RFC 5246 section 7.4.1 and 7.4.5; RFC 6347 section 4.2.1 and 4.3.2 for the cookie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..codepoints import HandshakeType
from ..extensions import NO_EXTENSIONS, Extensions
from ..wire import Reader, fixed, join_u16, u8, u16, u16_items, vec8, vec16

RANDOM_LENGTH = 32
MAX_SESSION_ID = 32
MAX_CIPHER_SUITES = 0xFFFE  # bytes


@dataclass(frozen=True, slots=True)
class HelloRequest:
    """HelloRequest: empty, asks the client to renegotiate (RFC 5246 section 7.4.1.1)."""

    msg_type: ClassVar[HandshakeType] = HandshakeType.hello_request

    def encode(self) -> bytes:
        """No bytes."""
        return b""

    @classmethod
    def decode(cls, body: bytes) -> HelloRequest:
        """Raises DecodeError unless ``body`` is empty."""
        Reader(body).done()
        return cls()


@dataclass(frozen=True, slots=True)
class ClientHello:
    """ClientHello with DTLS's cookie (RFC 5246 section 7.4.1.2, RFC 6347 section 4.2.1).

    ``version`` is the 16-bit number on the wire, ``random`` 32 bytes, ``session_id`` at most 32,
    ``cookie`` at most 255; ``cipher_suites`` are 16-bit numbers and ``compression_methods`` one
    byte each, at least one of either.  Whether null compression is among them, as it has to be,
    is for the handshake to judge.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.client_hello

    version: int
    random: bytes
    session_id: bytes
    cookie: bytes
    cipher_suites: tuple[int, ...]
    compression_methods: bytes = b"\x00"
    extensions: Extensions = NO_EXTENSIONS

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for a field of impossible length."""
        return b"".join(
            (
                u16(self.version),
                fixed(self.random, RANDOM_LENGTH),
                vec8(self.session_id, 0, MAX_SESSION_ID),
                vec8(self.cookie),
                vec16(join_u16(self.cipher_suites), 2, MAX_CIPHER_SUITES),
                vec8(self.compression_methods, 1),
                self.extensions.encode_optional(),
            )
        )

    @classmethod
    def decode(cls, body: bytes) -> ClientHello:
        """Parse a body; raises DecodeError, for a repeated extension too."""
        reader = Reader(body)
        hello = cls(
            version=reader.u16(),
            random=reader.take(RANDOM_LENGTH),
            session_id=reader.vec8(0, MAX_SESSION_ID),
            cookie=reader.vec8(),
            cipher_suites=u16_items(reader.vec16(2, MAX_CIPHER_SUITES)),
            compression_methods=reader.vec8(1),
            extensions=Extensions.read_optional(reader),
        )
        reader.done()
        return hello


@dataclass(frozen=True, slots=True)
class HelloVerifyRequest:
    """HelloVerifyRequest: a cookie of at most 255 bytes (RFC 6347 section 4.2.1).

    ``version`` is 1.0 or 1.2 whatever is negotiated later; it says nothing about that.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.hello_verify_request

    version: int
    cookie: bytes

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for a cookie that is too long."""
        return u16(self.version) + vec8(self.cookie)

    @classmethod
    def decode(cls, body: bytes) -> HelloVerifyRequest:
        """Parse a body; raises DecodeError."""
        reader = Reader(body)
        request = cls(version=reader.u16(), cookie=reader.vec8())
        reader.done()
        return request


@dataclass(frozen=True, slots=True)
class ServerHello:
    """ServerHello (RFC 5246 section 7.4.1.3).

    ``version`` and ``cipher_suite`` are 16-bit numbers, ``random`` is 32 bytes, ``session_id`` at
    most 32, ``compression_method`` one byte.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.server_hello

    version: int
    random: bytes
    session_id: bytes
    cipher_suite: int
    compression_method: int = 0
    extensions: Extensions = NO_EXTENSIONS

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for a field of impossible length."""
        return b"".join(
            (
                u16(self.version),
                fixed(self.random, RANDOM_LENGTH),
                vec8(self.session_id, 0, MAX_SESSION_ID),
                u16(self.cipher_suite),
                u8(self.compression_method),
                self.extensions.encode_optional(),
            )
        )

    @classmethod
    def decode(cls, body: bytes) -> ServerHello:
        """Parse a body; raises DecodeError, for a repeated extension too."""
        reader = Reader(body)
        hello = cls(
            version=reader.u16(),
            random=reader.take(RANDOM_LENGTH),
            session_id=reader.vec8(0, MAX_SESSION_ID),
            cipher_suite=reader.u16(),
            compression_method=reader.u8(),
            extensions=Extensions.read_optional(reader),
        )
        reader.done()
        return hello


@dataclass(frozen=True, slots=True)
class ServerHelloDone:
    """ServerHelloDone: empty, ends the server's flight (RFC 5246 section 7.4.5)."""

    msg_type: ClassVar[HandshakeType] = HandshakeType.server_hello_done

    def encode(self) -> bytes:
        """No bytes."""
        return b""

    @classmethod
    def decode(cls, body: bytes) -> ServerHelloDone:
        """Raises DecodeError unless ``body`` is empty."""
        Reader(body).done()
        return cls()
