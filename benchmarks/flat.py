"""Map runs that keep no answers: their peak memory with FEW and with MANY rows of a Parquet file.

This takes minutes, so it only runs by name. Each run has its own process
(`python -m benchmarks.flat URL MODE ROWS FOLDER`), where MODE is `stream` or `to`.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.canned import CannedServer
from benchmarks.endpoint import ROOT, EndpointProcess
from benchmarks.measurements import Measurement

FEW, MANY = 100_000, 1_000_000
CONCURRENCY = 64
WRITE_ROWS = 10_000
"""Rows that are written to the Parquet file at a time."""


def measure(_: EndpointProcess) -> Iterator[Measurement]:
    with CannedServer() as server:
        for mode in ("stream", "to"):
            few, many = (_run(server.base_url, mode, rows) for rows in (FEW, MANY))
            name = f"{mode}=…: peak memory with {MANY:,} rows ÷ {FEW:,}"
            note = f"{few['peak'] / 1e6:.0f} → {many['peak'] / 1e6:.0f} MB; {MANY / many['seconds']:,.0f} rows/s"
            yield Measurement(name, many["peak"] / few["peak"], 1.25, note=note)


def _run(base_url: str, mode: str, rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        _write_rows(Path(folder) / "rows.parquet", rows)
        command = [sys.executable, "-m", "benchmarks.flat", base_url, mode, str(rows), folder]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": ROOT}, capture_output=True, check=True
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _write_rows(path: Path, rows: int) -> None:
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([("text", pyarrow.string())])
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, WRITE_ROWS):
            texts = [
                f"Review {number}: warm and dry, and the seams hold." for number in range(start, start + WRITE_ROWS)
            ]
            writer.write_table(pyarrow.table([texts], schema=schema))


def run(base_url: str, mode: str, rows: int, folder: Path) -> dict[str, Any]:
    """Make one map run, and return its peak memory in bytes and how long it took."""
    from mm_magics import Session, map_prompts
    from mm_magics.config import MiniMax

    settings = MiniMax(base_url=base_url, concurrency=CONCURRENCY)
    options: dict[str, Any] = {"to": folder / "answers"} if mode == "to" else {"stream": True}
    began = time.monotonic()
    with Session(settings, api_key="k") as session:
        result: Any = map_prompts(
            "Is it good or bad? {{ row.text }}",
            folder / "rows.parquet",
            session=session,
            store=folder / "answers.sqlite",
            progress=False,
            **options,
        )
        failed = result.failed if mode == "to" else sum(bool(each.error) for each in result)
        asked = result.asked if mode == "to" else result.totals.asked
    if failed or asked != rows:
        raise RuntimeError(f"{failed} failed, {asked} calls: {result}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"peak": peak, "seconds": time.monotonic() - began}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))))
