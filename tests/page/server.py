"""The Jupyter server of the pages: the contents of a folder, saved by Jupyter's own contents manager, and one kernel.

The kernel's process is replaced by `Kernel`, and the WebSocket by calls.
"""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from jupyter_server.services.contents.filemanager import FileContentsManager
from nbformat.sign import NotebookNotary

from tests.page.kernel import Kernel, Message

Send = Callable[[Message], None]

SPEC = {"name": "python3", "resources": {}, "spec": {"argv": [], "display_name": "Python 3", "language": "python"}}

_NUMBERS = itertools.count()


class Server:
    """Answers REST requests, and passes messages between the sockets of its pages and the kernel."""

    def __init__(self, folder: Path) -> None:
        notary = NotebookNotary(data_dir=str(folder), db_file=":memory:", secret=b"not a secret")
        self._contents = FileContentsManager(root_dir=str(folder), notary=notary)
        self._sockets: dict[tuple[int, Send], None] = {}
        self.pages: list[Any] = []
        self._session: Message | None = None
        number = next(_NUMBERS)
        self._kernel_model = {
            "id": f"kernel-{number}",
            "name": "python3",
            "last_activity": "2026-11-27T00:00:00Z",
            "connections": 1,
            "execution_state": "idle",
        }
        self.kernel = Kernel(self._from_kernel)

    # The kernel

    def restart_kernel(self, *, reported: bool) -> None:
        """Replace the kernel, as after a crash if it is `reported`: the server then tells the page."""
        self.kernel.die()
        self.kernel = Kernel(self._from_kernel)
        if reported:
            self.kernel.publish("status", {"execution_state": "restarting"})

    def _from_kernel(self, message: Message) -> None:
        text = json.dumps(message)
        for socket, send in [*self._sockets]:
            send({"socket": socket, "data": text})

    # The pages

    def receive(self, message: Message, send: Send) -> None:
        """Handle a message of the page that `send` sends to."""
        if "fetch" in message:
            status, body = self._answer(message["method"], message["url"], message["body"])
            text = json.dumps(body, default=_as_json)
            send({"fetched": message["fetch"], "status": status, "body": text})
        elif "opened" in message:
            if "/channels" in message["opened"]:
                self._sockets[message["socket"], send] = None
        elif "closed" in message:
            self._sockets.pop((message["socket"], send), None)
        elif (message["socket"], send) in self._sockets:
            self.kernel.receive(json.loads(message["data"]))

    def _answer(self, method: str, url: str, body: str) -> tuple[int, Any]:
        parts = [unquote(part) for part in urlsplit(url).path.split("/") if part]
        given = json.loads(body) if body else {}
        match [method, *parts[1:]]:
            case ["GET", "kernelspecs"]:
                return 200, {"default": "python3", "kernelspecs": {"python3": SPEC}}
            case ["GET", "me"]:
                return 200, {"identity": {"username": "ada", "name": "Ada", "display_name": "Ada"}, "permissions": {}}
            case ["GET", "kernels"]:
                return 200, [self._kernel_model]
            case ["GET", "kernels", _]:
                return 200, self._kernel_model
            case ["POST", "kernels", _, "restart"]:
                self.restart_kernel(reported=False)
                return 200, self._kernel_model
            case ["POST", "kernels", _, "interrupt"]:
                return 204, None
            case ["GET", "sessions"]:
                return 200, [self._session] if self._session else []
            case ["POST", "sessions"]:
                if self.kernel.is_dead:
                    self.kernel = Kernel(self._from_kernel)
                self._session = {**given, "id": f"session-{self._kernel_model['id']}", "kernel": self._kernel_model}
                return 201, self._session
            case ["DELETE", "sessions", _]:
                self.kernel.die()
                self._session = None
                return 204, None
            case ["GET" | "PATCH", "sessions", _]:
                self._session = {**(self._session or {}), **given, "kernel": self._kernel_model}
                return 200, self._session
            case [_, "contents", *path]:
                with warnings.catch_warnings():  # nbformat warns of what it repairs
                    warnings.simplefilter("ignore")
                    return self._contents_answer(method, path, given, url)
        return 404, {"message": f"{method} {url}"}

    def _contents_answer(self, method: str, path: list[str], given: Message, url: str) -> tuple[int, Any]:
        if path[-1] == "checkpoints":
            return (200, []) if method == "GET" else (201, {"id": "saved", "last_modified": "2026-11-27T00:00:00Z"})
        name = "/".join(path)
        match method:
            case "GET":
                has_content, has_hash = ("content=1" in url), ("hash=1" in url)
                return 200, self._contents.get(name, content=has_content, type="notebook", require_hash=has_hash)
            case "PUT":
                return 200, self._contents.save(given, name)
            case "PATCH":
                return 200, self._contents.rename_file(name, given["path"]) or self._contents.get(
                    given["path"], content=False
                )
        return 405, None


def _as_json(value: Any) -> str:
    assert isinstance(value, datetime)
    return value.isoformat().replace("+00:00", "Z")
