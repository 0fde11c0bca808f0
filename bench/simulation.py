"""How many handshakes a second and core the laboratory makes, and how that grows.

Real clients and servers, cryptography on, on virtual time.  What is compared runs in turn, in
rounds of the same trials; figures are CPU time of this process, medians over the rounds, with
quartiles.
``--profile`` prints where the time of the first scenario goes.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import platform
import pstats
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import handshake_over_coap as hoc

LOSSY: dict[str, Any] = {"loss": 0.2, "block_size": 64}
UDP: dict[str, Any] = {"transport": "udp", "loss": 0.2}
TARGET = 500


@dataclass
class Subject:
    """A scenario to be measured; ``times`` are seconds of CPU for one handshake, by round."""

    name: str
    scenario: hoc.Scenario
    trials: int
    times: list[float] = field(default_factory=list)
    datagrams: float = 0.0
    body: float = 0.0

    def run(self) -> None:
        before = time.process_time()
        report = hoc.simulate(self.scenario, trials=self.trials, seed=1)
        self.times.append((time.process_time() - before) / self.trials)
        self.datagrams = report.datagrams.mean or 0.0
        self.body = sum(report.body_bytes)


def groups(trials: int) -> dict[str, list[Subject]]:
    """What is compared, under a title each."""

    def of(name: str, count: int = trials, **options: Any) -> Subject:
        return Subject(name, hoc.Scenario(**options), count)

    versions = ("1.2", "1.3")
    return {
        "Carriers and versions (pre-shared key, 20 % loss; CoAP in blocks of 64 bytes)": [
            of(f"{carrier}, DTLS {dtls}", dtls=dtls, **options)
            for carrier, options in (("CoAP", LOSSY), ("UDP", UDP))
            for dtls in versions
        ],
        "Trials (CoAP, DTLS 1.2, as above)": [
            of(f"{count} trials", count, dtls="1.2", **LOSSY)
            for count in (trials, 4 * trials, 16 * trials)
        ],
        "Loss (CoAP, DTLS 1.2, as above)": [
            of(
                f"{loss:.0%}",
                dtls="1.2",
                block_size=64,
                loss=loss,
                max_retransmit=None,
                timeout=1e6,
            )
            for loss in (0.0, 0.1, 0.2, 0.4, 0.6)
        ],
        "Block size (CoAP, DTLS 1.2, raw public key, no loss)": [
            of(f"{size} bytes", dtls="1.2", auth="rpk", block_size=size)
            for size in (16, 64, 256, 1024)
        ],
        "Bodies (CoAP, DTLS 1.2, blocks of 64 bytes, no loss)": [
            of(f"{auth}{' mutual' * mutual}", dtls="1.2", auth=auth, mutual=mutual, block_size=64)
            for auth, mutual in (
                ("psk", False),
                ("ecdhe-psk", False),
                ("rpk", False),
                ("x509", False),
                ("x509", True),
            )
        ],
    }


def show(title: str, subjects: list[Subject]) -> None:
    print(f"\n{title}")
    heading = f"{'':<16}{'per second':>12}{'quartiles':>16}{'ms each':>10}"
    print(f"{heading}{'datagrams':>11}{'us/datagram':>13}{'body bytes':>12}")
    for each in subjects:
        median = statistics.median(each.times)
        low, _, high = statistics.quantiles(each.times, n=4)
        print(
            f"{each.name:<16}{1 / median:>12.0f}{f'{1 / high:.0f}-{1 / low:.0f}':>16}"
            f"{1e3 * median:>10.2f}{each.datagrams:>11.1f}{1e6 * median / each.datagrams:>13.0f}"
            f"{each.body:>12.0f}"
        )


def profile(subject: Subject) -> None:
    """Where the time goes: by room and library, what is built in with those that call it."""
    with cProfile.Profile() as profiler:
        hoc.simulate(subject.scenario, trials=16 * subject.trials, seed=1)
    stats = pstats.Stats(profiler)
    shares: Counter[str] = Counter()
    for (path, _, _), (_, _, own, _, callers) in stats.stats.items():
        if path == "~":
            for (caller, _, _), (_, _, part, _) in callers.items():
                shares[room(caller)] += part
        else:
            shares[room(path)] += own
    whole = sum(shares.values())
    print("\nProfile, without what is called (cProfile makes small functions look larger)")
    for name, seconds in shares.most_common(12):
        print(f"{name:<28}{seconds / whole:>7.1%}")
    stats.strip_dirs().sort_stats("tottime").print_stats(25)


def room(path: str) -> str:
    """What a source file belongs to."""
    parts = Path(path).parts
    for package, depth in (("handshake_over_coap", 2), ("aiocoap", 1), ("cryptography", 1)):
        if package in parts:
            place = len(parts) - 1 - parts[::-1].index(package)
            return "/".join(parts[place : place + depth]).removesuffix(".py")
    if "asyncio" in parts:
        return "asyncio"
    return "cryptography" if "cryptography" in path else "Python, the rest"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--trials", type=int, default=50, help="of a round (default: %(default)s)")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    given = parser.parse_args()
    everything = groups(given.trials)
    everybody = [each for subjects in everything.values() for each in subjects]
    for each in everybody:
        each.run()  # credentials, and what is imported at first use
        each.times.clear()
    before = os.getloadavg()[0]
    for _ in range(given.rounds):
        for each in everybody:
            each.run()
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    print(
        f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after; CPU time, {given.rounds} rounds"
    )
    for title, subjects in everything.items():
        show(title, subjects)
    first = 1 / statistics.median(everybody[0].times)
    said = "met" if first >= TARGET else "missed"
    print(f"\n{everybody[0].name}: {first:.0f} per second and core; {TARGET} is {said}")
    if given.profile:
        profile(everybody[0])


if __name__ == "__main__":
    main()
