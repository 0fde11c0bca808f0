"""A sweep in pieces that can be done in any order, by any process: chunks of trials."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from handshake_over_coap._version import __version__
from handshake_over_coap.lab.scenario import Scenario, as_text, option_types
from handshake_over_coap.lab.software import software
from handshake_over_coap.lab.trial import run_trial

CHUNK: Final = 50
"""Trials in a chunk: enough to make what it costs to hand one over small."""

_FORMAT: Final = 1
_FILES: Final = ("key", "cert", "ca", "peer_key")

Rows: TypeAlias = list[tuple[Any, ...]]
"""The metrics of the trials of a chunk, as :func:`~.metrics.columns` orders them."""

Results: TypeAlias = "Generator[tuple[Chunk, Rows], None, None]"
"""Chunks and their rows as they get done; closing it stops what is under way."""


class Stopped(Exception):
    """The sweep is being stopped: this chunk will be done another time."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some trials of one scenario: what a worker does at a time."""

    index: int
    """Its place in the plan."""
    scenario_index: int
    """Its scenario's place in the plan."""
    scenario: Scenario
    seed: int
    first: int
    """The number of its first trial."""
    count: int
    """How many trials it has."""
    cpu: bool
    """Whether ``cpu_s`` is wanted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a sweep.

    ``seed`` is that of the whole sweep.
    """

    scenarios: tuple[Scenario, ...]
    trials: int
    """Of each scenario."""
    seed: int
    cpu: bool = False
    """Whether ``cpu_s`` is wanted, which differs from run to run."""

    @property
    def total(self) -> int:
        """All trials."""
        return len(self.scenarios) * self.trials

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return len(self.scenarios) * self._each

    @property
    def _each(self) -> int:
        return -(-self.trials // CHUNK)

    def chunk(self, index: int) -> Chunk:
        """The chunk of this number, from 0; they are in the order of the result's rows."""
        scenario, place = divmod(index, self._each)
        first = place * CHUNK
        count = min(CHUNK, self.trials - first)
        return Chunk(index, scenario, self.scenarios[scenario], self.seed, first, count, self.cpu)

    def identity(self) -> dict[str, Any]:
        """What two runs of the same sweep have in common, and runs of different ones have not."""
        digest = hashlib.sha256()
        for each in self.scenarios:
            digest.update(_fingerprint(each))
        return {
            "format": _FORMAT,
            "version": __version__,
            "scenarios": len(self.scenarios),
            "trials": self.trials,
            "seed": self.seed,
            "cpu": self.cpu,
            "options": digest.hexdigest(),
            "software": software(),
        }


def _fingerprint(scenario: Scenario) -> bytes:
    """A digest of every option, files by their content; pre-shared keys only through the digest."""
    told = {name: as_text(getattr(scenario, name)) for name in option_types() if name != "psk"}
    told["limits"] = repr(scenario.limits)
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    keys = scenario.psk if isinstance(scenario.psk, tuple) else (scenario.psk,)
    for psk in keys:
        text = psk if isinstance(psk, str) else f"{psk.identity.hex()} {psk.key.hex()}"
        digest.update(hashlib.sha256(text.encode()).digest())
    for name in _FILES:
        value = getattr(scenario, name)
        paths = value if isinstance(value, tuple) else (value,)
        for path in paths:
            if path is not None:
                digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
    return digest.digest()


def run_chunk(chunk: Chunk, stopped: Callable[[], bool] = lambda: False) -> Rows:
    """Run a chunk; raises Stopped between two trials once ``stopped`` says so."""
    rows: Rows = []
    for number in range(chunk.first, chunk.first + chunk.count):
        if stopped():
            raise Stopped
        rows.append(run_trial(chunk.scenario, chunk.seed, number).row(cpu=chunk.cpu))
    return rows


def in_turn(chunks: Iterable[Chunk]) -> Results:
    """Run chunks one after the other, here."""
    for chunk in chunks:
        yield chunk, run_chunk(chunk)
