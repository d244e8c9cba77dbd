"""How models name the cells of the page: by the beginning of an id, or by number. It imports nothing that is slow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from mm_magics.errors import ToolInputError
from mm_magics.text import excerpt
from mm_magics.wording import counted

if TYPE_CHECKING:
    from mm_magics.history.shown_cells import ShownCell

_HEAD = re.compile(r"\[\d+ #([^\s,\]]+), [^\]\n]*\]")
_RANGE = re.compile(r"(\d+)(?:\s*-\s*(\d+))?")

Page = Callable[[], "Sequence[ShownCell]"]
"""Returns the cells of the page when a tool is called."""


def head(shown: ShownCell) -> str:
    """Return how the model sees which cell it is."""
    marks = [shown.kind, *["edited since it ran"] * shown.is_edited, *["running or queued"] * shown.is_pending]
    return f"[{shown.number} #{shown.name}, {', '.join(marks)}]"


def texts_of_cells(result: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each cell in the result of a tool, and what the result says about it.

    >>> list(texts_of_cells("2 cells:\\n[1 #9f2a, code] x = 1\\n[2 #b7c1, code] y = 2"))
    [('9f2a', ' x = 1\\n'), ('b7c1', ' y = 2')]
    """
    heads = list(_HEAD.finditer(result))
    ends = [each.start() for each in heads[1:]] + [len(result)]
    for each, end in zip(heads, ends, strict=True):
        yield each[1], result[each.end() : end]


def one_cell(shown: Sequence[ShownCell], name: str) -> ShownCell:
    """Return the cell with this name or number. Raises `ToolInputError` if it is not exactly one."""
    match list(selected_cells(shown, [name.strip()])):
        case [cell]:
            return cell
    raise ToolInputError(f"{excerpt(name, 40)} is not one cell.", "Name one cell, such as #9f2a.")


def selected_cells(shown: Sequence[ShownCell], parts: Iterable[str]) -> Iterator[ShownCell]:
    """Yield the cells that names, numbers and ranges of numbers stand for."""
    from mm_magics.history.shown_cells import by_id

    ordered = cache(partial(by_id, shown))
    for part in parts:
        yield from _selected(shown, part, ordered)


def _selected(shown: Sequence[ShownCell], part: str, ordered: Callable[[], Sequence[ShownCell]]) -> Iterator[ShownCell]:
    if found := _RANGE.fullmatch(part):
        first, last = int(found[1]), int(found[2] or found[1])
        if not 1 <= first <= last or first > len(shown):
            raise ToolInputError(f"There are no cells {part}: the notebook has cells 1 to {len(shown)}.")
        yield from shown[first - 1 : last]
        return
    from mm_magics.history.shown_cells import find_cell

    match find_cell(ordered(), part.removeprefix("#")):
        case [cell]:
            yield cell
        case []:
            raise ToolInputError(f"There is no cell {excerpt(part, 40)}. Call read_cells without cells for an outline.")
        case several:
            names = ", ".join(f"#{each.name}" for each in several[:9])
            raise ToolInputError(f"{part} is the beginning of {counted(len(several), 'cell')}: {names}.")
