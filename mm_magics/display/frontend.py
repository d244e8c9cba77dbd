"""Which front end asks, and how a turn is shown in it from its first event to the final bundle.

Always true: however a turn ends, its cell ends with exactly one final bundle; it is put in place before an error or an
interrupt goes on.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from mm_magics import interrupts
from mm_magics.display.bundle import bundle
from mm_magics.display.form import Form
from mm_magics.errors import Interrupted
from mm_magics.history.turn import Turn
from mm_magics.session import Answer, View

Kind = Literal["terminal", "console", "notebook", "plain"]


class Stage(View, Protocol):
    """A view that also takes the final bundle."""

    def finish(self, bundle: dict[str, Any]) -> None: ...


def request_metadata(shell: Any) -> dict[str, Any]:
    """The metadata of the request that runs now; {} where there is none."""
    return dict(_parent(shell).get("metadata") or {})


def _parent(shell: Any) -> dict[str, Any]:
    get_parent = getattr(shell, "get_parent", None)
    return (get_parent() or {}) if get_parent else {}


def cell_id(shell: Any) -> str | None:
    """The id of the cell that runs, where the front end says it."""
    value = request_metadata(shell).get("cellId")
    return value if isinstance(value, str) and value else None


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
    answer: Answer,
    shell: Any,
    stop: threading.Event,
    *,
    form: Form = "markdown",
    quiet: bool = False,
    earlier: Turn | None = None,
) -> Turn:
    """Show the answer as it comes and give the turn. `earlier` is the cell's turn so far, shown if nothing comes.

    Raises what ended the turn: `EndpointError`, or `Interrupted` for a KeyboardInterrupt.
    """
    view: Stage | None = None
    notes: Sequence[str] = answer.prompt.notes
    try:
        with answer:
            if not quiet:
                view = stage(shell, stop)
            for event in answer.events(lambda: view.due if view else None):
                if view:
                    view.show(event)
    except KeyboardInterrupt:
        raise Interrupted("Interrupted.", "What came is kept." if answer.kept else "Nothing had come.") from None
    finally:
        with interrupts.deferred():
            turn = answer.close()
            if not answer.kept and earlier is not None:
                turn, notes = earlier, [*notes, "Nothing came this time; this is the earlier answer."]
            _finish(view, shell, bundle(turn, form=form, quiet=quiet, notes=notes))
    return turn


def _finish(view: Stage | None, shell: Any, final: dict[str, Any]) -> None:
    if view is None and kind(shell) != "terminal":
        from mm_magics.display.plain import PlainView

        view = PlainView()
    if view is not None:
        view.finish(final)
