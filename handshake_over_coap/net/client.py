"""The client: one handshake, one session."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from handshake_over_coap.carriers.base import (
    AnswerMissing,
    ClientCarrier,
    Event,
    HandshakeCompleted,
    HandshakeFailed,
    LateRecord,
)
from handshake_over_coap.carriers.carried import Agreement, Completed, floor_bytes
from handshake_over_coap.carriers.coap import Begin, CoapClient
from handshake_over_coap.carriers.conversation import open_client
from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint
from handshake_over_coap.carriers.pump import Pump
from handshake_over_coap.carriers.udp import UdpClient
from handshake_over_coap.carriers.udp.client import SILENCE
from handshake_over_coap.errors import Closed, ConfigurationError, Error, HandshakeTimeout
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.timers import Draw, draws_from
from handshake_over_coap.tls.config import ClientConfig, Rng
from handshake_over_coap.tls.negotiation import start_client
from handshake_over_coap.trace.report import HandshakeReport, TrialFigures
from handshake_over_coap.trace.tap import Counts

from .figures import telling
from .options import Options
from .session import Session
from .tapped import Protocol, TappedEndpoint, protocol_of
from .traces import TraceFiles, key_log_of

OWN_CARRIAGE = "over UDP a DTLS stack of your own carries its handshake itself: use transport coap"

EARLY_RECORDS = 16
"""Datagrams of records kept while the server's Finished has not been verified."""


