"""What a model sees of the rest of a notebook (`--sees`): code cells and their text outputs, each marked and cut.

Always true: the same cells give the same text; nothing of our own outputs is in it; a cell's text cannot close the mark
that it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mm_magics.history.notebook import Document, is_prompt
from mm_magics.history.turn import MIME_TYPE
from mm_magics.prompt.values import cut
from mm_magics.text import strip_ansi

SYNTHETIC_ID_PREFIXES = ("vscode-", "In[")
"""Prefixes of cell ids that are not in the notebook file: VS Code's, and those made for cells without one."""

_MARK = re.compile(r"<(?=(?:[^\w>]{0,20}/[^\w>]{0,20})?(?:cell|output)\b)", re.IGNORECASE)
"""A mark of ours, or what a model may take for one: spaces and unseen characters stand in it."""
_NOT_IN_ID = re.compile(r"[^\w\[\]().:#~-]+")


@dataclass(frozen=True)
class Ran:
    """A code cell: its id, its source, and its outputs as the notebook format holds them."""

    id: str
    source: str
    outputs: Sequence[Mapping[str, Any]]

    @property
    def is_prompt(self) -> bool:
        return is_prompt(self.source)

    @property
    def is_ours(self) -> bool:
        """Whether it is a prompt or a command: what those show is not told."""
        return self.source.lstrip().startswith(("%%minimax", "%minimax"))

    @property
    def text(self) -> str:
        """Its outputs as text; an answer of ours is none."""
        return "\n".join(filter(None, map(_output, self.outputs)))


def above(document: Document | None, ran: Mapping[str, Ran], cell_id: str | None) -> list[Ran]:
    """The code cells above this one, in document order, each as it was last run in this kernel, else as it was saved.

    Without a document: the cells that were run, in the order of their first runs.
    """
    others = [cell for id_, cell in ran.items() if id_ != cell_id]
    if document is None:
        return others
    by_source = {cell.source.rstrip(): cell for cell in others if cell.id.startswith(SYNTHETIC_ID_PREFIXES)}
    cells: list[Ran] = []
    for cell in document.cells:
        if cell.id == cell_id:
            break
        if cell.kind == "code":
            saved = Ran(cell.id, cell.source, cell.outputs)
            as_run = ran.get(cell.id) or by_source.get(cell.source.rstrip(), saved)
            cells.append(Ran(cell.id, as_run.source, as_run.outputs))
    known = {cell.id for cell in document.cells}
    sources = {cell.source.rstrip() for cell in document.cells}
    new = [cell for cell in others if cell.id not in known]
    return cells + [
        cell for cell in new if not (cell.id.startswith(SYNTHETIC_ID_PREFIXES) and cell.source.rstrip() in sources)
    ]


def others(document: Document | None, ran: Mapping[str, Ran], cell_id: str | None) -> list[Ran]:
    """All cells but this one, text cells too, in the order of `above`: what a search looks at."""
    found = {cell.id: cell for cell in above(document, ran, None)}
    if document is not None:
        texts = {cell.id: Ran(cell.id, cell.source, ()) for cell in document.cells if cell.kind != "code"}
        order = [*(cell.id for cell in document.cells), *found]
        found = {id_: cell for id_ in order if (cell := found.get(id_) or texts.get(id_))}
    return [cell for id_, cell in found.items() if id_ != cell_id]


def since_prompt(cells: Sequence[Ran], prompts: Iterable[str]) -> list[Ran]:
    """The cells after the last of those with these ids: what the thread has not seen yet."""
    asked = set(prompts)
    last = max((number for number, cell in enumerate(cells) if cell.id in asked), default=-1)
    return [cell for cell in cells[last + 1 :] if not cell.is_ours and cell.source.strip()]


def told(cells: Iterable[Ran], limit: int) -> str:
    """The cells as text for the model, each in a `<cell>` mark with its id; "" if there are none.

    At most `limit` characters of each source and of each cell's outputs (0: all).
    """
    return "\n".join(_cell(cell, limit) for cell in cells)


def _cell(cell: Ran, limit: int) -> str:
    lines = [f'<cell id="{_NOT_IN_ID.sub("_", cell.id)}">', _inert(cut(_plain(cell.source), limit))]
    if output := cell.text:
        lines += ["<output>", _inert(cut(output, limit)), "</output>"]
    return "\n".join([*lines, "</cell>"])


def _output(output: Mapping[str, Any]) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        return _plain(output.get("text"))
    if kind == "error":
        return _plain("\n".join(str(line) for line in output.get("traceback") or ()) or output.get("evalue"))
    data = output.get("data")
    if not isinstance(data, Mapping) or MIME_TYPE in data:
        return ""
    return _plain(data.get("text/markdown") or data.get("text/plain"))


def _plain(text: Any) -> str:
    joined = "".join(map(str, text)) if isinstance(text, list) else str(text or "")
    return strip_ansi(joined).strip("\n")


def _inert(text: str) -> str:
    return _MARK.sub("‹", text)
