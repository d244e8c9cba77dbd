"""The built-in tools of `--tools notebook`: read the cells of the page, their errors, and variables.

They change and run nothing. The model sees each cell under a short name, the beginning of its id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from mm_magics.errors import ToolInputError
from mm_magics.prompt.output_text import output_text
from mm_magics.prompt.values import as_text, cut
from mm_magics.text import excerpt
from mm_magics.tools.builtin.bounded_text import LIMIT
from mm_magics.tools.builtin.named_cells import Page, head, selected_cells
from mm_magics.tools.builtin.typed_function import builtin_tool
from mm_magics.tools.builtin.variables import kind_of
from mm_magics.tools.tool import Tool
from mm_magics.wording import counted, similar_name

if TYPE_CHECKING:
    from mm_magics.history.shown_cells import ShownCell

FIRST_LINE = 80
"""Characters of the first line of a cell in the outline."""
TRACEBACK_LINES = 15
CELL_RISK = "The cells of the notebook and their outputs, unsaved edits included, are sent to the endpoint."
VARIABLE_RISK = "The value of a variable that the model names, or its first rows, is sent to the endpoint."

Seen = Callable[["ShownCell"], None]
"""Is called with each cell whose whole text the model reads."""
Update = Callable[[], str]
"""Makes the cells of the page the current ones, and returns a note for the model if it could not."""


def notebook_tools(
    namespace: Mapping[str, Any], page: Page, seen: Seen = lambda _: None, update: Update = str
) -> list[Tool]:
    """Make the tools `read_cells`, `get_errors` and `read_variable`."""
    return [
        builtin_tool(read_cells, page, seen, update, risk=CELL_RISK, beside_cells=True),
        builtin_tool(get_errors, page, risk=CELL_RISK, beside_cells=True),
        builtin_tool(read_variable, namespace, risk=VARIABLE_RISK, beside_cells=True),
    ]


def read_cells(
    page: Page,
    seen: Seen,
    update: Update,
    cells: Annotated[
        str,
        Field(
            strict=True,
            description="Which cells: names such as #9f2a, numbers, or a range such as 3-7, separated by commas. "
            "Without it, an outline of the whole notebook is returned.",
        ),
    ] = "",
) -> str:
    """Read the user's notebook as it is on the page now: an outline, or cells with their text and outputs.

    Answers of a model are left out of the outputs. A cell that was edited since it ran is marked.
    """
    note, shown = update(), page()
    if not cells.strip():
        return _with_note(note, _outline(shown, seen))
    selected = selected_cells(shown, map(str.strip, cells.split(",")))
    return _with_note(note, _in_full(list(dict.fromkeys(each.number for each in selected)), shown, seen))


def get_errors(page: Page) -> str:
    """List the cells of the user's notebook whose last run raised an error, with the end of each traceback."""
    found = [f"{head(each)}\n{_error_text(error)}" for each in page() for error in each.errors]
    return cut("\n\n".join(found), LIMIT) or "No cell shows an error."


def read_variable(
    namespace: Mapping[str, Any],
    name: Annotated[str, Field(strict=True, description="Name of a variable, without attributes or brackets.")],
) -> str:
    """Read a variable of the user's notebook: its type, its shape or size, and its value or first rows."""
    if name not in namespace:
        similar = similar_name(name, [each for each in namespace if not each.startswith("_")], 0.6)
        raise ToolInputError(f"There is no variable {name}.{f' There is {similar}.' if similar else ''}")
    value = namespace[name]
    return f"{name}: {kind_of(value)}\n{as_text(value, LIMIT)}"


def _with_note(note: str, text: str) -> str:
    return f"[{note}]\n{text}" if note else text


def _outline(shown: Sequence[ShownCell], seen: Seen) -> str:
    lines = [_line(each) for each in shown]
    for each, line in zip(shown, lines, strict=True):
        if line == f"{head(each)} {each.cell.source}":
            seen(each)
    title = counted(len(shown), "cell")
    if sum(len(line) + 1 for line in lines) > LIMIT:
        landmarks = [(each, line) for each, line in zip(shown, lines, strict=True) if _is_landmark(each)]
        title += ", of which only headings and errors are listed. Read the others by their numbers"
        lines = [line for _, line in landmarks]
    return cut("\n".join([f"{title}:", *lines]), LIMIT) if shown else "The notebook has no cells."


def _is_landmark(shown: ShownCell) -> bool:
    return bool(shown.errors) or (shown.kind == "markdown" and shown.cell.source.lstrip().startswith("#"))


def _line(shown: ShownCell) -> str:
    source = shown.cell.source.strip()
    first, *rest = source.splitlines() or ["(empty)"]
    more = f" … ({counted(len(rest) + 1, 'line')})" if rest else ""
    error = "".join(f" → {each.get('ename')}" for each in shown.errors[-1:])
    return f"{head(shown)} {excerpt(first, FIRST_LINE)}{more}{error}"


def _in_full(numbers: Sequence[int], shown: Sequence[ShownCell], seen: Seen) -> str:
    """Return the cells with these numbers; those that do not fit are named."""
    texts: list[str] = []
    room = LIMIT
    for place, number in enumerate(numbers):
        text = _cell_text(shown[number - 1])
        if texts and len(text) > room:
            left = ", ".join(map(str, numbers[place : place + 20])) + (", …" if len(numbers) > place + 20 else "")
            return "\n\n".join([*texts, f'[These did not fit: read_cells(cells="{left}")]'])
        texts.append(cut(text, LIMIT))
        seen(shown[number - 1])
        room -= len(text)
    return "\n\n".join(texts)


def _cell_text(shown: ShownCell) -> str:
    output = shown.cell.text
    size = LIMIT // 2
    return "\n".join([head(shown), cut(shown.cell.source, size), *(["[output]", cut(output, size)] if output else [])])


def _error_text(error: Mapping[str, Any]) -> str:
    return "\n".join(output_text(error).splitlines()[-TRACEBACK_LINES:])
