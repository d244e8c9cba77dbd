"""The Dask engine: sends requests from the workers of an existing Dask cluster.

No cluster is started, and no key is in the task graph: each worker finds its own key. A worker reports each answer to
the client as soon as it arrives, so a worker that dies only loses its unreported requests, which another worker then
sends. A worker gets its requests in small chunks, the next one before the last one ends, so that no slow answer leaves
it idle. A chunk is pinned to its worker, so that the scheduler never reruns it by itself.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

from mm_magics.api.models import Price
from mm_magics.batch.engines.base import Answered, Failed, OtherCall, Request, SenderEvent, SendOptions
from mm_magics.batch.engines.dialog import Dialogs
from mm_magics.batch.engines.local import LocalEngine
from mm_magics.batch.engines.shared import receive, take_seat
from mm_magics.batch.leases import Leases, Lessee
from mm_magics.batch.progress import Throttled
from mm_magics.batch.store import Reply
from mm_magics.endpoint.client import Client
from mm_magics.endpoint.keys import Keys
from mm_magics.errors import EndpointError, MiniMaxError, UsageError
from mm_magics.tools.schema.output_schema import output_schema_of

REQUESTS_PER_CALL = 2
"""Size of a chunk: this many requests for each concurrent call of its worker."""
WORKER_CHECK_S = 1.0
"""How often the client checks which workers exist, and a worker checks whether its chunk is still needed."""
EVENT_WAIT_S = 0.25
"""How long a chunk waits for an event before it looks whether it is still needed."""
LIST_S = 30.0
"""How long a worker may take to list the models of the endpoint."""
NO_WORKERS_S = 60.0
"""How long a run waits for a worker while the cluster has none."""

WorkerReport = list[Any]
"""What a worker reports, as JSON-like values: `["answered", digest, json]`, `["failed", digest, reason, sent]`,
`["throttled", seconds, reason]`, `["lease", worker, kind, amount]` or `["probed", json]`."""


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker sends. Its limits are those of one of `workers`, but the rates are leased.

    `schema` is what `output_schema_of` takes: an `OutputSchema` cannot be pickled. `run` is also the topic of events.
    """

    send: SendOptions
    schema: Any
    run: str
    workers: int
    price: Price | None = None


@dataclass
class _Chunk:
    """A worker's requests; `open` are those that are not reported yet."""

    future: Any
    open: dict[bytes, Request]


