"""The same sweep on a dask.distributed cluster: a real one, on this machine."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from handshake_over_coap.lab.chunks import CHUNK, Plan
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.lab.sweep import sweep_to_file


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of distributed are not ours
@pytest.mark.parametrize("threads", [1, 2])
def test_a_cluster_gives_the_same_file_as_one_process(tmp_path: Path, threads: int) -> None:
    import distributed

    plan = Plan(
        (Scenario(loss=0.2), Scenario(transport="udp", loss=0.2)), trials=3 * CHUNK + 1, seed=2
    )
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"
    sweep_to_file(plan, here, workers=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        local: Any = distributed.LocalCluster
        with local(
            n_workers=2, threads_per_worker=threads, processes=True, dashboard_address=None
        ) as cluster:
            told: list[int] = []
            sweep_to_file(
                plan,
                there,
                scheduler=cluster.scheduler_address,
                progress=lambda done, _: told.append(done),
            )
    assert told[-1] == plan.total
    assert there.read_bytes() == here.read_bytes()
    assert pl.read_parquet(there)["completed"].sum() > 0.9 * plan.total
