"""Map runs: rows per second compared with a bare loop over the HTTP library, and how fast stored rows are read.

Both sides send the same bytes to the same simulator, in alternation, and no row is sent twice.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.endpoint import EndpointProcess
from benchmarks.measurements import Measurement
from mm_magics import Session, map_prompts
from mm_magics.api import request
from mm_magics.config import MiniMax

CONCURRENCY = 256
ROWS, ROUNDS = 2_000, 5
STORED = 20_000
POOL = 16
TEMPLATE = "Which language is this? {{ row.text }}"
ANSWER = "[[simulator: deltas=12 size=8]]"
"""Makes the simulator answer with 96 characters and a short thinking block."""


def measure(endpoint: EndpointProcess) -> Iterator[Measurement]:
    yield from _sending(endpoint)
    yield from _stored(endpoint)


def session_of(base_url: str, key: str) -> Session:
    return Session(MiniMax(base_url=base_url, concurrency=CONCURRENCY), api_key=key)


def rows_of(number: int, name: str = "") -> list[dict[str, str]]:
    return [{"text": f"Sentence {name}-{each}. {ANSWER}"} for each in range(number)]


@dataclass(frozen=True)
class Spent:
    """The wall-clock and CPU seconds of one run in this process."""

    seconds: float
    cpu: float


def _sending(endpoint: EndpointProcess) -> Iterator[Measurement]:
    ours, bare, pooled = [], [], []
    with tempfile.TemporaryDirectory() as folder, session_of(endpoint.base_url, endpoint.key) as session:
        for each in range(ROUNDS):
            bare.append(_bare(endpoint, session, f"bare{each}", CONCURRENCY))
            ours.append(_ours(session, rows_of(ROWS, f"ours{each}"), Path(folder) / "answers.sqlite"))
            pooled.append(_bare(endpoint, session, f"pooled{each}", POOL))
    yield _ratio(
        f"{ROWS:,} rows, {CONCURRENCY} in flight: time ÷ a bare loop's with one httpx2 client", ours, bare, 1 / 0.6
    )
    yield _ratio(f"the same ÷ a bare loop's with a client for each {POOL} calls", ours, pooled, None)


def _ratio(name: str, ours: list[Spent], theirs: list[Spent], limit: float | None) -> Measurement:
    pairs = [one.seconds / other.seconds for one, other in zip(ours, theirs, strict=True)]
    speeds = " against ".join(f"{ROWS / median(each.seconds for each in runs):,.0f}" for runs in (ours, theirs))
    costs = " against ".join(f"{median(each.cpu for each in runs) / ROWS * 1e3:.2f}" for runs in (ours, theirs))
    note = f"{speeds} rows/s; {min(pairs):.2f} to {max(pairs):.2f}; {costs} ms of CPU per row, without the simulator"
    return Measurement(name, median(pairs), limit, note=note)


def _stored(endpoint: EndpointProcess) -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as folder, session_of(endpoint.base_url, endpoint.key) as session:
        rows, store = rows_of(STORED, "stored"), Path(folder) / "answers.sqlite"
        _ours(session, rows, store)
        size = store.stat().st_size / STORED
        times = [_ours(session, rows, store, stored=True).seconds for _ in range(5)]
    best = min(times) / STORED
    note = f"{1 / best:,.0f} rows/s, median {STORED / median(times):,.0f}; {size / 1000:.1f} kB per row on disk"
    yield Measurement(f"one of {STORED:,} rows from the store", best * 1e6, 50, "{:.0f} µs", note)


def _ours(session: Session, rows: list[dict[str, str]], store: Path, *, stored: bool = False) -> Spent:
    """Make one map run and check its result."""
    began, cpu = time.perf_counter(), time.process_time()
    result: Any = map_prompts(TEMPLATE, rows, session=session, store=store, progress=False)
    spent = Spent(time.perf_counter() - began, time.process_time() - cpu)
    if result.errors or result.asked != (0 if stored else len(rows)):
        raise RuntimeError(f"{result}: {result.errors[:3]}")
    return spent


def _bare(endpoint: EndpointProcess, session: Session, name: str, pool: int) -> Spent:
    """Get as many answers with a plain loop over the HTTP library, and parse them."""
    bodies = []
    for row in rows_of(ROWS, name):
        text = TEMPLATE.replace("{{ row.text }}", row["text"])
        prompt = session.prepare(text, context="none", tools=[])
        bodies.append(request.encode({**prompt.body, "stream": False}))
    return asyncio.run(_loop(endpoint, bodies, pool))


async def _loop(endpoint: EndpointProcess, bodies: list[bytes], pool: int) -> Spent:
    import httpx2

    url = f"{endpoint.base_url}/v1/messages"
    headers = {
        "Authorization": f"Bearer {endpoint.key}",
        "anthropic-version": "2023-06-01",
        "Content-Type": "application/json",
    }
    limits = httpx2.Limits(max_connections=pool, max_keepalive_connections=pool)
    clients = [
        httpx2.AsyncClient(limits=limits, timeout=60, trust_env=False, headers=headers)
        for _ in range(CONCURRENCY // pool)
    ]
    waiting = iter(bodies)
    answered = count()

    async def send_all(client: httpx2.AsyncClient) -> None:
        for body in waiting:
            response = await client.post(url, content=body)
            response.raise_for_status()
            assert json.loads(response.content)["content"]
            next(answered)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(send_all(clients[each % len(clients)]) for each in range(CONCURRENCY)))
    spent = Spent(time.perf_counter() - began, time.process_time() - cpu)
    for client in clients:
        await client.aclose()
    if next(answered) != len(bodies):
        raise RuntimeError("the bare loop did not get all answers")
    return spent
