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

Everything that this library raises on purpose is an :class:`Error`.
"""

from __future__ import annotations

from handshake_over_coap._version import __version__
from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.errors import (
    CarrierError,
    Closed,
    ConfigurationError,
    DatagramTooLarge,
    Error,
    HandshakeTimeout,
)
from handshake_over_coap.net.client import connect
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.server import Server, serve
from handshake_over_coap.net.session import Session
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.credentials import PSK, Certificate, RawPublicKey
from handshake_over_coap.tls.handshake import PeerIdentity
from handshake_over_coap.tls.trust import Trust
from handshake_over_coap.trace.report import HandshakeReport

__all__ = [
    "PSK",
    "AlertError",
    "CarrierError",
    "Certificate",
    "Closed",
    "ConfigurationError",
    "DatagramTooLarge",
    "Error",
    "HandshakeReport",
    "HandshakeTimeout",
    "Limits",
    "Options",
    "PeerIdentity",
    "RawPublicKey",
    "Server",
    "Session",
    "Trust",
    "__version__",
    "connect",
    "serve",
]
