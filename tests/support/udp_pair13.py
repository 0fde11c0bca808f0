"""A client and a server of the classic carrier, DTLS 1.3, on injected time and a commanded wire.

Each side is what its carrier and its session are together: hellos are greeted, records opened,
messages after the handshake handed to PostHandshake, timers run when they are due.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from handshake_over_coap.carriers.address_check import AddressProof
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.established import AnyEstablished, Established13
from handshake_over_coap.carriers.post_handshake import PostHandshake
from handshake_over_coap.carriers.udp.engine13 import Engine13
from handshake_over_coap.carriers.udp.greeting import Begin, Greeting, StatelessAnswer
from handshake_over_coap.carriers.udp.incoming13 import divide
from handshake_over_coap.carriers.udp.parameters import UdpParameters
from handshake_over_coap.carriers.udp.prelude import Hello
from handshake_over_coap.carriers.udp.versions import AnyEngine, client_engine, successor
from handshake_over_coap.records.dtls13 import CiphertextRecord, split13
from handshake_over_coap.records.errors import RecordDropped
from handshake_over_coap.records.opener13 import Opened, Opener13
from handshake_over_coap.tls.codepoints import (
    ContentType,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
)
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.credentials import PSK, psk_lookup
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.negotiation import start_client
from handshake_over_coap.tls.schedule13 import traffic_keys
from handshake_over_coap.tls.tickets import Ticket
from tests.support.parties import (
    CLIENT_KEYS,
    IDENTITY,
    KEY,
    NAME,
    NOW,
    SECRET,
    SERVER_KEYS,
    seeded,
    trust_in,
)
from tests.support.udp_pair import ONE_WAY, Fate, dropping, unharmed

__all__ = ["CASES", "ONE_WAY", "PSK_DHE", "PSK_KE", "RPK", "X509", "Case", "Pair13", "dropping"]

CLIENT = Address("192.0.2.1", 40000)
ONLY_1_3: Final = (ProtocolVersion.DTLS_1_3,)
BOTH: Final = (ProtocolVersion.DTLS_1_2, ProtocolVersion.DTLS_1_3)


@dataclass(frozen=True)
class Case:
    """Which handshake; keys name kinds of credential, or none for a pre-shared key."""

    name: str
    modes: tuple[PskKeyExchangeMode, ...] = ()
    server_key: str | None = None
    client_key: str | None = None

    def __str__(self) -> str:
        return self.name

    def client(self, **changes: Any) -> ClientConfig:
        """A client that speaks 1.3 alone; ``changes`` are keywords of ClientConfig."""
        fields: dict[str, Any] = {"versions": ONLY_1_3, "server_name": NAME}
        if self.server_key is None:
            fields |= {"psk": PSK(IDENTITY, KEY), "psk_modes": self.modes}
        else:
            fields["trust"] = trust_in(SERVER_KEYS[self.server_key])
        if self.client_key is not None:
            fields["credential"] = CLIENT_KEYS[self.client_key]
        return ClientConfig(**{"rng": seeded("client"), "now": lambda: NOW, **fields, **changes})

    def server(self, **changes: Any) -> ServerConfig:
        """A server that speaks 1.3 alone, and gives no tickets unless told."""
        fields: dict[str, Any] = {"versions": ONLY_1_3, "tickets": 0}
        if self.server_key is None:
            fields |= {"psk": psk_lookup({IDENTITY: KEY}, SECRET), "psk_modes": self.modes}
        else:
            fields["credentials"] = (SERVER_KEYS[self.server_key],)
        if self.client_key is not None:
            fields["request_client_certificate"] = True
            fields["trust"] = trust_in(CLIENT_KEYS[self.client_key])
        return ServerConfig(**{"rng": seeded("server"), "now": lambda: NOW, **fields, **changes})


PSK_KE = Case("psk", (PskKeyExchangeMode.psk_ke,))
PSK_DHE = Case("psk_dhe", (PskKeyExchangeMode.psk_dhe_ke,))
RPK = Case("rpk", server_key="rpk-p256", client_key="rpk-p256")
X509 = Case("x509", server_key="x509-intermediate", client_key="x509")
CASES = (PSK_KE, PSK_DHE, RPK)

RETRY_GROUPS: Final = {"groups": (NamedGroup.x25519,)}
"""A server's change that has it ask a client for another group."""


