"""The trials of a scenario, summed up: as figures, in text, and in HTML for a notebook."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from html import escape
from typing import Any, Final, Self

from handshake_over_coap.encodings import encoding_named
from handshake_over_coap.lab.metrics import Trial
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.lab.statistics import wilson
from handshake_over_coap.net.effects import without_effect
from handshake_over_coap.trace.report import HandshakeReport, Summary, bodies_text

_HEADING: Final = f"{'':<22}{'mean':>10}{'+-':>10}{'median':>10}{'p95':>9}{'min':>9}{'max':>9}"
_HEADING_OF_TIMES: Final = (
    f"{'':<19}{'median':>8}{'95 %':>15}{'p95':>8}{'95 %':>15}{'mean':>8}{'max':>7}"
)
_LINES: Final = (
    ("datagrams", "datagrams"),
    ("bytes", "bytes"),
    ("frames", "frames"),
    ("frame_bytes", "bytes in frames"),
    ("frame_acks", "ACK frames on the air"),
    ("retransmissions", "retransmissions"),
    ("client_energy_j", "joules, client"),
    ("server_energy_j", "joules, server"),
    ("client_buffer", "bytes waiting, client"),
    ("server_buffer", "bytes waiting, server"),
    ("client_overflow", "overflow, client"),
    ("server_overflow", "overflow, server"),
    ("client_busy_s", "seconds busy, client"),
    ("server_busy_s", "seconds busy, server"),
)
_TIMES: Final = (
    ("duration_s", "seconds to complete"),
    ("client_s", "  on the client"),
    ("server_s", "  on the server"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationReport(HandshakeReport):
    """A :class:`HandshakeReport` with what only a simulation knows.

    ``success`` is the 95 % interval of the probability to complete (Wilson's), ``failures`` counts
    the reasons of trials that did not.  The further summaries are over completed trials, like
    those of every report, by the definitions of :mod:`handshake_over_coap.lab.metrics`; all their
    values are ``None`` where the scenario has no such thing (frames on a plain link).
    """

    success: tuple[float, float]
    failures: Mapping[str, int]
    client_s: Summary
    server_s: Summary
    client_datagrams: Summary
    client_bytes: Summary
    client_retransmissions: Summary
    frames: Summary
    frame_bytes: Summary
    frame_acks: Summary
    client_energy_j: Summary
    server_energy_j: Summary
    client_buffer: Summary
    server_buffer: Summary
    client_overflow: Summary
    server_overflow: Summary
    client_busy_s: Summary
    server_busy_s: Summary
    scenario: Scenario = field(repr=False)
    cpu_s: Summary = field(compare=False)
    rows: tuple[Trial, ...] = field(default=(), repr=False, compare=False)
    """The trials one by one, where they were kept."""

    @classmethod
    def of(
        cls, scenario: Scenario, seed: int, trials: Iterable[Trial], *, keep: bool = False
    ) -> Self:
        """The report of ``trials``, in any order; ``keep`` keeps them in it."""
        every = tuple(trials)
        done = [trial for trial in every if trial.completed]
        encoding = encoding_named(scenario.encoding)
        base = HandshakeReport.from_trials(
            (trial.figures for trial in every),
            transport=scenario.transport,
            dtls=scenario.dtls,
            auth=scenario.auth,
            encoding=encoding.name if scenario.transport == "coap" else None,
            seed=seed,
        )
        summaries: dict[str, Any] = {name: _summary(done, name) for name in _SUMMARISED}
        failures = Counter(trial.failure for trial in every if trial.failure is not None)
        return cls(
            **{each.name: getattr(base, each.name) for each in fields(HandshakeReport)},
            success=wilson(len(done), len(every)),
            failures=dict(sorted(failures.items())),
            scenario=scenario,
            rows=every if keep else (),
            **summaries,
        )

    def __str__(self) -> str:
        """The figures as a table, as ``hoc simulate`` prints them."""
        return _text(self)

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return _html(self)

    def to_dict(self) -> dict[str, object]:
        """The object of the JSON form, which repeats byte for byte: without ``cpu_s``."""
        more = {name: getattr(self, name) for name in _SUMMARISED if name != "cpu_s"}
        return {
            **HandshakeReport.to_dict(self),
            "success": list(self.success),
            "failures": dict(self.failures),
            **{name: each.to_dict() for name, each in more.items() if each.mean is not None},
        }


_SUMMARISED = tuple(
    each.name
    for each in fields(SimulationReport)
    if each.name in {known.name for known in fields(Trial)}
    and each.name not in {known.name for known in fields(HandshakeReport)}
)


def _summary(done: Iterable[Trial], name: str) -> Summary:
    values = (getattr(trial, name) for trial in done)
    return Summary.of(value for value in values if value is not None)


def _text(report: SimulationReport) -> str:
    """The figures as a table of at most 80 columns."""
    lines = [textwrap.fill(text, 80, subsequent_indent="  ") for text in _head(report)]
    lines += [f"  {number} failed: {reason}" for reason, number in report.failures.items()]
    if report.completed:
        lines += ["", _HEADING]
        told = ((name, title) for name, title in _LINES if _told(report, name))
        lines += [_line(title, getattr(report, name)) for name, title in told]
        lines += ["", _HEADING_OF_TIMES]
        lines += [_line_of_time(title, getattr(report, name)) for name, title in _TIMES]
    if report.body_bytes:
        lines.append(f"bodies: {bodies_text(report.body_bytes)}")
    return "\n".join(lines)


def _told(report: SimulationReport, name: str) -> bool:
    summary: Summary = getattr(report, name)
    of_slow_devices = name.endswith(("_buffer", "_overflow", "_busy_s"))
    return bool(summary.max) or (summary.max is not None and not of_slow_devices)


def _line(title: str, summary: Summary) -> str:
    values = (summary.median, summary.p95, summary.min, summary.max)
    of_mean = f"{_figure(summary.mean):>10}{_figure(summary.ci95):>10}"
    widths = (10, 9, 9, 9)
    rest = (f"{_figure(each):>{width}}" for each, width in zip(values, widths, strict=True))
    return f"{title:<22}{of_mean}{''.join(rest)}"


def _line_of_time(title: str, summary: Summary) -> str:
    """Times are very skew: an interval of their mean would be too narrow."""
    median = f"{_figure(summary.median):>8}{_interval(summary.median_ci95):>15}"
    p95 = f"{_figure(summary.p95):>8}{_interval(summary.p95_ci95):>15}"
    return f"{title:<19}{median}{p95}{_figure(summary.mean):>8}{_figure(summary.max):>7}"


def _interval(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None else "-".join(map(_figure, ends))


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    digits = 3 if abs(value) < 0.01 else 4
    return f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:.0f}"


def _head(report: SimulationReport) -> tuple[str, str]:
    """What was simulated, and how many completed."""
    idle = {name for name, _ in without_effect(report.scenario)}
    others = report.scenario.described(without={"transport", "dtls", "auth", *idle})
    low, high = report.success
    return f"{report.transport}, DTLS {report.dtls}, {report.auth}; {others}", (
        f"{report.completed} of {report.trials} handshakes completed "
        f"({report.completed / report.trials:.1%}, 95 % interval {low:.1%} to {high:.1%}), "
        f"seed {report.seed}"
    )


def _html(report: SimulationReport) -> str:
    """The same figures as an HTML fragment."""
    parts = [f"<p>{escape(text)}</p>" for text in _head(report)]
    parts += [f"<p>{number} failed: {escape(why)}</p>" for why, number in report.failures.items()]
    if report.completed:
        names = ("", "mean", "±", "median", "p95", "min", "max")
        head = "".join(f"<th>{name}</th>" for name in names)
        rows = "".join(_html_rows(report))
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
    if report.body_bytes:
        parts.append(f"<p>bodies: {bodies_text(report.body_bytes)}</p>")
    return "".join(parts)


def _html_rows(report: SimulationReport) -> Iterator[str]:
    for name, title in (*_LINES, *_TIMES):
        if not _told(report, name):
            continue
        summary: Summary = getattr(report, name)
        # An interval of the mean of times would be too narrow: they are very skew.
        of_mean = None if (name, title) in _TIMES else summary.ci95
        values = (summary.mean, of_mean, summary.median, summary.p95, summary.min, summary.max)
        cells = "".join(f"<td>{_figure(each)}</td>" for each in values)
        yield f"<tr><th>{escape(title.strip())}</th>{cells}</tr>"
