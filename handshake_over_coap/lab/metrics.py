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

``completed``
    Whether both sides completed.  Everything below is recorded for trials that did not complete,
    too, as it stood when they ended, but no average is taken over them.
``failure``
    Why not, else null: ``timeout`` (the scenario's limit on the whole handshake),
    ``retransmissions`` (the client gave up repeating a message or flight), ``alert NAME`` (a side
    refused), ``response CODE`` (a CoAP error response), ``carrier`` (CoAP failed otherwise), or
    ``server incomplete`` (the client alone completed).
``datagrams``, ``bytes``
    UDP datagrams that either side *sent*, lost and duplicated ones counted once, and their UDP
    payloads; address check, acknowledgements and retransmissions are included.  A datagram still
    under way at the end was sent, and counts.
``client_datagrams``, ``client_bytes``
    Those of them that the client sent.
``frames``, ``frame_bytes``
    IEEE 802.15.4 data frames put on the air by any node, the routers in between included and each
    repetition counted, and their bytes (MAC header and frame check sequence included, preamble
    not); null on a link without frames.
``frame_acks``
    Link-layer acknowledgements put on the air by any node; null on a link without frames.
``retransmissions``
    Datagrams that the carrier of either side sent again: because a timer of its own ran out or, in
    DTLS over UDP, because the peer's repetition says that a flight was lost (RFC 6347 section
    4.2.4).  A server's answer that CoAP repeats to a repeated request is not counted, nor are
    acknowledgements of DTLS 1.3, however often they are sent, and link-layer retries.
``client_retransmissions``
    Those of them that the client sent: what the report of a session on a real network calls
    ``retransmissions``.
``duration_s``
    From the beginning to the end of the trial, in virtual seconds.
``client_s``, ``server_s``
    The same to the completion of one side; null if it did not complete.
``body_bytes``
    Encoded size of each flight of the handshake as a CoAP body, in bytes, in the order of the
    flights; empty over UDP.
``floor_bytes``
    What no lossless encoding can save of each of them, counted from the handshake itself.
``client_energy_j``, ``server_energy_j``
    What the radio of each side took for its frames in joules, as :mod:`~.sim.radio.energy` counts
    it; null on a link without frames.
``client_buffer``, ``server_buffer``
    The most bytes of datagrams that waited at one time for the device's processor, which was
    computing; 0 on a device that takes no time.
``client_overflow``, ``server_overflow``
    Datagrams that came in while the device was computing and its buffer was full, and were lost;
    0 on a device without limits.
``client_busy_s``, ``server_busy_s``
    Virtual seconds that the device of each side took to compute what the handshake asked of it
    until the end of the trial: asymmetric primitives and the hashes of key derivation.  0 on a
    device that takes no time.
``cpu_s``
    Seconds of this machine's processor that the trial took, both sides and the network together.
    It is the one metric that differs from run to run, so it is left out unless asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from handshake_over_coap.trace.report import TrialFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One handshake in figures; the module's text defines each of them."""

    trial: int
    completed: bool
    failure: str | None
    datagrams: int
    bytes: int
    client_datagrams: int
    client_bytes: int
    frames: int | None
    frame_bytes: int | None
    frame_acks: int | None
    retransmissions: int
    client_retransmissions: int
    duration_s: float
    client_s: float | None
    server_s: float | None
    body_bytes: tuple[int, ...]
    floor_bytes: tuple[int, ...]
    client_energy_j: float | None
    server_energy_j: float | None
    client_buffer: int
    server_buffer: int
    client_overflow: int
    server_overflow: int
    client_busy_s: float
    server_busy_s: float
    cpu_s: float

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
