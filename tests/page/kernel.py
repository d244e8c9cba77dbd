"""A kernel in this process: a real IPython shell that receives and sends messages of the Jupyter protocol.

It handles one shell message at a time, as ipykernel does; messages for a subshell are handled at once. With it,
a test can stop the world in the middle of an answer, and start a kernel in milliseconds.
"""

from __future__ import annotations

import contextlib
import io
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import comm
import pytest
from comm.base_comm import BaseComm, CommManager
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from ipywidgets.widgets import widget
from traitlets import Any as AnyTrait
from traitlets.config import Config

Message = dict[str, Any]


class KernelDiedError(BaseException):
    """Raised in the middle of a cell to end its kernel."""


class _Display(DisplayPublisher):
    def publish(
        self,
        data: Any,
        metadata: Any = None,
        source: Any = None,
        *,
        transient: Any = None,
        update: Any = False,
        **_: Any,
    ) -> None:
        kind = "update_display_data" if update else "display_data"
        content = {"data": data, "metadata": metadata or {}, "transient": transient or {}}
        (self.shell or self.parent).kernel.publish(kind, content)

    def set_parent(self, parent: Message) -> None:
        """Do nothing: the kernel knows the request that it handles."""


class _Shell(InteractiveShell):
    kernel = AnyTrait()

    def get_parent(self) -> Message:
        return self.kernel.parent

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        self.kernel.publish("error", {"ename": etype.__name__, "evalue": str(evalue), "traceback": stb})


