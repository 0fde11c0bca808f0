"""The server's side of the classic carrier: any number of handshakes, without I/O."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from handshake_over_coap.carriers.address_check import AddressProof
from handshake_over_coap.carriers.agenda import Agenda
from handshake_over_coap.carriers.base import HandshakeCompleted, Output
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.limits import FairShare, Quota, TooManyHandshakes
from handshake_over_coap.errors import Error, HandshakeTimeout
from handshake_over_coap.timers import draws_from, earliest
from handshake_over_coap.tls.alerts import AlertError, InternalError
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.config import Rng, ServerConfig
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.trace.report import TrialFigures

from .engine13 import Engine13
from .greeting import Begin, Greeting
from .parameters import UdpParameters
from .prelude import Hello, hello_in, repeats_hello
from .versions import AnyEngine

SESSIONS_PER_ENDPOINT = 8
"""Sessions that may have begun at one endpoint: all but two have moved away by connection ID."""


@dataclass(slots=True)
class _Half:
    """A handshake under way: its engine, what began it, and what it has taken so far."""

    engine: AnyEngine
    hello: HandshakeMessage
    deadline: float
    since: float
    datagrams: int = 0
    bytes: int = 0


@dataclass(slots=True)
class _Peer:
    """An endpoint that has proven its address."""

    half_open: _Half | None = None
    complete: OrderedDict[str, _Half] = field(default_factory=OrderedDict)
    next_name: int = 0

    def has_completed(self, hello: HandshakeMessage) -> bool:
        """Whether ``hello`` began a handshake that has a session now."""
        return any(done.hello == hello for done in self.complete.values())


class UdpServer:
    """Classic handshakes, for any number of clients: an engine without I/O.

    ``config`` says what the server speaks and accepts; ``counters`` counts what was refused or
    dropped, by reason.
    """

    def __init__(
        self,
        parameters: UdpParameters,
        config: ServerConfig,
        rng: Rng,
        counters: Counter[str],
    ) -> None:
        self._parameters = parameters
        proof = AddressProof(rng(32), parameters.state_lifetime)
        self._greeting = Greeting(config, parameters, proof, counters)
        self._draw = draws_from(rng)
        self._rejections = self._greeting.rejections
        self._peers: dict[Address, _Peer] = {}
        self._agenda: Agenda[Address] = Agenda()
        self._unfinished = FairShare.of_handshakes(parameters.limits)
        self._quota = Quota.of_peers(parameters.limits)
        self.counters = counters

    @property
    def unfinished(self) -> int:
        """Handshakes under way."""
        return self._unfinished.total

    @property
    def known_peers(self) -> int:
        """Endpoints for which anything is kept."""
        return len(self._peers)

    @property
    def retransmissions(self) -> int:
        """Datagrams sent again because a timer ran out, in handshakes that are still known."""
        known = (
            engine
            for peer in self._peers.values()
            for engine in (
                *(() if peer.half_open is None else (peer.half_open.engine,)),
                *(done.engine for done in peer.complete.values()),
            )
        )
        return sum(engine.retransmissions for engine in known)

    @property
    def deadline(self) -> float | None:
        """When the next flight is due again, or an unfinished handshake is given up.

        Or when part of a hello has to be acknowledged.
        """
        return earliest(self._agenda.next, self._greeting.deadline)

    def awaits(self, address: Address) -> bool:
        """Nothing is kept for later: handshakes take their own records."""
        return False

    def claims(self, data: bytes) -> bool:
        """Records in the clear belong to handshakes, all others to sessions first."""
        return bool(data) and data[0] <= ContentType.ack and data[3:5] == b"\0\0"

    def receive(self, data: bytes, peer: Address, now: float) -> Output:
        """Take a datagram of records that no session has opened.  Never raises for its content."""
        output, address, known = Output(), peer, self._peers.get(peer)
        hello = hello_in(data)
        if hello is not None and not _goes_on_with(known, hello):
            self._hello(data, address, now, output)
        elif known is not None and known.half_open is not None:
            self._feed(address, known, known.half_open, data, now, output)
        elif known is not None and known.complete:
            done = next(reversed(known.complete.values()))
            output.send(done.engine.receive(data, now), address)
        else:
            self.counters["dropped: record without a session"] += 1
        return output

    def unopened(self, data: bytes, peer: Address, now: float) -> Output | None:
        """Take a sealed datagram that no session can open, if a handshake is under way or begins.

        A hello may stand behind records of a session that is over.
        """
        if hello_in(data) is not None:
            return self.receive(data, peer, now)
        known = self._peers.get(peer)
        if known is None or known.half_open is None:
            return None
        output = Output()
        self._feed(peer, known, known.half_open, data, now, output)
        return output

    def opened(self, peer: Address, name: str, plaintext: bytes, now: float) -> Output | None:
        """A session opened a handshake record: the answer, if it repeats the last flight."""
        known = self._peers.get(peer)
        done = None if known is None else known.complete.get(name)
        answer = None if done is None else done.engine.take_opened(plaintext, now)
        if answer is None:
            return None
        output = Output()
        output.send(answer, peer)
        return output

    def on_timer(self, now: float) -> Output:
        """Repeat the flights that are due, and give up what has had its time."""
        output = Output()
        for address in self._agenda.due(now):
            peer = self._peers.get(address)
            if peer is not None and peer.half_open is not None:
                self._on_timer(address, peer, peer.half_open, now, output)
        for address, answer in self._greeting.late(now):
            output.send(answer.datagrams, address)
        return output

    def release(self, address: Address, name: str) -> None:
        """A session has ended: what was kept to repeat its last flight can go."""
        peer = self._peers.get(address)
        if peer is not None:
            peer.complete.pop(name, None)
            self._drop_if_empty(address, peer)

    def _hello(self, data: bytes, address: Address, now: float, output: Output) -> None:
        peer = self._peers.get(address)
        half = None if peer is None else peer.half_open
        if half is not None and _repeats(half, data):
            self._send_all(half.engine.repeat(now), address, half, output)
            return
        found = self._greeting.find(data, address, now)
        if found is None:
            return
        if half is not None and isinstance(found, Hello) and half.hello == found.message:
            self._send_all(half.engine.repeat(now), address, half, output)
            return
        if peer is not None and isinstance(found, Hello) and peer.has_completed(found.message):
            # A late copy: a new handshake would take what is meant for the one that it made.
            self.counters["dropped: hello of a completed handshake"] += 1
            return
        answer = self._greeting.greet(found, address, now)
        if isinstance(answer, Begin):
            self._start(answer, address, now, output)
        else:
            output.send(answer.datagrams, address)

    def _start(self, begin: Begin, address: Address, now: float, output: Output) -> None:
        try:
            self._admit(address)
        except TooManyHandshakes as full:
            # The alert for "a memory allocation failure" (RFC 5246 section 7.2.2), in the clear: a
            # client believes it if it is said again after its timer, and may be let in meanwhile.
            self.counters["refused: too many handshakes"] += 1
            number = begin.found.record_number
            refusal = self._greeting.refuse(InternalError(str(full)), number, address, now)
            output.send(refusal.datagrams, address)
            return
        engine = begin.engine(self._parameters, self.counters, self._draw)
        peer = self._peers.setdefault(address, _Peer())
        half = _Half(engine, begin.message, now + self._parameters.state_lifetime, now)
        peer.half_open = half
        self._run(address, peer, half, lambda: engine.take_message(begin.message, now), now, output)

    def _admit(self, address: Address) -> None:
        """Make room for a new handshake; raises TooManyHandshakes where a bound forbids it."""
        peer = self._peers.get(address)
        if peer is not None and len(peer.complete) >= SESSIONS_PER_ENDPOINT:
            raise TooManyHandshakes(f"{len(peer.complete)} sessions with {address}")
        self._abandon(address)
        victim = self._unfinished.begin(address)
        if victim is not None:
            self.counters["half-open handshakes that made room"] += 1
            self._abandon(victim)
        if address not in self._peers:
            try:
                self._quota.begin(address)
            except TooManyHandshakes:
                self._unfinished.end(address)
                raise

    def _feed(
        self, address: Address, peer: _Peer, half: _Half, data: bytes, now: float, output: Output
    ) -> None:
        half.datagrams += 1
        half.bytes += len(data)
        self._run(address, peer, half, lambda: half.engine.receive(data, now), now, output)

    def _run(
        self,
        address: Address,
        peer: _Peer,
        half: _Half,
        work: Callable[[], list[bytes]],
        now: float,
        output: Output,
    ) -> None:
        """Let the engine work, send what it says, and see what became of the handshake."""
        try:
            datagrams = work()
        except AlertError as error:
            self.counters[f"failed: {error.name}"] += 1
            self._rejections.say(address, error, now)
            if not error.received:
                output.send((half.engine.alert(error),), address)
            self._abandon(address)
            return
        except HandshakeTimeout:
            self.counters["half-open handshakes expired"] += 1
            self._abandon(address)
            return
        except Error as error:
            # Whatever a peer asks for that cannot be done ends its own handshake and nothing else.
            self.counters[f"failed: {type(error).__name__}"] += 1
            self._abandon(address)
            return
        self._send_all(datagrams, address, half, output)
        if half.engine.established is None:
            self._schedule(address, half)
        else:
            self._complete(address, peer, half, now, output)

    def _schedule(self, address: Address, half: _Half) -> None:
        deadline = half.engine.deadline
        when = half.deadline if deadline is None else min(deadline, half.deadline)
        self._agenda.set(address, when)

    def _on_timer(
        self, address: Address, peer: _Peer, half: _Half, now: float, output: Output
    ) -> None:
        def work() -> list[bytes]:
            if now >= half.deadline:
                raise half.engine.reason or HandshakeTimeout("not complete in time")
            return half.engine.on_timer(now)

        self._run(address, peer, half, work, now, output)

    def _complete(
        self, address: Address, peer: _Peer, half: _Half, now: float, output: Output
    ) -> None:
        established = half.engine.established
        if established is None:
            return
        name = str(peer.next_name)
        peer.next_name += 1
        peer.complete[name] = half
        figures = TrialFigures(
            datagrams=half.datagrams,
            bytes=half.bytes,
            duration_s=now - half.since,
            retransmissions=half.engine.retransmissions,
        )
        self._abandon(address)
        output.events.append(HandshakeCompleted(address, name, established, figures=figures))

    def _abandon(self, address: Address) -> None:
        """The half-open handshake of ``address`` is over, one way or the other."""
        peer = self._peers.get(address)
        if peer is None or peer.half_open is None:
            return
        self._agenda.set(address, None)
        peer.half_open = None
        self._unfinished.end(address)
        self._drop_if_empty(address, peer)

    def _drop_if_empty(self, address: Address, peer: _Peer) -> None:
        if peer.half_open is None and not peer.complete and address in self._peers:
            del self._peers[address]
            self._quota.end(address)

    def _send_all(
        self, datagrams: list[bytes], address: Address, half: _Half, output: Output
    ) -> None:
        half.datagrams += len(datagrams)
        half.bytes += sum(map(len, datagrams))
        output.send(datagrams, address)


def _repeats(half: _Half, data: bytes) -> bool:
    """Whether a datagram has the hello of a handshake of 1.3 again, or part of it."""
    return isinstance(half.engine, Engine13) and repeats_hello(data, half.hello)


def _goes_on_with(peer: _Peer | None, message_seq: int) -> bool:
    """Whether a hello is the second one of a handshake of 1.3 under way, which has asked for it."""
    half = None if peer is None else peer.half_open
    if half is None or not isinstance(half.engine, Engine13):
        return False
    return message_seq > half.hello.message_seq
