"""The view for notebooks: an anywidget that is told what changed, at most FLUSHES_PER_S times a second.

Always true: text is sent once (appended, never repeated), the first of it and of the thinking at once, the rest within
1/FLUSHES_PER_S s of its arrival; the code of the front end is sent once per kernel (the runtime), each turn's widget
being a stub that finds it; the output cell ends with the final bundle in the widget's place.

`mm_magics.display.protocol` defines the messages in both directions.
"""

from __future__ import annotations

import queue
import threading
import time
from functools import cache
from importlib.resources import files
from typing import Any, Unpack

import anywidget
import traitlets
from IPython.display import DisplayHandle
from ipywidgets import Layout

from mm_magics.batch.progress import MapEvent, Progress, Throttled
from mm_magics.display import usage_line
from mm_magics.display.approval_prompt import by_input
from mm_magics.display.protocol import (
    AddOp,
    CallChange,
    CloseOp,
    OpenOp,
    StateChange,
    StateOp,
    ToolOp,
    TurnOp,
    decision_in,
    is_stop,
    turn_message,
)
from mm_magics.events import (
    ApprovalRequested,
    BlockStart,
    BlockStop,
    Delta,
    MessageStart,
    PromptSent,
    Retrying,
    ToolFinished,
    ToolStarted,
    TurnEnd,
)
from mm_magics.history.turn import Turn
from mm_magics.interrupts import StoppedError
from mm_magics.tools.approval import Decision, standing_rule_label
from mm_magics.tools.tool import ToolCall

FLUSHES_PER_S = 28
_GAP_S = 1 / FLUSHES_PER_S
HERE_S = 10.0
"""How long a page may take to draw the turn's widget, before it counts as one that cannot be asked."""
POLL_S = 0.05


@cache
def _source(name: str) -> str:
    return (files("mm_magics.display") / "static" / name).read_text("utf-8")


class Runtime(anywidget.AnyWidget):
    """The front end's code, never shown; one per kernel, kept alive as long as the kernel is."""

    _esm = traitlets.Unicode().tag(sync=True)


class TurnWidget(anywidget.AnyWidget):
    """One turn's place in a notebook; its state is what the messages made of it."""

    _esm = traitlets.Unicode().tag(sync=True)


@cache
def _runtime() -> tuple[Runtime, Layout]:
    layout = Layout()
    return Runtime(_esm=_source("runtime.js"), layout=layout), layout


