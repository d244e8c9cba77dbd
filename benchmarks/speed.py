"""Map runs against a canned server in its own process: rows per second beside a bare loop over aiohttp, and the ideal.

Also processes with one store, which must pay for each row once, and the bytes that are written for a store.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from benchmarks.canned import CannedServer
from benchmarks.endpoint import ROOT, EndpointProcess
from benchmarks.many import TEMPLATE
from benchmarks.measurements import Measurement
from mm_magics import Session, map_prompts
from mm_magics.api import request
from mm_magics.config import MiniMax

ROWS, ROUNDS = 6_000, 3
IN_FLIGHT = (64, 256)
SLOW = ((0.05, 64, 6_000), (0.5, 64, 1_280), (0.5, 256, 5_120))
"""Latency in seconds, calls in flight, rows."""
SHARED_ROWS = 4_000


def measure(_: EndpointProcess) -> Iterator[Measurement]:
    with CannedServer() as server:
        ours(server.base_url, 16, 200, "first")
        for calls in IN_FLIGHT:
            yield from _fast(server.base_url, calls)
        for processes in (2, 4):
            yield _shared(server, processes)
    for latency, calls, rows in SLOW:
        with CannedServer(latency) as server:
            rate, reachable = ours(server.base_url, calls, rows, "slow"), bare(server.base_url, calls, rows)
        ideal = calls / latency
        name = f"{latency * 1e3:.0f} ms, {calls} in flight: the ideal rate ÷ ours"
        yield Measurement(
            name, ideal / rate, 1 / 0.95, note=f"{rate:,.0f} of {ideal:,.0f} rows/s; a bare loop {reachable:,.0f}"
        )
    yield _written()


def _fast(base_url: str, calls: int) -> Iterator[Measurement]:
    pairs = [(ours(base_url, calls, ROWS, f"{calls}-{each}"), bare(base_url, calls)) for each in range(ROUNDS)]
    mine, theirs = (median(column) for column in zip(*pairs, strict=True))
    note = f"{mine:,.0f} against {theirs:,.0f} rows/s"
    ratio = median(other / one for one, other in pairs)
    yield Measurement(f"0 ms, {calls} in flight: rate of a bare loop ÷ ours", ratio, 1 / 0.3, note=note)
    yield Measurement(f"0 ms, {calls} in flight: one row", 1e6 / mine, 1e6 / 2_400, "{:.0f} µs", f"{mine:,.0f} rows/s")


def ours(base_url: str, calls: int, rows: int, name: str, store: Path | None = None) -> float:
    """Return the rows per second of a map run. With a store, other runs may answer some of them."""
    data = [{"text": f"Sentence {name}-{each}."} for each in range(rows)]
    with tempfile.TemporaryDirectory() as folder, Session(_settings(base_url, calls), api_key="key") as session:
        began = time.perf_counter()
        place = store or Path(folder) / "answers.sqlite"
        result: Any = map_prompts(TEMPLATE, data, session=session, store=place, progress=False)
        seconds = time.perf_counter() - began
    if result.errors or (store is None and result.asked != rows):
        raise RuntimeError(f"{result}: {result.errors[:3]}")
    return rows / seconds


def bare(base_url: str, calls: int, rows: int = ROWS) -> float:
    """Return the rows per second of a plain loop that sends bodies of the same length and parses the answers."""
    with Session(_settings(base_url, calls), api_key="key") as session:
        text = TEMPLATE.replace("{{ row.text }}", "Sentence 256-0-1000.")
        body = request.encode({**session.prepare(text, context="none", tools=[]).body, "stream": False})
    return asyncio.run(_loop(base_url, calls, rows, body))


async def _loop(base_url: str, calls: int, rows: int, body: bytes) -> float:
    url, waiting = f"{base_url}/v1/messages", iter(range(rows))
    headers = {"Authorization": "Bearer key", "anthropic-version": "2023-06-01", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as client:

        async def send_all() -> None:
            for _ in waiting:
                async with client.post(url, data=body) as response:
                    assert json.loads(await response.read())["content"]

        began = time.perf_counter()
        await asyncio.gather(*(send_all() for _ in range(calls)))
        return rows / (time.perf_counter() - began)


def _settings(base_url: str, calls: int) -> MiniMax:
    return MiniMax(base_url=base_url, concurrency=calls)


def _shared(server: CannedServer, processes: int) -> Measurement:
    """Run the same rows in several processes with one store."""
    before = server.requests()
    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "answers.sqlite")
        command = [sys.executable, "-m", "benchmarks.speed", server.base_url, f"shared{processes}", place]
        running = [subprocess.Popen(command, cwd=ROOT) for _ in range(processes)]
        if any(each.wait() for each in running):
            raise RuntimeError("a process failed")
    paid = server.requests() - before
    note = f"{paid:,} calls for {SHARED_ROWS:,} rows"
    return Measurement(f"{processes} processes with one store: calls ÷ rows", paid / SHARED_ROWS, 1.02, "{:.3f}", note)


def _written() -> Measurement:
    with CannedServer() as server, tempfile.TemporaryDirectory() as folder:
        before, place = _bytes_written(), Path(folder) / "answers.sqlite"
        ours(server.base_url, 64, 20_000, "written", place)
        written, size = _bytes_written() - before, place.stat().st_size
    note = f"{written / 1e6:,.1f} MB written to files for {size / 1e6:,.1f} MB"
    return Measurement("20,000 rows: bytes written ÷ the size of the store", written / size, 4.0, note=note)


def _bytes_written() -> int:
    """Return how many bytes this process has written to files; what it sends to sockets does not count."""
    return int(Path("/proc/self/io").read_text().partition("wchar: ")[2].split()[0])


if __name__ == "__main__":
    ours(sys.argv[1], 64, SHARED_ROWS, sys.argv[2], Path(sys.argv[3]))
