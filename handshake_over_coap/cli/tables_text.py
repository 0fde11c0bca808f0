"""The tables of ``hoc tables`` as text, and as rows of JSON.

This module imports the laboratory: it is itself imported only once a table is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from handshake_over_coap.cli.table5_text import incomplete, table5_lines
from handshake_over_coap.lab import (
    claeys,
    keoh,
    size_maps,
    size_maps_text,
    table1,
    table2,
    table4,
    table5,
)
from handshake_over_coap.lab.selection import Selection
from handshake_over_coap.lab.simulate import Progress
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
_TITLE_KEOH: Final = f"""\
draft-keoh-lwig-dtls-iot-02: handshakes with a pre-shared key that complete in {keoh.BUDGET:g} s,
in percent, with their 95 % intervals"""
_TITLE_CLAEYS: Final = """\
Claeys et al., Sensors 2021, 21(6):2192: a handshake on a bad link over one on a good link.
Published, over 6TiSCH: """
_TITLE_SIZES: Final = f"""\
Bytes of each flight of a handshake, and what they are ({size_maps_text.CONDITIONS});
beside the floor, which no lossless encoding saves, and what others have published"""
_FEWEST_OF_MODELS: Final = 1000
"""Trials of the models in table 5: they cost little beside those of our carriers."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a table is asked for; ``trials`` is None for the run of the documentation."""

    trials: int | None
    seed: int
    selection: Selection


@dataclass(frozen=True, slots=True)
class Table:
    """A table in both forms."""

    text: str
    json: list[dict[str, Any]]

    @classmethod
    def of(cls, name: str, asked: Asked, progress: Progress) -> Table:
        """The table called ``name``; raises ConfigurationError."""
        asked.selection.check_for(name)
        return _MAKERS[name](asked, progress)


def _table1(_asked: Asked, _progress: Progress) -> Table:
    return _sizes(_TITLE_1, table1.rows())


def _table2(_asked: Asked, _progress: Progress) -> Table:
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


def _table4(_asked: Asked, _progress: Progress) -> Table:
    rows = table4.rows()
    lines = [_TITLE_4, "", "limit   published        ours   (plain / SHC)"]
    for row in rows:
        published, ours = (f"{t.plain} / {t.shc}" for t in (row.published, row.ours))
        lines.append(f"{row.limit:5}   {published:>9}   {ours:>9}")
    return Table("\n".join(lines), in_json(rows))


def _table5(asked: Asked, progress: Progress) -> Table:
    of_models = None if asked.trials is None else max(asked.trials, _FEWEST_OF_MODELS)
    rows = tuple(
        table5.rows(
            asked.trials,
            asked.seed,
            selection=asked.selection,
            of_models=of_models,
            progress=progress,
        )
    )
    return Table("\n".join(table5_lines(rows, asked.selection)), in_json(rows))


def _ratio(ratio: claeys.Ratio) -> str:
    if ratio.mean is None or ratio.ci95 is None:
        return "none"
    return f"{ratio.mean:.2f} +- {ratio.ci95:.2f}"


def _ratio_of_medians(ratio: claeys.Ratio) -> str:
    if ratio.median is None or ratio.median_ci95 is None:
        return "none"
    low, high = ratio.median_ci95
    return f"{ratio.median:.2f} ({low:.2f}-{high:.2f})"


def _keoh(asked: Asked, progress: Progress) -> Table:
    rows = tuple(keoh.rows(asked.trials, asked.seed, selection=asked.selection, progress=progress))
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


def _claeys(asked: Asked, progress: Progress) -> Table:
    rows = tuple(
        claeys.rows(asked.trials, asked.seed, selection=asked.selection, progress=progress)
    )
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
    lines += incomplete(rows)
    return Table("\n".join(lines), in_json(rows))


def _size_maps(asked: Asked, progress: Progress) -> Table:
    rows = tuple(size_maps.rows(asked.trials, asked.seed, progress=progress))
    text = f"{_TITLE_SIZES}\n\n{size_maps_text.as_text(rows)}"
    return Table(text, in_json(rows))


def draw(path: Path, seed: int) -> None:
    """Draw the handshake that most of others compare with; raises ConfigurationError."""
    from handshake_over_coap.lab import sizes_picture

    (row,) = size_maps.rows(1, seed, names=(sizes_picture.SHOWN,))
    conditions = f"hoc tables sizes --picture, seed {seed}: {size_maps_text.CONDITIONS}"
    sizes_picture.draw(row, path, conditions)


_MAKERS: Final[dict[str, Callable[[Asked, Progress], Table]]] = {
    "1": _table1,
    "2": _table2,
    "4": _table4,
    "5": _table5,
    "keoh": _keoh,
    "claeys": _claeys,
    "sizes": _size_maps,
}
