"""ServerKeyExchange and ClientKeyExchange of 1.2, one class per form.

The cipher suite decides which form a message has; nothing in the bytes does.  Identities and
hints are opaque bytes of at most 2^16 - 1, as RFC 4279 has them (UTF-8 by convention).

Source: RFC 4279 section 2 (PSK), RFC 8422 sections 5.4 and 5.7 (ECDHE_ECDSA), RFC 5489 section 2
(ECDHE_PSK).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..alerts import IllegalParameter
from ..codepoints import ECCurveType, HandshakeType
from ..wire import Reader, u8, u16, vec8, vec16


def _encode_ecdh_params(named_curve: int, public: bytes) -> bytes:
    """ServerECDHParams with a named curve (RFC 8422 section 5.4)."""
    return u8(ECCurveType.named_curve) + u16(named_curve) + vec8(public, 1)


def _read_ecdh_params(reader: Reader) -> tuple[int, bytes]:
    """Named curve and public value; IllegalParameter for the explicit curves RFC 8422 bans."""
    curve_type = reader.u8()
    if curve_type != ECCurveType.named_curve:
        raise IllegalParameter(f"curve type {curve_type} is not named_curve")
    return reader.u16(), reader.vec8(1)


@dataclass(frozen=True, slots=True)
class ServerKeyExchangePsk:
    """ServerKeyExchange of a PSK suite: the identity hint, alone (RFC 4279 section 2).

    The server leaves the message out when it has no hint to give.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.server_key_exchange

    hint: bytes

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for a hint that is too long."""
        return vec16(self.hint)

    @classmethod
    def decode(cls, body: bytes) -> ServerKeyExchangePsk:
        """Parse a body; raises DecodeError."""
        reader = Reader(body)
        hint = reader.vec16()
        reader.done()
        return cls(hint)


@dataclass(frozen=True, slots=True)
class ServerKeyExchangeEcdheEcdsa:
    """ServerKeyExchange of an ECDHE_ECDSA suite (RFC 8422 section 5.4).

    ``named_curve`` is a NamedGroup number, ``public`` the server's ephemeral public value (1 to
    255 bytes), ``scheme`` a SignatureScheme number and ``signature`` made over the two randoms and
    :meth:`signed_params`.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.server_key_exchange

    named_curve: int
    public: bytes
    scheme: int
    signature: bytes

    def signed_params(self) -> bytes:
        """ServerECDHParams: what is signed after client_random and server_random."""
        return _encode_ecdh_params(self.named_curve, self.public)

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for a field of impossible length."""
        return self.signed_params() + u16(self.scheme) + vec16(self.signature)

    @classmethod
    def decode(cls, body: bytes) -> ServerKeyExchangeEcdheEcdsa:
        """Parse a body; raises DecodeError, or IllegalParameter for an explicit curve."""
        reader = Reader(body)
        named_curve, public = _read_ecdh_params(reader)
        exchange = cls(named_curve, public, scheme=reader.u16(), signature=reader.vec16())
        reader.done()
        return exchange


@dataclass(frozen=True, slots=True)
class ServerKeyExchangeEcdhePsk:
    """ServerKeyExchange of an ECDHE_PSK suite: hint and parameters, unsigned (RFC 5489 section 2).

    ``hint`` may be empty; ``named_curve`` is a NamedGroup number, ``public`` 1 to 255 bytes.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.server_key_exchange

    hint: bytes
    named_curve: int
    public: bytes

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for a field of impossible length."""
        return vec16(self.hint) + _encode_ecdh_params(self.named_curve, self.public)

    @classmethod
    def decode(cls, body: bytes) -> ServerKeyExchangeEcdhePsk:
        """Parse a body; raises DecodeError, or IllegalParameter for an explicit curve."""
        reader = Reader(body)
        hint = reader.vec16()
        named_curve, public = _read_ecdh_params(reader)
        reader.done()
        return cls(hint, named_curve, public)


@dataclass(frozen=True, slots=True)
class ClientKeyExchangePsk:
    """ClientKeyExchange of a PSK suite: the identity (RFC 4279 section 2)."""

    msg_type: ClassVar[HandshakeType] = HandshakeType.client_key_exchange

    identity: bytes

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for an identity that is too long."""
        return vec16(self.identity)

    @classmethod
    def decode(cls, body: bytes) -> ClientKeyExchangePsk:
        """Parse a body; raises DecodeError."""
        reader = Reader(body)
        identity = reader.vec16()
        reader.done()
        return cls(identity)


@dataclass(frozen=True, slots=True)
class ClientKeyExchangeEcdhe:
    """ClientKeyExchange of an ECDHE_ECDSA suite (RFC 8422 section 5.7).

    ``public`` is the client's ephemeral public value, 1 to 255 bytes.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.client_key_exchange

    public: bytes

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for a value of impossible length."""
        return vec8(self.public, 1)

    @classmethod
    def decode(cls, body: bytes) -> ClientKeyExchangeEcdhe:
        """Parse a body; raises DecodeError."""
        reader = Reader(body)
        public = reader.vec8(1)
        reader.done()
        return cls(public)


@dataclass(frozen=True, slots=True)
class ClientKeyExchangeEcdhePsk:
    """ClientKeyExchange of an ECDHE_PSK suite: identity and public value (RFC 5489 section 2)."""

    msg_type: ClassVar[HandshakeType] = HandshakeType.client_key_exchange

    identity: bytes
    public: bytes

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for a field of impossible length."""
        return vec16(self.identity) + vec8(self.public, 1)

    @classmethod
    def decode(cls, body: bytes) -> ClientKeyExchangeEcdhePsk:
        """Parse a body; raises DecodeError."""
        reader = Reader(body)
        exchange = cls(identity=reader.vec16(), public=reader.vec8(1))
        reader.done()
        return exchange
