"""Offer the code of an answer (`--as code`) as a new cell below its prompt."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from mm_magics.display.answer_format import parse_answer
from mm_magics.history.notebook import Document
from mm_magics.history.turn import Turn
from mm_magics.ipython import frontend
from mm_magics.text import escape_controls, fenced_code

BACKGROUND_NOTE = "An answer in the background is not inserted as a cell: press Insert below above its code."
COPY_NOTE = "This front end cannot insert the code as a cell: copy it into a cell of your own."


def note(shell: Any) -> list[str]:
    """Return what the user must know if the front end of the running cell cannot insert cells."""
    return [] if _can_insert(shell) else [COPY_NOTE]


def insert(shell: Any, turn: Turn, document: Document | None, cell_id: str | None) -> None:
    """Ask the front end for a new cell with the code of the answer, unless the cell below contains it.

    The front end never replaces a cell for this, and runs nothing. A terminal shows the code as the next input.
    """
    if turn.status != "complete" or not fenced_code(turn.text) or not _can_insert(shell):
        return
    code = escape_controls(parse_answer(turn.text, "code"))
    if code.strip() != _source_below(document, cell_id).strip():
        shell.set_next_input(code, replace=False)


def _can_insert(shell: Any) -> bool:
    return frontend.detect(shell) in ("notebook", "terminal", "console")


def _source_below(document: Document | None, cell_id: str | None) -> str:
    cells = document.cells if document is not None else ()
    for cell, below in pairwise(cells):
        if cell.id == cell_id:
            return below.source
    return ""
