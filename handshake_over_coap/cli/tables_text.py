"""The tables of ``hoc tables`` as text, and as rows of JSON.

This module imports the laboratory: it is itself imported only once a table is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from handshake_over_coap.lab import claeys, keoh, table1, table2, table4, table5
from handshake_over_coap.lab.simulate import Progress
from handshake_over_coap.lab.strategies import LIMIT
from handshake_over_coap.lab.table import in_json

_DRAFT: Final = "draft-hartke-dice-practical-issues-01"
_TITLE_1: Final = f"""\
Table 1 of {_DRAFT}: datagrams / bytes of one handshake over UDP
(DTLS 1.2, ECDHE_ECDSA with CCM_8 and a raw public key, cookie included), by the largest payload"""
_TITLE_2: Final = f"""\
Table 2 of {_DRAFT}: the same with stateless header compression"""
_TITLE_4: Final = f"""\
Table 4 of {_DRAFT}: bytes left for data in a datagram (CCM_8),
and with stateless header compression, the nonce elided"""
_TITLE_5: Final = f"""\
Table 5 of {_DRAFT}: datagrams to complete a handshake, by loss;
nobody gives up. The draft's three strategies: published, replicated (with its 95 % interval), and
the exact mean of the model; then our real carriers with datagrams of {LIMIT} bytes at most"""
_TITLE_KEOH: Final = f"""\
draft-keoh-lwig-dtls-iot-02: handshakes with a pre-shared key that complete in {keoh.BUDGET:g} s,
in percent, with their 95 % intervals"""
_TITLE_CLAEYS: Final = """\
Claeys et al., Sensors 2021, 21(6):2192: a handshake on a bad link over one on a good link.
Published, over 6TiSCH: """
_FEWEST_OF_MODELS: Final = 1000
"""Trials of the models in table 5: they cost little beside those of our carriers."""

_NAMES_5: Final = {
    "bulk": "bulk, no ACK",
    "stop_and_wait": "stop-and-wait",
    "cumulative": "bulk, one ACK",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table in both forms."""

    text: str
    json: list[dict[str, Any]]

    @classmethod
    def of(cls, name: str, trials: int | None, seed: int, progress: Progress) -> Table:
        """The table called ``name``; raises ConfigurationError."""
        return _MAKERS[name](trials, seed, progress)


def _table1(_trials: int | None, _seed: int, _progress: Progress) -> Table:
    return _sizes(_TITLE_1, table1.rows())


def _table2(_trials: int | None, _seed: int, _progress: Progress) -> Table:
    return _sizes(_TITLE_2, table2.rows())


def _sizes(title: str, rows: Sequence[table1.Row | table2.Row]) -> Table:
    lines = [title, "", "limit   published        ours   published - ours, bytes"]
    for row in rows:
        published, ours = (f"{t.datagrams} / {t.bytes}" for t in (row.published, row.ours))
        lines.append(f"{row.limit:5}   {published:>9}   {ours:>9}   {_difference(row)}".rstrip())
    return Table("\n".join(lines), in_json(rows))


def _difference(row: table1.Row | table2.Row) -> str:
    if not row.budget:
        return "0"
    whole = row.published.bytes - row.ours.bytes
    parts = ", ".join(f"{size:+} {name}" for name, size in row.budget.items())
    return f"{whole:+} = {parts}"


def _table4(_trials: int | None, _seed: int, _progress: Progress) -> Table:
    rows = table4.rows()
    lines = [_TITLE_4, "", "limit   published        ours   (plain / SHC)"]
    for row in rows:
        published, ours = (f"{t.plain} / {t.shc}" for t in (row.published, row.ours))
        lines.append(f"{row.limit:5}   {published:>9}   {ours:>9}")
    return Table("\n".join(lines), in_json(rows))


