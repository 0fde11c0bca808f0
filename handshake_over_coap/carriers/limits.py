"""Bounds on what a server keeps for others, whatever carries the handshake."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from handshake_over_coap.errors import ConfigurationError, Error

from .datagram import Address

MOST_EVICTED = 65536
"""Digests that are kept; beyond them, no Echo value made so far is accepted any more."""
_DIGEST_LENGTH = 16
_MAPPED = bytes(10) + b"\xff\xff"
"""What IPv4 addresses begin with where they are written as IPv6 addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what a server keeps for others; sizes in bytes, times in seconds.

    ``per_address`` counts half-open handshakes of one IPv4 address or one IPv6 /64, and
    ``sessions_per_address`` its sessions: clients behind a NAT share them.  ``unproven`` and
    ``unproven_per_address`` count those whose address is not proven, where they are answered at
    all, ``unproven_rate`` how many of their first flights are answered in a second.  ``failures``
    is how many different flights a half-open handshake may reject before it stops answering.
    ``body`` is of one body and ``bodies`` of all that are under way over CoAP together.
    """

    body: int = 16 * 1024
    bodies: int = 64 * 1024 * 1024
    half_open: int = 1000
    unproven: int = 128
    unproven_per_address: int = 8
    unproven_rate: float = 20.0
    per_address: int = 256
    sessions: int = 10_000
    sessions_per_address: int = 1000
    lifetime: float = 60.0
    failures: int = 8
    bodies_per_peer: int = 4
    requests_per_peer: int = 8

    def __post_init__(self) -> None:
        if self.bodies < self.body:
            raise ConfigurationError(f"limit 'bodies' has to be at least 'body', {self.body} bytes")
        for name in ("body", "half_open", "per_address", "sessions", "lifetime", "failures"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"limit {name!r} has to be above zero")


class TooManyHandshakes(Error):
    """A bound on unfinished handshakes, or on peers, is reached."""


class Quota:
    """Counts what is kept for endpoints: at most ``most`` in all and ``per_address`` for each.

    ``total`` is how many there are.
    """

    def __init__(self, most: int, per_address: int) -> None:
        self._most = most
        self._per_address = per_address
        self._by_prefix: dict[str, int] = {}
        self.total = 0

    @classmethod
    def of_handshakes(cls, limits: Limits) -> Quota:
        """For handshakes under way."""
        return cls(limits.half_open, limits.per_address)

    @classmethod
    def of_peers(cls, limits: Limits) -> Quota:
        """For endpoints with a session or a handshake under way."""
        return cls(
            limits.sessions + limits.half_open, limits.sessions_per_address + limits.per_address
        )

    def begin(self, address: Address) -> None:
        """Count one more; raises :class:`TooManyHandshakes` where a bound forbids it."""
        name = prefix(address)
        if self.total >= self._most:
            raise TooManyHandshakes(f"{self.total} of at most {self._most} are there")
        held = self._by_prefix.get(name, 0)
        if held >= self._per_address:
            raise TooManyHandshakes(f"too many from {name}")
        self._by_prefix[name] = held + 1
        self.total += 1

    def end(self, address: Address) -> None:
        """One that was counted is over."""
        name = prefix(address)
        self.total -= 1
        if self._by_prefix[name] > 1:
            self._by_prefix[name] -= 1
        else:
            del self._by_prefix[name]


class FairShare:
    """Who has a place among at most ``most``, with at most ``per_address`` for one address.

    Where all places are taken, whoever comes takes that of the oldest of those who have the most:
    counted by network (a /24 of IPv4, a /48 of IPv6), and within one by address (an IPv6 address by
    its /64).  So one who has many addresses fills the places of his own, and whoever comes from
    elsewhere finds one.  Who has the most himself, or as good as that, is refused.
    """

    def __init__(self, most: int, per_address: int) -> None:
        self._most = most
        self._per_address = per_address
        self._networks: dict[str, dict[str, dict[Address, int]]] = {}
        self._turn = self.total = 0

    @classmethod
    def of_handshakes(cls, limits: Limits) -> FairShare:
        """For handshakes under way."""
        return cls(limits.half_open, limits.per_address)

    def begin(self, address: Address) -> Address | None:
        """Give ``address`` a place; who has to go for that, if anybody, has none any more.

        Raises :class:`TooManyHandshakes` where a bound forbids it.  Whoever has a place already
        keeps it, and its age.
        """
        wide, narrow = network_of(address), prefix(address)
        own = self._networks.get(wide, {}).get(narrow, {})
        if address in own:
            return None
        if len(own) >= self._per_address:
            raise TooManyHandshakes(f"too many from {narrow}")
        victim = self._victim(wide, narrow) if self.total >= self._most else None
        if victim is not None:
            self.end(victim)
        self._turn += 1
        self._networks.setdefault(wide, {}).setdefault(narrow, {})[address] = self._turn
        self.total += 1
        return victim

    def end(self, address: Address) -> None:
        """The place of ``address`` is free again; nothing if it had none."""
        wide, narrow = network_of(address), prefix(address)
        network = self._networks.get(wide, {})
        if network.get(narrow, {}).pop(address, None) is None:
            return
        self.total -= 1
        if not network[narrow]:
            del network[narrow]
        if not network:
            del self._networks[wide]

    def _victim(self, wide: str, narrow: str) -> Address:
        """The oldest of the greediest, if it has more than the one who comes."""
        networks = self._networks
        greediest = max(networks, key=lambda each: _greed(networks[each].values()))
        if _exceeds(_size(networks[greediest]), _size(networks.get(wide, {}))):
            addresses = networks[greediest]
        else:
            addresses = networks.get(wide, {})
            largest = max((len(each) for each in addresses.values()), default=0)
            if not _exceeds(largest, len(addresses.get(narrow, {}))):
                raise TooManyHandshakes(f"{self.total} of at most {self._most} are there")
        held = max(addresses.values(), key=lambda each: _greed((each,)))
        return next(iter(held))


def _size(network: dict[str, dict[Address, int]]) -> int:
    return sum(map(len, network.values()))


def _exceeds(held: int, own: int) -> bool:
    """Whether it is fair to take a place from somebody who has ``held`` for one who has ``own``."""
    return held > own + (own > 0)


def _greed(groups: Iterable[dict[Address, int]]) -> tuple[int, int]:
    """How much some have, and of those who have as much the one that has it for longest."""
    count, oldest = 0, 0
    for group in groups:
        count += len(group)
        oldest = max(oldest, -next(iter(group.values())))
    return count, oldest


class Bodies:
    """Bytes of bodies under way, by endpoint; at most ``most`` of all, whatever carries them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[str, dict[Address, int]] = {}
        self._sizes: Counter[str] = Counter()
        self.total = 0

    def hold(self, address: Address, size: int) -> Address | None:
        """The bodies of ``address`` take ``size`` bytes now, 0 for none.

        Gives an endpoint whose bodies have to go, if the bound is passed: it holds most of all at
        the network that holds most.  That is another one wherever there is one.
        """
        name = network_of(address)
        held = self._held.setdefault(name, {})
        change = size - held.get(address, 0)
        self.total += change
        self._sizes[name] += change
        if size:
            held[address] = size
        else:
            held.pop(address, None)
        if not held:
            del self._held[name], self._sizes[name]
        return self._greediest(address) if self.total > self._most else None

    def _greediest(self, but: Address) -> Address | None:
        for name, _ in self._sizes.most_common(2):
            others = {each: size for each, size in self._held[name].items() if each != but}
            if others:
                return max(others, key=others.__getitem__)
        return None


