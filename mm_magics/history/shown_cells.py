"""The notebook as the person sees it: each cell with its present text, unsaved edits included, and its last outputs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any

from mm_magics.history.notebook import Document
from mm_magics.history.notebook_context import CellRun

MIN_ID = 4
"""Characters of the shortest name of a cell."""


@dataclass(frozen=True)
class ShownCell:
    """A cell of the page.

    Attributes:
        number: Its position, from 1.
        name: The first characters of its id, as many as no other cell has.
        kind: `code`, `markdown` or `raw`.
        cell: Its id, its text, and its outputs.
        is_edited: Whether its text was changed since it ran in this kernel.
        is_pending: Whether it is running or queued.
    """

    number: int
    name: str
    kind: str
    cell: CellRun
    is_edited: bool
    is_pending: bool

    @property
    def errors(self) -> list[Mapping[str, Any]]:
        """The errors among its outputs, in the notebook format."""
        return [each for each in self.cell.outputs if each.get("output_type") == "error"]


def shown_cells(document: Document | None, runs: Mapping[str, CellRun]) -> list[ShownCell]:
    """Return the cells of a page in their order. `runs` are the cells that ran in this kernel, by id."""
    if document is None:
        return []
    names = short_names([cell.id for cell in document.cells])
    shown = []
    for number, cell in enumerate(document.cells, 1):
        run = runs.get(cell.id)
        is_edited = run is not None and run.source.rstrip() != cell.source.rstrip()
        outputs = cell.outputs if run is None else run.outputs
        own = CellRun(cell.id, cell.source, outputs, is_text=cell.kind != "code")
        shown.append(ShownCell(number, names[cell.id], cell.kind, own, is_edited, cell.id in document.pending))
    return shown


def short_names(ids: Sequence[str]) -> dict[str, str]:
    """Return the shortest beginning of each id, of at least `MIN_ID` characters, that no other id has.

    >>> short_names(["9f2ab1c0", "9f2ac4d1", "b7"])
    {'9f2ab1c0': '9f2ab', '9f2ac4d1': '9f2ac', 'b7': 'b7'}
    """
    ordered = sorted(ids)
    common = [_common_length(*pair) for pair in pairwise(ordered)]
    names = {}
    for place, id_ in enumerate(ordered):
        near = common[max(0, place - 1) : place + 1]
        names[id_] = id_[: max(MIN_ID, 1 + max(near, default=0))]
    return {id_: names[id_] for id_ in ids}


def _common_length(first: str, second: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def by_id(cells: Sequence[ShownCell]) -> list[ShownCell]:
    """Return the cells in the order of their ids, in which `find_cell` searches."""
    return sorted(cells, key=lambda each: each.cell.id)


def find_cell(ordered: Sequence[ShownCell], name: str) -> list[ShownCell]:
    """Return the cell with this id, or else those whose ids begin with the name, of cells in the order of `by_id`."""
    first = bisect_left(ordered, name, key=lambda each: each.cell.id)
    found = []
    for each in ordered[first:]:
        if each.cell.id == name:
            return [each]
        if not name or not each.cell.id.startswith(name):
            break
        found.append(each)
    return found
