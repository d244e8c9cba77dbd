"""The view for notebooks: the page receives changes at most `FLUSHES_PER_S` times a second.

Each piece of text is sent once, and the page appends it. The first text and the first thinking are sent immediately,
the rest within `1 / FLUSHES_PER_S` seconds. What the page displays is up to the `PageOutput`.

`mm_magics.display.protocol` defines the messages in both directions.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

from mm_magics.api.messages import blocks
from mm_magics.batch.progress import MapEvent, Progress, Throttled
from mm_magics.display import usage_line
from mm_magics.display.approval_prompt import prompt_for_approval
from mm_magics.display.page_output import PageOutput
from mm_magics.display.protocol import (
    AddOp,
    AnswerOp,
    BlockEnd,
    CallChange,
    CallQuestion,
    CloseOp,
    ContentBlock,
    DecideMessage,
    OpenOp,
    RecordOp,
    RowCount,
    ShownPart,
    StateChange,
    StateOp,
    ThinkOp,
    ToolOp,
    decision_in,
    is_stop,
)
from mm_magics.display.turn_channel import page_answered
from mm_magics.events import (
    ApprovalRequested,
    BlockStart,
    BlockStop,
    Delta,
    MessageStart,
    ModelReplaced,
    PromptSent,
    Retrying,
    Summarized,
    Summarizing,
    ToolFinished,
    ToolStarted,
    TurnEnd,
)
from mm_magics.history.exact_json import exact_texts
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.interrupts import StoppedError
from mm_magics.text import visible
from mm_magics.tools.approval import Decision, Question, question_about
from mm_magics.tools.call_text import call_hash
from mm_magics.tools.tool import ToolCall
from mm_magics.turn.prepared import Waiting

FLUSHES_PER_S = 28
_FLUSH_INTERVAL_S = 1 / FLUSHES_PER_S
PAGE_TIMEOUT_S = 10.0
"""Seconds for the page to draw the turn's widget. After that, approval is asked for with a text prompt."""
BUTTON_POLL_S = 0.05
"""Longest wait for a button, so that Stop and Ctrl-C are noticed in time."""


class _OpQueue:
    """The ops that are not sent yet. Consecutive texts for a block are joined into one op."""

    def __init__(self) -> None:
        self._ops: list[AnswerOp] = []
        self._text: list[str] = []
        self._key = -1

    def __bool__(self) -> bool:
        return bool(self._ops or self._text)

    def put(self, op: AnswerOp) -> None:
        self._join_text()
        self._ops.append(op)

    def put_text(self, key: int, text: str) -> None:
        if key != self._key:
            self._join_text()
            self._key = key
        self._text.append(text)

    def take(self) -> list[AnswerOp]:
        """Return all ops and empty the queue."""
        self._join_text()
        ops, self._ops = self._ops, []
        return ops

    def _join_text(self) -> None:
        if self._text:
            self._ops.append(AddOp("add", self._key, "".join(self._text)))
        self._text, self._key = [], -1


