"""The prompts of a kernel that are being answered, and which of them another prompt must wait for."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from mm_magics.history.thread import History
from mm_magics.turn.prepared import Position, PreparedPrompt


@dataclass(eq=False)
class RunningPrompt:
    """A prompt that is being answered, or waits.

    Attributes:
        position: Where its turn belongs.
        cell: The cell that runs it, as the front end names it.
        run: The execution of that cell.
        number: How many prompts began before it.
        stop: Ends its answer.
        ended: Set when its turn is in the history.
        failed: Whether its answer ended with an error.
    """

    position: Position
    cell: str | None
    run: str
    number: int
    stop: threading.Event
    ended: threading.Event = field(default_factory=threading.Event)
    failed: bool = False


class RunningPrompts:
    """The prompts that are being answered. Any thread may use it."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._running: list[RunningPrompt] = []
        self._count = 0

    def begin(self, prompt: PreparedPrompt, cell: str | None, run: str, stop: threading.Event) -> RunningPrompt:
        """Add a prompt. `end` must follow."""
        self._count += 1
        running = RunningPrompt(prompt.position, cell, run, self._count, stop)
        self._running = [*self._running, running]
        return running

    def end(self, running: RunningPrompt, *, failed: bool = False) -> None:
        """Remove a prompt whose turn is in the history."""
        running.failed = failed
        with self._history.lock:
            self._running = [each for each in self._running if each is not running]
        running.ended.set()

    def in_thread(self, thread: str) -> list[RunningPrompt]:
        """Return the prompts of a thread."""
        return [each for each in self._running if each.position.thread == thread]

    def in_cell(self, cell: str, run: str) -> list[RunningPrompt]:
        """Return the prompts of an earlier execution of the cell."""
        return [each for each in self._running if each.cell == cell and each.run != run]

    def above(self, own: RunningPrompt) -> RunningPrompt | None:
        """Return a prompt whose turn will be in the context of this one; None if the context is complete."""
        return next((each for each in self.in_thread(own.position.thread) if self._is_above(each, own)), None)

    def _is_above(self, other: RunningPrompt, own: RunningPrompt) -> bool:
        context = own.position.context
        if other is own or context in ("none", 0):
            return False
        first, second = other.position.cell_id, own.position.cell_id
        above = None
        if context != "all" and first is not None and second is not None and first != second:
            above = self._history.is_above(first, second)
        return other.number < own.number if above is None else above
