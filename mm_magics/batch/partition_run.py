"""The client of a map run over partitions: hands them to Dask, gives leases to the workers, and adds up counts."""

from __future__ import annotations

import time
from asyncio import CancelledError
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

from mm_magics.batch.dask_rows import DaskRows
from mm_magics.batch.engines.dask import (
    NO_WORKERS_S,
    WORKER_CHECK_S,
    WorkerOptions,
    is_worker_death,
    share_of,
    workers_of,
)
from mm_magics.batch.engines.shared import receive
from mm_magics.batch.job import MapJob
from mm_magics.batch.leases import Leases
from mm_magics.batch.part_folder import ANSWERS, ERRORS, PartFolder
from mm_magics.batch.partitions import Counts, PartitionEnd, PartitionTask, add_up, write_partition
from mm_magics.batch.progress import Progress, Throttled
from mm_magics.batch.progress_line import ProgressLine
from mm_magics.batch.result import interrupted
from mm_magics.batch.row_results import ended_early
from mm_magics.batch.runner import DRAIN_S, PROGRESS_INTERVAL_S
from mm_magics.batch.stream import RunTotals, folder_of
from mm_magics.errors import StatusError, StoreError, UsageError

END_S = DRAIN_S + 5.0
"""How long a run that ends early waits for the partitions that have begun."""


