"""A page that runs cells without waiting for them, and shows what each of them displays, whenever it arrives."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import Any

from mm_magics.history.turn import MIME_TYPE
from tests.kernel.conftest import Kernel
from tests.kernel.test_comms import FrontEnd

WAIT_S = 90.0


def error_text(error: dict[str, Any]) -> str:
    return error["evalue"] or error["ename"]


class Page:
    """A notebook whose cells are named in order. The page describes itself before each run, as the extension does."""

    def __init__(self, kernel: Kernel, **sources: str) -> None:
        self.kernel, self.sources = kernel, dict(sources)
        self.outputs: dict[str, list[dict[str, Any]]] = {name: [] for name in sources}
        self.turn_messages: dict[str, list[tuple[float, dict[str, Any]]]] = {name: [] for name in sources}
        self.answers_cells = True
        self.before_cells: Callable[[], None] = lambda: None
        self.cells_without_text: set[str] = set()
        self._front_end = FrontEnd(kernel)
        self._requests: dict[str, str] = {}
        self._busy: set[str] = set()
        self._shown: dict[str, dict[str, Any]] = {}
        self.run("load", "%load_ext mm_magics")

    def describe(self, pending: list[str], **more: Any) -> None:
        cells = {
            name: {
                "cell_type": "code",
                "source": source,
                "outputs": [{"output_type": "display_data", **each} for each in self.outputs[name] if "data" in each],
            }
            for name, source in self.sources.items()
        }
        self._front_end.describe(cells, pending, **more)

    def _send_cells(self, request: str) -> None:
        if not self.answers_cells:
            return
        self.before_cells()
        pending = [self._requests[each] for each in self._busy if each in self._requests]
        cells = {
            name: {"cell_type": "code", "source": source}
            for name, source in self.sources.items()
            if name not in self.cells_without_text
        }
        message = {"type": "cells", "request": request, "order": [*self.sources], "pending": pending, "cells": cells}
        assert self.kernel.request(message)["received"] is not bool(self.cells_without_text)

    def start(self, name: str, source: str | None = None) -> None:
        """Run a cell, without waiting for it."""
        if source is not None:
            self.sources[name] = source
        self.outputs.setdefault(name, [])
        self.turn_messages.setdefault(name, [])
        self.describe([name])
        self.outputs[name] = []
        content = {"code": self.sources[name], "silent": False, "store_history": True, "user_expressions": {}}
        session = self.kernel.client.session
        request = session.msg("execute_request", {**content, "allow_stdin": False, "stop_on_error": False})
        request["metadata"]["cellId"] = name
        self._requests[request["header"]["msg_id"]] = name
        self._busy.add(request["header"]["msg_id"])
        self.kernel.client.shell_channel.send(request)

    def run(self, name: str, source: str | None = None) -> str:
        """Run a cell, wait until the kernel is idle again, and return what the cell shows as text."""
        self.start(name, source)
        self.wait(lambda: not self._busy)
        return self.text(name)

    def text(self, name: str) -> str:
        """Return what the cell shows: printed text, plain text of results, and errors with their names."""
        return "".join(
            each["text"] if "text" in each else each["data"]["text/plain"] if "data" in each else error_text(each)
            for each in self.outputs[name]
        )

    def turns(self, name: str) -> list[dict[str, Any]]:
        """The records that the cell shows."""
        return [each["data"][MIME_TYPE] for each in self.outputs[name] if MIME_TYPE in each.get("data", {})]

    def turn(self, name: str) -> dict[str, Any]:
        """The only record that the cell shows, of a turn that has ended."""
        (turn,) = self.turns(name)
        assert not self.is_streaming(name)
        return turn

    def is_streaming(self, name: str) -> bool:
        return any("MiniMax is answering" in each.get("data", {}).get("text/plain", "") for each in self.outputs[name])

    def ops(self, name: str) -> list[list[Any]]:
        return [op for _, message in self.turn_messages[name] for op in message["ops"]]

    def stop(self, name: str) -> None:
        """Press the button in the turn of a cell."""
        (turn,) = self.turns(name)
        assert self.kernel.request({"type": "stop"}, turn["id"]) == {"received": True}

    def wait(self, until: Callable[[], bool], seconds: float = WAIT_S) -> None:
        """Receive messages until something is so."""
        end = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < end, f"it took longer than {seconds} s"
            try:
                self._receive(self.kernel.client.get_iopub_msg(timeout=0.1))
            except queue.Empty:
                continue

    def wait_for_end(self, *names: str) -> None:
        self.wait(lambda: not any(map(self.is_streaming, names)))

    def wait_for_text(self, *names: str) -> None:
        """Wait until the answers begin."""
        self.wait(lambda: all(any(op[0] == "add" for op in self.ops(name)) for name in names))

    def _receive(self, message: dict[str, Any]) -> None:
        request = message["parent_header"].get("msg_id", "")
        name, kind, content = self._requests.get(request), message["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] == "idle":
            self._busy.discard(request)
        elif kind == "comm_msg" and "wants_cells" in content["data"]:
            self._send_cells(content["data"]["wants_cells"])
        elif kind == "comm_msg" and content["data"].get("method") == "custom" and name:
            self.turn_messages[name].append((time.monotonic(), content["data"]["content"]))
        elif kind == "update_display_data":
            self._shown[content["transient"]["display_id"]] |= {"data": content["data"]}
        elif kind in ("display_data", "execute_result", "stream", "error") and name:
            output = {key: content[key] for key in ("data", "metadata", "text", "ename", "evalue") if key in content}
            self.outputs[name].append(output)
            if display_id := (content.get("transient") or {}).get("display_id"):
                self._shown[display_id] = output
