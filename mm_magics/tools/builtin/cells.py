"""The built-in tool `search_cells`: finds text in the notebook's other cells. It runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mm_magics.errors import ToolInputError
from mm_magics.tools.builtin.typed_function import builtin_tool
from mm_magics.tools.tool import Tool
from mm_magics.wording import counted

if TYPE_CHECKING:
    from mm_magics.history.notebook_context import CellRun

MAX_LINES = 50
"""Lines in one result."""

MAX_LINE = 200
"""Characters of one line that are shown."""

RISK = "The lines that contain the text, in the notebook's cells and their outputs, are sent to the endpoint."


def search_cells_tool(cells: Callable[[], Iterable[CellRun]]) -> Tool:
    """Make the tool `search_cells`; `cells` returns the cells to search when it is called."""
    return builtin_tool(search_cells, cells, risk=RISK)


def search_cells(
    cells: Callable[[], Iterable[CellRun]],
    text: Annotated[str, Field(strict=True, description="Text to find within one line; case is ignored.")],
) -> str:
    """Find a text in the other cells of the user's notebook: their source and their text output.

    Returns each matching line with the id of its cell and its line number.
    """
    if not text.strip() or "\n" in text:
        raise ToolInputError("text: it must be part of one line and not blank.")
    found = [line for cell in cells() for line in _matches(cell, text.casefold())]
    more = [f"… [cut here: {counted(len(found) - MAX_LINES, 'more line')}]"] if len(found) > MAX_LINES else []
    return "\n".join([*found[:MAX_LINES], *more]) or "No other cell contains this text."


def _matches(cell: CellRun, text: str) -> Iterator[str]:
    for label, source in (("line", cell.source), ("output line", cell.text)):
        for number, line in enumerate(source.splitlines(), 1):
            if (start := line.casefold().find(text)) >= 0:
                yield f"cell {cell.id}, {label} {number}: {_around(line, start)}"


def _around(line: str, match: int) -> str:
    """The line, or the part of a long one around the match."""
    if len(line) <= MAX_LINE:
        return line
    start = max(0, min(match - MAX_LINE // 4, len(line) - MAX_LINE))
    end = start + MAX_LINE
    return f"{'…' if start else ''}{line[start:end]}{'…' if end < len(line) else ''}"
