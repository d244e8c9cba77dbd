"""`%minimax undo-edits`: undo the changes that a turn made in the notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mm_magics.display.table import Table
from mm_magics.errors import UsageError
from mm_magics.history.shown_cells import short_names
from mm_magics.ipython.commands.command import Context
from mm_magics.ipython.commands.versions import find_turn
from mm_magics.text import excerpt, visible
from mm_magics.tools.change_records import changes_of
from mm_magics.tools.undo_changes import undo_turn
from mm_magics.wording import counted

DONE: Mapping[str, str] = {
    "insert": "deleted again",
    "delete": "restored",
    "move": "moved back",
    "edit": "has its earlier text",
}
"""What undoing a change does to its cell."""
EXCERPT = 50


def undo_edits(context: Context, rest: str) -> Table:
    """Undo the changes of a turn: the one in `rest`, or else the one that changed the notebook last."""
    changes = context.page.changes if context.page else None
    turn = _turn(context, rest) if changes else None
    if changes is None or turn is None:
        raise UsageError("No turn of the notebook has changed it.")
    if changes.document is None:
        raise UsageError("No page with the mm_magics extension shows the notebook, so nothing was undone.")
    cells = {cell.id: cell.source for cell in changes.document.cells}
    found = undo_turn(changes, turn)
    if context.page:
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


def _turn(context: Context, rest: str) -> str | None:
    """Return the id of the turn to undo. What an earlier kernel changed is read from the record of the turn."""
    assert context.page is not None
    changes = context.page.changes
    if not rest and changes.last_turn:
        return changes.last_turn
    changed = [each for each in context.session.history.all_turns() if any(map(_is_done, each.changes))]
    turn = find_turn(context, rest) if rest else max(changed, key=lambda each: each.created, default=None)
    if turn is None:
        return None
    changes.restore(changes_of(turn.id, turn.changes))
    return turn.id


def _is_done(record: Mapping[str, Any]) -> bool:
    """Return whether a change in a record was made and not undone."""
    return bool(record["state"] == "accepted")


def _name(cells: Mapping[str, str], cell_id: str) -> str:
    first = next(iter(cells.get(cell_id, "").strip().splitlines()), "")
    name = short_names(list({**cells, cell_id: ""}))[cell_id]
    return visible(f"#{name} {excerpt(first, EXCERPT)}".rstrip())