class Client:
    """One endpoint with one server: carries the handshake, then the records of its session.

    ``heard`` is whether anything has come from the server; ``noticed`` is set once that, or an
    error of the network, has.  ``rng`` gives random bytes to the carrier, ``draw`` numbers in
    [0, 1) to its timers (made of ``rng`` if left out).
    """

    def __init__(
        self,
        endpoint: DatagramEndpoint,
        server: Address,
        options: Options,
        rng: Rng,
        draw: Draw | None = None,
    ) -> None:
        self._endpoint = TappedEndpoint(endpoint)
        self._server = server
        self._options = options
        self._rng, self._draw = rng, draw or draws_from(rng)
        self._loop = asyncio.get_running_loop()
        self._early: list[bytes] = []
        self._session: Session | None = None
        self._agreement: Agreement | None = None
        self._carrier: ClientCarrier | None = None
        self._pump: Pump | None = None
        self._done: asyncio.Future[HandshakeCompleted] = self._loop.create_future()
        self._missing: Error | None = None
        self._heard_at = -math.inf
        self._retransmissions = 0
        self.heard = False
        self.noticed = asyncio.Event()
        self.counters: Counter[str] = Counter()
        self.tap = self._endpoint.tap
        self._files = TraceFiles(options, endpoint.local_address, self.tap, is_client=True)
        self._endpoint.start(self)

    @property
    def retransmissions(self) -> int:
        """Datagrams sent again because a timer ran out."""
        carrier = 0 if self._carrier is None else self._carrier.retransmissions
        return (
            self._retransmissions
            + carrier
            + (0 if self._session is None else self._session.retransmissions)
        )

    @property
    def body_bytes(self) -> tuple[int, ...]:
        """Bytes of each encoded flight so far; none where no carrier encodes."""
        return () if self._carrier is None else tuple(self._carrier.body_bytes)

    @property
    def floor_bytes(self) -> tuple[int, ...]:
        """Bytes of each flight so far that no lossless encoding can save, where that is known."""
        return () if self._carrier is None else floor_bytes(self._carrier.flights)

    @property
    def key_log(self) -> Sequence[str]:
        """The secrets of the session as lines of a key log; none before there is one."""
        return key_log_of(self._agreement)

    async def handshake(self, config: ClientConfig | Begin[Completed]) -> Session:
        """Make the handshake; raises AlertError, HandshakeTimeout or CarrierError.

        Instead of a ``config`` for a conversation of ours, ``begin`` of another one may be given,
        which CoAP carries: ConfigurationError over UDP.
        """
        counts, began = Counts(), self._loop.time()
        self.tap.add(counts)
        try:
            session = await self._attempt(config, counts, began)
            while not (self._options.early or await self._confirmed(session, began)):
                self._leave(session)
                session = await self._attempt(config, counts, began)
        finally:
            self.tap.remove(counts)
        figures = self._figures(counts, began)
        if self._agreement is not None:
            session.tell_report = self._telling(self._agreement, figures)
        return session

    async def _attempt(
        self, config: ClientConfig | Begin[Completed], counts: Counts, began: float
    ) -> Session:
        """One handshake, and the session that it leaves."""
        done = await self._carry(config, began)
        self._agreement = connected = done.established.connected
        self._files.established(self._server, connected)
        self._files.flights(self._server, done.flights)
        self._session = session = Session(
            self._endpoint,
            self._server,
            done.established,
            self._telling(connected, self._figures(counts, began)),
            options=self._options,
            idle_timeout=self._options.idle_timeout,
            on_handshake=self._repeated,
        )
        if self._missing is not None:
            session.unconfirmed(self._missing)
        for data in self._early:
            session.on_datagram(data)
        self._early.clear()
        return session

    def _leave(self, session: Session) -> None:
        """The last flight went to a server that knows nothing of it: it is begun again."""
        self.counters["handshakes begun again"] += 1
        self._retransmissions = self.retransmissions
        session.end(Closed("the server is silent: the handshake is begun again"))
        self._session, self._done = None, self._loop.create_future()

    async def _carry(
        self, config: ClientConfig | Begin[Completed], began: float
    ) -> HandshakeCompleted:
        """Have the carrier make the handshake, in what is left of its time."""
        if self._pump is not None:
            self._pump.close()
        left = began + self._options.time_limit - self._loop.time()
        self._carrier = carrier = self._make_carrier(config, left)
        self._pump = pump = Pump(carrier, self._endpoint, self._on_event)
        pump.take(carrier.start(pump.now))
        return await self._done

    def _make_carrier(self, config: ClientConfig | Begin[Completed], left: float) -> ClientCarrier:
        options, server = self._options, self._server
        if options.transport == "udp":
            if not isinstance(config, ClientConfig):
                raise ConfigurationError(OWN_CARRIAGE)
            parameters = replace(options.udp, timeout=left)
            return UdpClient(
                server, parameters, lambda: start_client(config), self.counters, self._draw
            )
        return CoapClient(
            server,
            options.coap,
            partial(open_client, config) if isinstance(config, ClientConfig) else config,
            self._rng,
            self._draw,
            self.counters,
            early=options.early,
        )

    def _on_event(self, event: Event) -> None:
        """The carrier tells what has happened."""
        match event:
            case HandshakeCompleted() if not self._done.done():
                self._done.set_result(event)
            case HandshakeFailed() if not self._done.done():
                self._done.set_exception(event.error)
            case LateRecord():
                self._late_record(event.record)
            case AnswerMissing() if self._session is not None:
                self._session.unconfirmed(event.error)
            case AnswerMissing():
                self._missing = event.error

    def _late_record(self, record: CiphertextRecord) -> None:
        """The server's last answer has come after the session had begun."""
        self._files.late(self._server, record.to_bytes())
        if self._session is not None:
            self._session.open_late(record)

    async def _confirmed(self, session: Session, began: float) -> bool:
        """Wait until the server is known to have completed; raises HandshakeTimeout.

        False where one over UDP has been silent for so long that it knows nothing of the handshake.
        """
        since, limit = self._loop.time(), self._options.time_limit
        silence = SILENCE * limit if self._options.transport == "udp" else math.inf
        while True:
            heard = max(self._heard_at, since)
            try:
                async with asyncio.timeout_at(min(heard + silence, began + limit)):
                    await session.confirmed()
            except TimeoutError as error:
                if isinstance(error, HandshakeTimeout):
                    raise
            else:
                return True
            # Nothing is compared with the time that it is: sums of times are not exact.
            if heard + silence >= began + limit:
                raise HandshakeTimeout(
                    f"{self._server} did not acknowledge the last flight in {limit:g} s"
                )
            if heard >= self._heard_at:
                return False

    async def _last_words(self, session: Session) -> None:
        """Before an early session ends: what was sent in it is worth nothing without Finished."""
        with contextlib.suppress(Error, TimeoutError):
            async with asyncio.timeout(self._options.time_limit):
                await session.confirmed()

    def _figures(self, counts: Counts, began: float) -> TrialFigures:
        """What the handshake has cost up to now."""
        return TrialFigures(
            completed=True,
            datagrams=counts.datagrams,
            bytes=counts.total_bytes,
            duration_s=self._loop.time() - began,
            retransmissions=self.retransmissions,
            body_bytes=self.body_bytes,
        )

    def _telling(
        self, connected: Agreement, figures: TrialFigures
    ) -> Callable[[], HandshakeReport]:
        return telling(connected, self._options, figures, lambda: self.floor_bytes)

    def on_datagram(self, data: bytes, address: Address) -> None:
        """Take a datagram from the endpoint; only the server's count."""
        protocol = protocol_of(data)
        if address == self._server:
            self._heard_at = self._loop.time()
        carrier, pump = self._carrier, self._pump
        if address != self._server or protocol is Protocol.GARBAGE:
            self.counters["dropped: garbage"] += 1
            return
        self.heard = True
        self.noticed.set()
        if carrier is not None and pump is not None and carrier.claims(data):
            pump.receive(data, address)
        elif protocol is Protocol.COAP:
            self.counters["dropped: CoAP message out of place"] += 1
        elif self._session is not None:
            self._session.on_datagram(data)
        elif not self._done.done() and self._taken_by_carrier(data, address):
            return
        elif len(self._early) < EARLY_RECORDS:
            self._early.append(data)
        else:
            self.counters["dropped: early record"] += 1

    def _taken_by_carrier(self, data: bytes, address: Address) -> bool:
        """Whether the carrier has use for records that no session is there for."""
        if self._carrier is None or self._pump is None:
            return False
        output = self._carrier.unopened(data, address, self._pump.now)
        if output is not None:
            self._pump.take(output)
        return output is not None

    def _repeated(self, plaintext: bytes) -> bool:
        """Whether a handshake record repeats the server's last flight: no renegotiation, then."""
        if self._carrier is None or self._pump is None:
            return False
        output = self._carrier.opened(self._server, "", plaintext, self._pump.now)
        if output is not None:
            self._pump.take(output)
        return output is not None

    def on_error(self, error: OSError, address: Address | None) -> None:
        """A network error: a hint for the handshake, nothing for a session."""
        self.counters["network errors"] += 1
        self.noticed.set()
        if self._session is None and self._carrier is not None and self._pump is not None:
            self._pump.take(self._carrier.network_error(error, self._pump.now))

    @property
    def files_failure(self) -> Error | None:
        """Why a key log or capture is not whole, once closed; None where they are."""
        return self._files.failure

    async def close(self) -> None:
        """Close the session and the endpoint."""
        try:
            if self._session is not None:
                if self._options.early:
                    await self._last_words(self._session)
                await self._session.close()
        finally:
            if self._pump is not None:
                self._pump.close()
            if self._done.done() and not self._done.cancelled():
                self._done.exception()  # retrieved, whoever waited for it may be gone
            self._files.close()
            self._endpoint.close()
