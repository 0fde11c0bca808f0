"""What was aimed at in table 5, and what was measured: the table of docs/tables.md.

Each condition is a run of its own, in one folder under these names:

hoc tables 5 --full --json > server.json
hoc tables 5 --full --json --authentication mutual > mutual.json
hoc tables 5 --full --json --loss-model bursty > bursty.json     (and jitter, bursty-jitter)
hoc tables 5 --full --json --limit 1152 > 1152.json
python bench/table5_aims.py FOLDER

Of many cells the one that is furthest above its aim counts, or the least below it.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Row = Mapping[str, Any]

EVERYWHERE: Final = tuple(step / 20 for step in range(18))
UP_TO_HALF: Final = EVERYWHERE[:11]
UP_TO_30: Final = EVERYWHERE[:7]


@dataclass(frozen=True)
class Aim:
    """At most ``limit`` in each of ``losses``; ``over`` is what the figure is divided by."""

    said: str
    file: str
    column: str
    limit: float
    losses: Sequence[float] = EVERYWHERE
    over: str = "best"


@dataclass(frozen=True)
class Found:
    """The worst cell: a value with half its interval, and the loss it is at."""

    value: float
    half: float
    loss: float


def of_best() -> list[Aim]:
    """Datagrams over the best published column."""
    aims = []
    for version, more in (("1.3", 0.0), ("1.2", 0.1)):
        echo, lean = f"coap-{version}-lean-echo", f"coap-{version}-lean"
        aims += [
            Aim("Echo first, nothing lost", "server", echo, 0.56 + more, (0.0,)),
            Aim("Echo first, all other rows", "server", echo, 0.54 + more, EVERYWHERE[1:]),
            Aim("adaptive", "server", lean, 0.46 + more),
            Aim("both keys shown, adaptive", "mutual", lean, 0.58 + more),
        ]
        for model in ("bursty", "jitter", "bursty-jitter"):
            aims += [
                Aim(f"{model}, adaptive, up to 50 %", model, lean, 0.6, UP_TO_HALF),
                Aim(f"{model}, Echo first, up to 50 %", model, echo, 0.67, UP_TO_HALF),
            ]
    derived = "coap-1.3-lean-derived"
    return [
        *aims,
        Aim("derived random", "server", derived, 0.41),
        Aim("derived random, key pinned", "server", f"{derived}-pinned", 0.35),
    ]


def of_floor() -> list[Aim]:
    """Datagrams over what arrives."""
    return [
        Aim(f"{said}, {where}", "server", column, limit, losses, "floor")
        for column, said, limits in (
            ("coap-1.3-lean-echo", "Echo first", (1.15, 1.3, 1.4)),
            ("coap-1.3-lean", "adaptive", (1.3, 1.4, 1.65)),
        )
        for limit, losses, where in zip(
            limits,
            (UP_TO_30, (0.5,), (0.85,)),
            ("up to 30 %", "50 %", "85 %"),
            strict=True,
        )
    ]


def of_time() -> list[Aim]:
    """Mean seconds over those of DTLS 1.3 over UDP."""
    return [
        Aim(f"{said}, {file} bytes, {loss:.0%}", file, column, limit, (loss,), "udp-1.3")
        for file, column, said, limits in (
            ("65", "coap-1.3-lean", "adaptive", (0.2, 0.1, 0.1)),
            ("65", "coap-1.3-lean-echo", "Echo first", (0.3, 0.12, 0.1)),
            ("1152", "coap-1.3-lean-quick", "quick", (0.35, 0.2, 0.1)),
        )
        for loss, limit in zip((0.1, 0.2, 0.3), limits, strict=True)
    ]


def value(row: Row, aim: Aim) -> tuple[float, float]:
    """What was measured over what it is compared with, and half the interval."""
    entry = row["ours"][aim.column]
    if aim.over == "best":
        best = min(row["published"].values())
        return entry["mean"] / best, entry["ci95"] / best
    if aim.over == "floor":
        return entry["mean"] / entry["floor"], entry["ci95"] / entry["floor"]
    other = row["ours"][aim.over]
    ratio = entry["seconds"] / other["seconds"]
    errors = (each["seconds_ci95"] / each["seconds"] for each in (entry, other))
    return ratio, ratio * math.hypot(*errors)


def worst(rows: Sequence[Row], aim: Aim) -> Found | None:
    """The cell that counts; None where it was not measured."""
    found = [
        Found(*value(row, aim), row["loss"])
        for row in rows
        if row["loss"] in aim.losses
        and aim.column in row["ours"]
        and (aim.over in {"best", "floor"} or aim.over in row["ours"])
    ]
    return max(found, key=lambda each: each.value, default=None)


def verdict(found: Found, aim: Aim) -> str:
    """In words, and whether the interval leaves it open."""
    said = "met" if found.value <= aim.limit else "**missed**"
    return f"{said} (open by the interval)" if abs(found.value - aim.limit) < found.half else said


def main(folder: Path) -> None:
    """Print the table in Markdown."""
    runs = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))["rows"]
        for path in sorted(folder.glob("*.json"))
    }
    runs["65"] = runs.get("server", [])
    for title, aims in (
        ("over the best published column", of_best()),
        ("over the floor", of_floor()),
        ("mean time over that of `udp-1.3`", of_time()),
    ):
        print(f"\n| {title} | column | at most | measured | at | |\n|---|---|---|---|---|---|")
        for aim in aims:
            found = worst(runs.get(aim.file, []), aim)
            if found is None:
                print(f"| {aim.said} | `{aim.column}` | {aim.limit:g} | not measured | | |")
                continue
            measured = f"{found.value:.3f} ± {found.half:.3f}"
            at = f"{found.loss:.0%}".replace("%", " %")
            said = verdict(found, aim)
            print(f"| {aim.said} | `{aim.column}` | {aim.limit:g} | {measured} | {at} | {said} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