def _table5(trials: int | None, seed: int, progress: Progress) -> Table:
    of_models = None if trials is None else max(trials, _FEWEST_OF_MODELS)
    rows = tuple(table5.rows(trials, seed, of_models=of_models, progress=progress))
    lines = [_TITLE_5]
    for name, title in _NAMES_5.items():
        lines += ["", f"{title:<14} loss   published    replicated               exact"]
        for row in rows:
            model, published = row.models[name], getattr(row.published, name)
            lines.append(
                f"{row.loss:>18.0%}{published:>12.1f}"
                f"{_mean(model.replicated.mean, model.replicated.ci95):>20}"
                f"{model.exact:>14.1f}"
            )
        runs = table5.runs_behind(rows, name)
        lines.append(f"  the published column differs from it like a mean over {runs:.0f} runs")
    carriers = list(rows[0].carriers)
    lines += ["", f"{'our carriers':<14} loss{''.join(f'{name:>20}' for name in carriers)}"]
    for row in rows:
        found = (_mean(each.mean, each.ci95) for each in row.carriers.values())
        lines.append(f"{row.loss:>18.0%}{''.join(f'{each:>20}' for each in found)}")
    lines += _beside(rows, carriers, "mean seconds", lambda each: each.seconds)
    lines += _beside(rows, carriers, "mean bytes", lambda each: each.bytes)
    lines += _incomplete(rows)
    return Table("\n".join(lines), in_json(rows))


def _beside(
    rows: Sequence[table5.Row],
    carriers: Sequence[str],
    title: str,
    figure: Callable[[table5.Measured], float | None],
) -> list[str]:
    """Another figure of the same handshakes, a line for each loss."""
    lines = ["", f"{title:<14} loss{''.join(f'{name:>20}' for name in carriers)}"]
    for row in rows:
        found = map(figure, row.carriers.values())
        cells = ("none" if each is None else f"{each:.1f}" for each in found)
        lines.append(f"{row.loss:>18.0%}{''.join(f'{each:>20}' for each in cells)}")
    return lines


def _incomplete(rows: Sequence[table5.Row | claeys.Row]) -> list[str]:
    """What did not complete although nobody gives up; there should be none."""
    return [
        f"  {each.trials - each.completed} of {each.trials} over {name} at {row.loss:.0%} "
        "did not complete and are not in the mean"
        for row in rows
        for name, each in row.carriers.items()
        if each.completed < each.trials
    ]


def _mean(mean: float | None, half_width: float | None) -> str:
    if mean is None or half_width is None:
        return "none"
    return f"{mean:.1f} +- {half_width:.1f}"


def _ratio(ratio: claeys.Ratio) -> str:
    if ratio.mean is None or ratio.ci95 is None:
        return "none"
    return f"{ratio.mean:.2f} +- {ratio.ci95:.2f}"


def _ratio_of_medians(ratio: claeys.Ratio) -> str:
    if ratio.median is None or ratio.median_ci95 is None:
        return "none"
    low, high = ratio.median_ci95
    return f"{ratio.median:.2f} ({low:.2f}-{high:.2f})"


def _keoh(trials: int | None, seed: int, progress: Progress) -> Table:
    rows = tuple(keoh.rows(trials, seed, progress=progress))
    names = list(rows[0].carriers)
    lines = [_TITLE_KEOH, "", f"loss   published{''.join(f'{name:>22}' for name in names)}"]
    for row in rows:
        about = "about " if row.approximate else ""
        published = "" if row.published is None else f"{about}{row.published:.0%}"
        found = (
            f"{each.success:.1%} ({each.interval[0]:.0%}-{each.interval[1]:.0%})"
            for each in row.carriers.values()
        )
        lines.append(f"{row.loss:4.0%}{published:>12}{''.join(f'{each:>22}' for each in found)}")
    return Table("\n".join(lines), in_json(rows))


def _claeys(trials: int | None, seed: int, progress: Progress) -> Table:
    rows = tuple(claeys.rows(trials, seed, progress=progress))
    published = ", ".join(
        f"{name.upper()} {it.time:g} times the time and {it.bytes:g} times the bytes"
        for name, it in rows[0].published.items()
    )
    lines = [_TITLE_CLAEYS + published, ""]
    heading = "frames lost   carrier"
    columns = f"{'median time':>22}{'mean time':>18}{'bytes':>16}{'frame bytes':>16}"
    lines.append(f"{heading:<32}{columns}")
    for row in rows:
        for name, it in row.carriers.items():
            time, size, frames = map(_ratio, (it.time, it.bytes, it.frame_bytes))
            figures = f"{_ratio_of_medians(it.time):>22}{time:>18}{size:>16}{frames:>16}"
            lines.append(f"{row.loss:>11.0%}   {name:<18}{figures}")
    lines += _incomplete(rows)
    return Table("\n".join(lines), in_json(rows))


_MAKERS: Final[dict[str, Callable[[int | None, int, Progress], Table]]] = {
    "1": _table1,
    "2": _table2,
    "4": _table4,
    "5": _table5,
    "keoh": _keoh,
    "claeys": _claeys,
}
