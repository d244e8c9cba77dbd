"""Run the tool calls of one assistant message.

Every call is decided before the first one runs. Synchronous tools run one after the other on the calling thread, where
the user's figures and database connections work. Asynchronous tools run together on a thread of their own.
"""

from __future__ import annotations

import inspect
import math
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from mm_magics.errors import ToolError, ToolInputError
from mm_magics.interrupts import StoppedError
from mm_magics.text import replace_surrogates
from mm_magics.tools.approval import Approve, Decision, Rules, standing_rule
from mm_magics.tools.call_text import call_hash
from mm_magics.tools.runtime.async_thread import StartCoroutine, coroutine_starter
from mm_magics.tools.runtime.captured_output import CapturedOutput, route_output
from mm_magics.tools.runtime.result_images import image_refusal, result_content
from mm_magics.tools.runtime.results import NO_VALUE, failure_of, output_of
from mm_magics.tools.runtime.timeout import TOOL_POLL_S, ToolTimeout
from mm_magics.tools.schema.written_arguments import read_nested
from mm_magics.tools.tool import Tool, ToolCall, ToolOutcome, ToolOutput, ToolResult

INTERRUPTED = ToolOutput("Interrupted by the user before it finished.", is_error=True)
ALTERED = ToolOutput("Not run: the call was changed while it was received. Call the tool again.", is_error=True)


class ApprovalRequested(NamedTuple):
    """The call requires approval."""

    call: ToolCall
    tool: Tool


class ToolStarted(NamedTuple):
    """The call has started. `waits_for_user` says whether it ends when the user has decided about what it proposes."""

    call: ToolCall
    waits_for_user: bool = False


class ToolFinished(NamedTuple):
    """The call has ended or was not run."""

    call: ToolCall
    result: ToolResult


ToolEvent = ApprovalRequested | ToolStarted | ToolFinished


@dataclass(frozen=True)
class ToolLimits:
    """The limits of one call.

    Attributes:
        seconds: How long it may take.
        characters: How much of its result is sent to the model, 0 for all.
    """

    seconds: float
    characters: int


