"""``hoc tables``: published figures, ours beside them."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Final

from handshake_over_coap.cli.bar import Bar, add_quiet
from handshake_over_coap.errors import ConfigurationError

if TYPE_CHECKING:
    from handshake_over_coap.cli.arguments import Subparsers

NUMBERED: Final = ("1", "2", "4", "5")
"""Tables of the practical-issues draft."""

NAMED: Final = ("keoh", "claeys")
"""Figures that others have published."""

QUICK: Final = {"5": 40, "keoh": 80, "claeys": 80}
"""Handshakes for each figure by default: about a minute on one core."""

FULL: Final = {"5": 200, "keoh": 400, "claeys": 400}
"""As many as the laboratory has by default; a test compares them."""


def add_parser(commands: Subparsers) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "tables",
        help="print the published tables, our figures beside them",
        description="Print published tables with our figures beside them. Tables 1, 2, 4 and 5 "
        "are those of the practical-issues draft: the size of the classic handshake, the same "
        "with compressed headers, what a record leaves for data, and how many datagrams a "
        "handshake takes through loss. keoh: how many handshakes complete in time. claeys: how "
        "much a bad link adds. What is simulated (5, keoh, claeys) takes about a minute a table by "
        "default, with wide intervals; --full takes about five times as long.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "table",
        nargs="?",
        choices=(*NUMBERED, *NAMED),
        metavar="N",
        help="1, 2, 4, 5, keoh or claeys (default: all there are)",
    )
    parser.add_argument(
        "--trials",
        type=_count,
        metavar="T",
        help="handshakes for each figure that is simulated (default: "
        + ", ".join(f"{trials} in {name}" for name, trials in QUICK.items())
        + ")",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="as many as in the documentation: "
        + ", ".join(f"{n} in {t}" for t, n in FULL.items()),
    )
    add_quiet(parser)
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="seed of all draws (default: %(default)s)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the figures as one JSON object instead"
    )
    parser.set_defaults(run=run)
    return parser


def _count(text: str) -> int:
    """Two or more: one trial has no spread."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of trials: give 2 or more")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Print the table, or all of them."""
    # Imported here: nothing on a real network loads the laboratory.
    from handshake_over_coap.cli.tables_text import Table

    if arguments.full and arguments.trials is not None:
        raise ConfigurationError("--full with --trials: give one of them")
    names = (arguments.table,) if arguments.table else (*NUMBERED, *NAMED)
    said: list[dict[str, object]] = []
    for name in names:
        with Bar("handshakes", quiet=arguments.quiet) as bar:
            if arguments.full or arguments.trials is not None:
                table = Table.of(name, arguments.trials, arguments.seed, bar)
            else:
                table = Table.of(name, QUICK.get(name), arguments.seed, bar)
        if arguments.json:
            number = int(name) if name in NUMBERED else name
            said.append({"table": number, "rows": table.json})
        else:
            print(table.text + ("" if name == names[-1] else "\n"))
    if arguments.json:
        whole = said[0] if arguments.table else {"tables": said}
        print(json.dumps(whole, indent=2, allow_nan=False))
    return 0
