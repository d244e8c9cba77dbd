"""The built-in tool `search_cells`: where a text stands in the notebook's other cells.

Always true: it reads what the notebook holds and runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from mm_magics.errors import ToolInputError
from mm_magics.tools.builtin.checked import checker, schema
from mm_magics.tools.tool import Tool

if TYPE_CHECKING:
    from mm_magics.history.notebook_context import Ran

FOUND = 50
"""Lines of one answer."""
WIDTH = 200
"""Characters of one line."""

RISK = "The lines that hold the text, of the notebook's cells and of their outputs, go to the endpoint."

_SCHEMA = schema(
    ("text",), text={"type": "string", "description": "What to look for; small and capital letters alike."}
)


def search_cells(cells: Callable[[], Iterable[Ran]]) -> Tool:
    """The tool `search_cells`; `cells` gives those to search, at the time of the call."""

    def run(text: str) -> str:
        if not text.strip() or "\n" in text:
            raise ToolInputError("text must be part of one line.")
        found = [line for cell in cells() for line in _lines(cell, text.casefold())]
        more = [f"… [cut here: {len(found) - FOUND:,} more lines]"] if len(found) > FOUND else []
        return "\n".join([*found[:FOUND], *more]) or "No other cell holds it."

    return Tool(
        "search_cells",
        "Find a text in the other cells of the user's notebook: sources and text outputs. "
        "You get each line with its cell's id and its number.",
        _SCHEMA,
        run,
        checker(_SCHEMA),
        risk=RISK,
    )


def _lines(cell: Ran, text: str) -> Iterator[str]:
    for where, whole in (("line", cell.source), ("output line", cell.text)):
        for number, line in enumerate(whole.splitlines(), 1):
            if (place := line.casefold().find(text)) >= 0:
                yield f"cell {cell.id}, {where} {number}: {_around(line, place)}"


def _around(line: str, place: int) -> str:
    """The line, or that part of a long one in which the place stands."""
    if len(line) <= WIDTH:
        return line
    start = max(0, min(place - WIDTH // 4, len(line) - WIDTH))
    end = start + WIDTH
    return f"{'…' if start else ''}{line[start:end]}{'…' if end < len(line) else ''}"
