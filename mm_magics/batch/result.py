"""The result of a map run: the data with its answers, the errors, and the usage."""

from __future__ import annotations

import threading
from typing import Any

from mm_magics.batch.job import MapJob
from mm_magics.batch.row_results import RowError, RowResults
from mm_magics.batch.runner import RowRunner
from mm_magics.errors import TurnInterruptedError
from mm_magics.wording import counted


class MapResult:
    """What a map run returned.

    Attributes:
        frame: The data with its new columns, of the type that was passed in; for an iterable, a list.
        values: The answers in the order of the rows; None for a row without one. With a schema, they are its values.
        errors: The rows without a complete answer, as `RowError(row, why)`.
        asked: How many calls were made.
        stored: How many rows were answered from the store.
        usage: The token counts of the calls, by the name that the Messages API gives them.
        cost: The cost of the calls in US dollars; None if calls were made and the model's price is unknown.
        seconds: How long the run took.
        notes: What else happened, for example that the store could not be written.

    >>> import tempfile
    >>> from mm_magics import Session, map_prompts
    >>> from mm_magics.simulator import Simulator
    >>> with tempfile.TemporaryDirectory() as folder, Simulator(answers=["bon", "mauvais"]) as endpoint:
    ...     with Session(base_url=endpoint.base_url, api_key=endpoint.key, concurrency=1) as session:
    ...         options = {"session": session, "store": f"{folder}/answers.sqlite", "progress": False}
    ...         result = map_prompts("Translate: {{ row }}", ["good", "bad", None], **options)
    >>> result
    <MapResult: 3 rows, 0 from the store, 2 calls, 1 error>
    >>> result.values
    ['bon', 'mauvais', None]
    >>> result.errors[0].row, result.frame[0]
    (2, {'row': 'good', 'answer': 'bon', 'answer_error': None})
    """

    def __init__(self, job: MapJob, results: RowResults) -> None:
        self._job = job
        self.frame = job.rows.with_columns(results.columns(job.options.into))
        self.values = results.values
        self.errors = [RowError(*each) for each in sorted(results.errors.items())]
        self.asked, self.stored, self.usage = results.calls, results.stored, results.usage
        self.cost = results.cost if results.is_price_known or not results.calls else None
        self.seconds, self.notes = results.seconds, results.notes

    def retry_failed(self) -> MapResult:
        """Run again and return the new result: stored answers are reused, and only rows that failed are sent.

        Raises:
            TurnInterruptedError: The run was interrupted; its `result` is the partial result.
        """
        runner = RowRunner(self._job, threading.Event())
        try:
            for _ in runner.events():
                pass
        except KeyboardInterrupt:
            runner.close()
            raise interrupted(MapResult(runner.job, runner.results)) from None
        return MapResult(runner.job, runner.results)

    def __repr__(self) -> str:
        return (
            f"<MapResult: {counted(len(self.values), 'row')}, {self.stored:,} from the store, "
            f"{counted(self.asked, 'call')}, {counted(len(self.errors), 'error')}>"
        )


def interrupted(result: Any) -> TurnInterruptedError:
    """Return the error that is raised instead of KeyboardInterrupt. `result` is the partial result, if there is one."""
    error = TurnInterruptedError("Interrupted.", "Received answers are in the store. Run it again to continue.")
    error.result = result
    return error
