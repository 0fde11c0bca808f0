"""Bounds on what a server keeps for others, whatever carries the handshake."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from handshake_over_coap.errors import ConfigurationError, Error

from .datagram import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what a server keeps for others; sizes in bytes, times in seconds.

    ``per_address`` counts half-open handshakes of one IPv4 address or one IPv6 /64: clients behind
    a NAT share it.  ``failures`` is how many different flights a half-open handshake may reject
    before it stops answering.
    """

    body: int = 16 * 1024
    half_open: int = 1000
    per_address: int = 256
    sessions: int = 10_000
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


class Unfinished:
    """Counts unfinished handshakes, in all and by address."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_prefix: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """How many handshakes are under way."""
        return self._by_prefix.total()

    def begin(self, address: Address) -> None:
        """Count one more; raises :class:`TooManyHandshakes` where a bound forbids it."""
        name = prefix(address)
        if self.total >= self._limits.half_open:
            raise TooManyHandshakes(f"{self.total} handshakes are under way")
        if self._by_prefix[name] >= self._limits.per_address:
            raise TooManyHandshakes(f"too many handshakes from {name}")
        self._by_prefix[name] += 1

    def end(self, address: Address) -> None:
        """One that was counted is over."""
        name = prefix(address)
        self._by_prefix[name] -= 1
        if not self._by_prefix[name]:
            del self._by_prefix[name]


def prefix(address: Address) -> str:
    """What counts as one address: an IPv4 address, or the /64 of an IPv6 address."""
    host = address.host.partition("%")[0]
    try:
        parsed = ip_address(host)
    except ValueError:
        return host
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return host
