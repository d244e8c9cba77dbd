"""A prompt that is to run over rows: what of it is the same for all, and the text of each.

Always true: a name that no column has, or a column that is there already, is said before anything is sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mm_magics.api import models
from mm_magics.batch.dask_rows import DaskRows
from mm_magics.batch.engines.base import Engine
from mm_magics.batch.requests import RequestBuilder
from mm_magics.batch.row_results import Results, columns_of
from mm_magics.batch.rows import NoColumn, NoValue, Rows, is_missing
from mm_magics.batch.runner import Run
from mm_magics.batch.store import Store
from mm_magics.errors import PromptError, UsageError
from mm_magics.prompt.template import Template
from mm_magics.prompt.values import as_text
from mm_magics.tools.schema.output_schema import OutputSchema
from mm_magics.turn.prepared import PreparedPrompt

SHOWN = 3
"""Prompts, answers and errors that are shown of many."""


class Text:
    """The text of a row: a template's, or what a function makes of it. Raises `PromptError`, which is that row's."""

    def __init__(self, template: str | Callable[[Any], str], namespace: dict[str, Any], limit: int) -> None:
        self.source = template if isinstance(template, str) else f"{getattr(template, '__name__', 'a function')}(row)"
        self._made = template if callable(template) else None
        self._template = Template(template) if isinstance(template, str) else None
        self._names, self._limit = dict(namespace), limit

    def __call__(self, row: Any) -> str:
        if self._template is not None:
            self._names["row"] = row
            return self._template.fill(self._names, self._said)
        assert self._made is not None
        try:
            made = self._made(row)
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":.")
            raise PromptError(f"{self.source} failed with {said}.") from error
        if not isinstance(made, str):
            raise PromptError(f"{self.source} gave a {type(made).__name__}, not a text.")
        return made

    def _said(self, value: Any) -> str:
        if is_missing(value):
            raise NoValue("it has no value in this row")
        return as_text(value, self._limit)


@dataclass(frozen=True)
class Job:
    """A run to be made. `engine` makes what sends, for the shape; `name` is what the rows are called."""

    rows: Rows | DaskRows
    text: Text
    prompt: PreparedPrompt
    shape: OutputSchema | None
    into: str
    name: str
    figures: bool
    store: str
    budget: float | None
    engine: Callable[[], Engine] = field(repr=False)

    def check(self, replaceable: Collection[str] = ()) -> None:
        """Raise `UsageError` for what would go wrong in every row; columns in `replaceable` may be there already."""
        if self.budget is not None:
            if not 0 <= self.budget < float("inf"):
                raise UsageError(f"budget is an amount of US dollars, not {self.budget!r}.")
            if models.model(self.prompt.model).price is None:
                raise UsageError(f"What {self.prompt.model} costs is not known.", "Run it without a budget.")
        taken = set(self.rows.columns) - set(replaceable)
        clash = [name for name in columns_of(self.into, self.shape, figures=self.figures) if name in taken]
        if clash:
            raise UsageError(f"There is a column {clash[0]} already.", "Give --into another name, or drop the column.")
        for row in self.rows:
            try:
                self.text(row)
            except PromptError as error:
                if isinstance(error.__cause__, NoColumn):
                    raise UsageError(error.message, "Nothing was sent.") from None
            break

    def run(self, stop: threading.Event) -> Run:
        """The run, not yet begun. Raises `StoreError`."""
        results = Results(len(self.rows), self.prompt.model, self.shape, figures=self.figures)
        engine = None if self.prompt.replay == "only" else self.engine
        store = partial(Store, self.store)
        return Run(
            self.rows, self.text, RequestBuilder(self.prompt), store, engine, results, budget=self.budget, stop=stop
        )
