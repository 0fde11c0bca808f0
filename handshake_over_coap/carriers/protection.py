"""The record layer as a conversation over CoAP uses it: flights sealed, bodies opened.

DTLS 1.2 has one epoch of keys for the whole handshake, each message in a record of its own, as its
ChangeCipherSpec and Finished stand.  DTLS 1.3 adds epochs as it goes and may hold several messages
in one record (RFC 9147 section 5.5 leaves that to the sender), so that a flight costs one header
and one tag.

A protection is a value: what opens records is made anew for each flight, since it remembers what it
has opened, and a flight that fails must not count as seen.  Sealers count on, whatever happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from handshake_over_coap.carriers.delivery import ACK_LENGTH
from handshake_over_coap.carriers.writer13 import Writer13
from handshake_over_coap.encodings.items import BodyItem
from handshake_over_coap.records.ack import RECORD_NUMBER_LENGTH, Ack
from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.records.dtls13 import CiphertextRecord, RecordNumber
from handshake_over_coap.records.errors import WrongEpoch
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.records.opener13 import Opened, Opener13
from handshake_over_coap.records.sealer import Sealer
from handshake_over_coap.tls.alerts import InternalError
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.handshake import EpochKeys
from handshake_over_coap.tls.keys import TrafficKeys

APPLICATION_EPOCH = 3
"""The first epoch of DTLS 1.3 that is not the handshake's own (RFC 9147 section 6.1)."""


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

    def seal(
        self, messages: Sequence[HandshakeMessage], acknowledged: Sequence[RecordNumber] = ()
    ) -> list[BodyItem]:
        """One record for each message; this version acknowledges nothing."""
        kind = ContentType.handshake
        return [self.sealer.seal(kind, message.dtls_bytes()) for message in messages]

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

    def seal(
        self, messages: Sequence[HandshakeMessage], acknowledged: Sequence[RecordNumber] = ()
    ) -> list[BodyItem]:
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
        last = len(parts) - 1
        return [
            CiphertextRecord.from_bytes(
                self.writer.seal(epoch, content_type, plaintext, last=place == last)[0]
            )
            for place, (epoch, content_type, plaintext) in enumerate(parts)
        ]

    def seal_alert(self, body: bytes) -> bytes:
        """A datagram with an alert in the newest epoch."""
        self.writer.change_cid(self.keys[-1].peer_cid)
        return self.writer.seal_datagram(ContentType.alert, body)


Protection: TypeAlias = Protection12 | Protection13
"""Keys in use, of either version."""


def protection_of(keys: EpochKeys) -> Protection:
    """The first keys of a handshake; those of 1.3 have one for record numbers too."""
    _, write = _both(keys)
    return Protection13.of(keys) if write.sn_key else Protection12.of(keys)


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
