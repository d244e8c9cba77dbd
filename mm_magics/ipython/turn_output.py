"""Show a turn in the output of its cell, from the first event to the final bundle.

However a turn ends, its cell ends with exactly one final bundle. It is displayed before an error or an interrupt
propagates.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from IPython.core.displaypub import CapturingDisplayPublisher

from mm_magics import interrupts
from mm_magics.display.answer_format import AnswerFormat
from mm_magics.display.approval_prompt import prompt_for_approval
from mm_magics.display.protocol import CellOutput
from mm_magics.errors import EndpointError, MiniMaxError, TurnInterruptedError
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.ipython import frontend
from mm_magics.ipython.frontend import TurnView
from mm_magics.ipython.live_page import LivePage
from mm_magics.tools.approval import Approve
from mm_magics.turn.driver import TurnStream, drive
from mm_magics.turn.replayed import ReplayedAnswer
from mm_magics.turn.waiting_answer import WaitingAnswer

E = TypeVar("E")


def show_turn(
    stream: TurnStream[E],
    shell: Any,
    stop: threading.Event,
    *,
    view_for: Callable[[Any, threading.Event], TurnView[E]],
    replayed: bool = False,
    answer_format: AnswerFormat = "markdown",
    quiet: bool = False,
    earlier: Turn | None = None,
    page: LivePage | None = None,
    in_cell: bool = True,
    then: Callable[[Turn], None] | None = None,
) -> Turn:
    """Show a turn while it streams, end its cell with the final bundle, and return the turn.

    Args:
        stream: The turn, not yet entered.
        shell: The IPython shell of the cell.
        stop: Set by the view's Stop button.
        view_for: Returns a view of the turn.
        replayed: Nothing is sent, so only the end of the turn is shown.
        answer_format: How the answer's text is displayed.
        quiet: Show one folded line instead of the answer, as is done below `%%capture`, which captures a copy of it.
        earlier: The cell's current turn; it is shown again if nothing is received.
        page: The live page, which learns the cell's output.
        in_cell: Whether the cell is still running.
        then: Called with the turn at the end, unless it was recorded earlier.

    Raises:
        EndpointError: The endpoint failed.
        TurnInterruptedError: The user interrupted the kernel.
    """
    view: TurnView[E] | None = None
    approve: Approve = prompt_for_approval
    captured = in_cell and isinstance(getattr(shell, "display_pub", None), CapturingDisplayPublisher)
    quiet = quiet or captured
    failure: MiniMaxError | None = None
    try:
        with stream:
            if not in_cell or not (quiet or (replayed and frontend.detect(shell) != "terminal")):
                view = view_for(shell, stop)
                approve = view.approve
            drive(stream, view, approve)
    except MiniMaxError as error:
        failure = error
        raise
    except KeyboardInterrupt:
        advice = "The partial response is kept." if stream.has_content else "No response was received."
        raise TurnInterruptedError("Interrupted.", advice) from None
    finally:
        with interrupts.deferred():
            turn, notes = stream.close(), stream.notes
            turn = page.with_changes(turn) if page is not None else turn
            if not stream.has_content and earlier is not None:
                turn = earlier
                nothing = "No response was received this time; this is the earlier answer."
                why = [str(failure)] if failure is not None and not in_cell else []
                notes = [*stream.prompt.turn_notes, *notes, *why, nothing]
            output = partial(_output, turn, notes, answer_format, quiet)
            _finish(view, shell, output())
            if isinstance(failure, EndpointError) and turn.error and not quiet and in_cell:
                # a log, such as papermill's, has the error and not the output above it
                failure.is_shown = frontend.detect(shell) in ("notebook", "server")
            if captured and stream.has_content:
                _display_copy(turn, answer_format)
            if page is not None:
                page.record_output(stream.prompt.cell_id, turn, output, replayed=replayed or is_replayed(stream))
    if then is not None and turn is not earlier and not (replayed or is_replayed(stream)):
        then(turn)
    return turn


def is_replayed(stream: TurnStream[Any]) -> bool:
    """Return whether the turn is one that was recorded."""
    return isinstance(stream.answer if isinstance(stream, WaitingAnswer) else stream, ReplayedAnswer)


def show_earlier(turn: Turn, shell: Any, page: LivePage) -> None:
    """Show the turn of a cell again, which runs without sending a prompt."""
    output = partial(_output, turn, ["Nothing was sent this time; this is the earlier answer."])
    _finish(None, shell, output())
    page.record_output(turn.cell_id, turn, output, replayed=False)


def _output(
    turn: Turn, notes: Sequence[str], answer_format: AnswerFormat = "markdown", quiet: bool = False
) -> CellOutput:
    from mm_magics.display.mime_bundle import make_bundle, output_metadata

    bundle = make_bundle(turn, answer_format=answer_format, quiet=quiet, notes=notes)
    return {"data": bundle, "metadata": output_metadata(notes)}


def _display_copy(turn: Turn, answer_format: AnswerFormat) -> None:
    """Display the answer without the record, which is in the output of the cell."""
    from IPython.display import display

    from mm_magics.display.mime_bundle import make_bundle

    bundle = make_bundle(turn, answer_format=answer_format)
    display({kind: data for kind, data in bundle.items() if kind != MIME_TYPE}, raw=True)  # type: ignore[no-untyped-call]


def _finish(view: TurnView[E] | None, shell: Any, output: CellOutput) -> None:
    if view is None and frontend.detect(shell) != "terminal":
        from mm_magics.display.plain import PlainView

        view = PlainView()
    if view is not None:
        view.finish(output["data"], output["metadata"])
