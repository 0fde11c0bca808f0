"""Which engine a handshake runs on, where both versions are spoken."""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

from handshake_over_coap.timers import Draw, undrawn
from handshake_over_coap.tls.codepoints import ProtocolVersion
from handshake_over_coap.tls.extensions import SupportedVersions
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.handshake import Step
from handshake_over_coap.tls.messages import ClientHello

from .engine import Engine
from .engine13 import Engine13
from .parameters import UdpParameters

AnyEngine: TypeAlias = Engine | Engine13
"""One side of a handshake of either version."""


def client_engine(
    step: Step,
    parameters: UdpParameters,
    counters: Counter[str],
    draw: Draw = undrawn,
    *,
    first_record: int = 0,
) -> AnyEngine:
    """The engine for a client's first step, by the versions that its hello offers.

    ``first_record`` is the number of its first record in the clear.
    """
    for message in step.flight:
        if isinstance(message, HandshakeMessage):
            offered = ClientHello.decode(message.body).extensions.find(SupportedVersions)
            if offered is not None and ProtocolVersion.DTLS_1_3 in offered.versions:
                return Engine13(
                    step.state, parameters, counters, first_record=first_record, draw=draw
                )
    return Engine(step.state, parameters, counters, first_record=first_record, draw=draw)


def successor(engine: AnyEngine) -> AnyEngine:
    """The engine that goes on with a handshake: another once the server has chosen 1.2."""
    if isinstance(engine, Engine13) and engine.legacy is not None:
        return engine.legacy
    return engine
