"""`%minimax undo-edits`: undo the changes that a turn made in the notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mm_magics.display.table import Table
from mm_magics.errors import UsageError
from mm_magics.history.shown_cells import short_names
from mm_magics.ipython.commands.command import Context
from mm_magics.ipython.commands.versions import find_turn
from mm_magics.text import visible
from mm_magics.tools.change_records import cell_label, changes_of
from mm_magics.tools.undo_changes import undo_turn
from mm_magics.wording import counted

if TYPE_CHECKING:
    from mm_magics.ipython.live_page import LivePage

DONE: Mapping[str, str] = {
    "insert": "deleted again",
    "delete": "restored",
    "move": "moved back",
    "edit": "has its earlier text",
}
"""What undoing a change does to its cell."""


def undo_edits(context: Context, rest: str) -> Table:
    """Undo the changes of a turn: the one in `rest`, or else the one that changed the notebook last."""
    turn = _turn(context.page, context, rest) if context.page else None
    if context.page is None or turn is None:
        raise UsageError("No turn of the notebook has changed it.")
    changes = context.page.changes
    if changes.document is None:
        raise UsageError("No page with the mm_magics extension shows the notebook, so nothing was undone.")
    cells = {cell.id: cell.source for cell in changes.document.cells}
    try:
        found = undo_turn(changes, turn)
    finally:
        context.page.record_changes(turn)
    rows = [(_name(cells, each.cell), DONE[each.kind], "") for each in found.changes]
    rows += [(_name(cells, each.cell), "left as it is", visible(each.reason)) for each in found.left]
    lines = []
    if found.withdrawn:
        lines.append(f"{counted(found.withdrawn, 'proposal')} withdrawn that you had not decided about.")
    if found.runs:
        lines.append(
            f"{counted(found.runs, 'run')} of cells cannot be undone: variables and files are as they were left."
        )
    if not rows and not lines:
        lines.append("The turn changed nothing that could be undone.")
    return Table("", ("cell", "what was done", "reason"), rows, lines) if rows else Table(lines=lines)


def _turn(page: LivePage, context: Context, rest: str) -> str | None:
    """Return the id of the turn to undo. What an earlier kernel changed is read from the record of the turn."""
    page.restore_changes()
    if not rest:
        return page.changes.last_turn
    turn = find_turn(context, rest)
    page.changes.restore(changes_of(turn.id, turn.changes))  # it may be a version that no cell shows
    return turn.id


def _name(cells: Mapping[str, str], cell_id: str) -> str:
    name = short_names(list({**cells, cell_id: ""}))[cell_id]
    return visible(cell_label(name, cells.get(cell_id, "")))
