"""Typed extensions of 1.2, and those that 1.3 took over from it.

1.3 moved some answers from the ServerHello to EncryptedExtensions; their bytes are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from ...errors import ConfigurationError
from ..alerts import DecodeError, IllegalParameter
from ..codepoints import ExtensionType, NameType
from ..wire import Reader, join_u16, u8, u16, u16_items, vec8, vec16

MAX_HOST_NAME = 255
UNCOMPRESSED = 0
"""The point format that all have to take (RFC 8422 section 5.1.2)."""
MIN_RECORD_SIZE_LIMIT = 64
MAX_U16_LIST = 0xFFFE  # longest list of 16-bit numbers behind a 16-bit length, in bytes


def _check_empty(data: bytes) -> None:
    Reader(data).done()


def _is_printable_ascii(name: str) -> bool:
    return all("!" <= character <= "~" for character in name)


@dataclass(frozen=True, slots=True)
class ServerName:
    """server_name in a ClientHello: one host name, ASCII, 1 to 255 bytes (RFC 6066 section 3).

    The list is taken with exactly one entry, as no other kind of name was ever defined and no
    kind may stand twice.
    """

    extension_type: ClassVar[ExtensionType] = ExtensionType.server_name
    host_name: str

    def encode(self) -> bytes:
        """ServerNameList; raises ConfigurationError for a name that cannot be sent."""
        if not _is_printable_ascii(self.host_name):
            raise ConfigurationError("a server name is printable ASCII (A-labels)")
        name = vec16(self.host_name.encode("ascii"), 1, MAX_HOST_NAME)
        return vec16(u8(NameType.host_name) + name)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse a ServerNameList; raises DecodeError, or IllegalParameter for other octets."""
        reader = Reader(data)
        names = Reader(reader.vec16(1))
        reader.done()
        if names.u8() != NameType.host_name:
            raise DecodeError("server name of an unknown type")
        name = names.vec16(1, MAX_HOST_NAME).decode("latin-1")
        names.done()
        if not _is_printable_ascii(name):
            raise IllegalParameter("server name is not printable ASCII")
        return cls(name)


@dataclass(frozen=True, slots=True)
class ServerNameAcknowledged:
    """server_name in a ServerHello: empty, the name was used (RFC 6066 section 3)."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.server_name

    def encode(self) -> bytes:
        """No bytes."""
        return b""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises DecodeError unless ``data`` is empty."""
        _check_empty(data)
        return cls()


@dataclass(frozen=True, slots=True)
class SupportedGroups:
    """supported_groups: NamedGroup numbers, best first (RFC 8422 section 5.1.1)."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.supported_groups
    groups: tuple[int, ...]

    def encode(self) -> bytes:
        """NamedGroupList, at least one."""
        return vec16(join_u16(self.groups), 2, MAX_U16_LIST)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse a NamedGroupList; raises DecodeError."""
        reader = Reader(data)
        content = reader.vec16(2, MAX_U16_LIST)
        reader.done()
        return cls(u16_items(content))


@dataclass(frozen=True, slots=True)
class ECPointFormats:
    """ec_point_formats: ECPointFormat numbers, one byte each (RFC 8422 section 5.1.2)."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.ec_point_formats
    formats: tuple[int, ...]

    def encode(self) -> bytes:
        """ECPointFormatList, at least one."""
        return vec8(b"".join(map(u8, self.formats)), 1)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse an ECPointFormatList; raises DecodeError."""
        reader = Reader(data)
        content = reader.vec8(1)
        reader.done()
        return cls(tuple(content))


@dataclass(frozen=True, slots=True)
class SignatureAlgorithms:
    """signature_algorithms: SignatureScheme numbers, best first.

    In a ClientHello, and in a CertificateRequest of 1.3 (RFC 5246 section 7.4.1.4.1, RFC 8446
    section 4.2.3).
    """

    extension_type: ClassVar[ExtensionType] = ExtensionType.signature_algorithms
    schemes: tuple[int, ...]

    def encode(self) -> bytes:
        """supported_signature_algorithms, at least one."""
        return vec16(join_u16(self.schemes), 2, MAX_U16_LIST)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse supported_signature_algorithms; raises DecodeError."""
        reader = Reader(data)
        content = reader.vec16(2, MAX_U16_LIST)
        reader.done()
        return cls(u16_items(content))


@dataclass(frozen=True, slots=True)
class _CertificateTypes:
    """A list of CertificateType numbers, one byte each, best first (RFC 7250 section 3)."""

    types: tuple[int, ...]

    def encode(self) -> bytes:
        """The list, at least one."""
        return vec8(b"".join(map(u8, self.types)), 1)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse the list; raises DecodeError."""
        reader = Reader(data)
        content = reader.vec8(1)
        reader.done()
        return cls(tuple(content))


