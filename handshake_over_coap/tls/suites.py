"""Cipher suites of DTLS 1.2, and the AEAD algorithms that records are sealed with in 1.2 and 1.3.

A suite is data: its registry number and name, how the keys are agreed, and the AEAD.  All suites
here use SHA-256 for the PRF and the transcript (RFC 5246 section 5, RFC 6655, RFC 8442).

Source: RFC 5288 and RFC 5487 (GCM), RFC 6655 and RFC 7251 (CCM), RFC 7905 (ChaCha20-Poly1305),
RFC 8442 (ECDHE_PSK), RFC 9147 section 4.2.3 (record number masks).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.codepoints import CipherSuiteId

NONCE_LENGTH: Final = 12
"""Bytes of nonce that every AEAD of TLS takes (RFC 5116)."""

MASK_SAMPLE_LENGTH: Final = 16
"""Bytes of ciphertext that the mask of a record number is made of (RFC 9147 section 4.2.3)."""

RecordNumberMask: TypeAlias = Callable[[bytes], bytes]
"""Gives the mask for a record's number, 16 bytes, from the first 16 bytes of its ciphertext.

Raises ValueError for a sample of another length.  The number on the wire, 8 or 16 bits, is XORed
with as many bytes from the front of the mask.
"""


class AeadCipher(Protocol):
    """An AEAD algorithm with its key.

    ``decrypt`` raises :class:`cryptography.exceptions.InvalidTag` when the tag does not verify,
    also for input shorter than a tag.
    """

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Seal ``data``: ciphertext, then tag."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Open ciphertext and tag."""


@dataclass(frozen=True, slots=True)
class AeadAlgorithm:
    """An AEAD algorithm; every length is in bytes.

    In 1.2 the 12-byte nonce is ``fixed_iv_length`` bytes of key material, then
    ``explicit_nonce_length`` bytes that travel in the record (RFC 5246 section 6.2.3.3).  In 1.3
    every algorithm takes a write_iv of 12 bytes, and keys of ``key_length`` bytes for records and
    for their numbers.
    ``tag_length`` is 8 for the _8 suites, else 16; ``name`` that of its RFC without AEAD_.
    """

    name: str
    key_length: int
    tag_length: int
    fixed_iv_length: int
    explicit_nonce_length: int
    make: Callable[[bytes], AeadCipher] = field(repr=False, compare=False)
    """Give the algorithm a key of ``key_length`` bytes (ValueError for other lengths)."""
    make_mask: Callable[[bytes], RecordNumberMask] = field(repr=False, compare=False)
    """Make the masks of 1.3 with an ``sn_key`` of ``key_length`` bytes (likewise)."""


def _ccm(key: bytes) -> AeadCipher:
    return AESCCM(_of_length(key, 16))


def _ccm_8(key: bytes) -> AeadCipher:
    return AESCCM(_of_length(key, 16), tag_length=8)


def _gcm(key: bytes) -> AeadCipher:
    return AESGCM(_of_length(key, 16))


def _chacha20_poly1305(key: bytes) -> AeadCipher:
    return ChaCha20Poly1305(_of_length(key, 32))


def _of_length(key: bytes, length: int) -> bytes:
    # AESCCM and AESGCM pick AES-192 or AES-256 by the key's length; a suite names one.
    if len(key) != length:
        raise ValueError(f"a key of {length} bytes is needed, not {len(key)}")
    return key


def _aes_mask(sn_key: bytes) -> RecordNumberMask:
    # RFC 9147 asks for single blocks, so the mode's weakness does not matter.  ECB keeps nothing
    # between blocks: one context serves all records, and a new one costs twenty times its use.
    # The keys of a handshake mask few records or none: it is made when it is needed.
    key, encrypt = _of_length(sn_key, 16), None

    def mask(sample: bytes) -> bytes:
        nonlocal encrypt
        if len(sample) != MASK_SAMPLE_LENGTH:
            raise _wrong_sample(sample)
        if encrypt is None:
            aes = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305
            encrypt = aes.encryptor().update
        return encrypt(sample)

    return mask


def _chacha20_mask(sn_key: bytes) -> RecordNumberMask:
    # Block counter (4 bytes) and nonce (12) stand in this order in ``cryptography`` as well.
    context = Cipher(algorithms.ChaCha20(_of_length(sn_key, 32), _ZEROS), None).encryptor()
    reset, encrypt = context.reset_nonce, context.update

    def mask(sample: bytes) -> bytes:
        if len(sample) != MASK_SAMPLE_LENGTH:
            raise _wrong_sample(sample)
        reset(sample)
        return encrypt(_ZEROS)

    return mask


