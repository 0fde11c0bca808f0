"""Is the simulation true?  The same handshakes on virtual time and between real processes.

`make evidence` runs it (several minutes) and writes docs/evidence.md.  A server (`hoc serve`), a
relay that drops and delays, and this process as the clients; beside it the same scenario through
`hoc.simulate`'s own trials.  Both count what a client sees: datagrams that it sent, and those that
reached it, from its first to completion on its side.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import handshake_over_coap as hoc
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.lab.statistics import kolmogorov_smirnov
from handshake_over_coap.lab.trial import run_trial
from handshake_over_coap.sim import PassageRecorder, Side, view
from handshake_over_coap.trace.tap import Direction, Fate

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "docs" / "evidence.md"
KEY = bytes(range(16))
DELAY, LOSS = 0.05, 0.2
# Nobody gives up, so that no slow handshake is missing from either sample.
PATIENCE = {"max_retransmit": None, "timeout": 900.0}


@dataclass(frozen=True)
class Kind:
    """A kind of handshake; `options` are those beyond carrier and version."""

    transport: str
    dtls: str
    options: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        return " ".join([self.transport, self.dtls, *(str(value) for _, value in self.options)])

    @property
    def chosen(self) -> dict[str, object]:
        common = {"transport": self.transport, "dtls": self.dtls, "auth": "psk"}
        return {**common, **dict(self.options)}


LEAN = ("profile", "lean")
KINDS = [
    Kind("coap", "1.2"),
    Kind("udp", "1.2"),
    Kind("coap", "1.3"),
    Kind("udp", "1.3"),
    Kind("coap", "1.2", (LEAN,)),
    Kind("coap", "1.3", (LEAN,)),
    # Flights of several pieces, and a challenge first.
    Kind("coap", "1.3", (LEAN, ("address_check", "always"), ("mtu", 65))),
]
# Real processes are some milliseconds late; a comparison of distributions must not be one of the
# operating system's scheduler with nothing.
GRAIN = 0.1
# Simulated times are multiples of the delay where no timer draws: the edges of the grid lie between
# those, or being late by a millisecond would move a handshake into the next grain.
EDGE = DELAY / 2


@dataclass
class Sample:
    """Handshakes of one kind, in one world: datagrams and seconds each."""

    datagrams: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


@contextlib.contextmanager
def program(*arguments: str, ready: str) -> Iterator[int]:
    """A process that says on standard error, as `ready`, on which port it is."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(  # noqa: S603  (our own programs)
        [sys.executable, *arguments], stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(ready, line):
                yield int(found[1])
                break
        else:
            raise SystemExit(f"{arguments} did not start")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def options(kind: Kind) -> dict[str, object]:
    return {**kind.chosen, **PATIENCE}


def simulated(kind: Kind, trials: int, seed: int) -> Sample:
    scenario = Scenario(delay=DELAY, loss=LOSS, **options(kind))
    sample = Sample()
    for number in range(trials):
        recorder = PassageRecorder()
        trial = run_trial(scenario, seed, number, observers=[recorder])
        if not trial.completed or trial.client_s is None:
            raise SystemExit(f"simulated trial {number} failed: {trial.failure}")
        seen = view(recorder.passages, Side.CLIENT)
        began = seen[0].time
        counted = [
            each
            for each in seen
            if each.time <= began + trial.client_s + 1e-6
            and (each.direction is Direction.SENT or each.fate is not Fate.LOST)
        ]
        sample.datagrams.append(len(counted))
        sample.seconds.append(trial.client_s)
    return sample


