"""Pre-shared keys in the hellos of 1.3: which modes, which keys, and the proof of having them.

A binder is an HMAC over the ClientHello as far as the list of binders: the hello is laid out with
binders of the right length first, :func:`~handshake_over_coap.tls.messages.binder_input` gives
what they are computed over, and :meth:`OfferedPsks.with_binders` puts them in.

Source: RFC 8446 sections 4.2.9 and 4.2.11.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

from ...errors import ConfigurationError
from ..alerts import IllegalParameter
from ..codepoints import ExtensionType
from ..wire import Reader, u8, u16, u32, vec8, vec16

MIN_BINDER = 32
MIN_IDENTITIES = 7
MIN_BINDERS = 33


@dataclass(frozen=True, slots=True)
class PskKeyExchangeModes:
    """psk_key_exchange_modes: PskKeyExchangeMode numbers, one byte each (RFC 8446 4.2.9)."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.psk_key_exchange_modes
    modes: tuple[int, ...]

    def encode(self) -> bytes:
        """ke_modes, at least one."""
        return vec8(b"".join(map(u8, self.modes)), 1)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse ke_modes; raises DecodeError."""
        reader = Reader(data)
        content = reader.vec8(1)
        reader.done()
        return cls(tuple(content))


@dataclass(frozen=True, slots=True)
class PskIdentity:
    """The label of a key: an external identity or a ticket, of 1 to 2^16 - 1 bytes.

    ``obfuscated_ticket_age`` is the ticket's age in milliseconds plus ticket_age_add, modulo
    2^32; 0 for an external key (RFC 8446 section 4.2.11.1).
    """

    identity: bytes
    obfuscated_ticket_age: int = 0

    def encode(self) -> bytes:
        """The entry; raises ConfigurationError for an identity of impossible length."""
        return vec16(self.identity, 1) + u32(self.obfuscated_ticket_age)


@dataclass(frozen=True, slots=True)
class OfferedPsks:
    """pre_shared_key in a ClientHello: identities, best first, and a binder for each.

    Binders hold 32 to 255 bytes, 32 with SHA-256.  The extension has to be the last of its hello.
    They stand in the order of ``identities``.
    """

    extension_type: ClassVar[ExtensionType] = ExtensionType.pre_shared_key
    identities: tuple[PskIdentity, ...]
    binders: tuple[bytes, ...]

    @classmethod
    def unbound(cls, identities: Iterable[PskIdentity]) -> Self:
        """The offer with binders of 32 zeros, to be replaced."""
        offered = tuple(identities)
        return cls(offered, (bytes(MIN_BINDER),) * len(offered))

    def with_binders(self, binders: Iterable[bytes]) -> Self:
        """The same identities with these binders."""
        return type(self)(self.identities, tuple(binders))

    def _encode_binders(self) -> bytes:
        return vec16(b"".join(vec8(binder, MIN_BINDER) for binder in self.binders), MIN_BINDERS)

    @property
    def binders_length(self) -> int:
        """Bytes of the list of binders with its length: what the binders leave out (4.2.11.2)."""
        return len(self._encode_binders())

    def encode(self) -> bytes:
        """identities, then binders; raises ConfigurationError unless there is one for each."""
        if len(self.identities) != len(self.binders):
            raise ConfigurationError("as many binders as identities are needed")
        identities = b"".join(identity.encode() for identity in self.identities)
        return vec16(identities, MIN_IDENTITIES) + self._encode_binders()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse the offer; raises DecodeError, or IllegalParameter where the counts differ."""
        reader = Reader(data)
        offered = Reader(reader.vec16(MIN_IDENTITIES))
        proofs = Reader(reader.vec16(MIN_BINDERS))
        reader.done()
        identities = []
        while offered.remaining:
            identities.append(PskIdentity(offered.vec16(1), offered.u32()))
        binders = []
        while proofs.remaining:
            binders.append(proofs.vec8(MIN_BINDER))
        if len(identities) != len(binders):
            raise IllegalParameter(f"{len(identities)} identities and {len(binders)} binders")
        return cls(tuple(identities), tuple(binders))


@dataclass(frozen=True, slots=True)
class SelectedPsk:
    """pre_shared_key in a ServerHello: which identity, counted from 0 (RFC 8446 4.2.11)."""

    extension_type: ClassVar[ExtensionType] = ExtensionType.pre_shared_key
    index: int

    def encode(self) -> bytes:
        """selected_identity."""
        return u16(self.index)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse exactly two bytes; raises DecodeError."""
        reader = Reader(data)
        index = reader.u16()
        reader.done()
        return cls(index)
