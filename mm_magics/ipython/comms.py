"""Receive messages from the JupyterLab extension: descriptions of the notebook, and Stop.

The page opens both comms; without the extension nothing here is called. The kernel never sends on the control comm, so
that ipykernel handles Stop in a subshell at once, while a cell runs. A description of the notebook waits until the
kernel is idle, and can be answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mm_magics.display.protocol import CONTROL_COMM, DOCUMENT_COMM, DocumentAnswer, is_stop

Send = Callable[[DocumentAnswer], None]
Receive = Callable[[dict[str, Any], Send], None]


def register_comms(shell: Any, receive_document: Receive, stop: Callable[[], None]) -> None:
    """Register the comm targets with the kernel.

    Args:
        shell: The IPython shell; without a kernel nothing is registered.
        receive_document: Called with each description of the notebook and a function that answers it.
        stop: Called for each Stop.
    """
    manager = getattr(getattr(shell, "kernel", None), "comm_manager", None)
    if manager is None:
        return

    def receive_control(data: dict[str, Any], _send: Send) -> None:
        if is_stop(data):
            stop()

    for target, receive in ((DOCUMENT_COMM, receive_document), (CONTROL_COMM, receive_control)):
        manager.register_target(target, _target(receive))


def _target(receive: Receive) -> Callable[[Any, dict[str, Any]], None]:
    """Return the function that the comm manager calls with each new comm and its first message."""

    def open_comm(comm: Any, message: dict[str, Any]) -> None:
        def handle(message: dict[str, Any]) -> None:
            data = message.get("content", {}).get("data")
            if isinstance(data, dict) and data:
                receive(data, send)

        send = comm.send
        comm.on_msg(handle)
        handle(message)

    return open_comm
