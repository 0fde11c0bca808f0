"""The records of a handshake of DTLS 1.3 around a stack that tells its secrets.

Between the stack and a body its protected records end here: what is in them is taken out before it
is encoded, and put into records again for the stack.  In a body all handshake messages of an epoch
share one record, as ours do, whatever the stack has done; so an ACK from the peer names that one,
and the stack is told of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from handshake_over_coap.carriers.protection import APPLICATION_EPOCH, EpochView, Protection13
from handshake_over_coap.encodings.items import StandardRecord, Unsealed
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.records.errors import RecordDropped
from handshake_over_coap.records.sealer13 import Sealer13
from handshake_over_coap.tls.alerts import AlertError, BadRecordMac, UnexpectedMessage
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.handshake import EpochKeys
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.messages import ServerHello
from handshake_over_coap.tls.schedule13 import HANDSHAKE_EPOCH, traffic_keys
from handshake_over_coap.tls.suites13 import CipherSuite13, suite13_by_id
from handshake_over_coap.trace import KeyLogLabel

_LABELS: Final[Mapping[int, tuple[KeyLogLabel, KeyLogLabel]]] = {
    HANDSHAKE_EPOCH: (
        KeyLogLabel.CLIENT_HANDSHAKE_TRAFFIC_SECRET,
        KeyLogLabel.SERVER_HANDSHAKE_TRAFFIC_SECRET,
    ),
    APPLICATION_EPOCH: (
        KeyLogLabel.CLIENT_TRAFFIC_SECRET_0,
        KeyLogLabel.SERVER_TRAFFIC_SECRET_0,
    ),
}


class Records13:
    """The keys of both directions, as far as the stack has told them.

    ``peer`` opens and stands for the peer's records, ``own`` for the stack's; None before there are
    any.
    """

    def __init__(self, *, is_client: bool) -> None:
        self._is_client = is_client
        self.peer: Protection13 | None = None
        self.own: Protection13 | None = None
        self._epochs: set[int] = set()

    def learn(self, told: Mapping[str, bytes], messages: Sequence[HandshakeMessage]) -> None:
        """Add the epochs whose secrets are told, under the suite that ServerHello names."""
        suite = _suite(messages)
        for epoch, (client, server) in _LABELS.items():
            secrets = (told.get(client), told.get(server))
            if suite is None or epoch in self._epochs or None in secrets:
                continue
            self._epochs.add(epoch)
            by_client, by_server = (
                traffic_keys(secret, epoch, suite.aead) for secret in secrets if secret is not None
            )
            own, peer = (by_client, by_server) if self._is_client else (by_server, by_client)
            self.peer = _with(self.peer, EpochKeys(read=peer, write=own))
            self.own = _with(self.own, EpochKeys(read=own, write=peer))

    def begin_flight(self) -> None:
        """What the last flight of the peer has opened does not count: it may have failed."""
        if self.peer is not None:
            self.peer = self.peer.reopened()

    def for_stack(self, record: Unsealed, own: Sequence[RecordNumber]) -> bytes:
        """A record of the peer's as the stack gets it; an ACK names the stack's ``own`` records."""
        if record.content_type != ContentType.ack:
            return record.standard().to_bytes()
        keys = _keys(self.peer, record.epoch)
        sealer = Sealer13(keys, short_header=True, next_sequence_number=record.number)
        return sealer.seal_datagram(ContentType.ack, Ack.of(own).encode())

    def joined(self, epoch: int, content_type: int, plaintext: bytes, number: int) -> Unsealed:
        """A record of the stack's as it goes into a body."""
        if self.own is None:
            raise UnexpectedMessage("a sealed record before there are keys")
        return self.own.reopened().opened(epoch, number, content_type, plaintext, last=True)


def _with(protection: Protection13 | None, keys: EpochKeys) -> Protection13:
    return Protection13.of(keys) if protection is None else protection.with_keys(keys)


def _suite(messages: Sequence[HandshakeMessage]) -> CipherSuite13 | None:
    for message in messages:
        if message.type == HandshakeType.server_hello:
            try:
                return suite13_by_id(ServerHello.decode(message.body).cipher_suite)
            except AlertError:
                return None
    return None


def _keys(protection: Protection13 | None, epoch: int) -> TrafficKeys:
    if protection is None:
        raise UnexpectedMessage("a sealed record before there are keys")
    try:
        return protection.view(epoch, reading=True).keys
    except RecordDropped as missing:
        raise UnexpectedMessage(str(missing)) from None


class StackAround13:
    """A :class:`~..encodings.base.FlightContext` around a flight from or for a stack of 1.3.

    ``hearing`` tells that it is the peer's flight.  ``records`` gets new keys while the flight is
    taken.
    """

    def __init__(
        self,
        records: Records13,
        messages: Sequence[HandshakeMessage],
        *,
        from_client: bool,
        hearing: bool,
        next_message_seq: int,
        digest: bytes,
        references: int = 0,
    ) -> None:
        self.messages = messages
        self.from_client = from_client
        self.next_message_seq = next_message_seq
        self.digest = digest
        self.references = references
        self.pins: frozenset[bytes] = frozenset()
        self._records = records
        self._hearing = hearing

    def _protection(self) -> Protection13:
        found = self._records.peer if self._hearing else self._records.own
        if found is None:
            raise UnexpectedMessage("a sealed record before there are keys")
        return found

    def open(self, record: StandardRecord) -> Unsealed:
        """What is in a standard record of the peer's flight."""
        try:
            opened = self._protection().open(record)
        except RecordDropped as dropped:
            raise BadRecordMac(str(dropped)) from None
        tag_length = self.epoch(opened.epoch).aead.tag_length
        content_type, plaintext, epoch, number = opened
        return Unsealed(epoch, number, content_type, plaintext, tag_length).sealed_as(record)

    def seal(self, record: Unsealed, *, last: bool) -> StandardRecord:
        """The standard record of the stack's flight."""
        return record.standard()

    def sealed(self, record: Unsealed) -> None:
        """Its number is used: the stack counts by itself."""

    def opened(
        self, epoch: int, number: int, content_type: int, plaintext: bytes, *, last: bool
    ) -> Unsealed:
        """What the encoding has opened in its own way."""
        try:
            return self._protection().opened(epoch, number, content_type, plaintext, last=last)
        except RecordDropped as dropped:
            raise BadRecordMac(str(dropped)) from None

    def forged(self, epoch: int) -> Exception:
        """Counts a body that did not authenticate; gives what to raise for it."""
        self._protection().forged(epoch)
        return BadRecordMac(f"what is sealed of epoch {epoch} in the body does not authenticate")

    def epoch(self, number: int) -> EpochView:
        """The keys of an epoch in the direction of the flight, which has its first records."""
        return EpochView(_keys(self._protection(), number), 0)
