"""The messages about one running turn, between the kernel and every page that shows it.

Each op is sent once, to all pages. After `HEARTBEAT_S` without ops, a message without any shows that the kernel lives,
also while a tool runs. A page that lacks ops (it was opened or reloaded since) asks for the complete state with a
`PageRequest`, and only that page receives it, in the reply.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mm_magics.display.protocol import (
    AddOp,
    AnswerOp,
    PageReply,
    PartOp,
    ShownRequest,
    ShownSummary,
    StandingRule,
    ThinkOp,
    TurnMessage,
    TurnOp,
)
from mm_magics.history.turn import Turn
from mm_magics.text import without_surrogates

HEARTBEAT_S = 0.5

page_answered = threading.Event()
"""Set once any page has answered in this kernel: it can draw turns."""

_running: weakref.WeakValueDictionary[str, TurnChannel] = weakref.WeakValueDictionary()


@dataclass(frozen=True)
class PageHandlers:
    """What answers the requests of a page that no running turn answers, each on another thread.

    Attributes:
        stop: Stops whatever is running; called for a Stop that names no turn.
        reorder: Called with an `OrderMessage`.
        standing_rules: Returns the rules that hold until the kernel ends, after removing the one with an id.
        show_request: Returns the request of the turn with an id; None if the turn is unknown.
        pin: Pins the turn with an id, or unpins it. Returns whether the turn is known.
        summary: Returns the summary that the next prompt of a turn's thread has, after changing it if there is a text;
            None if the turn is unknown.
        change: Receives what became of a change of the notebook. Returns whether it counts.
        cells: Receives a `CellsMessage`. Returns whether it was requested.
    """

    stop: Callable[[], None]
    reorder: Callable[[Mapping[str, Any]], None]
    standing_rules: Callable[[str | None], Sequence[StandingRule]]
    show_request: Callable[[str], ShownRequest | None]
    pin: Callable[[str, bool], bool]
    summary: Callable[[str, str | None], ShownSummary | None]
    change: Callable[[Mapping[str, Any]], bool]
    cells: Callable[[Mapping[str, Any]], bool]


def answer_page(request: object, handlers: PageHandlers) -> PageReply:
    """Answer a `PageRequest`."""
    page_answered.set()
    match request:
        case {"turn": str(id_), "message": {"type": "request"}}:
            shown = handlers.show_request(id_)
            return {"received": False} if shown is None else {"received": True, "request": shown}
        case {"turn": str(id_), "message": {"type": "pin", "on": bool(on)}}:
            return {"received": handlers.pin(id_, on)}
        case {"turn": str(id_), "message": {"type": "summary"} as message}:
            text = message.get("text")
            summary = handlers.summary(id_, text) if text is None or isinstance(text, str) else None
            return {"received": False} if summary is None else {"received": True, "summary": summary}
        case {"message": {"type": "change"} as message}:
            return {"received": handlers.change(message)}
        case {"message": {"type": "cells"} as message}:
            return {"received": handlers.cells(message)}
        case {"turn": str(id_), "message": {"type": str(kind)} as message}:
            channel = _running.get(id_)
            if channel is None:
                return {"received": False}
            if kind == "state":
                return {"received": True, "state": channel.state()}
            channel.receive(message)
            return {"received": True}
        case {"message": {"type": "stop"}}:
            handlers.stop()
            return {"received": True}
        case {"message": {"type": "order"} as message}:
            handlers.reorder(message)
            return {"received": True}
        case {"message": {"type": "rules"}}:
            return {"received": True, "rules": handlers.standing_rules(None)}
        case {"message": {"type": "forget", "rule": str(rule)}}:
            return {"received": True, "rules": handlers.standing_rules(rule)}
    return {"received": False}


class TurnChannel:
    """Sends the ops of a turn, and receives what pages answer, until it is closed.

    Args:
        turn: The turn, as it begins.
        send: Sends data on a comm to all pages, from any thread.
        receive: Called with each message of a page that is about this turn, on another thread.
        displayed: Whether the turn is displayed while it runs. If not, its cell has no output until the turn ends.
    """

    def __init__(
        self,
        turn: Turn,
        send: Callable[[Mapping[str, Any]], None],
        receive: Callable[[Mapping[str, Any]], None],
        *,
        displayed: bool = True,
    ) -> None:
        self.receive = receive
        self._turn, self._cell, self._send, self._displayed = turn.id, turn.cell_id, send, displayed
        self._began = self._sent_at = time.monotonic()
        self._ops: list[TurnOp] = []
        self._count = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        _running[turn.id] = self
        beat = threading.Thread(target=_beat, args=(weakref.ref(self), self._closed), daemon=True)
        beat.start()

    def send(self, ops: Sequence[TurnOp] = ()) -> None:
        """Send ops to all pages; without any, the message is a heartbeat."""
        ops = without_surrogates(ops)
        with self._lock:
            start = self._count
            self._ops += ops
            self._count += len(ops)
            self._sent_at = time.monotonic()
            self._send({"method": "custom", "content": self._message(start, ops)})

    def beat(self) -> float:
        """Send a heartbeat if it is time. Return the seconds until the next one."""
        if (wait := self._sent_at + HEARTBEAT_S - time.monotonic()) > 0:
            return wait
        self.send()
        return HEARTBEAT_S

    def state(self) -> TurnMessage:
        """Return the message that brings a page from nothing to the current state."""
        with self._lock:
            self._ops = list(_joined(self._ops))
            return self._message(0, self._ops)

    def close(self) -> None:
        """Send no more heartbeats, and receive nothing."""
        self._closed.set()
        _running.pop(self._turn, None)

    def _message(self, start: int, ops: Sequence[TurnOp]) -> TurnMessage:
        return {
            "turn": self._turn,
            "cell": self._cell,
            "displayed": self._displayed,
            "seconds": round(time.monotonic() - self._began, 3),
            "start": start,
            "end": self._count,
            "ops": [list(op) for op in ops],  # type: ignore[misc]
        }


def _joined(ops: Sequence[TurnOp]) -> Iterator[TurnOp]:
    """Join consecutive texts for a block into one op. The ops of each part are independent of all others."""
    parts: dict[int, list[AnswerOp]] = {}
    own: list[AnswerOp] = []
    for op in ops:
        if isinstance(op, PartOp):
            parts.setdefault(op.number, []).append(op.op)
        else:
            own.append(op)
    yield from _joined_texts(own)
    for number, part in parts.items():
        yield from (PartOp("part", number, op) for op in _joined_texts(part))


def _joined_texts(ops: Sequence[AnswerOp]) -> Iterator[AnswerOp]:
    for joins, grouped in groupby(ops, lambda op: op[:2] if isinstance(op, AddOp | ThinkOp) else None):
        group = list(grouped)
        first = group[0]
        if joins is None or not isinstance(first, AddOp | ThinkOp):
            yield from group
        else:
            yield first._replace(text="".join(op.text for op in group if isinstance(op, AddOp | ThinkOp)))


def _beat(channel: weakref.ref[TurnChannel], closed: threading.Event) -> None:
    wait = HEARTBEAT_S
    while not closed.wait(wait):
        running = channel()
        if running is None:
            return
        with suppress(Exception):  # the kernel is shutting down
            wait = running.beat()
        del running
