"""What bursts do to others on a narrow path: three clients share one of 20 kbit/s, simulated.

Each client makes one handshake after the other without a pause, which is more than clients do.
The first one is by the profile `standard` (RFC 7252 and RFC 7959); it is alone, or beside two like
it, or beside two by the profile `lean`.  `PYTHONPATH=. python bench/bottleneck.py` prints a table
(a quarter of an hour): the figures are means over seeds, with their range.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from handshake_over_coap.errors import Error
from handshake_over_coap.lab.cast import cast
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.net.client import Client
from handshake_over_coap.net.server import Server
from handshake_over_coap.net.session import Session
from handshake_over_coap.sim import Draws, LinkOptions, Network, Outcome, Passage, Side, run

RATE, DELAY = 20_000.0, 0.05
COMPANY: dict[str, Sequence[str]] = {
    "alone": (),
    "two standard": ("standard", "standard"),
    "two lean": ("lean", "lean"),
    "two lean, Echo always": ("lean-echo", "lean-echo"),
}
PROFILES: dict[str, dict[str, Any]] = {
    "standard": {},
    "lean": {"profile": "lean"},
    "lean-echo": {"profile": "lean", "address_check": "always"},
}


@dataclass
class Flow:
    """One client's handshakes: seconds of each that completed, and how many did not."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0


@dataclass
class Lost:
    """Of all datagrams, those that found the queue full."""

    sent: int = 0
    lost: int = 0

    def passed(self, passage: Passage) -> None:
        self.sent += 1
        self.lost += passage.outcome is Outcome.QUEUE_FULL


async def quiet(session: Session) -> None:
    """The handshake is all that is looked at."""


async def handshakes(network: Network, number: int, scenario: Scenario, seed: int) -> Flow:
    """One client and a server of its own, for ever."""
    who, flow, loop = cast(scenario, seed), Flow(), asyncio.get_running_loop()
    draws = Draws(seed, "flow", number)
    rngs = {side: draws.rng(side.value) for side in Side}
    config = who.server_config(scenario, rngs[Side.SERVER])
    far = network.endpoint(Side.SERVER, f"server{number}")
    server = Server(far, scenario.options, config, quiet, rngs[Side.SERVER])
    port = 10_000
    try:
        while True:
            port += 1
            near = network.endpoint(Side.CLIENT, f"client{number}", port)
            client = Client(near, far.local_address, scenario.options, rngs[Side.CLIENT])
            began = loop.time()
            try:
                asked = who.client_config(scenario, "server", rngs[Side.CLIENT])
                await client.handshake(asked)
                flow.seconds.append(loop.time() - began)
            except Error:
                flow.failed += 1
            finally:
                await client.close()
    except asyncio.CancelledError:
        await server.close()
    return flow


async def together(
    scenarios: Sequence[Scenario], queue: int, seconds: float, seed: int
) -> tuple[list[Flow], float]:
    """All of them for so long; their flows, and the share of datagrams lost to the queue."""
    link = LinkOptions(delay=DELAY, rate=RATE, queue=queue)
    network, lost = Network(link, Draws(seed, "path")), Lost()
    network.observe(lost)
    tasks = [
        asyncio.ensure_future(handshakes(network, number, scenario, seed))
        for number, scenario in enumerate(scenarios)
    ]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    flows = await asyncio.gather(*tasks)
    network.finish()
    return flows, lost.lost / max(1, lost.sent)


def cell(values: Sequence[float], digits: int = 0) -> str:
    low, high = min(values), max(values)
    return f"{statistics.fmean(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=400.0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--mtu", type=int, default=127)
    chosen = parser.parse_args()
    common: dict[str, Any] = {"auth": "rpk", "mtu": chosen.mtu, "timeout": 300.0}
    made = {name: Scenario(**common, **more) for name, more in PROFILES.items()}
    print(f"Handshakes in {chosen.seconds:g} s, {chosen.seeds} seeds, at most {chosen.mtu} bytes a")
    print("datagram, DTLS 1.3 with a raw public key of the server; seconds are medians.\n")
    print("| queue | company | standard | its seconds | each other | failed | lost to the queue |")
    print("|---|---|---|---|---|---|---|")
    for queue in (10, 4):
        for company, others in COMPANY.items():
            runs = [
                run(together([made[n] for n in ("standard", *others)], queue, chosen.seconds, seed))
                for seed in range(1, chosen.seeds + 1)
            ]
            first = [flows[0] for flows, _ in runs]
            rest = [float(len(flow.seconds)) for flows, _ in runs for flow in flows[1:]]
            failed = sum(flow.failed for flows, _ in runs for flow in flows)
            times = [statistics.median(flow.seconds) for flow in first]
            lost = statistics.fmean(share for _, share in runs)
            completed = cell([float(len(flow.seconds)) for flow in first])
            row = [queue, company, completed, cell(times, 1), cell(rest) if rest else "-", failed]
            print("|", " | ".join(map(str, row)), f"| {lost:.1%} |", flush=True)


if __name__ == "__main__":
    main()
