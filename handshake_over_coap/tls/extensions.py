"""Hello extensions: raw, as a block, and typed.

A hello keeps its extensions raw and in order (:class:`Extensions`), so what was received encodes
to the same bytes again, unknown extensions included.  Typed codecs stand beside that, one frozen
dataclass per extension and per form: where client and server say different things under one
number, there are two classes, and the caller picks the one that fits the message it reads.
``encode`` and ``decode`` deal in extension_data only.

A new extension is a new class with ``extension_type``, ``encode`` and ``decode``, here or in a
module of its own; nothing has to be registered.

Source: RFC 5246 section 7.4.1.4; each class names its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self, TypeVar

from ..errors import ConfigurationError
from .alerts import DecodeError, IllegalParameter
from .codepoints import ExtensionType, NameType
from .wire import Reader, join_u16, u8, u16, u16_items, vec8, vec16

MAX_HOST_NAME = 255
MIN_RECORD_SIZE_LIMIT = 64
MAX_U16_LIST = 0xFFFE  # longest list of 16-bit numbers behind a 16-bit length, in bytes


class TypedExtension(Protocol):
    """What every typed codec offers.  decode raises AlertError, encode ConfigurationError."""

    extension_type: ClassVar[ExtensionType]

    def encode(self) -> bytes:
        """The extension_data."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse the extension_data, all of it."""


T = TypeVar("T", bound=TypedExtension)


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension as on the wire: its 16-bit number and its extension_data."""

    type: int
    data: bytes

    @classmethod
    def of(cls, typed: TypedExtension) -> Extension:
        """The raw form of ``typed``."""
        return cls(int(typed.extension_type), typed.encode())

    def encode(self) -> bytes:
        """Number, length, data."""
        return u16(self.type) + vec16(self.data)


@dataclass(frozen=True, slots=True)
class Extensions:
    """The extensions of one message, in order, each type at most once.

    A hello of 1.2 may leave the whole block out.  No ``items`` stands for an absent block, unless
    ``empty_block`` says that a block of length zero is there: the two differ in the transcript.
    """

    items: tuple[Extension, ...] = ()
    empty_block: bool = False

    @classmethod
    def of(cls, *typed: TypedExtension) -> Extensions:
        """The raw forms of ``typed``, in that order."""
        return cls(tuple(map(Extension.of, typed)))

    def __iter__(self) -> Iterator[Extension]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, extension_type: object) -> bool:
        return any(item.type == extension_type for item in self.items)

    def types(self) -> tuple[int, ...]:
        """The numbers of the extensions, in order."""
        return tuple(item.type for item in self.items)

    def get(self, extension_type: int) -> bytes | None:
        """The extension_data of that number, or None."""
        for item in self.items:
            if item.type == extension_type:
                return item.data
        return None

    def find(self, kind: type[T]) -> T | None:
        """The extension that ``kind`` stands for, decoded, or None where there is none.

        Raises AlertError when it is there and malformed.
        """
        wanted = kind.extension_type
        for item in self.items:
            if item.type == wanted:
                return kind.decode(item.data)
        return None

    def encode_block(self) -> bytes:
        """The block with its 16-bit length, even when empty; ConfigurationError on duplicates."""
        if len(set(self.types())) != len(self.items):
            raise ConfigurationError("an extension stands twice")
        return vec16(b"".join(item.encode() for item in self.items))

    def encode_optional(self) -> bytes:
        """The block as the end of a hello of 1.2: nothing at all when it is absent."""
        return self.encode_block() if self.items or self.empty_block else b""

    @classmethod
    def read_block(cls, reader: Reader) -> Extensions:
        """Read a block with its length; raises DecodeError, or IllegalParameter on duplicates.

        RFC 8446 section 4.2 rules duplicates out as RFC 5246 does and leaves the alert open.
        """
        block = Reader(reader.vec16())
        found: dict[int, Extension] = {}
        while block.remaining:
            item = Extension(block.u16(), block.vec16())
            if item.type in found:
                raise IllegalParameter(f"extension {item.type} stands twice")
            found[item.type] = item
        return cls(tuple(found.values()), empty_block=not found)

    @classmethod
    def read_optional(cls, reader: Reader) -> Extensions:
        """Read the end of a hello of 1.2: a block or nothing.  Raises as :meth:`read_block`."""
        return cls.read_block(reader) if reader.remaining else cls()


NO_EXTENSIONS = Extensions()


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
    """signature_algorithms: SignatureScheme numbers, best first (RFC 5246 section 7.4.1.4.1)."""

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

    From 64 up.  A value above what the version allows is legal and means the version's own limit.
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
