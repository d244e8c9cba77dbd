"""`mm-magics demo`: a notebook run in a real kernel, its conversation printed as it streams.

Always true: the kernel is asked as a notebook's front end asks it (with cell ids), so what is printed is what the
widget is told; the notebook that is given is not changed.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from mm_magics.display.terminal import TerminalView, console
from mm_magics.errors import UsageError
from mm_magics.events import BlockStart, BlockStop, Delta, TurnEnd
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.simulator import Simulator

RATE = 120.0
"""Deltas a second of the simulator, so that one sees it stream."""

KINDS = {"text": "text", "thinking": "thinking", "tool_use": "input"}


def run(notebook: Path, output: Path) -> int:
    """Run the notebook against MiniMax if `MINIMAX_API_KEY` is set, else against the simulator; the exit status.

    Writes the executed notebook and an HTML page into `output`. Raises `UsageError` if the notebook cannot be read.
    """
    try:
        document: Any = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise UsageError(f"{notebook} cannot be read as a notebook: {error}") from None
    output.mkdir(parents=True, exist_ok=True)
    live = bool(os.environ.get("MINIMAX_API_KEY"))
    with nullcontext() if live else Simulator(rate=RATE) as endpoint:
        env = dict(os.environ)
        if endpoint is not None:
            env |= {"ANTHROPIC_BASE_URL": endpoint.base_url, "ANTHROPIC_API_KEY": endpoint.key}
        view = TerminalView(console())
        view.say(f"endpoint: {'MiniMax' if live else 'the bundled simulator'}")
        status = _execute(document, notebook.parent, env, view)
    paths = [output / notebook.name, output / notebook.with_suffix(".html").name]
    nbformat.write(document, paths[0])  # type: ignore[no-untyped-call]
    paths[1].write_text(_page(document), "utf-8")
    print("\nThe executed notebook and the same as a page:", *paths, sep="\n  ")
    return status


def _execute(document: Any, folder: Path, env: dict[str, str], view: TerminalView) -> int:
    client = _FrontEnd(document, view, resources={"metadata": {"path": str(folder)}})
    try:
        client.execute(env=env)
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _page(document: Any) -> str:
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter().from_notebook_node(document)  # type: ignore[no-untyped-call]
    return str(body)


class _FrontEnd(NotebookClient):
    """nbclient that names its cells, as notebooks' front ends do, and passes on what the widget is told."""

    def __init__(self, document: Any, view: TerminalView, **settings: Any) -> None:
        settings |= {"kernel_name": "python3", "store_widget_state": False, "timeout": 600}
        super().__init__(document, extra_arguments=["--log-level=ERROR"], **settings)
        self._view = view
        self._cell_id = ""
        self._kinds: dict[int, str] = {}
        self.on_cell_execute = self._starts

    async def async_start_new_kernel_client(self) -> Any:
        client = await super().async_start_new_kernel_client()
        send = client.shell_channel.send

        def named(message: dict[str, Any]) -> None:
            if message["header"]["msg_type"] == "execute_request":
                message["metadata"]["cellId"] = self._cell_id
            send(message)

        client.shell_channel.send = named
        return client

    def _starts(self, cell: Any, **_: Any) -> None:
        self._cell_id = cell.id
        print()
        for number, line in enumerate(cell.source.splitlines()):
            print("... " if number else ">>> ", line, sep="")

    def handle_comm_msg(self, outs: list[Any], msg: dict[str, Any], cell_index: int) -> None:
        super().handle_comm_msg(outs, msg, cell_index)
        content = (msg["content"].get("data") or {}).get("content") or {}
        for op in content.get("ops", ()):
            self._show(op)

    def _show(self, op: list[Any]) -> None:
        match op:
            case ["open", key, block]:
                self._kinds[key] = KINDS.get(block["type"], "text")
                self._view.show(BlockStart(key, block))
            case ["add", key, text]:
                self._view.show(Delta(key, self._kinds[key], text))
            case ["close", key, _]:
                self._view.show(BlockStop(key, {}))

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        content = msg["content"]
        data = content.get("data") or {}
        if msg["msg_type"] == "stream":
            print(content["text"], end="")
        elif MIME_TYPE in data:
            self._view.show(TurnEnd(Turn.from_record(data[MIME_TYPE])))
        elif msg["msg_type"] == "execute_result":
            print(data.get("text/plain", ""))
        return super().process_message(msg, cell, cell_index)
