"""The summary of a sweep: its file in figures, scenario by scenario.

This module imports the laboratory: it is itself imported only once a sweep is done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from handshake_over_coap.lab.simulate import Progress
from handshake_over_coap.lab.store import chosen_options
from handshake_over_coap.trace.report import Summary

_MOST_LINES: Final = 60
_AT_ONCE: Final = 100_000
"""Rows in memory at one time, or one scenario's if it has more."""

_FIGURES: Final = ("datagrams", "bytes", "duration_s")
_HEADING: Final = ("completed", "datagrams", "+-", "bytes", "+-", "duration_s", "95 %", "p95")


@dataclass(frozen=True, slots=True)
class Line:
    """One scenario: its place, the options that were chosen, and what came of it.

    The summaries are over completed handshakes; ``failures`` counts the reasons of the others.
    """

    scenario: int
    options: Mapping[str, Any]
    trials: int
    completed: int
    failures: Mapping[str, int]
    datagrams: Summary
    bytes: Summary
    duration_s: Summary

    def to_json(self) -> dict[str, Any]:
        """The object of the JSON form: means by the names of the metrics, and what else there is.

        Of times there are the quantiles with their intervals, as that of a mean is too narrow.
        """
        time = self.duration_s
        return {
            "scenario": self.scenario,
            **self.options,
            "trials": self.trials,
            "completed": self.completed,
            "failures": dict(self.failures),
            "datagrams": self.datagrams.mean,
            "datagrams_ci95": self.datagrams.ci95,
            "bytes": self.bytes.mean,
            "bytes_ci95": self.bytes.ci95,
            "duration_s": time.mean,
            "duration_s_median": time.median,
            "duration_s_median_ci95": time.median_ci95,
            "duration_s_p95": time.p95,
            "duration_s_p95_ci95": time.p95_ci95,
        }

    def cells(self, varying: Sequence[str]) -> list[str]:
        """The cells of the table in text."""
        time = self.duration_s
        ends = time.median_ci95
        return [
            str(self.scenario),
            *(_cell(self.options[name]) for name in varying),
            str(self.completed),
            *(_cell(each) for each in (self.datagrams.mean, self.datagrams.ci95)),
            *(_cell(each) for each in (self.bytes.mean, self.bytes.ci95)),
            _cell(time.median),
            "-" if ends is None else "-".join(map(_cell, ends)),
            _cell(time.p95),
        ]


def lines(out: Path, trials: int, progress: Progress) -> Iterator[Line]:
    """The scenarios of the sweep in ``out``, in their order; each has ``trials`` rows."""
    rows = pl.scan_parquet(out)
    options = chosen_options(out)
    total = rows.select(pl.len()).collect().item()
    step = max(1, _AT_ONCE // trials) * trials
    wanted = rows.select("scenario", *options, "completed", "failure", *_FIGURES)
    for start in range(0, total, step):
        columns = wanted.slice(start, step).collect().to_dict(as_series=False)
        for first in range(0, len(columns["scenario"]), trials):
            own = {name: values[first : first + trials] for name, values in columns.items()}
            yield _line(own, options)
            progress(start + first + trials, total)


def _line(columns: Mapping[str, Sequence[Any]], options: Sequence[str]) -> Line:
    done = columns["completed"]
    failures = Counter(each for each in columns["failure"] if each is not None)
    return Line(
        scenario=columns["scenario"][0],
        options={name: columns[name][0] for name in options},
        trials=len(done),
        completed=sum(done),
        failures=dict(sorted(failures.items())),
        **{name: Summary.of(_of(columns[name], done)) for name in _FIGURES},
    )


def _of(values: Sequence[float], done: Sequence[bool]) -> Iterator[float]:
    return (value for value, completed in zip(values, done, strict=True) if completed)


def in_json(found: Sequence[Line], out: Path) -> dict[str, Any]:
    """The whole summary as one JSON object."""
    return {
        "out": str(out),
        "trials": sum(each.trials for each in found),
        "completed": sum(each.completed for each in found),
        "scenarios": [each.to_json() for each in found],
    }


def in_text(found: Sequence[Line], out: Path) -> str:
    """What varies, and the figures, as a table; below it the reasons of failures."""
    trials, completed = (sum(getattr(it, name) for it in found) for name in ("trials", "completed"))
    varying = [name for name in found[0].options if len({it.options[name] for it in found}) > 1]
    shown = found[:_MOST_LINES]
    table = [["scenario", *varying, *_HEADING], *(each.cells(varying) for each in shown)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    said = [
        "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        for line in table
    ]
    if len(found) > _MOST_LINES:
        said.append(f"... and {len(found) - _MOST_LINES} scenarios more")
    failed = [
        f"scenario {each.scenario}: "
        + ", ".join(f"{number} failed: {reason}" for reason, number in each.failures.items())
        for each in shown
        if each.failures
    ]
    return "\n".join(
        [
            f"{out}: {completed:,} of {trials:,} handshakes completed; over those: means with",
            "their 95 % intervals; of duration_s the median with its interval, and the p95",
            "",
            *said,
            *(["", *failed] if failed else []),
        ]
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
