"""Sealing: plaintext into records, under one counter for each direction and epoch.

The nonce is the fixed IV (4 bytes) and the explicit part (8 bytes), which is the record's epoch
and sequence number (RFC 6655 section 3; RFC 5288 section 3 leaves it to the sender).  The
additional data are epoch, sequence number, type, version and length of the plaintext
(RFC 5246 section 6.2.3.3, RFC 6347 section 4.1.2.1).

With a connection ID, content and content type are sealed together, and the additional data are
those of RFC 9146 section 5.3; the nonce stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from handshake_over_coap.errors import ConfigurationError, DatagramTooLarge
from handshake_over_coap.records.dtls12 import (
    CID_TYPE,
    EXPLICIT_NONCE_LENGTH,
    HEADER,
    MAX_EPOCH,
    MAX_PLAINTEXT,
    MAX_SEQUENCE_NUMBER,
    SEQUENCE_BITS,
    VERSION,
    SealedRecord,
    check_cid,
)
from handshake_over_coap.records.errors import NumbersExhausted
from handshake_over_coap.records.inner import TYPES_12, limited, wrap
from handshake_over_coap.tls.keys import TrafficKeys

FIXED_IV_LENGTH = 4
NONCE = Struct(">4sQ")
ADDITIONAL_DATA = Struct(">QBHH")
_CID_FIXED = Struct(">QBBBH")

# Looked up once and not for every record.
_nonce, _additional_data = NONCE.pack, ADDITIONAL_DATA.pack
_header_and_nonce = Struct(">BHQHQ").pack


class Sealer:
    """Seals the records of one direction and epoch, each under the next sequence number.

    ``next_sequence_number`` is where to start: 0 unless some numbers are used already.  ``cid`` is
    the connection ID that the peer asked for, empty for none (RFC 9146).  ``record_limit`` is the
    peer's record_size_limit in bytes of plaintext (RFC 8449); with a connection ID, content type
    and padding count as well.  Raises ConfigurationError for epoch 0 or an IV that is not 4 bytes
    long.
    """

    __slots__ = (
        "_additional_data",
        "_encrypt",
        "_expansion",
        "_header_and_nonce",
        "_iv",
        "_last",
        "_longest",
        "_next",
        "cid",
        "epoch",
    )

    def __init__(
        self,
        keys: TrafficKeys,
        *,
        next_sequence_number: int = 0,
        cid: bytes = b"",
        record_limit: int | None = None,
    ) -> None:
        check_keys(keys)
        check_cid(cid)
        if next_sequence_number < 0:
            raise ConfigurationError(f"sequence number {next_sequence_number}")
        self.epoch = keys.epoch
        # Epoch and sequence number together, as header, nonce and additional data have them.
        self._next = (keys.epoch << SEQUENCE_BITS) + next_sequence_number
        self._last = keys.epoch << SEQUENCE_BITS | MAX_SEQUENCE_NUMBER
        self._iv = keys.iv
        self._encrypt = keys.aead.make(keys.key).encrypt
        self._expansion = EXPLICIT_NONCE_LENGTH + keys.aead.tag_length
        self._longest = limited(MAX_PLAINTEXT, record_limit)
        self.cid = cid
        self._additional_data = cid_additional_data(cid)
        self._header_and_nonce = Struct(f">BHQ{len(cid)}sHQ").pack

    @property
    def next_sequence_number(self) -> int:
        """The number that the next record gets; 2^48 once all are used."""
        return self._next - (self.epoch << SEQUENCE_BITS)

    @property
    def overhead(self) -> int:
        """How many bytes a record is longer than its plaintext: header, explicit nonce, tag.

        With a connection ID that and the content type too, but not the padding.
        """
        return HEADER.size + self._expansion + (len(self.cid) + 1 if self.cid else 0)

    @property
    def max_plaintext(self) -> int:
        """How many bytes of plaintext fit one record."""
        return self._longest - 1 if self.cid else self._longest

    def seal(self, content_type: int, plaintext: bytes, *, padding: int = 0) -> SealedRecord:
        """The next record, for a body or to be sent later.

        ``padding`` is how many zeros are sealed with the plaintext, which only a record with a
        connection ID can have.  Raises DatagramTooLarge over ``max_plaintext`` bytes, padding
        included; NumbersExhausted when the epoch has no number left.
        """
        number = self.next_sequence_number
        data = self.seal_datagram(content_type, plaintext, padding=padding)
        fragment = data[HEADER.size + len(self.cid) :]
        return SealedRecord(data[0], self.epoch, number, fragment, self.cid)

    def skip(self) -> None:
        """Use up the next number: what it stands for was sealed in another form."""
        if self._next > self._last:
            raise self._exhausted()
        self._next += 1

    def seal_datagram(self, content_type: int, plaintext: bytes, *, padding: int = 0) -> bytes:
        """The next record as it goes on the wire; raises what :meth:`seal` raises."""
        if self.cid or padding:
            return self._seal_with_cid(content_type, plaintext, padding)
        number, length = self._next, len(plaintext)
        if length > self._longest:
            raise DatagramTooLarge(length, self._longest)
        if number > self._last:
            raise self._exhausted()
        self._next = number + 1  # before the cipher runs: whatever happens, no nonce is used twice
        ciphertext = self._encrypt(
            _nonce(self._iv, number),
            plaintext,
            _additional_data(number, content_type, VERSION, length),
        )
        length += self._expansion
        return _header_and_nonce(content_type, VERSION, number, length, number) + ciphertext

    def _seal_with_cid(self, content_type: int, plaintext: bytes, padding: int) -> bytes:
        cid = self.cid
        if not cid:
            raise ConfigurationError("only a record with a connection ID has padding")
        inner = wrap(content_type, plaintext, TYPES_12, padding)
        number, length = self._next, len(inner)
        if length > self._longest:
            raise DatagramTooLarge(length - 1, self.max_plaintext)
        if number > self._last:
            raise self._exhausted()
        self._next = number + 1
        ciphertext = self._encrypt(
            _nonce(self._iv, number), inner, self._additional_data(number, length)
        )
        length += self._expansion
        return self._header_and_nonce(CID_TYPE, VERSION, number, cid, length, number) + ciphertext

    def _exhausted(self) -> NumbersExhausted:
        return NumbersExhausted(f"epoch {self.epoch} has no sequence number left")


def cid_additional_data(cid: bytes) -> Callable[[int, int], bytes]:
    """What makes the additional data of records with a connection ID (RFC 9146 section 5.3).

    It takes epoch and sequence number together, and the length of the inner plaintext.
    """
    # A placeholder for the sequence number, type, length of the connection ID, type, version.
    fixed = _CID_FIXED.pack((1 << 64) - 1, CID_TYPE, len(cid), CID_TYPE, VERSION)
    pack = Struct(f">{len(fixed)}sQ{len(cid)}sH").pack
    return lambda number, length: pack(fixed, number, cid, length)


def check_keys(keys: TrafficKeys) -> None:
    """Raise ConfigurationError unless ``keys`` can protect records of DTLS 1.2."""
    if not 0 < keys.epoch <= MAX_EPOCH:
        raise ConfigurationError(f"records of epoch {keys.epoch} are not protected")
    if len(keys.iv) != FIXED_IV_LENGTH:
        raise ConfigurationError(f"fixed IV of {len(keys.iv)} bytes, not {FIXED_IV_LENGTH}")
