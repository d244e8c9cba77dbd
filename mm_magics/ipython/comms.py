"""Receive messages from the JupyterLab extension: descriptions of the notebook, and requests about the running turn.

Without the extension nothing here is called. A description of the notebook waits until the kernel is idle, and can be
answered. A request about the running turn, such as Stop, is answered at once, while a cell runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mm_magics.display.ipykernel_compat import answer_on_control
from mm_magics.display.protocol import DOCUMENT_COMM, REQUEST_TARGET, DocumentAnswer
from mm_magics.display.turn_channel import PageHandlers, answer_page, page_answered

Send = Callable[[DocumentAnswer], None]
Receive = Callable[[dict[str, Any], Send], None]


def register_comms(shell: Any, receive_document: Receive, handlers: PageHandlers) -> None:
    """Register with the kernel what receives the page's messages.

    Args:
        shell: The IPython shell; without a kernel nothing is registered.
        receive_document: Called with each description of the notebook and a function that answers it.
        handlers: Answers the requests of the page.
    """
    kernel = getattr(shell, "kernel", None)
    manager = getattr(kernel, "comm_manager", None)
    if manager is not None:
        manager.register_target(DOCUMENT_COMM, _target(receive_document))
        answer_on_control(kernel, REQUEST_TARGET, lambda each: answer_page(each, handlers))


def _target(receive: Receive) -> Callable[[Any, dict[str, Any]], None]:
    """Return the function that the comm manager calls with each new comm and its first message."""

    def open_comm(comm: Any, message: dict[str, Any]) -> None:
        def handle(message: dict[str, Any]) -> None:
            data = message.get("content", {}).get("data")
            if isinstance(data, dict) and data:
                receive(data, send)

        page_answered.set()
        send = comm.send
        comm.on_msg(handle)
        handle(message)

    return open_comm
