"""The types of tool use: a tool, a model's call of it, and the result.

A `Tool` does not know who calls it: `approval` decides whether a call may run, `runtime` runs it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from mm_magics.api.messages import TOOL_NAME as TOOL_NAME
from mm_magics.errors import UsageError
from mm_magics.tools.call_text import CallPart

ToolOutcome = Literal["done", "failed", "denied", "interrupted"]


@dataclass(frozen=True)
class Tool:
    """A function that a model may call.

    `minimax_tool` and `--tools` make tools of functions. Make one directly to give the JSON schema yourself:

    >>> from mm_magics.tools.tool import Tool
    >>> schema = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
    >>> tool = Tool("shout", "Write a word in capital letters.", schema, lambda word: word.upper())
    >>> tool.definition["name"]
    'shout'

    Attributes:
        name: What the model calls it: letters, digits, `_` and `-`, at most 64.
        description: What it does, for the model.
        schema: JSON schema of its arguments, an object.
        function: Called with the arguments as keywords. It returns a value, or a coroutine that returns one.
        check: Converts the model's arguments to the keywords of `function`, or raises `ToolInputError`.
        asks: Whether each call requires approval.
        risk: What a call may do, in a sentence that is shown to the user when approval is requested.
        preview: Returns what to show instead of arguments when approval is requested, by argument: a diff, not a file.
        origin: What a rule that allows it is bound to: hashes of its MCP server and of its definition, by name.
        beside_cells: Whether a call may run while a cell runs, in another thread. Asynchronous functions always may.
        complete: Returns all that a call stands for, from the checked arguments: it is shown, allowed, and passed to
            `function` instead of them.
        ends_itself: Whether a call waits for the user, so that it has no time limit.
        in_turn: Whether the standing rule that the user adds when asked holds for the rest of the turn only.
        over: Returns why the turn calls no more tools, which is asked after each round; "" while it may.

    Raises:
        UsageError: If the Messages API does not accept the name.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    function: Callable[..., Any] = field(repr=False)
    check: Callable[[Mapping[str, Any]], Mapping[str, Any]] = field(default=dict, repr=False)
    asks: bool = False
    risk: str = ""
    preview: Callable[[Mapping[str, Any]], Mapping[str, CallPart]] | None = field(default=None, repr=False)
    origin: Mapping[str, str] = field(default_factory=dict, repr=False)
    beside_cells: bool = False
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = field(default=None, repr=False)
    ends_itself: bool = False
    in_turn: bool = False
    over: Callable[[], str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not TOOL_NAME.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} is not a valid tool name.", "Use letters, digits, _ and -, at most 64 characters."
            )

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @property
    def definition(self) -> dict[str, Any]:
        """The tool as an item of the request's `tools`."""
        return {"name": self.name, "description": self.description, "input_schema": dict(self.schema)}


class ToolCall(NamedTuple):
    """A model's call of a tool, from a `tool_use` block.

    >>> call = ToolCall("toolu_1", "shout", {"word": "hello"})
    >>> call.name, call.input["word"]
    ('shout', 'hello')

    Attributes:
        id: The block's id, which the result refers to.
        name: The tool's name as the model wrote it; there may be no such tool.
        input: The arguments as the model wrote them, not checked.
    """

    id: str
    name: str
    input: Mapping[str, Any]

    @property
    def in_text(self) -> bool:
        """Whether the model wrote the call into its text. Such a call always requires approval."""
        return False


class TextToolCall(ToolCall):
    """A call that the model wrote into its text, without a `tool_use` block. `id` is one of our own."""

    @property
    def in_text(self) -> bool:
        return True


class ToolOutput(NamedTuple):
    """What the model reads about a call. A tool may return one to mark its text as an error.

    `images` are files that models take. The text has a label for each (`ResultImages`). `is_marked`: data from outside
    in the text is between marks already, and the rest is not from outside. `is_denied`: the user did not want what the
    call would have done.
    """

    text: str
    is_error: bool = False
    images: Sequence[bytes] = ()
    is_marked: bool = False
    is_denied: bool = False


class ToolResult(NamedTuple):
    """How a call ended: the `tool_result` block that is sent to the model, the outcome, and the duration.

    `replaced` says whether lone surrogates were replaced in the block; `is_marked` is that of the `ToolOutput`.
    """

    block: dict[str, Any]
    outcome: ToolOutcome
    seconds: float
    replaced: bool = False
    is_marked: bool = False