class ToolRunner:
    """Runs the calls of one message.

    Args:
        calls: The calls, in the order of the message.
        tools: The tools that are offered, by name.
        rules: The user's approval rules.
        limits: The limits of each call.
        model: The model that reads the results.
        stop: Set when the user presses Stop.
        approve: Decides the calls that require approval.
        altered: The ids of calls that must not run, because they may not be the calls that were shown.
        turn_rules: The rules that the user added for this turn.
    """

    def __init__(
        self,
        calls: Sequence[ToolCall],
        tools: Mapping[str, Tool],
        rules: Rules,
        limits: ToolLimits,
        model: str,
        stop: threading.Event,
        approve: Approve,
        altered: Collection[str] = (),
        turn_rules: Rules | None = None,
    ) -> None:
        self.calls, self._altered = calls, altered
        self._tools, self._rules, self._limits, self._model = tools, rules, limits, model
        self._stop, self._approve = stop, approve
        self._turn_rules = Rules() if turn_rules is None else turn_rules
        self._results: dict[str, ToolResult] = {}
        self.notes: list[str] = []
        """Lines for the user about arguments that had to be read as JSON, and images that the model does not take."""

    @property
    def results(self) -> list[ToolResult]:
        """One result per call, in call order. A call that has not ended counts as interrupted."""
        return [self._results.get(call.id) or result_of(call, INTERRUPTED, "interrupted") for call in self.calls]

    def events(self) -> Iterator[ToolEvent]:
        """Run the calls and yield what happens.

        Raises:
            StoppedError: If the user pressed Stop.
            KeyboardInterrupt: If the user interrupted a tool.
        """
        approved: list[_ApprovedCall] = []
        for call in self.calls:
            if call.id in self._altered:
                yield self._finish(call, ALTERED, "failed")
                continue
            try:
                call, tool, arguments = self._check(call)
                decision = yield from self._decide(call, tool)
            except ToolError as error:
                yield self._finish(call, ToolOutput(str(error), is_error=True), "failed")
                continue
            if decision.allowed:
                approved.append(_ApprovedCall(call, tool, arguments))
            else:
                yield self._finish(call, _denial(decision), "denied")
        yield from self._run(approved)

    def _check(self, call: ToolCall) -> tuple[ToolCall, Tool, Mapping[str, Any]]:
        """Return the call as it is displayed and run, its tool and the arguments of the function."""
        tool = self._tools.get(call.name)
        if tool is None:
            known = f"The tools are: {', '.join(self._tools)}." if self._tools else "There are no tools."
            raise ToolError(f"There is no tool named {call.name!r}.", known)
        if (read := read_nested(call.input, tool.schema)) != call.input:
            call = call._replace(input=read)
            self._note(f"Arguments of {call.name} were JSON in a text, and were read as JSON.")
        try:
            arguments = tool.check(call.input)
            if tool.complete:
                arguments = tool.complete(arguments)
                call = call._replace(input=arguments)
            return call, tool, arguments
        except ToolError:
            raise
        except Exception as error:  # a tool's own check may raise anything
            raise ToolInputError(f"The arguments are invalid: {type(error).__name__}.") from None

    def _decide(self, call: ToolCall, tool: Tool) -> Generator[ToolEvent, None, Decision]:
        verdict = self._rules.verdict(tool, call)
        if verdict == "ask" and tool.in_turn:
            verdict = self._turn_rules.verdict(tool, call)
        if verdict == "deny" or (verdict == "allow" and not call.in_text):
            return Decision(verdict == "allow", "A rule set by the user forbids it." if verdict == "deny" else "")
        shown = call_hash(call.name, call.input)
        yield ApprovalRequested(call, tool)
        answer = self._approve(call)
        decision = answer if isinstance(answer, Decision) else Decision(bool(answer))
        if call_hash(call.name, call.input) != shown:
            return Decision(False, "The call was changed after it was shown.")
        if decision.allowed and decision.always:
            rules = self._turn_rules if tool.in_turn else self._rules
            rules.add("allow", *standing_rule(call), known=tool.origin)
        return decision

    def _run(self, approved: Sequence[_ApprovedCall]) -> Iterator[ToolEvent]:
        with route_output(), coroutine_starter() as start:
            running: dict[Future[Any], _RunningCall] = {}
            for call, tool, arguments in approved:
                if tool.is_async:
                    yield ToolStarted(call, tool.ends_itself)
                    each = self._begin(call)
                    with each.printed.capture():
                        running[start(tool.function(**arguments), self._limits.seconds)] = each
            for call, tool, arguments in approved:
                if not tool.is_async:
                    if self._stop.is_set():
                        raise StoppedError
                    yield ToolStarted(call, tool.ends_itself)
                    each = self._begin(call)
                    with each.printed.capture():
                        output = self._output(partial(self._call, tool, arguments, start))
                    yield self._end(each, output)
            while running:
                if self._stop.is_set():
                    raise StoppedError
                for future in wait(running, TOOL_POLL_S, FIRST_COMPLETED).done:
                    yield self._end(running.pop(future), self._output(future.result))

    def _call(self, tool: Tool, arguments: Mapping[str, Any], start: StartCoroutine) -> Any:
        with ToolTimeout(math.inf if tool.ends_itself else self._limits.seconds, self._stop):
            value = tool.function(**arguments)
            # A wrapped function may return a coroutine although it is not a coroutine function.
            return start(value, self._limits.seconds).result() if inspect.iscoroutine(value) else value

    def _output(self, function: Callable[[], Any]) -> ToolOutput:
        try:
            return output_of(function(), self._limits.characters)
        except (StoppedError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # SystemExit too: a tool must not end the kernel
            return failure_of(error, self._limits.characters)

    def _begin(self, call: ToolCall) -> _RunningCall:
        return _RunningCall(call, CapturedOutput(self._limits.characters), time.monotonic())

    def _end(self, each: _RunningCall, output: ToolOutput) -> ToolFinished:
        if printed := each.printed.text:
            text = "" if output.text == NO_VALUE else output.text
            output = output._replace(text="\n\n".join(filter(None, [text, f"Printed:\n{printed}"])))
        return self._finish(each.call, output, seconds=time.monotonic() - each.began)

    def _finish(
        self, call: ToolCall, output: ToolOutput, outcome: ToolOutcome | None = None, seconds: float = 0.0
    ) -> ToolFinished:
        if refusal := image_refusal(output, self._model):
            self._note(f"{call.name}: {refusal}")
            output = ToolOutput(f"{output.text}\n\n[{refusal}]", output.is_error)
        self._results[call.id] = result_of(call, output, outcome, seconds)
        return ToolFinished(call, self._results[call.id])

    def _note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)


class _ApprovedCall(NamedTuple):
    call: ToolCall
    tool: Tool
    arguments: Mapping[str, Any]


class _RunningCall(NamedTuple):
    call: ToolCall
    printed: CapturedOutput
    began: float


def _denial(decision: Decision) -> ToolOutput:
    reason = f" {decision.reason}" if decision.reason else ""
    return ToolOutput(f"The user did not allow this call.{reason}", is_error=True)


def result_of(
    call: ToolCall, output: ToolOutput, outcome: ToolOutcome | None = None, seconds: float = 0.0
) -> ToolResult:
    """Return the result of a call, with the `tool_result` block that answers it.

    Args:
        call: The call.
        output: What the model reads.
        outcome: How the call ended; by default what the output says.
        seconds: How long it took.
    """
    text = replace_surrogates(output.text)
    content = result_content(text, output.images)
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call.id, "content": content}
    if output.is_error:
        block["is_error"] = True
    replaced = text != output.text
    ended = outcome or ("denied" if output.is_denied else "failed" if output.is_error else "done")
    return ToolResult(block, ended, round(seconds, 3), replaced, output.is_marked)
