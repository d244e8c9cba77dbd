"""Where a page displays a running turn, and how the final bundle gets there.

A page that runs its own cells displays an output: the JupyterLab extension draws the turn, and on a page without it, an
anywidget does. The widget's code is sent once per kernel, by the runtime widget; the widget of a turn is a stub that
finds it. What highlights code and typesets formulas is twice as large and is sent after the first text. At the end the
final bundle replaces the output.

If the Jupyter server executes the cells, it adds each output to the shared document, and cannot replace one. So nothing
is displayed while a turn streams: the extension draws it below the cell from the messages of the turn. The final bundle
is the only output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import anywidget
import traitlets
from IPython.display import DisplayHandle, display
from ipywidgets import Layout

from mm_magics.display.ipykernel_compat import receive_while_busy, thread_safe_send
from mm_magics.display.protocol import TurnOp
from mm_magics.display.turn_channel import TurnChannel, page_answered
from mm_magics.display.uncaptured import uncaptured
from mm_magics.front_end_files import typesetting_source, widget_source
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.text import without_surrogates

UNFINISHED = "MiniMax is answering. If this text is in a saved notebook, the answer was not complete when it was saved."

Receive = Callable[[object], None]


class Channel(Protocol):
    """Where a view sends the ops of a turn."""

    def send(self, ops: Sequence[TurnOp], /) -> None: ...

    def close(self) -> None: ...


class PageOutput(Protocol):
    """The output of one turn on the page."""

    def open_channel(self, turn: Turn, receive: Receive, /) -> Channel:
        """Return the channel to the page. `receive` is called with each message from it."""

    def display(self, turn: Turn, /) -> None:
        """Display the turn. The channel has sent its record."""

    def send_typesetting(self) -> None:
        """Send what highlights code and typesets formulas. Called once the page has text to show."""

    def finish(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any], /) -> None:
        """Display the final bundle in its place."""


def read_sources() -> None:
    """Read the code that a page with widgets is sent, so that the first answer does not wait for the files."""
    widget_source("runtime.js")
    widget_source("stub.js")
    typesetting_source()


class CodeWidget(anywidget.AnyWidget):
    """Sends code of the front end. It is never displayed, and lives as long as the kernel."""

    _esm = traitlets.Unicode().tag(sync=True)


class TurnWidget(anywidget.AnyWidget):
    """The widget of one turn. Its state on the page comes from the messages it receives."""

    _esm = traitlets.Unicode().tag(sync=True)


@cache
def _layout() -> Layout:
    return Layout()


@cache
def _send_once(source: str) -> CodeWidget:
    return CodeWidget(_esm=source, layout=_layout())


_ended: list[TurnWidget] = []
"""The widget of the last turn, while no page has answered: the answer may wait until the cell has ended."""


def _close(widget: TurnWidget) -> None:
    _ended.append(widget)
    while len(_ended) > (0 if page_answered.is_set() else 1):
        _ended.pop(0).close()


class WidgetOutput:
    """An output that the final bundle replaces."""

    def __init__(self) -> None:
        _send_once(widget_source("runtime.js"))
        self._widget = TurnWidget(_esm=widget_source("stub.js"), layout=_layout())
        self._handle: Any = DisplayHandle()  # type: ignore[no-untyped-call]

    def open_channel(self, turn: Turn, receive: Receive) -> TurnChannel:
        widget = self._widget
        widget.on_msg(lambda _widget, content, _buffers: receive(content))
        receive_while_busy(widget.comm)
        return TurnChannel(turn, thread_safe_send(widget.comm), receive)

    def display(self, turn: Turn) -> None:
        """Display what the extension draws, the record, and what any other page draws, the widget."""
        bundle, metadata = self._running_bundle(turn)
        with uncaptured():
            self._handle.display(bundle, raw=True, metadata=metadata)

    def display_again(self, turn: Turn) -> None:
        """Display the turn in place of its text."""
        self._update(*self._running_bundle(turn))

    def show_text(self, turn: Turn, text: str) -> None:
        """Display a text in place of the widget."""
        self._update(without_surrogates({MIME_TYPE: turn.record(), "text/plain": text}), {})

    def send_typesetting(self) -> None:
        if source := typesetting_source():
            _send_once(source)

    def finish(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        self._update(bundle, metadata)
        _close(self._widget)

    def _running_bundle(self, turn: Turn) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        data, metadata = self._widget._repr_mimebundle_() or ({}, {})
        return without_surrogates({**data, MIME_TYPE: turn.record(), "text/plain": UNFINISHED}), metadata

    def _update(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        with uncaptured():
            self._handle.update(bundle, raw=True, metadata=metadata)


class BackgroundOutput(WidgetOutput):
    """An output of a cell that has returned when the final bundle replaces it.

    `send` sends iopub messages from any thread, as part of the request of that cell.
    """

    def __init__(self, send: Callable[[str, Mapping[str, Any]], None]) -> None:
        super().__init__()
        self._send = send

    def _update(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        transient = {"display_id": self._handle.display_id}
        self._send("update_display_data", {"data": bundle, "metadata": metadata, "transient": transient})


class ServerOutput:
    """The output of a cell that the Jupyter server executes. `send` sends data on a comm to all pages."""

    def __init__(self, send: Callable[[Mapping[str, Any]], None]) -> None:
        self._send = send

    def open_channel(self, turn: Turn, receive: Receive) -> TurnChannel:
        return TurnChannel(turn, self._send, receive, displayed=False)

    def display(self, turn: Turn) -> None:
        """Display nothing yet."""

    def send_typesetting(self) -> None:
        """Send nothing: only a page with the extension shows the turn."""

    def finish(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        with uncaptured():
            display(bundle, raw=True, metadata=metadata)  # type: ignore[no-untyped-call]
