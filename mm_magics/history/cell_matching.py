"""Find out which cell of the notebook is running.

JupyterLab and Notebook send the id that the cell has in the file. Others do not: VS Code sends ids of its own, nbclient
sends none, and for a notebook without cell ids JupyterLab makes new ones whenever the page is opened. There, the cell
is found by its source, and by its turn once it is saved. A prompt that is not in the notebook was edited since the last
save: it may replace any cell that is not accounted for, so the turns of these cells are `uncertain`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

from mm_magics.history.cell_alignment import with_lasting_ids
from mm_magics.history.notebook import Cell, Document
from mm_magics.history.prompt_source import drop_lines_above

SYNTHETIC_ID_PREFIXES = ("vscode-", "In[")
"""Prefixes of cell ids that are in no notebook file: VS Code's, and those made for cells without one."""

ANONYMOUS = "In[unsaved "
"""How the id of a cell begins that has no id and is not in the notebook."""


class Execution(NamedTuple):
    """One execution request of a front end.

    `cell_id` is the id that the front end sent, if any, `page` the id of the client, and `run` that of the request.
    """

    source: str
    cell_id: str | None = None
    page: str = ""
    run: str = ""


@dataclass(frozen=True)
class Place:
    """Where a running cell is in the notebook.

    Attributes:
        cell_id: Its id in the notebook; the id that the front end sent, if the notebook does not contain it.
        after: The cell below which it is taken to be, if the notebook does not contain it: None for the last one, ""
            for the top of the notebook.
        is_saved: Whether the notebook contains it.
    """

    cell_id: str | None
    after: str | None = None
    is_saved: bool = True


@dataclass
class _Page:
    """One client, and the cells that ran on its page."""

    cells: dict[str, str] = field(default_factory=dict)
    """The cell of the notebook for each id that was sent."""
    sources: dict[str, str] = field(default_factory=dict)
    """The last source of each id."""
    guesses: dict[str, int] = field(default_factory=dict)
    """The cells that may have been taken for another one with the same text, and how many such cells there are."""
    unplaced: dict[str, str] = field(default_factory=dict)
    """The prompts that ran and are not in the notebook: their sources, by id."""
    last: str | None = None
    """The cell that ran last."""
    last_prompt: str | None = None
    """The prompt that ran last."""


