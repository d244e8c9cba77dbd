"""A map job: everything a map run needs, built from a session's settings and the options of the run.

Errors that would affect every row (a missing column, a column that exists already) are raised before anything is sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mm_magics.api import models, request
from mm_magics.batch.dask_rows import DaskRows, rows_of
from mm_magics.batch.engines.base import Engine, SendOptions
from mm_magics.batch.engines.dialog import Dialogs
from mm_magics.batch.engines.local import LocalEngine
from mm_magics.batch.engines.packing import PackingEngine
from mm_magics.batch.pack import Packer, list_schema, pack_max_tokens
from mm_magics.batch.rate_limit import RateLimits
from mm_magics.batch.row import MissingColumnError
from mm_magics.batch.row_results import columns_of, fields_of
from mm_magics.batch.row_template import RowTemplate, name_hint, row_message
from mm_magics.batch.rows import Rows
from mm_magics.batch.sample import SampledRows
from mm_magics.batch.trial_options import Label, check_trial, label_of
from mm_magics.config import checked_base_url
from mm_magics.errors import PromptError, UsageError
from mm_magics.packages import require
from mm_magics.session import Session
from mm_magics.tools.loop import Toolbox
from mm_magics.tools.schema.output_schema import OutputSchema, output_schema_of
from mm_magics.turn.answer import AfterRefusal
from mm_magics.turn.ledger import Ledger
from mm_magics.turn.model_choice import ModelLister
from mm_magics.turn.never_send import NeverSend
from mm_magics.turn.prepared import PreparedPrompt

DEFAULT_TOKENS_PER_S = 50
"""Assumed speed of a model whose speed is unknown."""


@dataclass(frozen=True)
class MapOptions:
    """The options of a map run that are not settings of the session: see `map_prompts`.

    `data_name` is what the summary calls the data. `engine` is None or a `distributed.Client`.
    """

    into: str = "answer"
    data_name: str = "the data"
    schema: Any = None
    store: str | Path | None = None
    budget: float | None = None
    engine: Any = None
    figures: bool = False
    pack: int | None = None
    to: str | Path | None = None
    trial: int | None = None
    label: Any = None
    require: float | None = None
    namespace: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class MapJob:
    """A map run that is ready to start.

    `pack_prompt` asks for a list of answers, if several rows are sent together; else it is None. `send` says how it
    sends; `make_engine` starts the engine that sends its calls; `ledger` counts them. `after_refusal` returns the
    prompt to use instead if the endpoint refused its model, as `ModelChoice.after_refusal` does. `never_send` is what
    no request may contain.
    """

    rows: Rows | DaskRows | SampledRows
    template: RowTemplate
    prompt: PreparedPrompt
    schema: OutputSchema | None
    options: MapOptions
    store: Path
    pack_prompt: PreparedPrompt | None
    send: SendOptions
    make_engine: Callable[[], Engine] = field(repr=False)
    ledger: Ledger = field(repr=False)
    after_refusal: AfterRefusal = field(repr=False)
    never_send: NeverSend = field(repr=False)

    @property
    def columns(self) -> list[str]:
        """The names of the columns that the run adds."""
        return columns_of(self.options.into, self.schema, with_usage=self.options.figures)

    @property
    def is_for_workers(self) -> bool:
        """Whether the workers of a cluster read the rows and write the answers.

        If `never_send` names values, this process searches the rows for them: the values never leave it.
        """
        options = self.options
        is_dask = options.engine is not None and isinstance(self.rows, DaskRows)
        return is_dask and options.to is not None and self.never_send.is_empty

    @property
    def is_packed(self) -> bool:
        """Whether several rows are sent together."""
        return self.pack_prompt is not None

    def start_engine(self) -> Engine:
        """Start the engine that sends the calls."""
        engine, prompt = self.make_engine(), self.pack_prompt
        if prompt is None:
            return engine
        if prompt.model != self.prompt.model:
            prompt = prompt.for_model(self.prompt.model)
        return PackingEngine(engine, Packer(prompt, self.schema), self.options.pack or 1)

    @property
    def label(self) -> Label | None:
        """The column with the labels of a trial. Raises `UsageError` if it does not exist."""
        return label_of(self.options.label, self.rows.columns, fields_of(self.schema))

    def check(self, replaceable: Collection[str] = ()) -> None:
        """Check for errors that would affect every row. Columns in `replaceable` may exist already.

        Raises:
            UsageError: Such an error was found.
            RequestError: The first row contains images, and the model does not take them.
        """
        budget = self.options.budget
        if budget is not None and not 0 <= budget < float("inf"):
            raise UsageError(f"budget must be an amount of US dollars, not {budget!r}.")
        self.check_price()
        check_trial(self.options.trial, self.options.label, self.options.require, len(self.rows))
        taken = set(self.rows.columns) - set(replaceable)
        if clash := [name for name in self.columns if name in taken]:
            raise UsageError(
                f"The data already has a column named {clash[0]}.",
                "Choose another name with --into, or drop the column.",
            )
        if self.rows.is_frame and (problems := self.template.missing_columns(self.rows.columns)):
            raise UsageError(problems[0], "Nothing was sent.")
        if (label := self.label) is not None:  # the summary with the labels becomes part of the thread
            self.never_send.check_columns([("label", frozenset({"row", str(label.column)}))], self.rows.columns)
        if self.prompt.replay != "only":
            self.never_send.check_columns(self.template.reads, self.rows.columns)
            self.never_send.checked(self.prompt.request.encoded_body)
        for row in self.rows:
            try:
                message = row_message(self.template(row))
                request.check_media({"model": self.prompt.model, "messages": [message]})
            except PromptError as error:
                if isinstance(error.__cause__, MissingColumnError):
                    raise UsageError(error.message, "Nothing was sent.") from None
            break

    def check_price(self) -> None:
        """Raise `UsageError` if a limit on the cost cannot be enforced: the price of the model is unknown."""
        self.prompt.check_limits("" if self.options.budget is None else "budget")


def build_job(
    session: Session, template: str | Callable[[Any], str], data: Any, options: MapOptions, **flags: Any
) -> MapJob:
    """Build the job of a map run.

    Args:
        session: Its settings and keys are used.
        template: The prompt, or a function that makes it from a row.
        data: A data frame or an iterable.
        options: The options of the run.
        flags: Settings that override the session's.

    Raises:
        UsageError: An option or a setting is invalid.
    """
    session.settings.check_flags({**flags, **({"store": str(options.store)} if options.store else {})})
    options = replace(options, budget=session.spending.lowered(options.budget))
    tools = flags.pop("tools", None) or []
    setting, timeout = session.settings.value, flags.get("timeout")
    try:
        row_template = RowTemplate(template, options.namespace, setting("value_limit"))
    except PromptError as error:
        raise PromptError(error.message, name_hint(str(template)) or error.hint) from None
    pack = _checked_pack(options.pack)
    context = {} if session.settings.lock_of("context") else {"context": "none"}
    overrides = {**context, **flags, "tools": tools, "tool_choice": None}
    schema = None if options.schema is None else output_schema_of(options.schema)
    given = {} if schema is None else {"schema": options.schema}
    prompt = session.prepare(row_template.source, **overrides, **given)
    pack_prompt = session.prepare(row_template.source, **overrides, schema=list_schema(schema)) if pack > 1 else None
    session.spending.check_price(prompt)
    check_tools(prompt.toolbox, options, pack)
    prompt.notes.extend([*session.never_send.notes(), *session.spending.notes()])
    if not options.into.strip():
        raise UsageError("The column of answers has no name.", "Name it with --into.")
    base_url = checked_base_url(setting("base_url"))
    send = SendOptions(
        base_url=base_url,
        timeout=timeout or _default_timeout(session, prompt, pack),
        limits=RateLimits(setting("concurrency"), setting("requests_per_minute"), setting("tokens_per_minute")),
        max_retries=setting("max_retries"),
    )

    never_send = session.never_send.for_rows_of(data)

    def dialogs() -> Dialogs | None:
        if not tools or prompt.toolbox is None:
            return Dialogs.of_schema(schema)
        toolbox = replace(prompt.toolbox, running=threading.Event())
        return Dialogs(toolbox, lambda body: never_send.checked(body, toolbox.tools))

    def make_engine() -> Engine:
        if options.engine is None:
            return LocalEngine(send, session.keys.find(base_url), dialogs())
        require("distributed", "Dask clusters")
        from mm_magics.batch.engines.dask import DaskEngine

        return DaskEngine(options.engine, send, options.schema)

    def model_lister() -> ModelLister:
        if options.engine is None:
            return session.client()
        from mm_magics.batch.engines.dask import WorkerLister  # maybe only the workers have the key

        return WorkerLister(options.engine, base_url)

    return MapJob(
        rows=rows_of(data),
        template=row_template,
        prompt=prompt,
        schema=schema,
        options=options,
        store=Path(options.store or setting("store")),
        pack_prompt=pack_prompt,
        send=send,
        make_engine=make_engine,
        ledger=session.ledger,
        never_send=never_send,
        after_refusal=lambda sent, error: session.models.after_refusal(sent, error, model_lister()),
    )


def check_tools(toolbox: Toolbox | None, options: MapOptions, pack: int) -> None:
    """Raise `UsageError` if there are tools that a map run cannot call: nobody is asked for approval."""
    if toolbox is None or not toolbox.tools:
        return
    if acting := [name for name, tool in toolbox.tools.items() if tool.asks]:
        raise UsageError(
            f"{acting[0]} requires approval, and a map run only calls tools that read.", "Leave it out of the tools."
        )
    if options.engine is not None or pack > 1:
        other = "engine" if options.engine is not None else "pack"
        raise UsageError(f"tools cannot be combined with {other}.", "Leave one of them out.")


def _checked_pack(pack: Any) -> int:
    if pack is None:
        return 1
    if not isinstance(pack, int) or isinstance(pack, bool) or pack < 1:
        raise UsageError(f"pack must be a number of rows per call, at least 1, not {pack!r}.")
    return pack


def _default_timeout(session: Session, prompt: PreparedPrompt, pack: int) -> float:
    """Return how many seconds one answer may take: as long as `max_tokens` takes at half the model's speed."""
    speed = models.model(prompt.model).speed or DEFAULT_TOKENS_PER_S
    longest: float = 2 * pack_max_tokens(prompt.model, prompt.body["max_tokens"], pack) / speed
    setting = session.settings.value
    return min(float(setting("max_seconds")), max(float(setting("timeout")), longest))
