"""Words and JSON for peers, handshakes and application data."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, field

from handshake_over_coap.cli.lines import as_line
from handshake_over_coap.encodings import encoding_named
from handshake_over_coap.errors import Error
from handshake_over_coap.net.session import Session
from handshake_over_coap.tls.credentials import kind_of_peer
from handshake_over_coap.tls.dtls13 import Connected13
from handshake_over_coap.tls.handshake import PeerIdentity
from handshake_over_coap.trace.report import HandshakeReport, Summary, TrialFigures


def peer_text(peer: PeerIdentity) -> str:
    """Who the peer proved to be, in a few words."""
    kind = kind_of_peer(peer)
    if kind is None:
        return "anybody (no key was asked for)"
    what, name = kind.told(peer)
    return what if name is None else f'{what} "{as_line(name)}"'


def session_text(session: Session) -> str:
    """Suite and peer of a session in one line."""
    connected = session.connected
    resumed = isinstance(connected, Connected13) and connected.resumed
    how = ", resumed" if resumed else ""
    return f"{connected.suite.name}, {peer_text(session.peer)}{how}"


def figures_text(report: HandshakeReport) -> str:
    """What one handshake took, in one line."""
    retransmissions = int(report.retransmissions.mean or 0)
    return (
        f"{int(report.datagrams.mean or 0)} datagrams, {int(report.bytes.mean or 0)} bytes, "
        f"{report.duration_s.mean or 0:.4f} s, "
        f"{retransmissions} retransmission{'' if retransmissions == 1 else 's'}"
    )


def failed_report(arguments: Namespace, transport: str | None = None) -> HandshakeReport:
    """The report of one handshake that did not complete; ``transport`` if not as asked for."""
    transport = transport or str(arguments.transport)
    return HandshakeReport.from_trials(
        [TrialFigures(datagrams=0, bytes=0, duration_s=0.0, completed=False)],
        transport=transport,
        dtls=arguments.dtls,
        auth=arguments.auth,
        encoding=encoding_named(arguments.encoding).name if transport == "coap" else None,
    )


def error_json(error: Error) -> dict[str, str]:
    """An error as an object: its class and its text."""
    return {"type": type(error).__name__, "message": str(error)}


@dataclass(slots=True)
class Application:
    """Application data of one session: datagrams and bytes of payload, round trips in seconds."""

    sent: int = 0
    received: int = 0
    bytes: int = 0
    round_trips: list[float] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        """``sent`` and ``received`` count datagrams, ``bytes`` is their payload both ways.

        ``round_trip_s`` is there where it was measured, to the microsecond.
        """
        counts = {"sent": self.sent, "received": self.received, "bytes": self.bytes}
        if not self.round_trips:
            return {**counts}
        times = Summary.of(self.round_trips).to_dict().items()
        return {**counts, "round_trip_s": {name: _to_microseconds(it) for name, it in times}}


def _to_microseconds(figure: float | list[float] | None) -> float | list[float] | None:
    """A time in seconds, or the two ends of an interval, without digits that no clock has."""
    if isinstance(figure, list):
        return [round(end, 6) for end in figure]
    return None if figure is None else round(figure, 6)
