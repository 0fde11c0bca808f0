"""The scenario that runs it, and both sides of a session over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from handshake_over_coap.carriers.base import ClientCarrier, ServerCarrier
from handshake_over_coap.carriers.carried import CarriedConversation, Completed
from handshake_over_coap.carriers.coap import Begin
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.scenario import Scenario, Sides
from handshake_over_coap.net.client import Client
from handshake_over_coap.net.server import Server
from handshake_over_coap.timers import Draw
from handshake_over_coap.tls.config import ClientConfig, Rng, ServerConfig

from .client import CompactClient
from .server import CompactServer


class _Client(Client):
    """A client whose carrier this is."""

    def _make_carrier(self, config: ClientConfig | Begin[Completed], left: float) -> ClientCarrier:
        if not isinstance(config, ClientConfig):
            raise ConfigurationError("compact bodies over UDP are made by our own conversation")
        parameters = replace(self._options.udp, timeout=left)
        return CompactClient(self._server, parameters, config, self.counters, self._draw)


class _Server(Server):
    """A server whose carrier this is."""

    def _make_carrier(
        self,
        config: ServerConfig | Callable[[], CarriedConversation[Completed]],
        rng: Rng,
        draw: Draw,
        slow: Callable[[bytes], bool] | None,
    ) -> ServerCarrier:
        if not isinstance(config, ServerConfig):
            raise ConfigurationError("compact bodies over UDP are made by our own conversation")
        return CompactServer(self._options.udp, config, rng, draw, self.counters)


class CompactOverUdp(Scenario):
    """A handshake of DTLS 1.3 whose bodies are compact and cross UDP in fragments.

    Its options are those of a handshake over UDP.
    """

    __slots__ = ()
    sides: ClassVar[Sides] = Sides(_Client, _Server)
