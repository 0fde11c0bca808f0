"""The tables of docs/tables.md about our carriers, from what `hoc tables --json` prints.

hoc tables 5 --full --json > table5.json
python bench/table5_page.py table5.json

The same for keoh and claeys; which of them a file holds stands in it.  Columns of table 5 that the
file lacks are left out: a run may have been made for a part of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PLAIN = ("coap-1.2-plain", "coap-1.3-plain", "udp-1.2", "udp-1.3")
ENCODED = ("coap-1.2-compact", "coap-1.3-compact")
COMPACT = ("udp-1.3-compact",)
LEAN12 = ("coap-1.2-lean-echo", "coap-1.2-lean")
LEAN = ("coap-1.3-lean-echo", "coap-1.3-lean")
DERIVED = ("coap-1.3-lean-derived", "coap-1.3-lean-derived-pinned")
QUICK = ("coap-1.3-lean-quick",)

Entry = dict[str, Any]


def mean(row: Entry, name: str) -> str:
    """Datagrams with half of their 95 % interval."""
    entry = row["ours"][name]
    return f"{entry['mean']:.1f} ± {entry['ci95']:.1f}"


def of_best(row: Entry, name: str) -> str:
    """Datagrams over the best published column of the row."""
    best = min(row["published"].values())
    return f"{row['ours'][name]['mean'] / best:.2f}"


def of_floor(row: Entry, name: str) -> str:
    """Datagrams over the floor: what goes without loss, over what arrives."""
    entry = row["ours"][name]
    return f"{entry['mean'] / entry['floor']:.2f}"


def seconds(row: Entry, name: str) -> str:
    """Mean time."""
    return f"{row['ours'][name]['seconds']:.1f}"


def size(row: Entry, name: str) -> str:
    """Mean bytes."""
    return f"{row['ours'][name]['bytes']:.0f}"


def table(
    rows: Sequence[Entry], names: tuple[str, ...], cell: Callable[[Entry, str], str], title: str
) -> None:
    """Print one table in Markdown."""
    names = tuple(name for name in names if name in rows[0]["ours"])
    if not names:
        return
    print(f"\n<!-- {title} -->\n")
    print("| loss |", " | ".join(f"`{name}`" for name in names), "|")
    print("|---" * (1 + len(names)) + "|")
    for row in rows:
        cells = " | ".join(cell(row, name) for name in names)
        print(f"| {percent(row['loss'])} | {cells} |")


def percent(part: float) -> str:
    """A part as docs/tables.md writes it."""
    return f"{part:.0%}".replace("%", " %")


def table5(rows: Sequence[Entry]) -> None:
    """All tables of table 5, and whatever did not complete."""
    every = (*COMPACT, *LEAN12, *LEAN, *DERIVED)
    beside = ("udp-1.3", *COMPACT, "coap-1.3-plain", *LEAN, *QUICK)
    table(rows, PLAIN, mean, "datagrams, plain bodies in blocks, and UDP")
    table(rows, (*ENCODED, *LEAN12), mean, "datagrams, compact bodies, and lean in 1.2")
    table(rows, (*COMPACT, *LEAN, *QUICK, *DERIVED), mean, "datagrams, compact bodies in 1.3")
    table(rows, every, of_best, "datagrams over the best published column")
    table(rows, every, of_floor, "datagrams over the floor")
    table(rows, beside, seconds, "mean seconds")
    table(rows, (*beside, *DERIVED), size, "mean bytes")
    for row in rows:
        for name, entry in row["ours"].items():
            if entry.get("completed", entry["trials"]) < entry["trials"]:
                print(f"not all completed: {name} at {row['loss']:.0%}: {entry}")


def keoh(rows: Sequence[Entry]) -> None:
    """Success in percent, with its interval."""
    names = list(rows[0]["ours"])
    print("\n| loss | published |", " | ".join(f"`{name}`" for name in names), "|")
    print("|---" * (2 + len(names)) + "|")
    for row in rows:
        success, about = row["published"]["success"], row["published"]["approximate"]
        published = "" if success is None else f"{'about ' if about else ''}{100 * success:.0f}"
        cells = (
            f"{100 * each['success']:.1f} "
            f"({100 * each['interval'][0]:.1f}-{100 * each['interval'][1]:.1f})"
            for each in row["ours"].values()
        )
        print(f"| {percent(row['loss'])} | {published} |", " | ".join(cells), "|")


def claeys(rows: Sequence[Entry]) -> None:
    """Ratios to the quiet link, with their intervals."""
    print("\n| frames lost | carrier | median time | mean time | bytes | bytes of frames |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        for name, each in row["ours"].items():
            low, high = each["time"]["median_ci95"]
            means = (each[figure] for figure in ("time", "bytes", "frame_bytes"))
            cells = " | ".join(f"{of['mean']:.2f} ± {of['ci95']:.2f}" for of in means)
            median = f"{each['time']['median']:.2f} ({low:.2f}-{high:.2f})"
            print(f"| {percent(row['loss'])} | `{name}` | {median} | {cells} |")


PAGES = {5: table5, "keoh": keoh, "claeys": claeys}


def main(path: Path) -> None:
    """Print the tables of what ``path`` holds."""
    said = json.loads(path.read_text(encoding="utf-8"))
    PAGES[said["table"]](said["rows"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
