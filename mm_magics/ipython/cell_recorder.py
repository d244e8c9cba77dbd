"""Notes what each cell of this kernel prints, shows and raises, so that a prompt can see it (`--sees`).

Always true: it changes nothing that a cell does, keeps at most KEPT characters a cell, and what it notes never leaves
the kernel unless a prompt asks for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from mm_magics.errors import MiniMaxError
from mm_magics.history.notebook_context import CellRun
from mm_magics.ipython import frontend

KEPT = 200_000

Output = dict[str, Any]


class _Echo:
    """What a kernel's standard stream repeats all it gets to."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self.write = note

    def flush(self) -> None:
        """Nothing is held back."""


class Recorder:
    """The cells that were run in this shell, by id, in the order of their first runs."""

    def __init__(self, shell: Any) -> None:
        self.cells: dict[str, CellRun] = {}
        self._shell = shell
        self._outputs: list[Output] = []
        self._size = 0
        shell.events.register("pre_run_cell", self._begins)
        shell.events.register("post_run_cell", self._ends)
        for place in (shell.display_pub, shell.displayhook):
            if hasattr(place, "register_hook"):
                place.register_hook(self._displayed)

    @property
    def last_error(self) -> CellRun | None:
        """The last cell that ended with an error, if its last run did."""
        failed = [cell for cell in self.cells.values() if any(each["output_type"] == "error" for each in cell.outputs)]
        return failed[-1] if failed else None

    def _begins(self, _info: Any) -> None:
        self._outputs, self._size = [], 0
        for stream in (sys.stdout, sys.stderr):
            if getattr(stream, "echo", self) is None:
                stream.echo = _Echo(self._printed)  # type: ignore[union-attr]

    def _printed(self, text: str) -> None:
        last = self._outputs[-1] if self._outputs else {}
        if last.get("output_type") != "stream":
            last = {"output_type": "stream", "text": ""}
            self._outputs.append(last)
        last["text"] += text[: max(0, KEPT - self._size)]
        self._size += len(text)

    def _displayed(self, message: dict[str, Any]) -> dict[str, Any]:
        data = message.get("content", {}).get("data")
        if data and message.get("header", {}).get("msg_type") != "update_display_data" and self._size < KEPT:
            texts = {kind: text for kind, text in data.items() if kind in ("text/plain", "text/markdown")}
            self._outputs.append({"output_type": "display_data", "data": texts})
            self._size += sum(len(str(text)) for text in texts.values())
        return message

    def _ends(self, result: Any) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(getattr(stream, "echo", None), _Echo):
                stream.echo = None  # type: ignore[union-attr]
        info = result.info
        if info is None or info.silent or not info.store_history:
            return
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            self._outputs.append({"output_type": "error", "evalue": f"{type(error).__name__}: {error}"})
            self._outputs[-1]["traceback"] = self._traceback(error)
        elif result.result is not None and not hasattr(self._shell, "kernel"):
            self._outputs.append({"output_type": "execute_result", "data": {"text/plain": repr(result.result)[:KEPT]}})
        id_ = frontend.cell_id(self._shell) or f"In[{self._shell.execution_count}]"
        self.cells[id_] = CellRun(id_, info.raw_cell, list(self._outputs))

    def _traceback(self, error: BaseException) -> list[str]:
        if isinstance(error, MiniMaxError):  # what draws a traceback takes a second to import, and an interrupt waits
            return error._render_traceback_()
        try:
            lines = self._shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
        except Exception:  # a traceback that cannot be drawn is still an error that can be named
            return []
        return [str(line) for line in lines]
