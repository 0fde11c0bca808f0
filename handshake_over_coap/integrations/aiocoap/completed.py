"""What a handshake through aiocoap leaves: keys, and records on a port of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.established import AnyEstablished
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.net.endpoint import HostPort, open_udp
from handshake_over_coap.net.figures import report_of
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.session import Session
from handshake_over_coap.net.traces import key_log_of
from handshake_over_coap.records.errors import RecordDropped
from handshake_over_coap.tls.dtls13 import Connected13
from handshake_over_coap.tls.handshake import Connected, PeerIdentity
from handshake_over_coap.trace.report import HandshakeReport, TrialFigures


class CompletedHandshake:
    """A handshake that both sides have completed.

    ``address`` is where the peer's CoAP messages came from, ``established`` the ends of the record
    layer, ``report`` what the handshake took (datagrams are aiocoap's and not counted).  ``local``
    is the host and port of :meth:`records`, once it has begun.
    """

    def __init__(
        self,
        address: Address,
        established: AnyEstablished,
        options: Options,
        figures: TrialFigures,
    ) -> None:
        self.address = address
        self.established = established
        self.report: HandshakeReport = report_of(established.connected, options, figures)
        self._options = options
        self._taken = False
        self.local: HostPort | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {self.address}, {self.report.auth}>"

    @property
    def connected(self) -> Connected | Connected13:
        """What was agreed on."""
        return self.established.connected

    @property
    def peer(self) -> PeerIdentity:
        """Who the peer proved to be."""
        return self.connected.peer

    def export(self, label: str, length: int, context: bytes | None = None) -> bytes:
        """``length`` bytes of keying material (RFC 5705), the same on both sides.

        For an OSCORE context, for instance, under which the same aiocoap goes on.
        """
        return self.connected.export(label, length, context)

    @property
    def key_log(self) -> Sequence[str]:
        """The secrets as lines of a key log (NSS format)."""
        return key_log_of(self.connected)

    @asynccontextmanager
    async def records(
        self, local: HostPort | None = None, *, peer: HostPort | None = None
    ) -> AsyncIterator[Session]:
        """The session's records on a UDP port of their own, closed when the block is left.

        aiocoap's socket takes no records, so each side needs another port, and has to learn that of
        the other by other means.  ``local`` is what to bind (port 0: any free one); ``peer`` where
        the peer's records are taken.  Who leaves ``peer`` out waits for the first record that
        opens, and answers to where that came from.  Once in the life of a handshake, as its record
        numbers go on; raises ConfigurationError a second time, CarrierError for an address that
        cannot be had.
        """
        if local is None and peer is None:
            raise ConfigurationError("say where to bind, or where the peer's records are taken")
        if self._taken:
            raise ConfigurationError("the records of this handshake are in use, or have been")
        endpoint = await open_udp(local, connect_to=peer)
        self._taken, here = True, endpoint.local_address
        self.local = here.host, here.port
        session = Session(
            endpoint,
            endpoint.peer or self.address,
            self.established,
            lambda: self.report,
            options=self._options,
            idle_timeout=self._options.idle_timeout,
        )
        try:
            endpoint.start(_Records(session))
            yield session
        finally:
            await session.close()
            endpoint.close()


class _Records:
    """Hands what comes in at a port to the one session that it is for.

    The port stands for the session as a connection ID does, so a record that opens is the peer's
    wherever it came from, and the newest one tells where the peer is.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def on_datagram(self, data: bytes, address: Address) -> None:
        """Take a datagram."""
        try:
            self._session.open(data, address)
        except RecordDropped as dropped:
            self._session.drop(dropped)

    def on_error(self, error: OSError, address: Address | None) -> None:
        """Nothing: anybody can cause one."""
