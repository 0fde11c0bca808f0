"""The record layer of a session: one epoch in DTLS 1.2, more of them in DTLS 1.3.

A layer turns content into datagrams and datagrams into content.  That of 1.3 also answers by
itself: handshake messages and ACKs after the handshake never reach the session
(:mod:`~handshake_over_coap.carriers.post_handshake`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, TypeGuard

from handshake_over_coap.carriers.carried import Completed, CompletedRecords
from handshake_over_coap.carriers.established import Established13
from handshake_over_coap.carriers.post_handshake import PostHandshake
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records.dtls12 import SealedRecord, split_datagram
from handshake_over_coap.records.dtls13 import CiphertextRecord, RecordNumber
from handshake_over_coap.records.errors import RecordDropped
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.records.opener13 import Opened
from handshake_over_coap.timers import Timer, undrawn
from handshake_over_coap.tls.codepoints import AlertLevel, ContentType
from handshake_over_coap.tls.handshake import Connected
from handshake_over_coap.tls.schedule13 import HANDSHAKE_EPOCH
from handshake_over_coap.tls.tickets import Ticket

from .options import Options


@dataclass(frozen=True, slots=True)
class Taken:
    """What a datagram held and drew.

    ``contents`` are content types and plaintexts for the session, ``send`` datagrams to answer
    with.  ``newest`` tells that a record was newer than all before it, ``authentic`` that a record
    of the peer's was there at all.  ``dropped`` is why other records of the datagram were not
    taken, ``unprotected`` how many were in the clear.
    """

    contents: tuple[tuple[int, bytes], ...]
    send: tuple[bytes, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    newest: bool = False
    authentic: bool = True
    dropped: tuple[RecordDropped, ...] = ()
    unprotected: int = 0


class RecordLayer(Protocol):
    """Both directions of a session's records; times are those of the loop, in seconds."""

    @property
    def own_cid(self) -> bytes:
        """The connection ID in what the peer sends; empty for none."""

    @property
    def overhead(self) -> int:
        """How many bytes a datagram is longer than its content, at most."""

    @property
    def longest(self) -> int:
        """How many bytes of content the peer takes in one record."""

    @property
    def dead(self) -> bool:
        """Whether nothing will be opened any more."""

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` has something to do; None for never."""

    @property
    def confirmed(self) -> bool:
        """Whether the peer is known to have completed the handshake."""

    @property
    def retransmissions(self) -> int:
        """Datagrams of handshake messages sent again."""

    def seal(self, content_type: int, content: bytes) -> bytes:
        """A datagram with one record; raises DatagramTooLarge or NumbersExhausted."""

    def early(self, now: float) -> Taken:
        """Take what was opened before the handshake was complete; raises as :meth:`open` does."""

    def open(self, data: bytes, now: float) -> Taken:
        """Take a datagram; a record that is dropped takes nothing from those after it.

        Raises RecordDropped where nothing in it was ours, the AlertError to end the session with.
        """

    def on_timer(self, now: float) -> list[bytes]:
        """Datagrams to send now that the deadline has passed.

        Raises HandshakeTimeout where the handshake turns out not to be complete.
        """

    @property
    def probed(self) -> bool:
        """Whether a probe has been answered since it was sent."""

    def probe(self) -> None:
        """Have :meth:`renew` give what only a peer who receives it can answer, if there is any."""

    def renew(self, now: float) -> list[bytes]:
        """Datagrams that begin to change keys: as a probe, or as these have protected enough."""


class Layer12:
    """The one epoch of DTLS 1.2, ours or that of a stack of others."""

    deadline: float | None = None
    confirmed = True
    probed = False
    retransmissions = 0

    def __init__(self, established: CompletedRecords, peer_record_limit: int | None) -> None:
        self._early = established.early
        self._sealer = established.sealer
        self._opener = established.opener
        self.own_cid = self._opener.cid if isinstance(self._opener, Opener) else b""
        self.longest = 1 << 14 if peer_record_limit is None else peer_record_limit

    @property
    def overhead(self) -> int:
        """How many bytes a datagram is longer than its content."""
        return self._sealer.overhead

    @property
    def dead(self) -> bool:
        """Whether nothing will be opened any more."""
        return self._opener.dead

    def seal(self, content_type: int, content: bytes) -> bytes:
        """A datagram with one record."""
        return self._sealer.seal_datagram(content_type, content)

    def early(self, now: float) -> Taken:
        """Take what came before Finished."""
        early, self._early = self._early, ()
        return Taken(tuple(early))

    def open(self, data: bytes, now: float) -> Taken:
        """Take a datagram."""
        before = self._highest()
        opened = self._opener.open_datagram(data)
        if opened is not None:
            return Taken((opened,), newest=self._highest() > before)
        contents: list[tuple[int, bytes]] = []
        dropped: list[RecordDropped] = []
        unprotected = 0
        try:
            for record in split_datagram(data, len(self.own_cid)):
                if isinstance(record, SealedRecord):
                    self._open_into(contents, dropped, record)
                else:
                    unprotected += 1
        except RecordDropped as malformed:
            dropped.append(malformed)
        if dropped and not contents:
            raise dropped[0]
        return Taken(
            tuple(contents),
            newest=self._highest() > before,
            authentic=bool(contents),
            dropped=tuple(dropped),
            unprotected=unprotected,
        )

    def _open_into(
        self,
        contents: list[tuple[int, bytes]],
        dropped: list[RecordDropped],
        record: SealedRecord,
    ) -> None:
        try:
            if isinstance(self._opener, Opener):
                contents.append(self._opener.open_content(record))
            else:
                contents.append((record.content_type, self._opener.open(record)))
        except RecordDropped as why:
            dropped.append(why)

    def _highest(self) -> int:
        return self._opener.highest if isinstance(self._opener, Opener) else -1

    def on_timer(self, now: float) -> list[bytes]:
        """Nothing: this version has no timers after the handshake."""
        return []

    def probe(self) -> None:
        """Nothing: this version has no message that a peer has to answer."""

    def renew(self, now: float) -> list[bytes]:
        """Nothing: this version changes keys by a new handshake alone."""
        return []


class Layer13:
    """The epochs of DTLS 1.3 from 3 on, and the messages that go on after the handshake."""

    def __init__(
        self,
        established: Established13,
        *,
        mtu: int,
        timer: Timer,
        counters: Counter[str],
        now: float,
    ) -> None:
        self._early, self._early_tickets = established.early, established.tickets
        self._writer = established.sealer
        self._opener = established.opener
        self.own_cid = established.connected.own_cid or b""
        self.post = established.post or PostHandshake(
            established.connected,
            self._writer,
            self._opener,
            timer=timer,
            mtu=mtu,
            counters=counters,
            next_seq=established.peer_seq,
            unseen=established.unseen,
            now=now,
        )
        self.post.count_into(counters)
        self._counters = counters
        self._probing = self._probe_due = False
        self._probe_turn = 0
        self._provisional = established.provisional
        self._newest = max(RecordNumber(e, self._opener.highest(e)) for e in self._opener.epochs)
        self._confirmed = established.post is None or not established.connected.ongoing.client

    @property
    def confirmed(self) -> bool:
        """Whether a client's last flight has been acknowledged; a server needs nothing more."""
        self._confirmed = self._confirmed or self.post.outstanding == 0
        return self._confirmed and not self._provisional

    @property
    def retransmissions(self) -> int:
        """Datagrams of handshake messages sent again since the session began."""
        return self.post.retransmissions

    @property
    def overhead(self) -> int:
        """How many bytes a datagram is longer than its content, at most."""
        return self._writer.overhead

    @property
    def longest(self) -> int:
        """How many bytes of content the peer takes in one record."""
        return self._writer.max_plaintext

    @property
    def dead(self) -> bool:
        """Whether nothing will be opened any more."""
        return self._opener.dead

    @property
    def deadline(self) -> float | None:
        """When a message of ours is due again, an ACK is owed, or old keys go."""
        return self.post.deadline

    def seal(self, content_type: int, content: bytes) -> bytes:
        """A datagram with one record; a fatal alert in two where Finished may not have come."""
        newest, early = self._writer.seal_datagram(content_type, content), b""
        fatal = content_type == ContentType.alert and content[0] == AlertLevel.fatal
        if fatal and not self.confirmed:
            early = self._writer.seal_earlier(HANDSHAKE_EPOCH, content_type, content)
        return early + newest

    def early(self, now: float) -> Taken:
        """Take the records that came before completion, and the tickets that came with it."""
        tickets, self._early_tickets = self._early_tickets, ()
        early, self._early = self._early, ()
        taken = self._take(early, now)
        return replace(taken, tickets=(*tickets, *taken.tickets))

    def open(self, data: bytes, now: float) -> Taken:
        """Take a datagram."""
        return self._take(self._opener.open_all(data), now)

    def open_in_body(self, record: CiphertextRecord, now: float) -> Taken:
        """Take a record that came in a CoAP body, late; raises what :meth:`open` raises."""
        opened = self._opener.open_in_body(record)
        self.post.answered()
        return self._take((opened,), now)

    def unanswered(self, now: float) -> Taken:
        """Go on without the messages of an answer that never came."""
        heard = self.post.unanswered(now)
        return Taken((), heard.datagrams, heard.tickets, authentic=False)

    def _take(self, records: Iterable[Opened | RecordDropped | None], now: float) -> Taken:
        contents: list[Opened] = []
        dropped: list[RecordDropped] = []
        send: list[bytes] = []
        tickets: list[Ticket] = []
        newest, found, unprotected = False, False, 0
        for opened in records:
            if opened is None:
                unprotected += 1
                continue
            if isinstance(opened, RecordDropped):
                dropped.append(opened)
                continue
            found = True
            # Only a server that has verified our Finished seals in the epoch of the session.
            self._provisional &= opened.epoch <= HANDSHAKE_EPOCH
            if opened.number > self._newest:
                self._newest, newest = opened.number, True
            if opened.content_type in {ContentType.handshake, ContentType.ack}:
                heard = self.post.receive(opened, now)
                send += heard.datagrams
                tickets += heard.tickets
            else:
                contents.append(opened)
        if dropped and not found:
            raise dropped[0]
        if found and self.post.outstanding:
            send += self.post.revive(now)
        return Taken(
            tuple(application_contents(contents, self._counters)),
            tuple(send),
            tuple(tickets),
            newest=newest,
            authentic=found,
            dropped=tuple(dropped),
            unprotected=unprotected,
        )

    def on_timer(self, now: float) -> list[bytes]:
        """Send again what is not acknowledged, and acknowledge what came."""
        return self.post.on_timer(now)

    @property
    def probed(self) -> bool:
        """Whether the KeyUpdate of :meth:`probe` has been acknowledged; until :meth:`renew`."""
        acked = self._probing and not self.post.connected.update_pending
        return acked and self.post.acked_turn >= self._probe_turn

    def probe(self) -> None:
        """Have :meth:`renew` give a KeyUpdate: its ACK shows that the peer is where it was sent.

        One that is under way is sent once more; an ACK of what was sent before shows nothing.
        """
        self._probe_due, self._probing = True, False

    def renew(self, now: float) -> list[bytes]:
        """A KeyUpdate, as a probe or where keys have protected enough (RFC 9147 section 4.5.3)."""
        pending = self.post.connected.update_pending
        if self._probing and not pending:
            self._probe_due, self._probing = not self.probed, False
        turns = self.post.update_turns if pending else None
        if pending and not (self._probe_due and turns):
            return []
        if self._probe_due:
            self._probe_due, self._probing, self._probe_turn = False, True, turns or 0
        elif not (self._writer.wants_key_update or self._opener.wants_key_update):
            return []
        return self.post.update_keys(now, request=self._opener.wants_key_update)


def application_contents(
    records: Iterable[Opened], counters: Counter[str]
) -> Iterator[tuple[int, bytes]]:
    """Types and plaintexts of what is for the session.

    Application data under the keys of the handshake is dropped and counted: no peer sends any
    (RFC 9147 section 6.1).
    """
    for opened in records:
        if opened.content_type == ContentType.application_data and opened.epoch <= HANDSHAKE_EPOCH:
            counters["dropped: application data of the handshake's epoch"] += 1
        else:
            yield opened.content_type, opened.plaintext


def layer_of(
    established: Completed, options: Options, counters: Counter[str], now: float
) -> RecordLayer:
    """The record layer that a handshake has left; ConfigurationError if it left none."""
    if isinstance(established, Established13):
        timer = options.udp.timer.start(undrawn)
        return Layer13(established, mtu=options.mtu, timer=timer, counters=counters, now=now)
    if not is_one_epoch(established):
        raise ConfigurationError("a completed handshake without a record layer")
    agreed = established.connected
    return Layer12(established, agreed.peer_record_limit if isinstance(agreed, Connected) else None)


def is_one_epoch(established: Completed) -> TypeGuard[CompletedRecords]:
    """Whether a handshake left the record layer of DTLS 1.2."""
    return not isinstance(established, Established13)
