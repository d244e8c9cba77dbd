"""One turn in the making: a prompt that is ready to go, and the answer to it as an iterator of events.

A turn is one call of the model, or, with tools, as many as it takes until the model calls none.

Always true: whatever ends a turn (its end, a fault, Stop, an interrupt, a caller that leaves), what came is in the
history, and the history is valid.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from mm_magics import interrupts
from mm_magics.api import models
from mm_magics.api.messages import Message
from mm_magics.batch.progress import Progress, Throttled
from mm_magics.endpoint.call import Call, CallEvent, Wake
from mm_magics.errors import EndpointError, MiniMaxError
from mm_magics.history.replay import Mode
from mm_magics.history.thread import Context, History
from mm_magics.history.turn import Status, Turn, new_id, now
from mm_magics.interrupts import StoppedError
from mm_magics.tools.approval import Approve, Decision
from mm_magics.tools.loop import LoopStep, Toolbox, ToolLoop
from mm_magics.tools.runtime.runner import ToolEvent
from mm_magics.tools.tool import ToolCall
from mm_magics.turn.request_body import Body

STOP_REASONS = (
    "end_turn",
    "tool_use",
    "stop_sequence",
    "max_tokens",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
)


@dataclass(frozen=True)
class Prompt:
    """A request ready to go: `message` is the new user message, `body` all that is sent, `content` its bytes.

    `past` are the turns it sees, closed; `box` is what the model may call.
    """

    message: Message
    body: dict[str, Any]
    content: bytes = field(repr=False)
    past: Sequence[Turn] = field(repr=False)
    box: Toolbox | None
    system: str | None
    params: dict[str, Any]
    thread: str
    cell_id: str | None
    timeout: float
    request_sha256: str
    seen: int
    notes: list[str]
    context: Context
    base: dict[str, str] | None
    replay: Mode

    @property
    def model(self) -> str:
        return str(self.body["model"])


class Asked(NamedTuple):
    """The request is on its way."""

    prompt: Prompt


class TurnEnd(NamedTuple):
    """The turn is over and in the history (if anything came)."""

    turn: Turn


Event = Asked | CallEvent | ToolEvent | Throttled | Progress | TurnEnd


class View(Protocol):
    """What shows a turn while it streams. `due` is when (by `time.monotonic`) it wants an event at the latest."""

    @property
    def due(self) -> float | None: ...

    def show(self, event: Event) -> None: ...


class Performance(Protocol):
    """What is shown from its first event to its turn: an answer, a replayed one, or a run over rows.

    `kept` is whether anything came; `notes` what is to be said of it. Leaving it ends it.
    """

    prompt: Prompt
    notes: list[str]

    @property
    def kept(self) -> bool: ...

    def events(self, wake: Wake, approve: Approve = ..., /) -> Iterator[Event]: ...

    def close(self) -> Turn: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


def nobody(_call: ToolCall) -> Decision:
    """The answer to a call that asks where there is nobody to ask."""
    return Decision(False, "There was nobody to ask.")


class Answer:
    """One turn in the making: iterate it for its events; `turn` is there once it is over.

    `call` makes the call of a model with this body; it is sent as the answer is entered or iterated. Leaving it early
    (`break`, an exception, `close()`) ends the call and keeps what came, as a stopped turn.
    """

    def __init__(
        self,
        prompt: Prompt,
        call: Callable[[bytes], Call],
        history: History,
        stop: threading.Event,
        news: Sequence[str] = (),
    ) -> None:
        self.prompt = prompt
        self.notes = [*news, *prompt.notes]
        self.turn: Turn | None = None
        self._call, self._history = call, history
        self._loop = ToolLoop(prompt.box, prompt.body.get("tool_choice") or {}, stop) if prompt.box else None
        self._parts = [_Part(call(prompt.content))]
        self._body: Body | None = None
        self._id, self._created = new_id(), now()

    def __iter__(self) -> Iterator[Event]:
        return self.events(lambda: None)

    def events(self, wake: Wake, approve: Approve = nobody) -> Iterator[Event]:
        """The events, with an `Idle` at the time that `wake` gives. Raises `EndpointError`, its `turn` what came.

        `approve` is asked about each call of a tool that needs a yes.
        """
        yield Asked(self.prompt)
        try:
            yield from self._rounds(wake, approve)
        except StoppedError:
            yield TurnEnd(self._settle("stopped"))
        except EndpointError as error:
            self._settle("failed", error)
            raise
        except BaseException:
            self._settle("stopped")
            raise
        else:
            yield TurnEnd(self._settle(*self._ending()))

    @property
    def kept(self) -> bool:
        """Whether anything came that is worth keeping."""
        return any(part.call.assembler.content for part in self._parts)

    def close(self) -> Turn:
        """End the turn now, if it is not over, and give it."""
        return self.turn or self._settle("stopped")

    def __enter__(self) -> Self:
        try:
            self._parts[0].call.begin()
            return self
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _rounds(self, wake: Wake, approve: Approve) -> Iterator[Event]:
        while True:
            part = self._parts[-1]
            yield from part.call.events(wake)
            if self._loop is None or self._ending()[0] != "complete":
                return
            part.step = self._loop.step(part.call.assembler.content, part.call.assembler.unfinished)
            yield from part.step.events(self._spent(), approve)
            if not part.step.needs_request:
                return
            self._parts.append(_Part(self._call(self._next_body())))

    def _messages(self) -> list[Message]:
        return [self.prompt.message, *(message for part in self._parts for message in part.messages())]

    def _next_body(self) -> bytes:
        prompt = self.prompt
        if self._body is None:
            self._body = Body(prompt.body, prompt.content, [each.closed for each in prompt.past])
        unfinished = [part.call.assembler.unfinished for part in self._parts]
        return self._body.next(self._messages(), unfinished, self._loop.choice if self._loop else None)

    def _spent(self) -> float | None:
        """US dollars that the turn has cost so far; None where that is not known."""
        costs = [models.cost(self.prompt.model, part.response()["usage"]) for part in self._parts]
        return None if None in costs else sum(filter(None, costs))

    def _ending(self) -> tuple[Status, EndpointError | None]:
        reason = self._parts[-1].call.assembler.message.get("stop_reason")
        if reason == "error":
            return "failed", EndpointError("The endpoint ended the answer with an error.", "Run the cell again.")
        return ("truncated" if reason in ("max_tokens", "model_context_window_exceeded") else "complete"), None

    def _odd(self) -> Iterator[str]:
        """What is to be said of an answer that is complete, and yet not what one waits for."""
        message = self._parts[-1].call.assembler.message
        thoughts = ("thinking", "redacted_thinking")
        if not any(
            str(block.get("text", "")).strip() if block.get("type") == "text" else block.get("type") not in thoughts
            for block in message["content"]
        ):
            yield "The endpoint's answer says nothing; run the cell again, or word it differently."
        reason = message.get("stop_reason")
        if reason and reason not in STOP_REASONS:
            yield f"The endpoint stopped for a reason that is not known here: {str(reason)[:100]}. What came is kept."

    def _settle(self, status: Status, error: MiniMaxError | None = None) -> Turn:
        with interrupts.deferred():
            self._parts[-1].call.end()
            if self._loop:
                self._loop.box.running.clear()
                self.notes += self._loop.notes
            self.notes += self._odd() if status == "complete" else ()
            self.turn = self._make_turn(status, error)
            if self.kept:
                self._history.put(self.turn)
            if isinstance(error, EndpointError):
                error.turn = self.turn
            return self.turn

    def _make_turn(self, status: Status, error: MiniMaxError | None) -> Turn:
        prompt = self.prompt
        return Turn(
            id=self._id,
            thread=prompt.thread,
            cell_id=prompt.cell_id,
            created=self._created,
            status=status,
            model=prompt.model,
            system=prompt.system,
            params=prompt.params,
            messages=self._messages(),
            responses=[part.response() for part in self._parts],
            request_sha256=prompt.request_sha256,
            error=str(error) if error else None,
            context=prompt.context,
            base=prompt.base,
        )


@dataclass
class _Part:
    """One call of the model, and what followed its message."""

    call: Call
    step: LoopStep | None = None

    def messages(self) -> Iterator[Message]:
        if content := self.call.assembler.content:
            yield {"role": "assistant", "content": content}
        if self.step and (answers := self.step.reply):
            yield {"role": "user", "content": answers}

    def response(self) -> dict[str, Any]:
        """The call as the turn record has it."""
        assembler = self.call.assembler
        message = assembler.message
        response: dict[str, Any] = {
            "id": message.get("id"),
            "model": message.get("model"),
            "stop_reason": message.get("stop_reason"),
            "usage": usage if isinstance(usage := message.get("usage"), dict) else {},
            "first_token_s": _rounded(self.call.first_token_s),
            "thinking_s": _rounded(self.call.thinking_s),
            "seconds": _rounded(self.call.seconds),
        }
        if assembler.unfinished is not None:
            response["unfinished"] = assembler.unfinished
        if assembler.partial_json is not None:
            response["partial_json"] = assembler.partial_json
        if self.step and (results := self.step.results):
            response["tools"] = [
                {"id": each.block["tool_use_id"], "outcome": each.outcome, "seconds": each.seconds} for each in results
            ]
        return response


class Replayed:
    """A turn that was recorded for exactly this request, in the place of an `Answer`; nothing is sent or run."""

    kept: bool = True

    def __init__(self, prompt: Prompt, turn: Turn, history: History) -> None:
        self.prompt = prompt
        self.notes = prompt.notes
        self.turn = replace(turn, thread=prompt.thread, cell_id=prompt.cell_id or turn.cell_id)
        self.turn = replace(self.turn, context=prompt.context, base=prompt.base)
        history.put(replace(self.turn, cell_id=prompt.cell_id))

    def __iter__(self) -> Iterator[Event]:
        return self.events(lambda: None)

    def events(self, _wake: Wake, _approve: Approve = nobody) -> Iterator[Event]:
        """That it was asked, and that it is over."""
        yield Asked(self.prompt)
        yield TurnEnd(self.turn)

    def close(self) -> Turn:
        return self.turn

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to end."""


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
