"""The key schedule of DTLS 1.3, for suites with SHA-256.

Three secrets follow one from the other: early (from a pre-shared key), handshake (and a shared
secret), master.  Each is a small value that gives the traffic secrets derived from it; what is
derived from a traffic secret is a function.  Secrets come and go as 32 bytes, and transcripts as
their hash.

The label prefix is the only difference to TLS 1.3.  It is an argument, so that the vectors
published for TLS can judge this module.

Source: RFC 8446 sections 4.4.4, 4.6.1 and 7, RFC 9147 sections 4.2.3 and 5.9, RFC 5869.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives import hashes, hmac

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.effort import HMAC_BLOCKS, Primitive, note
from handshake_over_coap.tls.keys import DerivedKeys, TrafficKeys
from handshake_over_coap.tls.suites import AeadAlgorithm

DTLS13_PREFIX: Final = b"dtls13"
"""Label prefix of DTLS 1.3: no space follows it (RFC 9147 section 5.9)."""

TLS13_PREFIX: Final = b"tls13 "
"""Label prefix of TLS 1.3 (RFC 8446 section 7.1)."""

HASH_LENGTH: Final = 32

HANDSHAKE_EPOCH: Final = 2
APPLICATION_EPOCH: Final = 3

_SHA256: Final = hashes.SHA256()
_ZEROS: Final = bytes(HASH_LENGTH)
_MAX_LABEL: Final = 255
_MAX_EXPANDED: Final = 255 * HASH_LENGTH
_EMPTY_HASH: Final = bytes.fromhex(
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)


def _keyed(key: bytes) -> hmac.HMAC:
    """HMAC with its key, to be copied: a copy costs half of a new one."""
    return hmac.HMAC(key, _SHA256)


def _hmac(key: bytes, data: bytes) -> bytes:
    note(Primitive.HASH_BLOCK, HMAC_BLOCKS)
    context = hmac.HMAC(key, _SHA256)
    context.update(data)
    return context.finalize()


def _sha256(data: bytes) -> bytes:
    context = hashes.Hash(_SHA256)
    context.update(data)
    return context.finalize()


def hkdf_extract(salt: bytes, key_material: bytes) -> bytes:
    """HKDF-Extract: 32 bytes of pseudorandom key (RFC 5869 section 2.2)."""
    return _hmac(salt, key_material)


def hkdf_expand(key: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand: ``length`` bytes, at most 8160 (RFC 5869 section 2.3)."""
    out = block = _hmac(key, info + b"\x01")
    number = 1
    while len(out) < length:
        number += 1
        block = _hmac(key, block + info + bytes((number,)))
        out += block
    return out[:length]


def hkdf_expand_label(
    secret: bytes, label: bytes, context: bytes, length: int, prefix: bytes = DTLS13_PREFIX
) -> bytes:
    """HKDF-Expand-Label: ``length`` bytes bound to a label and a context (RFC 8446 section 7.1)."""
    info = _label(label, length, prefix) + len(context).to_bytes(1, "big") + context
    return hkdf_expand(secret, info, length)


@lru_cache(maxsize=64)
def _label(label: bytes, length: int, prefix: bytes) -> bytes:
    """What stands before the context; the labels of a handshake are always the same."""
    full = prefix + label
    return length.to_bytes(2, "big") + len(full).to_bytes(1, "big") + full


def _expand_label(
    keyed: hmac.HMAC, label: bytes, context: bytes, length: int, prefix: bytes
) -> bytes:
    """HKDF-Expand-Label of at most one block, from a secret that more is derived from."""
    note(Primitive.HASH_BLOCK, HMAC_BLOCKS)
    mac = keyed.copy()
    mac.update(b"%b%c%b\x01" % (_label(label, length, prefix), len(context), context))
    return mac.finalize()[:length]


def derive_secret(
    secret: bytes, label: bytes, transcript_hash: bytes, prefix: bytes = DTLS13_PREFIX
) -> bytes:
    """Derive-Secret, from the hash of the messages: 32 bytes (RFC 8446 section 7.1)."""
    return hkdf_expand_label(secret, label, transcript_hash, HASH_LENGTH, prefix)


@dataclass(frozen=True, slots=True)
class _Secret:
    """A secret of 32 bytes that several others are derived from."""

    secret: bytes = field(repr=False)
    prefix: bytes = DTLS13_PREFIX
    _keyed: hmac.HMAC = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_keyed", _keyed(self.secret))

    def _derive(self, label: bytes, transcript_hash: bytes) -> bytes:
        """Derive-Secret."""
        return _expand_label(self._keyed, label, transcript_hash, HASH_LENGTH, self.prefix)


@dataclass(frozen=True, slots=True)
class EarlySecret(_Secret):
    """The first secret: of a pre-shared key, or of none.  ``secret`` is 32 bytes."""

    @classmethod
    def of(cls, psk: bytes | None = None, prefix: bytes = DTLS13_PREFIX) -> EarlySecret:
        """From a pre-shared key of any length, or 32 zeros where there is none."""
        return cls(hkdf_extract(_ZEROS, _ZEROS if psk is None else psk), prefix)

    def external_binder_key(self) -> bytes:
        """binder_key of a key that was agreed on beforehand."""
        return self._derive(b"ext binder", _EMPTY_HASH)

    def resumption_binder_key(self) -> bytes:
        """binder_key of a key that came with a ticket."""
        return self._derive(b"res binder", _EMPTY_HASH)

    def handshake(self, shared_secret: bytes | None = None) -> HandshakeSecret:
        """The next secret: with the (EC)DHE or KEM secret, or none where the key is all."""
        salt = self._derive(b"derived", _EMPTY_HASH)
        given = _ZEROS if shared_secret is None else shared_secret
        return HandshakeSecret(hkdf_extract(salt, given), self.prefix)


