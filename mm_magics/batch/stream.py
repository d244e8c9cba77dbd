"""Map runs that keep no answers in memory: rows are yielded as they are answered, or written to Parquet files."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

from mm_magics import interrupts
from mm_magics.batch.engines.base import NOT_SENT
from mm_magics.batch.job import MapJob
from mm_magics.batch.part_folder import PartFolder
from mm_magics.batch.parts import Parts
from mm_magics.batch.progress_line import ProgressLine
from mm_magics.batch.requests import RequestBuilder
from mm_magics.batch.result import interrupted
from mm_magics.batch.row_results import Outcome, RowResults, RowUsage, answer_values
from mm_magics.batch.runner import RowRunner
from mm_magics.errors import StoreError
from mm_magics.session import Session
from mm_magics.wording import counted


class RowAnswer(NamedTuple):
    """One row of a stream: its number, from 0, its value, and why it has none ("" if it has one).

    `usage` is what its answer used; None if it has none.
    """

    row: int
    value: Any
    error: str
    usage: RowUsage | None


class PassedResults(RowResults):
    """Results that are passed on: to `ready`, or to Parquet files.

    Attributes:
        problem: Why no more rows can be written. The run must end then, but its answers are stored.
    """

    def __init__(self, job: MapJob, parts: Parts | None) -> None:
        super().__init__(0, job.prompt.model, job.schema)
        self.with_usage = True
        self.ready: deque[RowAnswer] = deque()
        self.skipped = self.complete = self._failed = 0
        self.problem: StoreError | None = None
        self._open = bytearray(b"\1") * len(job.rows)
        self._parts, self._into = parts, job.options.into

    @property
    def failed(self) -> int:
        return self._failed

    @property
    def has_rows_to_show(self) -> bool:
        return bool(self.ready)

    def is_done(self, row: int, digest: bytes) -> bool:
        if self._parts is None or not self._parts.has(row, digest):
            return False
        self._close(row)
        self.skipped += 1
        self.complete += 1
        self.stored += 1
        return True

    def finish(self, _reason: str) -> None:
        self._failed += sum(self._open)
        self._open = bytearray(len(self._open))

    def _set(self, row: int, digest: bytes, outcome: Outcome, row_usage: RowUsage | None) -> None:
        self._failed += bool(outcome.error)
        self.complete += not outcome.error
        if self._parts is None:
            self.ready.append(RowAnswer(row, outcome.value, outcome.error, row_usage))
        elif not outcome.error.startswith(NOT_SENT) and self.problem is None:
            values = answer_values(outcome.value, self._schema, self._into)
            try:
                self._parts.add(row, digest, outcome, values, row_usage)
            except StoreError as error:
                self.problem = error


PAUSE_S = 0.1
"""How often it is looked for answers that arrived while no rows are taken."""


class _Caretaker:
    """Takes the answers of a run while its reader pauses: they are stored in time, and the claims are renewed.

    `reading` is held while the run itself continues.
    """

    def __init__(self, runner: RowRunner) -> None:
        self.reading = threading.Lock()
        self._runner, self._over = runner, threading.Event()
        self._problem: Exception | None = None

    def start(self) -> None:
        threading.Thread(target=self._take, name="mm_magics-caretaker", daemon=True).start()

    def check(self) -> None:
        """Raise what went wrong during a pause."""
        if self._problem is not None:
            raise self._problem

    def end(self) -> None:
        self._over.set()

    def _take(self) -> None:
        while not self._over.wait(PAUSE_S):
            if self.reading.acquire(blocking=False):
                try:
                    self._runner.take_answers()
                except Exception as error:
                    self._problem = error
                    return
                finally:
                    self.reading.release()


class RowStream:
    """The rows of a map run as they are answered, in any order: `map_prompts(…, stream=True)` returns it.

    Answers are stored, but not in memory. While the rows are not taken, only those in flight are answered and stored.
    Use it in a `with` statement, so that the run ends if the loop does not reach its end.

    Attributes:
        notes: What else happened, for example that the store could not be written.

    >>> import tempfile
    >>> from mm_magics import Session, map_prompts
    >>> from mm_magics.simulator import Simulator
    >>> with tempfile.TemporaryDirectory() as folder, Simulator(answers=["good", "bad"]) as endpoint:
    ...     with Session(base_url=endpoint.base_url, api_key=endpoint.key, concurrency=1) as session:
    ...         options = {"session": session, "store": f"{folder}/answers.sqlite", "progress": False}
    ...         with map_prompts("Good or bad? {{ row }}", ["Warm.", "It leaks."], stream=True, **options) as rows:
    ...             [(each.row, each.value) for each in rows]
    [(0, 'good'), (1, 'bad')]
    """

    def __init__(self, job: MapJob, line: ProgressLine | None, session: Session | None = None) -> None:
        self._results, self._session = PassedResults(job, None), session
        self._runner = RowRunner(job, threading.Event(), self._results)
        self._caretaker = _Caretaker(self._runner)
        self._line = line
        self._rows = self._run()

    def __iter__(self) -> Iterator[RowAnswer]:
        return self._rows

    def __next__(self) -> RowAnswer:
        return next(self._rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            with self._caretaker.reading:
                self._runner.drain()
        self.close()

    def close(self) -> None:
        """End the run, if it has not ended yet. Answers that were received are in the store."""
        self._rows.close()
        with self._caretaker.reading:
            self._runner.close()
        if self._session is not None:
            self._session.close()

    @property
    def notes(self) -> list[str]:
        return self._results.notes

    @property
    def totals(self) -> RunTotals:
        """The totals of the run so far."""
        return totals_of(self._results, len(self._runner.job.rows))

    def _run(self) -> Generator[RowAnswer]:
        self._caretaker.start()
        self._caretaker.reading.acquire()
        try:
            for event in self._runner.events():
                if self._line:
                    self._line.show(event)
                yield from self._ready()
            yield from self._ready()
        except KeyboardInterrupt:
            raise interrupted(None) from None
        finally:
            self._caretaker.end()
            self._runner.close()
            self._caretaker.reading.release()
            if self._line:
                self._line.end()
            if self._session is not None:
                self._session.close()

    def _ready(self) -> Iterator[RowAnswer]:
        ready = self._results.ready
        while ready:
            row = ready.popleft()
            self._caretaker.reading.release()
            try:
                yield row
            finally:
                with interrupts.deferred():  # the lock is released at the end, so it must be held
                    self._caretaker.reading.acquire()
        self._caretaker.check()


class RunTotals(NamedTuple):
    """What a run did that keeps no answers: `map_prompts(…, to=…)` returns it.

    Attributes:
        rows: All rows.
        failed: Rows without a complete answer.
        written: Rows that an earlier run had written.
        asked: How many calls were made.
        stored: How many rows were answered from the store or are among `written`.
        usage: The token counts of the calls.
        cost: The cost of the calls in US dollars; None if the price of the model is unknown.
        seconds: How long the run took.
        notes: What else happened.
    """

    rows: int
    failed: int
    written: int
    asked: int
    stored: int
    usage: dict[str, int]
    cost: float | None
    seconds: float
    notes: list[str]

    def __repr__(self) -> str:
        return (
            f"<RunTotals: {counted(self.rows, 'row')}, {self.written:,} written before, {counted(self.asked, 'call')}, "
            f"{counted(self.failed, 'error')}>"
        )


def totals_of(results: PassedResults, rows: int) -> RunTotals:
    """Return the totals of these results."""
    cost = results.cost if results.is_price_known or not results.calls else None
    return RunTotals(
        rows,
        results.failed,
        results.skipped,
        results.calls,
        results.stored,
        results.usage,
        cost,
        results.seconds,
        results.notes,
    )


def folder_of(job: MapJob) -> PartFolder:
    """Return the folder that the options of a job name.

    Raises:
        UsageError: It cannot be used.
    """
    assert job.options.to is not None
    common = RequestBuilder(job.prompt, packed=job.is_packed).digest("-") + job.template.source.encode()
    prompt = hashlib.sha256(common).hexdigest()
    return PartFolder(job.options.to, job.options.into, job.schema, prompt)


def write_parts(job: MapJob, line: ProgressLine | None) -> RunTotals:
    """Run a job, and write its answers to the folder of Parquet files that its options name.

    Raises:
        UsageError: The folder cannot be written, or has other answers. Nothing was sent.
        StoreError: The folder cannot be written any more.
        TurnInterruptedError: The run was interrupted; its `result` has the totals.
    """
    folder = folder_of(job)
    folder.check_writable()
    parts = Parts(folder, len(job.rows))
    results = PassedResults(job, parts)
    results.notes += parts.notes
    runner = RowRunner(job, threading.Event(), results)
    try:
        for event in runner.events():
            if line:
                line.show(event)
            if results.problem is not None:
                runner.drain()
                break
    except KeyboardInterrupt:
        runner.close()
        parts.flush()
        raise interrupted(totals_of(results, len(job.rows))) from None
    finally:
        runner.close()
        if line:
            line.end()
    if results.problem is not None:
        raise results.problem
    parts.flush()
    return totals_of(results, len(job.rows))
