"""`map_prompts`: run one prompt over many rows from a script."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mm_magics.batch.dry_run import DryRun, estimate
from mm_magics.batch.job import MapJob, MapOptions, build_job
from mm_magics.batch.map_run import MapRun
from mm_magics.batch.progress_line import ProgressLine
from mm_magics.batch.result import MapResult, interrupted
from mm_magics.batch.stream import RowStream, RunTotals, write_parts
from mm_magics.batch.trial import Trial, trial_job
from mm_magics.errors import UsageError
from mm_magics.session import Session
from mm_magics.turn.driver import drive


def map_prompts(
    template: str | Callable[[Any], str],
    data: Any,
    *,
    into: str = "answer",
    session: Session | None = None,
    schema: Any = None,
    store: str | Path | None = None,
    budget: float | None = None,
    engine: Any = None,
    figures: bool = False,
    pack: int | None = None,
    stream: bool = False,
    to: str | Path | None = None,
    trial: int | None = None,
    label: Any = None,
    require: float | None = None,
    dry_run: bool = False,
    progress: bool = True,
    namespace: Mapping[str, Any] | None = None,
    **flags: Any,
) -> MapResult | DryRun | RowStream | RunTotals:
    """Send a prompt for each row of the data and return the data with the answers.

    Answers are stored as they arrive: running the same again sends only the rows without a stored answer. Equal
    requests are sent once. Rows do not see the thread unless `context` is set. Tools may be those that only read.

    Args:
        template: The prompt, with `{{ row.text }}` for a value of the row, or `{{ row }}` if rows are not mappings; or
            a function that takes a row and returns the prompt.
        data: A pandas, Polars, PyArrow or Dask data frame, whatever offers an Arrow stream, the path of a Parquet
            file or of JSON lines, or any iterable. It is not changed.
        into: The column of the answers. Errors are in the column `<into>_error`.
        session: The session whose settings and key are used; a new one by default.
        schema: The schema that each answer must match: a Pydantic model, a dataclass, a TypedDict, a type or a JSON
            schema. Its fields become the columns.
        store: The SQLite file of the answers; the setting `store` by default.
        budget: The most to spend, in US dollars. A few calls in flight may exceed it.
        engine: A `distributed.Client` whose workers send the requests; by default this process sends them. With a Dask
            data frame and `to`, the workers also read the rows and write the files.
        figures: Whether to add the columns `<into>_tokens_in`, `<into>_tokens_out` and `<into>_cost` (in US dollars).
        pack: Send up to this many rows in one call. A row can influence the answers of the others in its call.
        stream: Return a `RowStream`, which yields rows as they are answered. No answers are in memory.
        to: Write the answers to Parquet files in this folder (a path, or a URL that fsspec knows), and return
            `RunTotals`. Rows whose answers are there are left out. No answers are in memory.
        trial: Ask only a random sample of this many rows, the same each time, and return a `Trial`. Its answers are
            stored, so they count towards the run.
        label: The column with the right answers, which the answers of the trial are compared with. If the schema has
            several fields, the field follows: `"truth=verdict"`.
        require: Raise `AgreementError` if the lower bound of the agreement in the trial is below this share.
        dry_run: Send nothing, and return an estimate.
        progress: Whether to show progress on standard error.
        namespace: Other names that the template can use; the session's by default.
        **flags: Settings that override the session's, as in `Session.ask`.

    Returns:
        The result; with `trial`, a `Trial`; with `dry_run`, a `DryRun`; with `stream`, a `RowStream`;
        with `to`, `RunTotals`. Rows that failed raise no error.

    Raises:
        UsageError: Every row would fail, for example because a column is missing. Nothing was sent.
        NotRecordedError: `replay` is `only`, and the store does not have all answers.
        MissingKeyError: There is no key for the endpoint.
        AgreementError: The answers of the trial agree with their labels less than `require`.
        StoreError: The store cannot be used.
        TurnInterruptedError: The run was interrupted; its `result` is the partial result.

    >>> import tempfile
    >>> from mm_magics import Session, map_prompts
    >>> from mm_magics.simulator import Simulator
    >>> rows = [{"text": "Warm and dry."}, {"text": "It leaks."}]
    >>> with tempfile.TemporaryDirectory() as folder, Simulator(answers=["good", "bad"]) as endpoint:
    ...     with Session(base_url=endpoint.base_url, api_key=endpoint.key, concurrency=1) as session:
    ...         result = map_prompts(
    ...             "Is this review good or bad? {{ row.text }}",
    ...             rows,
    ...             session=session,
    ...             store=f"{folder}/answers.sqlite",
    ...             progress=False,
    ...         )
    >>> [row["answer"] for row in result.frame]
    ['good', 'bad']
    """
    if sum([stream, to is not None, trial is not None]) > 1:
        raise UsageError("stream, to and trial cannot be combined.", "Choose one of them.")
    owned = session or Session()
    options = MapOptions(
        into=into,
        schema=schema,
        store=store,
        budget=budget,
        engine=engine,
        figures=figures,
        pack=pack,
        to=to,
        trial=trial,
        label=label,
        require=require,
        namespace=namespace or owned.namespace,
    )
    try:
        job = build_job(owned, template, data, options, **flags)
        job.check()
        if dry_run:
            return estimate(job if trial is None else trial_job(job))
        line = ProgressLine() if progress else None
        if stream:
            return RowStream(job, line, owned if session is None else None)
        if job.is_for_workers:
            from mm_magics.batch.partition_run import write_partitions

            return write_partitions(job, line)
        return _run(job, owned, line) if to is None else write_parts(job, line)
    finally:
        if session is None and not stream:
            owned.close()


def _run(job: MapJob, session: Session, line: ProgressLine | None) -> MapResult:
    run = MapRun(job, session.history, threading.Event())
    try:
        with run:
            drive(run, line)
    except KeyboardInterrupt:
        raise interrupted(run.result) from None
    finally:
        if line:
            line.end()
    assert run.result is not None
    if isinstance(run.result, Trial):
        run.result.check()
    return run.result
