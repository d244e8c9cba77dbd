"""Undo the changes of a turn by inverse changes. A cell that was changed since the turn is left as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mm_magics.history.document_changes import find, nearest
from mm_magics.history.notebook import Document
from mm_magics.tools.notebook_changes import PAGE_S, Change, NotebookChanges

CHANGED = "its text was changed since"
DELETED = "it was deleted since"


class Left(NamedTuple):
    """A cell that was not restored: its id, and why."""

    cell: str
    reason: str


class Undone(NamedTuple):
    """What undoing a turn did.

    Attributes:
        changes: The changes that were undone.
        left: The cells that were left as they are.
        runs: How many cells ran in the turn, which cannot be undone.
        withdrawn: How many proposals were not decided, and are withdrawn.
    """

    changes: Sequence[Change]
    left: Sequence[Left]
    runs: int
    withdrawn: int


def undo_turn(changes: NotebookChanges, turn: str) -> Undone:
    """Undo the changes of a turn, the last one first."""
    of_turn = changes.of_turn(turn)
    waiting = [each for each in of_turn if each.is_open and each.kind != "run"]
    changes.withdraw(waiting)
    accepted = [each for each in of_turn if each.state == "accepted"]
    document = changes.document
    left = dict(_changed_since(document, accepted)) if document else {}
    undone: list[Change] = []
    for change in reversed(accepted):
        document = changes.document
        if document is None or change.cell in left:
            continue
        inverse = inverse_change(document, change, turn)
        changes.request(inverse)
        changes.wait(inverse, PAGE_S)
        if inverse.state == "accepted":
            change.state = "undone"
            undone.append(change)
        else:
            changes.withdraw([inverse])
            left[change.cell] = inverse.reason or "the page did not answer"
        inverse.state = "undone"
    runs = sum(each.kind == "run" and each.state in ("ended", "failed") for each in of_turn)
    return Undone(undone[::-1], [Left(*each) for each in left.items()], runs, len(waiting))


def inverse_change(document: Document, change: Change, turn: str) -> Change:
    """Return the change that undoes one that was accepted."""
    cell, text = change.cell, change.text
    below = nearest(document, change.above, cell)
    match change.kind:
        case "insert":
            return Change(turn, "delete", cell, ask=False, before=text)
        case "delete":
            content = change.removed or {"cell_type": change.cell_type, "source": text, "metadata": {}}
            return Change(turn, "insert", cell, ask=False, after=text, below=below, content=content)
        case "move":
            return Change(turn, "move", cell, ask=False, before=text, below=below)
    return Change(turn, "edit", cell, ask=False, before=text, after=change.before or "")


def _changed_since(document: Document, accepted: Sequence[Change]) -> Iterator[tuple[str, str]]:
    """Yield the cells that are not as the turn left them, and why."""
    for cell_id, last in {each.cell: each for each in accepted}.items():
        cell = find(document, cell_id)
        if last.kind == "delete":
            if cell is not None:
                yield cell_id, "it was restored since"
        elif cell is None:
            yield cell_id, DELETED
        elif cell.source != last.text:
            yield cell_id, CHANGED
