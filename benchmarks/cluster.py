"""Map runs on two Dask workers, compared with one process: the endpoint takes as long as a model, and sometimes longer.

Each worker has as many calls in flight as the one process. Both write Parquet files.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.canned import CannedServer
from benchmarks.endpoint import EndpointProcess
from benchmarks.measurements import Measurement
from mm_magics import Session, map_prompts
from mm_magics.config import MiniMax

WORKERS, CONCURRENCY, LATENCY_S = 2, 64, 0.5
SLOW = 50
"""One of so many answers takes ten times as long."""
ROWS, ROUNDS, PARTITIONS = 10_000, 2, 20


def measure(_: EndpointProcess) -> Iterator[Measurement]:
    from distributed import Client, LocalCluster

    options: dict[str, Any] = {"n_workers": WORKERS, "threads_per_worker": 1, "dashboard_address": ":0"}
    with CannedServer(LATENCY_S, slow=SLOW) as server:
        key = {"ANTHROPIC_BASE_URL": server.base_url, "ANTHROPIC_API_KEY": "k"}
        with LocalCluster(processes=True, env=key, **options) as cluster, Client(cluster) as client:
            client.wait_for_workers(WORKERS)
            yield _ratio(server, client)


def _ratio(server: CannedServer, client: Any) -> Measurement:
    """Compare rounds of both, in alternation."""
    _rate(server, client, "warm", ROWS // 10)
    pairs = [(_rate(server, None, f"one {n}"), _rate(server, client, f"two {n}")) for n in range(ROUNDS)]
    one, two = (median(column) for column in zip(*pairs, strict=True))
    name = f"{WORKERS} Dask workers, {CONCURRENCY} in flight each: time ÷ one process's"
    note = f"{two:,.0f} against {one:,.0f} rows/s; {LATENCY_S} s, one in {SLOW} answers {10 * LATENCY_S:g} s"
    ratio = median(many / few for few, many in pairs)
    return Measurement(name, 1 / ratio, 1 / 1.8, note=f"{ratio:.2f} × as fast: {note}")


def _rate(server: CannedServer, client: Any, name: str, count: int = ROWS) -> float:
    """Make one map run, and return its rows per second."""
    import dask.dataframe
    import pandas

    frame = dask.dataframe.from_pandas(
        pandas.DataFrame({"text": [f"{name} {number}" for number in range(count)]}), npartitions=PARTITIONS
    )
    concurrency = CONCURRENCY * (WORKERS if client else 1)
    settings = MiniMax(base_url=server.base_url, concurrency=concurrency)
    with tempfile.TemporaryDirectory() as folder, Session(settings, api_key="k") as session:
        began = time.perf_counter()
        totals: Any = map_prompts(
            "{{ row.text }}",
            frame,
            session=session,
            engine=client,
            to=Path(folder) / "answers",
            store=Path(folder) / "a.sqlite",
            progress=False,
        )
        seconds = time.perf_counter() - began
    if totals.failed or totals.asked != count:
        raise RuntimeError(f"{totals}: {totals.notes}")
    return count / seconds
