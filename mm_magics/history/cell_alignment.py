"""Give the cells of a notebook without cell ids (format 4.4 and older) ids that last from one version to the next.

A cell keeps its id if it has the same turn as before, else the same source, else the same position between cells that
do. Cells with an id in the file always keep that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

from mm_magics.history.matching_blocks import matching_blocks
from mm_magics.history.notebook import Cell


def with_lasting_ids(before: Sequence[Cell], cells: Sequence[Cell], owners: Mapping[str, str]) -> list[Cell]:
    """Return the cells of a new version of a notebook, each with the id that it had in the version before.

    Args:
        before: The cells of the version before.
        cells: The cells of the new version.
        owners: The ids of the cells whose turns were answered since then, by turn id.
    """
    if all(cell.has_id for cell in cells):
        return list(cells)
    return list(_Alignment(before, cells, owners).result())


def renamed_ids(before: Sequence[Cell], cells: Sequence[Cell], owners: Mapping[str, str]) -> dict[str, str]:
    """Return the new ids of a page's cells by their old ones, if all of them are new.

    JupyterLab makes new ids when it opens a notebook without cell ids. The arguments are those of `with_lasting_ids`.
    """
    known = {cell.id for cell in before}
    if known & {cell.id for cell in cells}:
        return {}
    old, new = ([replace(cell, has_id=False) for cell in each] for each in (before, cells))
    aligned = zip(with_lasting_ids(old, new, owners), cells, strict=True)
    return {found.id: cell.id for found, cell in aligned if found.id in known}


class _Alignment:
    def __init__(self, before: Sequence[Cell], cells: Sequence[Cell], owners: Mapping[str, str]) -> None:
        self._before, self._cells = before, cells
        in_file = {cell.id for cell in cells if cell.has_id}
        self._taken = in_file | {cell.id for cell in before}
        self._free = {cell.id for cell in before if not cell.has_id} - in_file
        self._ids: dict[int, str] = {}
        self._numbers = count()
        saved = {turn.id: cell.id for cell in reversed(before) for turn in cell.turns}
        self._by_turn({**saved, **owners})
        self._by_source()
        self._by_position()

    def result(self) -> Iterator[Cell]:
        for number, cell in enumerate(self._cells):
            id_ = cell.id if cell.has_id else self._ids.get(number) or self._new_id(cell.id)
            self._taken.add(id_)
            yield cell if id_ == cell.id else cell.with_id(id_)

    def _new_id(self, id_: str) -> str:
        if id_ not in self._taken:
            return id_
        return next(each for number in self._numbers if (each := f"cell-{number}") not in self._taken)

    def _assign(self, number: int, id_: str | None) -> None:
        if id_ in self._free and self._is_open(number):
            self._free.discard(id_)
            self._ids[number] = id_

    def _is_open(self, number: int) -> bool:
        return number not in self._ids and not self._cells[number].has_id

    def _by_turn(self, owners: Mapping[str, str]) -> None:
        for number, cell in enumerate(self._cells):
            for turn in cell.turns:
                self._assign(number, owners.get(turn.id))

    def _by_source(self) -> None:
        for is_equal, old, new in self._blocks():
            if is_equal:
                for at, number in zip(old, new, strict=True):
                    self._assign(number, self._before[at].id)
        free: dict[tuple[str, str], list[str]] = {}
        for cell in reversed(self._before):
            if cell.id in self._free:
                free.setdefault(_contents(cell), []).append(cell.id)
        for number, cell in enumerate(self._cells):  # cells that were moved
            if self._is_open(number) and (same := free.get(_contents(cell))):
                self._assign(number, same.pop())

    def _by_position(self) -> None:
        for is_equal, old, new in self._blocks():
            left = [self._before[at] for at in old if self._before[at].id in self._free]
            open_ = [number for number in new if self._is_open(number)]
            if not is_equal and [each.kind for each in left] == [self._cells[number].kind for number in open_]:
                for cell, number in zip(left, open_, strict=True):
                    self._assign(number, cell.id)

    def _blocks(self) -> Iterator[tuple[bool, range, range]]:
        """Align both versions, and return their blocks: whether they are equal, and which cells they contain."""
        old = [cell.id if cell.has_id or cell.id not in self._free else _contents(cell) for cell in self._before]
        ids = self._ids
        new = [cell.id if cell.has_id else ids.get(at, _contents(cell)) for at, cell in enumerate(self._cells)]
        return matching_blocks(old, new)


def _contents(cell: Cell) -> tuple[str, str]:
    return cell.kind, cell.source


def merged_order(document: list[str], before: list[str]) -> list[str]:
    """Return the document's order of keys; one that it does not contain stays after the key that came before it.

    >>> merged_order(["a", "c"], ["a", "b", "c", "d"])
    ['a', 'b', 'c', 'd']
    """
    known = set(document)
    added: dict[str | None, list[str]] = {}
    anchor = None
    for key in before:
        if key in known:
            anchor = key
        else:
            added.setdefault(anchor, []).append(key)
    return [*added.get(None, ()), *(each for key in document for each in (key, *added.get(key, ())))]
