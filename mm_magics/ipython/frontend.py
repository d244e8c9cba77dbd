"""Find out which front end sent the request, which cell and notebook it is for, and which view suits it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from mm_magics.batch.progress import MapEvent
from mm_magics.display.ipykernel_compat import broadcast, current_request
from mm_magics.history.cell_matching import SYNTHETIC_ID_PREFIXES, Execution
from mm_magics.history.turn import Turn
from mm_magics.ipython import colab
from mm_magics.ipython.scheduled_cells import ScheduledCells
from mm_magics.tools.approval import Decision
from mm_magics.tools.tool import ToolCall
from mm_magics.turn.driver import View

if TYPE_CHECKING:
    from mm_magics.display.page_output import PageOutput
    from mm_magics.turn.comparison import Comparison, ComparisonEvent

FrontEnd = Literal["terminal", "console", "notebook", "server", "plain"]

TEXT_NOTEBOOKS = (".py", ".md", ".Rmd", ".qmd", ".myst")
"""How the files end that jupytext opens as notebooks. They do not contain outputs."""

WITHOUT_EXTENSION = (
    "The Jupyter server executes the cells of this notebook, and the page has no mm_magics extension: an answer "
    "appears when it is complete, and only the interrupt button stops it."
)
EXTENSION_HINT = "Install mm-magics in the environment of JupyterLab, and reload the page."
ON_ANOTHER_PAGE = (
    "The Jupyter server executes the cells of this notebook, and only the page that connected last can follow them: on "
    "this page an answer appears when it is complete, and only the interrupt button stops it."
)
RELOAD_HINT = "Reload this page to follow the next answers here."


E_contra = TypeVar("E_contra", contravariant=True)


class TurnView(View[E_contra], Protocol[E_contra]):
    """A view that can also ask for approval of tool calls, and that ends with the final bundle."""

    def approve(self, call: ToolCall, /) -> Decision: ...

    def finish(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None: ...


def detect(shell: Any) -> FrontEnd:
    """Return which front end sent the request.

    - `terminal`: IPython
    - `console`: jupyter console
    - `notebook`: a page that runs its own cells and displays widgets
    - `server`: a page with our extension whose cells the Jupyter server executes
    - `plain`: nbclient and similar programs, the Jupyter server for a page without our extension, and pages that do not
      name their cells (Notebook 6)
    """
    if not hasattr(shell, "kernel"):
        return "terminal"
    if _sent_cell_id(shell) or colab.is_colab():
        return "notebook"
    if cell_id(shell):
        return "server"
    is_console = _content(shell).get("allow_stdin") and not _is_page(shell) and not is_server_execution(shell)
    return "console" if is_console else "plain"


def _is_page(shell: Any) -> bool:
    """Return whether a page sent the request: `@jupyterlab/services` and Notebook 6 write this protocol version.

    Consoles and servers use `jupyter_client`, which writes 5.3 or later.
    """
    return (current_request(shell).get("header") or {}).get("version") == "5.2"


def is_server_execution(shell: Any) -> bool:
    """Return whether the Jupyter server executes the cell, instead of the page that shows it."""
    if not hasattr(shell, "kernel") or _sent_cell_id(shell) or _is_page(shell):
        return False
    return bool(cell_id(shell) or _session_notebook())


def missing(shell: Any) -> tuple[str, str]:
    """Return what does not work if the server executes the cells of a page that does not name them, and what to do.

    The page has no extension, or it cannot reach the kernel: jupyter-server-documents connects only one page to it.
    """
    if not is_server_execution(shell) or cell_id(shell):
        return "", ""
    has_page = scheduled_cells(shell).has_page
    return (ON_ANOTHER_PAGE, RELOAD_HINT) if has_page else (WITHOUT_EXTENSION, EXTENSION_HINT)


def cell_id(shell: Any) -> str | None:
    """Return the id of the running cell; None if neither the request nor the page's extension names it."""
    return _sent_cell_id(shell) or scheduled_cells(shell).cell_of(current_request(shell))


def scheduled_cells(shell: Any) -> ScheduledCells:
    """Return the cells that the page of this kernel has named."""
    if not hasattr(shell, "minimax_scheduled_cells"):
        shell.minimax_scheduled_cells = ScheduledCells()
    cells: ScheduledCells = shell.minimax_scheduled_cells
    return cells


def _sent_cell_id(shell: Any) -> str | None:
    """Return the cell id that the request has, if any.

    VS Code sends a URI that contains the notebook's path. Only its fragment, which names the cell, is used.
    """
    request = current_request(shell)
    value = (request.get("metadata") or {}).get("cellId") or colab.cell_id(request)
    if not isinstance(value, str) or not value:
        return None
    return SYNTHETIC_ID_PREFIXES[0] + value.partition("#")[2] if value.startswith("vscode-notebook-cell:") else value


