"""The tools that come with mm_magics. They are off: a prompt offers those that its flags or settings name.

Always true: each one says its risk, and those that act ask before each call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_magics.tools.builtin.cells import search_cells
from mm_magics.tools.builtin.files import file_tools
from mm_magics.tools.builtin.python import python, variables
from mm_magics.tools.builtin.shell import shell as shell_tool
from mm_magics.tools.tool import Tool

if TYPE_CHECKING:
    from mm_magics.history.notebook_context import Ran


TOOL_NAMES = ("python", "variables", "read_file", "list_files", "write_file", "shell", "search_cells")


def builtin_tools(
    namespace: dict[str, Any], folder: Path, cells: Callable[[], Iterable[Ran]], shell: Any = None
) -> dict[str, Tool]:
    """The built-in tools by name, bound to what they work on.

    `namespace` is the user's, `folder` what `folder_of` gives, `cells` gives the notebook's other cells when asked, and
    `shell` is the IPython shell, None in a script.
    """
    tools = [
        python(namespace, shell),
        variables(namespace),
        *file_tools(folder),
        shell_tool(folder),
        search_cells(cells),
    ]
    return {tool.name: tool for tool in tools}
