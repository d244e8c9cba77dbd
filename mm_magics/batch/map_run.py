"""A map run as the stream of a turn: it shows progress, and ends with one turn that summarizes the run.

However a run ends, everything received is in its result. Only the summary turn is added to the thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from mm_magics.batch.dry_run import DryRun, estimate
from mm_magics.batch.job import MapJob
from mm_magics.batch.progress import MapEvent
from mm_magics.batch.result import MapResult
from mm_magics.batch.runner import NOT_STORED, RowRunner
from mm_magics.batch.summary import summary_text, summary_turn
from mm_magics.batch.trial import Trial, trial_job
from mm_magics.endpoint.call import Wake
from mm_magics.errors import NotRecordedError
from mm_magics.events import BlockStart, BlockStop, Delta, PromptSent, TurnEnd
from mm_magics.history.thread import History
from mm_magics.history.turn import Status, Turn, new_id
from mm_magics.interrupts import StoppedError, deferred
from mm_magics.tools.approval import Approve, deny_all


class MapRun:
    """A `TurnStream` that runs a job. `result` is None until the run has ended.

    Args:
        job: What to run.
        history: Where the summary turn is added.
        stop: Once set, the run ends within 0.1 s.
    """

    def __init__(self, job: MapJob, history: History, stop: threading.Event) -> None:
        job.prompt.begin()
        self.prompt = job.prompt
        self.result: MapResult | None = None
        self.notes = job.prompt.notes
        self._history = history
        self._whole, self._stop = job, stop
        self._left: DryRun | None = None
        self._is_trial = job.options.trial is not None
        self._runner = RowRunner(trial_job(job) if self._is_trial else job, stop)
        self._turn: Turn | None = None
        self._id = new_id()

    def events(self, _wake: Wake, _approve: Approve = deny_all) -> Iterator[MapEvent]:
        """Run the job and yield its events.

        Raises:
            NotRecordedError: `replay` is `only`, and the store does not have all answers.
        """
        yield PromptSent(self.prompt)
        try:
            yield from self._runner.events()
            if self._is_trial:
                self._left = estimate(replace(self._whole, prompt=self._runner.job.prompt), self._stop)
        except StoppedError:
            yield from _turn_events(self._finish("stopped"))
            return
        except BaseException:
            self._finish("stopped")
            raise
        turn = self._finish("complete")
        results = self._runner.results
        missing = sum(reason == NOT_STORED for reason in results.errors.values())
        if self.prompt.replay == "only" and missing:
            raise NotRecordedError(
                f"{missing:,} of {len(results.values):,} rows have no stored answer.",
                "Run the cell once with --replay off, and keep the store.",
            )
        yield from _turn_events(turn)

    @property
    def has_content(self) -> bool:
        """Whether anything was received, or the run was completed."""
        return self._runner.results.done > 0 or (self._turn is not None and self._turn.status == "complete")

    def so_far(self) -> Turn:
        return self.prompt.turn("stopped", [self.prompt.message], [], id=self._id)

    def close(self) -> Turn:
        """End the run, if it has not ended yet, and return the turn that summarizes it."""
        return self._turn or self._finish("stopped")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if isinstance(error, KeyboardInterrupt):
                self._runner.drain()
        finally:
            self.close()

    def _finish(self, status: Status) -> Turn:
        with deferred():
            self._runner.close()
            job, results = self._runner.job, self._runner.results
            if self._is_trial:
                self.result = trial = Trial(job, results, self._left)
                text = trial.markdown
            else:
                self.result, text = MapResult(job, results), summary_text(job, results)
            self._turn = replace(summary_turn(job, results, status, text), id=self._id)
            if self.has_content:
                self._turn = self._history.put(self._turn)
            return self._turn


def _turn_events(turn: Turn) -> Iterator[MapEvent]:
    """Yield the events of an answer whose text is the summary."""
    yield BlockStart(0, {"type": "text", "text": ""})
    yield Delta(0, "text", turn.text)
    yield BlockStop(0, {"type": "text", "text": turn.text})
    yield TurnEnd(turn)
