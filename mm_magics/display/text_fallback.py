"""The view for a page that may be unable to draw widgets: if none answers, the text streams through display updates.

Where a page answers while its cell runs, the widget replaces the text again. Where messages of pages wait until the
cell has ended (ipykernel 6, VS Code), an answer counts for the next turns of the kernel.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any, Generic, Protocol, TypeGuard, TypeVar

from mm_magics.batch.progress import MapEvent, Progress
from mm_magics.display.page_output import PageOutput, WidgetOutput
from mm_magics.display.page_view import PageView
from mm_magics.display.terminal import TerminalView
from mm_magics.display.turn_channel import page_answered
from mm_magics.events import Idle
from mm_magics.history.turn import Turn
from mm_magics.tools.approval import Decision
from mm_magics.tools.tool import ToolCall
from mm_magics.turn.driver import View

E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)

WAIT_S = 1.0
"""Seconds for a page to answer."""

UPDATE_S = 0.1
"""Seconds between two updates of the text."""

CHARACTERS_PER_S = 200_000
"""How much text is sent in a second, because each update contains all of it."""


def page_view(
    stop: threading.Event, so_far: Callable[[], Turn], output: PageOutput, *, has_prompt: bool = True
) -> PageView | TextFallback[MapEvent]:
    """Return the view for an output; the arguments are those of `PageView`."""
    view = PageView(stop, so_far, output, has_prompt=has_prompt)
    return TextFallback(view, output, so_far, TurnText()) if needs_text(output) else view


def needs_text(output: PageOutput) -> TypeGuard[WidgetOutput]:
    """Return whether no page has answered yet that draws widgets."""
    return isinstance(output, WidgetOutput) and not page_answered.is_set()


class Text(Protocol[E_contra]):
    """The text of a turn, which grows with its events."""

    def show(self, event: E_contra, /) -> None: ...


class ViewOnPage(View[E_contra], Protocol[E_contra]):
    """A view that sends to pages."""

    def approve(self, call: ToolCall, /) -> Decision: ...

    def finish(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None: ...


class TextFallback(Generic[E]):
    """A view that shows its turn as text, as a terminal does, from `WAIT_S` on until a page answers.

    Args:
        view: The view, which continues to send to pages.
        output: Its output.
        so_far: Returns the turn as it is.
        text: The text, as `str` returns it.
    """

    def __init__(self, view: ViewOnPage[E], output: WidgetOutput, so_far: Callable[[], Turn], text: Text[E]) -> None:
        self._view, self._output, self._so_far, self._text = view, output, so_far, text
        self._events: list[E] = []
        self._shown = ""
        self._next = time.monotonic() + WAIT_S
        self.due: float | None = None

    def show(self, event: E) -> None:
        """Send what the event changes to pages, and show the text if it is time."""
        self._view.show(event)
        if page_answered.is_set():
            if self._shown:
                self._output.display_again(self._so_far())
            self._events, self._shown, self.due = [], "", self._view.due
            return
        if not isinstance(event, Idle):
            self._events.append(event)
        if self._events and time.monotonic() >= self._next:
            self._update()
        times = [each for each in (self._view.due, self._next if self._events else None) if each is not None]
        self.due = min(times, default=None)

    def approve(self, call: ToolCall) -> Decision:
        return self._view.approve(call)

    def finish(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        self._view.finish(bundle, metadata)

    def _update(self) -> None:
        for each in self._events:
            self._text.show(each)
        self._events = []
        if (text := str(self._text)) != self._shown:
            self._shown = text
            self._output.show_text(self._so_far(), text)
        self._next = time.monotonic() + max(UPDATE_S, len(text) / CHARACTERS_PER_S)


class TurnText:
    """The text of a turn, as a terminal without styles shows it."""

    def __init__(self) -> None:
        self._file = StringIO()
        self._view: TerminalView | None = None
        self._progress = ""

    def show(self, event: MapEvent) -> None:
        self._writer().show(event)
        if isinstance(event, Progress):
            self._progress = str(event)

    def write_line(self, line: str) -> None:
        self._writer().write_line(line)

    def __str__(self) -> str:
        return f"{self._file.getvalue()}{self._progress}"

    def _writer(self) -> TerminalView:
        if self._view is None:
            from rich.console import Console  # most pages answer

            self._view = TerminalView(Console(file=self._file, force_terminal=False, force_jupyter=False, width=1_000))
        return self._view
