"""The parts of ipykernel that we use and that may change: one function each.

`tests/display/test_ipykernel_compat.py` fails when ipykernel changes one of them.
"""

from __future__ import annotations

from typing import Any


def current_request(shell: Any) -> dict[str, Any]:
    """Return the message of the request that the kernel is handling; {} in a terminal."""
    get_parent = getattr(shell, "get_parent", None)
    return (get_parent() or {}) if get_parent else {}


def receive_while_busy(comm: Any) -> None:
    """Let a comm's messages from the page arrive while a cell runs.

    From 7.4 on, ipykernel hands a comm message to the shell that last sent on the comm: here the main shell, which is
    busy. Without this routing it goes to the subshell that the page chose, which is free.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = None


def new_display_publisher(shell: Any) -> Any:
    """Return a display publisher that sends to the front end, as part of the current request."""
    publisher = shell.display_pub_class(parent=shell)
    publisher.session, publisher.pub_socket = shell.kernel.session, shell.kernel.iopub_socket
    publisher.set_parent(current_request(shell))
    return publisher
