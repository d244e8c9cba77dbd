"""The tools that are built into mm_magics. A prompt offers only those that its flags or settings name.

The tools themselves are imported when they are first needed: they depend on pydantic, which is slow to import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_magics.tools.tool import Tool

if TYPE_CHECKING:
    from mm_magics.history.notebook_context import CellRun

TOOL_NAMES = ("python", "variables", "read_file", "list_files", "write_file", "shell", "search_cells")


def builtin_tools(
    namespace: dict[str, Any], folder: Path, cells: Callable[[], Iterable[CellRun]], shell: Any = None
) -> dict[str, Tool]:
    """Make the built-in tools, by name.

    Args:
        namespace: The user's namespace, for `python` and `variables`.
        folder: Where the file tools and `shell` work, from `paths.folder_of`.
        cells: Returns the notebook's other cells when `search_cells` is called.
        shell: The IPython shell, None in a script.
    """
    from mm_magics.tools.builtin.cells import search_cells_tool
    from mm_magics.tools.builtin.files import file_tools
    from mm_magics.tools.builtin.python import python_tool
    from mm_magics.tools.builtin.shell import shell_tool
    from mm_magics.tools.builtin.variables import variables_tool

    tools = [
        python_tool(namespace, shell),
        variables_tool(namespace),
        *file_tools(folder),
        shell_tool(folder),
        search_cells_tool(cells),
    ]
    return {tool.name: tool for tool in tools}
