"""What one side of DTLS 1.3 writes its records with, epoch after epoch.

A message that is sent again goes out under the keys of its first time (RFC 9147 section 4.2.1), so
the sealers of earlier epochs stay until they are dropped.
"""

from __future__ import annotations

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records.dtls12 import HEADER, MAX_PLAINTEXT, PlaintextRecord
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.records.sealer13 import Sealer13
from handshake_over_coap.tls.keys import TrafficKeys


class Writer13:
    """The sealers of one direction, and the numbers of its records in the clear.

    ``first_record`` is the number of the first record in the clear.  ``short_header`` says whether
    records have the shortest header that does (RFC 9147 section 4).  Application data is sealed
    with the newest keys: a session takes this as its sealer, and follows each KeyUpdate.
    """

    def __init__(self, first_record: int = 0, *, short_header: bool = True) -> None:
        self.next_clear = first_record
        self._short_header = short_header
        self._sealers: dict[int, Sealer13] = {}
        self._cid = b""
        self._limit: int | None = None
        self.epoch = 0

    def add(
        self, keys: TrafficKeys, *, cid: bytes | None = None, record_limit: int | None = None
    ) -> None:
        """Seal under ``keys`` from now on; what is None stays as it was for the epoch before.

        Numbers go on where the epoch had other keys before: they may be the same once more.
        """
        if cid is not None:
            self._cid = cid
        if record_limit is not None:
            self._limit = record_limit
        before = self._sealers.get(keys.epoch)
        self._sealers[keys.epoch] = Sealer13(
            keys,
            cid=self._cid,
            short_header=self._short_header,
            record_limit=self._limit,
            next_sequence_number=0 if before is None else before.next_sequence_number,
        )
        self.epoch = keys.epoch

    def back_to_clear(self) -> None:
        """The newest keys came of a message that was not the peer's: there will be others."""
        self.epoch = 0

    def change_cid(self, cid: bytes) -> None:
        """Put another connection ID into all records from now on (RFC 9147 section 9)."""
        if cid == self._cid:
            return
        self._cid = cid
        for sealer in self._sealers.values():
            sealer.change_cid(cid)

    def limit_records(self, record_limit: int) -> None:
        """Heed the peer's record_size_limit in earlier epochs too: it has come with the last."""
        self._limit = record_limit
        for sealer in self._sealers.values():
            sealer.limit_records(record_limit)

    def drop(self, epoch: int) -> None:
        """Nothing of ``epoch`` will be sent again."""
        if epoch != self.epoch:
            self._sealers.pop(epoch, None)

    def seal(
        self, epoch: int, content_type: int, plaintext: bytes, *, last: bool = True
    ) -> tuple[bytes, RecordNumber]:
        """The next record of ``epoch``, in the clear for 0, and its number.

        ``last`` says that nothing follows in the datagram.  Raises NumbersExhausted,
        DatagramTooLarge, or ConfigurationError where there are no keys for the epoch.
        """
        if epoch == 0:
            number = self.next_clear
            self.next_clear += 1
            data = PlaintextRecord(content_type, number, plaintext).to_bytes()
            return data, RecordNumber(0, number)
        record = self._sealer(epoch).seal(content_type, plaintext, last=last)
        return record.to_bytes(), record.number

    def seal_earlier(self, epoch: int, content_type: int, plaintext: bytes) -> bytes:
        """A record of an earlier epoch, in front of others; nothing where its keys have gone."""
        if epoch not in self._sealers or epoch >= self.epoch:
            return b""
        return self.seal(epoch, content_type, plaintext, last=False)[0]

    def next_number(self, epoch: int) -> int:
        """The number that the next record of ``epoch`` gets."""
        return self._sealer(epoch).next_sequence_number

    def skip(self, epoch: int) -> None:
        """Use up the next number of ``epoch``: what it stands for was sealed in another form."""
        self._sealer(epoch).skip()

    def overhead_of(self, epoch: int) -> int:
        """How many bytes a record of ``epoch`` is longer than its plaintext, at most."""
        return HEADER.size if epoch == 0 else self._sealer(epoch).overhead

    def longest(self, epoch: int) -> int:
        """How many bytes of plaintext fit a record of ``epoch``."""
        return MAX_PLAINTEXT if epoch == 0 else self._sealer(epoch).max_plaintext

    @property
    def overhead(self) -> int:
        """How many bytes a datagram of application data is longer than these, at most."""
        return self.overhead_of(self.epoch)

    @property
    def max_plaintext(self) -> int:
        """How many bytes of application data fit one record."""
        return self.longest(self.epoch)

    @property
    def wants_key_update(self) -> bool:
        """Whether half of what the newest key may seal is sealed."""
        return self.epoch > 0 and self._sealer(self.epoch).wants_key_update

    def seal_datagram(self, content_type: int, plaintext: bytes) -> bytes:
        """A datagram that holds one record under the newest keys.

        Raises DatagramTooLarge, or NumbersExhausted where the key can seal nothing more.
        """
        return self._sealer(self.epoch).seal_datagram(content_type, plaintext)

    def _sealer(self, epoch: int) -> Sealer13:
        try:
            return self._sealers[epoch]
        except KeyError:
            raise ConfigurationError(f"no keys to write epoch {epoch} with") from None


def joined(first: list[bytes], rest: list[bytes], mtu: int) -> list[bytes]:
    """``first`` and then ``rest``, with the two where they meet in one datagram if it holds them.

    The records of ``first`` have to tell their length.
    """
    if first and rest and len(first[-1]) + len(rest[0]) <= mtu:
        return [*first[:-1], first[-1] + rest[0], *rest[1:]]
    return first + rest
