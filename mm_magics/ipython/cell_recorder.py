"""Record what each cell prints, displays and raises, for `--sees`, `%minimax explain` and `fix`.

Recording does not change what a cell does. At most `MAX_OUTPUT` characters, and `MAX_IMAGES` of images, are kept for
each cell, and only prompts send them anywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from mm_magics.errors import MiniMaxError
from mm_magics.history.notebook_context import CellRun
from mm_magics.ipython import frontend
from mm_magics.prompt.image_file import IMAGE_TYPES
from mm_magics.prompt.output_text import TEXT_TYPES

MAX_OUTPUT = 200_000
MAX_IMAGES = 20_000_000
"""Characters of base64 of the images that one cell displays."""

Output = dict[str, Any]


class _Echo:
    """Receives a copy of everything written to a kernel's stdout or stderr."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write

    def flush(self) -> None:
        """Do nothing: there is no buffer."""


class CellRecorder:
    """The cells that ran in this shell, by id, in the order of their first runs.

    `source` is the source of the cell that is running.
    """

    def __init__(self, shell: Any) -> None:
        self.cells: dict[str, CellRun] = {}
        self._failed: dict[str, None] = {}
        self.source = ""
        self._shell = shell
        self._outputs: list[Output] = []
        self._size = 0
        self._image_size = 0
        shell.events.register("pre_run_cell", self._start_cell)
        shell.events.register("post_run_cell", self._finish_cell)
        for publisher in (shell.display_pub, shell.displayhook):
            if hasattr(publisher, "register_hook"):
                publisher.register_hook(self._record_display)

    @property
    def last_error(self) -> CellRun | None:
        """The cell that raised an error last, of those whose last run did; prompt cells and commands do not count."""
        return self.cells[[*self._failed][-1]] if self._failed else None

    def _start_cell(self, info: Any) -> None:
        if not info.store_history:
            return  # a part of a cell, such as the text below %%capture
        self._outputs, self._size, self._image_size, self.source = [], 0, 0, info.raw_cell
        for stream in (sys.stdout, sys.stderr):
            if getattr(stream, "echo", self) is None:
                stream.echo = _Echo(self._record_text)  # type: ignore[union-attr]

    def _record_text(self, text: str) -> None:
        last = self._outputs[-1] if self._outputs else {}
        if last.get("output_type") != "stream":
            last = {"output_type": "stream", "text": ""}
            self._outputs.append(last)
        last["text"] += text[: max(0, MAX_OUTPUT - self._size)]
        self._size += len(text)

    def _record_display(self, message: dict[str, Any]) -> dict[str, Any]:
        data = message.get("content", {}).get("data")
        if data and message.get("header", {}).get("msg_type") != "update_display_data" and self._size < MAX_OUTPUT:
            texts = {kind: text for kind, text in data.items() if kind in TEXT_TYPES and len(str(text)) <= MAX_OUTPUT}
            images = {kind: image for kind, image in data.items() if kind in IMAGE_TYPES}
            self._image_size += sum(map(len, map(str, images.values())))
            formats = texts | images if self._image_size <= MAX_IMAGES else texts
            self._outputs.append({"output_type": "display_data", "data": formats})
            self._size += sum(len(str(text)) for text in texts.values())
        return message

    def _finish_cell(self, result: Any) -> None:
        info = result.info
        if info is not None and not info.store_history:
            return
        for stream in (sys.stdout, sys.stderr):
            if isinstance(getattr(stream, "echo", None), _Echo):
                stream.echo = None  # type: ignore[union-attr]
        if info is None or info.silent:
            return
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            name, traceback = type(error).__name__, self._traceback(error)
            self._outputs.append({"output_type": "error", "ename": name, "evalue": str(error), "traceback": traceback})
        elif result.result is not None and not hasattr(self._shell, "kernel"):
            text = repr(result.result)[:MAX_OUTPUT]
            self._outputs.append({"output_type": "execute_result", "data": {"text/plain": text}})
        id_ = frontend.cell_id(self._shell) or f"In[{self._shell.execution_count}]"
        self.cells[id_] = cell = CellRun(id_, info.raw_cell, list(self._outputs))
        self._failed.pop(id_, None)
        if error is not None and not cell.is_ours:
            self._failed[id_] = None

    def _traceback(self, error: BaseException) -> list[str]:
        if isinstance(error, MiniMaxError):  # importing the traceback formatter takes a second and delays an interrupt
            return str(error).splitlines()
        try:
            lines = self._shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
        except Exception:  # without a traceback the error still has a name
            return []
        return [str(line) for line in lines]
