"""Decide what follows an assistant message: results of its tool calls and another request, or the end of the turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mm_magics.api import messages
from mm_magics.api.dialect import TextCall, calls_at_end
from mm_magics.api.messages import ANSWER, Block
from mm_magics.background_context import background_execution
from mm_magics.errors import UsageError
from mm_magics.tools.approval import Approve, Rules
from mm_magics.tools.runtime.runner import ToolEvent, ToolLimits, ToolRunner, result_of
from mm_magics.tools.schema.written_arguments import from_text
from mm_magics.tools.tool import TextToolCall, Tool, ToolCall, ToolOutput, ToolResult
from mm_magics.wording import counted, dollars

if TYPE_CHECKING:
    from mm_magics.tools.schema.output_schema import OutputSchema
    from mm_magics.tools.schema.structured_output import StructuredOutput

LIMIT_REACHED = "No more tools can be called: {reason}. Answer now with what you have found and what is left to do."
UNREADABLE_CALL = "A tool call could not be read: its arguments are not a JSON object. Call the tool again."
SAME_ID = "Not run: {names}, because an earlier call of the same message has the same id. Call it again."
ALTERED_NOTE = "A call of {name} was not run: the endpoint {what}, so it may not be the call that was shown."
MAX_UNKNOWN_ROUNDS = 3
"""Rounds in a row in which the model may call the same tool that is not offered, or nothing but such tools."""
NOT_RUN_NOTE = "The model wrote a tool call into its text ({names}). It was not run: {reason}."
RUN_NOTE = "The model wrote a tool call into its text ({names}). It requires approval, and its result is sent as text."
ANSWER_NOTE = "The model wrote its answer as a tool call into its text."
NOT_RUN = ToolOutput("Not run: the final answer was given in the same message.", is_error=True)


@dataclass(frozen=True)
class Toolbox:
    """The tools that the model may call in a turn, and the limits of their use.

    Attributes:
        tools: The tools, by name.
        rules: The user's approval rules.
        limits: The limits of each call.
        max_rounds: How many messages with calls are answered; then one last answer is requested without tools.
        max_cost: US dollars after which the last answer is requested, None without a limit.
        output_schema: What the turn's answer must match, None for free text.
        running: Set while tools run.

    Raises:
        UsageError: If a tool has the name of the tool that structured output uses.
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
            raise UsageError(f"The tool name {ANSWER} is reserved for structured output.", "Rename your tool.")

    def offer(self, choice: str | None) -> dict[str, Any]:
        """Return the request fields `tools` and `tool_choice`.

        Without a choice, structured output is forced if there are no other tools, and left to the model if there are.

        Args:
            choice: `auto`, `any`, `none` or the name of a tool.

        Raises:
            UsageError: If the choice is something else.
        """
        offered = [tool.definition for tool in self.tools.values()]
        if self.output_schema is not None:
            offered.append(_structured_output(self.output_schema).definition)
            choice = choice or (None if self.tools else ANSWER)
        if choice is None:
            return {"tools": offered}
        if choice in ("auto", "any", "none"):
            return {"tools": offered, "tool_choice": {"type": choice}}
        names = [each["name"] for each in offered]
        if choice not in names:
            raise UsageError(
                f"tool_choice is {choice}, which is not an offered tool.",
                f"Use auto, any, none, or one of: {', '.join(names)}.",
            )
        return {"tools": offered, "tool_choice": {"type": "tool", "name": choice}}


def make_toolbox(
    tools: Mapping[str, Tool],
    output_schema: OutputSchema | None,
    settings: Mapping[str, Any],
    rules: Rules,
    running: threading.Event,
) -> Toolbox | None:
    """Return what the model may call, with the limits of the settings; None without tools and schema."""
    if not tools and output_schema is None:
        return None
    limits = ToolLimits(settings["tool_timeout"], settings["tool_limit"])
    return Toolbox(tools, rules, limits, settings["max_rounds"], settings["max_cost"], output_schema, running)


