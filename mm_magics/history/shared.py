"""Let several threads use a history: the kernel's, and one for each answer in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from itertools import islice
from typing import Any, TypeVar, cast

from mm_magics.background_context import background_execution
from mm_magics.history.notebook import Document
from mm_magics.history.turn import Turn

REMEMBERED = 100
"""Answers of the background that are remembered, because a page may still describe them as they were before."""

F = TypeVar("F", bound=Callable[..., Any])


class SharedByThreads:
    """What threads share.

    Attributes:
        lock: Held while something is changed, and by those who read several things that must agree.
        answering: The cells of the turns that are being answered in the background, by the id of the turn.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.answering: dict[str, str | None] = {}
        self._began: dict[str, int] = {}
        self._order: list[str] = []
        self._answered: dict[str, Turn] = {}
        self._run = ""

    @property
    def run(self) -> str:
        """The execution request that this thread handles; "" in a script."""
        own = background_execution()
        return self._run if own is None else own

    @run.setter
    def run(self, run: str) -> None:
        self._run = run

    def is_above(self, cell_id: str, other: str) -> bool | None:
        """Return whether a cell is above another one; None if one of them has no place."""
        order = self._order
        return order.index(cell_id) < order.index(other) if {cell_id, other} <= set(order) else None

    def begin_answering(self, id_: str, cell_id: str | None) -> None:
        """An answer in the background with this id begins. Those of one cell are shown in the order of their begin."""
        with self.lock:
            self.answering[id_] = cell_id
            self._began[id_] = len(self._began)

    def answering_in(self, document: Document) -> set[str]:
        """Return the cells of the document whose answers still stream in the background."""
        return {cell.id for cell in document.cells}.intersection(filter(None, self.answering.values()))

    def as_shown(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """Return the turns of one execution in the order in which its cell shows them."""
        if any(turn.id not in self._began for turn in turns):
            return turns
        return tuple(sorted(turns, key=lambda turn: self._began[turn.id]))

    def end_answering(self, id_: str, turn: Turn) -> None:
        """The answer in the background with this id has ended, and is this turn."""
        with self.lock:
            self.answering.pop(id_, None)
            self._answered = dict(islice(({turn.id: turn} | self._answered).items(), REMEMBERED))

    def in_document(self, turn: Turn) -> Turn | None:
        """Return the turn that a document means, which may show it as it was while it streamed; None while it does."""
        if turn.id in self.answering:
            return None
        answered = self._answered.get(turn.id)
        return replace(answered, cell_id=turn.cell_id) if answered and turn.status == "stopped" else turn


def locked(method: F) -> F:
    """Let one thread at a time run the method."""

    @wraps(method)
    def run(self: SharedByThreads, *args: Any, **options: Any) -> Any:
        with self.lock:
            return method(self, *args, **options)

    return cast(F, run)
