"""Measures contestants in turn, many short rounds each, and prints them side by side.

Times are CPU times of this process, so that other work on the machine counts for little; rounds
interleave, so that what remains of it hits everybody alike.  Ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cryptography
from cryptography.hazmat.backends.openssl import backend

Run = Callable[[int], None]
"""Does the work so many times."""


@dataclass
class Contestant:
    """Somebody to be measured; ``times`` are seconds of CPU for one piece of work, by round."""

    name: str
    run: Run
    count: int = 1
    times: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    def quartiles(self) -> tuple[float, float]:
        """The first and the third: half of all rounds lie between them."""
        first, _, third = statistics.quantiles(self.times, n=4)
        return first, third

    def ratio(self, other: Contestant) -> float:
        """How many times the other's time this one takes."""
        return statistics.median(
            mine / theirs for mine, theirs in zip(self.times, other.times, strict=True)
        )


def repeat(once: Callable[[], object]) -> Run:
    """``once`` as something that can be run many times."""

    def run(count: int) -> None:
        for _ in range(count):
            once()

    return run


def measure(contestants: Sequence[Contestant], rounds: int, seconds: float) -> None:
    """Fill in ``times``: ``rounds`` rounds in which each works for about ``seconds``."""
    for each in contestants:
        each.run(1)
        each.count = max(1, round(seconds / max(_timed(each), 1e-7)))
    for _ in range(rounds):
        for each in contestants:
            each.times.append(_timed(each) / each.count)


def _timed(each: Contestant) -> float:
    before = time.process_time()
    each.run(each.count)
    return time.process_time() - before


def table(
    title: str, contestants: Sequence[Contestant], base: Contestant, absent: Sequence[str] = ()
) -> None:
    """Print the contestants, their ratios against ``base``, and who could not take part."""
    width = max(len(each.name) for each in contestants)
    print(f"\n{title}")
    print(f"  {'':{width}}  {'per CPU s':>10}  {'µs':>8}  {'half of the rounds':>20}  ratio")
    for each in contestants:
        first, third = (f"{1e6 * value:.{_digits(value)}f}" for value in each.quartiles())
        median = f"{1e6 * each.median:.{_digits(each.median)}f}"
        print(
            f"  {each.name:{width}}  {1 / each.median:10,.0f}  {median:>8}  "
            f"{f'{first} .. {third}':>20}  {each.ratio(base):5.2f}"
        )
    for reason in absent:
        print(f"  {reason}")


def _digits(seconds: float) -> int:
    return 2 if seconds < 20e-6 else 0


def verdict(what: str, value: float, aim: float) -> None:
    """Print how a figure compares with its aim."""
    print(f"  aim: {what} at most {aim:g}: {value:.2f}, {'met' if value <= aim else 'missed'}")


def arguments(description: str, rounds: int) -> argparse.Namespace:
    """``rounds`` and ``seconds`` of the command line; prints the machine."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help="default: %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=0.03, help="CPU time of a contestant's turn"
    )
    print(machine())
    return parser.parse_args()


def machine() -> str:
    """Processor, Python, cryptography and its OpenSSL."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
        model = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    python = f"Python {platform.python_version()}"
    library = f"cryptography {cryptography.__version__} ({backend.openssl_version_text()})"
    return f"{model}; {python}; {library}"
