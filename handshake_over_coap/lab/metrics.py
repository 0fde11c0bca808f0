"""What a trial measures: one definition for each metric, and the columns they become.

A trial is one handshake between one client and one server that know nothing of each other before.
It begins when the client does (its ``connect`` is called; a slow device makes its keys for DTLS 1.3
before the first datagram) and ends at *completion*: the instant at which the second of the two
sides has completed the handshake, that is, gives a session to its application (the client's
``connect`` returns, the server's handler is called).  A trial in which that does not happen ends
when the client gives up, or, if the client alone has completed, when the scenario's ``timeout`` is
over.  What is sent at the very instant of the end still belongs to the trial (the acknowledgement
of the last message, say); what would be sent later (answers to late duplicates, the closing of the
sessions) does not.

With ``early`` the client's ``connect`` returns as soon as its last flight is on its way, and
``client_s`` ends there, before the server confirms it; that last flight is not in ``body_bytes``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from handshake_over_coap.trace.report import TrialFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One handshake in figures."""

    trial: int
    """Its number among those of its seed, from 0."""
    completed: bool
    """Whether both sides completed.

    Everything below is recorded for trials that did not complete, too, as it stood when they ended,
    but no average is taken over them.
    """
    failure: str | None
    """Why not, else None.

    ``timeout`` (the scenario's limit on the whole handshake), ``retransmissions`` (the client gave
    up repeating a message or flight), ``alert NAME`` (a side refused), ``response CODE`` (a CoAP
    error response), ``carrier`` (CoAP failed otherwise), or ``server incomplete`` (the client alone
    completed).
    """
    datagrams: int
    """UDP datagrams that either side *sent*, lost and duplicated ones counted once.

    Address check, acknowledgements and retransmissions are included.  A datagram still under way at
    the end was sent, and counts.
    """
    bytes: int
    """Their UDP payloads."""
    client_datagrams: int
    """Those of them that the client sent."""
    client_bytes: int
    """Those of the client's datagrams."""
    frames: int | None
    """IEEE 802.15.4 data frames put on the air by any node; None on a link without frames.

    The routers in between are included, and each repetition is counted.
    """
    frame_bytes: int | None
    """Their bytes, MAC header and frame check sequence included, the preamble not."""
    frame_acks: int | None
    """Link-layer acknowledgements put on the air by any node; None on a link without frames."""
    retransmissions: int
    """Datagrams that the carrier of either side sent again.

    Because a timer of its own ran out or, in DTLS over UDP, because the peer's repetition says that
    a flight was lost (RFC 6347 section 4.2.4).  A server's answer that CoAP repeats to a repeated
    request is not counted, nor are acknowledgements of DTLS 1.3, however often they are sent, and
    link-layer retries.
    """
    client_retransmissions: int
    """Those of them that the client sent.

    It is what the report of a session on a real network calls ``retransmissions``.
    """
    duration_s: float
    """From the beginning to the end of the trial, in virtual seconds."""
    client_s: float | None
    """The same to the completion of the client; None if it did not complete."""
    server_s: float | None
    """The same of the server."""
    body_bytes: tuple[int, ...]
    """Bytes of each flight of the handshake as a CoAP body, in order; empty over UDP."""
    floor_bytes: tuple[int, ...]
    """What no lossless encoding can save of each, counted from the handshake itself."""
    client_energy_j: float | None
    """Joules that the client's radio took for its frames; None on a link without frames.

    As :mod:`~.sim.radio.energy` counts it.
    """
    server_energy_j: float | None
    """The same of the server's."""
    client_buffer: int
    """The most bytes of datagrams that waited at one time for the client's processor.

    0 on a device that takes no time to compute.
    """
    server_buffer: int
    """The same of the server's."""
    client_overflow: int
    """Datagrams that came in while the client computed and its buffer was full.

    They were lost; 0 on a device without limits.
    """
    server_overflow: int
    """The same of the server."""
    client_busy_s: float
    """Virtual seconds that the client took to compute, until the end of the trial.

    What the handshake asked of it: asymmetric primitives and the hashes of key derivation.  0 on a
    device that takes no time.
    """
    server_busy_s: float
    """The same of the server."""
    cpu_s: float
    """Seconds of this machine's processor for the trial, both sides and the network together.

    It is the one metric that differs from run to run, so it is left out unless asked for.
    """

    @property
    def figures(self) -> TrialFigures:
        """The part of it that every report has."""
        return TrialFigures(
            datagrams=self.datagrams,
            bytes=self.bytes,
            duration_s=self.duration_s,
            retransmissions=self.retransmissions,
            body_bytes=self.body_bytes,
            floor_bytes=self.floor_bytes,
            completed=self.completed,
        )

    def row(self, *, cpu: bool) -> tuple[Any, ...]:
        """The values of :func:`columns`, in their order."""
        return tuple(getattr(self, name) for name in columns(cpu=cpu))


_NAMES: Final = tuple(each.name for each in fields(Trial))
_WITHOUT_CPU: Final = tuple(name for name in _NAMES if name != "cpu_s")


def columns(*, cpu: bool) -> tuple[str, ...]:
    """The names of the metrics, ``cpu_s`` only if it is asked for."""
    return _NAMES if cpu else _WITHOUT_CPU
