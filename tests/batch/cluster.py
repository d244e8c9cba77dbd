"""A Dask cluster of two processes on this machine, which have the key of a simulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mm_magics.simulator import Simulator

WORKERS = 2


@contextmanager
def cluster_of(simulator: Simulator, threads: int = 1) -> Iterator[Any]:
    """Yield a connected client. Only the workers have the key, also those that replace a worker that died."""
    from distributed import Client, LocalCluster

    key = {"ANTHROPIC_BASE_URL": simulator.base_url, "ANTHROPIC_API_KEY": simulator.key}
    with (
        LocalCluster(
            n_workers=WORKERS, threads_per_worker=threads, processes=True, dashboard_address=":0", env=key
        ) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(WORKERS, timeout=60)
        yield client
