"""The threads of one notebook: which turns there are, in which order, and what a prompt cell sees of them.

Always true: a cell has one turn per thread, and running it again replaces that turn where it stands; a turn without a
cell (a terminal, a script) is only ever added. The order is that in which the cells were first run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mm_magics import messages, request
from mm_magics.errors import UsageError
from mm_magics.history.turn import Turn
from mm_magics.messages import Message

Context = str | int
"""`above`, `all`, `none`, or the last N above."""


class History:
    """Turns by thread name. `History()` is empty; nothing here is shared between instances."""

    def __init__(self) -> None:
        self._threads: dict[str, list[Turn]] = {}

    def threads(self) -> Mapping[str, list[Turn]]:
        return {name: list(turns) for name, turns in self._threads.items()}

    def turns(self, thread: str) -> list[Turn]:
        """The thread's turns in order; a thread that nobody wrote to has none."""
        return list(self._threads.get(thread, ()))

    def of_cell(self, thread: str, cell_id: str | None) -> Turn | None:
        """The cell's turn in the thread; None without one."""
        place = self._place(thread, cell_id)
        return None if place is None else self._threads[thread][place]

    def put(self, turn: Turn) -> None:
        """Add the turn, or put it in the place of its cell's earlier one."""
        turns = self._threads.setdefault(turn.thread, [])
        place = self._place(turn.thread, turn.cell_id)
        if place is None:
            turns.append(turn)
        else:
            turns[place] = turn

    def clear(self, thread: str) -> int:
        """Forget the thread; how many turns it had."""
        return len(self._threads.pop(thread, ()))

    def seen(self, thread: str, cell_id: str | None, context: Context = "above") -> list[Turn]:
        """The turns that a prompt cell sees: those above it, all others, none, or the last N above.

        Raises `UsageError` for any other context.
        """
        if context not in ("above", "all", "none") and (type(context) is not int or context < 0):
            raise UsageError(f"context is above, all, none or a number of turns, not {context!r}.")
        turns = self._threads.get(thread, [])
        place = self._place(thread, cell_id)
        above = turns if place is None else turns[:place]
        if context == "all":
            return [turn for number, turn in enumerate(turns) if number != place]
        if context == "none" or context == 0:
            return []
        return above[-context:] if isinstance(context, int) else list(above)

    def stale(self, turn: Turn) -> bool:
        """Whether the turn answered another past than the one that now stands above it."""
        place = next((n for n, each in enumerate(self._threads.get(turn.thread, ())) if each.id == turn.id), None)
        if place is None or not turn.request_sha256:
            return False
        turns = self._threads[turn.thread]
        pasts = [turns[first:place] for first in range(place + 1)]  # all above, or the last N, or none
        pasts.append([each for each in turns if each.id != turn.id])
        return all(turn.request_sha256 != digest(past, turn) for past in pasts)

    def _place(self, thread: str, cell_id: str | None) -> int | None:
        if cell_id is None:
            return None
        turns = self._threads.get(thread, ())
        return next((number for number, turn in enumerate(turns) if turn.cell_id == cell_id), None)


def context_messages(turns: list[Turn], prompt: Message) -> list[Message]:
    """The `messages` array of a request: the turns, closed, then the new user message."""
    return messages.join([*(turn.closed for turn in turns), [prompt]])


def digest(above: list[Turn], turn: Turn) -> str:
    """The hash of the request that the turn would make if it were asked with these turns above it."""
    array = context_messages(above, turn.messages[0]) if turn.messages else []
    return digest_of(turn.model, turn.system, turn.params, array)


def digest_of(model: str, system: str | None, params: Mapping[str, Any], array: list[Message]) -> str:
    return request.request_sha256(model, system, params, map(request.message_sha256, array))
