"""The answer to a prompt, as an iterator of events that ends with a turn.

A turn is one model call or, with tools, as many as it takes until the model calls no more tools. However it ends (its
end, an error, Stop, an interrupt, a caller that exits early), everything received so far is in the history, and the
history is valid.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from mm_magics import interrupts
from mm_magics.api.messages import Message
from mm_magics.api.models import Price, cost_at
from mm_magics.api.outside import outside_blocks
from mm_magics.api.sendable import for_model
from mm_magics.api.usage import total_cost
from mm_magics.endpoint.call import Call, CallEvent, Wake
from mm_magics.errors import EndpointError, MiniMaxError, NeverSendError, StatusError
from mm_magics.history.thread import History
from mm_magics.history.turn import Status, Turn, new_id, now
from mm_magics.interrupts import StoppedError
from mm_magics.tools.approval import Approve, deny_all
from mm_magics.tools.loop import LoopStep, ToolLoop
from mm_magics.tools.runtime.runner import ToolEvent
from mm_magics.turn.dialect_notes import dialect_notes, is_empty
from mm_magics.turn.ledger import Ledger
from mm_magics.turn.prepared import ModelReplaced, PreparedPrompt, PromptSent, TurnEnd, model_note
from mm_magics.turn.refused_parts import Part, context_without, is_same, own_without, refusal_note, refused_part
from mm_magics.turn.request_body import RequestBody
from mm_magics.turn.window import lowered_note, name_sizes, response_tokens

STOP_REASONS = (
    "end_turn",
    "tool_use",
    "stop_sequence",
    "max_tokens",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
)

MAX_PAUSES = 20
"""How often an answer that the endpoint paused is continued."""

WINDOW_NOTE = "The window of the model is full. Send less with --context N, or start a new --thread."
SURROGATES_NOTE = "Half characters (lone surrogates) were replaced by \ufffd, because no request can contain them."

TurnEvent = PromptSent | ModelReplaced | CallEvent | ToolEvent | TurnEnd

AfterRefusal = Callable[[PreparedPrompt, StatusError], PreparedPrompt | None]
"""Returns the prompt to send instead if the endpoint refused the model of a prompt; None if the error stands."""


class Answer:
    """A turn that is being generated. Iterate over it for its events; afterwards, `turn` is the whole turn.

    The request is sent when the answer is entered or iterated over. Exiting early (`break`, an exception, `close()`)
    cancels the call and keeps the partial answer as a stopped turn.

    Args:
        prompt: What is sent.
        call: Makes the model call for an encoded request body.
        history: Where the turn is put once it ends.
        stop: Ends the turn when it is set.
        ledger: Where the calls are counted.
        endpoint: The name of the host that answers.
        after_refusal: Chooses another model if the endpoint does not offer the prompt's.
    """

    def __init__(
        self,
        prompt: PreparedPrompt,
        call: Callable[[bytes], Call],
        history: History,
        stop: threading.Event,
        ledger: Ledger,
        endpoint: str = "",
        after_refusal: AfterRefusal = lambda _prompt, _error: None,
    ) -> None:
        prompt.begin()
        self.prompt = prompt
        self.notes = prompt.notes
        self.turn: Turn | None = None
        self._call, self._history, self._ledger, self._endpoint = call, history, ledger, endpoint
        self._stop, self._after_refusal = stop, after_refusal
        self._left_out: set[Part] = set()
        self._request_notes: list[str] = []
        self._pauses = 0
        self._id, self._created = prompt.turn_id or new_id(), now()
        self._prepare()

    def _prepare(self) -> None:
        """Prepare the first call of the prompt."""
        prompt = self.prompt
        choice = prompt.body.get("tool_choice") or {}
        self._loop = ToolLoop(prompt.toolbox, choice, prompt.model, self._stop) if prompt.toolbox else None
        sent = prompt.body["max_tokens"]
        lowered = sent if sent < prompt.max_tokens else None
        self._body: RequestBody | None = None
        call = self._call(prompt.request.encoded_body)
        self._model_calls = [_ModelCall(call, lowered, prompt.instead_of, prompt.own_price)]

    def __iter__(self) -> Iterator[TurnEvent]:
        return self.events(lambda: None)

    def events(self, wake: Wake, approve: Approve = deny_all) -> Iterator[TurnEvent]:
        """Yield the events of the turn, with an `Idle` at the time that `wake` returns.

        Args:
            wake: Returns when the next event is needed at the latest, by `time.monotonic`; None if it can wait.
            approve: Decides about each tool call that requires approval.

        Raises:
            EndpointError: The endpoint failed; `error.turn` is the partial turn.
        """
        yield PromptSent(self.prompt)
        try:
            yield from self._run(wake, approve)
        except StoppedError:
            yield TurnEnd(self.settle("stopped"))
        except (EndpointError, NeverSendError) as error:
            name_sizes(error, self.prompt.size)
            self.settle("failed", error)
            raise
        except BaseException:
            self.settle("stopped")
            raise
        else:
            yield TurnEnd(self.settle(*self._outcome()))

    @property
    def has_content(self) -> bool:
        """Whether anything was received that is worth keeping."""
        return any(each.call.assembler.content for each in self._model_calls)

    def so_far(self) -> Turn:
        """Return the turn as if it were stopped now, without the message that is being received."""
        messages = self._messages(self._model_calls[:-1])
        responses = [each.response() for each in self._model_calls if each.call.assembler.started]
        fields = {"id": self._id, "created": self._created, "endpoint": self._endpoint}
        return self._history.with_versions(self.prompt.turn("stopped", messages, responses, **fields))

    def _is_first(self) -> bool:
        """Whether the cell has no other turn. It shows this one, even if nothing was received."""
        prompt = self.prompt
        return prompt.cell_id is not None and self._history.shown_turn(prompt.thread, prompt.cell_id) is None

    def close(self) -> Turn:
        """End the turn, if it is still running, and return it."""
        return self.turn or self.settle("stopped")

    def __enter__(self) -> Self:
        try:
            self._model_calls[0].call.begin()
            return self
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _run(self, wake: Wake, approve: Approve) -> Iterator[TurnEvent]:
        while True:
            each = self._model_calls[-1]
            try:
                yield from each.call.events(wake)
            except StatusError as error:
                prompt = self._after_refusal(self.prompt, error)
                if prompt is not None and not self.has_content:
                    yield self._replace_model(prompt)
                    continue
                if each.call.assembler.started or not self._leave_out(error):
                    raise
                self._model_calls.pop()
                self._begin_call()
                continue
            if self._is_paused():
                self._pauses += 1
                self._begin_call()
                continue
            if self._loop is None or self._outcome()[0] != "complete":
                return
            received = each.call.assembler
            each.step = self._loop.step(received.content, received.unfinished, received.altered)
            yield from each.step.events(self._cost(), approve)
            if not each.step.needs_request:
                return
            self._begin_call()

    def _begin_call(self) -> None:
        """Prepare the next request of the turn."""
        for each in self._model_calls[-1:]:
            each.end()
        body = self._next_body()
        sent, instead_of = self._request_body.max_tokens, "" if self._model_calls else self.prompt.instead_of
        lowered = sent if sent < self.prompt.max_tokens else None
        self._model_calls.append(_ModelCall(self._call(body), lowered, instead_of, self.prompt.own_price))

    def _is_paused(self) -> bool:
        """Whether the endpoint paused its answer and must be asked to continue it."""
        message = self._model_calls[-1].call.assembler.message
        return (
            message.get("stop_reason") == "pause_turn"
            and bool(message["content"])
            and not any(block.get("type") == "tool_use" for block in message["content"])
            and self._pauses < MAX_PAUSES
        )

    def _leave_out(self, error: StatusError) -> bool:
        """Leave out what the endpoint refused, and return whether the request is worth another attempt."""
        part = refused_part(error)
        if part is None or part in self._left_out:
            return False
        body = self._request_body
        own = self._messages(self._model_calls)
        before = [*body.context, own]
        after = [
            *context_without(part, body.context, self.prompt.context_turns, self._endpoint),
            own_without(part, own),
        ]
        if is_same(before, after):
            return False
        self._left_out.add(part)
        body.context = after[:-1]
        own_form = body.own_form
        body.own_form = lambda turn: own_without(part, own_form(turn))
        self._request_notes.append(refusal_note(part, before, after))
        return True

    def _replace_model(self, prompt: PreparedPrompt) -> ModelReplaced:
        """Send the prompt to another model, because this one was refused."""
        refused = self._model_calls[-1]
        refused.call.end()
        self._ledger.add(self.prompt.model, [refused.response()])
        self.notes[:] = [note for note in self.notes if note not in self.prompt.request.notes] + prompt.request.notes
        self.prompt = replace(prompt, notes=self.notes)
        self.prompt.check_limits()
        self._prepare()
        return ModelReplaced(self.prompt)

    def _messages(self, calls: Sequence[_ModelCall]) -> list[Message]:
        return [self.prompt.message, *(message for each in calls for message in each.messages())]

    @property
    def _request_body(self) -> RequestBody:
        if self._body is None:
            request = self.prompt.request
            context = [for_model(self.prompt.model, turn.sent) for turn in self.prompt.context_turns]
            self._body = RequestBody(request.body, request.encoded_body, context, self.prompt.max_tokens)
        return self._body

    def _next_body(self) -> bytes:
        calls = [each.call.assembler for each in self._model_calls]
        invented = {id(each.content[position]): names for each in calls for position, names in each.invented.items()}
        turn = self._messages(self._model_calls)
        return self._request_body.next(
            turn,
            [each.unfinished for each in calls if each.content],
            self._loop.choice if self._loop else self.prompt.body.get("tool_choice"),
            invented=invented,
            outside=outside_blocks(turn, [each.response() for each in self._model_calls]),
            counted=response_tokens(self._model_calls[-1].response()) if self._model_calls else 0,
        )

    def _cost(self) -> float | None:
        """The cost of the turn so far in US dollars; None if a price is unknown."""
        return total_cost(self.prompt.model, (each.response() for each in self._model_calls))

    def _outcome(self) -> tuple[Status, EndpointError | None]:
        reason = self._model_calls[-1].call.assembler.message.get("stop_reason")
        if reason == "error":
            return "failed", EndpointError("The endpoint ended the answer with an error.", "Run the cell again.")
        return ("truncated" if reason in ("max_tokens", "model_context_window_exceeded") else "complete"), None

    def _end_notes(self, status: Status) -> list[str]:
        """What the user must know about how the turn ended."""
        message, prompt = self._model_calls[-1].call.assembler.message, self.prompt
        lowered = [each.max_tokens for each in self._model_calls if each.max_tokens is not None]
        replaced = prompt.replaced or any(each.has_replaced for each in self._model_calls)
        return [
            *([model_note(prompt.instead_of, prompt.model)] if prompt.instead_of and self.has_content else ()),
            *([lowered_note(prompt.model, prompt.max_tokens, min(lowered))] if lowered else ()),
            *self._request_notes,
            *([SURROGATES_NOTE] if replaced else ()),
            *(self._loop.notes if self._loop else ()),
            *([WINDOW_NOTE] if message.get("stop_reason") == "model_context_window_exceeded" else ()),
            *dialect_notes(
                [each.call.assembler.message for each in self._model_calls if each.call.assembler.content],
                self._model_calls[-1].call.assembler.unfinished,
                offers_tools=self._loop is not None,
            ),
            *(self._warnings() if status == "complete" else ()),
        ]

    def _warnings(self) -> Iterator[str]:
        """Notes about a complete answer that is not what the user expects."""
        message = self._model_calls[-1].call.assembler.message
        if is_empty(message["content"]):
            yield "The answer is empty. Run the cell again, or rephrase the prompt."
        reason = message.get("stop_reason")
        if reason and reason not in STOP_REASONS:
            yield f"Unknown stop reason: {str(reason)[:100]}. The partial response is kept."

    def settle(self, status: Status, error: MiniMaxError | None = None) -> Turn:
        """End the call, and make and store the turn. An interrupt waits until this is done."""
        with interrupts.deferred():
            self._model_calls[-1].call.end()
            if self._loop:
                self._loop.end()
            responses = [each.response() for each in self._model_calls if each.call.has_begun]
            self._ledger.add(self.prompt.model, responses)
            self.turn = self.prompt.turn(
                status,
                self._messages(self._model_calls),
                responses,
                id=self._id,
                created=self._created,
                error=str(error) if error else None,
                endpoint=self._endpoint,
                notes=self._end_notes(status),
            )
            if self.has_content or self._is_first():
                self.turn = self._history.put(self.turn)
            if isinstance(error, EndpointError):
                error.turn = self.turn
            return self.turn


@dataclass
class _ModelCall:
    """One model call, and what follows its message: tool results, or the request for a valid final answer.

    `max_tokens` is what was sent, if that is less than what the user asked for. `price` is set by the user.
    """

    call: Call
    max_tokens: int | None = None
    instead_of: str = ""
    price: Price | None = None
    step: LoopStep | None = None
    _ended: tuple[list[Message], dict[str, Any]] | None = None

    def end(self) -> None:
        """The next call begins, so nothing of this one changes any more."""
        self._ended = self.messages(), self.response()

    @property
    def has_replaced(self) -> bool:
        """Whether lone surrogates were replaced in the message, or in a result."""
        return self.call.assembler.replaced or any(each.replaced for each in (self.step.results if self.step else ()))

    def messages(self) -> list[Message]:
        return self._ended[0] if self._ended else list(self._received_messages())

    def _received_messages(self) -> Iterator[Message]:
        if content := self.call.assembler.content:
            yield {"role": "assistant", "content": content}
        if self.step and (answers := self.step.reply):
            yield {"role": "user", "content": answers}

    def response(self) -> dict[str, Any]:
        """The call's entry in `Turn.responses`."""
        if self._ended:
            return self._ended[1]
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
        if self.price is not None:
            response["cost"] = cost_at(self.price, response["usage"])
        if self.instead_of:
            response["instead_of"] = self.instead_of
        if assembler.unfinished is not None:
            response["unfinished"] = assembler.unfinished
        if assembler.partial_json is not None:
            response["partial_json"] = assembler.partial_json
        if self.max_tokens is not None:
            response["max_tokens"] = self.max_tokens
        if assembler.invented:
            response["invented"] = {str(position): names for position, names in assembler.invented.items()}
        if self.step and (records := self.step.records):
            response["tools"] = records
        return response


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
