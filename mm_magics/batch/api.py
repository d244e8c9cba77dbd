"""`map_prompts`: one prompt over many rows, for scripts; and how a session's settings become a `Job`.

Always true: rows do not see the thread unless `context` says so, and no tools are called.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mm_magics.api import models
from mm_magics.batch.dask_rows import rows_of
from mm_magics.batch.dry_run import DryRun, plan
from mm_magics.batch.engines.base import Engine, LocalEngine
from mm_magics.batch.job import Job, Text
from mm_magics.batch.progress import MapEvent, Progress, Throttled
from mm_magics.batch.rate_limit import RateLimits
from mm_magics.batch.result import MapResult, MapRun, interrupted
from mm_magics.config import checked_base_url
from mm_magics.endpoint.reader import Retrying
from mm_magics.errors import UsageError
from mm_magics.session import Session
from mm_magics.tools.schema.output_schema import output_schema_of
from mm_magics.turn.driver import drive

SLOWEST = 50
"""Tokens a second, for a model of which the speed is not known."""
LINE_S = 10.0
"""How often progress is written where lines cannot be written over."""


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
    dry_run: bool = False,
    progress: bool = True,
    namespace: Mapping[str, Any] | None = None,
    **flags: Any,
) -> MapResult | DryRun:
    """Ask the template, or what a function makes of it, for each row of the data.

    `template` holds `{{ row.text }}` and the like (`row` itself where rows are no mappings), and names of `namespace`.
    `data` is a pandas, Polars, PyArrow or Dask data frame, or an iterable. `into` names the column of answers; with a
    `schema` its fields are the columns. Answers are kept in `store`, and asked again never. `budget` is in US dollars;
    `engine` a `distributed.Client` whose workers send; `figures` adds each row's tokens and cost; `flags` are settings
    of the session, as `Session.ask` takes them. With `dry_run` nothing is sent, and a `DryRun` comes back.

    Raises `UsageError` for what would go wrong in every row, `StoreError` for a store that cannot be used, and
    `TurnInterruptedError`, whose `result` is the partial result. A failed row does not raise: see `MapResult.errors`.
    """
    own = session or Session()
    try:
        job = job_of(
            own,
            template,
            data,
            into=into,
            name="the data",
            schema=schema,
            store=store,
            budget=budget,
            engine=engine,
            figures=figures,
            namespace=namespace or own.namespace,
            **flags,
        )
        job.check()
        if dry_run:
            return plan(job)
        running = MapRun(job, own.history, threading.Event())
        show = _Line() if progress else None
        try:
            with running:
                drive(running, show)
        except KeyboardInterrupt:
            raise interrupted(running.mapped) from None
        finally:
            if show:
                show.end()
        assert running.mapped is not None
        return running.mapped
    finally:
        if session is None:
            own.close()


def job_of(
    session: Session,
    template: str | Callable[[Any], str],
    data: Any,
    *,
    into: str,
    name: str,
    schema: Any = None,
    store: str | Path | None = None,
    budget: float | None = None,
    engine: Any = None,
    figures: bool = False,
    namespace: Mapping[str, Any],
    **flags: Any,
) -> Job:
    """The job that a session's settings and these make. Raises `UsageError`."""
    if flags.get("tools"):
        raise UsageError("A prompt that runs over rows calls no tools.", "Leave tools out.")
    config, asked_timeout = session.config, flags.get("timeout")
    text = Text(template, dict(namespace), config.value_limit)
    shape = None if schema is None else output_schema_of(schema)
    schemas = {} if schema is None else {"schema": schema}
    prompt = session.prepare(text.source, **{"context": "none", **flags, **schemas, "tools": [], "tool_choice": None})
    speed = models.model(prompt.model).speed or SLOWEST
    most = min(config.max_seconds, max(config.timeout, 2 * prompt.body["max_tokens"] / speed))
    base_url = checked_base_url(config.base_url)
    options = {
        "timeout": asked_timeout or most,
        "pace": RateLimits(config.concurrency, config.requests_per_minute, config.tokens_per_minute),
        "max_retries": config.max_retries,
    }

    def make() -> Engine:
        if engine is None:
            return LocalEngine(base_url, session.keys.find(base_url), shape=shape, **options)
        from mm_magics.batch.engines.dask import DaskEngine

        return DaskEngine(engine, base_url, schema=schema, **options)

    if not into.strip():
        raise UsageError("The column of answers has no name.", "Name one with --into.")
    return Job(
        rows=rows_of(data),
        text=text,
        prompt=prompt,
        shape=shape,
        into=into,
        name=name,
        figures=figures,
        store=str(store or config.store),
        budget=budget,
        engine=make,
    )


class _Line:
    """Progress on standard error: one line, written over where that can be."""

    due: float | None = None

    def __init__(self) -> None:
        self._over = sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel")
        self._written = 0.0
        self._unsaid = ""

    def show(self, event: MapEvent) -> None:
        if isinstance(event, Progress) and self._over:
            sys.stderr.write(f"\r{event}\x1b[K")
        elif isinstance(event, Progress) and time.monotonic() - self._written >= LINE_S:
            sys.stderr.write(f"{event}\n")
            self._written, self._unsaid = time.monotonic(), ""
        elif isinstance(event, Progress):
            self._unsaid = f"{event}\n"
        elif isinstance(event, Throttled | Retrying):
            sys.stderr.write(f"{event}\n")
        sys.stderr.flush()

    def end(self) -> None:
        sys.stderr.write("\n" if self._over else self._unsaid)