class Seen(NamedTuple):
    """A record that was sent, and what was in it."""

    when: float
    of_client: bool
    opened: Opened


class Side:
    """One end: the engine until the handshake is complete, then the session's part."""

    def __init__(self) -> None:
        self.engine: AnyEngine | None = None
        self.established: AnyEstablished | None = None
        self.received: list[bytes] = []
        self.tickets: list[Ticket] = []
        self.completions = 0
        self.completed_at: float | None = None

    @property
    def end(self) -> Established13:
        """The completed handshake of 1.3."""
        assert isinstance(self.established, Established13)
        return self.established

    @property
    def post(self) -> PostHandshake:
        """What goes on after the handshake."""
        assert self.end.post is not None
        return self.end.post

    @property
    def deadline(self) -> float | None:
        """When this side has something to do."""
        if isinstance(self.established, Established13):
            return self.post.deadline
        return None if self.engine is None else self.engine.deadline

    @property
    def retransmissions(self) -> int:
        """Datagrams sent again, after the handshake too."""
        count = 0 if self.engine is None else self.engine.retransmissions
        if isinstance(self.established, Established13):
            count += self.post.retransmissions
        return count

    def work(self, task: Callable[[AnyEngine], list[bytes]], now: float) -> list[bytes]:
        """Let the engine work, and see whether it is complete."""
        assert self.engine is not None
        out = task(self.engine)
        self.engine = successor(self.engine)
        if self.established is None and self.engine.established is not None:
            self.established = self.engine.established
            self.completed_at = now
            self.completions += 1
            if isinstance(self.established, Established13):
                for opened in self.established.early:
                    out += self.deliver(opened, now)
        return out

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Take a datagram."""
        if not isinstance(self.established, Established13):
            return self.work(lambda engine: engine.receive(data, now), now)
        out: list[bytes] = []
        _, tail = divide(data)
        for record in split13(tail, len(self.end.opener.cid)) if tail else ():
            if isinstance(record, CiphertextRecord):
                try:
                    out += self.deliver(self.end.opener.open(record), now)
                except RecordDropped:
                    continue
        return out

    def deliver(self, opened: Opened, now: float) -> list[bytes]:
        """What a session does with what was in a record."""
        if opened.content_type == ContentType.application_data:
            self.received.append(opened.plaintext)
            return []
        heard = self.post.receive(opened, now)
        self.tickets += heard.tickets
        return list(heard.datagrams)

    def on_timer(self, now: float) -> list[bytes]:
        """The deadline has come."""
        if isinstance(self.established, Established13):
            return self.post.on_timer(now)
        return self.work(lambda engine: engine.on_timer(now), now)

    def seal(self, data: bytes) -> bytes:
        """Application data as a datagram."""
        return self.end.sealer.seal_datagram(ContentType.application_data, data)


class AnyCase(Protocol):
    """What makes the configurations of both sides."""

    def client(self, **changes: Any) -> ClientConfig:
        """The client's, with these keywords changed."""

    def server(self, **changes: Any) -> ServerConfig:
        """The server's."""


