"""What every carrier is: datagrams and time in, datagrams, a deadline and events out.

Theory of operation.  A carrier is an engine without I/O: it has no socket, no clock and no task.
Whoever drives it (:mod:`.pump`, a test, a simulation) tells it the time with everything that
happens, sends what it gives, and calls :meth:`Carrier.on_timer` once its deadline has passed.  So
the same code runs on sockets and on virtual time, and nothing outside this room asks which carrier
it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from handshake_over_coap.carriers.carried import CarriedFlight
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.errors import Error
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.trace.report import TrialFigures


def _no_figures() -> TrialFigures:
    return TrialFigures(datagrams=0, bytes=0, duration_s=0.0, retransmissions=0)


@dataclass(frozen=True, slots=True)
class HandshakeCompleted:
    """A handshake is complete on this side.

    ``established`` is what it leaves (:class:`~.carried.Completed`); ``address`` is the peer's, and
    ``name`` the handshake's own at that address, which :meth:`ServerCarrier.release` wants back.
    ``flights`` are what it consisted of, where they were kept; ``figures`` what a server saw of it,
    from the first proven message on: a client counts for itself.
    """

    address: Address
    name: str
    established: Any
    flights: Sequence[CarriedFlight] = ()
    figures: TrialFigures = field(default_factory=_no_figures)


@dataclass(frozen=True, slots=True)
class HandshakeFailed:
    """A client's handshake has failed for ``error``; nothing more will come of it."""

    error: Error


@dataclass(frozen=True, slots=True)
class LateRecord:
    """The server's last answer came after the session had begun, with ``record`` sealed in it."""

    record: CiphertextRecord


@dataclass(frozen=True, slots=True)
class AnswerMissing:
    """The server's last answer was not had, for ``error``, though the session has begun."""

    error: Error


Event: TypeAlias = HandshakeCompleted | HandshakeFailed | LateRecord | AnswerMissing


@dataclass(slots=True)
class Output:
    """What a carrier wants done: events to tell of, and datagrams to send, both in order."""

    datagrams: list[tuple[bytes, Address]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def send(self, datagrams: Iterable[bytes], address: Address) -> None:
        """Add datagrams to one peer."""
        for each in datagrams:
            self.datagrams.append((each, address))


class Carrier(Protocol):
    """One side of handshakes, whatever carries them; times are seconds of any one clock."""

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` next has something to do; ``None`` for never."""

    @property
    def retransmissions(self) -> int:
        """Datagrams sent again because a timer ran out, so far."""

    def claims(self, data: bytes) -> bool:
        """Whether a datagram is the carrier's before it is any session's."""

    def receive(self, data: bytes, peer: Address, now: float) -> Output:
        """Take such a datagram.  Never raises for what is in it."""

    def unopened(self, data: bytes, peer: Address, now: float) -> Output | None:
        """Take a datagram of records that no session can open; ``None`` if it is of no use.

        On a server ``None`` may also mean that it is to be kept: see ``awaits``.
        """

    def opened(self, peer: Address, name: str, plaintext: bytes, now: float) -> Output | None:
        """A session has opened a handshake record: what to do, if it repeats the last flight.

        ``None`` if it does not.
        """

    def on_timer(self, now: float) -> Output:
        """Do what is due."""


class ClientCarrier(Carrier, Protocol):
    """A client's: one handshake with one server."""

    @property
    def body_bytes(self) -> Sequence[int]:
        """Bytes of each encoded flight so far; none where nothing is encoded."""

    @property
    def flights(self) -> Sequence[CarriedFlight]:
        """What is in the flights so far, where the carrier knows it."""

    def start(self, now: float) -> Output:
        """Begin the handshake."""

    def network_error(self, error: OSError, now: float) -> Output:
        """An ICMP error: a hint, believed only while nothing has been heard from the server."""


class ServerCarrier(Carrier, Protocol):
    """A server's: handshakes with any number of clients."""

    @property
    def unfinished(self) -> int:
        """Handshakes under way."""

    @property
    def known_peers(self) -> int:
        """Endpoints for which anything is kept."""

    def awaits(self, address: Address) -> bool:
        """Whether records from ``address`` that nobody can open yet are worth keeping."""

    def release(self, address: Address, name: str) -> None:
        """A session has ended: what was kept to repeat its flights can go."""