_ZEROS: Final = bytes(MASK_SAMPLE_LENGTH)


def _wrong_sample(sample: bytes) -> ValueError:
    return ValueError(f"a sample of {MASK_SAMPLE_LENGTH} bytes is needed, not {len(sample)}")


AES_128_CCM: Final = AeadAlgorithm("AES_128_CCM", 16, 16, 4, 8, _ccm, _aes_mask)
"""AEAD_AES_128_CCM of RFC 5116: a tag of 16 bytes."""

AES_128_CCM_8: Final = AeadAlgorithm("AES_128_CCM_8", 16, 8, 4, 8, _ccm_8, _aes_mask)
"""AEAD_AES_128_CCM_8 of RFC 6655: a tag of 8 bytes."""

AES_128_GCM: Final = AeadAlgorithm("AES_128_GCM", 16, 16, 4, 8, _gcm, _aes_mask)
"""AEAD_AES_128_GCM of RFC 5116: a tag of 16 bytes."""

CHACHA20_POLY1305: Final = AeadAlgorithm(
    "CHACHA20_POLY1305", 32, 16, 12, 0, _chacha20_poly1305, _chacha20_mask
)
"""AEAD_CHACHA20_POLY1305 of RFC 8439: a tag of 16 bytes."""


class KeyExchange(Enum):
    """How a suite of 1.2 agrees on the premaster secret, and who proves what with which key."""

    PSK = "PSK"
    ECDHE_PSK = "ECDHE_PSK"
    ECDHE_ECDSA = "ECDHE_ECDSA"

    @property
    def uses_psk(self) -> bool:
        """Whether a pre-shared key authenticates both sides."""
        return self is not KeyExchange.ECDHE_ECDSA

    @property
    def uses_ecdhe(self) -> bool:
        """Whether ephemeral keys are exchanged (and so forward secrecy is had)."""
        return self is not KeyExchange.PSK

    @property
    def uses_certificates(self) -> bool:
        """Whether the server sends a Certificate, be it X.509 or a raw public key."""
        return self is KeyExchange.ECDHE_ECDSA


@dataclass(frozen=True, slots=True)
class CipherSuite:
    """A cipher suite of DTLS 1.2; ``name`` is the one in the IANA registry."""

    id: CipherSuiteId
    key_exchange: KeyExchange
    aead: AeadAlgorithm

    @property
    def name(self) -> str:
        """The registry's name, such as ``TLS_PSK_WITH_AES_128_CCM_8``."""
        return self.id.name

    def __str__(self) -> str:
        return self.name


SUITES: Final[tuple[CipherSuite, ...]] = (
    CipherSuite(
        CipherSuiteId.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, KeyExchange.ECDHE_ECDSA, AES_128_CCM_8
    ),
    CipherSuite(
        CipherSuiteId.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, KeyExchange.ECDHE_ECDSA, AES_128_GCM
    ),
    CipherSuite(
        CipherSuiteId.TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256, KeyExchange.ECDHE_PSK, AES_128_CCM_8
    ),
    CipherSuite(CipherSuiteId.TLS_PSK_WITH_AES_128_CCM_8, KeyExchange.PSK, AES_128_CCM_8),
    CipherSuite(CipherSuiteId.TLS_PSK_WITH_AES_128_GCM_SHA256, KeyExchange.PSK, AES_128_GCM),
)
"""Every suite that is supported, in our order of preference.

Forward secrecy comes first; then CCM_8, which RFC 7925 makes mandatory and which is 8 bytes a
record shorter.
"""

_BY_ID: Final[Mapping[int, CipherSuite]] = MappingProxyType({int(s.id): s for s in SUITES})
_BY_NAME: Final[Mapping[str, CipherSuite]] = MappingProxyType({s.name: s for s in SUITES})


def suite_by_id(number: int) -> CipherSuite | None:
    """The suite of a number met on the wire, or None for one that is not supported."""
    return _BY_ID.get(number)


def suite_by_name(name: str) -> CipherSuite:
    """The suite of an IANA name; raises ConfigurationError, naming the known ones."""
    try:
        return _BY_NAME[name]
    except KeyError:
        known = ", ".join(_BY_NAME)
        raise ConfigurationError(f"unknown cipher suite {name!r}; known are {known}") from None
