"""How much more a handshake takes on a bad link than on a good one (Claeys et al., Sensors 2021).

They ran mbedTLS over 6TiSCH: time and bytes of DTLS over UDP, which repeats flights, and of TLS
over TCP, which acknowledges below the handshake.  Ours are the real carriers over one simulated
IEEE 802.15.4 hop, whose link layer repeats a frame up to three times; the good link loses nothing,
the bad one a part of the frames.  Their schedule of time slots is not simulated.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from handshake_over_coap.lab.contestants import contestants
from handshake_over_coap.lab.published import CLAEYS, Degradation
from handshake_over_coap.lab.selection import ALL, Selection
from handshake_over_coap.lab.simulate import Progress, silent, simulate

if TYPE_CHECKING:
    from handshake_over_coap.lab.report import SimulationReport
    from handshake_over_coap.lab.scenario import Scenario
    from handshake_over_coap.trace.report import Summary

LINK: Final[Mapping[str, Any]] = {"link": "802154", "loss_unit": "frame", "link_retries": 3}
LOSSES: Final = (0.1, 0.2, 0.3, 0.4)
"""Of frames, before the link layer repeats them."""

TRIALS: Final = 400
"""Handshakes of each carrier on each link, unless a number is given."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """What the bad link takes over what the good one takes.

    All are None where no handshake completed, intervals where there are too few for one.
    """

    mean: float | None
    """Of the means."""
    ci95: float | None
    """Half of the 95 % interval of the mean, which of times is too narrow."""
    median: float | None = None
    """Of the medians."""
    median_ci95: tuple[float, float] | None = None
    """The ends of the interval of the median, which holds for times, too."""

    def to_json(self) -> dict[str, object]:
        """The entry of the JSON form."""
        ends = self.median_ci95
        return {**dataclasses.asdict(self), "median_ci95": None if ends is None else list(ends)}


@dataclass(frozen=True, slots=True)
class Degraded:
    """What became of a carrier."""

    time: Ratio
    """Of the times to completion."""
    bytes: Ratio
    """Of the UDP payloads."""
    frame_bytes: Ratio
    """Of the bytes of frames."""
    trials: int
    """Handshakes on the bad link."""
    completed: int
    """Those of them that completed."""

    def to_json(self) -> dict[str, object]:
        """The entry of the JSON form."""
        ratios = {name: getattr(self, name).to_json() for name in ("time", "bytes", "frame_bytes")}
        return {**ratios, "trials": self.trials, "completed": self.completed}


@dataclass(frozen=True, slots=True)
class Row:
    """One bad link; ``loss`` is a fraction of frames.

    Both maps go from the name of a carrier to how much more it takes there.
    """

    loss: float
    published: Mapping[str, Degradation]
    carriers: Mapping[str, Degraded]

    def to_json(self) -> dict[str, object]:
        """The row of the JSON form."""
        return {
            "loss": self.loss,
            "published": {name: dataclasses.asdict(it) for name, it in self.published.items()},
            "ours": {name: it.to_json() for name, it in self.carriers.items()},
        }


def rows(
    trials: int | None = None,
    seed: int = 1,
    *,
    selection: Selection = ALL,
    progress: Progress | None = None,
) -> Iterator[Row]:
    """The table, line by line.

    ``progress`` is called with the number of handshakes that are done, and of how many.  Raises
    ConfigurationError, for less than one trial, say.
    """
    each, done, tell = TRIALS if trials is None else trials, 0, progress or silent
    losses = selection.losses_of("claeys", LOSSES)
    link = LINK if selection.limit is None else {**LINK, "mtu": selection.limit}
    good = selection.columns_of(contestants(**link))
    whole = (1 + len(losses)) * len(good) * each

    def run(scenarios: Mapping[str, Scenario]) -> Iterator[tuple[str, SimulationReport]]:
        nonlocal done
        for name, scenario in scenarios.items():
            yield name, simulate(scenario, each, seed)
            done += each
            tell(done, whole)

    base = dict(run(good))
    for loss in losses:
        bad = run(selection.columns_of(contestants(**link, loss=loss)))
        yield Row(loss, CLAEYS, {name: _degraded(it, base[name]) for name, it in bad})


def _degraded(bad: SimulationReport, good: SimulationReport) -> Degraded:
    return Degraded(
        time=_ratio(bad.duration_s, good.duration_s),
        bytes=_ratio(bad.bytes, good.bytes),
        frame_bytes=_ratio(bad.frame_bytes, good.frame_bytes),
        trials=bad.trials,
        completed=bad.completed,
    )


def _ratio(bad: Summary, good: Summary) -> Ratio:
    """Intervals are by those of both links, whose errors are taken for independent.

    They share their draws, which can only make the intervals too wide; the good link hardly varies.
    That of means is to first order (relative errors add as squares), that of medians goes from the
    low end over the high end to the high end over the low one.
    """
    if not bad.mean or not good.mean or not bad.median or not good.median:
        return Ratio(None, None)
    mean, median = bad.mean / good.mean, bad.median / good.median
    half = ends = None
    if bad.ci95 is not None and good.ci95 is not None:
        half = mean * math.hypot(bad.ci95 / bad.mean, good.ci95 / good.mean)
    if bad.median_ci95 is not None and good.median_ci95 is not None:
        low, high = good.median_ci95
        ends = (bad.median_ci95[0] / high, bad.median_ci95[1] / low)
    return Ratio(mean, half, median, ends)
