"""Records of a session whose handshake is not complete yet: they have overtaken its last flight.

A client of DTLS 1.3 may send application data right after its last flight, and the network may
deliver it first.  Over CoAP the two have nothing to do with each other on the way, so this is no
rare thing.  Over UDP the engine keeps such records itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.records.dtls13 import EPOCH_MASK, FIXED_BITS, FIXED_MASK
from handshake_over_coap.tls.schedule13 import APPLICATION_EPOCH

EARLY_RECORDS = 16
"""Datagrams of records that are kept of one handshake."""
EARLY_BYTES = 32 * 1024
"""Bytes of them."""
EARLY_ENDPOINTS = 64
"""Endpoints of which any are kept; of more, those that have waited longest are dropped."""
EARLY_LIFETIME = 10.0
"""Seconds after the first one that they are kept."""


@dataclass(slots=True)
class _Kept:
    timer: asyncio.TimerHandle
    datagrams: list[bytes] = field(default_factory=list)
    size: int = 0


class EarlyRecords:
    """What has come too early, by the endpoint that it came from; bounded in every way."""

    def __init__(self, counters: Counter[str]) -> None:
        self._counters = counters
        self._kept: OrderedDict[Address, _Kept] = OrderedDict()

    def __len__(self) -> int:
        """How many datagrams are kept."""
        return sum(len(kept.datagrams) for kept in self._kept.values())

    def keep(self, data: bytes, address: Address) -> bool:
        """Keep a datagram that begins with a record of epoch 3; False for any other."""
        if not data or data[0] & (FIXED_MASK | EPOCH_MASK) != FIXED_BITS | APPLICATION_EPOCH:
            return False
        kept = self._kept.get(address)
        if kept is None:
            loop = asyncio.get_running_loop()
            kept = _Kept(loop.call_later(EARLY_LIFETIME, self._drop, address))
            self._kept[address] = kept
            while len(self._kept) > EARLY_ENDPOINTS:
                self._drop(next(iter(self._kept)))
        if len(kept.datagrams) >= EARLY_RECORDS or kept.size + len(data) > EARLY_BYTES:
            self._counters["dropped: early record"] += 1
        else:
            kept.datagrams.append(data)
            kept.size += len(data)
        return True

    def take(self, address: Address) -> list[bytes]:
        """What has come from ``address``; the handshake with it is complete."""
        kept = self._kept.pop(address, None)
        if kept is None:
            return []
        kept.timer.cancel()
        return kept.datagrams

    def close(self) -> None:
        """Keep nothing any more."""
        for address in list(self._kept):
            self.take(address)

    def _drop(self, address: Address) -> None:
        self._counters["dropped: early record"] += len(self.take(address))
