"""What a run over rows brings: the data with its answers, and the turn that sums it up.

Always true: however a run ends, what came is there; nothing comes into the thread but that one turn.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from mm_magics.api.messages import Message
from mm_magics.batch.job import Job
from mm_magics.batch.progress import MapEvent
from mm_magics.batch.row_results import Results, RowError
from mm_magics.batch.runner import NOT_STORED
from mm_magics.endpoint.call import Wake
from mm_magics.errors import NotRecordedError, TurnInterruptedError
from mm_magics.events import BlockStart, BlockStop, Delta, PromptSent, TurnEnd
from mm_magics.history.thread import History
from mm_magics.history.turn import Status, Turn
from mm_magics.interrupts import StoppedError, deferred
from mm_magics.prompt.values import cut
from mm_magics.tools.approval import Approve, deny_all

SHOWN = 3
"""Answers and errors that are shown of many, and the characters of each."""
SHOWN_LENGTH = 200


class MapResult:
    """What a run has brought.

    `frame` is the data with its new columns, of the type that was given (of an iterable, a list); `errors` are the rows
    without a whole answer; `asked` and `stored` count calls and rows; `cost` is in US dollars, 0 where no price is
    known.
    """

    def __init__(self, job: Job, results: Results) -> None:
        self._job = job
        self.frame = job.rows.with_columns(results.columns(job.into))
        self.values = results.values
        self.errors = [RowError(*each) for each in sorted(results.errors.items())]
        self.asked, self.stored, self.usage = results.asked, results.stored, results.usage
        self.cost, self.seconds, self.notes = results.cost, results.seconds, results.notes

    def retry_failed(self) -> MapResult:
        """Run again: what is stored comes from there, and only what failed is asked."""
        run = self._job.run(threading.Event())
        try:
            for _ in run.events():
                pass
        except KeyboardInterrupt:
            run.close()
            raise interrupted(MapResult(self._job, run.results)) from None
        return MapResult(self._job, run.results)

    def __repr__(self) -> str:
        return (
            f"<MapResult: {len(self.values):,} rows, {self.stored:,} from the store, {self.asked:,} calls, "
            f"{len(self.errors):,} errors>"
        )


def interrupted(result: MapResult | None) -> TurnInterruptedError:
    """What is raised in place of a KeyboardInterrupt; `result` is what had come."""
    error = TurnInterruptedError("Interrupted.", "What came is in the store: run it again to go on.")
    error.result = result
    return error


class MapRun:
    """A run in the making, as an iterator of events like any other answer; `mapped` is there once it is over."""

    def __init__(self, job: Job, history: History, stop: threading.Event) -> None:
        self.prompt = job.prompt
        self.mapped: MapResult | None = None
        self.notes = list(job.prompt.notes)
        self._job, self._history = job, history
        self._run = job.run(stop)
        self._turn: Turn | None = None

    def events(self, _wake: Wake, _approve: Approve = deny_all) -> Iterator[MapEvent]:
        """How far it is, again and again. Raises `NotRecordedError` if nothing may be sent, and answers are missing."""
        yield PromptSent(self.prompt)
        try:
            yield from self._run.events()
        except StoppedError:
            turn = self._settle("stopped")
            yield from _said(turn.text)
            yield TurnEnd(turn)
            return
        except BaseException:
            self._settle("stopped")
            raise
        turn = self._settle("complete")
        missing = sum(why == NOT_STORED for why in self._run.results.errors.values())
        if self.prompt.replay == "only" and missing:
            raise NotRecordedError(
                f"{missing:,} of {len(self._run.results.values):,} rows have no stored answer.",
                "Run the cell once with --replay off, and keep the store.",
            )
        yield from _said(turn.text)
        yield TurnEnd(turn)

    @property
    def has_content(self) -> bool:
        """Whether anything came, or the run came to its end."""
        return self._run.results.done > 0 or (self._turn is not None and self._turn.status == "complete")

    def close(self) -> Turn:
        """End the run now, if it is not over, and give the turn that sums it up."""
        return self._turn or self._settle("stopped")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _settle(self, status: Status) -> Turn:
        with deferred():
            results = self._run.results
            self._run.close()
            self.notes += results.notes
            self.mapped = MapResult(self._job, results)
            self._turn = summary(self._job, results, status)
            if self.has_content:
                self._history.put(self._turn)
            return self._turn


def _said(text: str) -> Iterator[MapEvent]:
    yield BlockStart(0, {"type": "text", "text": ""})
    yield Delta(0, "text", text)
    yield BlockStop(0, {"type": "text", "text": text})


def summary(job: Job, results: Results, status: Status) -> Turn:
    """The turn that stands for the run: the template, and in place of an answer what came of it."""
    prompt = job.prompt
    figures = {"id": None, "model": prompt.model, "stop_reason": "end_turn", "first_token_s": None}
    seconds = round(results.seconds, 3)
    responses = [{**figures, "usage": dict(results.usage), "seconds": seconds, "calls": results.asked}]
    answer: Message = {"role": "assistant", "content": [{"type": "text", "text": told(job, results)}]}
    return prompt.turn(status, [prompt.message, answer], responses if results.asked else [])


def told(job: Job, results: Results) -> str:
    """The run in a few lines of Markdown."""
    rows, errors = len(results.values), len(results.errors)
    asked = f"{results.asked:,} calls, {results.stored:,} answers from the store"
    lines = [f"Run over the {rows:,} rows of {job.name}: {rows - errors:,} answered, {errors:,} not ({asked})."]
    good = [row for row, value in enumerate(results.values) if value is not None and row not in results.errors]
    lines += [f"- row {row}: {_short(results.values[row])}" for row in good[:SHOWN]]
    lines += [f"- row {row}: {_short(why)}" for row, why in sorted(results.errors.items())[:SHOWN]]
    if (more := len(good[SHOWN:]) + max(0, errors - SHOWN)) > 0:
        lines.append(f"- … {more:,} more rows")
    return "\n".join([lines[0], "", *lines[1:]]) if lines[1:] else lines[0]


def _short(value: Any) -> str:
    return cut(" ".join(str(value).split()), SHOWN_LENGTH).replace("\n", " ")