class CellMatcher:
    """Matches running cells with the cells of the notebook, and remembers every match."""

    def __init__(self) -> None:
        self._document: Document | None = None
        self._numbers: dict[str, int] = {}
        """The numbers of the document's cells, by id."""
        self._by_source: dict[str, list[Cell]] = {}
        """Its code cells by their source, as `_comparable` returns it."""
        self._pages: dict[str, _Page] = {}
        self._seen: dict[tuple[str, str | None], Execution] = {}
        self._placed: tuple[str, Place] | None = None
        self._anonymous = 0

    def follow(self, document: Document, keys: Mapping[str, str]) -> tuple[Document, dict[str, str]]:
        """Take a new version of the notebook.

        Args:
            document: The notebook as it was read.
            keys: The key of each turn in the history, by turn id.

        Returns:
            The notebook with lasting cell ids, and the keys of the history that now have a cell, with its id.
        """
        before = self._document.cells if self._document else []
        self._document = document = replace(document, cells=with_lasting_ids(before, document.cells, keys))
        by_id = {cell.id: number for number, cell in enumerate(document.cells)}
        self._numbers, self._by_source = by_id, {}
        for cell in document.cells:
            if cell.kind == "code":
                self._by_source.setdefault(_comparable(cell.source), []).append(cell)
        owners = {turn.id: cell.id for cell in reversed(document.cells) for turn in cell.turns}
        moved = {key: owners[turn_id] for turn_id, key in keys.items() if key not in by_id and turn_id in owners}
        for page in self._pages.values():
            page.cells = {sent: cell_id for sent, cell_id in page.cells.items() if cell_id in by_id}
            page.cells = self._without_guesses(page, keys, owners)
            page.cells |= {sent: moved[sent] for sent in page.sources if sent in moved}
            accounted = set(page.cells.values()) - set(page.guesses)
            for sent, source in page.sources.items():
                if sent not in page.cells and sent not in by_id:
                    candidates = [*islice(self._candidates(sent, source, accounted), 2)]
                    if len(candidates) == 1:
                        page.cells[sent] = moved[sent] = candidates[0]
                        accounted.add(candidates[0])
            page.last = page.cells.get(page.last or "", page.last)
            page.last_prompt = page.cells.get(page.last_prompt or "", page.last_prompt)
            page.unplaced.clear()
        return document, moved

    def _without_guesses(self, page: _Page, keys: Mapping[str, str], owners: Mapping[str, str]) -> dict[str, str]:
        """Return the known cells of the page. Those that were guessed are known only if the document has their turn."""
        shown = {key: owners[turn_id] for turn_id, key in keys.items() if turn_id in owners}
        known = {
            sent: shown.get(cell_id) if cell_id in page.guesses else cell_id for sent, cell_id in page.cells.items()
        }
        page.guesses.clear()
        return {sent: cell_id for sent, cell_id in known.items() if cell_id}

    def see(self, execution: Execution) -> None:
        """Remember that a cell ran. It is matched when a prompt runs."""
        self._seen.pop((execution.page, execution.cell_id), None)
        self._seen[execution.page, execution.cell_id] = execution

    def find(self, execution: Execution) -> Place:
        """Return where a running cell that does not send a prompt is in the notebook."""
        for earlier in self._seen.values():
            self._find(earlier)
        self._seen.clear()
        return self._find(execution)

    def find_id(self, execution: Execution | None) -> str | None:
        """Return the id that a running command has in the notebook; None if the notebook does not contain it."""
        place = self.find(execution) if execution else Place(None)
        return place.cell_id if place.is_saved else None

    def place(self, execution: Execution) -> Place:
        """Return where the running prompt is in the notebook. It is the same for the whole execution."""
        if self._placed and execution.run and self._placed[0] == execution.run:
            return self._placed[1]
        page = self._pages.setdefault(execution.page, _Page())
        place = self.find(execution)
        if not place.is_saved:
            self._anonymous += place.cell_id is None
            id_ = place.cell_id or f"{ANONYMOUS}{self._anonymous}]"
            place = replace(place, cell_id=id_)
            page.last = id_
            page.unplaced[id_] = execution.source
        page.last_prompt = place.cell_id
        self._placed = execution.run, place
        return place

    def id_of(self, cell_id: str) -> str:
        """Return the id in the notebook of a cell that a front end named."""
        return next((page.cells[cell_id] for page in reversed(self._pages.values()) if cell_id in page.cells), cell_id)

    def guesses(self, page_id: str) -> list[tuple[int, int]]:
        """Return which cells may not be those that ran: their numbers, and how many cells have the same text."""
        page = self._pages.setdefault(page_id, _Page())
        numbers = {cell.id: number for number, cell in enumerate(self._document.cells, 1)} if self._document else {}
        return [(numbers[cell_id], count) for cell_id, count in page.guesses.items() if cell_id in numbers]

    def uncertain(self, page_id: str) -> frozenset[str]:
        """Return the cells of the notebook that a prompt that is not in it may have replaced."""
        page = self._pages.setdefault(page_id, _Page())
        if any(id_.startswith(ANONYMOUS) for id_ in page.unplaced):  # it may be any cell that ran before
            return frozenset([*page.unplaced, *(cell.id for cell in self._unnamed(None))])
        known = set(page.cells.values())
        cells = ((cell, id_, source) for id_, source in page.unplaced.items() for cell in self._unnamed(id_))
        return frozenset(
            cell.id for cell, id_, source in cells if cell.id not in known or _may_be_renamed(cell, id_, source)
        )

    def _find(self, execution: Execution) -> Place:
        document, page = self._document, self._pages.setdefault(execution.page, _Page())
        sent, source = execution.cell_id, execution.source
        if sent is not None:
            page.sources.pop(sent, None)
            page.sources[sent] = source
        if document is None:
            return Place(sent)
        number = -1 if _is_sent_by_source(sent) else self._numbers.get(sent or "", -1)
        if number >= 0 and document.cells[number].has_id:
            page.last = sent
            return Place(sent)
        if sent in page.cells:
            page.last = page.cells[sent]
            return Place(page.last)
        accounted = set(page.cells.values()) - set(page.guesses) if sent is not None else set()
        candidates = list(self._candidates(sent, source, accounted))
        if not candidates:
            after = page.last or "" if self._unnamed(sent) else page.last_prompt
            return Place(sent, after, is_saved=False)
        known = set(page.cells.values())
        free = [each for each in candidates if each not in known] or candidates
        last = self._numbers.get(page.last or "", -1)
        found = next((each for each in free if self._numbers[each] > last), free[0])
        if len(candidates) > 1:
            page.guesses[found] = len(candidates)
        if sent is not None:
            page.cells[sent] = found
        page.last = found
        return Place(found)

    def _candidates(self, sent: str | None, source: str, accounted: Collection[str]) -> Iterator[str]:
        """Yield the cells with this source that can be the one with this id, in order. Others are `accounted` for."""
        for cell in self._by_source.get(_comparable(source), ()):
            if cell.id not in accounted and (_is_sent_by_source(sent) or not cell.has_id):
                yield cell.id

    def _unnamed(self, sent: str | None) -> Sequence[Cell]:
        """Return the cells of the notebook that the front end does not name by their id."""
        cells = self._document.cells if self._document else []
        return [cell for cell in cells if _is_sent_by_source(sent) or not cell.has_id]


def _is_sent_by_source(sent: str | None) -> bool:
    """Return whether an id that a front end sent is in no notebook, so that only the source names the cell."""
    return sent is None or sent.startswith(SYNTHETIC_ID_PREFIXES)


def _may_be_renamed(cell: Cell, sent: str, source: str) -> bool:
    """Return whether JupyterLab may have given this cell a new id: it does when a file without ids is loaded again."""
    return not sent.startswith(SYNTHETIC_ID_PREFIXES) and _comparable(cell.source) == _comparable(source)


def _comparable(source: str) -> str:
    """Return the source without what a front end may leave out: VS Code drops comments above the first magic."""
    lines = drop_lines_above(source.rstrip().splitlines(keepends=True))
    return "\n".join(line.rstrip("\r\n") for line in lines)
