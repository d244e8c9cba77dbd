"""The notebook as the person sees it: names of cells, and which text and outputs a cell has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mm_magics.history.notebook import Cell, Document
from mm_magics.history.notebook_context import CellRun
from mm_magics.history.shown_cells import MIN_ID, by_id, find_cell, short_names, shown_cells

IDS = st.lists(st.text("ab1-", min_size=1, max_size=9), unique=True, max_size=30)


def document(*cells: Cell, pending: frozenset[str] = frozenset()) -> Document:
    return Document("notes.ipynb", 0.0, list(cells), pending)


@given(IDS)
def test_every_name_is_the_beginning_of_its_id_and_finds_its_cell_only(ids: list[str]) -> None:
    names = short_names(ids)
    assert list(names) == ids
    cells = shown_cells(document(*(Cell(each, "code", "1") for each in ids)), {})
    for cell in cells:
        assert names[cell.cell.id] == cell.name == cell.cell.id[: len(cell.name)]
        assert find_cell(by_id(cells), cell.name) == find_cell(by_id(cells), cell.cell.id) == [cell]
        shorter = cell.name[:-1]
        if len(shorter) >= MIN_ID:
            assert len(find_cell(by_id(cells), shorter)) > 1 or shorter in ids


@given(IDS, st.text("ab1-", max_size=9))
def test_a_beginning_finds_the_cells_that_have_it(ids: list[str], name: str) -> None:
    cells = shown_cells(document(*(Cell(each, "code", "1") for each in ids)), {})
    expected = {name} if name in ids else {each for each in ids if name and each.startswith(name)}
    assert {each.cell.id for each in find_cell(by_id(cells), name)} == expected


def test_the_text_is_that_of_the_page_and_the_outputs_are_those_of_the_last_run() -> None:
    saved = [{"output_type": "stream", "text": "saved"}]
    run = [{"output_type": "stream", "text": "run"}]
    cells = [
        Cell("a", "code", "x = 2", saved),
        Cell("b", "code", "y\n", saved),
        Cell("c", "markdown", "# Text"),
        Cell("d", "code", "z", saved),
    ]
    runs = {"a": CellRun("a", "x = 1", run), "b": CellRun("b", "y", run)}
    shown = shown_cells(document(*cells, pending=frozenset("d")), runs)
    assert [(each.number, each.cell.source, each.cell.text) for each in shown] == [
        (1, "x = 2", "run"),
        (2, "y\n", "run"),
        (3, "# Text", ""),
        (4, "z", "saved"),
    ]
    assert [each.is_edited for each in shown] == [True, False, False, False]
    assert [each.is_pending for each in shown] == [False, False, False, True]
    assert shown_cells(None, runs) == []
