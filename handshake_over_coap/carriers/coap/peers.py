"""What a server keeps for endpoints that have proven their address, and for how long.

There is a :class:`Peer` only after a valid Echo.  Unfinished state has an absolute age, so that
nobody keeps it alive by repeating himself; the numbers of unfinished handshakes are bounded in all
and by address.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.limits import (
    Bodies,
    Evicted,
    FairShare,
    Limits,
    Quota,
    TooManyHandshakes,
    Unproven,
)
from handshake_over_coap.coap.message import Message
from handshake_over_coap.timers.base import earliest
from handshake_over_coap.transfers.base import ServerSide, Terms, Transfer, Whole

from .handshake import Handshake
from .server_exchange import ServerExchange

LONGEST = 10
"""Lifetimes for which blocks that go on with a body can keep what is unfinished, at most."""

HANDSHAKES_PER_PEER = 8
"""Handshakes of one endpoint that are kept at once, complete and over ones included."""


@dataclass(slots=True)
class Computing:
    """A body whose answer is there at ``due`` seconds, and the requests that wait for it."""

    due: float
    work: Any
    waiting: list[tuple[ServerSide, Whole]] = field(default_factory=list)


@dataclass(slots=True)
class Peer:
    """An endpoint that has proven its address.

    ``exchange`` is its message layer, ``sides`` are what transfers keep of its bodies, by name;
    ``computing`` are the bodies whose answers are being computed, by digest.  ``in_flight`` counts
    requests that wait for those; it is ``unproven`` until its address is proven, where it was
    answered before, and ``left`` is how many bytes may still go there until then.  ``datagrams``
    and ``bytes`` count both directions of CoAP since the handshake under way was admitted, at
    ``since``.  What is unfinished is kept until ``at_most`` seconds at most, whatever comes, where
    it ``ages``; ``held`` are the bytes of bodies that count, and ``scheduled`` is the deadline that
    is noted.
    """

    address: Address
    exchange: ServerExchange
    unfinished: bool = False
    sides: dict[str, ServerSide] = field(default_factory=dict)
    handshakes: dict[str, Handshake] = field(default_factory=dict)
    computing: dict[bytes, Computing] = field(default_factory=dict)
    next_name: int | None = None
    unproven: bool = False
    left: int = 0
    in_flight: int = 0
    since: float = 0.0
    at_most: float = 0.0
    ages: bool = False
    held: int = 0
    scheduled: float | None = None
    datagrams: int = 0
    bytes: int = 0

    def side(self, transfer: Transfer, terms: Terms) -> ServerSide:
        """What ``transfer`` keeps of this endpoint's bodies."""
        side = self.sides.get(transfer.name)
        if side is None:
            side = self.sides[transfer.name] = transfer.server(terms)
        return side

    def may_get(self, size: int) -> bool:
        """Whether a datagram of ``size`` bytes may go there; it counts if so."""
        if not self.unproven:
            return True
        if size > self.left:
            return False
        self.left -= size
        return True

    def continues(self, transfer: Transfer, request: Message) -> bool:
        """Whether a request that is not the first of a body goes on with one that is here."""
        side = self.sides.get(transfer.name)
        return side is not None and side.continues(request)

    @property
    def deadline(self) -> float | None:
        """When something of this endpoint's is due."""
        due = self.exchange.deadline
        for side in self.sides.values():
            if side.deadline is not None:
                due = earliest(due, side.deadline)
        for each in self.computing.values():
            due = earliest(due, each.due)
        return due

    @property
    def half_open(self) -> Handshake | None:
        """The one handshake that is not complete, if there is one."""
        return next((h for h in self.handshakes.values() if not (h.complete or h.over)), None)

    def add_handshake(self, handshake: Handshake) -> list[Handshake]:
        """Keep ``handshake`` in place of the half-open one; the oldest that is over makes room.

        Gives those that had to go.  Raises :class:`TooManyHandshakes` where all that are kept have
        sessions.
        """
        replaced = self.half_open
        over = [h.name for h in self.handshakes.values() if h.over or h is replaced]
        excess = len(self.handshakes) + 1 - HANDSHAKES_PER_PEER
        if excess > len(over):
            raise TooManyHandshakes(f"{len(self.handshakes)} sessions with {self.address}")
        if replaced is not None:
            replaced.end()
        gone = [self.handshakes.pop(name) for name in over[: max(0, excess)]]
        self.handshakes[handshake.name] = handshake
        return gone


@dataclass(frozen=True, slots=True)
class Expired:
    """A peer whose lease has ended; ``lost`` tells whether a half-open handshake went with it."""

    peer: Peer
    lost: bool


