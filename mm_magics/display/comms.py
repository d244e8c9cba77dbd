"""What the JupyterLab extension tells the kernel: the document as it stands, unsaved edits included, and Stop.

Always true: both comms are opened by the front end, and the kernel only receives on them; so ipykernel hands Stop to
a subshell at once, while a cell runs. Without the extension nothing here is ever called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

DOCUMENT = "mm_magics.document"
CONTROL = "mm_magics.control"

Received = Callable[[dict[str, Any]], None]


def listen(shell: Any, document: Received, stop: Callable[[], None]) -> None:
    """Call `document` with each description of the notebook, and `stop` when Stop is asked for."""
    manager = getattr(getattr(shell, "kernel", None), "comm_manager", None)
    if manager is None:
        return

    def control(data: dict[str, Any]) -> None:
        if data.get("type") == "stop":
            stop()

    for target, received in ((DOCUMENT, document), (CONTROL, control)):
        manager.register_target(target, _opened(received))


def _opened(received: Received) -> Callable[[Any, dict[str, Any]], None]:
    def take(message: dict[str, Any]) -> None:
        data = message.get("content", {}).get("data")
        if isinstance(data, dict) and data:
            received(data)

    def opened(comm: Any, message: dict[str, Any]) -> None:
        comm.on_msg(take)
        take(message)

    return opened
