"""Bounds on what a server keeps for others, whatever carries the handshake."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from handshake_over_coap.errors import ConfigurationError, Error

from .datagram import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what a server keeps for others; sizes in bytes, times in seconds.

    ``per_address`` counts half-open handshakes of one IPv4 address or one IPv6 /64, and
    ``sessions_per_address`` its sessions: clients behind a NAT share them.  ``failures`` is how
    many different flights a half-open handshake may reject before it stops answering.
    """

    body: int = 16 * 1024
    half_open: int = 1000
    per_address: int = 256
    sessions: int = 10_000
    sessions_per_address: int = 1000
    lifetime: float = 60.0
    failures: int = 8
    bodies_per_peer: int = 4
    requests_per_peer: int = 8

    def __post_init__(self) -> None:
        for name in ("body", "half_open", "per_address", "sessions", "lifetime", "failures"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"limit {name!r} has to be above zero")


class TooManyHandshakes(Error):
    """A bound on unfinished handshakes, or on peers, is reached."""


class Quota:
    """Counts what is kept for endpoints: at most ``most`` in all and ``per_address`` for each."""

    def __init__(self, most: int, per_address: int) -> None:
        self._most = most
        self._per_address = per_address
        self._by_prefix: Counter[str] = Counter()

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

    @property
    def total(self) -> int:
        """How many there are."""
        return self._by_prefix.total()

    def begin(self, address: Address) -> None:
        """Count one more; raises :class:`TooManyHandshakes` where a bound forbids it."""
        name = prefix(address)
        if self.total >= self._most:
            raise TooManyHandshakes(f"{self.total} of at most {self._most} are there")
        if self._by_prefix[name] >= self._per_address:
            raise TooManyHandshakes(f"too many from {name}")
        self._by_prefix[name] += 1

    def end(self, address: Address) -> None:
        """One that was counted is over."""
        name = prefix(address)
        self._by_prefix[name] -= 1
        if not self._by_prefix[name]:
            del self._by_prefix[name]


def prefix(address: Address) -> str:
    """What counts as one address: an IPv4 address, or the /64 of an IPv6 address."""
    return _prefix_of(address.host)


@lru_cache(maxsize=1024)
def _prefix_of(host: str) -> str:
    host = host.partition("%")[0]
    try:
        parsed = ip_address(host)
    except ValueError:
        return host
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return host
