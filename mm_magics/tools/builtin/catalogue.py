"""The tools that are built into mm_magics. A prompt offers only those that its flags or settings name.

The tools themselves are imported when they are first needed: they depend on pydantic, which is slow to import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_magics.tools.tool import Tool

if TYPE_CHECKING:
    from mm_magics.history.notebook_context import CellRun
    from mm_magics.history.shown_cells import ShownCell
    from mm_magics.tools.builtin.turn_changes import TurnChanges

NOTEBOOK = "notebook"
"""The name of the tools that read and change the page, in `--tools`."""
NO_NOTEBOOK = "The tools of the notebook are not offered: mm_magics knows of no notebook here."
NO_PAGE = "The model can only read the notebook here: no page with the mm_magics extension shows it."
READ_TOOLS = ("read_cells", "get_errors", "read_variable")
RUN_CELL = "run_cell"
CHANGE_TOOLS = ("insert_cell", "edit_cell", "move_cell", "delete_cell", RUN_CELL)
NOTEBOOK_TOOLS = (*READ_TOOLS, *CHANGE_TOOLS)
TOOL_NAMES = ("python", "variables", "read_file", "list_files", "write_file", "shell", "search_cells", *NOTEBOOK_TOOLS)


def builtin_tools(
    namespace: dict[str, Any],
    folder: Path,
    cells: Callable[[], Iterable[CellRun]],
    shell: Any = None,
    page: Callable[[], Sequence[ShownCell]] | None = None,
    turn: TurnChanges | None = None,
    update: Callable[[], str] = str,
) -> dict[str, Tool]:
    """Make the built-in tools, by name.

    Args:
        namespace: The user's namespace, for `python` and `variables`.
        folder: Where the file tools and `shell` work, from `paths.folder_of`.
        cells: Returns the notebook's other cells when `search_cells` is called.
        shell: The IPython shell, None in a script.
        page: Returns the cells of the notebook when a tool is called; None if there is no notebook, so that the tools
            that read it are not made.
        turn: What the turn may change in the notebook, and whether it may run cells; None for nothing.
        update: Makes the cells of the page the current ones. Returns a note for the model if it could not.
    """
    from mm_magics.tools.builtin.cells import search_cells_tool
    from mm_magics.tools.builtin.files import file_tools
    from mm_magics.tools.builtin.notebook import notebook_tools
    from mm_magics.tools.builtin.python import python_tool
    from mm_magics.tools.builtin.shell import shell_tool
    from mm_magics.tools.builtin.variables import variables_tool

    changing: list[Tool] = []
    if turn is not None and turn.can_change:
        from mm_magics.tools.builtin.notebook_edits import edit_tools
        from mm_magics.tools.builtin.run_cell import run_tool

        changing = [*edit_tools(turn), *([run_tool(turn)] if turn.can_run else ())]
    tools = [
        python_tool(namespace, shell),
        variables_tool(namespace),
        *file_tools(folder),
        shell_tool(folder),
        search_cells_tool(cells),
        *(notebook_tools(namespace, page, turn.see if turn else lambda _: None, update) if page else ()),
        *changing,
    ]
    return {tool.name: tool for tool in tools}


def any_turn() -> TurnChanges:
    """Return the changes of no turn, to describe the tools that change the notebook."""
    from mm_magics.tools.builtin.turn_changes import TurnChanges
    from mm_magics.tools.notebook_changes import NotebookChanges

    changes = NotebookChanges(lambda _: None, lambda _: None, lambda: None)
    return TurnChanges(changes, list, can_change=True, can_run=True)
