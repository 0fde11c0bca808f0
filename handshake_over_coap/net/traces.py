"""The files that a handshake may leave: key log, capture, and capture as classic DTLS."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path

from handshake_over_coap.carriers.carried import Agreement, CarriedFlight
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.errors import Error
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.messages import HELLO_RETRY_RANDOM
from handshake_over_coap.tls.negotiation import Completed
from handshake_over_coap.trace.ahead import SecretsFirst, SecretsInPlace, secrets_ahead
from handshake_over_coap.trace.capture import Capture
from handshake_over_coap.trace.classic import ClassicTrace, classic_port
from handshake_over_coap.trace.keylog import KeyLog, key_log_lines
from handshake_over_coap.trace.tap import DatagramSeen, Direction, Tap

from .options import Options
from .tapped import Protocol, protocol_of

log = logging.getLogger(__name__)


class TraceFiles:
    """Key log and captures of one endpoint, as far as ``options`` ask for them.

    ``is_client`` says whose flights are sent here.  Every file is opened at once, so that one that
    cannot be written is known before anything is sent.
    """

    def __init__(self, options: Options, local: Address, tap: Tap, *, is_client: bool) -> None:
        self._files = ExitStack()
        self._keylog: KeyLog | None = None
        self._captures: list[Capture] = []
        self._ahead: list[SecretsInPlace | SecretsFirst] = []
        self._appended: list[Capture] = []
        self._classic: ClassicTrace | None = None
        self._is_client = is_client
        self._missed: Error | None = None
        with ExitStack() as opening:
            opening.push(self._files)
            if options.keylog is not None:
                self._keylog = self._files.enter_context(KeyLog(Path(options.keylog)))
            if options.pcap is not None:
                self._observe(tap, self._open(options.pcap, local), options)
            if options.pcap_dtls is not None and options.transport == "udp":
                self._observe(tap, self._open(options.pcap_dtls, local), options)
            elif options.pcap_dtls is not None:
                at = Address(local.host, classic_port(local.port))
                capture = self._open(options.pcap_dtls, at)
                self._classic = ClassicTrace(capture, _is_records)
                tap.add(self._classic)
                self._appended.append(capture)
                self._files.callback(tap.remove, self._classic)
            opening.pop_all()

    def _observe(self, tap: Tap, capture: Capture, options: Options) -> None:
        """Have ``capture`` see what is on the wire."""
        observer: SecretsInPlace | SecretsFirst | Capture = capture
        if options.transport == "udp":
            observer = secrets_ahead(capture, _is_server_hello, options.time_limit)
            self._ahead.append(observer)
            self._files.callback(observer.close)
        else:  # what CoAP carries no analyser decrypts, and its records come after the secrets
            self._appended.append(capture)
        tap.add(observer)
        self._files.callback(tap.remove, observer)

    def _open(self, path: str | PathLike[str], local: Address) -> Capture:
        capture = self._files.enter_context(
            Capture(
                Path(path),
                local_host=local.host,
                local_port=local.port,
                time_zero_ns=_time_zero_ns(asyncio.get_running_loop()),
            )
        )
        self._captures.append(capture)
        return capture

    @property
    def wants_flights(self) -> bool:
        """Whether :meth:`flights` has any use for them."""
        return self._classic is not None

    def established(self, peer: Address, connected: Agreement) -> None:
        """Write the secrets of a session with ``peer``, if they are ours to tell.

        They go to the key log and into captures, where what was seen of the handshake follows.
        """
        if self._keylog is None and not self._captures:
            return
        lines = key_log_of(connected)
        if self._keylog is not None:
            try:
                for line in lines:
                    self._keylog.write(line)
            except Error as error:  # a full disk is no reason to lose the session
                log.info("the key log misses a session: %s", error)
                self._missed = error
        for ahead in self._ahead:
            ahead.secrets(peer.host, peer.port, lines)
        for capture in self._appended:
            capture.secrets("\n".join(lines))

    def flights(self, peer: Address, flights: Sequence[CarriedFlight] = ()) -> None:
        """A handshake with ``peer`` is complete; these are its flights where CoAP carried them."""
        if self._classic is None:
            return
        directed = [
            (
                each.time,
                Direction.SENT if each.from_client is self._is_client else Direction.RECEIVED,
                each.items,
            )
            for each in flights
        ]
        self._classic.established(peer.host, peer.port, directed)

    def late(self, peer: Address, record: bytes) -> None:
        """CoAP has carried a sealed record of ``peer`` after the flights were written."""
        if self._classic is not None:
            now = asyncio.get_running_loop().time()
            seen = DatagramSeen(now, Direction.RECEIVED, peer.host, peer.port, record)
            self._classic.observe(seen)

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    @property
    def failure(self) -> Error | None:
        """Why a file is not whole, once they are closed; None where all are."""
        failures = (each.failure for each in self._captures)
        return self._missed or next((each for each in failures if each is not None), None)


def key_log_of(agreement: Agreement | None) -> Sequence[str]:
    """The lines of a key log; none before there is an agreement, or if its secrets are not ours."""
    return key_log_lines(agreement) if isinstance(agreement, Completed) else ()


def _time_zero_ns(loop: asyncio.AbstractEventLoop) -> int:
    """The time of day when the clock of ``loop`` was 0; a loop on virtual time has its own."""
    virtual: int | None = getattr(loop, "time_zero_ns", None)
    return time.time_ns() - int(loop.time() * 1e9) if virtual is None else virtual


def _is_records(data: bytes) -> bool:
    return protocol_of(data) is Protocol.RECORDS


def _is_server_hello(data: bytes) -> bool:
    """Whether a datagram begins with a ServerHello in the clear that makes keys.

    Headers of record and fragment are 13 and 12 bytes, and the random stands behind a version.
    """
    types = (ContentType.handshake, HandshakeType.server_hello)
    if len(data) <= 13 or (data[0], data[13]) != types or any(data[3:5]):
        return False
    return data[27 : 27 + len(HELLO_RETRY_RANDOM)] != HELLO_RETRY_RANDOM
