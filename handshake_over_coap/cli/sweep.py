"""``hoc sweep``: a grid of scenarios into a Parquet file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from handshake_over_coap.cli.bar import Bar

if TYPE_CHECKING:
    import polars as pl

    from handshake_over_coap.cli.arguments import Subparsers

_INTERRUPTED: Final = 130
_MOST_LINES: Final = 60

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
        "any number of workers.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("grid", metavar="FILE.toml", help="the grid of scenarios")
    parser.add_argument("--out", required=True, metavar="FILE.parquet", help="file to write")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes (default: one for each core)"
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
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Run the sweep and sum it up."""
    # Imported here: nothing on a real network loads the laboratory.
    from handshake_over_coap.lab.chunks import Plan
    from handshake_over_coap.lab.grid import read_grid
    from handshake_over_coap.lab.sweep import sweep_to_file

    grid = read_grid(arguments.grid)
    plan = Plan(grid.scenarios, grid.trials, grid.seed, arguments.cpu)
    out = Path(arguments.out)
    try:
        with Bar("handshakes") as bar:
            before = sweep_to_file(
                plan,
                out,
                workers=arguments.workers,
                scheduler=arguments.scheduler,
                progress=bar,
            )
    except KeyboardInterrupt:
        print(
            "hoc sweep: interrupted; what is done is kept, and the same command goes on from there "
            f"(or remove {f'{out}.parts'!r})",
            file=sys.stderr,
        )
        return _INTERRUPTED
    if before:
        print(f"hoc sweep: {before:,} handshakes were there already", file=sys.stderr)
    summary = _summary(out)
    if arguments.json:
        print(json.dumps(_json(summary, out), indent=2, allow_nan=False))
    else:
        print(_text(summary, out))
    return 0


def _summary(out: Path) -> pl.DataFrame:
    """One row for each scenario, in their order; averages are over completed handshakes."""
    import polars as pl

    rows = pl.scan_parquet(out)
    names = rows.collect_schema().names()
    options = names[1 : names.index("trial")]
    done = pl.col("completed")
    return (
        rows.group_by("scenario", *options)
        .agg(
            trials=pl.len(),
            completed=done.sum(),
            datagrams=pl.col("datagrams").filter(done).mean(),
            bytes=pl.col("bytes").filter(done).mean(),
            duration_s=pl.col("duration_s").filter(done).mean(),
        )
        .sort("scenario")
        .collect(engine="streaming")
    )


def _json(summary: pl.DataFrame, out: Path) -> dict[str, Any]:
    return {
        "out": str(out),
        "trials": int(summary["trials"].sum()),
        "completed": int(summary["completed"].sum()),
        "scenarios": summary.to_dicts(),
    }


def _text(summary: pl.DataFrame, out: Path) -> str:
    """What varies, and the means, as a table."""
    trials, completed = summary["trials"].sum(), summary["completed"].sum()
    figures = ("completed", "datagrams", "bytes", "duration_s")
    varying = [
        name
        for name in summary.columns[1 : summary.columns.index("trials")]
        if summary[name].n_unique() > 1
    ]
    heading = ["scenario", *varying, *figures]
    rows = summary.head(_MOST_LINES).iter_rows(named=True)
    table = [heading, *([_cell(row[name]) for name in heading] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        for line in table
    ]
    if summary.height > _MOST_LINES:
        lines.append(f"... and {summary.height - _MOST_LINES} scenarios more")
    return "\n".join(
        [f"{out}: {completed:,} of {trials:,} handshakes completed; means over those", "", *lines]
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
