"""Opening for DTLS 1.3: records of several epochs into plaintext, each at most once.

A record tells two bits of its epoch and 8 or 16 bits of its number, and those masked.  The number
is taken to be the one nearest to what comes next (RFC 9147 section 4.2.2).  The replay window is
asked after a record has been authenticated, or how fast it is dropped would tell its number
(section 4.5.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple, NoReturn

from cryptography.exceptions import InvalidTag

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records.dtls12 import check_cid
from handshake_over_coap.records.dtls13 import (
    EPOCH_MASK,
    FIXED_BITS,
    LENGTH_BIT,
    LONG_NUMBER_BIT,
    MAX_INNER,
    MIN_CIPHERTEXT,
    CiphertextRecord,
    RecordNumber,
    locate,
    reconstruct,
    split13,
)
from handshake_over_coap.records.errors import (
    ForgedRecord,
    ForgeryLimitReached,
    MalformedRecord,
    RecordDropped,
    ReplayedRecord,
    UnknownConnectionId,
    WrongEpoch,
)
from handshake_over_coap.records.inner import TYPES_13, limited, unwrap
from handshake_over_coap.records.limits13 import limits_of
from handshake_over_coap.records.replay import FIRST_NUMBERS, ReplayWindow
from handshake_over_coap.records.sealer13 import check_keys13
from handshake_over_coap.tls.keys import DerivedKeys, TrafficKeys
from handshake_over_coap.tls.suites import NONCE_LENGTH, RecordNumberMask

# The header that a sealer writes unless told otherwise: number of 16 bits, length, nothing more.
_USUAL_FIRST = FIXED_BITS | LONG_NUMBER_BIT | LENGTH_BIT
_USUAL_HEADER = Struct(">BHH")
_USUAL_LENGTH = _USUAL_HEADER.size
_tuple = tuple.__new__
_pack, _unpack = _USUAL_HEADER.pack, _USUAL_HEADER.unpack_from


class Opened(NamedTuple):
    """What was in a record: ``content_type`` 21, 22, 23 or 26, ``plaintext`` possibly empty."""

    content_type: int
    plaintext: bytes
    epoch: int
    sequence_number: int

    @property
    def number(self) -> RecordNumber:
        """Which record it was, as an ACK names it."""
        return RecordNumber(self.epoch, self.sequence_number)


class Opener13:
    """Opens the records of one direction, of up to four epochs, each record at most once.

    ``cid`` is the connection ID that the peer was told to send, empty for none.  ``record_limit``
    is the record_size_limit that was sent to the peer (RFC 8449): longer records are dropped.
    ``window`` is the width of each epoch's replay window in records; ``forgery_limit`` how many
    records may fail authentication with one key, by default that of the algorithm.
    """

    __slots__ = ("_epochs", "_forgery_limit", "_max_inner", "_newest", "_window", "cid")

    def __init__(
        self,
        *,
        cid: bytes = b"",
        record_limit: int | None = None,
        window: int = 64,
        forgery_limit: int | None = None,
    ) -> None:
        check_cid(cid)
        self.cid = cid
        self._max_inner = limited(MAX_INNER, record_limit)
        self._window = window
        self._forgery_limit = forgery_limit
        # By the low two bits, which are all that a record tells.
        self._epochs: list[_Epoch | None] = [None] * (EPOCH_MASK + 1)
        self._newest: _Epoch | None = None

    def add(self, keys: TrafficKeys) -> None:
        """Accept records of one more epoch; that of four epochs before is dropped for it.

        Raises ConfigurationError for keys that are not of 1.3, or for an epoch that is not newer
        than all before.
        """
        if self._newest is not None and keys.epoch <= self._newest.epoch:
            raise ConfigurationError(f"epoch {keys.epoch} after epoch {self._newest.epoch}")
        epoch = _Epoch(keys, self._window, self._forgery_limit, self._max_inner)
        self._epochs[keys.epoch & EPOCH_MASK] = epoch
        self._newest = epoch

    def limit_records(self, record_limit: int) -> None:
        """Take no longer records than that in the epochs that are added from now on."""
        self._max_inner = limited(MAX_INNER, record_limit)

    def drop(self, epoch: int) -> None:
        """Accept no more records of ``epoch`` and forget its keys; nothing if it has none."""
        found = self._epochs[epoch & EPOCH_MASK]
        if found is not None and found.epoch == epoch:
            self._epochs[epoch & EPOCH_MASK] = None

    @property
    def epochs(self) -> tuple[int, ...]:
        """The epochs that are accepted, in increasing order."""
        return tuple(sorted(epoch.epoch for epoch in self._epochs if epoch is not None))

    @property
    def forgeries(self) -> int:
        """How many records failed authentication with the newest key."""
        return 0 if self._newest is None else self._newest.forgeries

    @property
    def wants_key_update(self) -> bool:
        """Whether the newest key has seen half of the forgeries that it may see.

        Time for a KeyUpdate that requests one of the peer (RFC 9147 section 4.5.3).
        """
        newest = self._newest
        return newest is not None and newest.forgeries * 2 >= newest.forgery_limit

    @property
    def dead(self) -> bool:
        """Whether the newest key has reached its forgery limit: nothing new will be opened."""
        newest = self._newest
        return newest is not None and newest.forgeries >= newest.forgery_limit

    def highest(self, epoch: int) -> int:
        """The highest sequence number accepted in ``epoch``, -1 before the first."""
        found = self._epochs[epoch & EPOCH_MASK]
        return -1 if found is None or found.epoch != epoch else found.window.highest

    def open(self, record: CiphertextRecord) -> Opened:
        """What is in a record that came in a datagram.

        Raises a RecordDropped: WrongEpoch, ForgedRecord, ReplayedRecord, UnknownConnectionId,
        MalformedRecord for one that is too long, of no known content type or nothing but zeros,
        and ForgeryLimitReached once its key has reached the limit.
        """
        if record.cid != self.cid:
            raise UnknownConnectionId(f"connection ID of {len(record.cid)} bytes")
        return self._open(record.header, record.number_offset, record.ciphertext, False)

    def open_in_body(self, record: CiphertextRecord) -> Opened:
        """What is in a record that came in a CoAP body; raises what :meth:`open` raises.

        Here a record needs no connection ID.  A body may arrive long after records that were sent
        later, so the first 64 numbers of an epoch are never too old here; they are refused when
        they were accepted before.
        """
        if record.cid not in (b"", self.cid):
            raise UnknownConnectionId(f"connection ID of {len(record.cid)} bytes")
        return self._open(record.header, record.number_offset, record.ciphertext, True)

    def mark(self, epoch: int, number: int) -> None:
        """That record has come in another form, in a body, and authenticated there.

        Raises ReplayedRecord where it was received before, WrongEpoch for an epoch without keys.
        """
        found = self._of(epoch)
        refusal = found.window.refusal(number, in_body=True)
        if refusal is not None:
            raise ReplayedRecord(f"record {epoch}.{number}", reason=refusal)
        found.window.mark(number)

    def forged(self, epoch: int) -> None:
        """What stands for a record of ``epoch``, in another form, did not authenticate."""
        self._of(epoch).forgeries += 1

    def _of(self, epoch: int) -> _Epoch:
        found = self._epochs[epoch & EPOCH_MASK]
        if found is None or found.epoch != epoch:
            raise WrongEpoch(f"no keys of epoch {epoch}")
        return found

    def open_datagram(self, data: bytes) -> Opened | None:
        """What is in a datagram that is exactly one protected record.

        None when it is anything else: then ``split13`` tells what.  Raises what :meth:`open`
        raises.
        """
        if len(data) < _USUAL_LENGTH:
            return None
        first: int
        masked: int
        first, masked, length = _unpack(data)
        if first & ~EPOCH_MASK != _USUAL_FIRST or self.cid:
            return self._open_unusual(data)
        if length + _USUAL_LENGTH != len(data):
            return None
        epoch: _Epoch = self._epochs[first & EPOCH_MASK] or _none(first)
        ciphertext = data[_USUAL_LENGTH:]
        mask = epoch.mask(ciphertext)
        low = masked ^ (mask[0] << 8 | mask[1])
        return epoch.open(low, 16, _pack(first, low, length), ciphertext, False)

    def open_all(self, data: bytes) -> Iterator[Opened | RecordDropped | None]:
        """The records of a datagram: what is in each, why it is dropped, None for one in the clear.

        One that is dropped takes nothing from those after it (RFC 9147 section 4.5.2); bytes that
        are no record end the datagram.  Never raises.
        """
        try:
            whole = self.open_datagram(data)
            if whole is not None:
                yield whole
                return
            for record in split13(data, len(self.cid)):
                yield self._open_or_drop(record) if isinstance(record, CiphertextRecord) else None
        except RecordDropped as dropped:
            yield dropped

    def _open_or_drop(self, record: CiphertextRecord) -> Opened | RecordDropped:
        try:
            return self.open(record)
        except RecordDropped as dropped:
            return dropped

    def _open_unusual(self, data: bytes) -> Opened | None:
        """The same for any header."""
        try:
            offset, start, end = locate(data, 0, len(self.cid))
        except MalformedRecord:
            return None
        if end != len(data):
            return None
        if data[1:offset] != self.cid:
            raise UnknownConnectionId(f"connection ID of {offset - 1} bytes")
        return self._open(data[:start], offset, data[start:], False)

    def _open(self, header: bytes, offset: int, ciphertext: bytes, in_body: bool) -> Opened:
        first = header[0]
        epoch: _Epoch = self._epochs[first & EPOCH_MASK] or _none(first)
        size = 2 if first & LONG_NUMBER_BIT else 1
        after = offset + size
        mask = int.from_bytes(epoch.mask(ciphertext)[:size], "big")
        low = int.from_bytes(header[offset:after], "big") ^ mask
        clear = header[:offset] + low.to_bytes(size, "big") + header[after:]
        return epoch.open(low, 8 * size, clear, ciphertext, in_body)


class _Epoch:
    """The keys and the window of one epoch."""

    __slots__ = (
        "_decrypt",
        "_iv",
        "_keys",
        "_mask",
        "_max_ciphertext",
        "_min_ciphertext",
        "epoch",
        "forgeries",
        "forgery_limit",
        "window",
    )

    def __init__(
        self, keys: TrafficKeys, window: int, forgery_limit: int | None, max_inner: int
    ) -> None:
        check_keys13(keys)
        self.epoch = keys.epoch
        self.forgeries = 0
        limit = limits_of(keys.aead).forged
        self.forgery_limit = limit if forgery_limit is None else min(forgery_limit, limit)
        self.window = ReplayWindow(window)
        self._keys = keys
        self._mask: RecordNumberMask | None = None
        if not isinstance(keys, DerivedKeys):
            self._make_ready()
        # With a tag of 16 bytes, the shortest that holds a content type is one byte longer.
        self._min_ciphertext = max(MIN_CIPHERTEXT, keys.aead.tag_length + 1)
        self._max_ciphertext = max_inner + keys.aead.tag_length

    def _make_ready(self) -> RecordNumberMask:
        """Make the ciphers, and give the mask; those of a handshake's own epoch may stay unused."""
        keys = self._keys
        self._iv = int.from_bytes(keys.iv, "big")
        self._decrypt = keys.aead.make(keys.key).decrypt
        self._mask = keys.aead.make_mask(keys.sn_key)
        return self._mask

    def mask(self, ciphertext: bytes) -> bytes:
        """The mask of the number; raises for a record that needs no decryption to be refused."""
        length = len(ciphertext)
        if (
            not self._min_ciphertext <= length <= self._max_ciphertext
            or self.forgeries >= self.forgery_limit
        ):
            self._refuse(length)
        return (self._mask or self._make_ready())(ciphertext[:MIN_CIPHERTEXT])

    def open(self, low: int, bits: int, clear: bytes, ciphertext: bytes, in_body: bool) -> Opened:
        """What is in a record of this epoch.

        ``low`` are the ``bits`` low bits of its number, and ``clear`` is its header with them,
        without the mask.
        """
        window = self.window
        number = window.highest + 1
        if low != number:
            number = reconstruct(low, bits, number)
        try:
            inner = self._decrypt(
                (self._iv ^ number).to_bytes(NONCE_LENGTH, "big"), ciphertext, clear
            )
        except InvalidTag:
            # In a body, perhaps one that was on its way while thousands of records passed it.
            if not in_body or low >= FIRST_NUMBERS or low == number:
                raise self._forged() from None
            number, inner = low, self._open_first(low, ciphertext, clear)
        if number <= window.highest:
            refusal = window.refusal(number, in_body=in_body)
            if refusal is not None:
                raise ReplayedRecord(f"record {self.epoch}.{number}", reason=refusal)
        content_type = inner[-1]
        if content_type in TYPES_13:
            plaintext = inner[:-1]
        else:
            content_type, plaintext = unwrap(inner, TYPES_13)
        window.mark(number)
        # What Opened(...) does, in half of the time.
        return _tuple(Opened, (content_type, plaintext, self.epoch, number))

    def _open_first(self, number: int, ciphertext: bytes, clear: bytes) -> bytes:
        """The inner plaintext under one of the first numbers of the epoch."""
        nonce = (self._iv ^ number).to_bytes(NONCE_LENGTH, "big")
        try:
            return self._decrypt(nonce, ciphertext, clear)
        except InvalidTag:
            raise self._forged() from None

    def _forged(self) -> ForgedRecord:
        self.forgeries += 1
        return ForgedRecord(f"record of epoch {self.epoch}")

    @property
    def dead(self) -> bool:
        """Whether these keys have reached their forgery limit."""
        return self.forgeries >= self.forgery_limit

    def _refuse(self, length: int) -> None:
        """Raise for a record that needs no decryption to be refused."""
        if self.dead:
            raise ForgeryLimitReached(f"{self.forgeries} records failed authentication")
        if length < self._min_ciphertext:
            raise ForgedRecord(f"ciphertext of {length} bytes")
        raise MalformedRecord(f"ciphertext of {length} bytes")


def _none(first: int) -> NoReturn:
    raise WrongEpoch(f"no keys of an epoch that ends in {first & EPOCH_MASK:02b}")
