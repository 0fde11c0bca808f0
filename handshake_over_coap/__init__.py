"""The DTLS handshake over CoAP, and DTLS records over UDP after it.

::

    import handshake_over_coap as hoc

    async def echo(session):
        while True:
            await session.send(await session.receive())

    async with hoc.serve(("::", 5683), hoc.PSK("me", key), handler=echo):
        async with hoc.connect(("::1", 5683), hoc.PSK("me", key)) as session:
            await session.send(b"hello")
            print(await session.receive(), session.report.to_json())

And on virtual time, over a network that misbehaves as it is told::

    print(hoc.simulate(hoc.Scenario(loss=0.2, block_size=64), trials=100).to_json())

Everything that this library raises on purpose is an :class:`Error`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from handshake_over_coap._version import __version__
from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.encodings import Encoding
from handshake_over_coap.errors import (
    CarrierError,
    Closed,
    ConfigurationError,
    DatagramTooLarge,
    Error,
    HandshakeTimeout,
)
from handshake_over_coap.net.connecting import connect
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.server import Server, serve
from handshake_over_coap.net.session import Session
from handshake_over_coap.timers import Draw, Timer, TimerPolicy
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.credentials import PSK, Certificate, RawPublicKey, Trust
from handshake_over_coap.tls.dtls13 import Connected13
from handshake_over_coap.tls.handshake import Connected, PeerIdentity
from handshake_over_coap.tls.tickets import Ticket
from handshake_over_coap.trace.report import HandshakeReport, Summary
from handshake_over_coap.transfers import Transfer

if TYPE_CHECKING:
    from handshake_over_coap.lab.grid import grid
    from handshake_over_coap.lab.metrics import Trial
    from handshake_over_coap.lab.report import SimulationReport
    from handshake_over_coap.lab.scenario import Scenario
    from handshake_over_coap.lab.simulate import simulate
    from handshake_over_coap.lab.sweep import sweep
    from handshake_over_coap.lab.table import table
    from handshake_over_coap.lab.watch import Watched, WatchedDatagram, watch
    from handshake_over_coap.sim.loss_trace import LossTrace, TraceRow

__all__ = [
    "PSK",
    "AlertError",
    "CarrierError",
    "Certificate",
    "Closed",
    "ConfigurationError",
    "Connected",
    "Connected13",
    "DatagramTooLarge",
    "Draw",
    "Encoding",
    "Error",
    "HandshakeReport",
    "HandshakeTimeout",
    "Limits",
    "LossTrace",
    "Options",
    "PeerIdentity",
    "RawPublicKey",
    "Scenario",
    "Server",
    "Session",
    "SimulationReport",
    "Summary",
    "Ticket",
    "Timer",
    "TimerPolicy",
    "TraceRow",
    "Transfer",
    "Trial",
    "Trust",
    "Watched",
    "WatchedDatagram",
    "__version__",
    "connect",
    "grid",
    "serve",
    "simulate",
    "sweep",
    "table",
    "watch",
]

_LABORATORY = {
    "LossTrace": "sim.loss_trace",
    "Scenario": "lab.scenario",
    "SimulationReport": "lab.report",
    "TraceRow": "sim.loss_trace",
    "Trial": "lab.metrics",
    "Watched": "lab.watch",
    "WatchedDatagram": "lab.watch",
    "grid": "lab.grid",
    "simulate": "lab.simulate",
    "sweep": "lab.sweep",
    "table": "lab.table",
    "watch": "lab.watch",
}
"""Names that are looked up when they are used: a real handshake loads no simulation."""


if not TYPE_CHECKING:  # a type checker would take any name for known

    def __getattr__(name: str) -> Any:
        """The names of the laboratory, by their modules."""
        if name not in _LABORATORY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = getattr(import_module(f"{__name__}.{_LABORATORY[name]}"), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LABORATORY})
