"""Table 5 as text: the draft's strategies, then our carriers, a few columns at a time.

This module imports the laboratory: it is itself imported only once a table is asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Final

from handshake_over_coap.lab import claeys, table5
from handshake_over_coap.lab.published import Transmissions
from handshake_over_coap.lab.selection import Selection

_TITLE: Final = """\
Table 5 of draft-hartke-dice-practical-issues-01: datagrams to complete a handshake, by loss;
nobody gives up. The draft's three strategies: published, replicated (with its 95 % interval), and
the exact mean of the model (of 55, 65 and 75 % only the best of the three is at hand); then our
real carriers"""

_NAMES: Final = {
    "bulk": "bulk, no ACK",
    "stop_and_wait": "stop-and-wait",
    "cumulative": "bulk, one ACK",
}

_LOSS_MODELS: Final = {
    "independent": "independent losses",
    "bursty": "losses in bursts of 4 on average",
    "jitter": "independent losses and up to 50 ms of jitter",
    "bursty-jitter": "losses in bursts of 4 on average and up to 50 ms of jitter",
}

_ABREAST: Final = 4
"""Columns of carriers beside each other: with the loss, they fit a terminal of 120 characters."""

_WIDTH: Final = 25


def table5_lines(rows: Sequence[table5.Row], selection: Selection) -> list[str]:
    """The whole table."""
    who = {"server": "the server's key shown", "mutual": "both keys shown"}
    title = (
        f"{_TITLE} with datagrams of {selection.conditions['limit']} bytes at most,\n"
        f"{who[selection.authentication]}, {_LOSS_MODELS[selection.loss_model]}"
    )
    lines = [title]
    for name in _NAMES:
        lines += _strategy(rows, name)
    lines += _figures(rows, "datagrams", lambda _, each: mean_text(each.mean, each.ci95))
    lines += _figures(rows, "over the best", _over_best)
    lines += _figures(rows, "over the floor", lambda _, each: _over(each, each.floor))
    lines += _figures(rows, "mean seconds", lambda _, each: _plain(each.seconds))
    lines += _figures(rows, "mean bytes", lambda _, each: _plain(each.bytes))
    return lines + incomplete(rows)


def _strategy(rows: Sequence[table5.Row], name: str) -> list[str]:
    """One of the draft's three: published, replicated, exact."""
    lines = ["", f"{_NAMES[name]:<14} loss   published    replicated               exact"]
    for row in rows:
        model = row.models[name]
        whole = isinstance(row.published, Transmissions)
        published = f"{getattr(row.published, name):.1f}" if whole else "-"
        replicated = mean_text(model.replicated.mean, model.replicated.ci95)
        lines.append(f"{row.loss:>18.0%}{published:>12}{replicated:>20}{model.exact:>14.1f}")
    runs = table5.runs_behind(rows, name)
    lines.append(f"  the published column differs from it like a mean over {runs:.0f} runs")
    return lines


def _figures(
    rows: Sequence[table5.Row],
    title: str,
    cell: Callable[[table5.Row, table5.Measured], str],
) -> list[str]:
    """One figure of our carriers, a line for each loss."""
    lines = []
    names = iter(rows[0].carriers if rows else ())
    while abreast := list(itertools.islice(names, _ABREAST)):
        lines += ["", f"{title:<14} loss{''.join(f'{name:>{_WIDTH}}' for name in abreast)}"]
        for row in rows:
            cells = (cell(row, row.carriers[name]) for name in abreast)
            lines.append(f"{row.loss:>18.0%}{''.join(f'{each:>{_WIDTH}}' for each in cells)}")
    return lines


def _over_best(row: table5.Row, each: table5.Measured) -> str:
    return _over(each, row.published.best)


def _over(each: table5.Measured, whole: float) -> str:
    """Datagrams over ``whole``, with the interval."""
    if each.mean is None or each.ci95 is None:
        return "none"
    return f"{each.mean / whole:.2f} +- {each.ci95 / whole:.2f}"


def _plain(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f}"


def mean_text(mean: float | None, half_width: float | None) -> str:
    """A mean with half of its interval."""
    if mean is None or half_width is None:
        return "none"
    return f"{mean:.1f} +- {half_width:.1f}"


def incomplete(rows: Sequence[table5.Row | claeys.Row]) -> list[str]:
    """What did not complete although nobody gives up; there should be none."""
    return [
        f"  {each.trials - each.completed} of {each.trials} over {name} at {row.loss:.0%} "
        "did not complete and are not in the mean"
        for row in rows
        for name, each in row.carriers.items()
        if each.completed < each.trials
    ]
