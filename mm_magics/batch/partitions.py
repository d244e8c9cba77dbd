"""Map runs over the partitions of a Dask data frame, whose answers the workers write to Parquet files.

Each partition is one task, which runs in a worker as a map run of its own: with the answer store of its machine, and
with leases of the rates and the budget. The client has only the totals. A partition of a worker that died is run again
by another one, which takes what was answered from the store and what was written from the folder.
"""

from __future__ import annotations

import pickle
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from secrets import token_hex
from typing import Any

from mm_magics.batch.engines.base import NOT_SENT
from mm_magics.batch.engines.dask import WorkerOptions, is_running, release_thread, start_engine
from mm_magics.batch.engines.shared import Seat, take_seat
from mm_magics.batch.job import MapJob
from mm_magics.batch.part_folder import PartFolder
from mm_magics.batch.parts import Parts
from mm_magics.batch.progress import Throttled
from mm_magics.batch.row_results import ended_early
from mm_magics.batch.rows import Rows
from mm_magics.batch.runner import RowRunner
from mm_magics.batch.stream import PassedResults
from mm_magics.errors import MiniMaxError
from mm_magics.interrupts import StoppedError
from mm_magics.tools.schema.output_schema import output_schema_of
from mm_magics.turn.ledger import Ledger
from mm_magics.turn.never_send import NeverSend
from mm_magics.turn.prepared import PreparedPrompt

REPORT_S = 0.5
"""How often a worker reports its progress, and looks whether its task is still needed."""


@dataclass(frozen=True)
class Counts:
    """How far a partition is. `done` are its rows with an answer or an error, `complete` those without an error."""

    done: int = 0
    complete: int = 0
    written: int = 0
    stored: int = 0
    calls: int = 0
    cost: float = 0.0
    usage: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PartitionEnd:
    """How a partition ended. `problem` is the message and the hint of what ended it early, if that was an error."""

    counts: Counts
    notes: list[str]
    not_sent: dict[str, int]
    refused: str = ""
    problem: tuple[str, str] | None = None


@dataclass(frozen=True)
class PartitionTask:
    """What a worker needs for any partition. `job` has no rows, and nothing that belongs to the client's process."""

    job: MapJob
    folder: PartFolder
    options: WorkerOptions

    @classmethod
    def of(cls, job: MapJob, folder: PartFolder, options: WorkerOptions) -> PartitionTask:
        """Return the task for a job of the client."""
        none: Any = None
        alone = replace(
            job,
            rows=Rows([]),
            template=job.template.alone(),
            prompt=_alone(job.prompt),
            pack_prompt=None if job.pack_prompt is None else _alone(job.pack_prompt),
            schema=None,
            options=replace(job.options, engine=None, namespace={}, label=None),
            make_engine=none,
            ledger=none,
            after_refusal=none,
            never_send=NeverSend((), {}),
        )
        return cls(alone, folder, options)


def _alone(prompt: PreparedPrompt) -> PreparedPrompt:
    none: Any = None
    return replace(prompt, for_model=none, in_context=None, on_begin=(), toolbox=None)


class _PartitionRows(Rows):
    """The rows of a partition. `at_end` is called when the last one was read."""

    def __init__(self, part: Any, at_end: Callable[[], None]) -> None:
        super().__init__(part)
        self._at_end = at_end

    def __iter__(self) -> Iterator[Any]:
        yield from super().__iter__()
        self._at_end()


def write_partition(pickled: bytes, number: int, first: int, files: list[str], part: Any) -> PartitionEnd:
    """Answer the rows of a partition, and write them. Runs in a worker.

    Args:
        pickled: The `PartitionTask`.
        number: The number of the partition.
        first: The number of its first row in the data.
        files: Files of earlier runs that may have some of its rows.
        part: Its data frame.
    """
    from distributed import get_worker

    task: PartitionTask = pickle.loads(pickled)  # noqa: S301
    worker: Any = get_worker()
    try:
        return _Writer(task, number, worker).write(first, files, part)
    except MiniMaxError as error:  # not raised: its frames could contain the key
        return PartitionEnd(Counts(), [], {}, problem=(error.message, error.hint))


