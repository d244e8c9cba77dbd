"""`mm-magics demo`: run a notebook in a real kernel, and print its conversation while it streams.

The kernel gets the same requests as from a notebook's front end (with cell ids), so the printed answer comes from the
messages that the page would receive. The given notebook is not changed.
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
from mm_magics.text import escape_controls

RATE = 120.0
"""Deltas per second from the simulator, slow enough to watch."""

DELTA_KINDS = {"text": "text", "thinking": "thinking", "tool_use": "input"}


def run(notebook: Path, output: Path) -> int:
    """Run the notebook and return the exit status. The executed notebook and an HTML page are written to `output`.

    The endpoint is MiniMax if `MINIMAX_API_KEY` is set, else the simulator.

    Raises:
        UsageError: The notebook cannot be read.
    """
    try:
        document: Any = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise UsageError(f"Cannot read the notebook {notebook}: {error}") from None
    output.mkdir(parents=True, exist_ok=True)
    live = bool(os.environ.get("MINIMAX_API_KEY"))
    with nullcontext() if live else Simulator(rate=RATE) as simulator:
        env = dict(os.environ)
        if simulator is not None:
            env |= {"ANTHROPIC_BASE_URL": simulator.base_url, "ANTHROPIC_API_KEY": simulator.key}
        view = TerminalView(console())
        view.write_line(f"endpoint: {'MiniMax' if live else 'the bundled simulator'}")
        status = _execute(document, notebook.parent, env, view)
    paths = [output / notebook.name, output / notebook.with_suffix(".html").name]
    nbformat.write(document, paths[0])  # type: ignore[no-untyped-call]
    paths[1].write_text(_html(document), "utf-8")
    print("\nWrote the executed notebook and an HTML page:", *paths, sep="\n  ")
    return status


def _execute(document: Any, folder: Path, env: dict[str, str], view: TerminalView) -> int:
    client = _StreamingClient(document, view, resources={"metadata": {"path": str(folder)}})
    try:
        client.execute(env=env)
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _html(document: Any) -> str:
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter().from_notebook_node(document)  # type: ignore[no-untyped-call]
    return str(body)


class _StreamingClient(NotebookClient):
    """An nbclient that sends cell ids, as a notebook's front end does, and shows what the turn's widget receives."""

    def __init__(self, document: Any, view: TerminalView, **settings: Any) -> None:
        settings |= {"kernel_name": "python3", "store_widget_state": False, "timeout": 600}
        super().__init__(document, extra_arguments=["--log-level=ERROR"], **settings)
        self._view = view
        self._kinds: dict[int, str] = {}
        self.on_cell_execute = self._start_cell

    def _start_cell(self, cell: Any, **_: Any) -> None:
        send_cell_id(self.kc, cell.id)
        print()
        for number, line in enumerate(cell.source.splitlines()):
            print("... " if number else ">>> ", escape_controls(line), sep="")

    def handle_comm_msg(self, outs: list[Any], msg: dict[str, Any], cell_index: int) -> None:
        super().handle_comm_msg(outs, msg, cell_index)
        content = (msg["content"].get("data") or {}).get("content") or {}
        for op in content.get("ops", ()):
            self._show(op)

    def _show(self, op: list[Any]) -> None:
        match op:
            case ["open", key, block]:
                self._kinds[key] = DELTA_KINDS.get(block["type"], "text")
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
        elif MIME_TYPE in data and "text/html" in data:  # only the final bundle has HTML
            self._view.show(TurnEnd(Turn.from_record(data[MIME_TYPE])))
        elif msg["msg_type"] == "execute_result":
            print(data.get("text/plain", ""))
        return super().process_message(msg, cell, cell_index)


def send_cell_id(client: Any, cell_id: str) -> None:
    """Add the cell id to the metadata of the client's next requests: nbclient itself sends none."""
    client.session.metadata = {"cellId": cell_id}
