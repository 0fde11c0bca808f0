"""Sealing for DTLS 1.3: plaintext into records of one direction and epoch.

The nonce is write_iv XOR the 64-bit sequence number, without the epoch (RFC 9147 section 4, RFC
8446 section 5.3).  The additional data are the header as it is before the number is masked.
"""

from __future__ import annotations

from struct import Struct

from handshake_over_coap.errors import ConfigurationError, DatagramTooLarge
from handshake_over_coap.records.dtls12 import check_cid
from handshake_over_coap.records.dtls13 import (
    CID_BIT,
    EPOCH_MASK,
    FIXED_BITS,
    LENGTH_BIT,
    LONG_NUMBER_BIT,
    MAX_EPOCH,
    MAX_INNER,
    MIN_CIPHERTEXT,
    NumberedRecord,
    RecordNumber,
    locate,
)
from handshake_over_coap.records.errors import NumbersExhausted
from handshake_over_coap.records.inner import TYPES_13, limited, wrap
from handshake_over_coap.records.limits13 import limits_of
from handshake_over_coap.tls.keys import DerivedKeys, TrafficKeys
from handshake_over_coap.tls.suites import NONCE_LENGTH

_NUMBER_AND_LENGTH = Struct(">HH")
_pack = _NUMBER_AND_LENGTH.pack

# Up to here a number of 8 bits is nearest to what the receiver expects, whatever was lost: it
# expects one of the numbers so far.
_SHORT_NUMBERS = 128

_NOT_READY = -1


