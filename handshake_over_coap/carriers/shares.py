"""Places in a table that many want: fair shares by network and address, where it is full.

An address counts as one that its owner cannot multiply: an IPv4 address, or the /64 of an IPv6
address within its /48, which is what one customer commonly gets (RFC 6177).  Where the table is
full, the oldest place of whoever holds most gives way to whoever holds less, so that somebody with
many endpoints, or many /64s, drives out himself and nobody else.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from .datagram import Address
from .limits import Limits, TooManyHandshakes, prefix

PATIENCE = 8
"""Among equals, a place gives way once it is older than this part of its lifetime.

Most handshakes are over long before; the same part is in the Max-Age of a refusal.
"""


class FairShares:
    """Who holds a place: at most ``most`` endpoints, ``per_address`` of them with one address.

    ``patience`` is in seconds: a place that is younger gives way only to those who hold clearly
    less.
    """

    def __init__(self, most: int, per_address: int, patience: float) -> None:
        self._most = most
        self._per_address = per_address
        self._patience = patience
        self._networks: dict[str, dict[str, OrderedDict[Address, float]]] = {}
        self._sizes: Counter[str] = Counter()
        self.total = 0

    @classmethod
    def of_handshakes(cls, limits: Limits, lifetime: float) -> FairShares:
        """For handshakes under way, which are kept for ``lifetime`` seconds."""
        return cls(limits.half_open, limits.per_address, lifetime / PATIENCE)

    def begin(self, address: Address, now: float, *, greedy_yields: bool = True) -> Address | None:
        """Give ``address`` a place at ``now`` seconds; it must not hold one.

        Gives the endpoint that has lost its own for it, if one has.  Raises
        :class:`~.limits.TooManyHandshakes` where nobody has to give way; nobody has to where
        ``greedy_yields`` is false, for an address that may be forged.
        """
        name, host = network(address), prefix(address)
        if len(self._networks.get(name, {}).get(host, ())) >= self._per_address:
            raise TooManyHandshakes(f"too many from {host}")
        loser = None
        if self.total >= self._most:
            loser = self._greediest(name, host, now) if greedy_yields else None
            if loser is None:
                raise TooManyHandshakes(f"{self.total} of at most {self._most} are there")
            self.end(loser)
        self._networks.setdefault(name, {}).setdefault(host, OrderedDict())[address] = now
        self._sizes[name] += 1
        self.total += 1
        return loser

    def end(self, address: Address) -> None:
        """An endpoint gives its place back."""
        name, host = network(address), prefix(address)
        hosts = self._networks[name]
        del hosts[host][address]
        self.total -= 1
        self._sizes[name] -= 1
        if not hosts[host]:
            del hosts[host]
        if not hosts:
            del self._networks[name], self._sizes[name]

    def _greediest(self, name: str, host: str, now: float) -> Address | None:
        """Whose place somebody at ``host`` may have; ``None`` where nobody holds more."""
        greedy = max(self._sizes, key=self._sizes.__getitem__)
        own = self._sizes.get(name, 0)
        if own >= self._sizes[greedy]:
            greedy, own = name, len(self._networks[name].get(host, ()))
        hosts = self._networks[greedy]
        largest = max(hosts, key=lambda each: len(hosts[each]))
        held = len(hosts[largest]) if greedy == name else self._sizes[greedy]
        loser, since = next(iter(hosts[largest].items()))
        if own + 1 < held:
            return loser
        # Equals take turns: who has had his time gives way, but not at once.
        return loser if own + 1 == held and since <= now - self._patience else None


def network(address: Address) -> str:
    """What counts as one network: an IPv4 address, or the /48 of an IPv6 address."""
    return _network_of(address.host)


@lru_cache(maxsize=1024)
def _network_of(host: str) -> str:
    host = host.partition("%")[0]
    try:
        parsed = ip_address(host)
    except ValueError:
        return host
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return f"{IPv6Address(int(parsed) >> 80 << 80)}/48"
    return host
