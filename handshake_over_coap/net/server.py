"""The server: many clients on one UDP port."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeAlias, Unpack

from handshake_over_coap.carriers.base import Event, HandshakeCompleted, ServerCarrier
from handshake_over_coap.carriers.carried import CarriedConversation, Completed
from handshake_over_coap.carriers.coap import CoapServer
from handshake_over_coap.carriers.conversation import begin_server
from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint
from handshake_over_coap.carriers.pump import Pump
from handshake_over_coap.carriers.udp import UdpServer
from handshake_over_coap.errors import Closed, ConfigurationError, Error
from handshake_over_coap.timers import Draw, draws_from
from handshake_over_coap.tls.config import Clock, Rng, ServerConfig
from handshake_over_coap.tls.credentials import Credential, PskSource, Trust

from .associations import Associations
from .client import OWN_CARRIAGE
from .early import EarlyRecords
from .endpoint import HostPort, open_udp
from .figures import telling
from .options import Options, OptionValues, now_utc
from .session import Session
from .tapped import Protocol, TappedEndpoint, protocol_of
from .traces import TraceFiles

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[Session], Awaitable[None]]
"""What a server does with each session; the session is closed when it returns."""

Credentials: TypeAlias = Credential | Iterable[Credential]

AT_ONCE = 1e-6
"""Seconds that a request waits for its acknowledgement where one is sent before computing."""

SESSION_IDLE_TIMEOUT = 3600.0
"""Seconds after which a server forgets a client from which no valid record has come."""


class Server:
    """A running server.

    ``config`` is for conversations of ours; what begins another one may stand in its place, which
    CoAP carries (ConfigurationError over UDP).  ``slow`` is for experiments over CoAP: it tells by
    a body whether computing the answer takes long.  Such a request is acknowledged first, as a
    server has to that does one thing at a time, and answered separately (RFC 7252 section 5.2.2).
    ``counters`` counts what was refused, ignored or dropped, by reason; those of single sessions
    are theirs.
    """

    def __init__(
        self,
        endpoint: DatagramEndpoint,
        options: Options,
        config: ServerConfig | Callable[[], CarriedConversation[Completed]],
        handler: Handler,
        rng: Rng,
        slow: Callable[[bytes], bool] | None = None,
        draw: Draw | None = None,
    ) -> None:
        self._endpoint = TappedEndpoint(endpoint)
        self._options = options
        self._handler = handler
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self.counters: Counter[str] = Counter()
        self.tap = self._endpoint.tap
        self._files = TraceFiles(options, endpoint.local_address, self.tap, is_client=False)
        self._sessions = Associations(self.counters)
        self._early = EarlyRecords(self.counters)
        self._carrier = self._make_carrier(config, rng, draw or draws_from(rng), slow)
        self._pump = Pump(self._carrier, self._endpoint, self._on_event)
        self._endpoint.start(self)

    def _make_carrier(
        self,
        config: ServerConfig | Callable[[], CarriedConversation[Completed]],
        rng: Rng,
        draw: Draw,
        slow: Callable[[bytes], bool] | None,
    ) -> ServerCarrier:
        options = self._options
        if options.transport == "udp":
            if not isinstance(config, ServerConfig):
                raise ConfigurationError(OWN_CARRIAGE)
            return UdpServer(options.udp, config, rng, self.counters)
        parameters, think = options.coap, None
        if slow is not None:
            parameters = dataclasses.replace(parameters, empty_ack_delay=AT_ONCE)
            think = _after_acknowledging(slow)
        return CoapServer(
            parameters,
            (lambda: begin_server(config)) if isinstance(config, ServerConfig) else config,
            rng,
            draw,
            self.counters,
            think,
            keep_flights=self._files.wants_flights,
        )

    @property
    def address(self) -> HostPort:
        """Host and port where the server listens."""
        local = self._endpoint.local_address
        return local.zoned, local.port

    @property
    def kernel_drops(self) -> int | None:
        """Datagrams the system dropped for want of buffer space; None where it does not tell."""
        return self._endpoint.kernel_drops

    @property
    def sessions(self) -> tuple[Session, ...]:
        """All sessions that have not ended."""
        return tuple(self._sessions)

    @property
    def half_open(self) -> int:
        """Handshakes under way."""
        return self._carrier.unfinished

    @property
    def retransmissions(self) -> int:
        """Datagrams sent again because a timer ran out."""
        return self._carrier.retransmissions

    @property
    def peers(self) -> int:
        """Endpoints for which the carrier keeps anything."""
        return self._carrier.known_peers

    def on_datagram(self, data: bytes, address: Address) -> None:
        """Take a datagram from the endpoint."""
        if self._closing:
            self.counters["dropped: closing"] += 1
        elif self._carrier.claims(data):
            self._pump.receive(data, address)
        elif protocol_of(data) is Protocol.RECORDS:
            self._sessions.on_datagram(data, address, lambda: self._unopened(data, address))
        else:
            self.counters["dropped: garbage"] += 1

    def _unopened(self, data: bytes, address: Address) -> bool:
        """Whether anybody has use for records that no session can open."""
        output = self._carrier.unopened(data, address, self._pump.now)
        if output is not None:
            self._pump.take(output)
            return True
        return self._carrier.awaits(address) and self._early.keep(data, address)

    def on_error(self, error: OSError, address: Address | None) -> None:
        """A network error: counted, and no more; anybody can cause one."""
        self.counters["network errors"] += 1
        log.debug("network error for %s: %s", address, error)

    def _on_event(self, event: Event) -> None:
        """The carrier tells what has happened."""
        if isinstance(event, HandshakeCompleted) and not self._closing:
            self._on_completed(event)

    def _on_completed(self, done: HandshakeCompleted) -> None:
        address, name, established = done.address, done.name, done.established
        connected = established.connected
        idle = self._options.idle_timeout
        session = Session(
            self._endpoint,
            address,
            established,
            telling(connected, self._options, done.figures),
            options=self._options,
            idle_timeout=SESSION_IDLE_TIMEOUT if idle is None else idle,
            on_end=lambda ended: self._on_end(ended, address, name),
            on_handshake=lambda plaintext: self._repeated(address, name, plaintext),
        )
        self.counters["handshakes completed"] += 1
        self._files.established(address, connected)
        self._files.flights(address, done.flights)
        if not session.closed:  # a goodbye may have come early
            self._sessions.add(session)
        for data in self._early.take(address):
            self._sessions.on_datagram(data, address)
        task = asyncio.get_running_loop().create_task(self._run(session))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _repeated(self, address: Address, name: str, plaintext: bytes) -> bool:
        """Whether a handshake record repeats the client's last flight: it is answered again."""
        output = self._carrier.opened(address, name, plaintext, self._pump.now)
        if output is not None:
            self._pump.take(output)
        return output is not None

    def _on_end(self, session: Session, address: Address, name: str) -> None:
        """A session has ended whose handshake was made from ``address``."""
        self._sessions.remove(session)
        self._carrier.release(address, name)

    async def _run(self, session: Session) -> None:
        """Run the handler on one session; whatever it raises ends that session alone."""
        try:
            await self._handler(session)
        except Closed:
            pass
        except Error as error:
            log.warning("the handler of %s failed: %s", session.address, error)
        except Exception:
            self.counters["handler errors"] += 1
            log.exception("the handler of %s failed", session.address)
        finally:
            await session.close()

    @property
    def files_failure(self) -> Error | None:
        """Why a key log or capture is not whole, once closed; None where they are."""
        return self._files.failure

    async def close(self) -> None:
        """Close every session and the port."""
        if self._closing:
            return
        self._closing = True  # from here on no handshake completes
        try:
            for session in self._sessions:
                await session.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._pump.close()
            self._early.close()
        finally:
            self._files.close()
            self._endpoint.close()


