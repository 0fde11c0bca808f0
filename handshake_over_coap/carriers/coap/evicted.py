"""What is remembered of handshakes that gave way before their time: that they were.

A flight 1 that is replayed while its Echo value is valid must never open a second handshake.  As a
rule it meets the state that it has opened.  Where that had to go early, a digest stays behind, and
the replay is told that there is no room.
"""

from __future__ import annotations

from collections import OrderedDict

from cryptography.hazmat.primitives.hashes import SHA256, Hash

from handshake_over_coap.carriers.datagram import Address

MOST = 65536
"""Digests that are kept; beyond them, no Echo value made so far is accepted any more."""

_LENGTH = 16


class Evicted:
    """Digests of flights 1, each kept for ``lifetime`` seconds: as long as an Echo value."""

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    @property
    def full(self) -> bool:
        """Whether no more should be added until :meth:`clear`."""
        return len(self._until) >= MOST

    def add(self, address: Address, opened_by: bytes, now: float) -> None:
        """The handshake that ``address`` began with this flight 1 is gone at ``now`` seconds."""
        self._forget(now)
        key = _key(address, opened_by)
        self._until[key] = now + self._lifetime
        self._until.move_to_end(key)

    def holds(self, address: Address, opened_by: bytes, now: float) -> bool:
        """Whether this flight 1 has had its handshake."""
        self._forget(now)
        return bool(self._until) and _key(address, opened_by) in self._until

    def clear(self) -> None:
        """No Echo value from before now is valid any more."""
        self._until.clear()

    def _forget(self, now: float) -> None:
        while self._until and next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)


def _key(address: Address, opened_by: bytes) -> bytes:
    context = Hash(SHA256())
    context.update(f"{address.host}%{address.scope_id} {address.port}\n".encode() + opened_by)
    return context.finalize()[:_LENGTH]
