"""Typed extensions that came with 1.3, but for pre-shared keys.

Source: RFC 8446 section 4.2; each class names its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

from ...errors import ConfigurationError
from ..alerts import IllegalParameter
from ..codepoints import ExtensionType
from ..wire import Reader, join_u16, u16, u16_items, vec8, vec16
from .hello import MAX_U16_LIST

MAX_VERSIONS = 0xFE  # bytes


@dataclass(frozen=True, slots=True)
class SupportedVersions:
    """supported_versions in a ClientHello: versions, best first (RFC 8446 section 4.2.1).

    Numbers as on the wire of DTLS, such as 0xFEFC for 1.3 (RFC 9147 section 5.3).
    """

    extension_type: ClassVar[ExtensionType] = ExtensionType.supported_versions
    versions: tuple[int, ...]

    def encode(self) -> bytes:
        """The list, 1 to 127 of them."""
        return vec8(join_u16(self.versions), 2, MAX_VERSIONS)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse the list; raises DecodeError."""
        reader = Reader(data)
        content = reader.vec8(2, MAX_VERSIONS)
        reader.done()
        return cls(u16_items(content))


@dataclass(frozen=True, slots=True)
class SelectedVersion:
    """supported_versions in a ServerHello or HelloRetryRequest: the one (RFC 8446 4.2.1)."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.supported_versions
    version: int

    def encode(self) -> bytes:
        """The version as 16 bits."""
        return u16(self.version)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse exactly two bytes; raises DecodeError."""
        reader = Reader(data)
        version = reader.u16()
        reader.done()
        return cls(version)


@dataclass(frozen=True, slots=True)
class KeyShareEntry:
    """A public value and its group: a NamedGroup number, 1 to 2^16 - 1 bytes (RFC 8446 4.2.8)."""

    group: int
    key_exchange: bytes

    def encode(self) -> bytes:
        """The entry; raises ConfigurationError for a value of impossible length."""
        return u16(self.group) + vec16(self.key_exchange, 1)

    @classmethod
    def read(cls, reader: Reader) -> KeyShareEntry:
        """The next entry; raises DecodeError."""
        return cls(reader.u16(), reader.vec16(1))


def _repeats_a_group(entries: Iterable[KeyShareEntry]) -> bool:
    groups = [entry.group for entry in entries]
    return len(set(groups)) != len(groups)


@dataclass(frozen=True, slots=True)
class KeyShares:
    """key_share in a ClientHello: entries, best first, one a group (RFC 8446 section 4.2.8).

    None at all asks the server for a HelloRetryRequest.
    """

    extension_type: ClassVar[ExtensionType] = ExtensionType.key_share
    entries: tuple[KeyShareEntry, ...] = ()

    def share(self, group: int) -> bytes | None:
        """The public value for ``group``, or None."""
        for entry in self.entries:
            if entry.group == group:
                return entry.key_exchange
        return None

    def encode(self) -> bytes:
        """client_shares; raises ConfigurationError where a group stands twice."""
        if _repeats_a_group(self.entries):
            raise ConfigurationError("two key shares for one group")
        return vec16(b"".join(entry.encode() for entry in self.entries))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse client_shares; raises DecodeError, or IllegalParameter for a repeated group."""
        reader = Reader(data)
        content = Reader(reader.vec16())
        reader.done()
        entries = []
        while content.remaining:
            entries.append(KeyShareEntry.read(content))
        if _repeats_a_group(entries):
            raise IllegalParameter("two key shares for one group")
        return cls(tuple(entries))


@dataclass(frozen=True, slots=True)
class SelectedKeyShare:
    """key_share in a ServerHello: the server's public value (RFC 8446 section 4.2.8)."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.key_share
    entry: KeyShareEntry

    def encode(self) -> bytes:
        """server_share."""
        return self.entry.encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse server_share; raises DecodeError."""
        reader = Reader(data)
        entry = KeyShareEntry.read(reader)
        reader.done()
        return cls(entry)


@dataclass(frozen=True, slots=True)
class RequestedGroup:
    """key_share in a HelloRetryRequest: the group to send a share for (RFC 8446 4.2.8)."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.key_share
    group: int

    def encode(self) -> bytes:
        """selected_group."""
        return u16(self.group)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse exactly two bytes; raises DecodeError."""
        reader = Reader(data)
        group = reader.u16()
        reader.done()
        return cls(group)


@dataclass(frozen=True, slots=True)
class Cookie:
    """cookie in a HelloRetryRequest, and again in the ClientHello after it (RFC 8446 4.2.2).

    1 to 2^16 - 1 bytes.  It takes the place of the cookie field that 1.2 has in its ClientHello.
    """

    extension_type: ClassVar[ExtensionType] = ExtensionType.cookie
    cookie: bytes

    def encode(self) -> bytes:
        """The cookie with its 16-bit length."""
        return vec16(self.cookie, 1)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse it; raises DecodeError."""
        reader = Reader(data)
        cookie = reader.vec16(1)
        reader.done()
        return cls(cookie)


@dataclass(frozen=True, slots=True)
class SignatureAlgorithmsCert:
    """signature_algorithms_cert: schemes for signatures in certificates (RFC 8446 4.2.3)."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.signature_algorithms_cert
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
class CertificateAuthorities:
    """certificate_authorities: DER distinguished names, at least one (RFC 8446 section 4.2.4)."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.certificate_authorities
    authorities: tuple[bytes, ...]

    def encode(self) -> bytes:
        """The list; raises ConfigurationError for an empty list or name."""
        return vec16(b"".join(vec16(name, 1) for name in self.authorities), 3)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse the list; raises DecodeError.  The names are not looked into."""
        reader = Reader(data)
        content = Reader(reader.vec16(3))
        reader.done()
        names = []
        while content.remaining:
            names.append(content.vec16(1))
        return cls(tuple(names))
