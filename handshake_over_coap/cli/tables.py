"""``hoc tables``: published figures, ours beside them."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handshake_over_coap.cli.arguments import Subparsers
    from handshake_over_coap.lab.table1 import Row

_TITLE_1 = """\
Table 1 of draft-hartke-dice-practical-issues-01: datagrams / bytes of one handshake over UDP
(DTLS 1.2, ECDHE_ECDSA with CCM_8 and a raw public key, cookie included), by the largest payload"""


def add_parser(commands: Subparsers) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "tables",
        help="print the published tables, our figures beside them",
        description="Print published tables with our figures beside them, from the real code. "
        "Table 1: datagrams and bytes of the classic handshake over UDP. Where ours differ, a "
        "budget says by what bytes.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "table",
        type=int,
        nargs="?",
        choices=(1,),
        metavar="N",
        help="number of the table in the practical-issues draft: 1 (default: all there are)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the figures as one JSON object instead"
    )
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    # Imported here: nothing on a real network loads the laboratory.
    from handshake_over_coap.lab import table1

    found = table1.rows()
    if not arguments.json:
        print(_text(found))
        return 0
    said: dict[str, Any] = {"table": 1, "rows": [_json(row) for row in found]}
    if arguments.table is None:
        said = {"tables": [said]}
    print(json.dumps(said, indent=2, allow_nan=False))
    return 0


def _json(row: Row) -> dict[str, Any]:
    return dataclasses.asdict(row)


def _text(rows: tuple[Row, ...]) -> str:
    lines = [_TITLE_1, "", "limit   published        ours   published - ours, bytes"]
    for row in rows:
        published, ours = (f"{t.datagrams} / {t.bytes}" for t in (row.published, row.ours))
        lines.append(f"{row.limit:5}   {published:>9}   {ours:>9}   {_difference(row)}".rstrip())
    return "\n".join(lines)


def _difference(row: Row) -> str:
    if not row.budget:
        return "0"
    whole = row.published.bytes - row.ours.bytes
    parts = ", ".join(f"{size:+} {name}" for name, size in row.budget.items())
    return f"{whole:+} = {parts}"
