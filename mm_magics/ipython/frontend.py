"""Find out which front end sent the request, which cell and notebook it is for, and which view suits it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from mm_magics.batch.progress import MapEvent
from mm_magics.display.ipykernel_compat import current_request
from mm_magics.history.notebook_context import SYNTHETIC_ID_PREFIXES
from mm_magics.tools.approval import Decision
from mm_magics.tools.tool import ToolCall
from mm_magics.turn.driver import View

FrontEnd = Literal["terminal", "console", "notebook", "plain"]


class TurnView(View[MapEvent], Protocol):
    """A view that can also ask for approval of tool calls, and that ends with the final bundle."""

    def approve(self, call: ToolCall, /) -> Decision: ...

    def finish(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None: ...


def detect(shell: Any) -> FrontEnd:
    """Return `terminal` (IPython), `console` (jupyter console), `notebook` (has widgets) or `plain` (nbclient etc.)."""
    if not hasattr(shell, "kernel"):
        return "terminal"
    if cell_id(shell) or "google.colab" in sys.modules:
        return "notebook"
    return "console" if _content(shell).get("allow_stdin") else "plain"


def cell_id(shell: Any) -> str | None:
    """Return the id of the running cell; None if the front end does not send it.

    VS Code sends a URI that contains the notebook's path. Only its fragment, which names the cell, is used.
    """
    value = (current_request(shell).get("metadata") or {}).get("cellId")
    if not isinstance(value, str) or not value:
        return None
    return SYNTHETIC_ID_PREFIXES[0] + value.partition("#")[2] if value.startswith("vscode-notebook-cell:") else value


def source(shell: Any) -> str:
    """Return the source of the running cell; "" if it is unknown."""
    return str(_content(shell).get("code") or "")


def _content(shell: Any) -> dict[str, Any]:
    return current_request(shell).get("content") or {}


def notebook_path(shell: Any) -> Path | None:
    """Return the file of the kernel's notebook; None if it is unknown.

    It is named by `JPY_SESSION_NAME` (JupyterLab, Notebook 7), `__vsc_ipynb_file__` (VS Code) or `MINIMAX_NOTEBOOK`.
    Child processes of a kernel inherit `JPY_SESSION_NAME`, so it counts only if the request comes from a notebook.
    """
    names = [shell.user_ns.get("__vsc_ipynb_file__"), os.environ.get("MINIMAX_NOTEBOOK")]
    if detect(shell) == "notebook":
        names.insert(0, os.environ.get("JPY_SESSION_NAME"))
    paths = (Path(name) for name in names if isinstance(name, str) and name.endswith(".ipynb"))
    return next(paths, None)


def view_for(shell: Any, stop: threading.Event) -> TurnView:
    """Return a new view for the front end. Its Stop button sets `stop`."""
    match detect(shell):
        case "notebook":
            from mm_magics.display.widget import WidgetView

            return WidgetView(stop)
        case "plain":
            from mm_magics.display.plain import PlainView

            return PlainView()
        case front_end:
            from mm_magics.display.terminal import TerminalView, console

            return TerminalView(console(styled=True if front_end == "console" else None))
