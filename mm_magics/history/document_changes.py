"""Changes of a notebook document: a cell is added, edited, moved or removed. Each returns a new document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mm_magics.history.notebook import Cell, Document


def find(document: Document, cell_id: str) -> Cell | None:
    """Return the cell with this id; None if the document has no such cell."""
    return next((cell for cell in document.cells if cell.id == cell_id), None)


def ids_above(document: Document, cell_id: str) -> tuple[str, ...]:
    """Return the ids of the cells above a cell, from the top; all ids if the document has no such cell."""
    ids = [cell.id for cell in document.cells]
    return tuple(ids[: ids.index(cell_id)] if cell_id in ids else ids)


def nearest(document: Document, above: Sequence[str], cell_id: str) -> str | None:
    """Return the last of the cells `above`, other than this one, that the document has; None for the top."""
    ids = {cell.id for cell in document.cells}
    return next((each for each in reversed(above) if each in ids and each != cell_id), None)


def with_cell(document: Document, cell: Cell, below: str | None) -> Document:
    """Add a cell below another one, or at the top for None. It replaces a cell with its id."""
    cells = [each for each in document.cells if each.id != cell.id]
    position = next((number for number, each in enumerate(cells, 1) if each.id == below), 0 if below is None else None)
    cells.insert(len(cells) if position is None else position, cell)
    return replace(document, cells=cells)


def with_source(document: Document, cell_id: str, source: str) -> Document:
    """Change the text of a cell."""
    return replace(
        document, cells=[replace(each, source=source) if each.id == cell_id else each for each in document.cells]
    )


def with_current_cells(
    document: Document, order: Sequence[Any], texts: Mapping[str, Any], pending: Sequence[Any]
) -> Document:
    """Give the document the cells, the texts and the running cells of the page. Outputs stay as they are known.

    Args:
        document: The document.
        order: The ids of all cells, as the page sent them: nothing of them has been checked.
        texts: The type and the text of each cell as `cell_type` and `source`, by id.
        pending: The ids of the cells that are running or queued.
    """
    known = {cell.id: cell for cell in document.cells}
    cells = [
        cell
        for id_ in dict.fromkeys(each for each in order if isinstance(each, str))
        if (cell := _current(known.get(id_), id_, texts.get(id_)))
    ]
    return replace(document, cells=cells, pending=frozenset(map(str, pending)))


def _current(cell: Cell | None, id_: str, sent: Any) -> Cell | None:
    if not isinstance(sent, Mapping) or not isinstance(source := sent.get("source"), str):
        return cell
    kind = str(sent.get("cell_type"))
    return replace(cell, kind=kind, source=source) if cell else Cell(id_, kind, source)


def without_cell(document: Document, cell_id: str) -> Document:
    """Remove a cell."""
    return replace(document, cells=[each for each in document.cells if each.id != cell_id])
