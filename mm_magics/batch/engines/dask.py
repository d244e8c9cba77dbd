"""Where the requests of a run are sent from: the workers of a Dask cluster that is there already.

Always true: no cluster is started; no key is in the graph, a worker finds its own where it runs; each answer comes to
the client as soon as it is there, so a worker that dies costs no more than what it had not answered, which is asked
again by another one.

A worker has one chunk of requests at a time, bound to it, so that the scheduler never runs one twice on its own.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

import anyio

from mm_magics.batch.engines.async_client import AsyncClient
from mm_magics.batch.engines.sender import Answered, Failed, Request, Sender, SenderEvent
from mm_magics.batch.progress import Throttled
from mm_magics.batch.rate_limit import RateLimits
from mm_magics.batch.store import Reply
from mm_magics.endpoint.keys import Keys
from mm_magics.errors import MiniMaxError, UsageError
from mm_magics.tools.schema.output_schema import output_schema_of

PER_CALL = 16
"""Requests of a chunk, for each call that its worker makes at once."""
LOOK_S = 1.0
"""How often it is seen which workers there are, and on a worker whether its chunk is still wanted."""
ALONE_S = 60.0
"""How long a run waits for a worker where there is none."""


@dataclass(frozen=True)
class Order:
    """How a worker is to send; `schema` is what `output_schema_of` takes, since a shape cannot be sent."""

    base_url: str
    timeout: float
    pace: RateLimits
    max_retries: int
    schema: Any
    topic: str


class DaskEngine:
    """Sends from the workers of `client`, a `distributed.Client`; the pace is shared out among them.

    Raises `UsageError` if that is none, or has no workers.
    """

    def __init__(
        self, client: Any, base_url: str, *, timeout: float, pace: RateLimits, max_retries: int, schema: Any
    ) -> None:
        if not hasattr(client, "subscribe_topic") or not hasattr(client, "scheduler_info"):
            raise UsageError(f"A {type(client).__name__} is no distributed.Client.", "Give --engine a connected one.")
        self._client = client
        self._workers: set[str] = set()
        self._waiting: deque[Request] = deque()
        self._chunks: dict[str, _Chunk] = {}
        self._news: SimpleQueue[SenderEvent] = SimpleQueue()
        self._heard: SimpleQueue[list[Any]] = SimpleQueue()
        self._order = Order(base_url, timeout, pace, max_retries, schema, f"mm_magics-{uuid4()}")
        self._looked = self._last_seen = time.monotonic()
        self._unfit: dict[str, str] = {}
        self._ended = ""
        self._look()
        if not self._workers:
            raise UsageError("The Dask cluster has no workers.", "Start some, and run it again.")
        client.subscribe_topic(self._order.topic, lambda event: self._heard.put(event[1]))

    @property
    def room(self) -> int:
        return 2 * self._size * max(1, len(self._workers))

    def put(self, ask: Request) -> None:
        self._waiting.append(ask)

    def next(self, timeout: float) -> SenderEvent | None:
        deadline = time.monotonic() + timeout
        while True:
            self._tend(whole=timeout <= 0)
            try:
                return self._news.get_nowait()
            except Empty:
                if (left := deadline - time.monotonic()) <= 0:
                    return None
            try:
                self._read(self._heard.get(timeout=min(left, LOOK_S)))
            except Empty:
                continue

    def close(self) -> None:
        for chunk in self._chunks.values():
            chunk.future.cancel(force=True)
        self._client.unsubscribe_topic(self._order.topic)
        while not self._heard.empty():
            self._read(self._heard.get())
        self._chunks.clear()
        self._waiting.clear()

    @property
    def _size(self) -> int:
        return PER_CALL * self._order.pace.among(max(1, len(self._workers))).at_once

    def _tend(self, *, whole: bool) -> None:
        """Take what has come, see who is there, and give work to who has none: whole chunks alone, if so wanted."""
        self._collect()
        if time.monotonic() - self._looked >= LOOK_S:
            self._look()
        if self._ended:
            self._refuse(self._ended)
        free = sorted(self._workers - self._chunks.keys())
        for worker in free[: self._order.pace.at_once - len(self._chunks)]:
            if not self._waiting or (whole and len(self._waiting) < self._size):
                break
            share = self._size if whole else min(self._size, -(-len(self._waiting) // len(self._workers)))
            self._give(worker, [self._waiting.popleft() for _ in range(min(share, len(self._waiting)))])

    def _give(self, worker: str, asks: Sequence[Request]) -> None:
        order = replace(self._order, pace=self._order.pace.among(len(self._workers)))
        future = self._client.submit(
            send, order, list(asks), workers=[worker], allow_other_workers=False, retries=0, pure=False
        )
        self._chunks[worker] = _Chunk(future, {ask.digest: ask for ask in asks})

    def _look(self) -> None:
        """See which workers there are; what a lost one has not answered waits for another."""
        self._looked = time.monotonic()
        there = set(self._client.scheduler_info()["workers"])
        self._workers = there - self._unfit.keys()
        for worker in self._chunks.keys() - there:
            chunk = self._chunks.pop(worker)
            chunk.future.cancel()
            self._waiting.extendleft(chunk.open.values())
        if self._workers:
            self._last_seen = self._looked
        elif there:
            self._refuse(f"Not asked: {next(iter(self._unfit.values()))}")
        elif self._looked - self._last_seen > ALONE_S:
            self._refuse(f"Not asked: the Dask cluster has had no worker for {ALONE_S:g} s.")

    def _refuse(self, why: str) -> None:
        """Nothing that waits is sent."""
        while self._waiting:
            self._news.put(Failed(self._waiting.popleft().digest, why, False))

    def _collect(self) -> None:
        """Take what was told, and what chunks that are over have brought."""
        while not self._heard.empty():
            self._read(self._heard.get())
        for worker, chunk in list(self._chunks.items()):
            if chunk.future.status != "pending":
                self._over(worker, chunk)

    def _over(self, worker: str, chunk: _Chunk) -> None:
        del self._chunks[worker]
        if chunk.future.status == "finished":
            for told in chunk.future.result():
                self._tell(chunk, told)
            for digest in list(chunk.open):
                self._tell(chunk, ["failed", digest, "The Dask worker said nothing of it.", True])
        error: Any = chunk.future.exception() if chunk.future.status == "error" else None
        self._waiting.extendleft(chunk.open.values())  # for another worker
        if error is not None and type(error).__name__ != "KilledWorker":
            self._unfit[worker] = f"The Dask worker {worker} failed: {' '.join(str(error).split())}"
            self._look()

    def _read(self, told: list[Any]) -> None:
        if told[0] == "busy":
            self._news.put(Throttled(told[1], told[2]))
            return
        for chunk in self._chunks.values():
            if told[1] in chunk.open:
                self._tell(chunk, told)

    def _tell(self, chunk: _Chunk, told: list[Any]) -> None:
        """Pass it on, if it was not heard of before."""
        kind, digest, *rest = told
        if chunk.open.pop(digest, None) is not None:
            news = Answered(digest, Reply(*json.loads(*rest))) if kind == "answered" else Failed(digest, *rest)
            if isinstance(news, Failed) and not news.asked:
                self._ended = news.why  # what ended the sending of one worker would end that of all
            self._news.put(news)


@dataclass
class _Chunk:
    """A worker's requests: those that are `open` have not been heard of."""

    future: Any
    open: dict[bytes, Request]


