"""What follows an assistant message: the results of its calls and another request, or the end of the turn.

Always true: `answers` answers every call of the message, whatever has happened, in the order of the calls.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mm_magics.api import messages
from mm_magics.api.messages import ANSWER, Block
from mm_magics.errors import UsageError
from mm_magics.tools.approval import Approve, Rules
from mm_magics.tools.runtime.runner import ToolEvent, ToolLimits, ToolRunner, result_of
from mm_magics.tools.schema.output_schema import OutputSchema
from mm_magics.tools.schema.structured_output import StructuredOutput
from mm_magics.tools.tool import Tool, ToolCall, ToolOutput, ToolResult

ENOUGH = "No more tools can be called: {why}. Say now what you have found, and what is left to do."
UNREAD = "A call could not be read: its arguments are no JSON object. Call it again."
NOT_RUN = ToolOutput("Not run: the final answer was given beside it.", is_error=True)


@dataclass(frozen=True)
class Toolbox:
    """What the model may call in a turn, and how far; `output_schema` is what its answer has to fit.

    After `max_rounds` messages with calls, or `max_cost` US dollars, one last answer is asked for, without tools.
    `running` is set while tools run. Raises `UsageError` for a tool with a name of our own.
    """

    tools: Mapping[str, Tool]
    rules: Rules
    limits: ToolLimits
    max_rounds: int
    max_cost: float | None = None
    output_schema: OutputSchema | None = None
    running: threading.Event = field(default_factory=threading.Event, repr=False)

    def __post_init__(self) -> None:
        if ANSWER in self.tools:
            raise UsageError(f"{ANSWER} is the name of a tool of our own.", "Give yours another one.")

    def offer(self, choice: str | None) -> dict[str, Any]:
        """The request's fields. A wanted shape alone is forced; beside other tools it is left to the model.

        Raises `UsageError` for a choice that is not offered.
        """
        offered = [tool.definition for tool in self.tools.values()]
        if self.output_schema is not None:
            offered.append(StructuredOutput(self.output_schema).definition)
            choice = choice or (None if self.tools else ANSWER)
        if choice is None:
            return {"tools": offered}
        if choice in ("auto", "any", "none"):
            return {"tools": offered, "tool_choice": {"type": choice}}
        if choice not in [each["name"] for each in offered]:
            raise UsageError(f"tool_choice is auto, any, none or a tool that is offered, not {choice}.")
        return {"tools": offered, "tool_choice": {"type": "tool", "name": choice}}


class ToolLoop:
    """The rounds of one turn: `choice` is the next request's `tool_choice`, `notes` what the user is to be told."""

    def __init__(self, box: Toolbox, choice: Mapping[str, Any], stop: threading.Event) -> None:
        self.box, self.choice, self.stop = box, choice, stop
        self.notes: list[str] = []
        self.wanted = StructuredOutput(box.output_schema) if box.output_schema else None
        self._rounds = 0

    def step(self, content: Sequence[Block], unfinished: int | None) -> LoopStep:
        """What follows this message. A choice that forces a call is for the first request only."""
        if self.choice.get("type") in ("any", "tool"):
            called = [block.get("name") for block in content if block.get("type") == "tool_use"]
            name = self.choice.get("name")
            if name not in called if name else not called:
                self.notes.append(f"The endpoint did not honour tool_choice {name or 'any'}: no such call came.")
            self.choice = {"type": "auto"}
        return LoopStep(self, content, unfinished)

    def limit(self, spent: float | None) -> str:
        """What is said to the model when a round was its last one, else ""."""
        self._rounds += 1
        why = ""
        if self._rounds >= self.box.max_rounds:
            why = f"{self._rounds} rounds of calls are the limit"
        elif self.box.max_cost is not None and spent is not None and spent >= self.box.max_cost:
            why = f"the turn has cost ${spent:.4f}, and ${self.box.max_cost:.4f} are the limit"
        if not why:
            return ""
        self.notes.append(f"Tools were ended: {why}.")
        self.choice = {"type": "none"}
        return ENOUGH.format(why=why)


class LoopStep:
    """What follows one message: `needs_request` is whether another request does; `results`, `reply` are sent in it.

    They are right at every moment: a call that is not over counts as interrupted.
    """

    def __init__(self, loop: ToolLoop, content: Sequence[Block], unfinished: int | None) -> None:
        self.needs_request = False
        self._loop, self._content = loop, content
        self._calls = calls_in(content, unfinished)
        self._unread = sum(block.get("type") == "tool_use" for block in content) > len(self._calls)
        self._round: ToolRunner | None = None
        self._given: list[ToolResult] = []
        self._said: list[str] = []

    @property
    def results(self) -> list[ToolResult]:
        return self._round.results if self._round else self._given

    @property
    def reply(self) -> list[Block]:
        """The content of the user message that follows; [] where none does."""
        blocks = [result.block for result in self.results]
        return [*blocks, *({"type": "text", "text": text} for text in self._said)]

    def events(self, spent: float | None, approve: Approve) -> Iterator[ToolEvent]:
        """Answer the message. `spent` is what the turn has cost so far. Raises as `ToolRunner.events` does."""
        loop, wanted = self._loop, self._loop.wanted
        if loop.choice.get("type") == "none":
            return
        final = next((call for call in self._calls if wanted and call.name == ANSWER), None)
        if wanted and final:
            taken = wanted.take_call(final)
            self._given = [result_of(call, taken if call is final else NOT_RUN) for call in self._calls]
            self.needs_request = wanted.needs_retry
        elif self._calls or self._unread:
            box = loop.box
            self._round = ToolRunner(self._calls, box.tools, box.rules, box.limits, loop.stop, approve)
            box.running.set()
            yield from self._round.events()
            box.running.clear()
            self._said = [text for text in (UNREAD if self._unread else "", loop.limit(spent)) if text]
            self.needs_request = True
        elif wanted:
            asked = wanted.take_text(messages.text_of([{"role": "assistant", "content": list(self._content)}]))
            self.needs_request = wanted.needs_retry
            self._said = [asked] if self.needs_request else []


def calls_in(content: Sequence[Block], unfinished: int | None) -> list[ToolCall]:
    """The calls of a message that can be answered: those that stay when the turn is closed."""
    turn = messages.closed(
        [{"role": "user", "content": "?"}, {"role": "assistant", "content": list(content)}], [unfinished]
    )
    kept = turn[1]["content"] if len(turn) > 1 else []
    return [
        ToolCall(block["id"], block["name"], block["input"])
        for block in kept
        if isinstance(block, dict) and block["type"] == "tool_use"
    ]
