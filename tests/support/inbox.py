"""What a simulated endpoint received, with the time on the running loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from handshake_over_coap.carriers.datagram import Address


@dataclass
class Inbox:
    """A ``DatagramReceiver`` that keeps everything."""

    arrived: list[tuple[float, bytes, Address]] = field(default_factory=list)

    def on_datagram(self, data: bytes, address: Address) -> None:
        self.arrived.append((asyncio.get_running_loop().time(), data, address))

    def on_error(self, error: OSError, address: Address | None) -> None:
        raise AssertionError("a simulated network reports no errors")

    @property
    def payloads(self) -> list[bytes]:
        return [data for _, data, _ in self.arrived]

    @property
    def times(self) -> list[float]:
        return [time for time, _, _ in self.arrived]
