"""``hoc tables``: published figures, ours beside them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from handshake_over_coap.cli.bar import Bar, add_quiet
from handshake_over_coap.errors import ConfigurationError

if TYPE_CHECKING:
    from handshake_over_coap.cli.arguments import Subparsers

NUMBERED: Final = ("1", "2", "4", "5")
"""Tables of the practical-issues draft."""

NAMED: Final = ("keoh", "claeys", "sizes")
"""Figures that others have published."""

QUICK: Final = {"5": 14, "keoh": 80, "claeys": 80, "sizes": 10}
"""Handshakes for each figure by default: about a minute on one core."""

FULL: Final = {"5": 200, "keoh": 400, "claeys": 400, "sizes": 60}
"""As many as the laboratory has by default; a test compares them."""

FULL_LEAN: Final = 1000
"""The same in table 5 with the profile ``lean``."""

_SELECTING: Final = ("columns", "losses", "limit", "authentication", "loss_model")
"""Options that choose a part of a table."""

LIMITS: Final = (65, 127, 1152)
AUTHENTICATIONS: Final = ("server", "mutual")
LOSS_MODELS: Final = ("independent", "bursty", "jitter", "bursty-jitter")
"""The conditions of table 5; a test compares them with the laboratory's."""


def add_parser(commands: Subparsers) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "tables",
        help="print the published tables, our figures beside them",
        description="Print published tables with our figures beside them. Tables 1, 2, 4 and 5 "
        "are those of the practical-issues draft: the size of the classic handshake, the same "
        "with compressed headers, what a record leaves for data, and how many datagrams a "
        "handshake takes through loss. keoh: how many handshakes complete in time. claeys: how "
        "much a bad link adds. sizes: what each byte of a handshake is, by version, credential and "
        "encoding, and how many no encoding saves. What is simulated (5, keoh, claeys; sizes takes "
        "less) takes about a minute a table by default, with wide intervals; --full takes some "
        "five times as long, for table 5 half an hour.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "table",
        nargs="?",
        choices=(*NUMBERED, *NAMED),
        metavar="N",
        help="1, 2, 4, 5, keoh, claeys or sizes (default: all there are)",
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
        + ", ".join(f"{n} in {t}" for t, n in FULL.items())
        + f"; {FULL_LEAN} in 5 with the profile lean",
    )
    _add_selection(parser)
    add_quiet(parser)
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="seed of all draws (default: %(default)s)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the figures as one JSON object instead"
    )
    parser.add_argument(
        "--picture",
        metavar="FILE",
        type=Path,
        help="with sizes: draw mutual raw public keys of DTLS 1.3 into it, too (.svg, .png or "
        ".pdf; needs matplotlib, which the extra notebooks has)",
    )
    parser.set_defaults(run=run)
    return parser


def _add_selection(parser: argparse.ArgumentParser) -> None:
    """The options that choose a part of a simulated table, and the conditions of table 5."""
    parser.add_argument(
        "--columns",
        type=lambda text: tuple(text.split(",")),
        metavar="NAME,...",
        help="these of our columns alone, such as udp-1.3,coap-1.3-lean (5, keoh, claeys)",
    )
    parser.add_argument(
        "--losses",
        type=_fractions,
        metavar="P,...",
        help="these rows alone, such as 0,0.3 (5, keoh, claeys)",
    )
    parser.add_argument(
        "--limit",
        type=int,
        choices=LIMITS,
        help="datagrams of up to so many bytes (default: 65 in table 5, as published; in claeys "
        "1152)",
    )
    parser.add_argument(
        "--authentication",
        choices=AUTHENTICATIONS,
        help="table 5 with the key of the server shown, or those of both (default: server)",
    )
    parser.add_argument(
        "--loss-model",
        choices=LOSS_MODELS,
        help="table 5 with each datagram lost by itself, in bursts of 4 on average, or up to 50 ms "
        "late (default: independent)",
    )


def _fractions(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list such as 0,0.3") from None


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
    from handshake_over_coap.cli.tables_text import Asked, Table, draw
    from handshake_over_coap.lab.selection import Selection

    if arguments.full and arguments.trials is not None:
        raise ConfigurationError("--full with --trials: give one of them")
    if arguments.picture is not None:
        if arguments.table != "sizes":
            raise ConfigurationError("--picture goes with the table sizes")
        draw(arguments.picture, arguments.seed)
    given = {name: getattr(arguments, name) for name in _SELECTING}
    selection = Selection(**{name: each for name, each in given.items() if each is not None})
    names = (arguments.table,) if arguments.table else (*NUMBERED, *NAMED)
    said: list[dict[str, object]] = []
    for name in names:
        trials = None if arguments.full else arguments.trials or QUICK.get(name)
        with Bar("handshakes", quiet=arguments.quiet) as bar:
            table = Table.of(name, Asked(trials, arguments.seed, selection), bar)
        if arguments.json:
            number = int(name) if name in NUMBERED else name
            about = {"conditions": selection.conditions} if name == "5" else {}
            said.append({"table": number, **about, "rows": table.json})
        else:
            print(table.text + ("" if name == names[-1] else "\n"))
    if arguments.json:
        whole = said[0] if arguments.table else {"tables": said}
        print(json.dumps(whole, indent=2, allow_nan=False))
    return 0
