"""Runs the calls of one assistant message: whether each may run, in which order, how long, and what came of it.

Always true: `results` has one for each call, in their order, however the round ends: what was not over counts as
interrupted. Nothing runs before every call is decided. Synchronous tools run one after the other on the thread that
asked, so that a figure or a database connection of the user's works in them; asynchronous ones run together, on a
thread of their own.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from mm_magics.errors import ToolError, ToolInputError
from mm_magics.interrupts import StoppedError
from mm_magics.tools.approval import Approve, Decision, Rules, standing_rule
from mm_magics.tools.runtime import async_thread, results
from mm_magics.tools.runtime.captured_output import CapturedOutput, routed
from mm_magics.tools.runtime.timeout import ToolTimeout
from mm_magics.tools.tool import Tool, ToolCall, ToolOutcome, ToolOutput, ToolResult

POLL_S = 0.05


class ApprovalRequested(NamedTuple):
    """The call waits for a yes."""

    call: ToolCall
    tool: Tool


class ToolStarted(NamedTuple):
    """The call runs."""

    call: ToolCall


class ToolFinished(NamedTuple):
    """The call is over, or never ran."""

    call: ToolCall
    result: ToolResult


ToolEvent = ApprovalRequested | ToolStarted | ToolFinished


@dataclass(frozen=True)
class ToolLimits:
    """`seconds` that one call may take, `characters` of one result that are sent (0: all)."""

    seconds: float
    characters: int


class ToolRunner:
    """The calls of one message, as an iterator of events. `approve` says yes or no to calls that ask."""

    def __init__(
        self,
        calls: Sequence[ToolCall],
        tools: Mapping[str, Tool],
        rules: Rules,
        limits: ToolLimits,
        stop: threading.Event,
        approve: Approve,
    ) -> None:
        self.calls = calls
        self._tools, self._rules, self._limits = tools, rules, limits
        self._stop, self._approve = stop, approve
        self._ended: dict[str, ToolResult] = {}

    @property
    def results(self) -> list[ToolResult]:
        return [self._ended.get(call.id) or result_of(call, INTERRUPTED, "interrupted", 0.0) for call in self.calls]

    def events(self) -> Iterator[ToolEvent]:
        """Raises `StoppedError`, or the KeyboardInterrupt that came."""
        ready: list[tuple[ToolCall, Tool, Mapping[str, Any]]] = []
        for call in self.calls:
            try:
                tool, arguments = self._checked(call)
                decision = yield from self._decision(call, tool)
            except ToolError as error:
                yield self._end(call, ToolOutput(str(error), is_error=True), "failed")
                continue
            if decision.allowed:
                ready.append((call, tool, arguments))
            else:
                yield self._end(call, _denied(decision), "denied")
        yield from self._run(ready)

    def _checked(self, call: ToolCall) -> tuple[Tool, Mapping[str, Any]]:
        tool = self._tools.get(call.name)
        if tool is None:
            raise ToolError(f"There is no tool {call.name!r}.", f"There are: {', '.join(self._tools)}.")
        try:
            return tool, tool.check(call.input)
        except ToolError:
            raise
        except Exception as error:  # whatever a tool's own check makes of what a model wrote
            raise ToolInputError(f"The arguments do not fit: {type(error).__name__}.") from None

    def _decision(self, call: ToolCall, tool: Tool) -> Generator[ToolEvent, None, Decision]:
        verdict = self._rules.verdict(tool, call)
        if verdict != "ask":
            return Decision(verdict == "allow", "A rule of the user's forbids it." if verdict == "deny" else "")
        yield ApprovalRequested(call, tool)
        said = self._approve(call)
        decision = said if isinstance(said, Decision) else Decision(bool(said))
        if decision.allowed and decision.always:
            self._rules.add("allow", *standing_rule(call))
        return decision

    def _run(self, ready: Sequence[tuple[ToolCall, Tool, Mapping[str, Any]]]) -> Iterator[ToolEvent]:
        with routed(), async_thread.loop() as start:
            running: dict[Future[Any], _RunningCall] = {}
            for call, tool, arguments in ready:
                if tool.is_async:
                    yield ToolStarted(call)
                    each = _RunningCall(call, CapturedOutput(self._limits.characters), time.monotonic())
                    with each.printed.taking():
                        running[start(tool.function(**arguments), self._limits.seconds)] = each
            for call, tool, arguments in ready:
                if not tool.is_async:
                    if self._stop.is_set():
                        raise StoppedError
                    yield ToolStarted(call)
                    each = _RunningCall(call, CapturedOutput(self._limits.characters), time.monotonic())
                    with each.printed.taking():
                        output = self._value(partial(self._guarded, tool, arguments, start))
                    yield self._over(each, output)
            while running:
                if self._stop.is_set():
                    raise StoppedError
                for future in wait(running, POLL_S, FIRST_COMPLETED).done:
                    yield self._over(running.pop(future), self._value(future.result))

    def _guarded(self, tool: Tool, arguments: Mapping[str, Any], start: async_thread.Start) -> Any:
        with ToolTimeout(self._limits.seconds, self._stop):
            value = tool.function(**arguments)
            # A function that was wrapped may give a coroutine without being one by its looks.
            return start(value, self._limits.seconds).result() if inspect.iscoroutine(value) else value

    def _value(self, function: Callable[[], Any]) -> ToolOutput:
        try:
            return results.output_of(function(), self._limits.characters)
        except (StoppedError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # SystemExit too: a tool does not end the kernel
            return results.failure_of(error, self._limits.characters)

    def _over(self, each: _RunningCall, output: ToolOutput) -> ToolFinished:
        if printed := each.printed.text:
            text = "" if output.text == NOTHING else output.text
            output = ToolOutput("\n\n".join(filter(None, [text, f"Printed:\n{printed}"])), output.is_error)
        seconds = time.monotonic() - each.began
        return self._end(each.call, output, "failed" if output.is_error else "done", seconds)

    def _end(self, call: ToolCall, output: ToolOutput, outcome: ToolOutcome, seconds: float = 0.0) -> ToolFinished:
        self._ended[call.id] = result_of(call, output, outcome, seconds)
        return ToolFinished(call, self._ended[call.id])


class _RunningCall(NamedTuple):
    call: ToolCall
    printed: CapturedOutput
    began: float


NOTHING = results.output_of(None).text
INTERRUPTED = ToolOutput("Interrupted by the user before it was over.", is_error=True)


def _denied(decision: Decision) -> ToolOutput:
    return ToolOutput(
        f"The user did not allow this call.{f' {decision.reason}' if decision.reason else ''}", is_error=True
    )


def result_of(
    call: ToolCall, output: ToolOutput, outcome: ToolOutcome | None = None, seconds: float = 0.0
) -> ToolResult:
    """The result as the block that answers the call."""
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call.id, "content": output.text}
    if output.is_error:
        block["is_error"] = True
    return ToolResult(block, outcome or ("failed" if output.is_error else "done"), round(seconds, 3))
