"""Simulations of this tree beside those of another checkout, in turn, round by round.

    git worktree add --detach /tmp/before 188f471
    python bench/against.py /tmp/before

Each checkout has a process of its own, which makes the same trials when it is told to, so that what
else the machine does hits both alike.  A round lets both go, in an order that changes; ratios are
taken within a round.  Figures are CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SCENARIOS: dict[str, dict[str, Any]] = {
    "CoAP, DTLS 1.2": {"dtls": "1.2", "loss": 0.2, "block_size": 64},
    "CoAP, DTLS 1.3": {"dtls": "1.3", "loss": 0.2, "block_size": 64},
    "UDP, DTLS 1.2": {"transport": "udp", "dtls": "1.2", "loss": 0.2},
    "UDP, DTLS 1.3": {"transport": "udp", "dtls": "1.3", "loss": 0.2},
}
"""With a pre-shared key, like all that is left to its default."""

AIM = 1.5
HERE = Path(__file__).resolve()


class Checkout:
    """A process that makes simulations by the package of one checkout."""

    def __init__(self, tree: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        self._process = subprocess.Popen(  # noqa: S603 - this file itself
            [sys.executable, str(HERE), "--obey"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(self, options: dict[str, Any], trials: int) -> tuple[float, float]:
        """Seconds of CPU, and mean datagrams, of a handshake."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([options, trials]) + "\n")
        self._process.stdin.flush()
        seconds, datagrams = json.loads(self._process.stdout.readline())
        return seconds, datagrams

    def close(self) -> None:
        """Let the process end."""
        self._process.communicate()


def obey() -> None:
    """Make the simulations that standard input asks for, one a line."""
    import handshake_over_coap as hoc

    for line in sys.stdin:
        options, trials = json.loads(line)
        before = time.process_time()
        report = hoc.simulate(hoc.Scenario(**options), trials=trials, seed=1)
        seconds = (time.process_time() - before) / trials
        print(json.dumps([seconds, report.datagrams.mean or 0.0]), flush=True)


def compare(before: Path, rounds: int, trials: int) -> None:
    """Print handshakes a second of both, and how many times as many this tree makes."""
    trees = [Checkout(before), Checkout(HERE.parent.parent)]
    print(f"{rounds} rounds of {trials} trials; load {os.getloadavg()[0]:.1f} at the beginning")
    print(f"{'':<16}{'before':>9}{'now':>9}{'times':>8}{'quartiles':>14}{'datagrams':>16}")
    for name, options in SCENARIOS.items():
        sizes = [each.run(options, 10)[1] for each in trees]  # what is imported at first use
        times: list[list[float]] = [[], []]
        for number in range(rounds):
            for which in (0, 1) if number % 2 else (1, 0):
                seconds, sizes[which] = trees[which].run(options, trials)
                times[which].append(seconds)
        ratios = [old / new for old, new in zip(*times, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        old, new = (1 / statistics.median(each) for each in times)
        verdict = f"  aim {AIM}: {'met' if middle >= AIM else 'missed'}" if "CoAP" in name else ""
        print(
            f"{name:<16}{old:>9.0f}{new:>9.0f}{middle:>8.2f}{f'{low:.2f}-{high:.2f}':>14}"
            f"{f'{sizes[0]:.1f} / {sizes[1]:.1f}':>16}{verdict}",
            flush=True,
        )
    for each in trees:
        each.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("before", nargs="?", type=Path, help="another checkout of this project")
    parser.add_argument("--rounds", type=int, default=15, help="default: %(default)s")
    parser.add_argument("--trials", type=int, default=50, help="of a round (default: %(default)s)")
    parser.add_argument("--obey", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.obey:
        obey()
    elif given.before is None:
        parser.error("give another checkout of this project")
    else:
        compare(given.before.resolve(), given.rounds, given.trials)


if __name__ == "__main__":
    main()
