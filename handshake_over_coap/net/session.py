"""A session: protected datagrams both ways after a completed handshake.

A session neither knows nor cares which carrier made it.  Application data is datagrams: whole,
unordered, possibly lost, never twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable

from handshake_over_coap.carriers.carried import Completed
from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint
from handshake_over_coap.errors import Closed, ConfigurationError, DatagramTooLarge
from handshake_over_coap.records.dtls12 import SealedRecord, split_datagram
from handshake_over_coap.records.errors import NumbersExhausted, RecordDropped
from handshake_over_coap.tls.alerts import Alert, AlertError, alert_error
from handshake_over_coap.tls.codepoints import AlertDescription, AlertLevel, ContentType
from handshake_over_coap.tls.handshake import Connected, PeerIdentity
from handshake_over_coap.trace.report import HandshakeReport

log = logging.getLogger(__name__)

RECEIVE_QUEUE = 1024
"""Datagrams kept for an application that does not fetch them; more are dropped and counted."""

_CLOSE_NOTIFY = Alert(AlertLevel.warning, AlertDescription.close_notify)
_NO_RENEGOTIATION = Alert(AlertLevel.warning, AlertDescription.no_renegotiation)


class Session:
    """An established session with one peer.

    ``report`` tells what the handshake took, ``connected`` what it agreed on; ``counters`` counts
    records that were dropped, by reason.  ``on_handshake`` gets the plaintext of sealed handshake
    records and says whether they belong to the handshake that made the session.
    """

    def __init__(
        self,
        endpoint: DatagramEndpoint,
        address: Address,
        established: Completed,
        report: HandshakeReport,
        *,
        mtu: int,
        idle_timeout: float | None = None,
        on_end: Callable[[Session], None] = lambda _: None,
        on_handshake: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        self._endpoint = endpoint
        self._sealer = established.sealer
        self._opener = established.opener
        self._loop = asyncio.get_running_loop()
        self._queue: deque[bytes] = deque()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._end: Closed | None = None
        self._on_end = on_end
        self._on_handshake = on_handshake
        self._renegotiation_refused = False
        self._idle_timeout = idle_timeout
        self._heard = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._watch()
        self.address = address
        self._agreement = established.connected
        self.report = report
        self.counters: Counter[str] = Counter()
        self.limit = mtu - self._sealer.overhead
        for content_type, plaintext in established.early:
            self._deliver(content_type, plaintext)

    @property
    def connected(self) -> Connected:
        """What the handshake agreed on.

        Raises ConfigurationError where a DTLS stack of others made it: that keeps its secrets.
        """
        if not isinstance(self._agreement, Connected):
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
            record = self._sealer.seal_datagram(ContentType.application_data, data)
        except NumbersExhausted as error:
            self.end(Closed(f"{error}: make a new handshake"))
            raise Closed(f"{error}: make a new handshake") from error
        self._endpoint.send(record, self.address)

    async def receive(self) -> bytes:
        """The next datagram; raises Closed once the session has ended and all are fetched.

        May be called by several tasks; each datagram goes to one.
        """
        while not self._queue:
            if self._end is not None:
                raise Closed(str(self._end)) from self._end.__cause__
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
                elif self._queue:
                    self._wake()
                raise
        return self._queue.popleft()

    async def close(self) -> None:
        """Say close_notify and end the session.  Closing again does nothing."""
        if self._end is None:
            self._send_alert(_CLOSE_NOTIFY)
            self.end(Closed("the session was closed here"))

    def on_datagram(self, data: bytes) -> None:
        """Take a datagram of records from the peer's address; drops and counts what is wrong."""
        try:
            self.open(data)
        except RecordDropped as dropped:
            self.drop(dropped)

    def open(self, data: bytes) -> None:
        """Open a datagram of records; raises RecordDropped for the first that is not ours."""
        opened = self._opener.open_datagram(data)
        if opened is not None:
            self._deliver(*opened)
            return
        genuine = False
        try:
            for record in split_datagram(data):
                if not isinstance(record, SealedRecord):
                    self.counters["dropped: unprotected"] += 1
                    continue
                self._deliver(record.content_type, self._opener.open(record))
                genuine = True
        except RecordDropped as dropped:
            if not genuine:
                raise
            self.drop(dropped)

    def drop(self, dropped: RecordDropped) -> None:
        """Count a record that was not taken."""
        self.counters[f"dropped: {dropped.reason}"] += 1
        if self._opener.dead:
            self.end(Closed("too many forged records for this key: make a new handshake"))

    def _deliver(self, content_type: int, plaintext: bytes) -> None:
        if self._end is not None:
            self.counters["dropped: closed"] += 1
            return
        self._heard = self._loop.time()
        if content_type == ContentType.application_data:
            if len(self._queue) >= RECEIVE_QUEUE:
                self.counters["dropped: receive queue full"] += 1
                return
            self._queue.append(plaintext)
            self._wake()
        elif content_type == ContentType.alert:
            self._on_alert(plaintext)
        elif not self._on_handshake(plaintext):
            self._refuse_renegotiation()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _on_alert(self, plaintext: bytes) -> None:
        try:
            alert = Alert.decode(plaintext)
        except AlertError:
            self.counters["dropped: malformed alert"] += 1
            return
        if alert.description == AlertDescription.close_notify:
            self._send_alert(_CLOSE_NOTIFY)
            self.end(Closed("the peer closed the session"))
        elif alert.level == AlertLevel.fatal:
            error = alert_error(
                alert.description, received=True, level=alert.level, authenticated=True
            )
            closed = Closed(f"the peer ended the session: {error}")
            closed.__cause__ = error
            self.end(closed)
        else:
            self.counters["warning alerts"] += 1

    def _refuse_renegotiation(self) -> None:
        """A handshake message under the session's keys: refused once, counted always."""
        self.counters["dropped: handshake record"] += 1
        if not self._renegotiation_refused:
            self._renegotiation_refused = True
            self._send_alert(_NO_RENEGOTIATION)

    def _send_alert(self, alert: Alert) -> None:
        try:
            record = self._sealer.seal_datagram(ContentType.alert, alert.encode())
        except NumbersExhausted:
            return
        self._endpoint.send(record, self.address)

    def end(self, reason: Closed) -> None:
        """End the session without a word to the peer; whoever waits gets ``reason``."""
        if self._end is not None:
            return
        self._end = reason
        if self._timer is not None:
            self._timer.cancel()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()
        self._on_end(self)

    def _watch(self) -> None:
        """End the session when no valid record has come for ``idle_timeout`` seconds."""
        if self._idle_timeout is None:
            return
        silent = self._loop.time() - self._heard
        if silent >= self._idle_timeout:
            self.end(Closed(f"nothing from the peer for {self._idle_timeout:g} s"))
        else:
            self._timer = self._loop.call_later(self._idle_timeout - silent, self._watch)