class Pair13:
    """Both sides, and the wire between them; ``cookie`` is the server's address check."""

    def __init__(
        self,
        case: AnyCase,
        *,
        mtu: int = 1152,
        cookie: bool = False,
        fate: Fate = unharmed,
        client: dict[str, Any] | None = None,
        server: dict[str, Any] | None = None,
        **parameters: Any,
    ) -> None:
        self.parameters = UdpParameters(mtu=mtu, address_check=cookie, **parameters)
        self.counters = Counter[str]()
        self.fate = fate
        self.now = 0.0
        self._events: list[tuple[float, int, bool, bytes]] = []
        self.wire: list[tuple[float, bool, bytes]] = []
        self.client, self.server = Side(), Side()
        proof = AddressProof(bytes(32), 60.0)
        config = case.server(**(server or {}))
        self._greeting = Greeting(config, self.parameters, proof, self.counters)
        self._hello: HandshakeMessage | None = None
        step = start_client(case.client(**(client or {})))
        self.client.engine = engine = client_engine(step, self.parameters, self.counters)
        self.put(True, engine.start(step, 0.0))

    def put(self, from_client: bool, datagrams: list[bytes]) -> None:
        """Send datagrams now."""
        for data in datagrams:
            index = len(self.wire)
            self.wire.append((self.now, from_client, data))
            for number, (delay, content) in enumerate(self.fate(index, data)):
                arrival = self.now + ONE_WAY + delay
                heapq.heappush(self._events, (arrival, index * 16 + number, from_client, content))

    def _at_server(self, data: bytes) -> list[bytes]:
        engine, first = self.server.engine, self._hello
        is_hello = data[:1] == b"\x16" and data[13:14] == b"\x01"
        later = first is not None and int.from_bytes(data[17:19], "big") > first.message_seq
        if not is_hello or (later and isinstance(engine, Engine13)):
            return [] if engine is None else self.server.receive(data, self.now)
        found = self._greeting.find(data, CLIENT, self.now)
        if found is None:
            return []
        if engine is not None and isinstance(found, Hello) and found.message == self._hello:
            return engine.repeat(self.now)
        answer = self._greeting.greet(found, CLIENT, self.now)
        if isinstance(answer, StatelessAnswer):
            return list(answer.datagrams)
        return self._begin(answer)

    def _begin(self, begin: Begin) -> list[bytes]:
        self._hello = begin.message
        self.server.engine = begin.engine(self.parameters, self.counters)
        return self.server.work(lambda e: e.take_message(begin.message, self.now), self.now)

    @property
    def read_keys(self) -> tuple[tuple[TrafficKeys, ...], tuple[TrafficKeys, ...]]:
        """The keys of epochs 2 and 3: those that the server reads with, and the client."""
        connected = self.client.end.connected
        secrets, aead = connected.secrets, connected.suite.aead
        return (
            (
                traffic_keys(secrets.client_handshake, 2, aead),
                traffic_keys(secrets.client_application, 3, aead),
            ),
            (
                traffic_keys(secrets.server_handshake, 2, aead),
                traffic_keys(secrets.server_application, 3, aead),
            ),
        )

    def records(self) -> Iterator[Seen]:
        """Every record of both sides, opened, in the order in which they were sent."""
        readers = (Opener13(), Opener13())
        for reader, keys in zip(readers, self.read_keys, strict=True):
            for each in keys:
                reader.add(each)
        for when, of_client, data in self.wire:
            for record in split13(data):
                if isinstance(record, CiphertextRecord):
                    opened = readers[not of_client].open(record)
                else:
                    clear = (record.content_type, record.fragment, 0, record.sequence_number)
                    opened = Opened(*clear)
                yield Seen(when, of_client, opened)

    def step(self) -> bool:
        """Deliver the next datagram or run the next timer; False if neither is left."""
        sides = (self.client, self.server)
        due = min((s.deadline for s in sides if s.deadline is not None), default=None)
        if self._events and (due is None or self._events[0][0] <= due):
            self.now, _, from_client, data = heapq.heappop(self._events)
            if from_client:
                self.put(False, self._at_server(data))
            else:
                self.put(True, self.client.receive(data, self.now))
            return True
        if due is None:
            return False
        self.now = max(self.now, due)
        for side in sides:
            if side.deadline is not None and side.deadline <= due:
                self.put(side is self.client, side.on_timer(self.now))
        return True

    def run(self, limit: float = 100.0) -> None:
        """Until nothing moves any more, or the next event is later than ``limit`` seconds."""
        while self._next() <= limit and self.step():
            pass

    def _next(self) -> float:
        sides = (self.client, self.server)
        times = [s.deadline for s in sides if s.deadline is not None]
        times += [event[0] for event in self._events[:1]]
        return min(times, default=0.0)

    @property
    def complete(self) -> bool:
        """Whether both sides have completed, once each, and nothing waits for an ACK."""
        sides = (self.client, self.server)
        if any(side.established is None or side.completions != 1 for side in sides):
            return False
        ours, theirs = self.client.established, self.server.established
        assert ours is not None
        assert theirs is not None
        same = ours.connected.export("EXPORTER-test", 16) == theirs.connected.export(
            "EXPORTER-test", 16
        )
        return same and all(
            side.post.outstanding == 0
            for side in sides
            if isinstance(side.established, Established13)
        )

    def sent(self, from_client: bool) -> list[bytes]:
        """The datagrams of one side."""
        return [data for _, of_client, data in self.wire if of_client == from_client]
