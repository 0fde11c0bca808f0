"""The attack over CoAP: each endpoint answers the challenge by Echo."""

from __future__ import annotations

from random import Random

from handshake_over_coap.carriers.coap import CoapClient, CoapParameters, CoapServer
from handshake_over_coap.carriers.conversation import begin_server, open_client
from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.coap.codes import Code, MessageType
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Option, OptionValue
from handshake_over_coap.encodings import encoding_named
from handshake_over_coap.lab.cast import cast
from handshake_over_coap.lab.scenario import Scenario

from .world import SERVER, Client


class OverCoap:
    """A server over CoAP with raw public keys, and who talks to it."""

    def __init__(self, version: str, seed: int, limits: Limits | None = None) -> None:
        self._scenario = Scenario(auth="rpk", dtls=version)
        self._cast = cast(self._scenario, seed)
        self._random = Random(seed)
        self.parameters = CoapParameters(limits=limits or Limits())
        config = self._cast.server_config(self._scenario, self._random.randbytes)
        self.server = CoapServer(
            self.parameters,
            lambda: begin_server(config),
            self._random.randbytes,
            self._random.random,
        )
        self._hello = b""

    def client(self) -> CoapClient:
        """An honest client's carrier."""
        config = self._cast.client_config(self._scenario, SERVER.host, self._random.randbytes)
        return CoapClient(
            SERVER,
            self.parameters,
            lambda encoding: open_client(config, encoding),
            self._random.randbytes,
            self._random.random,
        )

    def takes(self, client: Client, data: bytes) -> bool:
        """Messages of CoAP."""
        return isinstance(client, CoapClient) and client.claims(data)

    def attacker(self) -> Flight:
        """One endpoint of the attack."""
        return Flight(self, Random(self._random.random()))

    def hello(self, random: Random) -> bytes:
        """A flight 1 that nobody has sent before: only its random is new."""
        if not self._hello:
            config = self._cast.client_config(self._scenario, SERVER.host, self._random.randbytes)
            self._hello = open_client(config, encoding_named("plain")).body
        # Type, length and version of a ClientHello stand before its random.
        return self._hello[:5] + random.randbytes(32) + self._hello[37:]

    @property
    def evicted(self) -> int:
        """Half-open handshakes that have made room."""
        return self.server.peers.evictions

    @property
    def refused(self) -> int:
        """Flights 1 that were told that there is no room."""
        return self.server.counters["refused: too many handshakes"]


class Flight:
    """Flights 1 of one endpoint: its Echo value is good for several."""

    def __init__(self, carriage: OverCoap, random: Random) -> None:
        self._carriage, self._random = carriage, random
        self._echo: bytes | None = None
        self._body = b""
        self._message_id = random.getrandbits(16)

    def first(self) -> bytes:
        """A new body."""
        self._body = self._carriage.hello(self._random)
        return self._post()

    def proven(self, answer: bytes) -> bytes | None:
        """The same body with the Echo value of a challenge."""
        message = Message.decode(answer)
        if message.code != Code.UNAUTHORIZED:
            return None
        self._echo = message.get(Option.ECHO)
        return self._post()

    def _post(self) -> bytes:
        path = self._carriage.parameters.path_segments
        options: list[OptionValue] = [(int(Option.URI_PATH), each.encode()) for each in path]
        if self._echo is not None:
            options.append((int(Option.ECHO), self._echo))
        self._message_id = (self._message_id + 1) & 0xFFFF
        content = Content(Code.POST, tuple(options), self._body)
        return content.encode(MessageType.CON, self._message_id, b"atta")
