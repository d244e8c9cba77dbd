"""Find out which cell of the notebook is running, for front ends that do not send the cell ids of the notebook file."""

from __future__ import annotations

from mm_magics.history.notebook import Document
from mm_magics.history.notebook_context import SYNTHETIC_ID_PREFIXES


class CellMatcher:
    """Matches running cells with the cells of the notebook, and remembers every match.

    JupyterLab and Notebook send the cell ids of the file. nbclient and similar programs send none, and VS Code sends
    ids of its own: there, the first cell with the same source that has not been matched yet is the one that is running.
    """

    def __init__(self) -> None:
        self._matches: dict[str | None, str] = {}

    def match(self, document: Document | None, cell_id: str | None, source: str) -> str | None:
        """Return the id that the running cell has in the notebook.

        Args:
            document: The notebook, if it is known.
            cell_id: The id that the front end sent, if any. It is returned if no cell matches.
            source: The source of the running cell.
        """
        if document is None or (cell_id is not None and not cell_id.startswith(SYNTHETIC_ID_PREFIXES)):
            return cell_id
        if cell_id in self._matches:
            return self._matches[cell_id]
        matched = set(self._matches.values())
        same = [each.id for each in document.cells if each.kind == "code" and each.source.rstrip() == source.rstrip()]
        found = next((id_ for id_ in same if id_ not in matched), None)
        if found is not None:
            self._matches[cell_id or f"run {len(self._matches)}"] = found
        return found or cell_id
