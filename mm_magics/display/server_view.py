"""The view for a page whose cells the Jupyter server executes.

The server adds each output to the shared document, and cannot replace one. So nothing is displayed while a turn
streams: the extension draws it below the cell from the messages of the turn. The final bundle is the only output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mm_magics.display.turn_channel import TurnChannel
from mm_magics.display.uncaptured import uncaptured
from mm_magics.display.widget import WidgetView
from mm_magics.history.turn import Turn


class ServerView(WidgetView):
    """A `WidgetView` without a widget.

    Args:
        send: Sends data on a comm to all pages.
    """

    def __init__(self, send: Callable[[Mapping[str, Any]], None], *args: Any) -> None:
        self._send = send
        super().__init__(*args)

    def _open_channel(self, turn: Turn) -> TurnChannel:
        return TurnChannel(turn, self._send, self._receive, displayed=False)

    def _display(self, turn: Turn) -> None:
        pass

    def _display_final(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        from IPython.display import display

        with uncaptured():
            display(bundle, raw=True, metadata=metadata)  # type: ignore[no-untyped-call]
