"""`Session`: a conversation with an endpoint, for scripts and for the magics. It does not need IPython.

A prompt passes these stages: context, request, stream, tools, turn. A request is checked before it is sent, and its
context is that of the notebook at this moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mm_magics.api.messages import Block
from mm_magics.api.models import DEFAULT_MODEL
from mm_magics.api.urls import origin_of
from mm_magics.background_context import background_execution
from mm_magics.config import MiniMax, checked_base_url
from mm_magics.endpoint.call import Call
from mm_magics.endpoint.client import Client, LastClient
from mm_magics.endpoint.keys import Keys
from mm_magics.errors import NotebookError, NotRecordedError, UsageError
from mm_magics.events import Event
from mm_magics.history.cell_matching import CellMatcher, Execution, Place
from mm_magics.history.notebook import Document, LiveNotebook, NotebookFile
from mm_magics.history.replay import Recordings
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn, prompt_text, source_sha256
from mm_magics.settings import Settings
from mm_magics.tools.approval import Approve, Rules, deny_all
from mm_magics.tools.builtin.catalogue import builtin_tools
from mm_magics.tools.builtin.paths import folder_of
from mm_magics.tools.runtime.captured_output import is_in_tool
from mm_magics.tools.tool import Tool
from mm_magics.turn.answer import Answer
from mm_magics.turn.context_budget import ContextBudget
from mm_magics.turn.driver import View, drive
from mm_magics.turn.ledger import Ledger
from mm_magics.turn.model_choice import ModelChoice
from mm_magics.turn.never_send import NeverSend
from mm_magics.turn.place_notes import PlaceNotes
from mm_magics.turn.prepared import Position, PreparedPrompt
from mm_magics.turn.prompt_builder import PromptBuilder
from mm_magics.turn.replayed import ReplayedAnswer, find_recorded
from mm_magics.turn.request_fields import PROMPT_SETTINGS, check_tool_choice, user_message, valid_context
from mm_magics.turn.setting_notes import SettingNotes
from mm_magics.turn.spending import Spending
from mm_magics.turn.window import fullness_note, window_share

if TYPE_CHECKING:
    from mm_magics.tools.mcp.servers import MCPServers
    from mm_magics.tools.schema.output_schema import OutputSchema
    from mm_magics.turn.compacting_answer import CompactingAnswer


class Session:
    """A conversation with an endpoint: its settings, keys, history, tools and connection.

    >>> from mm_magics import Session
    >>> from mm_magics.simulator import Simulator
    >>> with Simulator() as endpoint:
    ...     with Session(base_url=endpoint.base_url, api_key=endpoint.key, model="MiniMax-M2.7") as session:
    ...         turn = session.ask("Say hello.")
    >>> turn.status
    'complete'

    Use it as a context manager, or call `close()`, to close the connection.

    Args:
        config: The settings of this session; a new `MiniMax` by default.
        api_key: The key for the session's base URL. Without it, the key is taken from the environment or the OS
            keyring, as `mm_magics.endpoint.keys` describes.
        settings: Values for a new `config`: the traits of `MiniMax` by name.

    Attributes:
        settings: The effective value of every setting, and its source.
        history: The turns by thread.
        namespace: The variables that tools and schemas are looked up in by name.
        rules: Which tool calls are allowed, denied, or require approval.
        notebook: The notebook that the turns come from, if there is one.
        budget: What the contexts of the next prompts are.
        cells: Which of its cells is running.
        ledger: The model calls that were made.
        models: What is known about the models of the endpoint.
        running: Set while a tool runs, or a cell that a model runs.
        spending: What may still be spent.
    """

    def __init__(self, config: MiniMax | None = None, *, api_key: str | None = None, **settings: Any) -> None:
        self.config = config or MiniMax(**settings)
        self.settings = Settings(self.config)
        self.keys = Keys()
        self.history = History()
        self.namespace: dict[str, Any] = {}
        self.builtin: Callable[[], Mapping[str, Tool]] = self._builtin
        self.rules = Rules()
        self.notebook: NotebookFile | LiveNotebook | None = None
        self._live = LiveNotebook()
        self.ledger = Ledger()
        self.models = ModelChoice(self.settings)
        self.spending = Spending(self.settings)
        self._recordings = Recordings()
        self.budget = ContextBudget(self.history)
        self.cells = CellMatcher()
        self._notes = PlaceNotes(self.history, self.cells)
        self._setting_notes = SettingNotes(self.settings)
        self._client = LastClient()
        self.running = threading.Event()
        if api_key is not None:
            self.keys.enter(self.settings.value("base_url"), api_key, "api_key")

    @cached_property
    def servers(self) -> MCPServers:
        """The MCP servers of this session."""
        from mm_magics.tools.mcp.servers import MCPServers

        return MCPServers()

    def prepare(
        self, content: str | Sequence[Block], *, cell_id: str | None = None, source: str | None = None, **flags: Any
    ) -> PreparedPrompt:
        """Build and check the request for a prompt, without sending it.

        >>> Session(api_key="none").prepare("Hello", max_tokens=99).body["max_tokens"]
        99

        Args:
            content: The text of the prompt, or content blocks of the Messages API.
            cell_id: The cell that the prompt belongs to: its turn replaces the cell's earlier one, which becomes a
                version.
            source: The text of the cell that the content was made from, by which a later edit of the cell is noticed.
            flags: Settings for this prompt only, by name. `tools` are functions, `Tool`s or names; `schema` is what
                the answer must match: a Pydantic model, a dataclass, a TypedDict, or a JSON schema. `expressions` are
                those that the content was filled in with, for `never_send`.

        Raises:
            PromptError: The content is empty.
            UsageError: A flag has an invalid value.
            RequestError: The endpoint would refuse the request.
            TypeError: A flag is unknown.
        """
        (message, is_replaced), is_choice_given = user_message(content), "tool_choice" in flags
        self.settings.check_flags(flags)
        self.refresh()
        self.history.max_versions = self.settings.value("max_versions")
        default_model = "" if "model" in flags or self.settings.source("model") != "default" else DEFAULT_MODEL
        model = self.effective_model(flags.get("model"))
        turn_notes, report_settings = self._setting_notes.of(flags)
        chosen = {name: flags.pop(name, self.settings.value(name)) for name in PROMPT_SETTINGS}
        schema, expressions = flags.pop("schema", None), flags.pop("expressions", ())
        output_schema = None if schema is None else _output_schema_of(schema)
        if flags:
            raise TypeError(f"unknown settings: {', '.join(flags)}")
        tools = self.find_tools(chosen["tools"])
        if not tools and schema is None and is_choice_given:
            check_tool_choice(chosen["tool_choice"])
        thread, sha256 = chosen["thread"], "" if source is None else source_sha256(source)
        position = Position(thread, cell_id, valid_context(chosen["context"]), self.history.base(thread), sha256)
        found, notes = self.budget.context(thread, cell_id, position.context), list[str]()
        prompt = PromptBuilder(
            message=message,
            is_replaced=is_replaced,
            settings={**chosen, "max_cost": self.spending.lowered(chosen["max_cost"])},
            tools=tools,
            output_schema=output_schema,
            rules=self.rules,
            running=self.running,
            context=found,
            position=position,
            default_model=default_model,
            prices=self.settings.value("prices"),
            notes=notes,
            turn_notes=turn_notes,
            on_begin=(lambda: self._notes.report_edits(found.all), lambda: self.budget.report(found), report_settings),
            expressions=expressions,
            check_model=lambda name: self.settings.check({"model": name}),
        )(model)
        before = window_share(found.all[-1]) if found.all else None
        hint = fullness_note(before, prompt.size, self.settings.value("hint_at"), chosen["compact"])
        notes += filter(None, [hint, self.budget.note(found)])
        notes += self._notes.of(
            self.notebook, position, found.all, prompt_text([message])
        )  # last: it reports them once
        prompt.notes[:0] = notes
        return prompt

    @property
    def never_send(self) -> NeverSend:
        """What no request may contain."""
        return NeverSend(self.settings.value("never_send"), self.namespace)

    def effective_model(self, flag: str | None = None) -> str:
        """Return the model that a prompt goes to: the one chosen, else the default or what answers for it.

        >>> Session().effective_model("MiniMax-M3")
        'MiniMax-M3'
        """
        return self.models.effective() if flag is None else flag

    @property
    def is_running_tool(self) -> bool:
        """Whether this code runs in a tool that was called in this session, or in a cell that a model runs."""
        return self.running.is_set() if background_execution() is None else is_in_tool()

    def stream(
        self, prompt: str | PreparedPrompt, *, stop: threading.Event | None = None, **flags: Any
    ) -> Answer | CompactingAnswer | ReplayedAnswer:
        """Return the answer to a prompt as an iterator of events.

        The request is sent when the answer is entered or iterated over. A recorded answer sends nothing.

        >>> from mm_magics.events import Delta
        >>> from mm_magics.simulator import Simulator
        >>> with Simulator() as endpoint, Session(base_url=endpoint.base_url, api_key=endpoint.key) as session:
        ...     with session.stream('[[simulator: say="A reef."]] What is it?') as answer:
        ...         print("".join(each.text for each in answer if isinstance(each, Delta) and each.kind == "text"))
        A reef.

        Args:
            prompt: A text, or what `prepare` returned.
            stop: Ends the answer within 0.1 s when it is set.
            flags: As in `prepare`.

        Returns:
            An iterator of the events of `mm_magics.events`. Its `turn` is the whole turn, once it is over.

        Raises:
            ConfigError: The base URL is invalid, or there is no key for it (`MissingKeyError`).
            NotRecordedError: `replay` is `only`, and there is no recording of this request.
            MiniMaxError: As in `prepare`.
        """
        if not isinstance(prompt, PreparedPrompt):
            prompt = self.prepare(prompt, **flags)
        return self.begin(prompt, stop or threading.Event(), self.history)

    def begin(
        self,
        prompt: PreparedPrompt,
        stop: threading.Event,
        history: History,
        used: Sequence[str] = (),
        client: Client | None = None,
    ) -> Answer | CompactingAnswer | ReplayedAnswer:
        """Return the answer to a prompt, whose turn is put into `history`. Recordings in `used` are not replayed."""
        if self.is_running_tool:
            raise UsageError("A tool cannot use the session that called it.", "Create another Session in the tool.")
        sources = self.settings.value("replay_from")
        if prompt.replay != "off" and (turn := find_recorded(prompt, self.history, self._recordings, sources, used)):
            return ReplayedAnswer(prompt, turn, history, self.ledger)
        if prompt.replay == "only":
            raise NotRecordedError(
                "There is no recorded answer to this request.", "Run the cell once with --replay auto, and save."
            )
        self.spending.check(prompt)
        never_send, tools = self.never_send, prompt.toolbox.tools if prompt.toolbox else {}
        never_send.check_expressions(prompt.expressions)
        client = client or self.client(prompt.timeout)
        limits = prompt.timeout, self.settings.value("max_seconds"), stop
        call = lambda body: Call(client.message_reader(never_send.checked(body, tools)), *limits)  # noqa: E731
        prompt = replace(prompt, notes=[*self._notes.take_restored(self.notebook), *never_send.notes(), *prompt.notes])
        after_refusal = lambda sent, error: self.models.after_refusal(sent, error, client, stop)  # noqa: E731
        options = (stop, self.ledger, origin_of(client.base_url), after_refusal)
        plan = prompt.plan
        if plan or prompt.may_compact:
            from mm_magics.turn.compacting_answer import CompactingAnswer  # few prompts need it

            answer = lambda sent, history=history: Answer(sent, call, history, *options)  # noqa: E731
            return CompactingAnswer(prompt, plan, answer, partial(self.budget.own.__setitem__, prompt.thread))
        return Answer(prompt, call, history, *options)

    def ask(
        self,
        prompt: str | PreparedPrompt,
        *,
        view: View[Event] | None = None,
        stop: threading.Event | None = None,
        approve: Approve = deny_all,
        **flags: Any,
    ) -> Turn:
        """Send a prompt, wait for the whole turn, and return it.

        >>> from mm_magics.simulator import Simulator
        >>> with Simulator() as endpoint, Session(base_url=endpoint.base_url, api_key=endpoint.key) as session:
        ...     turn = session.ask('[[simulator: say="A reef."]] What is it?')
        >>> turn.status, turn.text
        ('complete', 'A reef.')

        Args:
            prompt: A text, or what `prepare` returned.
            view: Shows each event as it is received.
            stop: Ends the turn within 0.1 s when it is set.
            approve: Decides about each tool call that requires approval: returns a bool or a `Decision`. By default,
                such calls are denied.
            flags: As in `prepare`.

        Raises:
            EndpointError: The endpoint failed; `error.turn` is the partial turn, which is in the history too.
            MiniMaxError: As in `stream`.
        """
        with self.stream(prompt, stop=stop, **flags) as answer:
            return drive(answer, view, approve)

    def value(self, turn: Turn, schema: Any) -> Any:
        """Return the turn's answer as a value that matches the schema.

        >>> from mm_magics.simulator import Simulator
        >>> schema = {"type": "object", "properties": {"depth": {"type": "integer"}}, "required": ["depth"]}
        >>> with Simulator() as endpoint, Session(base_url=endpoint.base_url, api_key=endpoint.key) as session:
        ...     value = session.value(session.ask("How deep is it?", schema=schema), schema)
        >>> type(value["depth"])
        <class 'int'>

        Args:
            turn: A turn that was asked for with this schema.
            schema: A Pydantic model, a dataclass, a TypedDict, or a JSON schema.

        Raises:
            ProtocolError: The answer does not match the schema.
        """
        from mm_magics.tools.schema.structured_output import value_of

        return value_of(turn.messages, _output_schema_of(schema))

    def find_tools(self, names: Sequence[Any]) -> Mapping[str, Tool]:
        """Return the tools of these names, and those among them that are tools already."""
        if not names:
            return {}
        from mm_magics.tools.resolve import resolve_tools

        return resolve_tools(names, self.namespace, self.builtin(), self.servers)

    def _builtin(self) -> Mapping[str, Tool]:
        return builtin_tools(self.namespace, folder_of(self.settings.value("tools_folder"), None), lambda: [])

    def attach(self, path: Path) -> None:
        """Use a notebook file as the history: restore its turns, and follow its order of cells.

        >>> session = Session()
        >>> session.attach(Path("missing.ipynb"))
        >>> session.refresh()
        >>> print(session.notebook.error)
        missing.ipynb does not exist.
        """
        self.notebook = NotebookFile(path)
        self._setting_notes = SettingNotes(self.settings)

    def receive(self, description: Mapping[str, Any] | Document | NotebookError) -> None:
        """Use the front end's live notebook model instead of the file on disk.

        Args:
            description: The notebook as `LiveNotebook` takes it, or the reason why it is missing.
        """
        self.notebook = self._live
        self._live.receive(description)

    def refresh(self) -> None:
        """Update the history and the settings if the notebook has changed."""
        document = self.notebook.updated() if self.notebook else None
        self.ledger.notebook = self.notebook.name if self.notebook else ""
        if self.notebook is not None and document is not None:
            self.settings.follow_notebook(document.settings)
            self.notebook.document, moved = self.cells.follow(document, self.history.keys())
            self._notes.restored += self.history.follow(self.notebook.document, moved)

    def place(self, execution: Execution | None) -> str | None:
        """Return the id that the running cell has in the notebook; None if it is not a cell of a notebook."""
        self._notes.place = place = self.cells.place(execution) if execution else Place(None)
        self._notes.page = execution.page if execution else ""
        self.history.run = execution.run if execution else ""
        if execution:
            self.history.uncertain = self.cells.uncertain(execution.page)
        if place.cell_id and not place.is_saved:
            self.history.insert(place.cell_id, place.after)
        return place.cell_id

    def client(self, timeout: float | None = None, last: LastClient | None = None) -> Client:
        """Return the HTTP client for the current settings. It stays open until they change, or in `last` if given."""
        setting = self.settings.value
        base_url, timeout = checked_base_url(setting("base_url")), timeout or setting("timeout")
        key, retries = self.keys.find(base_url), setting("max_retries")
        return (last or self._client).get(base_url, key, timeout=timeout, max_retries=retries)

    def close(self) -> None:
        """Close the connection and stop the MCP servers. The history is kept."""
        self.servers.close()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _output_schema_of(schema: Any) -> OutputSchema:
    from mm_magics.tools.schema.output_schema import output_schema_of  # few turns have a schema

    return output_schema_of(schema)