class Evicted:
    """What is remembered of handshakes that gave way before their time: that they were.

    A flight 1 that is replayed while its Echo value is valid must never open a second handshake.
    As a rule it meets the state that it has opened.  Where that had to go early, a digest stays
    behind for ``lifetime`` seconds, as long as an Echo value, and the replay is told that there is
    no room.
    """

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    @property
    def full(self) -> bool:
        """Whether no more should be added until :meth:`clear`."""
        return len(self._until) >= MOST_EVICTED

    def add(self, address: Address, opened_by: bytes, now: float) -> None:
        """The handshake that ``address`` began with this flight 1 is gone at ``now`` seconds."""
        self._forget(now)
        key = _evicted_key(address, opened_by)
        self._until[key] = now + self._lifetime
        self._until.move_to_end(key)

    def holds(self, address: Address, opened_by: bytes, now: float) -> bool:
        """Whether this flight 1 has had its handshake."""
        self._forget(now)
        return bool(self._until) and _evicted_key(address, opened_by) in self._until

    def clear(self) -> None:
        """No Echo value from before now is valid any more."""
        self._until.clear()

    def _forget(self, now: float) -> None:
        while self._until and next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)


def _evicted_key(address: Address, opened_by: bytes) -> bytes:
    endpoint = f"{address.host}%{address.scope_id} {address.port}\n".encode()
    return sha256(endpoint + opened_by).digest()[:_DIGEST_LENGTH]


class Unproven:
    """Which clients are answered before they have shown that they receive at their address.

    QUIC does so as well (RFC 9000 section 8.1): it saves a round trip, and the answer is bounded by
    what came.  What it costs a server is bounded here: unproven handshakes are few in all and by
    address, and only so many of their first flights are computed in a second, which takes a
    signature each.  All others prove their address first, as if nothing else were known.
    """

    def __init__(self, limits: Limits) -> None:
        self._quota = Quota(limits.unproven, limits.unproven_per_address)
        self._rate = limits.unproven_rate
        self._most = max(1.0, limits.unproven_rate)
        self._left = self._most
        self._at = 0.0

    @property
    def count(self) -> int:
        """How many there are."""
        return self._quota.total

    def begin(self, address: Address) -> bool:
        """Whether one more is taken; it counts if so."""
        try:
            self._quota.begin(address)
        except TooManyHandshakes:
            return False
        return True

    def end(self, address: Address) -> None:
        """One is proven by now, or forgotten."""
        self._quota.end(address)

    def may_compute(self, now: float) -> bool:
        """Whether a first flight is answered now; at most :attr:`Limits.unproven_rate` a second.

        A second's worth may come at once.
        """
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def prefix(address: Address) -> str:
    """What counts as one address: an IPv4 address, or the /64 of an IPv6 address."""
    return _groups(address.host)[0]


def network_of(address: Address) -> str:
    """The network of an address: a /24 of IPv4, a /48 of IPv6."""
    return _groups(address.host)[1]


@lru_cache(maxsize=4096)
def _groups(host: str) -> tuple[str, str]:
    """What counts as one address, and the network of that; a name of anything else is both."""
    host = host.partition("%")[0]
    try:
        packed = inet_pton(AF_INET6 if ":" in host else AF_INET, host)
    except OSError:
        return host, host
    if len(packed) == len(_MAPPED) + 4 and not packed.startswith(_MAPPED):
        narrow, wide = (inet_ntop(AF_INET6, packed[:size] + bytes(16 - size)) for size in (8, 6))
        return f"{narrow}/64", f"{wide}/48"
    return host, inet_ntop(AF_INET, packed[-4:-1] + b"\0") + "/24"