class PageView:
    """Shows one turn on the page. Its Stop button sets `stop`; `due` is when queued ops must be sent.

    Messages from the page arrive on other threads, which only record them.

    Args:
        stop: Set by the Stop button.
        so_far: Returns the turn as it is, without the message that is being received. The page saves it, with what it
            has received of that message, if the kernel dies.
        output: Where the page displays the turn.
        has_prompt: Whether approval may be asked for with a text prompt if no page answers.
    """

    def __init__(
        self, stop: threading.Event, so_far: Callable[[], Turn], output: PageOutput, *, has_prompt: bool = True
    ) -> None:
        self.due: float | None = None
        self._stop, self._so_far, self._output, self._has_prompt = stop, so_far, output, has_prompt
        self._sent_messages = 0
        self._ended = self._has_waited = False
        self._queue = _OpQueue()
        self._flushed_at = 0.0
        self._keys: dict[int, int] = {}
        """The key of each block of the current message: keys count the blocks of the turn."""
        self._started_at: dict[int, float] = {}
        self._block_count = 0
        self._call_keys: dict[str, int] = {}
        """The key of the block of each call that can be decided, by the call's id."""
        self._inputs: dict[str, Any] = {}
        """The arguments of each call as the model wrote them, by the call's id."""
        self._question: Question | None = None
        self._kinds_shown: set[str] = set()
        self._typesetting_sent = False
        self._notes: Sequence[str] = []
        self._timeout: float | None = None
        self._wait: Retrying | Throttled | None = None
        self._waits_until = 0.0
        self._page_is_here = threading.Event()
        self._decisions: queue.SimpleQueue[DecideMessage] = queue.SimpleQueue()
        turn = so_far()
        self._channel = output.open_channel(turn, self._receive)
        self._put_images(turn)
        self._put_record(turn)
        self._flush()  # the page knows the turn before it displays it
        output.display(turn)
        self._displayed_at = time.monotonic()

    def show(self, event: MapEvent) -> None:
        """Send what the event changes, now or soon."""
        if isinstance(event, Delta) and event.kind != "reasoning":
            self._queue.put_text(self._keys.get(event.number, -1), event.text)
            urgent = event.kind not in self._kinds_shown
            self._kinds_shown.add(event.kind)
        else:
            urgent = self._put_event(event)
        due = self._flushed_at + _FLUSH_INTERVAL_S
        if urgent or (self._queue and time.monotonic() >= due):
            self._flush()
            if self._kinds_shown and not self._typesetting_sent:
                self._typesetting_sent = True
                self._output.send_typesetting()
        elif self._queue:
            self.due = due

    def approve(self, call: ToolCall) -> Decision:
        """Return the decision made with the buttons in the turn.

        If no message from the page arrives while a cell runs, ask with a text prompt. Raises `StoppedError`.
        """
        question = self._question or question_about(call)
        while not self._page_is_here.wait(BUTTON_POLL_S):
            if self._stop.is_set():
                raise StoppedError
            if self._has_prompt and time.monotonic() - self._displayed_at >= PAGE_TIMEOUT_S:
                self._put_call(call, {"state": "decided"})  # a page that connects late must not show the buttons
                self._flush()
                return prompt_for_approval(call, question)
        while True:
            if self._stop.is_set():
                raise StoppedError
            try:
                answer = self._decisions.get(timeout=BUTTON_POLL_S)
            except queue.Empty:
                continue
            if answer["question"] == question.id and answer["sha256"] == call_hash(call.name, call.input):
                self._question = None
                return Decision(answer["allowed"], answer["reason"], answer["always"])

    def finish(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Replace the output with the final bundle."""
        if not self._ended:
            self._put_state(status=bundle.get(MIME_TYPE, {}).get("status", "stopped"))
        self._flush()
        try:
            self._output.finish(bundle, metadata)
        finally:
            self._channel.close()

    def _put_event(self, event: MapEvent) -> bool:
        """Queue what the event changes. Return whether the user should see it immediately."""
        match event:
            case Delta(number, _, text):
                urgent = "reasoning" not in self._kinds_shown
                self._kinds_shown.add("reasoning")
                self._queue.put(ThinkOp("think", self._keys.get(number, -1), text))
                return urgent
            case PromptSent(prompt):
                self._notes, self._timeout = prompt.notes, prompt.timeout
                if self._has_waited:
                    self._put_request()
                self._put_state(
                    status="waiting",
                    model=prompt.model,
                    thread=prompt.thread,
                    notes=prompt.notes,
                    timeout=prompt.timeout,
                )
                return True
            case Waiting(prompt):
                self._has_waited = True
                notes = [*prompt.notes, str(event)]
                self._put_state(status="waiting", model=prompt.model, thread=prompt.thread, notes=notes, timeout=None)
                return True
            case Summarizing():
                self._put_state(status="waiting", notes=[*self._notes, str(event)])
                return True
            case ModelReplaced(prompt) | Summarized(prompt):
                self._notes = prompt.notes
                self._put_request()
                self._put_state(model=prompt.model, notes=prompt.notes)
                return True
            case Retrying() | Throttled():
                self._wait, self._waits_until = event, time.monotonic() + event.seconds
                # The header counts down to the next attempt, so its note has no number of seconds.
                note = event.why if isinstance(event, Retrying) else str(event)
                self._put_state(status="waiting", notes=[note])
                if isinstance(event, Retrying):
                    self._put_state(retry={"seconds": event.seconds, "attempt": event.attempt, "of": event.of})
                return True
            case Progress(rows, done, failed):
                counts: RowCount = {"rows": rows, "done": done, "failed": failed}
                notes = [str(event), *self._countdown()]
                self._put_state(status="waiting", notes=notes, rows=counts, timeout=None)
                return True
            case MessageStart():
                self._keys, self._call_keys, self._inputs = {}, {}, {}
                self._put_record(self._so_far())
            case BlockStart(number, block):
                self._keys[number] = self._next_key()
                self._started_at[number] = time.monotonic()
                self._queue.put(OpenOp("open", self._keys[number], block))
                self._put_state(status="answering" if block.get("type") == "text" else "thinking")
            case BlockStop(number, block):
                if block.get("type") == "tool_use":
                    self._call_keys.setdefault(str(block.get("id")), self._keys.get(number, -1))
                    self._inputs.setdefault(str(block.get("id")), block.get("input"))
                seconds = time.monotonic() - self._started_at.get(number, time.monotonic())
                end: BlockEnd = {"seconds": round(seconds, 1), "block": _without_text(block)}
                if exact := exact_texts({}, [{"content": [block]}]):
                    (end["exact"],) = exact.values()
                self._queue.put(CloseOp("close", self._keys.get(number, -1), end))
            case ApprovalRequested(call, tool):
                self._put_text_call(call)
                self._question = question_about(call, tool)
                self._put_call(call, {"state": "asking", "question": _message_of(self._question)})
                self._put_state(status="waiting", timeout=None)
                return True
            case ToolStarted(call, waits_for_user):
                self._put_text_call(call)
                self._put_state(timeout=None)
                self._put_call(call, {"state": "asking"} if waits_for_user else self._running(call))
                return True
            case ToolFinished(call, result):
                self._put_text_call(call)
                key = self._next_key()
                self._queue.put(OpenOp("open", key, {**result.block, "content": ""}))
                self._queue.put(CloseOp("close", key, {"block": result.block}))
                self._put_call(call, {"state": result.outcome, "seconds": result.seconds})
                self._put_state(timeout=self._timeout)
                return True
            case TurnEnd(turn):
                self._ended = True
                self._queue.put(StateOp("state", final_state(turn, self._notes)))
                return True
        return False

    def _next_key(self) -> int:
        self._block_count += 1
        return self._block_count - 1

    def _put_state(self, **change: Unpack[StateChange]) -> None:
        self._queue.put(StateOp("state", change))

    def _countdown(self) -> list[str]:
        """Return the note of the current wait of a map run, with the seconds that are left of it."""
        left = math.ceil(self._waits_until - time.monotonic())
        return [str(self._wait._replace(seconds=left))] if self._wait and left > 0 else []

    def _put_call(self, call: ToolCall, change: CallChange) -> None:
        self._queue.put(ToolOp("tool", self._call_keys.get(call.id, -1), change))

    def _running(self, call: ToolCall) -> CallChange:
        """Return that a call runs, with all that it stands for if that is more than what the model wrote."""
        if call.input == self._inputs.get(call.id, call.input):
            return {"state": "running"}
        return {"state": "running", "question": _message_of(question_about(call))}

    def _put_text_call(self, call: ToolCall) -> None:
        """Queue a block for a call that the model wrote into its text: the message has no block of its own for it."""
        if call.in_text and call.id not in self._call_keys:
            key = self._call_keys[call.id] = self._next_key()
            head = {"type": "tool_use", "id": call.id, "name": call.name, "in_text": True}
            self._queue.put(OpenOp("open", key, head))
            self._queue.put(CloseOp("close", key, {"block": {**head, "input": call.input}}))

    def _put_images(self, turn: Turn) -> None:
        """Queue the images of the prompt, before the record that contains them."""
        for block in (each for message in turn.messages[:1] for each in blocks(message)):
            if block.get("type") == "image":
                key = self._next_key()
                self._queue.put(OpenOp("open", key, block))
                self._queue.put(CloseOp("close", key, {}))

    def _put_request(self) -> None:
        """Queue what the record says about the request, which is another one than before."""
        record, names = self._so_far().record(), ("model", "params", "request_sha256", "compacted")
        changed = {name: record[name] for name in names if name in record}
        self._queue.put(RecordOp("record", {**changed, "messages": []}))

    def _put_record(self, turn: Turn) -> None:
        """Queue what is new in the turn's record."""
        sent, self._sent_messages = self._sent_messages, len(turn.messages)
        new = turn.messages[sent:]
        later = {"messages": new, "responses": turn.responses, "json": exact_texts({}, new, sent)}
        self._queue.put(RecordOp("record", later if sent else turn.record()))

    def _flush(self) -> None:
        if ops := self._queue.take():
            self._channel.send(ops)
        self._flushed_at = time.monotonic()
        self.due = None

    def _receive(self, content: object) -> None:
        self._page_is_here.set()
        page_answered.set()
        if is_stop(content):
            self._stop.set()
        elif decide := decision_in(content):
            self._decisions.put(decide)


def _without_text(block: ContentBlock) -> ContentBlock:
    """Return the block without the text that the page has received."""
    return {name: value for name, value in block.items() if name not in ("text", "thinking")}


def _message_of(question: Question) -> CallQuestion:
    id_, sha256, name, parts, risk, always = question
    shown: list[ShownPart] = [
        {"label": label, "language": language, "text": text, "size": size} for label, language, text, size in parts
    ]
    return {"id": id_, "sha256": sha256, "name": visible(name), "parts": shown, "risk": risk, "always": visible(always)}


def final_state(turn: Turn, notes: Sequence[str] = ()) -> StateChange:
    """Return the state of a turn that has ended, with its notes above those about this run."""
    usage = usage_line.usage_of([turn])
    return {
        "status": turn.status,
        "usage": usage.tokens,
        "seconds": usage.seconds,
        "tokens_per_s": usage.tokens_per_s,
        "cost": usage_line.cost_text(usage),
        "window": usage_line.window_text(turn),
        "saved": usage_line.saved_text(turn),
        "effort": usage_line.effort_of(turn),
        "stop_reason": turn.responses[-1].get("stop_reason") if turn.responses else None,
        "error": turn.error,
        "notes": [*turn.notes, *notes],
    }
