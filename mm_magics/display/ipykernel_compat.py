"""The parts of ipykernel that we use and that may change: one function each.

`tests/display/test_ipykernel_compat.py` fails when ipykernel changes one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4


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


def thread_safe_send(comm: Any) -> Callable[[Mapping[str, Any]], None]:
    """Return a function that sends on a comm from any thread, always as part of the current request.

    `comm.send` attributes what other threads send to the request that the kernel handles at that time.
    """
    kernel = getattr(comm, "kernel", None)
    if kernel is None:
        return comm.send  # type: ignore[no-any-return]
    return _sender(kernel, comm.comm_id, comm.topic)


def broadcast(kernel: Any) -> Callable[[Mapping[str, Any]], None]:
    """Return a function like `thread_safe_send`, for a comm that is never opened: only our extension reads it."""
    comm_id = uuid4().hex
    return _sender(kernel, comm_id, f"comm-{comm_id}".encode())


def sender_for_request(kernel: Any) -> Callable[[str, Mapping[str, Any]], None]:
    """Return a function that sends iopub messages from any thread, always as part of the current request.

    Its arguments are the type of the message and its content.
    """
    parent = kernel.get_parent()

    def send(kind: str, content: Mapping[str, Any]) -> None:
        kernel.session.send(kernel.iopub_socket, kind, content, parent=parent, ident=kind.encode())

    return send


def refuse_input(kernel: Any, refuses: Callable[[], bool], refuse: Callable[[], Any]) -> None:
    """Let `input()` call `refuse` instead of asking the user, in code for which `refuses` returns True."""
    for name in ("raw_input", "getpass"):
        ask = getattr(kernel, name)

        def choose(*args: Any, ask: Callable[..., Any] = ask, **options: Any) -> Any:
            return refuse() if refuses() else ask(*args, **options)

        setattr(kernel, name, choose)


def call_when_idle(kernel: Any, function: Callable[[], None]) -> None:
    """Call the function on the main thread, once no cell is running. Any thread may request it."""
    kernel.io_loop.add_callback(function)


def _sender(kernel: Any, comm_id: str, topic: bytes) -> Callable[[Mapping[str, Any]], None]:
    parent = kernel.get_parent()

    def send(data: Mapping[str, Any]) -> None:
        content = {"comm_id": comm_id, "data": data}
        kernel.session.send(kernel.iopub_socket, "comm_msg", content, parent=parent, ident=topic)

    return send


def answer_on_control(kernel: Any, target: str, answer: Callable[[object], Mapping[str, Any]]) -> None:
    """Answer requests on the control channel, which a kernel handles on a thread of its own, also while a cell runs.

    Front ends may send only known types of messages, so a request is the field `target` of a `comm_info_request` for
    this target, and the answer is the same field of its reply.
    """
    comm_info_request = kernel.control_handlers["comm_info_request"]

    def handle(stream: Any, ident: Any, parent: dict[str, Any]) -> Any:
        content = parent.get("content") or {}
        if content.get("target_name") != target:
            return comm_info_request(stream, ident, parent)
        reply = {"status": "ok", "comms": {}, target: answer(content.get(target))}
        kernel.session.send(stream, "comm_info_reply", reply, parent, ident)
        return None

    kernel.control_handlers["comm_info_request"] = handle


Inspect = Callable[[str, int], "tuple[str, int] | Mapping[str, str] | None"]
"""Takes the code of a cell and the cursor, and returns other code and cursor, the text to show by type, or None."""


def answer_inspections(kernel: Any, inspect: Inspect) -> None:
    """Let `inspect` choose what a tooltip in the front end shows; for None it is what the kernel shows."""
    if kernel is None:
        return
    do_inspect = kernel.do_inspect

    def inspect_first(code: str, cursor_pos: int, *args: Any, **options: Any) -> Any:
        found = inspect(code, cursor_pos)
        if isinstance(found, Mapping):
            return {"status": "ok", "found": True, "data": found, "metadata": {}}
        return do_inspect(*(found or (code, cursor_pos)), *args, **options)

    kernel.do_inspect = inspect_first