class ToolLoop:
    """The steps of one turn.

    Attributes:
        choice: The `tool_choice` of the next request.
        notes: Lines for the user about what did not go as requested.
        turn_rules: The rules that the user added for this turn.
    """

    def __init__(self, toolbox: Toolbox, choice: Mapping[str, Any], model: str, stop: threading.Event) -> None:
        self.toolbox, self.choice, self.model, self.stop = toolbox, choice, model, stop
        self.notes: list[str] = []
        self.turn_rules = Rules()
        self.structured_output = _structured_output(toolbox.output_schema) if toolbox.output_schema else None
        self._rounds = self._unknown_rounds = self._steps = 0
        self._unknown: dict[str, int] = {}

    def end(self) -> None:
        """No tool of this turn runs any more."""
        if background_execution() is None:
            self.toolbox.running.clear()

    def step(
        self, content: Sequence[Block], unfinished: int | None, altered: Mapping[int, str] | None = None
    ) -> LoopStep:
        """Start the step that follows an assistant message. A forced `tool_choice` applies to the first request only.

        Args:
            content: The message's content.
            unfinished: Position of the block that was cut, if any.
            altered: What the endpoint did to the calls that must not run, by position (`Assembler.altered`).
        """
        written = text_calls(content, unfinished)
        if self.choice.get("type") in ("any", "tool"):
            called = [block.get("name") for block in content if block.get("type") == "tool_use"]
            called += [call.name for call in written]
            name = self.choice.get("name")
            if name not in called if name else not called:
                self.notes.append(f"The endpoint did not honor tool_choice {name or 'any'}: there was no such call.")
            self.choice = {"type": "auto"}
        self._steps += 1
        for at, what in (altered or {}).items():
            self.notes.append(ALTERED_NOTE.format(name=str(content[at].get("name"))[:64], what=what))
        not_run = frozenset(str(content[at].get("id")) for at in altered or ())
        return LoopStep(self, content, unfinished, self._calls_in_text(written), not_run)

    def _calls_in_text(self, written: Sequence[TextCall]) -> list[ToolCall]:
        """Return the calls to run of those that the model wrote into its text: all or none."""
        names = list(dict.fromkeys(call.name for call in written))
        if not names:
            return []
        if self.structured_output and ANSWER in names:
            self.notes.append(ANSWER_NOTE)
            return []
        tools = self.toolbox.tools
        if unknown := [name for name in names if name not in tools]:
            self.notes.append(NOT_RUN_NOTE.format(names=", ".join(names), reason=f"{unknown[0]} is not offered"))
            return []
        if self.choice.get("type") == "none":
            self.notes.append(NOT_RUN_NOTE.format(names=", ".join(names), reason="no tools could be called"))
            return []
        self.notes.append(RUN_NOTE.format(names=", ".join(names)))
        return [
            TextToolCall(f"in_text_{self._steps}_{number}", call.name, from_text(call.values, tools[call.name].schema))
            for number, call in enumerate(written, 1)
        ]

    def end_round(self, names: Sequence[str], spent: float | None) -> str:
        """Count a message with calls of these tools. Return the text for the model if it was the last one, else ""."""
        self._rounds += 1
        unknown = sorted({name for name in names if name not in self.toolbox.tools})
        self._unknown = {name: self._unknown.get(name, 0) + 1 for name in unknown}
        self._unknown_rounds = self._unknown_rounds + 1 if names and len(unknown) == len(set(names)) else 0
        over = [tool.over() for tool in self.toolbox.tools.values() if tool.over]
        again = [name for name in unknown if self._unknown[name] >= MAX_UNKNOWN_ROUNDS]
        reason = ""
        if self._rounds >= self.toolbox.max_rounds:
            rounds = counted(self._rounds, "round")
            reason = f"{rounds} of tool calls {'is' if self._rounds == 1 else 'are'} the limit"
        elif again or self._unknown_rounds >= MAX_UNKNOWN_ROUNDS:
            called = ", ".join(again or unknown)
            reason = f"{MAX_UNKNOWN_ROUNDS} rounds called tools that are not offered ({called})"
        elif self.toolbox.max_cost is not None and spent is not None and spent >= self.toolbox.max_cost:
            reason = f"the turn has cost {dollars(spent)}, and the limit is ${self.toolbox.max_cost:g}"
        reason = next(filter(None, over), reason)
        if not reason:
            return ""
        self.notes.append(f"No more tools were called: {reason}.")
        self.choice = {"type": "none"}
        return LIMIT_REACHED.format(reason=reason)