@dataclass(frozen=True, slots=True)
class _SelectedCertificateType:
    """One CertificateType number in one byte (RFC 7250 section 3)."""

    type: int

    def encode(self) -> bytes:
        """The byte."""
        return u8(self.type)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse exactly one byte; raises DecodeError."""
        reader = Reader(data)
        selected = reader.u8()
        reader.done()
        return cls(selected)


@dataclass(frozen=True, slots=True)
class ClientCertificateType(_CertificateTypes):
    """client_certificate_type in a ClientHello: what the client can present."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.client_certificate_type


@dataclass(frozen=True, slots=True)
class SelectedClientCertificateType(_SelectedCertificateType):
    """client_certificate_type in a ServerHello: what the client is to present."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.client_certificate_type


@dataclass(frozen=True, slots=True)
class ServerCertificateType(_CertificateTypes):
    """server_certificate_type in a ClientHello: what the client can process."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.server_certificate_type


@dataclass(frozen=True, slots=True)
class SelectedServerCertificateType(_SelectedCertificateType):
    """server_certificate_type in a ServerHello: what the server presents."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.server_certificate_type


@dataclass(frozen=True, slots=True)
class ExtendedMasterSecret:
    """extended_master_secret: empty in both directions (RFC 7627 section 5.1)."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.extended_master_secret

    def encode(self) -> bytes:
        """No bytes."""
        return b""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises DecodeError unless ``data`` is empty."""
        _check_empty(data)
        return cls()


@dataclass(frozen=True, slots=True)
class RenegotiationInfo:
    """renegotiation_info: empty in an initial handshake (RFC 5746 section 3.2), up to 255 bytes."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.renegotiation_info
    renegotiated_connection: bytes = b""

    def encode(self) -> bytes:
        """renegotiated_connection with its 8-bit length."""
        return vec8(self.renegotiated_connection)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse it; raises DecodeError."""
        reader = Reader(data)
        connection = reader.vec8()
        reader.done()
        return cls(connection)


@dataclass(frozen=True, slots=True)
class RecordSizeLimit:
    """record_size_limit: longest record plaintext its sender takes, in bytes (RFC 8449 section 4).

    From 64 up; in 1.3 it counts the byte of the content type and padding as well.  A value above
    what the version allows is legal and means the version's own limit.
    """

    extension_type: ClassVar[ExtensionType] = ExtensionType.record_size_limit
    limit: int

    def encode(self) -> bytes:
        """The limit as 16 bits; raises ConfigurationError below 64."""
        if self.limit < MIN_RECORD_SIZE_LIMIT:
            raise ConfigurationError(f"record size limit {self.limit} is below 64")
        return u16(self.limit)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse the limit; raises DecodeError, or IllegalParameter below 64."""
        reader = Reader(data)
        limit = reader.u16()
        reader.done()
        if limit < MIN_RECORD_SIZE_LIMIT:
            raise IllegalParameter(f"record size limit {limit} is below 64")
        return cls(limit)


@dataclass(frozen=True, slots=True)
class ConnectionId:
    """connection_id: the CID that its sender wants on records sent to it (RFC 9146 section 3).

    0 to 255 bytes, in ClientHello and ServerHello alike.  Empty: its sender wants none, and would
    put the peer's on what it sends.
    """

    extension_type: ClassVar[ExtensionType] = ExtensionType.connection_id
    cid: bytes

    def encode(self) -> bytes:
        """The CID with its 8-bit length."""
        return vec8(self.cid)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse it; raises DecodeError."""
        reader = Reader(data)
        cid = reader.vec8()
        reader.done()
        return cls(cid)
