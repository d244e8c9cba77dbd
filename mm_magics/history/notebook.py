"""A notebook document: its cells in order, and the turns in their outputs.

A document is only read, never written. A cell that cannot be read is reported and left out, and the others are used.
Notebooks of format 4 are read as JSON, as the format specifies; nbformat converts older ones.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from mm_magics.errors import NotebookError, RecordError
from mm_magics.history.edits import answered_text
from mm_magics.history.prompt_source import is_prompt, runs_prompts
from mm_magics.history.turn import MIME_TYPE, Turn, source_sha256
from mm_magics.json_size import JSONSizeError, read_json
from mm_magics.text import decode_json

MAX_BYTES = 64 * 1024 * 1024
MAX_VALUES = 5_000_000
SETTINGS_KEY = "minimax"
"""Where the metadata of a notebook has settings."""
MAX_PAGES = 20
"""Pages whose cells are remembered, the last ones that described them."""


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        id: Its id in the file, or one that was made for it.
        kind: `code`, `markdown` or `raw`.
        source: Its text.
        outputs: Its outputs in the notebook format.
        turn: The last turn in its outputs.
        fault: Why its turns are not used, if they are not.
        warning: What else is wrong with it.
        earlier: The turns before the last one, in a code cell that runs several prompts.
        has_id: Whether its id is in the file, so that front ends send it.
        attachments: The attachments of a text cell, in the notebook format.
    """

    id: str
    kind: str
    source: str
    outputs: list[dict[str, Any]] = field(default_factory=list)
    turn: Turn | None = None
    fault: str = ""
    warning: str = ""
    earlier: tuple[Turn, ...] = ()
    has_id: bool = True
    attachments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_prompt(self) -> bool:
        return self.kind == "code" and is_prompt(self.source)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns in its outputs: one in a prompt cell, any number in a code cell that runs prompts."""
        return (*self.earlier, self.turn) if self.turn else ()

    def with_id(self, id_: str) -> Cell:
        """Return the cell with another id, which its turns have too."""
        turns = [replace(turn, cell_id=id_) for turn in self.turns]
        return replace(self, id=id_, earlier=tuple(turns[:-1]), turn=turns[-1] if turns else None)


@dataclass(frozen=True)
class Document:
    """A notebook as it was at `saved_at` (seconds since the epoch); `name` is its name in messages.

    `pending` are the ids of cells that are running or queued: their outputs are not up to date. A turn that is more
    than `grace` seconds older than the document is in it, unless its output was cleared. `settings` are those in its
    metadata, unchecked. The turns of `remembered` cells are those in the kernel's memory: the front end does not keep
    their records. The turns of `deleted` cells are forgotten, even if they are newer.
    """

    name: str
    saved_at: float
    cells: list[Cell]
    pending: frozenset[str] = frozenset()
    grace: float = 2.0
    settings: object = None
    remembered: frozenset[str] = frozenset()
    deleted: frozenset[str] = frozenset()

    @property
    def faults(self) -> list[str]:
        """What is wrong with the cells whose turns are not used, one line for each."""
        return [f"cell {number} ({cell.id}): {cell.fault}" for number, cell in enumerate(self.cells, 1) if cell.fault]

    @property
    def unused(self) -> str:
        """Which answers on the page are not part of the conversation, in one sentence; "" if all are."""
        cells = [(number, cell) for number, cell in enumerate(self.cells, 1) if cell.fault and cell.kind != "unknown"]
        if len(cells) == 1:
            ((number, cell),) = cells
            return f"The answer in cell {number} of {self.name} is not used: {cell.fault.rstrip('.')}."
        numbers = ", ".join(str(number) for number, _ in cells)
        return f"The answers in cells {numbers} of {self.name} are not used. See %minimax doctor." if cells else ""

    @property
    def warnings(self) -> list[str]:
        """What else is wrong with the cells, one line for each."""
        cells = enumerate(self.cells, 1)
        return [f"cell {number} ({cell.id}): {cell.warning}" for number, cell in cells if cell.warning]

    def turns(self) -> Iterator[Turn]:
        """Return the turns in document order, each with the id of its cell."""
        return (turn for cell in self.cells for turn in cell.turns)


def read_notebook(path: Path) -> Document:
    """Read the notebook file. Raises `NotebookError` if it is not a notebook, or too large."""
    try:
        status = path.stat()
        if status.st_size > MAX_BYTES:
            size, limit = (f"{value / 1024 / 1024:,.0f} MB" for value in (status.st_size, MAX_BYTES))
            raise NotebookError(f"{path.name} has {size}; the limit is {limit}.", "Clear large outputs.")
        text = decode_json(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 or UTF-16"
        raise NotebookError(f"{path} cannot be read: {reason}.") from None
    return parse_notebook(text, path.name, status.st_mtime)


def parse_notebook(text: str, name: str, saved_at: float) -> Document:
    """Parse the JSON text of a notebook. Raises `NotebookError` if it is not a notebook."""
    try:
        content = read_json(text.removeprefix("\ufeff"), MAX_VALUES, MAX_BYTES)
    except JSONSizeError as error:
        raise NotebookError(f"{name} cannot be read: it has {error}.", "Clear large outputs.") from None
    except ValueError:
        raise NotebookError(f"{name} is not JSON.", "Check that the file is a notebook, and complete.") from None
    if isinstance(content, dict) and "worksheets" in content:
        content = _converted(text, name)
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        raise NotebookError(f"{name} is JSON, but not a notebook.")
    return make_document(content, name, saved_at)


def make_document(content: Mapping[str, Any], name: str, saved_at: float) -> Document:
    """Return a notebook of format 4, which has `cells`, as a document."""
    metadata = content.get("metadata")
    settings = metadata.get(SETTINGS_KEY) if isinstance(metadata, Mapping) else None
    return Document(name, saved_at, list(_cells(content["cells"])), settings=settings)


def _converted(text: str, name: str) -> Any:
    import nbformat

    try:
        return nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # an old or broken notebook can make the converter fail in any way
        raise NotebookError(f"{name} has an old format that cannot be converted ({type(error).__name__}).") from None


def _cells(cells: list[Any]) -> Iterator[Cell]:
    """Yield the cells. The first of several cells with the same id keeps it, and the others are cells without an id."""
    given = [_id(raw) for raw in cells]
    first = {id_: number for number, id_ in reversed([*enumerate(given)]) if id_}
    for number, (id_, raw) in enumerate(zip(given, cells, strict=True)):
        has_id, warning = first.get(id_) == number, ""
        if not has_id:
            if id_:
                warning = f"it has the same id as cell {first[id_] + 1}, and is used as a cell of its own"
            id_ = f"{id_ or 'cell'}-{number}"
            while id_ in first:
                id_ += "-"
        if not isinstance(raw, Mapping):
            yield Cell(id_, "unknown", "", fault="it is not a cell", has_id=False)
            continue
        kind, source, outputs = str(raw.get("cell_type")), _joined(raw.get("source")), _outputs(raw.get("outputs"))
        attachments = found if isinstance(found := raw.get("attachments"), Mapping) else {}
        cell = Cell(id_, kind, source, outputs, warning=warning, has_id=has_id, attachments=attachments)
        yield _with_turns(cell)


def _id(raw: Any) -> str:
    given = raw.get("id") if isinstance(raw, Mapping) else None
    return given if isinstance(given, str) else ""


def _outputs(value: Any) -> list[dict[str, Any]]:
    return [dict(each) for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _joined(value: Any) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _with_turns(cell: Cell) -> Cell:
    """Return the cell with the turns in its outputs: the last in a prompt cell, all in a code cell that runs prompts.

    A copied turn belongs to the cell that contains it.
    """
    data = [output["data"] for output in cell.outputs if isinstance(output.get("data"), Mapping)]
    records = [each[MIME_TYPE] for each in data if MIME_TYPE in each]
    if not records:
        return cell
    turns: list[Turn] = []
    for record in records[-1:] if cell.is_prompt else records:
        try:
            turns.append(replace(Turn.from_record(_parsed(record)), cell_id=cell.id))
        except RecordError as error:
            cell = replace(cell, fault=str(error).replace("\n", " "))
    ran = source_sha256(answered_text(cell.source))
    if cell.kind != "code" or not (
        cell.is_prompt or runs_prompts(cell.source) or any(turn.source_sha256 == ran for turn in turns)
    ):
        return replace(cell, fault="it contains a turn, but is not a prompt cell")
    return replace(cell, earlier=tuple(turns[:-1]), turn=turns[-1] if turns else None)


def _parsed(record: Any) -> Any:
    """Return the record; nbformat splits text into lines."""
    if not isinstance(record, list | str):
        return record
    try:
        return read_json(_joined(record), MAX_VALUES, MAX_BYTES)
    except ValueError:
        return None


class LiveNotebook:
    """The notebook as the front end describes it before each execution, with unsaved edits.

    A description has `page` (its id), `name`, `path` (from the server's root folder), `settings` (in the metadata),
    `order` (all cell ids), `pending` (ids) and `changed`: the cells that changed since the last description of this
    page, by id, in the notebook format. It may have waited while a cell ran: `reorder` receives the order that the
    cells have by then.
    """

    def __init__(self) -> None:
        self.name = "the notebook"
        self.path = ""
        self.error: NotebookError | None = None
        self.document: Document | None = None
        self._cells: dict[str, Cell] = {}
        self._pages: dict[str, dict[str, Cell]] = {}
        self._updated: Document | None = None
        self._later_order: Mapping[str, Any] = {}

    def receive(self, description: Mapping[str, Any] | Document | NotebookError) -> None:
        """Apply a description, or take the whole document. A malformed one is ignored, and `error` says so."""
        if isinstance(description, NotebookError):
            self.error = description
            return
        if isinstance(description, Document):
            self.error, self.name = None, description.name
            self._updated = self.document = description
            return
        order, changed, pending = (description.get(key) for key in ("order", "changed", "pending"))
        if not isinstance(order, list) or not isinstance(changed, dict) or not isinstance(pending, list):
            self.error = NotebookError("The front end sent an unknown description of the notebook.")
            return
        self.error = None
        self.name, self.path = (str(description.get(key) or getattr(self, key)) for key in ("name", "path"))
        page = str(description.get("page", ""))
        cells = self._pages.pop(page, {}) | _cells_by_id(changed)
        self._cells = {id_: cells[id_] for id_ in order if isinstance(id_, str) and id_ in cells}
        self._pages = {page: self._cells, **dict(islice(self._pages.items(), MAX_PAGES - 1))}
        waiting, now = frozenset(map(str, pending)), self._order_now(description)
        deleted = frozenset(self._cells).difference(now)
        shown = [self._cells[id_] for id_ in now]
        fields: dict[str, Any] = {"settings": description.get("settings"), "deleted": deleted}
        self._updated = self.document = Document(self.name, time.time(), shown, waiting, grace=0.0, **fields)

    def has_page(self, page: str) -> bool:
        """Return whether a page describes the notebook. Older versions of the extension do not name their page."""
        return page in self._pages or "" in self._pages or not self._pages

    def reorder(self, message: Mapping[str, Any]) -> None:
        """Receive the order of the cells on a page, which its earlier descriptions do not have. Any thread may call it.

        A message has `page`, `sent_at` and `order`, as descriptions have them. A malformed one is ignored.
        """
        if isinstance(message.get("order"), list) and isinstance(message.get("sent_at"), int | float):
            self._later_order = message

    def _order_now(self, description: Mapping[str, Any]) -> list[str]:
        """Return the ids of the described cells that are still on the page, in their order by now.

        A cell that was deleted before it runs is kept: its prompt must have a place.
        """
        later, sent_at, scheduled = self._later_order, description.get("sent_at"), description.get("scheduled")
        if not later or later.get("page") != description.get("page") or not isinstance(sent_at, int | float):
            return [*self._cells]
        now = [id_ for id_ in dict.fromkeys(map(str, later["order"])) if id_ in self._cells]
        runs = {id_ for id_ in self._cells if isinstance(scheduled, list) and id_ in scheduled}
        return [*self._cells] if later["sent_at"] < sent_at or not runs <= set(now) else now

    @staticmethod
    def cells_in(description: Mapping[str, Any]) -> list[Cell]:
        """Return the cells of the first description that a page sends, which contains all of them."""
        order, changed = description.get("order"), description.get("changed")
        if not isinstance(order, list) or not isinstance(changed, dict):
            return []
        cells = _cells_by_id(changed)
        return [cells[id_] for id_ in order if isinstance(id_, str) and id_ in cells]

    def updated(self) -> Document | None:
        """Return the document if it was described since the last call."""
        updated, self._updated = self._updated, None
        return updated


def _cells_by_id(described: Mapping[str, Any]) -> dict[str, Cell]:
    """Return the cells of a description, by id, without those that are malformed."""
    valid = {id_: raw for id_, raw in described.items() if isinstance(raw, Mapping)}
    return dict(zip(valid, _cells([{**raw, "id": id_} for id_, raw in valid.items()]), strict=True))


class NotebookFile:
    """The file of the kernel's notebook. It is read again after every save, and never written.

    If it was renamed, it is the file in the same folder that has cells of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.error: NotebookError | None = None
        self.document: Document | None = None
        self._version: tuple[int, int] | None = None
        self._searched: set[tuple[Path, int]] = set()

    def updated(self) -> Document | None:
        """Return the document if it was saved since the last call; `error` says why it cannot be read."""
        if not self.path.exists() and (renamed := self._find_renamed()):
            self.path, self.name, self._version = renamed, renamed.name, None
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

    def _find_renamed(self) -> Path | None:
        """Return the only notebook in the folder that shares cells with the last version; None if it is not certain."""
        if self.document is None:
            return None
        known = _identities(self.document)
        found = {(path, path.stat().st_mtime_ns) for path in self.path.parent.glob("*.ipynb") if path.is_file()}
        if found == self._searched:
            return None
        self._searched = found
        sharing = []
        for path, _ in sorted(found):
            try:
                if known & _identities(read_notebook(path)):
                    sharing.append(path)
            except NotebookError:
                continue
        return sharing[0] if len(sharing) == 1 else None


def _identities(document: Document) -> set[str]:
    """Return the ids that are unique to a notebook and its copies: those of its cells and turns."""
    cells = {cell.id for cell in document.cells if cell.has_id}
    return cells | {turn.id for turn in document.turns()}


def current_path(notebook: NotebookFile | LiveNotebook | None, path: Path | None) -> Path | None:
    """Return where the notebook is now.

    Args:
        notebook: The notebook.
        path: Where it was when the kernel started. It may have been renamed or moved since.
    """
    if isinstance(notebook, NotebookFile):
        return notebook.path
    if notebook is None or path is None or not notebook.path:
        return path
    return next((moved for folder in path.parents if (moved := folder / notebook.path).is_file()), path)
