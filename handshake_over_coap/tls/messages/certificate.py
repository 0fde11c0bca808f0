"""Certificates in DTLS 1.2: asked for, presented, and proven.

Source: RFC 5246 sections 7.4.2, 7.4.4 and 7.4.8; RFC 7250 section 3 for raw public keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..codepoints import HandshakeType
from ..wire import Reader, join_u16, u8, u16, u16_items, vec8, vec16, vec24

MAX_SIGNATURE_ALGORITHMS = 0xFFFE  # bytes


@dataclass(frozen=True, slots=True)
class Certificate:
    """Certificate with an X.509 chain (RFC 5246 section 7.4.2).

    ``chain`` holds DER certificates of 1 byte or more, the sender's own first.  A client that has
    none sends an empty chain.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.certificate

    chain: tuple[bytes, ...]

    def encode(self) -> bytes:
        """certificate_list; raises ConfigurationError for an empty certificate."""
        return vec24(b"".join(vec24(certificate, 1) for certificate in self.chain))

    @classmethod
    def decode(cls, body: bytes) -> Certificate:
        """Parse a certificate_list; raises DecodeError.  The certificates are not looked into."""
        reader = Reader(body)
        entries = Reader(reader.vec24())
        reader.done()
        chain = []
        while entries.remaining:
            chain.append(entries.vec24(1))
        return cls(tuple(chain))


@dataclass(frozen=True, slots=True)
class RawPublicKeyCertificate:
    """Certificate with a raw public key: one SubjectPublicKeyInfo, no list (RFC 7250 section 3).

    ``subject_public_key_info`` is DER of 1 byte or more.  There is no empty form: a client without
    a key does not negotiate this one, and sends an empty X.509 chain.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.certificate

    subject_public_key_info: bytes

    def encode(self) -> bytes:
        """ASN.1_subjectPublicKeyInfo; raises ConfigurationError when it is empty."""
        return vec24(self.subject_public_key_info, 1)

    @classmethod
    def decode(cls, body: bytes) -> RawPublicKeyCertificate:
        """Parse the single vector; raises DecodeError.  The key is not looked into."""
        reader = Reader(body)
        info = reader.vec24(1)
        reader.done()
        return cls(info)


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """CertificateRequest of 1.2 (RFC 5246 section 7.4.4).

    ``certificate_types`` are ClientCertificateType numbers and ``signature_algorithms``
    SignatureScheme numbers, at least one of either; ``authorities`` are DER distinguished names,
    possibly none.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.certificate_request

    certificate_types: tuple[int, ...]
    signature_algorithms: tuple[int, ...]
    authorities: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for a field of impossible length."""
        return b"".join(
            (
                vec8(b"".join(map(u8, self.certificate_types)), 1),
                vec16(join_u16(self.signature_algorithms), 2, MAX_SIGNATURE_ALGORITHMS),
                vec16(b"".join(vec16(name, 1) for name in self.authorities)),
            )
        )

    @classmethod
    def decode(cls, body: bytes) -> CertificateRequest:
        """Parse a body; raises DecodeError."""
        reader = Reader(body)
        certificate_types = tuple(reader.vec8(1))
        schemes = u16_items(reader.vec16(2, MAX_SIGNATURE_ALGORITHMS))
        names = Reader(reader.vec16())
        reader.done()
        authorities = []
        while names.remaining:
            authorities.append(names.vec16(1))
        return cls(certificate_types, schemes, tuple(authorities))


@dataclass(frozen=True, slots=True)
class CertificateVerify:
    """CertificateVerify: a signature over the handshake so far (RFC 5246 section 7.4.8).

    ``scheme`` is a SignatureScheme number (1.2: hash and signature octets), ``signature`` at most
    2^16 - 1 bytes.
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.certificate_verify

    scheme: int
    signature: bytes

    def encode(self) -> bytes:
        """The body; raises ConfigurationError for a signature that is too long."""
        return u16(self.scheme) + vec16(self.signature)

    @classmethod
    def decode(cls, body: bytes) -> CertificateVerify:
        """Parse a body; raises DecodeError."""
        reader = Reader(body)
        verify = cls(scheme=reader.u16(), signature=reader.vec16())
        reader.done()
        return verify
