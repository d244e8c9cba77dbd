"""Cells without ids keep the ids that they were given, from one version of the notebook to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_magics.history.cell_alignment import renamed_ids, with_lasting_ids
from mm_magics.history.notebook import Cell
from tests.turns import turn


def version(*sources: str, ids: str = "") -> list[Cell]:
    """Return cells as they are read: `# …` is a text cell, and `id=…` at the start is an id in the file."""
    cells = []
    for number, text in enumerate(sources):
        id_, _, source = text.rpartition("=")
        made = ids[number] if ids else f"cell-{number}"
        kind = "markdown" if source.startswith("#") else "code"
        cells.append(Cell(id_ or made, kind, source, has_id=bool(id_)))
    return cells


def ids(cells: Sequence[Cell]) -> list[str]:
    return [cell.id for cell in cells]


BEFORE = version("# T", "x", "y", "z", ids="Tabc")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (["# T", "x", "y", "z"], ["T", "a", "b", "c"]),
        (["# T", "x", "edited", "z"], ["T", "a", "b", "c"]),
        (["# edited", "edited", "y", "z"], ["T", "a", "b", "c"]),
        (["# T", "x", "z"], ["T", "a", "c"]),
        (["z"], ["c"]),
        ([], []),
        (["z", "# T", "x", "y"], ["c", "T", "a", "b"]),
        (["y", "x", "z", "# T"], ["b", "a", "c", "T"]),
        (["# T", "new", "x", "y", "z"], ["T", "cell-1", "a", "b", "c"]),
        (["# T", "x", "x", "y", "z"], ["T", "cell-1", "a", "b", "c"]),
        (["# T", "x", "# new", "z"], ["T", "a", "cell-2", "c"]),
        (["# T", "x", "new", "# new", "z"], ["T", "a", "cell-2", "cell-3", "c"]),
        (["# T", "x", "one", "two", "z"], ["T", "a", "cell-2", "cell-3", "c"]),
        (["# T", "x", "id=y", "z"], ["T", "a", "id", "c"]),
        (["# T", "x", "b=new", "y", "z"], ["T", "a", "b", "cell-3", "c"]),
        (["id=# T", "a=x", "b=y", "c=z"], ["id", "a", "b", "c"]),
        (["id=y", "y", "x"], ["id", "b", "a"]),
    ],
)
def test_a_cell_keeps_its_id_by_its_source_or_else_its_position(now: list[str], expected: list[str]) -> None:
    assert ids(with_lasting_ids(BEFORE, version(*now), {})) == expected


def test_a_new_cell_has_an_id_that_no_cell_has_or_had() -> None:
    before = version("x", "y")
    now = with_lasting_ids(before, version("one", "x", "two", "y", "cell-3=three"), {})
    assert ids(now) == ["cell-2", "cell-0", "cell-4", "cell-1", "cell-3"]
    assert ids(with_lasting_ids(now, version("x", "y", "new"), {})) == ["cell-0", "cell-1", "cell-5"]
    assert ids(with_lasting_ids([], version("x", "cell-0=y"), {})) == ["cell-1", "cell-0"]


def test_ids_in_the_file_are_kept_as_they_are() -> None:
    now = version("b=x", "a=y")
    assert with_lasting_ids(version("a=x", "b=y"), now, {}) == now
    assert ids(with_lasting_ids(version("a=x", "y"), version("x", "y"), {})) == ["cell-0", "cell-1"]


def answered(cell: Cell, *ids: str) -> Cell:
    turns = [turn(id=id_, cell_id=cell.id) for id_ in ids]
    return replace(cell, turn=turns[-1], earlier=tuple(turns[:-1]))


def test_a_turn_shows_which_cell_it_is_in_whatever_else_changed() -> None:
    one, two, three = version("x", "y", "z", ids="abc")
    before = [answered(one, "t1"), answered(two, "t2", "t3"), three]
    new = version("new", "y", "x", "z")
    now = [answered(new[0], "t3"), new[1], answered(new[2], "t4"), new[3]]
    found = with_lasting_ids(before, now, {"t4": "a"})
    assert ids(found) == ["b", "cell-1", "a", "c"]
    assert [each.cell_id for cell in found for each in cell.turns] == ["b", "a"]
    assert ids(with_lasting_ids(before, now, {"t3": "c", "t4": "of no cell"})) == ["c", "b", "a", "cell-3"]
    copies = [answered(new[0], "t1"), answered(new[1], "t1")]
    assert ids(with_lasting_ids(before, copies, {})) == ["a", "b"]


def test_the_first_of_two_cells_with_the_same_turn_had_it_first() -> None:
    before = [answered(cell, "t1") for cell in version("x", "x", ids="ab")]
    (cell,) = version("new")
    assert ids(with_lasting_ids(before, [answered(cell, "t1")], {})) == ["a"]


@pytest.mark.parametrize(
    ("now", "renamed"),
    [
        (["n1=x", "n2=y", "n3=# T"], {"a": "n1", "b": "n2", "T": "n3"}),
        (["n1=# T", "n2=x", "n3=new", "n4=y"], {"T": "n1", "a": "n2", "b": "n4"}),
        (["n1=# T", "a=x"], {}),
        ([], {}),
    ],
)
def test_a_page_that_gave_all_cells_new_ids_renamed_the_old_ones(now: list[str], renamed: dict[str, str]) -> None:
    before = version("T=# T", "a=x", "b=y")
    assert renamed_ids(before, version(*now), {}) == renamed


SOURCES = st.lists(st.sampled_from(["x", "y", "# T", "id=x", "id2=y", "cell-1=x"]), max_size=6).filter(
    lambda sources: len({each for each in sources if "=" in each}) == sum("=" in each for each in sources)
)


@given(SOURCES, SOURCES)
def test_ids_are_unique_and_last(one: list[str], two: list[str]) -> None:
    first = with_lasting_ids([], version(*one), {})
    second = with_lasting_ids(first, version(*two), {})
    for cells, sources in ((first, one), (second, two)):
        assert len({*ids(cells)}) == len(sources)
        assert [(cell.kind, cell.source, cell.has_id) for cell in cells] == [
            (cell.kind, cell.source, cell.has_id) for cell in version(*sources)
        ]
        assert all(cell.id == each.partition("=")[0] for cell, each in zip(cells, sources, strict=True) if "=" in each)
        assert ids(with_lasting_ids(cells, version(*sources), {})) == ids(cells)
