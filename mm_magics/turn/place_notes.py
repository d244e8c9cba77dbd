"""Notes for the user where the conversation may differ from the page, or the running cell is not certain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from textwrap import shorten

from mm_magics.history.cell_matching import CellMatcher, Place
from mm_magics.history.edits import edited_note
from mm_magics.history.notebook import LiveNotebook, NotebookFile
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn
from mm_magics.turn.prepared import Position
from mm_magics.wording import counted, similar_name

MAX_COMPARED = 20
"""Earlier prompts that are compared, the last ones."""
COMPARED = 1_000
"""Characters of a prompt that are compared with earlier prompts."""

Notebook = NotebookFile | LiveNotebook | None


@dataclass
class PlaceNotes:
    """The notes of one session. A problem is reported once, as long as it stays the same.

    Attributes:
        history: The turns of the session.
        cells: Which of the notebook's cells is running.
        place: Where the running cell is in the notebook.
        page: The client that sent the request; "" in a script.
        restored: How many turns were restored from the notebook, and not reported yet.
    """

    history: History
    cells: CellMatcher
    place: Place = field(default_factory=lambda: Place(None))
    page: str = ""
    restored: int = 0
    _problems: list[str] = field(default_factory=list)
    _edits: set[tuple[str, str]] = field(default_factory=set)
    _replaced: set[str] = field(default_factory=set)

    def of(self, notebook: Notebook, at: Position, turns: Sequence[Turn], text: str) -> Iterator[str]:
        """Yield the notes of a prompt.

        Args:
            notebook: The notebook of the session.
            at: Where the turn of the prompt belongs.
            turns: The turns that it sees.
            text: The text of the prompt.
        """
        if notebook is not None and at.cell_id is not None and at.cell_id == self.place.cell_id:
            reported, self._problems = self._problems, list(_notebook_problems(notebook, self.history))
            yield from (problem for problem in self._problems if problem not in reported)
            yield from _place_notes(notebook.name, self.place, self.cells.guesses(self.page), self.history, at)
        elif notebook is None and at.cell_id is None and self.page:
            yield from self._replaced_notes(turns, text)
        yield from self._edited_notes(notebook, turns)

    def take_restored(self, notebook: Notebook) -> list[str]:
        """Report once how many turns were restored from the notebook."""
        count, self.restored = self.restored, 0
        return [f"{counted(count, 'turn')} restored from {notebook.name}."] if count and notebook else []

    def report_edits(self, turns: Iterable[Turn]) -> None:
        """The edits of these turns have been reported, because the answer whose notes contain them is requested."""
        self._edits |= self.history.edited() & {turn.place for turn in turns}

    def _edited_notes(self, notebook: Notebook, turns: Iterable[Turn]) -> Iterator[str]:
        edited = self.history.edited()
        self._edits &= edited
        if places := {turn.place for turn in turns} & (edited - self._edits):
            document = notebook.document if notebook else None
            yield edited_note(places, [cell.id for cell in document.cells] if document else [])

    def _replaced_notes(self, turns: Iterable[Turn], text: str) -> Iterator[str]:
        """Report that the prompt may have been edited and run again, where neither cells nor the notebook are known."""
        candidates = [turn for turn in turns if turn.cell_id is None and turn.id not in self._replaced][-MAX_COMPARED:]
        earlier = {turn.prompt[:COMPARED]: turn for turn in candidates}
        similar = similar_name(text[:COMPARED], earlier, cutoff=0.7)
        if similar is not None:
            self._replaced.add(earlier[similar].id)
            yield (
                "This front end does not name its cells. If this prompt replaces "
                f"“{shorten(similar, 60, placeholder='…')}”, the model receives both. "
                "Set MINIMAX_NOTEBOOK to the path of the notebook, and save it after each edit."
            )


def _notebook_problems(notebook: NotebookFile | LiveNotebook, history: History) -> Iterator[str]:
    """Yield why the conversation may differ from the notebook: the file cannot be read, or answers are not used."""
    if notebook.error is not None:
        yield f"{notebook.error.message} The turns in the kernel's memory are used."
    if notebook.document is not None and notebook.document.unused:
        yield notebook.document.unused
    if notebook.document is not None:
        removed = {cell_id for cell_id, _ in history.removed()}
        if numbers := [str(number) for number, cell in enumerate(notebook.document.cells, 1) if cell.id in removed]:
            one = len(numbers) == 1
            cells = f"The answer{'' if one else 's'} in cell{'' if one else 's'} {', '.join(numbers)}"
            are, them = ("is", "it") if one else ("are", "them")
            yield f"{cells} of {notebook.name} {are} not sent: %minimax undo or clear removed {them}."


def _place_notes(
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