def colab_cell(shell: Any) -> str | None:
    """Return the id of the running cell if Colab's page runs it."""
    return _sent_cell_id(shell) if colab.is_colab() and colab.cell_id(current_request(shell)) else None


def page(shell: Any) -> str:
    """Return the id of the page that sent the request; "" if it was sent by something else, such as the server."""
    return str((current_request(shell).get("header") or {}).get("session") or "") if _sent_cell_id(shell) else ""


def execution(shell: Any) -> Execution | None:
    """Return the request that runs the current cell; None in a terminal or a console, which have no cells."""
    cell = cell_id(shell) or _databricks_command(shell)
    if cell is None and detect(shell) in ("terminal", "console"):
        return None
    header = current_request(shell).get("header") or {}
    page, run = (str(header.get(key) or "") for key in ("session", "msg_id"))
    return Execution(str(_content(shell).get("code") or ""), cell, page, run)


def _databricks_command(shell: Any) -> str | None:
    """Return the id of the running cell on Databricks, as the package vectice reads it (`vectice/autolog.py`)."""
    value = (current_request(shell).get("metadata") or {}).get("commandId")
    return value if isinstance(value, str) and value else None


def _content(shell: Any) -> dict[str, Any]:
    return current_request(shell).get("content") or {}


def notebook_path(shell: Any) -> Path | None:
    """Return the file of the kernel's notebook; None if it is unknown.

    It is named by `JPY_SESSION_NAME` (JupyterLab, Notebook 7), `__vsc_ipynb_file__` (VS Code) or `MINIMAX_NOTEBOOK`.
    """
    names = [shell.user_ns.get("__vsc_ipynb_file__"), os.environ.get("MINIMAX_NOTEBOOK")]
    if hasattr(shell, "kernel"):
        names.insert(0, _session_notebook())
    paths = (Path(name) for name in names if isinstance(name, str) and name.endswith(".ipynb"))
    return next(paths, None)


def _session_notebook() -> str:
    """Return the path of the notebook for which the Jupyter server started this kernel; "" without one.

    If jupytext opened a script or a Markdown file as a notebook, it is the notebook that this file is paired with.
    The child processes of a kernel inherit the variable, and with it the kernels that they start.
    """
    name = session_name = os.environ.get("JPY_SESSION_NAME", "")
    if not name.endswith(".ipynb"):
        if not name.endswith(TEXT_NOTEBOOKS) or not (paired := Path(name).with_suffix(".ipynb")).is_file():
            return ""
        name = str(paired)
    with suppress(Exception):  # the process may have ended, or belong to somebody else
        import psutil

        if psutil.Process(os.getppid()).environ().get("JPY_SESSION_NAME") == session_name:
            return ""
    return name


def view_for(shell: Any, stop: threading.Event, so_far: Callable[[], Turn]) -> TurnView[MapEvent]:
    """Return a new view for the front end.

    Args:
        shell: The IPython shell.
        stop: Set by the view's Stop button.
        so_far: Returns the turn as it is, without the message that is being received.
    """
    front_end = detect(shell)
    if front_end in ("notebook", "server"):
        from mm_magics.display.text_fallback import page_view

        return page_view(stop, so_far, _page_output(shell))
    if front_end == "plain":
        from mm_magics.display.plain import PlainView

        return PlainView()
    from mm_magics.display.terminal import TerminalView, console

    return TerminalView(console(styled=True if front_end == "console" else None))


def comparison_view(shell: Any, stop: threading.Event, comparison: Comparison) -> TurnView[ComparisonEvent]:
    """Return a new view of several answers for the front end.

    Args:
        shell: The IPython shell.
        stop: Set by the view's Stop button.
        comparison: The answers.
    """
    front_end = detect(shell)
    if front_end in ("notebook", "server"):
        from mm_magics.display import comparison_text

        return comparison_text.comparison_view(stop, comparison, _page_output(shell))
    if front_end == "plain":
        from mm_magics.display.plain import PlainView

        return PlainView()
    from mm_magics.display.comparison_terminal import ComparisonTerminalView
    from mm_magics.display.terminal import console

    return ComparisonTerminalView(console(styled=True if front_end == "console" else None), comparison)


def _page_output(shell: Any) -> PageOutput:
    from mm_magics.display.page_output import ServerOutput, WidgetOutput

    return WidgetOutput() if detect(shell) == "notebook" else ServerOutput(broadcast(shell.kernel))
