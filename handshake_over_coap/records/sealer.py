"""Sealing: plaintext into records, under one counter for each direction and epoch.

The nonce is the fixed IV (4 bytes) and the explicit part (8 bytes), which is the record's epoch
and sequence number (RFC 6655 section 3; RFC 5288 section 3 leaves it to the sender).  The
additional data are epoch, sequence number, type, version and length of the plaintext
(RFC 5246 section 6.2.3.3, RFC 6347 section 4.1.2.1).
"""

from __future__ import annotations

from struct import Struct

from handshake_over_coap.errors import ConfigurationError, DatagramTooLarge
from handshake_over_coap.records.dtls12 import (
    EXPLICIT_NONCE_LENGTH,
    HEADER,
    MAX_EPOCH,
    MAX_PLAINTEXT,
    MAX_SEQUENCE_NUMBER,
    SEQUENCE_BITS,
    VERSION,
    SealedRecord,
)
from handshake_over_coap.records.errors import NumbersExhausted
from handshake_over_coap.tls.keys import TrafficKeys

FIXED_IV_LENGTH = 4
NONCE = Struct(">4sQ")
ADDITIONAL_DATA = Struct(">QBHH")
_HEADER_AND_NONCE = Struct(">BHQHQ")


class Sealer:
    """Seals the records of one direction and epoch, each under the next sequence number.

    ``next_sequence_number`` is where to start: 0 unless some numbers are used already.  Raises
    ConfigurationError for epoch 0 or an IV that is not 4 bytes long.
    """

    __slots__ = ("_encrypt", "_expansion", "_iv", "_last", "_next", "epoch")

    def __init__(self, keys: TrafficKeys, *, next_sequence_number: int = 0) -> None:
        check_keys(keys)
        if next_sequence_number < 0:
            raise ConfigurationError(f"sequence number {next_sequence_number}")
        self.epoch = keys.epoch
        # Epoch and sequence number together, as header, nonce and additional data have them.
        self._next = (keys.epoch << SEQUENCE_BITS) + next_sequence_number
        self._last = keys.epoch << SEQUENCE_BITS | MAX_SEQUENCE_NUMBER
        self._iv = keys.iv
        self._encrypt = keys.aead.make(keys.key).encrypt
        self._expansion = EXPLICIT_NONCE_LENGTH + keys.aead.tag_length

    @property
    def next_sequence_number(self) -> int:
        """The number that the next record gets; 2^48 once all are used."""
        return self._next - (self.epoch << SEQUENCE_BITS)

    @property
    def overhead(self) -> int:
        """How many bytes a record is longer than its plaintext: header, explicit nonce, tag."""
        return HEADER.size + self._expansion

    def seal(self, content_type: int, plaintext: bytes) -> SealedRecord:
        """The next record, for a body or to be sent later.

        Raises DatagramTooLarge over 2^14 bytes of plaintext, NumbersExhausted when the epoch has
        no number left.
        """
        number = self.next_sequence_number
        data = self.seal_datagram(content_type, plaintext)
        return SealedRecord(content_type, self.epoch, number, data[HEADER.size :])

    def seal_datagram(self, content_type: int, plaintext: bytes) -> bytes:
        """The next record as it goes on the wire; raises what :meth:`seal` raises."""
        number, length = self._next, len(plaintext)
        if length > MAX_PLAINTEXT:
            raise DatagramTooLarge(length, MAX_PLAINTEXT)
        if number > self._last:
            raise NumbersExhausted(f"epoch {self.epoch} has no sequence number left")
        self._next = number + 1  # before the cipher runs: whatever happens, no nonce is used twice
        ciphertext = self._encrypt(
            NONCE.pack(self._iv, number),
            plaintext,
            ADDITIONAL_DATA.pack(number, content_type, VERSION, length),
        )
        length += self._expansion
        return _HEADER_AND_NONCE.pack(content_type, VERSION, number, length, number) + ciphertext


def check_keys(keys: TrafficKeys) -> None:
    """Raise ConfigurationError unless ``keys`` can protect records of DTLS 1.2."""
    if not 0 < keys.epoch <= MAX_EPOCH:
        raise ConfigurationError(f"records of epoch {keys.epoch} are not protected")
    if len(keys.iv) != FIXED_IV_LENGTH:
        raise ConfigurationError(f"fixed IV of {len(keys.iv)} bytes, not {FIXED_IV_LENGTH}")
