"""A session: protected datagrams both ways after a completed handshake.

A session neither knows nor cares which carrier made it.  Application data is datagrams: whole,
unordered, possibly lost, never twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property, partial

from handshake_over_coap.carriers.carried import Completed
from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint
from handshake_over_coap.errors import (
    Closed,
    ConfigurationError,
    DatagramTooLarge,
    Error,
    HandshakeTimeout,
)
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.records.errors import NumbersExhausted, RecordDropped
from handshake_over_coap.tls.alerts import Alert, AlertError, sealed_alert
from handshake_over_coap.tls.codepoints import AlertDescription, AlertLevel, ContentType
from handshake_over_coap.tls.dtls13 import Connected13
from handshake_over_coap.tls.handshake import Connected, PeerIdentity, alert_for_late
from handshake_over_coap.tls.tickets import Ticket
from handshake_over_coap.trace.report import HandshakeReport

from .inbox import Inbox
from .layers import Layer13, Taken, layer_of
from .options import Options
from .outgoing import OutgoingDatagrams

log = logging.getLogger(__name__)

MOST_TICKETS = 8
"""Tickets that a session keeps: the newest."""

_CLOSE_NOTIFY = Alert(AlertLevel.warning, AlertDescription.close_notify)
_SAME_INSTANT = 1e-6
"""Seconds by which a timer may come early: rounded times must not set it again and again."""


class Session:
    """An established session with one peer.

    ``report`` tells what the handshake took, ``connected`` what it agreed on; ``tickets`` are what
    the server gave to resume it with (DTLS 1.3); ``counters`` counts records that were dropped, by
    reason.  ``on_handshake`` says of the plaintext of sealed handshake records whether they belong
    to the handshake that made the session.
    """

    report = cached_property[HandshakeReport](lambda self: self.tell_report())

    def __init__(
        self,
        endpoint: DatagramEndpoint,
        address: Address,
        established: Completed,
        tell_report: Callable[[], HandshakeReport],
        *,
        options: Options,
        idle_timeout: float | None = None,
        on_end: Callable[[Session], None] = lambda _: None,
        on_handshake: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        self._endpoint = endpoint
        self.counters: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox()
        self._end: Closed | None = None
        self._on_end = on_end
        self._on_handshake = on_handshake
        self._renegotiation_refused = False
        self._idle_timeout = idle_timeout
        self._heard = self._loop.time()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._layer_timer: asyncio.TimerHandle | None = None
        self._agreement = established.connected
        self._mtu = options.mtu
        self.tell_report = tell_report
        self.tickets: list[Ticket] = []
        self._layer = layer_of(established, options, self.counters, self._loop.time())
        tested = isinstance(self._layer, Layer13)
        self._out = OutgoingDatagrams(endpoint, address, self.counters, tested=tested)
        self._confirmed: asyncio.Future[None] = self._loop.create_future()
        self._watch()
        self._set_timer()
        self._take(self._layer.early)

    @property
    def limit(self) -> int:
        """The most bytes that one datagram of the application may have."""
        return max(0, min(self._mtu - self._layer.overhead, self._layer.longest))

    @property
    def address(self) -> Address:
        """Where the peer is: with a connection ID, where its newest record came from."""
        return self._out.address

    @property
    def retransmissions(self) -> int:
        """Datagrams of handshake messages that the session itself sent again (DTLS 1.3)."""
        return self._layer.retransmissions

    @property
    def updating(self) -> bool:
        """Whether a change of own keys still waits for its acknowledgement (DTLS 1.3)."""
        return isinstance(self._layer, Layer13) and self._layer.post.connected.update_pending

    @property
    def own_cid(self) -> bytes:
        """The connection ID in what the peer sends; empty for none."""
        return self._layer.own_cid

    @property
    def connected(self) -> Connected | Connected13:
        """What the handshake agreed on.

        Raises ConfigurationError where a DTLS stack of others made it: that keeps its secrets.
        """
        if not isinstance(self._agreement, Connected | Connected13):
            raise ConfigurationError("ask the DTLS stack behind this session what it agreed on")
        return self._agreement

    @property
    def peer(self) -> PeerIdentity:
        """Who the peer proved to be."""
        return self._agreement.peer

    @property
    def closed(self) -> bool:
        """Whether the session has ended; what has arrived can still be received."""
        return self._end is not None

    @property
    def kernel_drops(self) -> int | None:
        """Datagrams the system dropped at our end, for all sessions of this port; None: unknown."""
        return self._endpoint.kernel_drops

    def export(self, label: str, length: int, context: bytes | None = None) -> bytes:
        """``length`` bytes of keying material for the application (RFC 5705)."""
        return self._agreement.export(label, length, context)

    async def send(self, data: bytes) -> None:
        """Send one datagram of at most ``limit`` bytes.

        Raises DatagramTooLarge, or Closed after the end.
        """
        if self._end is not None:
            raise Closed(str(self._end))
        if len(data) > self.limit:
            raise DatagramTooLarge(len(data), self.limit)
        try:
            record = self._layer.seal(ContentType.application_data, data)
        except NumbersExhausted as error:
            raise Closed(str(self._fail(error))) from error
        self._out.send_data(record)
        self._renew()

    async def receive(self) -> bytes:
        """The next datagram, for one of those who wait; Closed after the end and all of them."""
        return await self._inbox.get()

    async def close(self) -> None:
        """Say close_notify and end the session.  Closing again does nothing."""
        if self._end is None:
            self._send_alert(_CLOSE_NOTIFY)
            self.end(Closed("the session was closed here"))

    async def confirmed(self) -> None:
        """Wait until the peer is known to have completed the handshake too.

        In DTLS 1.3 over UDP a client is complete when it has sent its last flight, but only the
        server's ACK tells that this has arrived.  Raises the error that ended the session before.
        """
        await asyncio.shield(self._confirmed)

    def unconfirmed(self, error: Error) -> None:
        """The server's answer to the last flight was not had: the end, if nothing else came."""
        if self._end is not None or not isinstance(self._layer, Layer13):
            return
        if self._layer.confirmed:
            self._take(self._layer.unanswered)
            return
        if isinstance(error, AlertError) and not error.received:
            self._send_alert(error.alert)  # it may be complete
        self._end_by(error, f"the peer never completed the handshake: {error}")

    async def update_keys(self, *, request: bool = False) -> None:
        """Change the keys that this side writes with, and ``request`` the same of the peer.

        Raises ConfigurationError where the handshake was of DTLS 1.2, which has no such thing.
        """
        if not isinstance(self._layer, Layer13):
            raise ConfigurationError("DTLS 1.2 changes its keys by a new handshake")
        if self._end is not None:
            raise Closed(str(self._end))
        try:
            self._send_all(self._layer.post.update_keys(self._loop.time(), request=request))
        except NumbersExhausted as error:
            raise Closed(str(self._fail(error))) from error

    def on_datagram(self, data: bytes) -> None:
        """Take a datagram of records from the peer's address; drops and counts what is wrong."""
        try:
            self.open(data)
        except RecordDropped as dropped:
            self.drop(dropped)

    def open(self, data: bytes, source: Address | None = None) -> bool:
        """Open a datagram of records; raises RecordDropped where nothing in it is ours.

        ``source`` is where it came from, if perhaps not from the peer's address so far.  The peer
        has moved there if a record is newer than all before it (RFC 9146 section 6); True then.
        """
        if self._end is not None:
            self.counters["dropped: closed"] += 1
            return False
        return self._take(partial(self._layer.open, data), source, len(data))

    def open_late(self, record: CiphertextRecord) -> None:
        """Take a record of the server's last flight over CoAP, which another has overtaken."""
        if self._end is not None or not isinstance(self._layer, Layer13):
            return
        try:
            self._take(partial(self._layer.open_in_body, record))
        except RecordDropped as dropped:
            self.drop(dropped)

    def _take(
        self, take: Callable[[float], Taken], source: Address | None = None, size: int = 0
    ) -> bool:
        """Do what follows from records that ``take`` takes; True if the peer moved to ``source``.

        Raises RecordDropped where nothing was the peer's.
        """
        try:
            taken = take(self._loop.time())
        except (AlertError, NumbersExhausted) as error:
            self._fail(error)
            return False
        moved = source is not None and taken.newest
        if source is not None and moved and source != self.address:
            self._out.move(source)
            self._layer.probe()
        if taken.authentic and source in {None, self.address}:
            self._out.heard(size)
        if self._layer.probed:
            self._out.prove()
        self._send_all(taken.send)
        self.tickets = (self.tickets + list(taken.tickets))[-MOST_TICKETS:]
        if taken.unprotected:
            self.counters["dropped: unprotected"] += taken.unprotected
        if taken.authentic:
            self._heard = self._loop.time()
        for content_type, plaintext in taken.contents:
            self._deliver(content_type, plaintext)
        for dropped in taken.dropped:
            self.drop(dropped)
        self._renew()
        return moved

    def drop(self, dropped: RecordDropped) -> None:
        """Count a record that was not taken."""
        self.counters[f"dropped: {dropped.reason}"] += 1
        self.end_if_dead()
        self._renew()

    def end_if_dead(self) -> None:
        """End the session if so many records were forged that its keys open nothing more."""
        if self._layer.dead:
            self.end(Closed("too many forged records for this key: make a new handshake"))

    def _renew(self) -> None:
        """Begin to change the keys, if they have protected enough."""
        if self._end is not None:
            return
        try:
            self._send_all(self._layer.renew(self._loop.time()))
        except NumbersExhausted as error:
            self._fail(error)

    def _fail(self, error: AlertError | NumbersExhausted) -> Closed:
        """A message of the peer after the handshake was wrong, or the keys are used up: end."""
        if isinstance(error, AlertError):
            self._send_alert(error.alert)
            return self._end_by(error, f"the session was ended: {error}")
        return self._end_by(error, f"{error}: make a new handshake")

    def _send_all(self, datagrams: Iterable[bytes]) -> None:
        for datagram in datagrams:
            self._out.send(datagram)
        self._set_timer()

    def _set_timer(self) -> None:
        """Have the record layer called when it has something to do."""
        if self._layer.confirmed and not self._confirmed.done():
            self._confirmed.set_result(None)
        deadline = None if self._end is not None else self._layer.deadline
        timer = self._layer_timer
        if timer is not None:
            if deadline is not None and timer.when() == deadline:
                return
            timer.cancel()
        self._layer_timer = None
        if deadline is not None:
            self._layer_timer = self._loop.call_at(deadline, self._on_layer_timer)

    def _on_layer_timer(self) -> None:
        self._layer_timer = None
        try:
            self._send_all(self._layer.on_timer(self._loop.time()))
        except HandshakeTimeout as error:
            self._end_by(error, f"the peer never completed the handshake: {error}")
        except NumbersExhausted as error:
            self._fail(error)

    def _deliver(self, content_type: int, plaintext: bytes) -> None:
        if self._end is not None:
            self.counters["dropped: closed"] += 1
            return
        if content_type == ContentType.application_data:
            if not self._inbox.put(plaintext):
                self.counters["dropped: receive queue full"] += 1
        elif content_type == ContentType.alert:
            self._on_alert(plaintext)
        elif not self._on_handshake(plaintext):
            self._refuse_message(plaintext)

    def _on_alert(self, plaintext: bytes) -> None:
        try:
            alert = sealed_alert(plaintext, single=isinstance(self._layer, Layer13))
        except AlertError as error:
            self._fail(error)
            return
        if alert.description == AlertDescription.close_notify:
            self._send_alert(_CLOSE_NOTIFY)
            self.end(Closed("the peer closed the session"))
        elif alert.level == AlertLevel.fatal or self._always_fatal(alert):
            self._end_by(alert, f"the peer ended the session: {alert}")
        else:
            self.counters["warning alerts"] += 1

    def _always_fatal(self, alert: AlertError) -> bool:
        """In 1.3 the level means nothing, and all errors are fatal (RFC 8446 section 6)."""
        of_1_3 = isinstance(self._layer, Layer13)
        return of_1_3 and alert.description != AlertDescription.user_canceled

    def _refuse_message(self, plaintext: bytes) -> None:
        """A handshake message under the keys of 1.2: one that would renegotiate is refused once."""
        self.counters["dropped: handshake record"] += 1
        error = alert_for_late(plaintext)
        if error.level == AlertLevel.fatal:
            self._fail(error)
        elif not self._renegotiation_refused:
            self._renegotiation_refused = True
            self._send_alert(error.alert)

    def _send_alert(self, alert: Alert) -> None:
        try:
            record = self._layer.seal(ContentType.alert, alert.encode())
        except NumbersExhausted:
            return
        self._out.send(record)

    def _end_by(self, cause: Error, reason: str) -> Closed:
        """End the session on account of ``cause``."""
        closed = Closed(reason)
        closed.__cause__ = cause
        self.end(closed)
        return closed

    def end(self, reason: Closed) -> None:
        """End the session without a word to the peer; whoever waits gets ``reason``."""
        if self._end is not None:
            return
        self._end = reason
        for timer in (self._idle_timer, self._layer_timer):
            if timer is not None:
                timer.cancel()
        self._inbox.end(reason)
        if not self._confirmed.done():
            self._confirmed.set_exception(reason.__cause__ or reason)
            self._confirmed.exception()  # nobody need wait for it
        self._on_end(self)

    def _watch(self) -> None:
        """End the session when no valid record has come for ``idle_timeout`` seconds."""
        if self._idle_timeout is None:
            return
        left = self._heard + self._idle_timeout - self._loop.time()
        if left <= _SAME_INSTANT:
            self.end(Closed(f"nothing from the peer for {self._idle_timeout:g} s"))
        else:
            self._idle_timer = self._loop.call_later(left, self._watch)
