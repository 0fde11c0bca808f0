"""``hoc sweep``: a grid of scenarios into a Parquet file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from handshake_over_coap.cli.bar import Bar, add_quiet

if TYPE_CHECKING:
    from handshake_over_coap.cli.arguments import Subparsers

_INTERRUPTED: Final = 130
_FAILED: Final = 1

_EPILOG: Final = """\
FILE.toml has options of 'hoc simulate' as its keys, and 'trials' and 'seed'. A list is an axis of
the grid; an option that takes a list by itself ('drop', 'suite') takes a list of lists for that:

  trials = 1000
  transport = ["coap", "udp"]
  loss = [0.0, 0.1, 0.2]
  block-size = 64
  drop = [[], [1], [2, 3]]

Tables headed [[grid]] add further grids on top of what stands above the first of them."""


def add_parser(commands: Subparsers) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "sweep",
        help="run a grid of scenarios on all cores, into a Parquet file",
        description="Run every scenario of a grid, one row for each handshake. What is done is "
        "kept: after an interrupt, or a kill, the same command goes on. The file is the same for "
        "any number of workers. The status is 1 when not a single handshake completed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("grid", metavar="FILE.toml", help="the grid of scenarios")
    parser.add_argument("--out", required=True, metavar="FILE.parquet", help="file to write")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes (default: one for each core; not with --scheduler)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="run on the dask.distributed cluster of this scheduler, such as tcp://192.0.2.1:8786",
    )
    parser.add_argument(
        "--cpu",
        action="store_true",
        help="also record processor seconds (cpu_s), which differ from run to run",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the summary as one JSON object instead"
    )
    add_quiet(parser)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Run the sweep and sum it up; the status is 1 where no handshake completed."""
    # Imported here: nothing on a real network loads the laboratory.
    from handshake_over_coap.lab.chunks import Plan
    from handshake_over_coap.lab.grid import read_grid
    from handshake_over_coap.lab.sweep import sweep_to_file

    out = Path(arguments.out)
    try:
        with Bar("scenarios read", quiet=arguments.quiet) as bar:
            grid = read_grid(arguments.grid, bar)
            plan = Plan(grid.scenarios, grid.trials, grid.seed, arguments.cpu)
            before = sweep_to_file(
                plan,
                out,
                workers=arguments.workers,
                scheduler=arguments.scheduler,
                stage=bar.stage,
            )
            from handshake_over_coap.cli.sweep_summary import in_json, in_text, lines

            found = list(lines(out, plan.trials, bar.stage("handshakes summed up")))
    except KeyboardInterrupt:
        print(
            "hoc sweep: interrupted; what is done is kept, and the same command goes on from there "
            f"(or remove {f'{out}.parts'!r})",
            file=sys.stderr,
        )
        return _INTERRUPTED
    if before:
        print(f"hoc sweep: {before:,} handshakes were there already", file=sys.stderr)
    print(
        json.dumps(in_json(found, out), indent=2, allow_nan=False)
        if arguments.json
        else in_text(found, out)
    )
    return 0 if any(each.completed for each in found) else _FAILED
