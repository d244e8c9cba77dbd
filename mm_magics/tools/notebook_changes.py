"""Changes of the notebook that models request: sent to the page, decided there, and applied to what the kernel knows.

A change is decided once, and later messages about it are ignored. Messages of the page arrive on other threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol
from uuid import uuid4

from mm_magics.history.document_changes import find, ids_above, with_cell, with_source, without_cell
from mm_magics.history.notebook import Cell, Document
from mm_magics.tools.saved_cell import checked_cell

Kind = Literal["insert", "edit", "move", "delete", "run"]
State = Literal[
    "sent", "proposed", "running", "accepted", "rejected", "refused", "ended", "failed", "withdrawn", "undone"
]

PAGE_S = 15.0
"""Seconds for the page to show a change, or to make one about which it does not ask."""
POLL_S = 0.05
"""Longest wait, so that Stop and Ctrl-C are noticed in time."""
NEAR = 20
"""How many of the cells above a deleted or moved cell are remembered: it is restored below one that is still there."""

OPEN: frozenset[State] = frozenset({"sent", "proposed", "running"})
"""The states of a change that is not decided."""
NEXT: Mapping[bool, frozenset[str]] = {
    True: frozenset({"running", "ended", "failed", "refused"}),
    False: frozenset({"proposed", "accepted", "rejected", "refused"}),
}
"""The states that the page reports: of a run, and of other changes."""


class Notebook(Protocol):
    """The notebook of the page, as the kernel knows it."""

    document: Document | None


@dataclass(eq=False)
class Change:
    """A change of one cell, and what became of it.

    Attributes:
        turn: The id of the turn that requests it.
        kind: What it does.
        cell: The id of the cell; of an inserted one, the id that it gets.
        ask: Whether the page asks the user first.
        before: The text that the cell must have.
        after: The new text.
        cell_type: `code` or `markdown`, to insert a cell.
        below: The id of the cell below which it is inserted or moved; None for the top.
        content: The cell to insert, in the notebook format.
        id: Made by the kernel.
        state: What became of it.
        reason: Why it was rejected or refused.
        source: The text of the cell afterwards.
        removed: The cell that was deleted, in the notebook format.
        above: The ids of the nearest cells above a cell that was deleted or moved, before that.
        outputs: What the cell displayed when it ran.
        count: Its execution count.
        was_begun: Whether the page has requested that the cell runs.
        decided: Set once its state is final.
    """

    turn: str
    kind: Kind
    cell: str
    ask: bool = True
    before: str | None = None
    after: str | None = None
    cell_type: Literal["code", "markdown"] = "code"
    below: str | None = None
    content: Mapping[str, Any] | None = None
    id: str = field(default_factory=lambda: uuid4().hex)
    state: State = "sent"
    reason: str = ""
    source: str | None = None
    removed: Mapping[str, Any] | None = None
    above: tuple[str, ...] = ()
    outputs: Sequence[Mapping[str, Any]] = ()
    count: int | None = None
    was_begun: bool = False
    decided: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def text(self) -> str:
        """The text of the cell after the change was accepted, or before it was deleted."""
        if self.source is not None and self.kind != "delete":
            return self.source
        return (self.after if self.kind in ("insert", "edit") else self.before) or ""

    @property
    def message(self) -> dict[str, Any]:
        """The change as the page receives it."""
        message: dict[str, Any] = {
            "id": self.id,
            "turn": self.turn,
            "kind": self.kind,
            "cell": self.cell,
            "ask": self.ask,
        }
        if self.kind == "insert":
            message["cell_type"] = self.cell_type
        if self.kind in ("insert", "move"):
            message["place"] = self.below
        optional = {"before": self.before, "after": self.after, "content": self.content}
        return message | {name: value for name, value in optional.items() if value is not None}


class NotebookChanges:
    """The changes of one kernel.

    Args:
        send: Sends changes to the page that is connected, if one is.
        settle: Tells all pages that changes with these ids are decided or not wanted any more.
        notebook: Returns the notebook of the page; None if no page describes one.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Mapping[str, Any]]], None],
        settle: Callable[[Sequence[str]], None],
        notebook: Callable[[], Notebook | None],
    ) -> None:
        self._send, self._settle, self._notebook = send, settle, notebook
        self.on_late_run: Callable[[Change], None] = lambda _: None
        """Is called if the page runs a cell that nobody wants to run any more."""
        self.on_change: Callable[[str], None] = lambda _: None
        """Is called, on any thread, with the id of a turn if something became of one of its changes."""
        self._changes: dict[str, Change] = {}
        self._lock = threading.RLock()

    @property
    def document(self) -> Document | None:
        """The notebook as it is known."""
        notebook = self._notebook()
        return notebook.document if notebook else None

    def of_turn(self, turn: str) -> list[Change]:
        """Return the changes of a turn, in their order."""
        return [each for each in list(self._changes.values()) if each.turn == turn]

    @property
    def last_turn(self) -> str | None:
        """The id of the turn that changed the notebook last, or has proposed to; None without one."""
        changes = [each.turn for each in list(self._changes.values()) if each.is_open or each.state == "accepted"]
        return changes[-1] if changes else None

    def running(self, cell: str | None) -> Change | None:
        """Return the run of this cell that is not over; None if no model requested one."""
        runs = [each for each in list(self._changes.values()) if each.kind == "run" and each.is_open]
        return next((each for each in runs if each.cell == cell), None)

    def request(self, change: Change) -> None:
        """Send a change to the page."""
        with self._lock:
            self._changes[change.id] = change
        self._send([change.message])

    def restore(self, changes: Iterable[Change]) -> list[Change]:
        """Take over changes that were made before those of this kernel. Return those that were not known."""
        new: dict[str, Change] = {}
        with self._lock:
            for each in changes:
                if each.id not in self._changes:
                    new.setdefault(each.id, each)
            self._changes = new | self._changes
        return [*new.values()]

    def resend(self) -> None:
        """Send what is not decided to a page that has just connected. A cell that may have run is not run again."""
        if waiting := [each.message for each in list(self._changes.values()) if each.is_open and each.kind != "run"]:
            self._send(waiting)

    def withdraw(self, changes: Sequence[Change]) -> None:
        """End changes that nobody waits for any more."""
        with self._lock:
            ended = [each for each in changes if each.is_open]
            for each in ended:
                self._decide(each, "withdrawn")
        if ended:
            self._settle([each.id for each in ended])
        for turn in {each.turn for each in ended}:
            self.on_change(turn)

    def wait(self, change: Change, seconds: float | None) -> bool:
        """Wait until a change is decided, and return whether it is.

        Args:
            change: The change.
            seconds: How long to wait; None for as long as it takes. A change that no page shows ends after `PAGE_S`.
        """
        began = time.monotonic()
        while not change.decided.wait(POLL_S):
            waited = time.monotonic() - began
            if (seconds is not None and waited >= seconds) or (change.state == "sent" and waited >= PAGE_S):
                return not change.is_open
        return True

    def wait_until_shown(self, change: Change) -> bool:
        """Wait until the page shows a change, or has decided about it. Return whether it has."""
        end = time.monotonic() + PAGE_S
        while change.state == "sent":
            if change.decided.wait(POLL_S) or time.monotonic() >= end:
                break
        return change.state != "sent"

    def receive(self, message: Mapping[str, Any]) -> bool:
        """Receive what the page says about a change. Return whether it counts: a change is decided once."""
        state = message.get("state")
        with self._lock:
            change = self._changes.get(str(message.get("change")))
            if change is not None and (change.state, state) == ("withdrawn", "running"):
                change.was_begun = True
                self.on_late_run(change)
            if change is None or not change.is_open or state not in NEXT[change.kind == "run"]:
                return False
            if isinstance(reason := message.get("reason"), str):
                change.reason = reason
            if isinstance(source := message.get("source"), str):
                change.source = source
            if state in ("proposed", "running"):
                change.state, change.was_begun = state, state == "running"
                self.on_change(change.turn)
                return True
            self._take(change, message, accepted=state == "accepted")
            self._decide(change, state)
        self._settle([change.id])
        self.on_change(change.turn)
        return True

    def _decide(self, change: Change, state: State) -> None:
        change.state = state
        change.decided.set()

    def _take(self, change: Change, message: Mapping[str, Any], *, accepted: bool) -> None:
        """Take what the message says about the cell, and apply it to the notebook as it is known."""
        if isinstance(outputs := message.get("outputs"), list):
            change.outputs = [each for each in outputs if isinstance(each, Mapping)]
        if type(count := message.get("execution_count")) is int:
            change.count = count
        notebook, document = self._notebook(), self.document
        if notebook is None or document is None:
            return
        cell = find(document, change.cell)
        if accepted:
            if change.kind in ("move", "delete"):
                change.above = _above(ids_above(document, change.cell), message)[-NEAR:]
            if change.kind == "delete":
                change.removed = checked_cell(message.get("content"))
            notebook.document = applied(document, change)
        elif change.source is not None and cell is not None:
            notebook.document = with_source(document, change.cell, change.source)
        elif change.kind == "run":
            notebook.document = replace(document, pending=document.pending - {change.cell})


def _above(known: tuple[str, ...], message: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ids of the cells above a cell, of which the page says which one is the nearest; None for the top."""
    place = message.get("place", "")
    if isinstance(place, str):
        return (*[each for each in known if each != place], place) if place else known
    return () if place is None else known


def applied(document: Document, change: Change) -> Document:
    """Return the document after a change that was accepted."""
    cell = find(document, change.cell)
    if change.kind == "insert":
        content = change.content or {}
        outputs = [dict(each) for each in content.get("outputs", ())]
        kind = str(content.get("cell_type", change.cell_type))
        return with_cell(document, Cell(change.cell, kind, change.text, outputs), change.below)
    if change.kind == "delete":
        return without_cell(document, change.cell)
    if change.kind == "move":
        return with_cell(document, cell, change.below) if cell else document
    return with_source(document, change.cell, change.text)
