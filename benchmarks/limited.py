"""Map runs against an endpoint that allows few calls in flight: asking for many must not be slower.

Both runs send as many rows to the same server, which refuses what exceeds its limit with 429.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.canned import CannedServer
from benchmarks.endpoint import EndpointProcess
from benchmarks.measurements import Measurement
from mm_magics import Session, map_prompts
from mm_magics.config import MiniMax

LIMIT, MANY = 32, 256
ROWS, ROUNDS, LATENCY_S = 3_000, 3, 0.2


def measure(_: EndpointProcess) -> Iterator[Measurement]:
    with CannedServer(LATENCY_S, LIMIT) as server:
        pairs = [(_rate(server, LIMIT, each), _rate(server, MANY, each)) for each in range(ROUNDS)]
    few, many = (median(run.rate for run in column) for column in zip(*pairs, strict=True))
    refused = median(run.refused for _, run in pairs)
    note = f"{many:,.0f} against {few:,.0f} rows/s; {refused:,.0f} refusals for {ROWS:,} rows"
    name = f"an endpoint that allows {LIMIT} in flight: rate of {LIMIT} ÷ rate of {MANY}"
    yield Measurement(name, median(one.rate / other.rate for one, other in pairs), 1 / 0.9, note=note)


class _Run(NamedTuple):
    rate: float
    refused: int


def _rate(server: CannedServer, concurrency: int, number: int) -> _Run:
    """Make one map run, and return its rows per second and how many calls were refused."""
    rows = [f"row {concurrency}-{number}-{each}" for each in range(ROWS)]
    settings = MiniMax(base_url=server.base_url, concurrency=concurrency)
    before = server.refused()
    with tempfile.TemporaryDirectory() as folder, Session(settings, api_key="k") as session:
        began = time.perf_counter()
        result = map_prompts("{{ row }}", rows, session=session, store=Path(folder) / "a.sqlite", progress=False)
        seconds = time.perf_counter() - began
    if getattr(result, "errors", True):
        raise RuntimeError(f"{result}")
    return _Run(ROWS / seconds, server.refused() - before)
