"""The tools of `--tools notebook` that add, edit, move and delete cells. The user decides about each change.

The page makes a change only if the cell has the text that the model has read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import Field

from mm_magics.errors import ToolInputError
from mm_magics.tools.builtin.named_cells import head
from mm_magics.tools.builtin.turn_changes import TurnChanges
from mm_magics.tools.builtin.typed_function import builtin_tool
from mm_magics.tools.notebook_changes import Change
from mm_magics.tools.tool import Tool, ToolOutput
from mm_magics.wording import counted

EDIT_RISK = "Changes the notebook on the page. You accept or reject each change, unless the setting edits is accept."

CellName = Annotated[str, Field(strict=True, description="The name of the cell, such as #9f2a, or its number.")]
Below = Annotated[
    str,
    Field(
        strict=True, description="The name of the cell below which it comes; top or end for the first or last place."
    ),
]


def edit_tools(turn: TurnChanges) -> list[Tool]:
    """Make the tools `insert_cell`, `edit_cell`, `move_cell` and `delete_cell`."""
    functions: list[Callable[..., Any]] = [insert_cell, edit_cell, move_cell, delete_cell]
    waits = turn.edits == "ask"
    return [
        replace(builtin_tool(each, turn, risk=EDIT_RISK, beside_cells=True), ends_itself=waits, over=turn.over)
        for each in functions
    ]


def insert_cell(
    turn: TurnChanges,
    below: Below,
    source: Annotated[str, Field(strict=True, description="The text of the new cell.")],
    kind: Annotated[Literal["code", "markdown"], Field(description="The type of the cell.")] = "code",
) -> ToolOutput:
    """Propose a new cell in the user's notebook. The result says whether the user accepted it, and its name."""
    place = turn.place(below)
    return turn.make(Change(turn.turn, "insert", str(uuid4()), after=source, cell_type=kind, below=place))


def edit_cell(
    turn: TurnChanges,
    cell: CellName,
    search: Annotated[
        str,
        Field(
            strict=True, description="The text to replace, exactly as it is in the cell. It must occur exactly once."
        ),
    ],
    replacement: Annotated[str, Field(strict=True, description="The text in its place.")],
) -> ToolOutput:
    """Propose to replace a part of a cell that you have read. The result says whether the user accepted it."""
    found = turn.cell_as_read(cell)
    source = found.cell.source
    if (times := source.count(search)) != 1:
        occurs = "does not occur" if times == 0 else f"occurs {counted(times, 'time')}"
        raise ToolInputError(f"The text to replace {occurs} in {head(found)}.", "It must occur exactly once.")
    after = source.replace(search, replacement)
    if after == source:
        raise ToolInputError("The replacement is the same text.")
    return turn.make(Change(turn.turn, "edit", found.cell.id, before=source, after=after))


def move_cell(turn: TurnChanges, cell: CellName, below: Below) -> ToolOutput:
    """Propose to move a cell of the user's notebook."""
    found, place = turn.cell(cell), turn.place(below)
    if place == found.cell.id:
        raise ToolInputError("A cell cannot be moved below itself.")
    return turn.make(Change(turn.turn, "move", found.cell.id, before=found.cell.source, below=place))


def delete_cell(turn: TurnChanges, cell: CellName) -> ToolOutput:
    """Propose to delete a cell that you have read from the user's notebook."""
    found = turn.cell_as_read(cell)
    return turn.make(Change(turn.turn, "delete", found.cell.id, before=found.cell.source))
