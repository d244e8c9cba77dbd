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
from mm_magics.interrupts import Stopped
from mm_magics.tools.approval import Approve, Decision, Rules, always
from mm_magics.tools.runtime import async_thread, results
from mm_magics.tools.runtime.captured_output import Printed, routed
from mm_magics.tools.runtime.timeout import Guard
from mm_magics.tools.tool import Outcome, Output, Result, Tool, ToolCall

POLL_S = 0.05


class ToolAsked(NamedTuple):
    """The call waits for a yes."""

    call: ToolCall
    tool: Tool


class ToolStarted(NamedTuple):
    """The call runs."""

    call: ToolCall


class ToolEnded(NamedTuple):
    """The call is over, or never ran."""

    call: ToolCall
    result: Result


ToolEvent = ToolAsked | ToolStarted | ToolEnded


@dataclass(frozen=True)
class Limits:
    """`seconds` that one call may take, `characters` of one result that are sent (0: all)."""

    seconds: float
    characters: int


class Round:
    """The calls of one message, as an iterator of events. `approve` says yes or no to calls that ask."""

    def __init__(
        self,
        calls: Sequence[ToolCall],
        tools: Mapping[str, Tool],
        rules: Rules,
        limits: Limits,
        stop: threading.Event,
        approve: Approve,
    ) -> None:
        self.calls = calls
        self._tools, self._rules, self._limits = tools, rules, limits
        self._stop, self._approve = stop, approve
        self._ended: dict[str, Result] = {}

    @property
    def results(self) -> list[Result]:
        return [self._ended.get(call.id) or result_of(call, INTERRUPTED, "interrupted", 0.0) for call in self.calls]

    def events(self) -> Iterator[ToolEvent]:
        """Raises `Stopped`, or the KeyboardInterrupt that came."""
        ready: list[tuple[ToolCall, Tool, Mapping[str, Any]]] = []
        for call in self.calls:
            try:
                tool, arguments = self._checked(call)
                decision = yield from self._decision(call, tool)
            except ToolError as error:
                yield self._end(call, Output(str(error), is_error=True), "failed")
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
        yield ToolAsked(call, tool)
        said = self._approve(call)
        decision = said if isinstance(said, Decision) else Decision(bool(said))
        if decision.allowed and decision.always:
            self._rules.add("allow", *always(call))
        return decision

    def _run(self, ready: Sequence[tuple[ToolCall, Tool, Mapping[str, Any]]]) -> Iterator[ToolEvent]:
        with routed(), async_thread.loop() as start:
            running: dict[Future[Any], _Running] = {}
            for call, tool, arguments in ready:
                if tool.is_async:
                    yield ToolStarted(call)
                    each = _Running(call, Printed(self._limits.characters), time.monotonic())
                    with each.printed.taking():
                        running[start(tool.function(**arguments), self._limits.seconds)] = each
            for call, tool, arguments in ready:
                if not tool.is_async:
                    if self._stop.is_set():
                        raise Stopped
                    yield ToolStarted(call)
                    each = _Running(call, Printed(self._limits.characters), time.monotonic())
                    with each.printed.taking():
                        output = self._value(partial(self._guarded, tool, arguments, start))
                    yield self._over(each, output)
            while running:
                if self._stop.is_set():
                    raise Stopped
                for future in wait(running, POLL_S, FIRST_COMPLETED).done:
                    yield self._over(running.pop(future), self._value(future.result))

    def _guarded(self, tool: Tool, arguments: Mapping[str, Any], start: async_thread.Start) -> Any:
        with Guard(self._limits.seconds, self._stop):
            value = tool.function(**arguments)
            # A function that was wrapped may give a coroutine without being one by its looks.
            return start(value, self._limits.seconds).result() if inspect.iscoroutine(value) else value

    def _value(self, function: Callable[[], Any]) -> Output:
        try:
            return results.output_of(function(), self._limits.characters)
        except (Stopped, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # SystemExit too: a tool does not end the kernel
            return results.failure_of(error, self._limits.characters)

    def _over(self, each: _Running, output: Output) -> ToolEnded:
        if printed := each.printed.text:
            text = "" if output.text == NOTHING else output.text
            output = Output("\n\n".join(filter(None, [text, f"Printed:\n{printed}"])), output.is_error)
        seconds = time.monotonic() - each.began
        return self._end(each.call, output, "failed" if output.is_error else "done", seconds)

    def _end(self, call: ToolCall, output: Output, outcome: Outcome, seconds: float = 0.0) -> ToolEnded:
        self._ended[call.id] = result_of(call, output, outcome, seconds)
        return ToolEnded(call, self._ended[call.id])


class _Running(NamedTuple):
    call: ToolCall
    printed: Printed
    began: float


NOTHING = results.output_of(None).text
INTERRUPTED = Output("Interrupted by the user before it was over.", is_error=True)


def _denied(decision: Decision) -> Output:
    return Output(f"The user did not allow this call.{f' {decision.reason}' if decision.reason else ''}", is_error=True)


def result_of(call: ToolCall, output: Output, outcome: Outcome | None = None, seconds: float = 0.0) -> Result:
    """The result as the block that answers the call."""
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call.id, "content": output.text}
    if output.is_error:
        block["is_error"] = True
    return Result(block, outcome or ("failed" if output.is_error else "done"), round(seconds, 3))
