"""The table of what passes with other stacks: collected by the test run, rendered for the docs.

Every test against a stack leaves a line in ``build/interop.jsonl``; ``make interop`` (or
``python -m tests.support.stacks.table``) renders docs/interop.md from the last line of each case.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.support.stacks.cases import CLEAN, LOSSY, THROUGH_THE_RELAY, Case

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "build" / "interop.jsonl"
DOCUMENT = ROOT / "docs" / "interop.md"

CASES = (*CLEAN, *THROUGH_THE_RELAY)
COLUMNS = ("1280", "512", "256", "128", LOSSY)
_HEAD = ("stack", "DTLS", "direction", "credential", "cipher", "cookie")
_BEGIN, _END = "<!-- made by `make interop` -->", "<!-- end of what `make interop` makes -->"


def record(case: Case, verdict: str, version: str) -> None:
    """Keep the verdict on a case for the table."""
    RESULTS.parent.mkdir(exist_ok=True)
    entry = {"case": str(case), "verdict": verdict, "version": version}
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def read(path: Path = RESULTS) -> dict[str, dict[str, str]]:
    """The last result of each case."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {entry["case"]: entry for entry in map(json.loads, lines)}


def rows(cells: Mapping[Case, str]) -> list[list[str]]:
    """The table's rows: what identifies a row, then a cell for each column."""
    table: dict[tuple[str, ...], dict[str, str]] = {}
    for case in CASES:
        table.setdefault(case.row, {})[case.column] = cells[case]
    return [
        [*row, *(found.get(column, "n/a") for column in COLUMNS)] for row, found in table.items()
    ]


def committed(text: str) -> list[list[str]]:
    """The rows that stand in a document."""
    made = text.partition(_BEGIN)[2].partition(_END)[0]
    lines = [line for line in made.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _render(results: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    versions = sorted({entry["version"] for entry in results.values()})
    yield _BEGIN
    yield f"With {', '.join(versions)}:"
    yield ""
    yield "| " + " | ".join((*_HEAD, *COLUMNS)) + " |"
    yield "|" + "---|" * (len(_HEAD) + len(COLUMNS))
    verdicts = {str(c): results[str(c)]["verdict"] if str(c) in results else "?" for c in CASES}
    for row in rows({case: verdicts[str(case)] + case.remark for case in CASES}):
        yield "| " + " | ".join(row) + " |"
    yield _END


def main() -> int:
    """Put the last results into the document; 1 if a case has none or has failed."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    results = read()
    DOCUMENT.write_text(before + "\n".join(_render(results)) + after, encoding="utf-8")
    bad = [case for case in CASES if results.get(str(case), {}).get("verdict") != "pass"]
    for case in bad:
        print(f"not passed: {case}", file=sys.stderr)  # noqa: T201
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
