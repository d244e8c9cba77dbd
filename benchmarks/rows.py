"""100,000 rows in one map run: memory beyond the results, and rows per second.

This takes minutes, so it only runs by name. The run has its own process
(`python -m benchmarks.rows URL KEY ROWS`). Its resident memory is read after a fifth of the rows and after the last
row, before the data with the answers is built.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks.endpoint import ROOT, EndpointProcess
from benchmarks.many import CONCURRENCY, TEMPLATE, rows_of, session_of
from benchmarks.measurements import Measurement

ROWS = 100_000


def measure(endpoint: EndpointProcess) -> Iterator[Measurement]:
    before = endpoint.process.memory_info().rss
    command = [sys.executable, "-m", "benchmarks.rows", endpoint.base_url, endpoint.key, str(ROWS)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": ROOT}, capture_output=True, check=True)
    seen = json.loads(done.stdout)
    rows = seen["rows"] - seen["first"]
    grown, held = (seen["rss"][1] - seen["rss"][0]) / rows, seen["held"] / rows
    note = f"{grown / 1000:.2f} kB growth, {held / 1000:.2f} kB of answers; {_mb(seen['rss'])}"
    name = f"{ROWS:,} rows, {CONCURRENCY} in flight"
    yield Measurement(
        f"{name}: resident memory per row beyond its answer", (grown - held) / 1000, 0.25, "{:.2f} kB", note
    )
    log = (endpoint.process.memory_info().rss - before) / 1e6
    speeds = f"the first fifth {seen['speeds'][0]:,.0f} rows/s, the rest {seen['speeds'][1]:,.0f}"
    note = f"{speeds}; the simulator's log grew by {log:,.0f} MB"
    yield Measurement(f"{name}: rows/s", seen["rows"] / seen["seconds"], None, "{:,.0f}", note)


def _mb(sizes: list[int]) -> str:
    return " → ".join(f"{each / 1e6:.0f}" for each in sizes) + " MB"


def run(base_url: str, key: str, number: int) -> dict[str, Any]:
    """Make one map run and return its measurements."""
    from mm_magics.batch.job import MapOptions, build_job
    from mm_magics.batch.map_run import MapRun
    from mm_magics.batch.progress import Progress

    process, rows = psutil.Process(), rows_of(number)
    first: tuple[int, int, float] | None = None
    last = 0
    with tempfile.TemporaryDirectory() as folder, session_of(base_url, key) as session:
        store = str(Path(folder) / "answers.sqlite")
        job = build_job(session, TEMPLATE, rows, MapOptions(store=store))
        map_run = MapRun(job, session.history, threading.Event())
        began = time.monotonic()
        for event in map_run.events(lambda: None):
            if isinstance(event, Progress) and event.done >= number // 5 and first is None:
                gc.collect()
                first = event.done, process.memory_info().rss, time.monotonic() - began
            elif isinstance(event, Progress) and event.done == number and not last:
                seconds = time.monotonic() - began
                gc.collect()
                last = process.memory_info().rss
        result = map_run.result
    if first is None or result is None or result.errors or result.asked != number:
        raise RuntimeError(f"{result}")
    done, rss, at = first
    held = sum(sys.getsizeof(each) for each in result.values[:number]) * (number - done) // number
    speeds = [done / at, (number - done) / (seconds - at)]
    return {
        "rows": number,
        "first": done,
        "rss": [rss, last],
        "held": held,
        "seconds": seconds,
        "speeds": speeds,
    }


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