class DaskEngine:
    """Sends from the workers of `client`, a connected `distributed.Client`. The workers share the rate limits.

    Raises:
        UsageError: `client` is not a `distributed.Client`, or its cluster has no workers.
    """

    def __init__(self, client: Any, options: SendOptions, schema: Any) -> None:
        if not hasattr(client, "subscribe_topic") or not hasattr(client, "scheduler_info"):
            raise UsageError(
                f"--engine needs a distributed.Client, not a value of type {type(client).__name__}.",
                "Pass a connected client.",
            )
        self._client, self.note = client, ""
        self._workers: set[str] = set()
        self._waiting: deque[Request] = deque()
        self._chunks: dict[str, list[_Chunk]] = {}
        self._events: SimpleQueue[SenderEvent] = SimpleQueue()
        self._reports: SimpleQueue[list[WorkerReport]] = SimpleQueue()
        self._send = options
        self._checked = self._last_seen = time.monotonic()
        self._unusable: dict[str, str] = {}
        self._fatal = ""
        self._check_workers()
        if not self._workers:
            raise UsageError("The Dask cluster has no workers.", "Start some workers, and run the cell again.")
        self._options = WorkerOptions(
            share_of(options, len(self._workers)), schema, f"mm_magics-{uuid4()}", len(self._workers)
        )
        self._leases = Leases(client, self._options.run, receive, options.limits, workers=len(self._workers))
        self._subscribe()

    def _subscribe(self) -> None:
        self._client.subscribe_topic(self._options.run, lambda event: self._reports.put(event[1]))

    @property
    def room(self) -> int:
        return 3 * self._chunk_size * max(1, len(self._workers))

    def put(self, request: Request) -> None:
        self._waiting.append(request)

    def next(self, timeout: float) -> SenderEvent | None:
        deadline = time.monotonic() + timeout
        while True:
            self._dispatch(full_chunks_only=timeout <= 0)
            try:
                return self._events.get_nowait()
            except Empty:
                if (left := deadline - time.monotonic()) <= 0:
                    return None
            try:
                self._receive(self._reports.get(timeout=min(left, WORKER_CHECK_S, self._leases.send_due())))
            except Empty:
                continue

    def stop(self) -> bool:
        return False  # a worker can only be cancelled, with its calls in flight

    def close(self) -> None:
        for chunk in self._open_chunks():
            chunk.future.cancel(force=True)
        self._client.unsubscribe_topic(self._options.run)
        self._leases.close()
        self._receive_all()
        self._chunks.clear()
        self._waiting.clear()

    @property
    def _chunk_size(self) -> int:
        return REQUESTS_PER_CALL * self._options.send.limits.concurrency

    def _open_chunks(self) -> list[_Chunk]:
        return [chunk for chunks in self._chunks.values() for chunk in chunks]

    def _dispatch(self, *, full_chunks_only: bool) -> None:
        """Take the reports, check the workers, and give a chunk to each worker that has few requests left."""
        self._receive_all()
        self._leases.send_due()
        for worker, chunks in list(self._chunks.items()):
            for chunk in [each for each in chunks if each.future.status != "pending"]:
                self._finish(worker, chunk)
        if time.monotonic() - self._checked >= WORKER_CHECK_S:
            self._check_workers()
        if self._fatal:
            self._reject_waiting(self._fatal)
        for worker in sorted(self._workers):
            if not self._waiting or (full_chunks_only and len(self._waiting) < self._chunk_size):
                break
            if worker not in self._chunks and len(self._chunks) >= self._send.limits.concurrency:
                continue
            if sum(len(chunk.open) for chunk in self._chunks.get(worker, ())) > self._chunk_size // 2:
                continue
            even_share = -(-len(self._waiting) // len(self._workers))
            size = self._chunk_size if full_chunks_only else min(self._chunk_size, even_share)
            self._submit(worker, [self._waiting.popleft() for _ in range(min(size, len(self._waiting)))])

    def _submit(self, worker: str, requests: Sequence[Request]) -> None:
        future = self._client.submit(
            send_chunk,
            self._options,
            list(requests),
            workers=[worker],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        chunk = _Chunk(future, {request.digest: request for request in requests})
        self._chunks.setdefault(worker, []).append(chunk)

    def _check_workers(self) -> None:
        """Look which workers exist, and queue again what a lost one did not report."""
        self._checked = time.monotonic()
        connected = workers_of(self._client)
        self._workers = connected - self._unusable.keys()
        for worker in self._chunks.keys() - connected:
            for chunk in self._chunks.pop(worker):
                chunk.future.cancel()
                self._waiting.extendleft(chunk.open.values())
        if self._workers:
            self._last_seen = self._checked
        elif connected:
            self._reject_waiting(f"Not sent: {next(iter(self._unusable.values()))}")
        elif self._checked - self._last_seen > NO_WORKERS_S:
            self._reject_waiting(f"Not sent: the Dask cluster has had no worker for {NO_WORKERS_S:g} s.")

    def _reject_waiting(self, reason: str) -> None:
        while self._waiting:
            self._events.put(Failed(self._waiting.popleft().digest, reason, False))

    def _receive_all(self) -> None:
        while not self._reports.empty():
            self._receive(self._reports.get())

    def _receive(self, reports: list[WorkerReport]) -> None:
        for kind, *rest in reports:
            if kind == "throttled":
                self._leases.pause(rest[0])
                self._events.put(Throttled(*rest))
            elif kind == "lease":
                self._leases.answer(*rest)
            elif kind == "probed":
                self._events.put(OtherCall(json.loads(rest[0])))
            else:
                for chunk in self._open_chunks():
                    if rest[0] in chunk.open:
                        self._report(chunk, [kind, *rest])

    def _finish(self, worker: str, chunk: _Chunk) -> None:
        """Report what a finished chunk returned; what it did not answer waits for another worker."""
        self._chunks[worker].remove(chunk)
        if not self._chunks[worker]:
            del self._chunks[worker]
        if chunk.future.status == "finished":
            for report in chunk.future.result():
                self._report(chunk, report)
            for digest in list(chunk.open):
                self._report(chunk, ["failed", digest, "The Dask worker did not report on this request.", True])
        if chunk.future.status == "cancelled":
            self._subscribe()  # a scheduler that the client lost has forgotten it
        error: Any = chunk.future.exception() if chunk.future.status == "error" else None
        self._waiting.extendleft(chunk.open.values())
        if error is not None and not is_worker_death(error):
            self._unusable[worker] = f"The Dask worker {worker} failed: {' '.join(str(error).split())}"
            self._check_workers()

    def _report(self, chunk: _Chunk, report: WorkerReport) -> None:
        """Pass a report on, unless its request was reported before: reports arrive as events and as results."""
        kind, digest, *rest = report
        if chunk.open.pop(digest, None) is not None:
            event = Answered(digest, Reply(*json.loads(rest[0]))) if kind == "answered" else Failed(digest, *rest)
            if isinstance(event, Failed) and not event.sent:
                self._fatal = event.reason  # what stopped one worker would stop every other
            self._events.put(event)


@dataclass(frozen=True)
class WorkerLister:
    """Asks the endpoint for its models from a worker, which has the key."""

    client: Any
    base_url: str

    def models(self, _stop: threading.Event | None = None, /) -> list[dict[str, Any]]:
        """Return the models. Raises `EndpointError`, because a run continues without the list."""
        try:
            future = self.client.submit(list_models, self.base_url, retries=0, pure=False)
            listed: list[dict[str, Any]] = future.result(timeout=LIST_S)
        except Exception as error:  # also that of a worker that died
            raise EndpointError(f"No Dask worker could list the models: {' '.join(str(error).split())}") from None
        return listed


def list_models(base_url: str) -> list[dict[str, Any]]:
    """Return what the endpoint offers. Runs in a worker."""
    try:
        with closing(Client(base_url, Keys().find(base_url), timeout=LIST_S, max_retries=0)) as client:
            return client.models()
    except MiniMaxError as error:
        raise RuntimeError(str(error)) from None  # without a cause: its frames could contain the key


def is_worker_death(error: BaseException) -> bool:
    """Return whether Dask gave a task up because the workers it ran on died, not because it raised."""
    from distributed import KilledWorker

    return isinstance(error, KilledWorker)


def workers_of(client: Any) -> set[str]:
    """Return the addresses of all workers; none if the scheduler cannot be reached.

    `Client.scheduler_info` has only some of them, and at times none.
    """
    try:
        return set(client.nthreads())
    except OSError:
        return set()


def share_of(options: SendOptions, workers: int) -> SendOptions:
    """Return the options of one of the workers: each has its part of the calls in flight."""
    return replace(options, limits=options.limits.share_among(workers))


def start_engine(options: WorkerOptions, worker: Any) -> tuple[LocalEngine, Lessee]:
    """Start the engine of a worker, which asks the client for leases."""
    key = Keys().find(options.send.base_url)
    schema = None if options.schema is None else output_schema_of(options.schema)

    def ask(kind: str, amount: float) -> None:
        worker.log_event(options.run, [["lease", str(worker.address), kind, amount]])

    lessee = Lessee(options.send.limits, options.workers, ask, options.price)
    return LocalEngine(options.send, key, Dialogs.of_schema(schema), lessee.limiters), lessee


def is_running(worker: Any, key: str) -> bool:
    """Return whether the client still needs this task of the worker."""
    task = worker.state.tasks.get(key)
    return task is not None and task.state in ("executing", "long-running")


def release_thread() -> None:
    """Let the worker begin another task while this one continues."""
    import distributed

    secede: Any = distributed.secede
    secede()


def send_chunk(options: WorkerOptions, requests: list[Request]) -> list[WorkerReport]:
    """Send these requests from a worker. Each is reported to the client at once; all reports are returned as well."""
    from distributed import get_worker

    worker: Any = get_worker()
    key = worker.get_current_task()
    reports: list[WorkerReport] = []
    try:
        seat = take_seat(options.run, worker, partial(start_engine, options, worker))
    except MiniMaxError as error:
        raise RuntimeError(str(error)) from None  # without a cause: its frames could contain the key
    with seat:
        for request in requests:
            seat.put(request)
        release_thread()  # it only waits from now on, so the worker may begin the next chunk
        checked = time.monotonic()
        while len(reports) < len(requests):
            events = list(iter(partial(seat.next, 0.0), None)) or list(filter(None, [seat.next(EVENT_WAIT_S)]))
            if found := list(filter(None, map(_report_of, events))):
                worker.log_event(options.run, found)
            reports += [each for each in found if each[0] in ("answered", "failed")]
            if time.monotonic() - checked >= WORKER_CHECK_S:
                checked = time.monotonic()
                if not is_running(worker, key):
                    break
    return reports


def _report_of(event: SenderEvent) -> WorkerReport | None:
    match event:
        case Answered(digest, reply):
            # As JSON text: Dask would deliver tuples for lists.
            return ["answered", digest, json.dumps([reply.messages, reply.responses])]
        case Failed():
            return ["failed", *event]
        case Throttled():
            return ["throttled", *event]
        case OtherCall(responses):
            return ["probed", json.dumps(responses)]
    return None
