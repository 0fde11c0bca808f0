"""The record layer as a conversation over CoAP uses it: flights sealed, bodies opened.

DTLS 1.2 has one epoch of keys for the whole handshake, each message in a record of its own, as its
ChangeCipherSpec and Finished stand.  DTLS 1.3 adds epochs as it goes and may hold several messages
in one record (RFC 9147 section 5.5 leaves that to the sender), so that a flight costs one header
and one tag.

An encoding that seals in its own way uses the numbers of the standard records all the same, and
gets keys of its own from what those here come from (:class:`EpochView`).

A protection is a value: what opens records is made anew for each flight, since it remembers what it
has opened, and a flight that fails must not count as seen.  Sealers count on, whatever happens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from handshake_over_coap.carriers.delivery import ACK_LENGTH
from handshake_over_coap.encodings.items import BodyItem, StandardRecord, Unsealed
from handshake_over_coap.records.ack import RECORD_NUMBER_LENGTH, Ack
from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.records.dtls13 import CiphertextRecord, RecordNumber
from handshake_over_coap.records.errors import WrongEpoch
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.records.opener13 import Opened, Opener13
from handshake_over_coap.records.sealer import Sealer
from handshake_over_coap.records.sealer13 import Sealer13
from handshake_over_coap.records.writer13 import Writer13
from handshake_over_coap.tls.alerts import InternalError
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.handshake import EpochKeys
from handshake_over_coap.tls.keys import DerivedKeys, TrafficKeys
from handshake_over_coap.tls.suites import AeadAlgorithm

APPLICATION_EPOCH = 3
"""The first epoch of DTLS 1.3 that is not the handshake's own (RFC 9147 section 6.1)."""


@dataclass(frozen=True, slots=True)
class EpochView:
    """One epoch in one direction, as an encoding with keys of its own sees it.

    ``next_number`` is the number of its next record.
    """

    keys: TrafficKeys
    next_number: int

    @property
    def aead(self) -> AeadAlgorithm:
        """The algorithm of the suite."""
        return self.keys.aead

    def derive(self, label: str, length: int) -> bytes | None:
        """Key material for ``label``; None where the handshake gives none that is safe."""
        return None if self.keys.derive is None else self.keys.derive(label, length)


@dataclass(frozen=True, slots=True)
class Protection12:
    """The one epoch of DTLS 1.2."""

    keys: EpochKeys
    sealer: Sealer
    opener: Opener

    @classmethod
    def of(cls, keys: EpochKeys) -> Protection12:
        """The beginning of an epoch."""
        read, write = _both(keys)
        return cls(
            keys,
            Sealer(write, cid=keys.peer_cid, record_limit=keys.peer_record_limit),
            _opener12(read, keys),
        )

    def reopened(self) -> Protection12:
        """The same, with nothing opened yet."""
        read, _ = _both(self.keys)
        return Protection12(self.keys, self.sealer, _opener12(read, self.keys))

    def with_keys(self, keys: EpochKeys) -> Protection12:
        """The new epoch alone: DTLS 1.2 has only one at a time here."""
        return Protection12.of(keys)

    def open(self, record: BodyItem) -> Opened:
        """What is in a record of DTLS 1.2; raises RecordDropped."""
        if not isinstance(record, SealedRecord):
            raise WrongEpoch("a record of another version")
        content_type, plaintext = self.opener.open_content(record, in_body=True)
        return Opened(content_type, plaintext, record.epoch, record.sequence_number)

    def plan(
        self, messages: Sequence[HandshakeMessage], acknowledged: Sequence[RecordNumber] = ()
    ) -> list[Unsealed]:
        """One record for each message; this version acknowledges nothing."""
        first = self.sealer.next_sequence_number
        return [
            self._unsealed(number, ContentType.handshake, message.dtls_bytes(), reading=False)
            for number, message in enumerate(messages, first)
        ]

    def seal(self, record: Unsealed, *, last: bool) -> StandardRecord:
        """The next record; ``last`` makes no difference to it."""
        return self.sealer.seal(record.content_type, record.plaintext)

    def sealed(self, record: Unsealed) -> None:
        """An encoding has sealed the next record in its own way."""
        self.sealer.skip()

    def opened(
        self, epoch: int, number: int, content_type: int, plaintext: bytes, *, last: bool
    ) -> Unsealed:
        """An encoding has opened a record in its own way; raises RecordDropped for a repetition."""
        if epoch != self.opener.epoch:
            raise WrongEpoch(f"no keys of epoch {epoch}")
        self.opener.mark(number)
        return self._unsealed(number, content_type, plaintext, reading=True)

    def forged(self, epoch: int) -> None:
        """What an encoding has sealed in its own way did not authenticate."""
        self.opener.forged()

    def view(self, epoch: int, *, reading: bool) -> EpochView:
        """An epoch for an encoding with keys of its own; raises WrongEpoch."""
        read, write = _both(self.keys)
        if epoch != read.epoch:
            raise WrongEpoch(f"no keys of epoch {epoch}")
        if reading:
            return EpochView(read, self.opener.highest + 1)
        return EpochView(write, self.sealer.next_sequence_number)

    def _unsealed(
        self, number: int, content_type: int, plaintext: bytes, *, reading: bool
    ) -> Unsealed:
        """A record whose standard form is made when it is asked for."""
        read, write = _both(self.keys)
        keys = read if reading else write
        cid = self.keys.own_cid if reading else self.keys.peer_cid

        def standard() -> StandardRecord:
            sealer = Sealer(keys, cid=cid, next_sequence_number=number)
            return sealer.seal(content_type, plaintext)

        tag_length = keys.aead.tag_length
        return Unsealed(keys.epoch, number, content_type, plaintext, tag_length, standard)

    def seal_alert(self, body: bytes) -> bytes:
        """A datagram with an alert."""
        return self.sealer.seal_datagram(ContentType.alert, body)


