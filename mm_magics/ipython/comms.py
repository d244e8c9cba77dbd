"""The comms with the JupyterLab extension: the document as it stands, unsaved edits included, and Stop.

Always true: both are opened by the front end. On the control comm the kernel only receives, so that ipykernel hands
Stop to a subshell at once, while a cell runs; a description of the document waits its turn, and may be answered.
Without the extension nothing here is ever called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mm_magics.display.protocol import CONTROL_COMM, DOCUMENT_COMM, DocumentAnswer, is_stop

Send = Callable[[DocumentAnswer], None]
Received = Callable[[dict[str, Any], Send], None]


def listen(shell: Any, document: Received, stop: Callable[[], None]) -> None:
    """Call `document` with each description of the notebook and what answers it, and `stop` when Stop is asked for."""
    manager = getattr(getattr(shell, "kernel", None), "comm_manager", None)
    if manager is None:
        return

    def control(data: dict[str, Any], _send: Send) -> None:
        if is_stop(data):
            stop()

    for target, received in ((DOCUMENT_COMM, document), (CONTROL_COMM, control)):
        manager.register_target(target, _opened(received))


def _opened(received: Received) -> Callable[[Any, dict[str, Any]], None]:
    def opened(comm: Any, message: dict[str, Any]) -> None:
        def take(message: dict[str, Any]) -> None:
            data = message.get("content", {}).get("data")
            if isinstance(data, dict) and data:
                received(data, send)

        send = comm.send
        comm.on_msg(take)
        take(message)

    return opened
