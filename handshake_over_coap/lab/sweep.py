"""Sweeps: many scenarios, many trials each, on all cores or a cluster, into one table."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.chunks import Chunk, Plan, Results, Rows, in_turn
from handshake_over_coap.lab.metrics import columns
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.lab.simulate import Progress, check_scenario, check_trials, silent
from handshake_over_coap.lab.store import Store
from handshake_over_coap.lab.trial import prepared
from handshake_over_coap.lab.workers import cluster, in_processes, on_cluster
from handshake_over_coap.net.fitting import fitting

if TYPE_CHECKING:
    import polars as pl

_log = logging.getLogger(__name__)


def sweep(
    scenarios: Scenario | Iterable[Scenario],
    trials: int = 100,
    seed: int = 1,
    *,
    workers: int | None = None,
    out: str | PathLike[str] | None = None,
    scheduler: str | None = None,
    cpu: bool = False,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Make ``trials`` handshakes of each of ``scenarios``; gives one row for each.

    The columns are ``scenario`` (its place, from 0), all options but secrets and files, ``trial``,
    and the metrics of :mod:`~.metrics`; ``cpu`` adds the only one that differs from run to run.
    The rows, and the Parquet file ``out``, are the same for any number of ``workers`` (``None``:
    one for each core).  With ``out``, what is done is kept when the sweep is interrupted or
    killed, and the same call goes on from there.  ``scheduler`` is the address of a
    dask.distributed scheduler, on whose cluster the trials then run (without ``workers``).
    ``progress`` is called with the trials that are done and all.

    As with all that uses processes, a script that calls it needs ``if __name__ == "__main__":``.
    Raises ConfigurationError, before any work.
    """
    _require_polars()
    import polars as pl

    plan = Plan(_several(scenarios), trials, seed, cpu)
    fitting("out", str | PathLike[str] | None, out)
    if out is not None:
        sweep_to_file(plan, out, workers=workers, scheduler=scheduler, progress=progress)
        return pl.read_parquet(Path(out))
    with tempfile.TemporaryDirectory(prefix="hoc-sweep-") as folder:
        path = Path(folder) / "sweep.parquet"
        sweep_to_file(plan, path, workers=workers, scheduler=scheduler, progress=progress)
        return pl.read_parquet(path)


def sweep_to_file(
    plan: Plan,
    out: str | PathLike[str],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
    stage: Callable[[str], Progress] | None = None,
) -> int:
    """The same into a file alone, in memory that does not grow with the number of trials.

    ``stage`` is for who wants to know of all that takes time, not of the trials alone: it is told
    what is counted from now on, and gives whom to tell.  Gives how many trials were done before, by
    a sweep that was stopped (all: nothing was to do).
    """
    _require_polars()
    begin = stage or (lambda _: silent)
    check(plan, workers, scheduler, begin("scenarios checked"))
    tell = progress or begin("handshakes")
    with (
        nullcontext() if scheduler is None else cluster(scheduler) as client,
        Store(plan, Path(out)) as store,
    ):
        if store.complete:
            tell(plan.total, plan.total)
            return plan.total
        there = store.done()
        before = finished = sum(plan.chunk(index).count for index in there)
        tell(finished, plan.total)
        completed = 0
        with closing(_left(plan, there, workers or cores(), client)) as results:
            for chunk, rows in results:
                store.add(chunk, rows)
                _tell_failures(chunk, rows)
                finished += chunk.count
                completed += _completed(chunk, rows)
                tell(finished, plan.total)
        begin("parts joined")(0, plan.chunks)
        store.finish()
    if not (before or completed):
        _log.warning(
            "none of the %d handshakes completed: the column failure says why; is there a mistake "
            "in the scenarios, or in a part of your own?",
            plan.total,
        )
    return before


def _completed(chunk: Chunk, rows: Rows) -> int:
    place = columns(cpu=chunk.cpu).index("completed")
    return sum(bool(row[place]) for row in rows)


def _tell_failures(chunk: Chunk, rows: Rows) -> None:
    """A line for each in the log of whoever runs the sweep: those of the workers are not seen."""
    names = columns(cpu=chunk.cpu)
    number, failure = names.index("trial"), names.index("failure")
    for row in rows:
        if row[failure] is not None:
            _log.info(
                "scenario %d, trial %d failed: %s", chunk.scenario_index, row[number], row[failure]
            )


def _left(plan: Plan, there: set[int], workers: int, client: Any) -> Results:
    """Do the chunks that are not ``there`` yet."""
    left = plan.chunks - len(there)
    if not left:
        return
    chunks = (plan.chunk(index) for index in range(plan.chunks) if index not in there)
    if client is not None:
        results = on_cluster(chunks, client)
    elif min(workers, left) > 1:
        results = in_processes(chunks, min(workers, left))
    else:
        results = in_turn(chunks)
    with closing(results):
        yield from results


def _several(scenarios: Scenario | Iterable[Scenario]) -> tuple[Scenario, ...]:
    if isinstance(scenarios, Iterable):
        return tuple(scenarios)
    check_scenario(scenarios)
    return (scenarios,)


def _require_polars() -> None:
    if find_spec("polars") is None:
        raise ConfigurationError(
            "a sweep needs the laboratory's libraries: pip install -e '.[lab]' in the checkout"
        )


def check(
    plan: Plan, workers: int | None, scheduler: str | None, progress: Progress = silent
) -> None:
    """Raise ConfigurationError for what could fail only later."""
    check_trials(plan.trials, plan.seed)
    if not plan.scenarios:
        raise ConfigurationError("a sweep needs a scenario")
    fitting("scheduler", str | None, scheduler)
    if fitting("workers", int | None, workers) is not None and scheduler is not None:
        raise ConfigurationError(
            "workers with a scheduler: its cluster has its own workers; leave one of them out"
        )
    if workers is not None and workers < 1:
        raise ConfigurationError(f"workers is a count: give 1 or more, not {workers}")
    for number, each in enumerate(plan.scenarios, 1):
        check_scenario(each)
        prepared(each, plan.seed)
        progress(number, len(plan.scenarios))


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
