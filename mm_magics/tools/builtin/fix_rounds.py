"""The bounds of a turn that fixes one cell: which cell it may change and run, and how often."""

from __future__ import annotations

from typing import NoReturn

from mm_magics.errors import ToolError

ROUNDS = 3
"""How many changes a turn may propose to fix a cell, and how often it may run the cell."""
OTHER_CELL = "This turn fixes one cell: only that cell can be changed and run."
STILL_FAILS = f"the cell still raises an error after {ROUNDS} rounds"
ROUNDS_USED = f"{ROUNDS} rounds are the limit of a fix"
NOT_MADE = "the last change could not be made"
CHANGED = "the cell was changed while it was being fixed"


class FixRounds:
    """Counts the rounds of a fix: a proposed change of the cell, and a run of it if the user allows one.

    Attributes:
        cell: The id of the cell.
        over: Why the fix has ended; "" while it may go on.
    """

    def __init__(self, cell: str) -> None:
        self.cell, self.over = cell, ""
        self._proposals = self._runs = 0

    def check(self, cell: str) -> None:
        """Raise `ToolError` if the turn may not change or run this cell."""
        if cell != self.cell:
            raise ToolError(OTHER_CELL)
        if self.over:
            raise ToolError(f"The fix has ended: {self.over}.")

    def begin_proposal(self) -> None:
        """Count a proposed change. Raises `ToolError` if there were enough."""
        if self._proposals == ROUNDS:
            self.end(ROUNDS_USED)
        self._proposals += 1

    def begin_run(self) -> None:
        """Count a run. Raises `ToolError` if there were enough."""
        if self._runs == ROUNDS:
            self.end(ROUNDS_USED)
        self._runs += 1

    def take_back_run(self) -> None:
        """Do not count the last run: the page did not run the cell."""
        self._runs -= 1

    def end_run(self, *, failed: bool) -> None:
        """After the last round there is nothing left to try if the cell raised an error again."""
        if failed and max(self._runs, self._proposals) == ROUNDS:
            self.over = STILL_FAILS

    def end_proposal(self, *, rejected: bool) -> None:
        """A rejected change of the last round ends the fix, and one that could not be made any."""
        if not rejected:
            self.over = NOT_MADE
        elif self._proposals == ROUNDS:
            self.over = ROUNDS_USED

    def end(self, reason: str) -> NoReturn:
        """End the fix. Always raises `ToolError`."""
        self.over = reason
        raise ToolError(f"The fix has ended: {reason}.")