class Sealer13:
    """Seals the records of one direction and epoch, each under the next sequence number.

    ``cid`` is the connection ID that the peer asked for, empty for none.  ``record_limit`` is the
    peer's record_size_limit (RFC 8449): bytes of content, content type and padding together, at
    most 2^14 + 1.  Numbers take 16 bits and the length is written; with ``short_header`` the
    length is left out of a record that is the last of its datagram or body, and the first 128
    numbers take 8 bits.  ``seal_limit`` is how many records the key may seal, by default that of
    the algorithm (RFC 9147 section 4.5.3).

    Raises ConfigurationError for keys that are not of 1.3.
    """

    __slots__ = (
        "_encrypt",
        "_first",
        "_iv",
        "_keys",
        "_mask",
        "_max_inner",
        "_next",
        "_overhead",
        "_prefix",
        "_seal_limit",
        "_shortest",
        "_tag_length",
        "cid",
        "epoch",
        "short_header",
    )

    def __init__(
        self,
        keys: TrafficKeys,
        *,
        cid: bytes = b"",
        short_header: bool = False,
        record_limit: int | None = None,
        seal_limit: int | None = None,
        next_sequence_number: int = 0,
    ) -> None:
        check_keys13(keys)
        if next_sequence_number < 0:
            raise ConfigurationError(f"sequence number {next_sequence_number}")
        limit = limits_of(keys.aead).sealed
        self.epoch = keys.epoch
        self.cid = b""
        self.short_header = short_header
        self._next = next_sequence_number
        self._seal_limit = limit if seal_limit is None else min(seal_limit, limit)
        self._keys, self._iv = keys, _NOT_READY
        if not isinstance(keys, DerivedKeys):
            self._make_ready()
        self._tag_length = keys.aead.tag_length
        self._max_inner = limited(MAX_INNER, record_limit)
        self._shortest = max(1, MIN_CIPHERTEXT - keys.aead.tag_length)
        self._first, self._prefix = 0, b""
        self.change_cid(cid)

    def _make_ready(self) -> None:
        """Make the ciphers; those of a handshake's own epoch may never be needed."""
        keys = self._keys
        self._iv = int.from_bytes(keys.iv, "big")
        self._encrypt = keys.aead.make(keys.key).encrypt
        self._mask = keys.aead.make_mask(keys.sn_key)

    def change_cid(self, cid: bytes) -> None:
        """Put ``cid`` into the records from now on, empty for none (RFC 9147 section 9).

        Raises ConfigurationError for one over 255 bytes.
        """
        check_cid(cid)
        self.cid = cid
        self._first = FIXED_BITS | (CID_BIT if cid else 0) | self.epoch & EPOCH_MASK
        self._prefix = bytes((self._first | LONG_NUMBER_BIT | LENGTH_BIT,)) + cid
        self._overhead = len(self._prefix) + _NUMBER_AND_LENGTH.size + 1 + self._tag_length

    def limit_records(self, record_limit: int) -> None:
        """Seal no longer records than that from now on: the peer's record_size_limit."""
        self._max_inner = limited(MAX_INNER, record_limit)

    @property
    def next_sequence_number(self) -> int:
        """The number that the next record gets; as many records are sealed already."""
        return self._next

    @property
    def wants_key_update(self) -> bool:
        """Whether half of what the key may seal is sealed: time for new keys."""
        return self._next * 2 >= self._seal_limit

    @property
    def overhead(self) -> int:
        """How many bytes a record is longer than its plaintext, at most.

        Plaintexts under 7 bytes are padded with CCM_8 (RFC 9147 section 4.2.3); those records are
        as long as that of 7 bytes.
        """
        return self._overhead

    @property
    def max_plaintext(self) -> int:
        """How many bytes of plaintext fit one record."""
        return self._max_inner - 1

    def seal(
        self, content_type: int, plaintext: bytes, *, last: bool = True, padding: int = 0
    ) -> NumberedRecord:
        """The next record and its number; takes and raises what :meth:`seal_datagram` does."""
        number = RecordNumber(self.epoch, self._next)
        data = self.seal_datagram(content_type, plaintext, last=last, padding=padding)
        _, start, _ = locate(data, 0, len(self.cid))
        return NumberedRecord(data[:start], data[start:], self.cid, number=number)

    def seal_datagram(
        self, content_type: int, plaintext: bytes, *, last: bool = True, padding: int = 0
    ) -> bytes:
        """The next record as it goes on the wire.

        ``last`` tells that nothing follows in its datagram or body.  ``padding`` is how many
        zeros are sealed with the plaintext.  Raises DatagramTooLarge over ``max_plaintext`` bytes,
        padding included; NumbersExhausted when the key may seal no more; ConfigurationError for
        a content type that 1.3 does not seal.
        """
        if padding or content_type not in TYPES_13:
            inner = wrap(content_type, plaintext, TYPES_13, padding)
        else:  # the same, without a call
            inner = plaintext + TYPES_13[content_type]
        length = len(inner)
        if not self._shortest <= length <= self._max_inner:
            inner = self._fitted(inner)
            length = len(inner)
        number = self._next
        if number >= self._seal_limit:
            raise NumbersExhausted(f"the key of epoch {self.epoch} has sealed {number} records")
        self._next = number + 1  # before the cipher runs: whatever happens, no nonce is used twice
        if self._iv == _NOT_READY:
            self._make_ready()
        nonce = (self._iv ^ number).to_bytes(NONCE_LENGTH, "big")
        if self.short_header:
            return self._seal_short(number, nonce, inner, last)
        prefix = self._prefix
        length += self._tag_length
        low = number & 0xFFFF
        ciphertext = self._encrypt(nonce, inner, prefix + _pack(low, length))
        mask = self._mask(ciphertext[:MIN_CIPHERTEXT])
        return prefix + _pack(low ^ (mask[0] << 8 | mask[1]), length) + ciphertext

    def skip(self) -> None:
        """Use up the next number: what it stands for was sealed in another form."""
        self._next += 1

    def _fitted(self, inner: bytes) -> bytes:
        """An inner plaintext with zeros enough for the mask; DatagramTooLarge if it is too long."""
        if len(inner) > self._max_inner:
            raise DatagramTooLarge(len(inner) - 1, self.max_plaintext)
        return inner.ljust(self._shortest, b"\0")

    def _seal_short(self, number: int, nonce: bytes, inner: bytes, last: bool) -> bytes:
        """The record with the shortest header that does."""
        first, size, tail = self._first, 1, b""
        if number >= _SHORT_NUMBERS:
            first, size = first | LONG_NUMBER_BIT, 2
        if not last:
            first |= LENGTH_BIT
            tail = (len(inner) + self._tag_length).to_bytes(2, "big")
        low = number & (1 << 8 * size) - 1
        prefix = bytes((first,)) + self.cid
        ciphertext = self._encrypt(nonce, inner, prefix + low.to_bytes(size, "big") + tail)
        mask = int.from_bytes(self._mask(ciphertext[:MIN_CIPHERTEXT])[:size], "big")
        return prefix + (low ^ mask).to_bytes(size, "big") + tail + ciphertext


def check_keys13(keys: TrafficKeys) -> None:
    """Raise ConfigurationError unless ``keys`` can protect records of DTLS 1.3."""
    if not 0 < keys.epoch <= MAX_EPOCH:
        raise ConfigurationError(f"records of epoch {keys.epoch} are not protected")
    if isinstance(keys, DerivedKeys):
        return
    if len(keys.iv) != NONCE_LENGTH:
        raise ConfigurationError(f"write_iv of {len(keys.iv)} bytes, not {NONCE_LENGTH}")
    if len(keys.sn_key) != keys.aead.key_length:
        raise ConfigurationError(f"record-number key of {len(keys.sn_key)} bytes")
