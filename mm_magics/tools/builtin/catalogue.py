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

NOTEBOOK = "notebook"
"""The name of the tools that read the page, in `--tools`."""
NO_NOTEBOOK = "The tools of the notebook are not offered: mm_magics knows of no notebook here."
NOTEBOOK_TOOLS = ("read_cells", "get_errors", "read_variable")
TOOL_NAMES = ("python", "variables", "read_file", "list_files", "write_file", "shell", "search_cells", *NOTEBOOK_TOOLS)


def builtin_tools(
    namespace: dict[str, Any],
    folder: Path,
    cells: Callable[[], Iterable[CellRun]],
    shell: Any = None,
    page: Callable[[], Sequence[ShownCell]] | None = None,
) -> dict[str, Tool]:
    """Make the built-in tools, by name.

    Args:
        namespace: The user's namespace, for `python` and `variables`.
        folder: Where the file tools and `shell` work, from `paths.folder_of`.
        cells: Returns the notebook's other cells when `search_cells` is called.
        shell: The IPython shell, None in a script.
        page: Returns the cells of the notebook when a tool is called; None if there is no notebook, so that the tools
            that read it are not made.
    """
    from mm_magics.tools.builtin.cells import search_cells_tool
    from mm_magics.tools.builtin.files import file_tools
    from mm_magics.tools.builtin.notebook import notebook_tools
    from mm_magics.tools.builtin.python import python_tool
    from mm_magics.tools.builtin.shell import shell_tool
    from mm_magics.tools.builtin.variables import variables_tool

    tools = [
        python_tool(namespace, shell),
        variables_tool(namespace),
        *file_tools(folder),
        shell_tool(folder),
        search_cells_tool(cells),
        *(notebook_tools(namespace, page) if page else ()),
    ]
    return {tool.name: tool for tool in tools}
