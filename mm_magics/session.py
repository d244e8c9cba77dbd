"""`Session.ask()`: context → request → stream → tools → turn. All that the magics do, for scripts, without IPython.

Always true: a request is checked before anything is sent, and the history it is made from is the notebook's as it
stands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from mm_magics.api import messages, request
from mm_magics.api.messages import Block, Message
from mm_magics.config import MiniMax, Settings, checked_base_url
from mm_magics.endpoint.call import Call
from mm_magics.endpoint.client import Client
from mm_magics.endpoint.keys import Keys
from mm_magics.errors import NotRecordedError, PromptError, UsageError
from mm_magics.events import Event
from mm_magics.history.context import Context, prepared_messages
from mm_magics.history.notebook import LiveNotebook, NotebookFile
from mm_magics.history.notebook_context import SYNTHETIC_ID_PREFIXES
from mm_magics.history.replay import Recordings, is_replayable
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn
from mm_magics.tools.approval import Approve, Rules, deny_all
from mm_magics.tools.builtin.catalogue import builtin_tools
from mm_magics.tools.builtin.paths import folder_of
from mm_magics.tools.loop import Toolbox
from mm_magics.tools.mcp.servers import Servers
from mm_magics.tools.resolve import resolve_tools
from mm_magics.tools.runtime.runner import ToolLimits
from mm_magics.tools.schema.output_schema import OutputSchema, output_schema_of
from mm_magics.tools.schema.structured_output import value_of
from mm_magics.tools.tool import Tool
from mm_magics.turn.answer import Answer
from mm_magics.turn.driver import View, drive
from mm_magics.turn.prepared import Position, PreparedPrompt, PreparedRequest
from mm_magics.turn.replayed import ReplayedAnswer


class Session:
    """A conversation with an endpoint.

    >>> from mm_magics import Session
    >>> from mm_magics.simulator import Simulator
    >>> with Simulator() as endpoint:
    ...     with Session(base_url=endpoint.base_url, api_key=endpoint.key, model="MiniMax-M2.7") as session:
    ...         turn = session.ask("Say hello.")
    >>> turn.status
    'complete'

    `config` are the settings (a new `MiniMax` by default; keyword arguments set its traits). With `api_key`, that key
    is used for this base URL; without, it is looked for as `mm_magics.endpoint.keys` says.
    """

    def __init__(self, config: MiniMax | None = None, *, api_key: str | None = None, **settings: Any) -> None:
        self.config = config or MiniMax(**settings)
        self.settings = Settings(self.config, settings)
        self.keys = Keys()
        self.history = History()
        self.namespace: dict[str, Any] = {}
        self.builtin: Callable[[], Mapping[str, Tool]] = self._builtin
        self.rules = Rules()
        self.servers = Servers()
        self.notebook: NotebookFile | LiveNotebook | None = None
        self._recordings = Recordings()
        self._restored = 0
        self._places: dict[str | None, str] = {}
        self._client: Client | None = None
        self._running = threading.Event()
        if api_key is not None:
            self.keys.enter(self.config.base_url, api_key, "api_key")

    def prepare(self, content: str | Sequence[Block], *, cell_id: str | None = None, **flags: Any) -> PreparedPrompt:
        """The request for this content, checked; nothing is sent. `flags` override settings of the same name.

        `tools` are functions, `Tool`s, or names; `schema` is what the answer has to fit: a pydantic model, a dataclass,
        a TypedDict, a JSON schema. Raises `PromptError` for empty content, `UsageError` for a flag that makes no sense,
        `RequestError` for what the endpoint would refuse.
        """
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        given = messages.blocks({"content": blocks})
        texts = [str(block.get("text", "")) for block in given if block.get("type") == "text"]
        if not blocks or (texts and not texts[-1].strip()):
            raise PromptError("The prompt is empty.", "Write the question below the %%minimax line.")
        self.refresh()
        chosen = {name: flags.pop(name, self.settings.value(name)) for name in _FLAGS}
        shape = output_schema_of(flags.pop("schema")) if flags.get("schema") is not None else None
        if flags:
            raise TypeError(f"unknown settings: {', '.join(flags)}")
        box = self._box(chosen, shape)
        params = {**_params(chosen), **(box.offer(chosen["tool_choice"]) if box else {})}
        message: Message = {"role": "user", "content": blocks}
        context = _context(chosen["context"])
        turns = self.history.context_turns(chosen["thread"], cell_id, context)
        prepared = prepared_messages(turns, message)
        body = request.body(chosen["model"], [each.message for each in prepared], chosen["system"], params)
        request.check(body)
        hashes = [each.sha256 for each in prepared]
        return PreparedPrompt(
            message=message,
            context_turns=turns,
            request=PreparedRequest(
                model=chosen["model"],
                system=chosen["system"] or None,
                params=params,
                body=body,
                encoded_body=request.encode(body, prepared),
                sha256=request.request_sha256(chosen["model"], chosen["system"], params, hashes),
            ),
            position=Position(chosen["thread"], cell_id, context, self.history.base(chosen["thread"])),
            toolbox=box,
            timeout=chosen["timeout"],
            replay=chosen["replay"],
            notes=request.notes(body),
        )

    def stream(
        self, prompt: str | PreparedPrompt, *, stop: threading.Event | None = None, **flags: Any
    ) -> Answer | ReplayedAnswer:
        """The answer to the prompt, an iterator of events: it is sent as that is entered or iterated.

        `stop`, once set, ends it within 0.1 s.

        A request that is answered from its record sends nothing. Raises what `prepare` raises, `ConfigError`
        (`MissingKeyError`) if there is no endpoint to send it to, `NotRecordedError` if a required record is missing.
        """
        if self._running.is_set():
            raise UsageError("A tool cannot ask in the session that called it.", "Give it a Session of its own.")
        if not isinstance(prompt, PreparedPrompt):
            prompt = self.prepare(prompt, **flags)
        if prompt.replay != "off" and (turn := self._recording(prompt)) is not None:
            return ReplayedAnswer(prompt, turn, self.history)
        if prompt.replay == "only":
            raise NotRecordedError(
                "There is no recorded answer to this request.", "Run the cell once with --replay auto, and save."
            )
        client, stop, most = self.client(prompt.timeout), stop or threading.Event(), self.config.max_seconds
        call = lambda content: Call(client.message_reader(content), prompt.timeout, most, stop)  # noqa: E731
        return Answer(prompt, call, self.history, stop, self._news())

    def ask(
        self,
        prompt: str | PreparedPrompt,
        *,
        view: View[Event] | None = None,
        stop: threading.Event | None = None,
        approve: Approve = deny_all,
        **flags: Any,
    ) -> Turn:
        """Send the prompt and wait for the whole turn, showing it in `view` as it comes.

        `approve` says yes or no to each call of a tool that asks: a bool, or a `Decision`. Raises what `stream` raises,
        and `EndpointError`, whose `turn` holds what came before the fault.
        """
        with self.stream(prompt, stop=stop, **flags) as answer:
            return drive(answer, view, approve)

    def value(self, turn: Turn, schema: Any) -> Any:
        """The turn's answer as a value that fits the schema. Raises `ProtocolError` if it does not."""
        return value_of(turn.messages, output_schema_of(schema))

    def _box(self, chosen: Mapping[str, Any], shape: OutputSchema | None) -> Toolbox | None:
        """What the model may call; None without tools and shape."""
        tools: dict[str, Tool] = {}
        if chosen["tools"]:
            tools = resolve_tools(chosen["tools"], self.namespace, self.builtin(), self.servers)
        if not tools and shape is None:
            return None
        limits = ToolLimits(chosen["tool_timeout"], chosen["tool_limit"])
        return Toolbox(tools, self.rules, limits, chosen["max_rounds"], chosen["max_cost"], shape, self._running)

    def _builtin(self) -> Mapping[str, Tool]:
        return builtin_tools(self.namespace, folder_of(self.config.tools_folder, None), lambda: [])

    def attach(self, path: Path) -> None:
        """Make this notebook the session's memory: its turns are restored, and its order of cells is followed."""
        self.notebook = NotebookFile(path)

    def receive(self, description: Mapping[str, Any]) -> None:
        """Make the notebook as a front end describes it the session's memory, in place of the file."""
        if not isinstance(self.notebook, LiveNotebook):
            self.notebook = LiveNotebook()
        self.notebook.receive(description)
        self.settings.follow_notebook(description.get("settings"))

    def refresh(self) -> None:
        """Follow the notebook if it was saved since the last time."""
        document = self.notebook.updated() if self.notebook else None
        if document is not None:
            self._restored += self.history.follow(document)

    def place(self, cell_id: str | None, source: str) -> str | None:
        """The id that the running cell has in the notebook.

        A front end that names cells as the file does is believed; for the others (nbclient and the like name none,
        VS Code has names of its own) the first cell with this source that was not run yet is taken for it.
        """
        document = self.notebook.document if self.notebook else None
        if document is None or (cell_id is not None and not cell_id.startswith(SYNTHETIC_ID_PREFIXES)):
            return cell_id
        if cell_id in self._places:
            return self._places[cell_id]
        taken = set(self._places.values())
        same = [each.id for each in document.cells if each.kind == "code" and each.source.rstrip() == source.rstrip()]
        found = next((id_ for id_ in same if id_ not in taken), None)
        if found is not None:
            self._places[cell_id or f"run {len(self._places)}"] = found
        return found or cell_id

    def _news(self) -> list[str]:
        """What is to be said once: that turns came from a file."""
        count, self._restored = self._restored, 0
        return [f"{count} turns restored from {self.notebook.name}."] if count and self.notebook else []

    def _recording(self, prompt: PreparedPrompt) -> Turn | None:
        """The cell's own record for this request, else another one of this notebook, else one of `replay_from`."""
        own = self.history.turn_of_cell(prompt.thread, prompt.cell_id)
        known = [*([own] if own else []), *(turn for turns in self.history.threads().values() for turn in turns)]
        here = next(
            (turn for turn in known if turn.request_sha256 == prompt.request.sha256 and is_replayable(turn)), None
        )
        return here or self._recordings.find(prompt.request.sha256, self.config.replay_from)

    def client(self, timeout: float | None = None) -> Client:
        """The line to the endpoint as the settings now stand, kept open between calls."""
        base_url = checked_base_url(self.config.base_url)
        key = self.keys.find(base_url)
        wanted = (base_url, key, timeout or self.config.timeout, self.config.max_retries)
        old = self._client
        if old is None or (old.base_url, old.key, old.timeout, old.max_retries) != wanted:
            if old is not None:
                old.close()
            self._client = Client(base_url, key, timeout=wanted[2], max_retries=wanted[3])
        assert self._client is not None
        return self._client

    def close(self) -> None:
        """Close the connection and end the MCP servers; the history stays."""
        self.servers.close()
        if self._client is not None:
            self._client.close()
            self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_FLAGS = (
    "model",
    "system",
    "max_tokens",
    "temperature",
    "top_p",
    "thinking",
    "user_id",
    "params",
    "thread",
    "context",
    "timeout",
    "replay",
    "tools",
    "tool_choice",
    "max_rounds",
    "max_cost",
    "tool_timeout",
    "tool_limit",
)


def _context(value: Any) -> Context:
    if value not in ("above", "all", "none") and (type(value) is not int or value < 0):
        raise UsageError(f"context is above, all, none or a number of turns, not {value!r}.")
    context: Context = value
    return context


def _params(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The request's fields beside model, system and messages, those that are not set left out."""
    if own := {"model", "system", "messages", "stream"} & chosen["params"].keys():
        raise UsageError(f"{min(own)} is not one of the other fields of the request: it has a place of its own.")
    fields: dict[str, Any] = {name: chosen[name] for name in ("max_tokens", "temperature", "top_p")}
    fields["thinking"] = request.thinking(chosen["thinking"], chosen["max_tokens"])
    fields["metadata"] = {"user_id": chosen["user_id"]} if chosen["user_id"] else None
    return {**{name: value for name, value in fields.items() if value is not None}, **chosen["params"]}