class _Comm(BaseComm):
    """A comm of the running kernel."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self.kernel = Kernel.current
        super().__init__(*args, **named)

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
    ) -> None:
        data = data or {}
        if "_esm" in data.get("state", {}):  # the page of these tests runs no widgets
            data = {**data, "state": {**data["state"], "_esm": ""}}
        self.kernel.publish(msg_type, {"data": data, "comm_id": self.comm_id, **keys})


def _comm_of_ipykernel() -> type:
    """Return the class of the comms of ipywidgets 7.7, which are those of ipykernel."""
    from ipykernel.comm import Comm

    return type(
        "IPykernelComm",
        (Comm,),
        {"kernel": AnyTrait(), "_publish_msg": _Comm.publish_msg}
        | {"__init__": lambda self, *args, **named: Comm.__init__(self, *args, **{"kernel": Kernel.current, **named})},
    )


class Kernel:
    """One kernel, with the parts of an ipykernel that mm_magics uses.

    `send` receives the kernel's messages. Once a running cell has displayed something and then sent `messages_left`
    messages, `hook` is called; `on_question` is called when a cell waits for approval. Both can make it `crash`.
    """

    current: Kernel

    def __init__(self, send: Callable[[Message], None]) -> None:
        Kernel.current = self
        self.parent: Message = {}
        self.hook: Callable[[], None] | None = None
        self.messages_left = 0
        self.on_question: Callable[[], None] | None = None
        self.is_dead = False
        self.comm_manager = CommManager()
        self.session, self.iopub_socket = self, "iopub"
        self.control_handlers: dict[str, Callable[..., Any]] = {"comm_info_request": self._on_comm_info_request}
        self._send = send
        self._queue: deque[Message] = deque()
        self._aborted: list[Message] = []
        self._has_displayed = False
        self._session = uuid.uuid4().hex
        _Shell.clear_instance()
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.xmode = "Minimal"  # formatting a traceback takes a second
        self.shell = _Shell.instance(config=config, display_pub_class=_Display, kernel=self)

    @property
    def magics(self) -> Any:
        """The magics of mm_magics; None before it is loaded."""
        return self.shell.magics_manager.registry.get("MiniMaxMagics")

    def receive(self, message: Message) -> None:
        """Receive a message from the page: at once on the control channel or for a subshell, else when it is idle."""
        if message["channel"] == "control" or message["header"].get("subshell_id"):
            self._handle(message)
        elif message["channel"] == "shell":
            self._queue.append(message)

    @property
    def is_idle(self) -> bool:
        return self.is_dead or not self._queue

    def process(self) -> None:
        """Handle the messages that wait, in order."""
        while self._queue and not self.is_dead:
            self._handle(self._queue.popleft())

    def die(self) -> None:
        """Send nothing from now on."""
        self.is_dead = True

    def crash(self) -> None:
        """End the running cell, and send nothing from now on."""
        self.die()
        raise KernelDiedError

    def get_parent(self) -> Message:
        return self.parent

    def send(self, stream: str, kind: str, content: Message, parent: Message, ident: object = None) -> None:
        """Send a message on a channel, from any thread, as `jupyter_client.session.Session.send` does."""
        self._reply(kind, content, stream, parent)
        if threading.current_thread() is not threading.main_thread():
            return
        self._count_message(kind)
        if self.on_question and _asks(content):
            self._call("on_question")

    def publish(self, kind: str, content: Message) -> None:
        """Send a message on the IOPub channel."""
        self._reply(kind, content, "iopub", self.parent)
        if self.parent and self.parent["header"]["msg_type"] == "execute_request":
            self._count_message(kind)

    def _count_message(self, kind: str) -> None:
        if self.hook is None or (kind != "display_data" and not self._has_displayed):
            return
        self._has_displayed = True
        if self.messages_left == 0:
            self._call("hook")
        else:
            self.messages_left -= 1

    def _call(self, name: str) -> None:
        """Call a hook once."""
        hook = getattr(self, name)
        setattr(self, name, None)
        hook()

    def _reply(self, kind: str, content: Message, channel: str, parent: Message) -> None:
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": self._session,
            "username": "kernel",
            "date": datetime.now(UTC).isoformat(),
            "version": "5.5",
        }
        message = {"header": header, "parent_header": parent.get("header", {}), "metadata": {}, "content": content}
        if not self.is_dead:
            self._send({**message, "channel": channel, "buffers": []})

    def _handle(self, message: Message) -> None:
        kind, before = message["header"]["msg_type"], self.parent
        handle = getattr(self, f"_on_{kind}", None)
        if message["channel"] == "control" and kind in self.control_handlers:
            handle = lambda message: self.control_handlers[kind]("control", [], message)  # noqa: E731
        elif kind.startswith("comm_") and handle is None:
            handle = lambda message: getattr(self.comm_manager, kind)(None, None, message)  # noqa: E731
        if handle is None:
            return
        with self._as_parent(message):
            self.publish("status", {"execution_state": "busy"})
            content = handle(message)
            if content is not None:
                self._reply(kind.replace("_request", "_reply"), content, message["channel"], message)
            self.publish("status", {"execution_state": "idle"})
        assert self.parent is before

    @contextlib.contextmanager
    def _as_parent(self, message: Message) -> Iterator[None]:
        before, self.parent = self.parent, message
        try:
            yield
        finally:
            self.parent = before

    def _on_kernel_info_request(self, _message: Message) -> Message:
        return {
            "status": "ok",
            "protocol_version": "5.5",
            "implementation": "ipython",
            "implementation_version": "9",
            "language_info": {"name": "python", "version": "3", "mimetype": "text/x-python", "file_extension": ".py"},
            "banner": "",
            "supported_features": ["kernel subshells"],
        }

    def _on_create_subshell_request(self, _message: Message) -> Message:
        return {"status": "ok", "subshell_id": uuid.uuid4().hex}

    def _on_comm_info_request(self, *_: Any) -> Message:
        return {"status": "ok", "comms": {}}

    def _on_interrupt_request(self, _message: Message) -> Message:
        return {"status": "ok"}

    def _on_execute_request(self, message: Message) -> Message:
        """Run a cell. As in an ipykernel, an error in it aborts the cells that wait, and only these."""
        if any(each is message for each in self._aborted):
            return {"status": "aborted"}
        content, out = message["content"], io.StringIO()
        self.publish("execute_input", {"code": content["code"], "execution_count": self.shell.execution_count})
        with contextlib.redirect_stdout(out):
            result = self.shell.run_cell(content["code"], store_history=not content["silent"])
        if out.getvalue():
            self.publish("stream", {"name": "stdout", "text": out.getvalue()})
        self._has_displayed = False
        reply = {
            "status": "ok",
            "execution_count": self.shell.execution_count - 1,
            "payload": [],
            "user_expressions": {},
        }
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            self._aborted = [*self._queue] if content["stop_on_error"] else []
            reply |= {"status": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": []}
        return reply


def _asks(content: Message) -> bool:
    """Return whether a message to the page asks for approval of a tool call."""
    sent = content.get("data", {}).get("content") or {}
    return any(op[0] == "tool" and op[2].get("state") == "asking" for op in sent.get("ops", ()))


@contextlib.contextmanager
def comms_of_kernel() -> Iterator[None]:
    """Give the comms of widgets to the kernel of the test."""
    with pytest.MonkeyPatch.context() as patch:
        import ipykernel.ipkernel  # noqa: F401  # it replaces these functions when it is imported

        if hasattr(widget, "Comm"):
            patch.setattr(widget, "Comm", _comm_of_ipykernel())
        patch.setattr(comm, "create_comm", _Comm)
        patch.setattr(comm, "get_comm_manager", lambda: Kernel.current.comm_manager)
        yield
    _Shell.clear_instance()


__all__ = ["Kernel", "KernelDiedError", "Message", "comms_of_kernel"]
