"""One turn in the making: a prompt that is ready to go, and the answer to it as an iterator of events.

Always true: whatever ends a turn (its end, a fault, Stop, an interrupt, a caller that leaves), what came is in the
history, and the history is valid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from mm_magics import interrupts
from mm_magics.call import Call, CallEvent, Stopped, Wake
from mm_magics.errors import EndpointError, MiniMaxError
from mm_magics.history.replay import Mode
from mm_magics.history.thread import Context, History
from mm_magics.history.turn import Status, Turn, new_id, now
from mm_magics.messages import Message


@dataclass(frozen=True)
class Prompt:
    """A request ready to go: `message` is the new user message, `body` all that is sent, `content` its bytes."""

    message: Message
    body: dict[str, Any]
    content: bytes = field(repr=False)
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


Event = Asked | CallEvent | TurnEnd


class View(Protocol):
    """What shows a turn while it streams. `due` is when (by `time.monotonic`) it wants an event at the latest."""

    @property
    def due(self) -> float | None: ...

    def show(self, event: Event) -> None: ...


class Answer:
    """One turn in the making: iterate it for its events; `turn` is there once it is over.

    Leaving it early (`break`, an exception, `close()`) ends the call and keeps what came, as a stopped turn.
    """

    def __init__(self, prompt: Prompt, call: Call, history: History, news: Sequence[str] = ()) -> None:
        self.prompt = prompt
        self.notes = [*news, *prompt.notes]
        self.turn: Turn | None = None
        self._call, self._history = call, history
        self._id, self._created = new_id(), now()

    def __iter__(self) -> Iterator[Event]:
        return self.events(lambda: None)

    def events(self, wake: Wake) -> Iterator[Event]:
        """The events, with an `Idle` at the time that `wake` gives. Raises `EndpointError`, its `turn` what came."""
        yield Asked(self.prompt)
        try:
            yield from self._call.events(wake)
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
        return bool(self._call.assembler.content)

    def close(self) -> Turn:
        """End the turn now, if it is not over, and give it."""
        return self.turn or self._settle("stopped")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _ending(self) -> tuple[Status, EndpointError | None]:
        reason = self._call.assembler.message.get("stop_reason")
        if reason == "error":
            return "failed", EndpointError("The endpoint ended the answer with an error.", "Run the cell again.")
        return ("truncated" if reason in ("max_tokens", "model_context_window_exceeded") else "complete"), None

    def _settle(self, status: Status, error: MiniMaxError | None = None) -> Turn:
        with interrupts.deferred():
            self._call.end()
            self.turn = self._make_turn(status, error)
            if self.kept:
                self._history.put(self.turn)
            if isinstance(error, EndpointError):
                error.turn = self.turn
            return self.turn

    def _make_turn(self, status: Status, error: MiniMaxError | None) -> Turn:
        assembler = self._call.assembler
        message = assembler.message
        response: dict[str, Any] = {
            "id": message.get("id"),
            "model": message.get("model"),
            "stop_reason": message.get("stop_reason"),
            "usage": usage if isinstance(usage := message.get("usage"), dict) else {},
            "first_token_s": _rounded(self._call.first_token_s),
            "thinking_s": _rounded(self._call.thinking_s),
            "seconds": _rounded(self._call.seconds),
        }
        if assembler.unfinished is not None:
            response["unfinished"] = assembler.unfinished
        if assembler.partial_json is not None:
            response["partial_json"] = assembler.partial_json
        answer: list[Message] = [{"role": "assistant", "content": assembler.content}] if assembler.content else []
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
            messages=[prompt.message, *answer],
            responses=[response],
            request_sha256=prompt.request_sha256,
            error=str(error) if error else None,
            context=prompt.context,
            base=prompt.base,
        )


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

    def events(self, _wake: Wake) -> Iterator[Event]:
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