async def real(kind: Kind, trials: int, seed: int, at_once: int) -> Sample:
    sample = Sample()
    serve = ("-m", "handshake_over_coap", "serve", "--host", "127.0.0.1", "--port", "0")
    flags = [(f"--{name.replace('_', '-')}", str(value)) for name, value in kind.chosen.items()]
    chosen = (*(part for flag in flags for part in flag), "--psk", f"me:{KEY.hex()}")
    patience = ("--max-retransmit", "none", "--timeout", str(PATIENCE["timeout"]))
    with program(*serve, *chosen, *patience, ready=r"listening on .*:(\d+)") as server:
        impaired = ("--drop", str(LOSS), "--reorder", "1", "--hold", str(DELAY), str(DELAY))
        relay = ("-m", "tests.support.relay", "--server", f"127.0.0.1:{server}")
        listening = r"(?:listening on|127\.0\.0\.1):?.*?(\d+)\s*$"
        with program(*relay, *impaired, "--seed", str(seed), ready=listening) as port:
            gate = asyncio.Semaphore(at_once)

            async def one() -> None:
                async with gate:
                    await asyncio.sleep(random.uniform(0, 0.2))
                    async with hoc.connect(
                        ("127.0.0.1", port), hoc.PSK("me", KEY), **options(kind)
                    ) as session:
                        report = session.report
                    sample.datagrams.append(report.datagrams.mean or 0)
                    sample.seconds.append(report.duration_s.mean or 0)

            await asyncio.gather(*(one() for _ in range(trials)))
    return sample


def in_grains(seconds: list[float]) -> list[float]:
    return [round((each - EDGE) / GRAIN) for each in seconds]


def quartiles(values: list[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def compare(kind: Kind, virtual: Sample, actual: Sample) -> list[str]:
    rows = []
    for name, ours, theirs in (
        ("datagrams", virtual.datagrams, actual.datagrams),
        ("seconds", virtual.seconds, actual.seconds),
    ):
        off = statistics.median(theirs) / statistics.median(ours) - 1
        samples = (ours, theirs) if name == "datagrams" else (in_grains(ours), in_grains(theirs))
        p = kolmogorov_smirnov(*samples).p
        verdict = "same" if abs(off) <= 0.05 and p > 0.01 else "differs"
        rows.append(
            f"| {kind} | {name} | {quartiles(ours)} | {quartiles(theirs)} | {off:+.1%} | {p:.3f} | "
            f"{verdict} |"
        )
    return rows


def main() -> None:
    # Relays draw from the seed: each kind of handshake gets a seed of its own, or all would meet
    # the same luck.
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--only", default="", help="kinds with this in their names; no report then")
    chosen = parser.parse_args()
    rows: list[str] = []
    for seed, kind in enumerate(KINDS, chosen.seed):
        if chosen.only not in str(kind):
            continue
        print(f"{kind}: simulated", file=sys.stderr)
        virtual = simulated(kind, 4 * chosen.trials, seed)
        print(f"{kind}: between processes", file=sys.stderr)
        actual = asyncio.run(real(kind, chosen.trials, seed, chosen.at_once))
        rows += compare(kind, virtual, actual)
        print("\n".join(rows[-2:]), flush=True)
    if not chosen.only:
        REPORT.write_text(report(rows, chosen))


TEXT = """\
# Is the simulation true?

The same handshakes on virtual time and between real processes on loopback, through a relay: PSK,
{loss:.0%} of the datagrams lost in either direction, {delay:.0f} ms one way, nobody gives up.
{virtual} simulated and {trials} real handshakes of each kind. Counted is what a client sees:
datagrams that it sent and those that reached it, from its first one to completion on its side.

Written by `make evidence` on {date} (seeds from {seed} on, {at_once} clients at once, Python
{python}, {cores} cores). Medians with their quartiles; how far the real median is off; p of the
two-sample Kolmogorov-Smirnov test, for seconds on a grid of {grain:.0f} ms (its edges between the
multiples of the delay), since a real process is some milliseconds late and a simulated one never.
The criterion: medians within 5 %, p above 0.01.

| handshake | figure | simulated | real | off | p | |
|---|---|---|---|---|---|---|
{rows}
"""


def report(rows: list[str], chosen: argparse.Namespace) -> str:
    return TEXT.format(
        loss=LOSS,
        delay=1000 * DELAY,
        virtual=4 * chosen.trials,
        trials=chosen.trials,
        date=time.strftime("%Y-%m-%d"),
        seed=chosen.seed,
        at_once=chosen.at_once,
        python=platform.python_version(),
        cores=os.cpu_count(),
        grain=1000 * GRAIN,
        rows="\n".join(rows),
    )


if __name__ == "__main__":
    main()
