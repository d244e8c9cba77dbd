"""A notebook document: the cells in their order, and the turns that their outputs hold.

Always true: it is only ever read; what cannot be read is reported by cell and left as it is, and never stops the rest.
A cell of format 4 is plain JSON by the format's specification, so that is how it is read; nbformat converts older ones.
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
from mm_magics.history.turn import MIME_TYPE, Turn

MAX_BYTES = 64 * 1024 * 1024
MAGIC = "%%minimax"
EXPLAIN = "%minimax explain"


@dataclass(frozen=True)
class Cell:
    """One cell. `turn` is the last turn record in its output, `fault` what is wrong with it ("" if nothing)."""

    id: str
    kind: str
    source: str
    outputs: list[dict[str, Any]] = field(default_factory=list)
    turn: Turn | None = None
    fault: str = ""

    @property
    def is_prompt(self) -> bool:
        return self.kind == "code" and is_prompt(self.source)


def is_prompt(source: str) -> bool:
    """Whether running a cell with this source asks a model."""
    return source.lstrip().startswith((MAGIC, EXPLAIN))


@dataclass(frozen=True)
class Document:
    """A notebook as it was at `saved_at` (seconds since the epoch); `name` is how it is called in messages.

    `pending` are the ids of cells that are about to run, or run: their outputs say nothing yet. `grace` (seconds): a
    turn that much older than the document should be in it; if it is not, its output was cleared.
    """

    name: str
    saved_at: float
    cells: list[Cell]
    pending: frozenset[str] = frozenset()
    grace: float = 2.0

    @property
    def faults(self) -> list[str]:
        """What was passed over, one line for each cell."""
        return [f"cell {number} ({cell.id}): {cell.fault}" for number, cell in enumerate(self.cells, 1) if cell.fault]

    def turns(self) -> Iterator[Turn]:
        """The turns of the prompt cells, in document order, each with the id of the cell that it stands in."""
        return (cell.turn for cell in self.cells if cell.turn is not None and cell.is_prompt)


def read(path: Path) -> Document:
    """The notebook at this path. Raises `NotebookError` if it cannot be read as one."""
    try:
        status = path.stat()
        if status.st_size > MAX_BYTES:
            size, limit = (f"{value / 1024 / 1024:,.0f} MB" for value in (status.st_size, MAX_BYTES))
            raise NotebookError(f"{path.name} has {size}, more than the {limit} that are read.", "Clear large outputs.")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise NotebookError(f"{path} cannot be read: {reason}.") from None
    return parse(text, path.name, status.st_mtime)


def parse(text: str, name: str, saved_at: float) -> Document:
    """The notebook of this JSON text. Raises `NotebookError` if it is not one."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise NotebookError(f"{name} is not JSON.", "Is it a notebook? Was it cut?") from None
    if isinstance(content, dict) and "worksheets" in content:
        content = _converted(text, name)
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        raise NotebookError(f"{name} is JSON, but not a notebook.")
    return Document(name, saved_at, list(_cells(content["cells"])))


def _converted(text: str, name: str) -> Any:
    import nbformat

    try:
        return nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever an old or broken notebook makes of the converter
        raise NotebookError(f"{name} is of an old format that cannot be converted ({type(error).__name__}).") from None


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
            yield replace(cell, id=f"{id_}-{number}", fault="its id stands twice; its turn is not used")
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
    """The cell with the last record of its outputs. The turn belongs to the cell that it stands in."""
    data = [output["data"] for output in cell.outputs if isinstance(output.get("data"), Mapping)]
    records = [each[MIME_TYPE] for each in data if MIME_TYPE in each]
    if not records:
        return cell
    if not cell.is_prompt:
        return replace(cell, fault="it holds a turn, but is no prompt cell")
    record = records[-1]
    if isinstance(record, list | str):  # nbformat splits what it takes for text into lines
        try:
            record = json.loads(_joined(record))
        except (ValueError, RecursionError):
            record = None
    try:
        return replace(cell, turn=replace(Turn.from_record(record), cell_id=cell.id))
    except RecordError as error:
        return replace(cell, fault=str(error).replace("\n", " "))


class LiveNotebook:
    """The notebook as a front end describes it before each execution, unsaved edits included.

    A description has `name`, `order` (all cell ids), `pending` (ids) and `changed` (cells by id, in the notebook
    format: those that are not as in the description before).
    """

    def __init__(self) -> None:
        self.name = "the notebook"
        self.error: NotebookError | None = None
        self.document: Document | None = None
        self._cells: dict[str, Any] = {}
        self._news: Document | None = None

    def receive(self, description: Mapping[str, Any]) -> None:
        """Take a description; one that is not well formed is passed over, and `error` says so."""
        order, changed, pending = (description.get(key) for key in ("order", "changed", "pending"))
        if not isinstance(order, list) or not isinstance(changed, dict) or not isinstance(pending, list):
            self.error = NotebookError("The front end described the notebook in a form that is not known.")
            return
        self.error = None
        self.name = str(description.get("name") or self.name)
        self._cells |= changed
        self._cells = {id_: self._cells[id_] for id_ in order if isinstance(id_, str) and id_ in self._cells}
        cells = _cells([{**cell, "id": id_} for id_, cell in self._cells.items() if isinstance(cell, Mapping)])
        waiting = frozenset(map(str, pending))
        self._news = self.document = Document(self.name, time.time(), list(cells), waiting, grace=0.0)

    def news(self) -> Document | None:
        """The document if it was described since the last call, else None."""
        news, self._news = self._news, None
        return news


class NotebookFile:
    """The file of the notebook that a kernel belongs to; read again whenever it was saved."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.error: NotebookError | None = None
        self.document: Document | None = None
        self._seen: tuple[int, int] | None = None

    def news(self) -> Document | None:
        """The document if it was saved since the last call, else None. What is wrong with it is left in `error`."""
        try:
            status = os.stat(self.path)
        except OSError:
            self.error = NotebookError(f"{self.path} is not there (any more).")
            return None
        version = (status.st_mtime_ns, status.st_size)
        if version == self._seen:
            return None
        self._seen = version
        try:
            self.document, self.error = read(self.path), None
        except NotebookError as error:
            self.error = error
            return None
        return self.document
