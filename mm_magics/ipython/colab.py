"""Google Colab: which cell is running, and the notebook as its page shows it.

Colab's notebook is not a file on the kernel's machine, but the page sends it on request. Sources: the requests name the
cell in `metadata.colab.cell_id` (`google/colab/_history.py` in googlecolab/colabtools), and the notebook has this id in
the cell's `metadata.id`. `google.colab._message.blocking_request("get_ipynb")` returns the notebook in `ipynb`, or None
after `timeout_sec`; Colab does not document it, but many projects rely on it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import Any

from mm_magics.errors import NotebookError
from mm_magics.history.notebook import Cell, Document, make_document
from mm_magics.history.prompt_source import runs_prompts

TIMEOUT_S = 10.0
"""How long to wait for the page to send the notebook."""
PAUSE_S = 60.0
"""After a request that failed, the page is not asked again for this long: it may be closed while its cells run."""


def is_colab() -> bool:
    """Return whether Colab runs this kernel."""
    return "google.colab" in sys.modules


def cell_id(request: Mapping[str, Any]) -> object:
    """Return the id of the cell that an execution request of Colab's page runs; None if it does not name it."""
    metadata = (request.get("metadata") or {}).get("colab")
    return metadata.get("cell_id") if isinstance(metadata, Mapping) else None


def enable_widgets() -> None:
    """Let Colab's page load the code of widgets, which it does only on request. Without it, answers stream as text."""
    if is_colab():
        with suppress(Exception):  # the package of Colab is not ours
            import_module("google.colab.output").enable_custom_widget_manager()


class ColabPage:
    """The page of this kernel. It is asked for the notebook before each prompt and command."""

    def __init__(self) -> None:
        self._failed_at = -PAUSE_S

    def notebook(self, running: str) -> Document:
        """Return the notebook as the page shows it; `running` is the id of the running cell.

        Raises:
            NotebookError: The page did not send it.
        """
        failure = NotebookError("Colab did not send the notebook.", "Run the cell again in a minute.")
        if time.monotonic() - self._failed_at < PAUSE_S:
            raise failure
        try:
            reply = import_module("google.colab._message").blocking_request("get_ipynb", timeout_sec=TIMEOUT_S)
            content = reply["ipynb"]
            cells = [_with_id(cell) for cell in content["cells"]]
        except Exception:  # an interface that is not documented can fail in any way
            self._failed_at = time.monotonic()
            raise failure from None
        metadata = content.get("metadata")
        colab = metadata.get("colab") if isinstance(metadata, Mapping) else None
        colab = colab if isinstance(colab, Mapping) else {}
        document = make_document({**content, "cells": cells}, str(colab.get("name") or "the notebook"), time.time())
        keeps_outputs = not colab.get("private_outputs")
        remembered = (cell.id for cell in document.cells if _lacks_record(cell, keeps_outputs=keeps_outputs))
        return replace(document, pending=frozenset([running]), grace=0.0, remembered=frozenset(remembered))


def _with_id(cell: Any) -> Any:
    """Return a cell of the notebook with its id where the notebook format has it."""
    metadata = cell.get("metadata") if isinstance(cell, Mapping) else None
    id_ = metadata.get("id") if isinstance(metadata, Mapping) else None
    return {**cell, "id": id_} if id_ else cell


def _lacks_record(cell: Cell, *, keeps_outputs: bool) -> bool:
    """Return whether the outputs of a prompt may lack its turn: Colab does not say which types of output it keeps."""
    is_prompt = cell.is_prompt or (cell.kind == "code" and runs_prompts(cell.source))
    return is_prompt and not cell.turns and (bool(cell.outputs) or not keeps_outputs)
