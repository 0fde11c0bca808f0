"""The trials of a scenario, summed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from handshake_over_coap.encodings import encoding_named
from handshake_over_coap.lab.metrics import Trial
from handshake_over_coap.lab.report_text import report_html, report_text
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.lab.statistics import wilson
from handshake_over_coap.trace.report import HandshakeReport, Summary


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

    @classmethod
    def of(cls, scenario: Scenario, seed: int, trials: Iterable[Trial]) -> Self:
        """The report of ``trials``, in any order."""
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
            **summaries,
        )

    def __str__(self) -> str:
        """The figures as a table, as ``hoc simulate`` prints them."""
        return report_text(self)

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return report_html(self)

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
