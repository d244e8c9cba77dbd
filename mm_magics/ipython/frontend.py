"""Which front end asks, and how a turn is shown in it from its first event to the final bundle.

Always true: however a turn ends, its cell ends with exactly one final bundle; it is put in place before an error or an
interrupt goes on.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from mm_magics import interrupts
from mm_magics.batch.progress import MapEvent
from mm_magics.display.answer_format import AnswerFormat
from mm_magics.display.approval_prompt import by_input
from mm_magics.display.bundle import make_bundle, output_metadata
from mm_magics.display.protocol import CellOutput
from mm_magics.errors import TurnInterruptedError
from mm_magics.history.notebook_context import SYNTHETIC_ID_PREFIXES
from mm_magics.history.turn import Turn
from mm_magics.ipython.live_page import LivePage
from mm_magics.tools.approval import Approve, Decision
from mm_magics.tools.tool import ToolCall
from mm_magics.turn.driver import TurnStream, View, drive
from mm_magics.turn.replayed import ReplayedAnswer

Kind = Literal["terminal", "console", "notebook", "plain"]


class Stage(View[MapEvent], Protocol):
    """A view that also takes the final bundle, and knows how to ask whether a tool may be called."""

    def approve(self, call: ToolCall, /) -> Decision: ...

    def finish(self, bundle: dict[str, Any], metadata: dict[str, Any]) -> None: ...


def request_metadata(shell: Any) -> dict[str, Any]:
    """The metadata of the request that runs now; {} where there is none."""
    return dict(_parent(shell).get("metadata") or {})


def _parent(shell: Any) -> dict[str, Any]:
    get_parent = getattr(shell, "get_parent", None)
    return (get_parent() or {}) if get_parent else {}


def cell_id(shell: Any) -> str | None:
    """The id of the cell that runs, where the front end says it.

    VS Code gives a URI with a path in it; only what names the cell in it is kept.
    """
    value = request_metadata(shell).get("cellId")
    if not isinstance(value, str) or not value:
        return None
    return SYNTHETIC_ID_PREFIXES[0] + value.partition("#")[2] if value.startswith("vscode-notebook-cell:") else value


def source(shell: Any) -> str:
    """The source of the cell that runs, "" where it is not known."""
    return str((_parent(shell).get("content") or {}).get("code") or "")


def notebook_path(shell: Any) -> Path | None:
    """The file of the notebook that the kernel belongs to, as far as one can tell; None without one.

    `JPY_SESSION_NAME` (JupyterLab, Notebook 7; inherited by whatever a kernel starts, so only if the request comes
    from a notebook), VS Code's `__vsc_ipynb_file__`, `MINIMAX_NOTEBOOK`.
    """
    named = [shell.user_ns.get("__vsc_ipynb_file__"), os.environ.get("MINIMAX_NOTEBOOK")]
    if kind(shell) == "notebook":
        named.insert(0, os.environ.get("JPY_SESSION_NAME"))
    found = (Path(name) for name in named if isinstance(name, str) and name.endswith(".ipynb"))
    return next(found, None)


def kind(shell: Any) -> Kind:
    """`terminal` (IPython), `console` (jupyter console), `notebook` (has widgets), `plain` (nbclient and the like)."""
    if not hasattr(shell, "kernel"):
        return "terminal"
    if cell_id(shell) or "google.colab" in sys.modules:
        return "notebook"
    return "console" if (_parent(shell).get("content") or {}).get("allow_stdin") else "plain"


def stage(shell: Any, stop: threading.Event) -> Stage:
    """The view for this front end; pressing its Stop sets `stop`."""
    match kind(shell):
        case "notebook":
            from mm_magics.display.widget import WidgetView

            return WidgetView(stop)
        case "plain":
            from mm_magics.display.plain import PlainView

            return PlainView()
        case where:
            from mm_magics.display.terminal import TerminalView, console

            return TerminalView(console(styled=True if where == "console" else None))


def perform(
    answer: TurnStream[MapEvent],
    shell: Any,
    stop: threading.Event,
    *,
    answer_format: AnswerFormat = "markdown",
    quiet: bool = False,
    earlier: Turn | None = None,
    page: LivePage | None = None,
) -> Turn:
    """Show the answer as it comes and give the turn. `earlier` is the cell's turn so far, shown if nothing comes.

    `page` is told what the cell then shows.

    Raises what ended the turn: `EndpointError`, or `TurnInterruptedError` for a KeyboardInterrupt.
    """
    view: Stage | None = None
    approve: Approve = by_input
    notes: Sequence[str] = answer.notes
    try:
        with answer:
            if not quiet and not isinstance(answer, ReplayedAnswer):
                view = stage(shell, stop)
                approve = view.approve
            drive(answer, view, approve)
    except KeyboardInterrupt:
        raise TurnInterruptedError(
            "Interrupted.", "What came is kept." if answer.has_content else "Nothing had come."
        ) from None
    finally:
        with interrupts.deferred():
            turn = answer.close()
            if not answer.has_content and earlier is not None:
                turn, notes = earlier, [*notes, "Nothing came this time; this is the earlier answer."]
            final = partial(make_bundle, turn, answer_format=answer_format, quiet=quiet, notes=notes)
            _finish(view, shell, final(), output_metadata(notes))
            if page is not None:
                output = partial(_output, final, output_metadata(notes))
                page.shown(answer.prompt.cell_id, turn, output, replayed=isinstance(answer, ReplayedAnswer))
    return turn


def _output(final: Callable[[], dict[str, Any]], said: dict[str, Any]) -> CellOutput:
    return {"data": final(), "metadata": said}


def _finish(view: Stage | None, shell: Any, final: dict[str, Any], said: dict[str, Any]) -> None:
    if view is None and kind(shell) != "terminal":
        from mm_magics.display.plain import PlainView

        view = PlainView()
    if view is not None:
        view.finish(final, said)
