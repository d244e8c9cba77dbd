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

from mm_magics import interrupts, messages, models
from mm_magics.call import Call, CallEvent, Wake
from mm_magics.errors import EndpointError, MiniMaxError
from mm_magics.history.replay import Mode
from mm_magics.history.thread import Context, History
from mm_magics.history.turn import Status, Turn, new_id, now
from mm_magics.interrupts import Stopped
from mm_magics.messages import Message
from mm_magics.tools.approval import Approve, Decision
from mm_magics.tools.body import Body
from mm_magics.tools.loop import Loop, Toolbox
from mm_magics.tools.run import ToolEvent
from mm_magics.tools.tool import ToolCall


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


Event = Asked | CallEvent | ToolEvent | TurnEnd


class View(Protocol):
    """What shows a turn while it streams. `due` is when (by `time.monotonic`) it wants an event at the latest."""

    @property
    def due(self) -> float | None: ...

    def show(self, event: Event) -> None: ...


def nobody(_call: ToolCall) -> Decision:
    """The answer to a call that asks where there is nobody to ask."""
    return Decision(False, "There was nobody to ask.")


class Answer:
    """One turn in the making: iterate it for its events; `turn` is there once it is over.

    `send` makes the call of a model with this body. Leaving it early (`break`, an exception, `close()`) ends the call
    and keeps what came, as a stopped turn.
    """

    def __init__(
        self,
        prompt: Prompt,
        send: Callable[[bytes], Call],
        history: History,
        stop: threading.Event,
        news: Sequence[str] = (),
    ) -> None:
        self.prompt = prompt
        self.notes = [*news, *prompt.notes]
        self.turn: Turn | None = None
        self._send, self._history = send, history
        self._call: Call | None = send(prompt.content)
        self._loop = Loop(prompt.box, prompt.body.get("tool_choice") or {}, stop) if prompt.box else None
        self._body: Body | None = None
        self._messages: list[Message] = []
        self._responses: list[dict[str, Any]] = []
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
        except Stopped:
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
        return bool(self._messages or (self._call and self._call.assembler.content))

    def close(self) -> Turn:
        """End the turn now, if it is not over, and give it."""
        return self.turn or self._settle("stopped")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _rounds(self, wake: Wake, approve: Approve) -> Iterator[Event]:
        while True:
            assert self._call is not None
            yield from self._call.events(wake)
            self._take()
            status, _ = self._ending()
            if self._loop is None or status != "complete" or not self._messages:
                return
            last, response = self._messages[-1], self._responses[-1]
            content = messages.blocks(last)
            try:
                yield from self._loop.events(content, response.get("unfinished"), self._spent(), approve)
            finally:
                self._answer(response)
            if not self._loop.more:
                return
            self._call = self._send(self._next_body())

    def _take(self) -> None:
        """What the call brought becomes part of the turn; it is over, or ended by this."""
        call, self._call = self._call, None
        if call is None:
            return
        call.end()
        if call.assembler.content:
            self._messages.append({"role": "assistant", "content": call.assembler.content})
        self._responses.append(_response(call))

    def _answer(self, response: dict[str, Any]) -> None:
        """The results so far become part of the turn."""
        if self._loop is None or self.turn is not None:
            return
        if results := self._loop.results:
            response["tools"] = [
                {"id": each.block["tool_use_id"], "outcome": each.outcome, "seconds": each.seconds} for each in results
            ]
        if answers := self._loop.answers:
            self._messages.append({"role": "user", "content": answers})
        self.notes += self._loop.notes
        self._loop.notes = []

    def _next_body(self) -> bytes:
        assert self._loop is not None
        prompt = self.prompt
        if self._body is None:
            self._body = Body(prompt.body, prompt.content, [each.closed for each in prompt.past])
        unfinished = [each.get("unfinished") for each in self._responses]
        return self._body.next([prompt.message, *self._messages], unfinished, self._loop.choice)

    def _spent(self) -> float | None:
        """US dollars that the turn has cost so far; None where that is not known."""
        costs = [models.cost(self.prompt.model, response["usage"]) for response in self._responses]
        return None if None in costs else sum(filter(None, costs))

    def _ending(self) -> tuple[Status, EndpointError | None]:
        reason = self._responses[-1]["stop_reason"] if self._responses else None
        if reason == "error":
            return "failed", EndpointError("The endpoint ended the answer with an error.", "Run the cell again.")
        return ("truncated" if reason in ("max_tokens", "model_context_window_exceeded") else "complete"), None

    def _settle(self, status: Status, error: MiniMaxError | None = None) -> Turn:
        with interrupts.deferred():
            self._take()
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
            messages=[prompt.message, *self._messages],
            responses=self._responses,
            request_sha256=prompt.request_sha256,
            error=str(error) if error else None,
            context=prompt.context,
            base=prompt.base,
        )


def _response(call: Call) -> dict[str, Any]:
    """One call as the turn record has it."""
    assembler = call.assembler
    message = assembler.message
    response: dict[str, Any] = {
        "id": message.get("id"),
        "model": message.get("model"),
        "stop_reason": message.get("stop_reason"),
        "usage": usage if isinstance(usage := message.get("usage"), dict) else {},
        "first_token_s": _rounded(call.first_token_s),
        "thinking_s": _rounded(call.thinking_s),
        "seconds": _rounded(call.seconds),
    }
    if assembler.unfinished is not None:
        response["unfinished"] = assembler.unfinished
    if assembler.partial_json is not None:
        response["partial_json"] = assembler.partial_json
    return response


class Replayed:
    """A turn that was recorded for exactly this request, in the place of an `Answer`; nothing is sent or run."""

    kept = True

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