@dataclass(frozen=True, slots=True)
class Protection13:
    """The epochs of DTLS 1.3 so far, in order.

    Records in bodies have no connection ID, as the session is known; ``writer`` gets the peer's
    only for what follows.
    """

    keys: tuple[EpochKeys, ...]
    writer: Writer13
    opener: Opener13

    @classmethod
    def of(cls, keys: EpochKeys) -> Protection13:
        """The first epoch that is protected."""
        return cls((), Writer13(), Opener13(cid=keys.own_cid)).with_keys(keys)

    def reopened(self) -> Protection13:
        """The same, with nothing opened yet."""
        opener = Opener13(cid=self.keys[-1].own_cid)
        for keys in self.keys:
            _add13(opener, keys)
        return Protection13(self.keys, self.writer, opener)

    def with_keys(self, keys: EpochKeys) -> Protection13:
        """One epoch more; what was opened stays opened."""
        _, write = _both(keys)
        # The handshake's own records heed no record_size_limit: a body is taken as a whole.
        own = write.epoch < APPLICATION_EPOCH
        self.writer.add(write, record_limit=None if own else keys.peer_record_limit)
        _add13(self.opener, keys)
        return Protection13((*self.keys, keys), self.writer, self.opener)

    def forget_handshake(self) -> None:
        """Both sides have completed: no record of the handshake's own epoch comes any more."""
        for keys in self.keys:
            epoch = _both(keys)[0].epoch
            if epoch < APPLICATION_EPOCH:
                self.opener.drop(epoch)
                self.writer.drop(epoch)

    def open(self, record: BodyItem) -> Opened:
        """What is in a record of DTLS 1.3; raises RecordDropped."""
        if not isinstance(record, CiphertextRecord):
            raise WrongEpoch("a record of another version")
        return self.opener.open_in_body(record)

    def plan(
        self, messages: Sequence[HandshakeMessage], acknowledged: Sequence[RecordNumber] = ()
    ) -> list[Unsealed]:
        """One record for the messages of an epoch; one for the ACK, in the newest epoch.

        Raises InternalError where they are longer than any record.
        """
        parts: list[tuple[int, int, bytes]] = []
        if acknowledged:
            room = self.writer.max_plaintext - ACK_LENGTH  # one record is enough: it tells the end
            ack = Ack.of(acknowledged[: room // RECORD_NUMBER_LENGTH])
            parts.append((self.writer.epoch, ContentType.ack, ack.encode()))
        for epoch, group in groupby(messages, lambda message: message.epoch):
            plaintext = b"".join(message.dtls_bytes() for message in group)
            if len(plaintext) > self.writer.longest(epoch):
                raise InternalError(f"a flight of {len(plaintext)} bytes, which no record holds")
            parts.append((epoch, ContentType.handshake, plaintext))
        found: list[Unsealed] = []
        used: Counter[int] = Counter()
        for place, (epoch, content_type, plaintext) in enumerate(parts):
            number = self.writer.next_number(epoch) + used[epoch]
            used[epoch] += 1
            form = _Form(self._keys(epoch, reading=False), last=place == len(parts) - 1)
            found.append(form.unsealed(number, content_type, plaintext))
        return found

    def seal(self, record: Unsealed, *, last: bool) -> StandardRecord:
        """The next record of its epoch, without a length where it is the ``last`` of a body."""
        sealed, _ = self.writer.seal(record.epoch, record.content_type, record.plaintext, last=last)
        return CiphertextRecord.from_bytes(sealed)

    def sealed(self, record: Unsealed) -> None:
        """An encoding has sealed the next record of an epoch in its own way."""
        self.writer.skip(record.epoch)

    def opened(
        self, epoch: int, number: int, content_type: int, plaintext: bytes, *, last: bool
    ) -> Unsealed:
        """An encoding has opened a record in its own way; raises RecordDropped for a repetition."""
        self.opener.mark(epoch, number)
        form = _Form(self._keys(epoch, reading=True), last=last)
        return form.unsealed(number, content_type, plaintext)

    def forged(self, epoch: int) -> None:
        """What an encoding has sealed in its own way did not authenticate."""
        self.opener.forged(epoch)

    def view(self, epoch: int, *, reading: bool) -> EpochView:
        """An epoch for an encoding with keys of its own; raises WrongEpoch."""
        keys = self._keys(epoch, reading=reading)
        if reading:
            return EpochView(keys, self.opener.highest(epoch) + 1)
        return EpochView(keys, self.writer.next_number(epoch))

    def _keys(self, epoch: int, *, reading: bool) -> TrafficKeys:
        for each in self.keys:
            read, write = _both(each)
            if read.epoch == epoch:
                return read if reading else write
        raise WrongEpoch(f"no keys of epoch {epoch}")

    def seal_alert(self, body: bytes) -> bytes:
        """A datagram with an alert in the newest epoch."""
        self.writer.change_cid(self.keys[-1].peer_cid)
        return self.writer.seal_datagram(ContentType.alert, body)


@dataclass(frozen=True, slots=True)
class _Form:
    """How standard records of 1.3 are sealed anew: a length unless they are ``last`` in a body."""

    keys: TrafficKeys
    last: bool

    def unsealed(self, number: int, content_type: int, plaintext: bytes) -> Unsealed:
        """A record whose standard form is made when it is asked for."""

        def standard() -> StandardRecord:
            sealer = Sealer13(self.keys, short_header=True, next_sequence_number=number)
            data = sealer.seal_datagram(content_type, plaintext, last=self.last)
            return CiphertextRecord.from_bytes(data)

        tag_length = self.keys.aead.tag_length
        return Unsealed(self.keys.epoch, number, content_type, plaintext, tag_length, standard)


Protection: TypeAlias = Protection12 | Protection13
"""Keys in use, of either version."""


def protection_of(keys: EpochKeys) -> Protection:
    """The first keys of a handshake; those of 1.3 have one for record numbers too."""
    _, write = _both(keys)
    is_13 = isinstance(write, DerivedKeys) or write.sn_key
    return Protection13.of(keys) if is_13 else Protection12.of(keys)


def _opener12(read: TrafficKeys, keys: EpochKeys) -> Opener:
    return Opener(read, cid=keys.own_cid, record_limit=keys.own_record_limit)


def _add13(opener: Opener13, keys: EpochKeys) -> None:
    """Open one epoch more, with our record_size_limit where the session begins."""
    read, _ = _both(keys)
    if keys.own_record_limit is not None and read.epoch >= APPLICATION_EPOCH:
        opener.limit_records(keys.own_record_limit)
    opener.add(read)


def _both(keys: EpochKeys) -> tuple[TrafficKeys, TrafficKeys]:
    """Reading and writing keys; a handshake makes no epoch of one direction."""
    if keys.read is None or keys.write is None:
        raise InternalError("an epoch of one direction alone in a handshake")
    return keys.read, keys.write
