"""A notebook document: its cells in order, and the turns in their outputs.

A document is only read, never written. A cell that cannot be read is reported and left out, and the others are used.
Notebooks of format 4 are read as JSON, as the format specifies; nbformat converts older ones.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mm_magics.errors import NotebookError, RecordError
from mm_magics.history.prompt_source import is_prompt
from mm_magics.history.turn import MIME_TYPE, Turn

MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Cell:
    """One cell. `turn` is the last turn record in its output; `fault` says why the cell is not used, if it is not."""

    id: str
    kind: str
    source: str
    outputs: list[dict[str, Any]] = field(default_factory=list)
    turn: Turn | None = None
    fault: str = ""

    @property
    def is_prompt(self) -> bool:
        return self.kind == "code" and is_prompt(self.source)


@dataclass(frozen=True)
class Document:
    """A notebook as it was at `saved_at` (seconds since the epoch); `name` is its name in messages.

    `pending` are the ids of cells that are running or queued: their outputs are not up to date. A turn that is more
    than `grace` seconds older than the document is in it, unless its output was cleared.
    """

    name: str
    saved_at: float
    cells: list[Cell]
    pending: frozenset[str] = frozenset()
    grace: float = 2.0

    @property
    def faults(self) -> list[str]:
        """What is wrong with the cells that are not used, one line for each of them."""
        return [f"cell {number} ({cell.id}): {cell.fault}" for number, cell in enumerate(self.cells, 1) if cell.fault]

    def turns(self) -> Iterator[Turn]:
        """Return the turns of the prompt cells in document order, each with the id of its cell."""
        return (cell.turn for cell in self.cells if cell.turn is not None and cell.is_prompt)


def read_notebook(path: Path) -> Document:
    """Read the notebook file. Raises `NotebookError` if it is not a notebook, or too large."""
    try:
        status = path.stat()
        if status.st_size > MAX_BYTES:
            size, limit = (f"{value / 1024 / 1024:,.0f} MB" for value in (status.st_size, MAX_BYTES))
            raise NotebookError(f"{path.name} has {size}; the limit is {limit}.", "Clear large outputs.")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise NotebookError(f"{path} cannot be read: {reason}.") from None
    return parse_notebook(text, path.name, status.st_mtime)


def parse_notebook(text: str, name: str, saved_at: float) -> Document:
    """Parse the JSON text of a notebook. Raises `NotebookError` if it is not a notebook."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise NotebookError(f"{name} is not JSON.", "Check that the file is a notebook, and complete.") from None
    if isinstance(content, dict) and "worksheets" in content:
        content = _converted(text, name)
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        raise NotebookError(f"{name} is JSON, but not a notebook.")
    return Document(name, saved_at, list(_cells(content["cells"])))


def _converted(text: str, name: str) -> Any:
    import nbformat

    try:
        return nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # an old or broken notebook can make the converter fail in any way
        raise NotebookError(f"{name} has an old format that cannot be converted ({type(error).__name__}).") from None


def _cells(cells: list[Any]) -> Iterator[Cell]:
    seen: set[str] = set()
    for number, raw in enumerate(cells):
        if not isinstance(raw, Mapping):
            yield Cell(f"cell-{number}", "unknown", "", fault="it is not a cell")
            continue
        given = raw.get("id")
        id_ = given if isinstance(given, str) and given else f"cell-{number}"
        cell = Cell(id_, str(raw.get("cell_type")), _joined(raw.get("source")), _outputs(raw.get("outputs")))
        if id_ in seen:
            yield replace(cell, id=f"{id_}-{number}", fault="another cell has the same id; its turn is not used")
            continue
        seen.add(id_)
        yield _with_turn(cell)


def _outputs(value: Any) -> list[dict[str, Any]]:
    return [dict(each) for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _joined(value: Any) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _with_turn(cell: Cell) -> Cell:
    """Return the cell with the last record of its outputs. A copied turn belongs to the cell that contains it."""
    data = [output["data"] for output in cell.outputs if isinstance(output.get("data"), Mapping)]
    records = [each[MIME_TYPE] for each in data if MIME_TYPE in each]
    if not records:
        return cell
    if not cell.is_prompt:
        return replace(cell, fault="it contains a turn, but is not a prompt cell")
    record = records[-1]
    if isinstance(record, list | str):  # nbformat splits text into lines
        try:
            record = json.loads(_joined(record))
        except (ValueError, RecursionError):
            record = None
    try:
        return replace(cell, turn=replace(Turn.from_record(record), cell_id=cell.id))
    except RecordError as error:
        return replace(cell, fault=str(error).replace("\n", " "))


class LiveNotebook:
    """The notebook as the front end describes it before each execution, with unsaved edits.

    A description has `name`, `order` (all cell ids), `pending` (ids) and `changed`: the cells that changed since the
    last description, by id, in the notebook format.
    """

    def __init__(self) -> None:
        self.name = "the notebook"
        self.error: NotebookError | None = None
        self.document: Document | None = None
        self._cells: dict[str, Any] = {}
        self._updated: Document | None = None

    def receive(self, description: Mapping[str, Any]) -> None:
        """Apply a description. A malformed one is ignored, and `error` says so."""
        order, changed, pending = (description.get(key) for key in ("order", "changed", "pending"))
        if not isinstance(order, list) or not isinstance(changed, dict) or not isinstance(pending, list):
            self.error = NotebookError("The front end sent an unknown description of the notebook.")
            return
        self.error = None
        self.name = str(description.get("name") or self.name)
        self._cells |= changed
        self._cells = {id_: self._cells[id_] for id_ in order if isinstance(id_, str) and id_ in self._cells}
        cells = _cells([{**cell, "id": id_} for id_, cell in self._cells.items() if isinstance(cell, Mapping)])
        waiting = frozenset(map(str, pending))
        self._updated = self.document = Document(self.name, time.time(), list(cells), waiting, grace=0.0)

    def updated(self) -> Document | None:
        """Return the document if it was described since the last call."""
        updated, self._updated = self._updated, None
        return updated


class NotebookFile:
    """The file of the kernel's notebook. It is read again after every save, and never written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.error: NotebookError | None = None
        self.document: Document | None = None
        self._version: tuple[int, int] | None = None

    def updated(self) -> Document | None:
        """Return the document if it was saved since the last call; `error` says why it cannot be read."""
        try:
            status = os.stat(self.path)
        except OSError:
            self.error = NotebookError(f"{self.path} does not exist.")
            return None
        version = (status.st_mtime_ns, status.st_size)
        if version == self._version:
            return None
        self._version = version
        try:
            self.document, self.error = read_notebook(self.path), None
        except NotebookError as error:
            self.error = error
            return None
        return self.document