class WidgetView:
    """Shows one turn in a widget; `stop` is set when its Stop button is pressed.

    Its messages come on a thread of their own, and are only noted there.
    """

    def __init__(self, stop: threading.Event) -> None:
        self.due: float | None = None
        self._stop = stop
        self._ops: list[TurnOp] = []
        self._added: list[str] = []
        self._added_to = -1
        self._flushed = 0.0
        self._keys: dict[int, int] = {}
        self._began: dict[int, float] = {}
        self._count = 0
        self._begun: set[str] = set()
        self._wait: list[str] = []
        self._waits_until = 0.0
        self._here = threading.Event()
        self._decided: queue.SimpleQueue[tuple[str, Decision]] = queue.SimpleQueue()
        _, layout = _runtime()
        self._widget = TurnWidget(_esm=_source("stub.js"), layout=layout)
        self._widget.on_msg(self._received)
        if hasattr(self._widget.comm, "_reply_subshell_for"):
            # ipykernel 7.4 sends a widget's messages to the busy main shell; without this they come at once.
            self._widget.comm._reply_subshell_for = None
        handle: Any = DisplayHandle()  # type: ignore[no-untyped-call]
        handle.display(self._widget)
        self._handle = handle
        self._displayed = time.monotonic()

    def show(self, event: MapEvent) -> None:
        if isinstance(event, Delta):
            self._add(self._keys.get(event.number, -1), event.text)
            at_once = event.kind not in self._begun  # the first of its kind is what the reader waits for
            if at_once:
                self._begun.add(event.kind)
        else:
            at_once = self._note(event)
        if at_once:
            self._flush()
        elif self._ops:
            due = self._flushed + _GAP_S
            if time.monotonic() >= due:
                self._flush()
            else:
                self.due = due

    def approve(self, call: ToolCall) -> Decision:
        """What the buttons in the turn say; where no message comes from the page while a cell runs, what is typed."""
        while not self._here.wait(POLL_S):
            if self._stop.is_set():
                raise StoppedError
            if time.monotonic() - self._displayed >= HERE_S:
                self._put_call(call.id, {"state": "decided"})  # a page that comes late shows no dead buttons
                self._flush()
                return by_input(call)
        while True:
            if self._stop.is_set():
                raise StoppedError
            try:
                id_, decision = self._decided.get(timeout=POLL_S)
            except queue.Empty:
                continue
            if id_ == call.id:
                return decision

    def finish(self, bundle: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Put the final bundle into the widget's place."""
        self._flush()
        self._handle.update(bundle, raw=True, metadata=metadata)
        self._widget.close()

    def _note(self, event: MapEvent) -> bool:
        """Queue what the event changes; whether it is a boundary that the reader should see at once."""
        match event:
            case PromptSent(prompt):
                self._put_state(status="waiting", model=prompt.model, thread=prompt.thread, notes=prompt.notes)
                return True
            case Retrying() | Throttled():
                self._wait, self._waits_until = [str(event)], time.monotonic() + event.seconds
                self._put_state(status="waiting", notes=self._wait)
                return True
            case Progress():
                waiting = self._wait if time.monotonic() < self._waits_until else []
                self._put_state(status="waiting", notes=[str(event), *waiting])
                return True
            case MessageStart():
                self._keys = {}
            case BlockStart(number, block):
                self._keys[number] = self._count
                self._began[number] = time.monotonic()
                self._put(OpenOp("open", self._count, block))
                self._put_state(status="answering" if block.get("type") == "text" else "thinking")
                self._count += 1
            case BlockStop(number, _):
                seconds = time.monotonic() - self._began.get(number, time.monotonic())
                self._put(CloseOp("close", self._keys.get(number, -1), {"seconds": round(seconds, 1)}))
            case ApprovalRequested(call, tool):
                self._put_call(call.id, {"state": "asking", "risk": tool.risk, "always": standing_rule_label(call)})
                self._put_state(status="waiting")
                return True
            case ToolStarted(call):
                self._put_call(call.id, {"state": "running"})
                return True
            case ToolFinished(call, result):
                self._put(OpenOp("open", self._count, {**result.block, "content": ""}))
                self._put(CloseOp("close", self._count, {"block": result.block}))
                self._put_call(call.id, {"state": result.outcome, "seconds": result.seconds})
                self._count += 1
                return True
            case TurnEnd(turn):
                self._put(StateOp("state", ended(turn)))
                return True
        return False

    def _add(self, key: int, text: str) -> None:
        """Text for the block goes into the last op if that is its own already."""
        last = self._ops[-1] if self._ops else None
        if isinstance(last, AddOp) and last.key == key:
            self._added.append(text)
        else:
            self._settle()
            self._added, self._added_to = [text], key
            self._ops.append(AddOp("add", key, ""))

    def _put(self, op: TurnOp) -> None:
        self._settle()
        self._ops.append(op)

    def _put_state(self, **change: Unpack[StateChange]) -> None:
        self._put(StateOp("state", change))

    def _put_call(self, id_: str, change: CallChange) -> None:
        self._put(ToolOp("tool", id_, change))

    def _settle(self) -> None:
        if self._added:
            self._ops[-1] = AddOp("add", self._added_to, "".join(self._added))
            self._added = []

    def _flush(self) -> None:
        self._settle()
        if self._ops:
            self._widget.send(turn_message(self._ops))
        self._ops = []
        self._flushed = time.monotonic()
        self.due = None

    def _received(self, _widget: object, content: object, _buffers: object) -> None:
        self._here.set()  # whatever it says, it is there
        if is_stop(content):
            self._stop.set()
        elif decide := decision_in(content):
            self._decided.put((decide["id"], Decision(decide["allowed"], decide["reason"], decide["always"])))


def ended(turn: Turn) -> StateChange:
    """The state of a turn that is over, as the front end takes it."""
    usage = usage_line.usage_of([turn])
    return {
        "status": turn.status,
        "usage": usage.tokens,
        "seconds": usage.seconds,
        "tokens_per_s": usage.tokens_per_s,
        "cost": usage_line.cost_text(usage),
        "stop_reason": turn.responses[-1].get("stop_reason") if turn.responses else None,
        "error": turn.error,
    }