class _Writer:
    """Runs one partition in a worker."""

    def __init__(self, task: PartitionTask, number: int, worker: Any) -> None:
        self._task, self._number, self._worker = task, number, worker
        self._key, self._attempt = worker.get_current_task(), token_hex(4)
        self._stop = threading.Event()
        self._reported = 0.0
        self._refused = ""
        self._seat: Seat | None = None

    def write(self, first: int, files: list[str], part: Any) -> PartitionEnd:
        task, rows = self._task, _PartitionRows(part, self._release)
        parts = Parts(task.folder, len(rows), first, self._number, files)
        start = partial(start_engine, task.options, self._worker)
        seat = None if task.job.prompt.replay == "only" else take_seat(task.options.run, self._worker, start)
        self._seat = seat
        try:
            job = self._job(rows, seat)
            results = PassedResults(job, parts)
            results.notes += parts.notes
            leased = None if seat is None or job.options.budget is None else seat.shared.lessee.budget
            self._run(RowRunner(job, self._stop, results, leased), results, seat)
        finally:
            if seat is not None:
                seat.close()
        if results.problem is not None:
            raise results.problem
        if not self._stop.is_set():  # else another worker writes them
            parts.flush()
        not_sent = dict(results.not_sent)
        early = {ended_early(*each) for each in not_sent.items()}
        notes = [note for note in results.notes if note not in early]
        return PartitionEnd(_counts(results), notes, not_sent, self._refused)

    def _release(self) -> None:
        if self._seat is not None and self._seat.may_release:
            release_thread()

    def _job(self, rows: Rows, seat: Seat | None) -> MapJob:
        options = self._task.job.options
        schema = None if options.schema is None else output_schema_of(options.schema)

        def after_refusal(_: PreparedPrompt, error: MiniMaxError) -> None:
            self._refused = error.message  # the client knows which models there are

        def make_engine() -> Seat:
            assert seat is not None
            return seat

        return replace(
            self._task.job,
            rows=rows,
            schema=schema,
            make_engine=make_engine,
            ledger=Ledger(),
            after_refusal=after_refusal,
        )

    def _run(self, runner: RowRunner, results: PassedResults, seat: Seat | None) -> None:
        self._report(results)
        try:
            for event in runner.events():
                if isinstance(event, Throttled):
                    self._log(["throttled", *event])
                if results.problem is not None or (seat is not None and seat.shared.is_draining):
                    runner.drain()
                    break
                if time.monotonic() - self._reported >= REPORT_S:
                    self._report(results)
                    if not is_running(self._worker, self._key):
                        self._stop.set()
        except StoppedError:
            pass
        finally:
            runner.close()
            self._report(results)

    def _report(self, results: PassedResults) -> None:
        self._reported = time.monotonic()
        self._log(["counts", self._number, self._attempt, vars(_counts(results))])

    def _log(self, report: list[Any]) -> None:
        self._worker.log_event(self._task.options.run, [report])


def _counts(results: PassedResults) -> Counts:
    early = sum(rows for reason, rows in results.not_sent.items() if reason.startswith(NOT_SENT))
    return Counts(
        results.done - early,
        results.complete,
        results.skipped,
        results.stored,
        results.calls,
        results.cost,
        dict(results.usage),
    )


def add_up(latest: dict[int, Counts], earlier: list[Counts]) -> Counts:
    """Return the sums: rows of the last attempt at each partition, calls of all attempts."""
    usage: Counter[str] = Counter()
    calls = [*latest.values(), *earlier]
    for each in calls:
        usage.update(each.usage)
    return Counts(
        sum(each.done for each in latest.values()),
        sum(each.complete for each in latest.values()),
        sum(each.written for each in latest.values()),
        sum(each.stored for each in latest.values()),
        sum(each.calls for each in calls),
        sum(each.cost for each in calls),
        dict(usage),
    )
