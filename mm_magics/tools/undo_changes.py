"""Undo the changes of a turn by inverse changes. A cell that was changed since the turn is left as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mm_magics.history.document_changes import find, nearest
from mm_magics.history.notebook import Document
from mm_magics.tools.notebook_changes import PAGE_S, Change, NotebookChanges

CHANGED = "its text was changed since"
DELETED = "it was deleted since"
NO_ANSWER = "the page did not answer"


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
        inverse = inverse_change(document, change)
        is_answered = _undo(changes, change, inverse)
        if change.state == "undone":
            undone.append(change)
        else:
            left[change.cell] = inverse.reason or NO_ANSWER
        if not is_answered:
            left |= {each.cell: NO_ANSWER for each in accepted if each.state == "accepted"} | left
            break
    runs = sum(each.kind == "run" and each.state in ("ended", "failed") for each in of_turn)
    return Undone(undone[::-1], [Left(*each) for each in left.items()], runs, len(waiting))


def _undo(changes: NotebookChanges, change: Change, inverse: Change) -> bool:
    """Make the inverse of a change, which ends with this call. Return whether a page answers."""
    try:
        changes.request(inverse)
        changes.wait(inverse, PAGE_S)
        return inverse.state != "sent"
    finally:
        changes.withdraw([inverse])
        if inverse.state == "accepted":
            change.state = "undone"
        inverse.state = "undone"


def inverse_change(document: Document, change: Change) -> Change:
    """Return the change that undoes one that was accepted. It belongs to no turn."""
    cell, text = change.cell, change.text
    below = nearest(document, change.above, cell)
    match change.kind:
        case "insert":
            return Change("", "delete", cell, ask=False, before=text)
        case "delete":
            kind = change.cell_type
            return Change(
                "", "insert", cell, ask=False, after=text, cell_type=kind, below=below, content=change.removed
            )
        case "move":
            return Change("", "move", cell, ask=False, before=text, below=below)
    return Change("", "edit", cell, ask=False, before=text, after=change.before or "")


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