def _after_acknowledging(slow: Callable[[bytes], bool]) -> Callable[[bytes], float]:
    """How long a carrier waits before it computes: until the acknowledgement is out."""
    return lambda body: 2 * AT_ONCE if slow(body) else 0.0


@asynccontextmanager
async def serve(
    address: HostPort,
    credentials: Credentials = (),
    *,
    handler: Handler,
    psk: PskSource | None = None,
    trust: Trust | None = None,
    receive_buffer: int | None = None,
    rng: Rng = os.urandom,
    clock: Clock = now_utc,
    **options: Unpack[OptionValues],
) -> AsyncIterator[Server]:
    """Serve handshakes and their sessions on one UDP port, until the block is left.

    ``address`` is host and port (port 0: any free one; host ``::`` takes IPv4 too).
    ``credentials`` are pre-shared keys, raw public keys and certificates, one or several; ``psk``
    is a mapping or a callable from identity to key instead.  ``trust`` and ``mutual=True`` ask for
    and check clients' keys.  ``handler`` is called with each session.  ``receive_buffer`` asks the
    kernel for that many bytes.  Further keywords are those of :class:`Options`.

    Raises ConfigurationError for what cannot work, CarrierError for an address that cannot be had,
    and at the end an Error where a key log or capture that was asked for could not be written.
    """
    chosen = Options(**options)
    given = credentials if isinstance(credentials, Iterable) else (credentials,)
    config = chosen.server_config(given, psk, trust, rng, clock)
    endpoint = await open_udp(address, receive_buffer=receive_buffer)
    try:
        server = Server(endpoint, chosen, config, handler, rng)
    except BaseException:
        endpoint.close()
        raise
    try:
        yield server
    finally:
        await server.close()
    if server.files_failure is not None:
        raise server.files_failure
