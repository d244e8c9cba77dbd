"""What a tool is, what a call of one is, and what comes of it.

Always true: a `Tool` knows nothing of who calls it; whether it may be called is decided elsewhere (`approval`), and so
is how (`run`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from mm_magics.errors import UsageError

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What the Messages API takes for a tool's name."""

ToolOutcome = Literal["done", "failed", "denied", "interrupted"]


@dataclass(frozen=True)
class Tool:
    """Something that a model may call.

    `schema` is the JSON schema of its arguments, an object. `check` makes of the model's arguments what `function` is
    called with, as keywords, or raises `ToolInputError`. `function` gives a value, or a coroutine of one. `asks`: each
    call needs a yes, from a person or a rule. `risk`: what a yes may bring about, in a sentence.

    Raises `UsageError` for a name that the API does not take.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    function: Callable[..., Any] = field(repr=False)
    check: Callable[[Mapping[str, Any]], Mapping[str, Any]] = field(default=dict, repr=False)
    asks: bool = False
    risk: str = ""

    def __post_init__(self) -> None:
        if not TOOL_NAME.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} cannot be a tool's name.", "Letters, digits, _ and - can, at most 64 of them."
            )

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @property
    def definition(self) -> dict[str, Any]:
        """How a request offers it."""
        return {"name": self.name, "description": self.description, "input_schema": dict(self.schema)}


class ToolCall(NamedTuple):
    """A model's call: the `tool_use` block's id, name and input, the last two as the model wrote them."""

    id: str
    name: str
    input: Mapping[str, Any]


class ToolOutput(NamedTuple):
    """What a tool may give in place of a value: the text that the model is to read, and whether it is an error."""

    text: str
    is_error: bool = False


class ToolResult(NamedTuple):
    """What came of a call: the `tool_result` block that answers it, how it ended, and the seconds it took."""

    block: dict[str, Any]
    outcome: ToolOutcome
    seconds: float
