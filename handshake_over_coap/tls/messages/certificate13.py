"""Certificates in 1.3: asked for and presented; CertificateVerify keeps the form of 1.2.

Source: RFC 8446 sections 4.3.2 and 4.4.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from ..alerts import IllegalParameter
from ..codepoints import HandshakeType
from ..extensions import NO_EXTENSIONS, Extensions
from ..wire import Reader, vec8, vec24


@dataclass(frozen=True, slots=True)
class CertificateEntry:
    """One entry of a Certificate: DER of 1 byte or more, and its extensions.

    ``data`` is an X.509 certificate or, where RawPublicKey was negotiated, a SubjectPublicKeyInfo.
    """

    data: bytes
    extensions: Extensions = NO_EXTENSIONS

    def encode(self) -> bytes:
        """The entry; raises ConfigurationError when ``data`` is empty."""
        return vec24(self.data, 1) + self.extensions.encode_block()

    @classmethod
    def read(cls, reader: Reader) -> CertificateEntry:
        """The next entry; raises DecodeError, for a repeated extension too."""
        return cls(reader.vec24(1), Extensions.read_required(reader))


@dataclass(frozen=True, slots=True)
class Certificate13:
    """Certificate of 1.3, for X.509 chains and raw public keys alike (RFC 8446 section 4.4.2).

    ``entries`` hold the sender's own certificate first; a client that has none sends no entry.
    ``context`` is the one of the request, at most 255 bytes, and empty in the handshake itself.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.certificate

    entries: tuple[CertificateEntry, ...] = ()
    context: bytes = b""

    @classmethod
    def of(cls, ders: Iterable[bytes], context: bytes = b"") -> Certificate13:
        """The message with these certificates, or one raw public key, without extensions."""
        return cls(tuple(map(CertificateEntry, ders)), context)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The X.509 certificates in DER, possibly none."""
        return tuple(entry.data for entry in self.entries)

    @property
    def raw_public_key(self) -> bytes | None:
        """The SubjectPublicKeyInfo in DER, or None where no entry is.

        Raises IllegalParameter for more than one entry.
        """
        if len(self.entries) > 1:
            raise IllegalParameter(f"{len(self.entries)} entries, where one raw public key belongs")
        return self.entries[0].data if self.entries else None

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for a field of impossible length."""
        return vec8(self.context) + vec24(b"".join(entry.encode() for entry in self.entries))

    @classmethod
    def decode(cls, body: bytes) -> Certificate13:
        """Parse a body; raises DecodeError, for a repeated extension too.

        What the entries hold is not looked into.
        """
        reader = Reader(body)
        context = reader.vec8()
        content = Reader(reader.vec24())
        reader.done()
        entries = []
        while content.remaining:
            entries.append(CertificateEntry.read(content))
        return cls(tuple(entries), context)


@dataclass(frozen=True, slots=True)
class CertificateRequest13:
    """CertificateRequest of 1.3 (RFC 8446 section 4.3.2).

    ``extensions`` have to hold signature_algorithms, which is for the handshake to judge;
    ``context``, at most 255 bytes, is empty in the handshake itself.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.certificate_request

    extensions: Extensions
    context: bytes = b""

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for a context that is too long."""
        return vec8(self.context) + self.extensions.encode_block()

    @classmethod
    def decode(cls, body: bytes) -> CertificateRequest13:
        """Parse a body; raises DecodeError, for a repeated extension too."""
        reader = Reader(body)
        context = reader.vec8()
        extensions = Extensions.read_required(reader)
        reader.done()
        return cls(extensions, context)
