"""The attack over UDP: each endpoint answers HelloVerifyRequest or HelloRetryRequest."""

from __future__ import annotations

from collections import Counter
from random import Random

from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.carriers.udp import UdpClient, UdpParameters, UdpServer
from handshake_over_coap.lab.cast import cast
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.tls.negotiation import start_client

from .world import SERVER, Client


class OverUdp:
    """A server over UDP with raw public keys, and who talks to it."""

    def __init__(self, version: str, seed: int, limits: Limits | None = None) -> None:
        self._scenario = Scenario(auth="rpk", dtls=version, transport="udp")
        self._cast = cast(self._scenario, seed)
        self._random = Random(seed)
        self._parameters = UdpParameters(limits=limits or Limits())
        config = self._cast.server_config(self._scenario, self._random.randbytes)
        self.server = UdpServer(self._parameters, config, self._random.randbytes, Counter())

    def client(self) -> UdpClient:
        """A client's carrier: an honest one, or one that an attacker starts and leaves."""
        config = self._cast.client_config(self._scenario, SERVER.host, self._random.randbytes)
        return UdpClient(SERVER, self._parameters, lambda: start_client(config), Counter())

    def takes(self, client: Client, data: bytes) -> bool:
        """All that comes."""
        return True

    def attacker(self) -> Flight:
        """One endpoint of the attack."""
        return Flight(self)

    @property
    def evicted(self) -> int:
        """Half-open handshakes that have made room."""
        return self.server.counters["half-open handshakes that made room"]

    @property
    def refused(self) -> int:
        """Flights 1 that were told that there is no room."""
        return self.server.counters["refused: too many handshakes"]


class Flight:
    """Flights 1 of one endpoint, each by a client that is left once it has shown its cookie."""

    def __init__(self, carriage: OverUdp) -> None:
        self._carriage = carriage
        self._client: UdpClient | None = None

    def first(self) -> bytes:
        """A new hello without a cookie."""
        self._client = self._carriage.client()
        ((data, _),) = self._client.start(0.0).datagrams
        return data

    def proven(self, answer: bytes) -> bytes | None:
        """The same hello with the cookie; whatever comes later is of no interest."""
        client, self._client = self._client, None
        if client is None:
            return None
        datagrams = client.receive(answer, SERVER, 0.0).datagrams
        return datagrams[0][0] if datagrams else None
