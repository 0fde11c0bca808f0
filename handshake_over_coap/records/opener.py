"""Opening: sealed records into plaintext, each at most once.

A record is looked up in the replay window first, which is cheap, and marked there only after it
has been authenticated (RFC 6347 section 4.1.2.6).  The nonce is read from the record: RFC 5288
leaves its explicit part to the sender, and peers do start it at random.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from cryptography.exceptions import InvalidTag

from handshake_over_coap.records.dtls12 import (
    CID_TYPE,
    CONTENT_TYPES,
    EXPLICIT_NONCE_LENGTH,
    HEADER,
    HEADER_BEFORE_CID,
    MAX_PLAINTEXT,
    SEQUENCE_BITS,
    VERSION,
    SealedRecord,
    check_cid,
)
from handshake_over_coap.records.errors import (
    ForgedRecord,
    ForgeryLimitReached,
    MalformedRecord,
    ReplayedRecord,
    UnknownConnectionId,
    WrongEpoch,
)
from handshake_over_coap.records.inner import TYPES_12, limited, unwrap
from handshake_over_coap.records.replay import ReplayWindow
from handshake_over_coap.records.sealer import ADDITIONAL_DATA, check_keys, cid_additional_data
from handshake_over_coap.tls.keys import TrafficKeys

_HEADER_LENGTH = HEADER.size
_PREFIX = Struct(f"{HEADER.format}{EXPLICIT_NONCE_LENGTH}s")
_PREFIX_LENGTH = _PREFIX.size
_unpack = _PREFIX.unpack_from

# How many failed authentications one key may see.  RFC 9147 section 4.5.3 says 2^36 for GCM and
# 2^23.5 for CCM with its 16-byte tag.  DTLS 1.2 has no limit of its own, and none is published for
# CCM_8: at 2^23.5 attempts, one against its 8-byte tag has succeeded with probability 2^-40.5.
# Reaching a limit ends the session, so a lower one would let a flood of forgeries do that cheaply.
GCM_FORGERY_LIMIT = 1 << 36
CCM_FORGERY_LIMIT = 11_863_283


class Opener:
    """Opens the records of one direction and epoch, each at most once.

    ``window`` is the width of the replay window in records.  ``forgery_limit`` is how many records
    may fail authentication before the opener is dead; by default that of the algorithm.  ``cid``
    is the connection ID that the peer was told to send, empty for none: no record without it is
    opened then (RFC 9146 section 3).  ``record_limit`` is the record_size_limit that was sent to
    the peer (RFC 8449): longer records are dropped.  Raises ConfigurationError for keys of epoch 0
    or an IV that is not 4 bytes long.
    """

    __slots__ = (
        "_additional_data",
        "_base",
        "_decrypt",
        "_iv",
        "_longest",
        "_tag_length",
        "_types",
        "_window",
        "cid",
        "epoch",
        "forgeries",
        "forgery_limit",
    )

    def __init__(
        self,
        keys: TrafficKeys,
        *,
        window: int = 64,
        forgery_limit: int | None = None,
        cid: bytes = b"",
        record_limit: int | None = None,
    ) -> None:
        check_keys(keys)
        check_cid(cid)
        self.cid = cid
        # Chosen once, since records without a connection ID shall not pay for it.
        self._types = frozenset() if cid else CONTENT_TYPES
        self._additional_data = _with_cid(cid) if cid else ADDITIONAL_DATA.pack
        self._longest = limited(MAX_PLAINTEXT, record_limit)
        self.epoch = keys.epoch
        self.forgeries = 0
        self.forgery_limit = _limit_of(keys) if forgery_limit is None else forgery_limit
        self._base = keys.epoch << SEQUENCE_BITS
        self._iv = keys.iv
        self._decrypt = keys.aead.make(keys.key).decrypt
        self._tag_length = keys.aead.tag_length
        self._window = ReplayWindow(window)

    @property
    def dead(self) -> bool:
        """Whether the forgery limit is reached: nothing more is opened."""
        return self.forgeries >= self.forgery_limit

    @property
    def highest(self) -> int:
        """The highest sequence number accepted, -1 before the first."""
        return self._window.highest

    def open(self, record: SealedRecord) -> bytes:
        """The plaintext of a record that came in a datagram, possibly empty.

        Raises a RecordDropped: ReplayedRecord, ForgedRecord, WrongEpoch, UnknownConnectionId,
        MalformedRecord for a length that no record has, ForgeryLimitReached once the opener is
        dead.  What is in a record with a connection ID only :meth:`open_content` tells.
        """
        return self.open_content(record)[1]

    def open_in_body(self, record: SealedRecord) -> bytes:
        """The plaintext of a record that came in a CoAP body; raises what :meth:`open` raises.

        A body may arrive long after records that were sent later, so the first 64 numbers of an
        epoch are never too old here; they are refused when they were accepted before.
        """
        return self.open_content(record, in_body=True)[1]

    def open_content(self, record: SealedRecord, *, in_body: bool = False) -> tuple[int, bytes]:
        """Content type and plaintext of a record, with or without a connection ID.

        ``in_body`` as for :meth:`open_in_body`.  Raises what :meth:`open` raises, and
        MalformedRecord where no known content type is sealed with the content.
        """
        if record.epoch != self.epoch:
            raise WrongEpoch(f"record of epoch {record.epoch}, keys of epoch {self.epoch}")
        if record.cid != self.cid:
            raise UnknownConnectionId(f"connection ID of {len(record.cid)} bytes")
        fragment = record.fragment
        plaintext = self._open(
            record.content_type,
            self._base | record.sequence_number,
            fragment[:EXPLICIT_NONCE_LENGTH],
            fragment[EXPLICIT_NONCE_LENGTH:],
            in_body,
        )
        return unwrap(plaintext, TYPES_12) if self.cid else (record.content_type, plaintext)

    def mark(self, sequence_number: int) -> None:
        """That record has come in another form, in a body, and authenticated there.

        Raises ReplayedRecord where it was received before.
        """
        refusal = self._window.refusal(sequence_number, in_body=True)
        if refusal is not None:
            raise ReplayedRecord(f"record {self.epoch}.{sequence_number}", reason=refusal)
        self._window.mark(sequence_number)

    def forged(self) -> None:
        """What stands for a record, in another form, did not authenticate."""
        self.forgeries += 1

    def open_datagram(self, data: bytes) -> tuple[int, bytes] | None:
        """Content type and plaintext of a datagram that is exactly one record of this epoch.

        None when it is anything else (several records, another epoch, garbage): then
        ``split_datagram`` tells what.  Raises what :meth:`open` raises.
        """
        if len(data) < _PREFIX_LENGTH:
            return None
        content_type, version, number, length, explicit_nonce = _unpack(data)
        if (
            number >> SEQUENCE_BITS != self.epoch
            or _HEADER_LENGTH + length != len(data)
            or version != VERSION
            or content_type not in self._types
        ):
            return self._open_datagram_with_cid(data) if self.cid else None
        sealed = data[_PREFIX_LENGTH:]
        return content_type, self._open(content_type, number, explicit_nonce, sealed, False)

    def _open_datagram_with_cid(self, data: bytes) -> tuple[int, bytes] | None:
        cid = self.cid
        start = _HEADER_LENGTH + len(cid)
        if len(data) < start + EXPLICIT_NONCE_LENGTH:
            return None
        content_type, version, number = HEADER_BEFORE_CID.unpack_from(data)
        length = data[start - 2] << 8 | data[start - 1]
        if (
            number >> SEQUENCE_BITS != self.epoch
            or start + length != len(data)
            or version != VERSION
            or content_type != CID_TYPE
        ):
            return None
        if data[HEADER_BEFORE_CID.size : start - 2] != cid:
            raise UnknownConnectionId(f"another connection ID of {len(cid)} bytes")
        sealed = start + EXPLICIT_NONCE_LENGTH
        inner = self._open(content_type, number, data[start:sealed], data[sealed:], False)
        return unwrap(inner, TYPES_12)

    def _open(
        self, content_type: int, number: int, explicit_nonce: bytes, sealed: bytes, in_body: bool
    ) -> bytes:
        """What is sealed in a record; ``number`` is epoch and sequence number together."""
        sequence_number = number - self._base
        length = len(sealed) - self._tag_length
        window = self._window
        # The usual record, newer than all before and of a fair length, needs no closer look.
        if (
            sequence_number <= window.highest
            or not 0 <= length <= self._longest
            or self.forgeries >= self.forgery_limit
        ):
            self._check(sequence_number, length, in_body)
        additional_data = self._additional_data(number, content_type, VERSION, length)
        try:
            plaintext = self._decrypt(self._iv + explicit_nonce, sealed, additional_data)
        except InvalidTag:
            self.forgeries += 1
            raise ForgedRecord(f"record {self.epoch}.{sequence_number}") from None
        window.mark(sequence_number)
        return plaintext

    def _check(self, sequence_number: int, length: int, in_body: bool) -> None:
        """Raise for a record that needs no decryption to be refused."""
        if self.dead:
            raise ForgeryLimitReached(f"{self.forgeries} records failed authentication")
        refusal = self._window.refusal(sequence_number, in_body=in_body)
        if refusal is not None:
            raise ReplayedRecord(f"record {self.epoch}.{sequence_number}", reason=refusal)
        if length < 0:
            raise ForgedRecord(f"record {self.epoch}.{sequence_number} holds no tag")
        if length > self._longest:
            raise MalformedRecord(f"record {self.epoch}.{sequence_number} of {length} bytes")


def _with_cid(cid: bytes) -> Callable[[int, int, int, int], bytes]:
    """Additional data from what those of a record without a connection ID are made of."""
    make = cid_additional_data(cid)
    return lambda number, _type, _version, length: make(number, length)


def _limit_of(keys: TrafficKeys) -> int:
    """The forgery limit of an algorithm: the lower one unless it is GCM."""
    return GCM_FORGERY_LIMIT if "GCM" in keys.aead.name.upper() else CCM_FORGERY_LIMIT