class PeerTable:
    """All peers of a server, bounded in number and time; ``now`` is in seconds.

    ``exchange`` makes the message layer of a new one.  ``evicted`` is what is left of handshakes
    that gave way to others, ``evictions`` counts the endpoints that did.
    """

    def __init__(
        self, limits: Limits, lifetime: float, exchange: Callable[[], ServerExchange]
    ) -> None:
        self._lifetime = lifetime
        self._exchange = exchange
        self._peers: dict[Address, Peer] = {}
        self._aging: OrderedDict[Address, float] = OrderedDict()
        self._unfinished = FairShare.of_handshakes(limits)
        self._most = limits.half_open
        self._quota = Quota.of_peers(limits)
        self.unproven = Unproven(limits)
        self.bodies = Bodies(limits.bodies)
        self.evicted = Evicted(lifetime)
        self.evictions = 0

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers.values())

    @property
    def unfinished(self) -> int:
        """How many peers are in the middle of a handshake."""
        return self._unfinished.total

    @property
    def next_deadline(self) -> float | None:
        """When :meth:`expire` next has something to do."""
        return next(iter(self._aging.values()), None)

    def get(self, address: Address) -> Peer | None:
        """The peer at ``address``, if it is known."""
        return self._peers.get(address)

    def admit(self, address: Address, now: float, *, unproven: bool = False) -> Peer:
        """The peer at ``address``; one that has no handshake yet is unfinished from now on.

        A new one may be ``unproven``; whoever is admitted otherwise is proven from now on.

        What others send may be a repetition, which neither counts nor prolongs anything.  Raises
        :class:`TooManyHandshakes` where a bound forbids it.
        """
        peer = self._peers.get(address)
        if peer is None:
            peer = Peer(address, self._exchange(), unproven=unproven)
            self.begin(peer, now)
            try:
                self._quota.begin(address)
            except TooManyHandshakes:
                self.finish(peer)
                raise
            if unproven and not self.unproven.begin(address):
                self.finish(peer)
                self._quota.end(address)
                raise TooManyHandshakes("too many whose address is not proven")
            self._peers[address] = peer
            peer.since = now
        elif not peer.unfinished:
            if not peer.handshakes:
                self.begin(peer, now)
            peer.since, peer.datagrams, peer.bytes = now, 0, 0
        if not unproven:
            self.prove(peer)
        self.touch(peer, now)
        return peer

    def prove(self, peer: Peer) -> None:
        """The peer's address is proven from now on."""
        if peer.unproven:
            peer.unproven = False
            self.unproven.end(peer.address)

    def begin(self, peer: Peer, now: float) -> None:
        """The peer counts as unfinished; another may lose its place for that if it is proven.

        Raises :class:`TooManyHandshakes` where none has to.
        """
        if not peer.unfinished:
            if peer.unproven and self._unfinished.total >= self._most:
                raise TooManyHandshakes("nobody gives way to an address that may be forged")
            loser = self._unfinished.begin(peer.address)
            peer.unfinished = True
            if loser is not None:
                self._evict(self._peers[loser], now)

    def _evict(self, peer: Peer, now: float) -> None:
        """The peer has lost its place: only its sessions stay, and what tells a replay."""
        self.evictions += 1
        peer.unfinished = False
        self.prove(peer)  # it no longer counts as one that is not
        self._clear(peer)
        for name, each in list(peer.handshakes.items()):
            if each.over or not each.complete:
                self.forget(peer, each, now)
                del peer.handshakes[name]
        if not peer.handshakes:
            peer.exchange.stop()
            peer.ages = False
            self._aging.pop(peer.address, None)
        self._drop_if_empty(peer)

    def hold(self, peer: Peer) -> int:
        """The peer's bodies have grown: those of the greediest go until all keep to the bound.

        Gives of how many endpoints.
        """
        count, size = 0, sum([side.held for side in peer.sides.values()])
        if size == peer.held:
            return count
        peer.held = size
        while (loser := self.bodies.hold(peer.address, size)) is not None:
            self._clear(self._peers[loser])
            count += 1
        return count

    def _clear(self, peer: Peer) -> None:
        for side in peer.sides.values():
            side.clear()
        peer.held = 0
        self.bodies.hold(peer.address, 0)

    def forget(self, peer: Peer, handshake: Handshake, now: float) -> None:
        """A handshake goes before its time: its flight 1 must not open another."""
        self.evicted.add(peer.address, handshake.opened_by, now)

    def lease(self, peer: Peer, now: float) -> None:
        """The peer has something unfinished, which is kept for one lifetime from now.

        Only what is new gets a lease: a repetition must not keep anything alive.  Raises
        :class:`TooManyHandshakes` where a bound forbids it.
        """
        self.begin(peer, now)
        peer.at_most = now + LONGEST * self._lifetime
        self._age(peer, now)

    def touch(self, peer: Peer, now: float) -> None:
        """A request of the peer may leave blocks and answers behind: see that they age."""
        if not peer.ages:
            peer.at_most = now + LONGEST * self._lifetime
            self._age(peer, now)

    def go_on(self, peer: Peer, now: float) -> None:
        """A later block of a body has come: small ones may take longer than one lifetime."""
        if peer.ages and now + self._lifetime <= peer.at_most:
            self._age(peer, now)

    def _age(self, peer: Peer, now: float) -> None:
        peer.ages = True
        self._aging[peer.address] = now + self._lifetime
        self._aging.move_to_end(peer.address)

    def finish(self, peer: Peer) -> None:
        """The peer's handshake is complete: it no longer counts as unfinished."""
        if peer.unfinished:
            peer.unfinished = False
            self._unfinished.end(peer.address)

    def expire(self, now: float) -> list[Expired]:
        """Drop what is unfinished or over and past its time."""
        expired = []
        while self._aging:
            address, deadline = next(iter(self._aging.items()))
            if deadline > now:
                break
            del self._aging[address]
            peer = self._peers[address]
            peer.ages = False
            half_open = peer.half_open
            self._clear(peer)
            peer.exchange.forget()
            peer.handshakes = {
                name: each
                for name, each in peer.handshakes.items()
                if each.complete and not each.over
            }
            self.finish(peer)
            self._drop_if_empty(peer)
            expired.append(Expired(peer, lost=half_open is not None))
        return expired

    def release(self, address: Address, name: str) -> None:
        """Forget a completed handshake, now or when its lease ends: its session has ended."""
        peer = self._peers.get(address)
        if peer is None or name not in peer.handshakes:
            return
        if peer.ages:
            peer.handshakes[name].end()
        else:
            del peer.handshakes[name]
            self._drop_if_empty(peer)

    def _drop_if_empty(self, peer: Peer) -> None:
        if not peer.handshakes and not peer.unfinished and not peer.ages:
            self.prove(peer)
            del self._peers[peer.address]
            self._quota.end(peer.address)
