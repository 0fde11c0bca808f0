"""Hello extensions as they travel: raw, one by one and as a block.

Source: RFC 5246 section 7.4.1.4, RFC 8446 section 4.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self, TypeVar

from ...errors import ConfigurationError
from ..alerts import DecodeError
from ..codepoints import ExtensionType
from ..wire import Reader, u16, vec16


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
        """Read a block with its length; raises DecodeError, on duplicates too.

        RFC 8446 section 4.2 rules duplicates out as RFC 5246 does and leaves the alert open: what
        cannot be read one way only cannot be decoded.
        """
        block = Reader(reader.vec16())
        found: dict[int, Extension] = {}
        while block.remaining:
            item = Extension(block.u16(), block.vec16())
            if item.type in found:
                raise DecodeError(f"extension {item.type} stands twice")
            found[item.type] = item
        return cls(tuple(found.values()), empty_block=not found)

    @classmethod
    def read_required(cls, reader: Reader) -> Extensions:
        """Read a block that is always there, as in 1.3 outside the hellos.

        An empty one equals ``Extensions()``.  Raises as :meth:`read_block`.
        """
        return cls(cls.read_block(reader).items)

    @classmethod
    def read_optional(cls, reader: Reader) -> Extensions:
        """Read the end of a hello of 1.2: a block or nothing.  Raises as :meth:`read_block`."""
        return cls.read_block(reader) if reader.remaining else cls()


NO_EXTENSIONS = Extensions()
