"""A page of JupyterLab in Node, with JupyterLab's own models and widgets and our plugins, driven by JSON lines.

`labextension/tests/page/page.ts` is the page. Everything happens in one thread: what the page sends is handled while
the test waits for the page, and cells run when the test lets the kernel run.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.page.kernel import Kernel, Message
from tests.page.server import Server

LABEXTENSION = Path(__file__).parents[2] / "labextension"
TIMEOUT_S = 60


class PageError(Exception):
    """A command of the page failed."""


class Page:
    """A page process. `open` shows a notebook of a folder on it, with a new kernel."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", "tests/page/start.mjs"],
            cwd=LABEXTENSION,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self._count = 0
        self._lock = threading.Lock()
        self._early: list[Message] = []
        self.server: Server | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(TIMEOUT_S)

    @property
    def kernel(self) -> Kernel:
        assert self.server
        return self.server.kernel

    def serve(self, folder: Path) -> None:
        """Serve the notebooks of another folder, with a new kernel."""
        self.join(Server(folder))

    def join(self, server: Server) -> None:
        """Use a server, which other pages may use too."""
        self.server = server
        server.pages.append(self)
        early, self._early = self._early, []
        for message in early:
            server.receive(message, self._write)

    def close(self) -> None:
        """Close the notebook, and forget its kernel and folder."""
        assert self.server
        self.do("close")
        self.server.pages.remove(self)
        self.server = None

    def call(self, command: str, *values: Any) -> Any:
        """Run a command of the page and return its result. The page's requests are answered while it runs."""
        self._count += 1
        self._write({"id": self._count, "call": command, "values": values})
        while True:
            message = self._read()
            if message.get("id") == self._count:
                if "error" in message:
                    raise PageError(f"{command}{values}: {message['error']}")
                return message["result"]
            self._receive(message)
            if command in WAITING and not self.kernel.parent:
                self.kernel.process()

    def do(self, command: str, *values: Any) -> Any:
        """Run a command, and let page and kernel finish what it started."""
        result = self.call(command, *values)
        self.settle()
        return result

    def settle(self) -> None:
        """Let the kernel handle what waits, until the pages and the kernel have nothing to do."""
        assert self.server
        for _ in range(100):
            waiting = [page for page in self.server.pages if page.call("settle")]
            if not self.kernel.is_idle:
                self.kernel.process()
            elif waiting and not self.kernel.is_dead:  # until its end is known, the page waits for it again and again
                for page in waiting:
                    page.call("wait")
            else:
                return
        raise PageError("the page does not come to rest")

    def run(
        self,
        at: int,
        during: Callable[[], None] | None = None,
        *,
        after: int = 0,
        on_question: Callable[[], None] | None = None,
    ) -> None:
        """Run a cell.

        Args:
            at: The index of the cell.
            during: Called once the cell has displayed something and sent `after` messages: its answer is not complete.
            after: A number of messages.
            on_question: Called when it waits for approval of a tool call.
        """
        self.call("run", at)
        kernel = self.kernel
        kernel.hook, kernel.messages_left, kernel.on_question = during, after, on_question
        self.settle()
        kernel.hook = kernel.on_question = None

    def kill_kernel(self) -> None:
        """Kill the kernel. The server starts a new one."""
        self.kernel.die()
        assert self.server
        self.server.restart_kernel(reported=True)
        self.settle()

    def _write(self, message: Message) -> None:
        assert self._process.stdin
        with self._lock:  # a kernel's heartbeat is sent by another thread
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def _read(self) -> Message:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the page has ended"
        message: Message = json.loads(line)
        return message

    def _receive(self, message: Message) -> None:
        if "id" in message:
            return
        if self.server is None:
            self._early.append(message)
        else:
            self.server.receive(message, self._write)


WAITING = ("open", "restart", "save", "useKernel")
"""The commands that wait for the kernel or the server."""
