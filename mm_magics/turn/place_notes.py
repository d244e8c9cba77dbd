"""Notes for the user where it is not certain which cell is running, or which turns are above it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mm_magics.history.cell_matching import Place
from mm_magics.history.notebook import LiveNotebook, NotebookFile
from mm_magics.history.thread import History
from mm_magics.turn.prepared import Position
from mm_magics.wording import counted


def notebook_problems(notebook: NotebookFile | LiveNotebook) -> Iterator[str]:
    """Yield why the conversation may differ from the notebook: the file cannot be read, or answers are not used."""
    if notebook.error is not None:
        yield f"{notebook.error.message} The turns in the kernel's memory are used."
    if notebook.document is not None and notebook.document.unused:
        yield notebook.document.unused


def place_notes(
    name: str, place: Place, guesses: Iterable[tuple[int, int]], history: History, at: Position
) -> Iterator[str]:
    """Yield what is uncertain about the place of a prompt.

    Args:
        name: The name of the notebook.
        place: Where the running cell is in the notebook.
        guesses: Which cells may not be those that ran, as `CellMatcher.guesses` returns them.
        history: The turns of the notebook.
        at: Where the turn belongs.
    """
    for number, count in guesses:
        yield f"{count} cells have the same text: cell {number} may not be the one that ran. Save the notebook."
    if left_out := len(history.uncertain_turns(at.thread, at.context)):
        turns = f"{counted(left_out, 'turn')} of {name} {'is' if left_out == 1 else 'are'} not sent"
        yield f"{turns}: the notebook has unsaved edits. Save it, and run the cell again."
    elif not place.is_saved and history.turns(at.thread):
        position = "the last one" if place.after is None else "below the cell that ran before it"
        yield f"This cell is not in {name} yet. It is taken to be {position}."
