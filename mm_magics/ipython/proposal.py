"""Propose the code of an answer as the new text of a cell."""

from __future__ import annotations

from mm_magics.background_context import background_execution
from mm_magics.history.turn import Turn
from mm_magics.ipython.live_page import LivePage
from mm_magics.text import fenced_code
from mm_magics.tools.notebook_changes import Change

NO_CODE = "The answer has no code block, so nothing is proposed."
NO_PAGE = "To use the code, copy it into the cell: no page with the mm_magics extension shows the notebook."


def propose(page: LivePage | None, cell_id: str, before: str, turn: Turn) -> None:
    """Propose the first code block of an answer as the text of a cell, or print why that is not possible.

    Args:
        page: The page that shows the notebook.
        cell_id: The id of the cell.
        before: Its text in the request.
        turn: The answer. Of one that is not complete, nothing is proposed.
    """
    if turn.status == "complete":
        _report(_obstacle(page, cell_id, before, turn))


def _obstacle(page: LivePage | None, cell_id: str, before: str, turn: Turn) -> str:
    """Propose the code. Return why it is not proposed, or ""."""
    blocks = fenced_code(turn.text)
    if not blocks:
        return NO_CODE
    if page is None or not page.shows(cell_id):
        return NO_PAGE
    change = Change(turn.id, "edit", cell_id, before=before, after=blocks[0].removesuffix("\n"))
    page.changes.request(change)
    page.changes.wait_until_shown(change)
    return f"The change is not proposed. {change.reason}" if change.state == "refused" else ""


def _report(obstacle: str) -> None:
    if obstacle and background_execution() is None:  # the cell of an answer in the background has ended
        print(obstacle)
