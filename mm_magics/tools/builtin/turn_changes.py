"""The changes of the notebook that one turn requests: what its model has read, and what the user decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from mm_magics.errors import ToolError, ToolInputError
from mm_magics.prompt.values import cut
from mm_magics.tools.builtin.bounded_text import LIMIT
from mm_magics.tools.builtin.fix_rounds import CHANGED, FixRounds
from mm_magics.tools.builtin.named_cells import Page, head, one_cell
from mm_magics.tools.notebook_changes import PAGE_S, Change, NotebookChanges
from mm_magics.tools.tool import ToolOutput

if TYPE_CHECKING:
    from mm_magics.history.shown_cells import ShownCell

Edits = Literal["ask", "propose", "accept"]

NO_PAGE = "The notebook cannot be changed: no page with the mm_magics extension shows it."
OWN_CELL = "That cell has the prompt that you are answering: only the user changes it."
UNDECIDED = "Proposed. The user has not decided yet, so the notebook is still as it was."
NOT_SHOWN = "The change is not decided: no page has shown it. The user sees it when a page connects."


class TurnChanges:
    """What a turn may do in the notebook, and has done.

    Args:
        changes: The changes of the kernel.
        turn: The id of the turn.
        edits: The setting `edits`.
        page: Returns the cells of the page.
        own_cell: The id of the prompt cell.
        can_change: Whether a page is connected.
        can_run: Whether cells can run while the turn is answered.
        end_run: Ends a run that nobody waits for.
        fix: The bounds of a turn that fixes one cell.
    """

    def __init__(
        self,
        changes: NotebookChanges,
        page: Page,
        *,
        turn: str = "",
        edits: Edits = "ask",
        own_cell: str | None = None,
        can_change: bool = False,
        can_run: bool = False,
        end_run: Callable[[Change], None] = lambda _: None,
        fix: FixRounds | None = None,
    ) -> None:
        self.changes, self.page, self.turn, self.edits, self.own_cell = changes, page, turn, edits, own_cell
        self.can_change, self.can_run, self.end_run = can_change, can_run, end_run
        self.fix = fix
        self._read: dict[str, str] = {}

    def see(self, shown: ShownCell) -> None:
        """Remember the text of a cell, which the model reads."""
        self._read[shown.cell.id] = shown.cell.source

    def has_read(self, shown: ShownCell) -> bool:
        """Return whether the model has read the text of the cell as it is."""
        return self._read.get(shown.cell.id) == shown.cell.source

    def over(self) -> str:
        """Return why no more tools are called in the turn; "" while they may be."""
        return self.fix.over if self.fix else ""

    def cell(self, name: str) -> ShownCell:
        """Return the cell with this name. Raises `ToolError` if the model cannot change it."""
        found = one_cell(self.page(), name)
        if found.cell.id == self.own_cell:
            raise ToolError(OWN_CELL)
        if found.kind not in ("code", "markdown"):
            raise ToolError(f"{head(found)} is a {found.kind} cell: only the user changes it.")
        if self.fix:
            self.fix.check(found.cell.id)
        return found

    def cell_as_read(self, name: str) -> ShownCell:
        """Return the cell with this name. Raises `ToolError` if its text is not the one that the model has read."""
        found = self.cell(name)
        if found.cell.id not in self._read:
            raise ToolError(f'Read the cell first: read_cells(cells="#{found.name}").')
        if not self.has_read(found):
            if self.fix:
                self.fix.end(CHANGED)
            raise ToolError(f'The cell was changed since you read it: read_cells(cells="#{found.name}").')
        return found

    def place(self, below: str) -> str | None:
        """Return the id of the cell below which a cell comes: None for the top."""
        match below.strip().lower():
            case "top":
                return None
            case "end":
                shown = self.page()
                return shown[-1].cell.id if shown else None
        return one_cell(self.page(), below).cell.id

    def shown(self, cell_id: str) -> ShownCell | None:
        """Return the cell with this id as it is shown now; None if it is not there."""
        return next((each for each in self.page() if each.cell.id == cell_id), None)

    def make(self, change: Change) -> ToolOutput:
        """Request a change, wait as the setting `edits` says, and return what became of it."""
        self.check_page()
        if self.fix:
            self.fix.check(change.cell)
        change.turn, change.ask = self.turn, self.edits != "accept"
        earlier = [each for each in self.changes.of_turn(self.turn) if each.is_open and each.cell == change.cell]
        if earlier:
            raise ToolError("An earlier change of this cell is still undecided. Wait for the user.")
        if self.fix:
            self.fix.begin_proposal()
        self.changes.request(change)
        match self.edits:
            case "ask":
                self.changes.wait(change, None)
            case "propose":
                self.changes.wait_until_shown(change)
            case _:
                try:
                    if not self.changes.wait(change, PAGE_S):
                        raise ToolError("The page did not answer, so the change was not made.")
                finally:  # also if the time for the call is over
                    self.changes.withdraw([change])
        return self._outcome(change)

    def check_page(self) -> None:
        """Raise `ToolError` if no page can change the notebook."""
        if not self.can_change or self.changes.document is None:
            raise ToolError(NO_PAGE)

    def _outcome(self, change: Change) -> ToolOutput:
        if change.is_open:
            return ToolOutput(NOT_SHOWN if change.state == "sent" else UNDECIDED)
        reason = f" {change.reason}" if change.reason else ""
        if self.fix and change.state != "accepted":
            self.fix.end_proposal(rejected=change.state == "rejected")
        if change.state == "rejected":
            text = f"The user rejected it, and the notebook is as it was.{reason}"
            return ToolOutput(text, is_error=True, is_denied=True)
        if change.state != "accepted":
            self._read.pop(change.cell, None)
            raise ToolInputError(f"It was not done.{reason}")
        done = "Done." if self.edits == "accept" else "The user accepted it."
        if change.kind == "delete":
            return ToolOutput(f"{done} The cell is deleted.")
        self._read[change.cell] = change.text
        cell = self.shown(change.cell)
        place = f" The cell is {head(cell)} now." if cell else ""
        if change.kind != "move" and change.text != (change.after or ""):
            return ToolOutput(f"{done} But not as proposed:{place}\n{cut(change.text, LIMIT // 2)}")
        return ToolOutput(f"{done}{place}")