class LoopStep:
    """What follows one assistant message. Its state is valid at every moment: an unfinished call counts as interrupted.

    Attributes:
        needs_request: Whether another request follows.
    """

    def __init__(
        self,
        loop: ToolLoop,
        content: Sequence[Block],
        unfinished: int | None,
        in_text: list[ToolCall],
        not_run: frozenset[str],
    ) -> None:
        self.needs_request = False
        self._loop, self._content, self._not_run = loop, content, not_run
        calls = calls_in(content, unfinished)
        lost = _without_answer(content, calls)
        self._has_unreadable = None in lost
        self._same_id = [name for name in lost if name is not None]
        self._calls = calls or in_text
        self._runner: ToolRunner | None = None
        self._answer_results: list[ToolResult] = []
        self._texts: list[str] = []

    @property
    def results(self) -> list[ToolResult]:
        """One result per call of the message, in call order, once `events` has started."""
        return self._runner.results if self._runner else self._answer_results

    @property
    def reply(self) -> list[Block]:
        """The content of the user message that follows; [] if none does."""
        answered = list(zip(self._calls, self.results, strict=False))
        blocks = [_text_result(call, result) if call.in_text else result.block for call, result in answered]
        images = [each for call, result in answered if call.in_text for each in messages.images_in(result.block)]
        return [*blocks, *images, *({"type": "text", "text": text} for text in self._texts)]

    @property
    def records(self) -> list[dict[str, Any]]:
        """One entry per call for `Turn.responses`. Of a call in the text it has what the message does not say."""
        return [
            {
                "id": call.id,
                "outcome": result.outcome,
                "seconds": result.seconds,
                **({"marked": True} if result.is_marked else {}),
                **({"name": call.name, "input": dict(call.input)} if call.in_text else {}),
            }
            for call, result in zip(self._calls, self.results, strict=False)
        ]

    def events(self, spent: float | None, approve: Approve) -> Iterator[ToolEvent]:
        """Answer the message and yield what happens.

        Args:
            spent: What the turn has cost so far, in US dollars.
            approve: Decides calls that require approval.

        Raises:
            StoppedError: If the user pressed Stop.
            KeyboardInterrupt: If the user interrupted a tool.
        """
        loop, output = self._loop, self._loop.structured_output
        if loop.choice.get("type") == "none":
            return
        final = next(
            (call for call in self._calls if output and call.name == ANSWER and call.id not in self._not_run), None
        )
        if output and final:
            accepted = output.take_call(final)
            self._answer_results = [result_of(call, accepted if call is final else NOT_RUN) for call in self._calls]
            self.needs_request = output.needs_retry
        elif self._calls or self._has_unreadable:
            toolbox = loop.toolbox
            self._runner = ToolRunner(
                self._calls,
                toolbox.tools,
                toolbox.rules,
                toolbox.limits,
                loop.model,
                loop.stop,
                approve,
                self._not_run,
                loop.turn_rules,
            )
            if background_execution() is None:  # beside the cells, the tool itself knows that it is one
                toolbox.running.set()
            yield from self._runner.events()
            loop.end()
            loop.notes += [note for note in self._runner.notes if note not in loop.notes]
            texts = (
                UNREADABLE_CALL if self._has_unreadable else "",
                SAME_ID.format(names=", ".join(self._same_id)) if self._same_id else "",
                loop.end_round([call.name for call in self._calls], spent),
            )
            self._texts = [text for text in texts if text]
            self.needs_request = True
        elif output:
            correction = output.take_text(messages.text_of([{"role": "assistant", "content": list(self._content)}]))
            self.needs_request = output.needs_retry
            self._texts = [correction] if self.needs_request else []


def _structured_output(schema: OutputSchema) -> StructuredOutput:
    from mm_magics.tools.schema.structured_output import StructuredOutput  # few turns have a schema

    return StructuredOutput(schema)


def text_calls(content: Sequence[Block], unfinished: int | None) -> list[TextCall]:
    """Return the calls that the model wrote at the end of its message, as text; [] if it also called tools."""
    texts = [block["text"] for block in content if block.get("type") == "text" and isinstance(block.get("text"), str)]
    called = any(block.get("type") == "tool_use" for block in content)
    if called or unfinished is not None or not content or content[-1].get("type") != "text" or not texts:
        return []
    calls = calls_at_end(texts[-1])
    # what is displayed is all texts, where an earlier one may have opened a code fence
    return calls if len(texts) == 1 or calls_at_end("\n\n".join(texts)) == calls else []


def _text_result(call: ToolCall, result: ToolResult) -> Block:
    """Return the result of a call in the text as text: a `tool_result` would need a `tool_use` block."""
    ended = "failed" if result.block.get("is_error") else "returned"
    return {"type": "text", "text": f"{call.name} {ended}:\n{messages.result_text(result.block)}"}


def _without_answer(content: Sequence[Block], calls: Sequence[ToolCall]) -> list[str | None]:
    """Return an entry for each call that cannot be answered: its name if its id was used before, else None."""
    left = {call.id for call in calls}
    lost: list[str | None] = []
    used: set[str] = set()
    for block in content:
        if block.get("type") != "tool_use":
            continue
        id_ = block.get("id")
        if id_ in used:
            lost.append(str(block.get("name")))
        elif id_ in left:
            used.add(str(id_))
        else:
            lost.append(None)
    return lost


def calls_in(content: Sequence[Block], unfinished: int | None) -> list[ToolCall]:
    """Return the calls of a message that can be answered: those that remain when the turn is closed."""
    turn = messages.repair_turn(
        [{"role": "user", "content": "?"}, {"role": "assistant", "content": list(content)}], [unfinished]
    )
    blocks = turn[1]["content"] if len(turn) > 1 else []
    return [
        ToolCall(block["id"], block["name"], block["input"])
        for block in blocks
        if isinstance(block, dict) and block["type"] == "tool_use"
    ]