class PartitionRun:
    """A run over the partitions of a Dask data frame, whose answers the workers write to the folder of the job.

    Args:
        job: The job, whose rows are `DaskRows`.
        folder: The folder.
        line: Shows progress, if it is shown.

    Raises:
        UsageError: The run cannot begin. Nothing was sent.
    """

    def __init__(self, job: MapJob, folder: PartFolder, line: ProgressLine | None) -> None:
        assert isinstance(job.rows, DaskRows)
        self._job, self._folder, self._line, self._client = job, folder, line, job.options.engine
        self._partitions = list(job.rows.partitions())
        self._events: SimpleQueue[list[Any]] = SimpleQueue()
        self._latest: dict[int, Counts] = {}
        self._attempts: dict[int, str] = {}
        self._earlier: list[Counts] = []
        self._begun: set[int] = set()
        self._futures: dict[int, Any] = {}
        self._notes: dict[str, None] = {}
        self._not_sent: Counter[str] = Counter()
        self._failures: dict[str, None] = {}
        self._problem: tuple[str, str] | None = None
        self._refused = ""
        self._began = self._shown = time.monotonic()
        self._is_ending = False

    def run(self) -> RunTotals:
        """Run all partitions, and return the totals.

        Raises:
            StoreError: The store or the folder cannot be used any more.
            TurnInterruptedError: The run was interrupted; its `result` has the totals.
        """
        send = self._job.send
        workers = len(workers_of(self._client))
        if not workers:
            raise UsageError("The Dask cluster has no workers.", "Start some workers, and run the cell again.")
        if workers > send.limits.concurrency:
            raise UsageError(
                f"{workers} workers cannot share {send.limits.concurrency} concurrent calls.",
                f"Set concurrency to {workers} or more.",
            )
        run = f"mm_magics-{uuid4()}"
        options = WorkerOptions(share_of(send, workers), self._job.options.schema, run, workers, self._job.prompt.price)
        self._leases = Leases(self._client, run, receive, send.limits, self._job.options.budget, workers)
        self._client.subscribe_topic(run, lambda event: self._events.put(event[1]))
        try:
            self._submit(PartitionTask.of(self._job, self._folder, options), run)
            self._wait()
        except KeyboardInterrupt:
            self._leases.drain()
            with suppress(KeyboardInterrupt):  # a second one ends the wait
                self._end_early()
            for number in self._futures:
                self._give_up(number)
            raise interrupted(self._totals()) from None
        finally:
            self._client.unsubscribe_topic(run)
            self._leases.close()
            for future in self._futures.values():
                future.cancel(force=True)
            if self._line:
                self._line.end()
        if self._problem is not None:
            raise StoreError(*self._problem)
        return self._totals()

    @property
    def refused(self) -> str:
        """What the endpoint said when it refused the model; "" if it did not."""
        return self._refused

    def _submit(self, task: PartitionTask, run: str) -> None:
        from dask.delayed import delayed
        from distributed.protocol import pickle

        try:
            pickle_task: Any = pickle.dumps
            pickled = pickle_task(task)
        except Exception as error:
            reason = " ".join(str(error).split())
            raise UsageError(
                f"The prompt cannot be sent to the workers: {reason}.", "Use values that can be pickled."
            ) from None
        ranges = {name: self._folder.rows_of(name) for name in self._folder.names(ANSWERS)}
        self._folder.remove(ERRORS)
        write = delayed(write_partition, pure=False)
        tasks = []
        for number, (first, length, part) in enumerate(self._partitions):
            files = [
                name for name, rows in ranges.items() if rows is None or (rows[0] < first + length and first <= rows[1])
            ]
            tasks.append(write(pickled, number, first, files, part, dask_key_name=f"{run}-{number}"))
        for number, future in enumerate(self._client.compute(tasks)):
            self._futures[number] = future
            future.add_done_callback(
                lambda future, number=number: self._events.put([["ended", number, _outcome_of(future)]])
            )

    def _wait(self) -> None:
        last_seen = looked = time.monotonic()
        while self._futures and self._problem is None:
            self._take_events()
            if time.monotonic() - looked < WORKER_CHECK_S:
                continue
            looked = time.monotonic()
            if workers_of(self._client):
                last_seen = looked
            elif time.monotonic() - last_seen > NO_WORKERS_S:
                self._problem = (
                    f"The Dask cluster has had no worker for {NO_WORKERS_S:g} s.",
                    "Run it again to continue.",
                )
                return

    def _end_early(self) -> None:
        """Start no more partitions, and wait for those that have begun."""
        self._is_ending = True
        for number in self._futures.keys() - self._begun:
            self._futures.pop(number).cancel()
        until = time.monotonic() + END_S
        while self._futures and time.monotonic() < until:
            self._take_events()

    def _take_events(self) -> None:
        try:
            reports = self._events.get(timeout=min(PROGRESS_INTERVAL_S, self._leases.send_due()))
        except Empty:
            reports = []
        for kind, *rest in reports:
            if kind == "counts":
                self._count(rest[0], rest[1], Counts(**rest[2]))
            elif kind == "lease":
                self._leases.answer(*rest)
            elif kind == "throttled":
                self._leases.pause(rest[0])
                if self._line:
                    self._line.show(Throttled(*rest))
            elif self._futures.pop(rest[0], None) is not None:
                self._finish(*rest)
        if self._line and time.monotonic() - self._shown >= PROGRESS_INTERVAL_S:
            self._shown = time.monotonic()
            self._line.show(self._progress())

    def _count(self, number: int, attempt: str, counts: Counts) -> None:
        """Take the counts of a partition. Its earlier attempt, in a worker that died, made calls as well."""
        self._begun.add(number)
        before = self._latest.get(number, Counts())
        if self._attempts.setdefault(number, attempt) != attempt:
            self._earlier.append(before)
            self._attempts[number], before = attempt, Counts()
        self._latest[number] = counts
        if calls := counts.calls - before.calls:
            usage = {name: each - before.usage.get(name, 0) for name, each in counts.usage.items()}
            response = {"calls": calls, "usage": usage, "stop_reason": "end_turn", "seconds": 0.0}
            self._job.prompt.add_cost([response])
            self._job.ledger.add(self._job.prompt.model, [response])

    def _finish(self, number: int, end: PartitionEnd | str) -> None:
        """Take the result of a partition, or why it has none."""
        if isinstance(end, str):
            self._failures[f"Partition {number} was not finished: {end}."] = None
            self._give_up(number)
            return
        if end.problem is None and number in self._attempts:
            self._count(number, self._attempts[number], end.counts)
        self._notes |= dict.fromkeys(end.notes)
        self._not_sent.update(end.not_sent)
        self._refused = self._refused or end.refused
        self._problem = self._problem or end.problem
        if end.problem:
            self._leases.drain()
        if (end.not_sent or end.problem) and not self._is_ending:
            self._end_early()

    def _give_up(self, number: int) -> None:
        """Count only what was in files before: the other answers of this partition are not written."""
        if (counts := self._latest.get(number)) is not None:
            written = counts.written
            self._latest[number] = replace(counts, done=written, complete=written, stored=written)

    def _progress(self) -> Progress:
        counts, rows = add_up(self._latest, self._earlier), len(self._job.rows)
        seconds = max(time.monotonic() - self._began, 1e-6)
        sent = counts.done - counts.stored
        left_s = seconds / sent * (rows - counts.done) if counts.calls and sent else None
        speed = counts.usage.get("output_tokens", 0) / seconds
        return Progress(rows, counts.done, counts.done - counts.complete, speed, counts.cost or None, left_s)

    def _totals(self) -> RunTotals:
        counts, rows = add_up(self._latest, self._earlier), len(self._job.rows)
        unsent = rows - counts.done - sum(self._not_sent.values())
        notes = [*self._notes, *self._failures]
        for number, (reason, count) in enumerate(self._not_sent.items()):
            notes.append(ended_early(reason, count + (unsent if not number else 0)))
        cost = counts.cost if self._job.prompt.price is not None or not counts.calls else None
        seconds = time.monotonic() - self._began
        return RunTotals(
            rows,
            rows - counts.complete,
            counts.written,
            counts.calls,
            counts.stored,
            counts.usage,
            cost,
            seconds,
            notes,
        )


def _outcome_of(future: Any) -> PartitionEnd | str:
    """Return the result of a partition, or why it has none. It may wait for a worker, so another thread calls it."""
    try:
        if future.status == "finished":
            end: PartitionEnd = future.result()
            return end
        error = future.exception() if future.status == "error" else None
    except (Exception, CancelledError) as raised:  # the worker died before it gave the result
        error = raised
    if error is None or isinstance(error, CancelledError) or is_worker_death(error):
        return "workers died while they had it"
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")


def write_partitions(job: MapJob, line: ProgressLine | None) -> RunTotals:
    """Run a job over the partitions of a Dask data frame on the workers that its options name.

    Raises:
        UsageError: The folder cannot be written, or has other answers. Nothing was sent.
        StoreError: The store or the folder cannot be used any more.
        TurnInterruptedError: The run was interrupted; its `result` has the totals.
    """
    folder = folder_of(job)
    folder.check_writable()
    while True:
        run = PartitionRun(job, folder, line)
        totals = run.run()
        prompt = job.after_refusal(job.prompt, StatusError(run.refused, status=400)) if run.refused else None
        if prompt is None:
            return totals
        job = replace(job, prompt=prompt)
        job.check_price()