@dataclass(frozen=True, slots=True)
class HandshakeSecret(_Secret):
    """The second secret; transcripts run from ClientHello to ServerHello."""

    def client_traffic(self, transcript_hash: bytes) -> bytes:
        """client_handshake_traffic_secret."""
        return self._derive(b"c hs traffic", transcript_hash)

    def server_traffic(self, transcript_hash: bytes) -> bytes:
        """server_handshake_traffic_secret."""
        return self._derive(b"s hs traffic", transcript_hash)

    def master(self) -> MasterSecret:
        """The last secret."""
        salt = self._derive(b"derived", _EMPTY_HASH)
        return MasterSecret(hkdf_extract(salt, _ZEROS), self.prefix)


@dataclass(frozen=True, slots=True)
class MasterSecret(_Secret):
    """The last secret; transcripts run to the server's Finished but for resumption."""

    def client_traffic(self, transcript_hash: bytes) -> bytes:
        """client_application_traffic_secret_0."""
        return self._derive(b"c ap traffic", transcript_hash)

    def server_traffic(self, transcript_hash: bytes) -> bytes:
        """server_application_traffic_secret_0."""
        return self._derive(b"s ap traffic", transcript_hash)

    def exporter(self, transcript_hash: bytes) -> bytes:
        """exporter_master_secret, for :func:`export`."""
        return self._derive(b"exp master", transcript_hash)

    def resumption(self, transcript_hash: bytes) -> bytes:
        """resumption_master_secret, for :func:`ticket_psk`: up to the client's Finished."""
        return self._derive(b"res master", transcript_hash)


def verify_data(base_key: bytes, transcript_hash: bytes, prefix: bytes = DTLS13_PREFIX) -> bytes:
    """The 32 bytes of a Finished, or of a PSK binder (RFC 8446 sections 4.4.4 and 4.2.11.2).

    ``base_key`` is the sender's handshake traffic secret, or the binder_key.
    """
    return _hmac(finished_key(base_key, prefix), transcript_hash)


def finished_key(base_key: bytes, prefix: bytes = DTLS13_PREFIX) -> bytes:
    """finished_key of RFC 8446 section 4.4.4, 32 bytes."""
    return hkdf_expand_label(base_key, b"finished", b"", HASH_LENGTH, prefix)


def traffic_keys(
    secret: bytes, epoch: int, aead: AeadAlgorithm, prefix: bytes = DTLS13_PREFIX
) -> TrafficKeys:
    """The keys of one direction in ``epoch`` (RFC 8446 section 7.3, RFC 9147 section 4.2.3).

    Each is derived when it is needed.
    """
    keyed = _keyed(secret)

    def make(label: bytes, length: int) -> bytes:
        return _expand_label(keyed, label, b"", length, prefix)

    def derive(label: str, length: int) -> bytes:
        if length > HASH_LENGTH:
            return hkdf_expand_label(secret, label.encode(), b"", length, prefix)
        return make(label.encode(), length)

    return DerivedKeys(epoch, aead, make, derive)


def next_traffic_secret(secret: bytes, prefix: bytes = DTLS13_PREFIX) -> bytes:
    """application_traffic_secret_N+1, after a KeyUpdate (RFC 8446 section 7.2)."""
    return hkdf_expand_label(secret, b"traffic upd", b"", HASH_LENGTH, prefix)


def ticket_psk(resumption_secret: bytes, nonce: bytes, prefix: bytes = DTLS13_PREFIX) -> bytes:
    """The pre-shared key that goes with a ticket's nonce, 32 bytes (RFC 8446 section 4.6.1)."""
    return hkdf_expand_label(resumption_secret, b"resumption", nonce, HASH_LENGTH, prefix)


def export(
    exporter_secret: bytes,
    label: str,
    length: int,
    context: bytes | None = None,
    prefix: bytes = DTLS13_PREFIX,
) -> bytes:
    """``length`` bytes of keying material for the application (RFC 8446 section 7.5).

    No context and an empty context give the same bytes, unlike in 1.2.  Raises ConfigurationError
    for a label that is not ASCII, empty or too long (249 bytes), and a length outside 1 to 8160.
    """
    try:
        octets = label.encode("ascii")
    except UnicodeEncodeError:
        raise ConfigurationError(f"exporter label {label!r} is not ASCII") from None
    if not 1 <= len(octets) <= _MAX_LABEL - len(prefix):
        raise ConfigurationError(f"an exporter label of {len(octets)} bytes")
    if not 1 <= length <= _MAX_EXPANDED:
        raise ConfigurationError(f"cannot export {length} bytes")
    secret = derive_secret(exporter_secret, octets, _EMPTY_HASH, prefix)
    return hkdf_expand_label(secret, b"exporter", _sha256(context or b""), length, prefix)