def send(order: Order, asks: list[Request]) -> list[list[Any]]:
    """On a worker: send these, tell of each at once, and give all that was told of requests."""
    from distributed import get_worker

    worker: Any = get_worker()
    key = worker.get_current_task()
    told: list[list[Any]] = []

    def tell(news: SenderEvent) -> None:
        match news:
            case Answered(digest, reply):
                # as text: what Dask passes on has tuples for lists
                told.append(["answered", digest, json.dumps([reply.messages, reply.responses])])
                worker.log_event(order.topic, told[-1])
            case Failed():
                told.append(["failed", *news])
                worker.log_event(order.topic, told[-1])
            case Throttled():
                worker.log_event(order.topic, ["busy", *news])

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing"

    try:
        anyio.run(_sent, order, asks, tell, wanted)
    except MiniMaxError as error:
        raise RuntimeError(str(error)) from None  # without what the frames hold
    return told


async def _sent(
    order: Order, asks: list[Request], tell: Callable[[SenderEvent], None], wanted: Callable[[], bool]
) -> None:
    shape = None if order.schema is None else output_schema_of(order.schema)
    key = Keys().find(order.base_url)
    entry, exits = anyio.create_memory_object_stream[Request](len(asks))
    for ask in asks:
        entry.send_nowait(ask)
    entry.close()
    line = AsyncClient(order.base_url, key, timeout=order.timeout, most=order.pace.at_once)
    async with line, anyio.create_task_group() as group:
        group.start_soon(_watch, group.cancel_scope, wanted)
        await Sender(line, order.pace, order.max_retries, shape, tell).run(exits)
        group.cancel_scope.cancel()


async def _watch(scope: anyio.CancelScope, wanted: Callable[[], bool]) -> None:
    """End the sending once nobody wants it."""
    while wanted():
        await anyio.sleep(LOOK_S)
    scope.cancel()
