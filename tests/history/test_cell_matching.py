"""Matching the running cell with the notebook's cells, for front ends that do not send the ids of the file."""

from __future__ import annotations

from dataclasses import replace

from mm_magics.history.cell_matching import CellMatcher, Execution, Place
from mm_magics.history.notebook import Cell, Document
from tests.turns import turn

PAGE = Document(
    "page.ipynb",
    0.0,
    [
        Cell("text", "markdown", "%%minimax\nHello"),
        Cell("one", "code", "%%minimax\nHello"),
        Cell("two", "code", "%%minimax\nHello\n"),
        Cell("three", "code", "%%minimax\nAnother"),
    ],
)
HELLO, ANOTHER = "%%minimax\nHello", "%%minimax\nAnother"


def matcher(document: Document = PAGE) -> CellMatcher:
    made = CellMatcher()
    made.follow(document, {})
    return made


def ids(made: CellMatcher, *sent: tuple[str | None, str], page: str = "") -> list[str | None]:
    return [made.place(Execution(source, cell_id, page)).cell_id for cell_id, source in sent]


def without_ids(document: Document) -> Document:
    return replace(document, cells=[replace(cell, has_id=False) for cell in document.cells])


def test_an_id_of_the_notebook_file_is_used_as_it_is() -> None:
    assert ids(matcher(), ("one", "anything"), ("new", HELLO)) == ["one", "new"]
    made = matcher()
    assert made.place(Execution("%%minimax\nedited", "one")) == Place("one")
    assert made.place(Execution("%%minimax\nnew", "vscode-a")) == Place("vscode-a", "one", is_saved=False)


def test_an_id_that_front_ends_make_up_is_matched_by_source_even_if_a_file_has_it() -> None:
    page = replace(PAGE, cells=[Cell("vscode-a", "code", ANOTHER), *PAGE.cells[:2]])
    assert ids(matcher(page), ("vscode-a", HELLO)) == ["one"]


def test_cells_with_the_same_source_are_matched_in_document_order_and_reported() -> None:
    made = matcher()
    assert ids(made, (None, HELLO), (None, HELLO), (None, HELLO)) == ["one", "two", "one"]
    assert made.guesses("") == [(2, 2), (3, 2)]


def test_an_id_of_vs_code_is_matched_once_and_remembered() -> None:
    made = matcher()
    sent = ("vscode-a", HELLO), ("vscode-b", HELLO), ("vscode-a", "%%minimax\nEdited")
    assert ids(made, *sent) == ["one", "two", "one"]


def test_a_single_cell_with_the_source_is_not_a_guess() -> None:
    made = matcher()
    assert ids(made, ("vscode-a", ANOTHER), (None, ANOTHER)) == ["three", "three"]
    assert made.guesses("") == []


def test_without_a_match_or_a_notebook_the_id_is_kept() -> None:
    assert ids(matcher(), ("vscode-a", "%%minimax\nunknown")) == ["vscode-a"]
    assert ids(CellMatcher(), ("vscode-a", HELLO), (None, HELLO)) == ["vscode-a", None]


def test_what_a_front_end_may_drop_from_the_source_does_not_prevent_a_match() -> None:
    made = matcher()
    assert ids(made, ("vscode-a", "# A comment.\n%%minimax\r\nAnother\n"), ("vscode-b", "%%minimax\n Another")) == [
        "three",
        "vscode-b",
    ]


def test_the_same_execution_has_one_place() -> None:
    made, execution = matcher(), Execution(HELLO, None, "page", "run 1")
    assert [made.place(execution).cell_id for _ in range(3)] == ["one"] * 3
    assert made.place(execution._replace(run="run 2")).cell_id == "two"


def test_a_cell_without_an_id_that_is_not_in_the_notebook_gets_one() -> None:
    made = matcher()
    assert ids(made, (None, "%%minimax\nnew"), (None, "%%minimax\nnewer")) == ["In[unsaved 1]", "In[unsaved 2]"]
    assert made.uncertain("") >= {"one", "two", "three", "In[unsaved 1]"}


def test_a_new_cell_makes_the_cells_uncertain_that_it_may_have_replaced() -> None:
    made = matcher()
    ids(made, ("vscode-a", ANOTHER), ("vscode-b", "%%minimax\nedited"))
    assert made.uncertain("") == {"text", "one", "two"}
    made = matcher()
    ids(made, ("one", HELLO), ("new", "%%minimax\nnew"))
    assert made.uncertain("") == set()
    made = matcher(without_ids(PAGE))
    ids(made, ("x1", ANOTHER), ("x2", "%%minimax\nedited"))
    assert made.uncertain("") == {"text", "one", "two"}
    assert made.uncertain("another page") == set()
    ids(made, ("x3", ANOTHER))
    assert made.uncertain("") == {"text", "one", "two", "three"}
    made.follow(without_ids(PAGE), {})
    assert made.uncertain("") == set()


def test_a_new_cell_comes_after_the_cell_that_ran_before_it() -> None:
    made = matcher()
    assert made.place(Execution("%%minimax\nfirst", "vscode-a")).after == ""
    made.see(Execution(ANOTHER, "vscode-b"))
    made.see(Execution("x = 1", "vscode-c"))
    assert made.place(Execution("%%minimax\nsecond", "vscode-d")).after == "three"
    assert made.place(Execution("%%minimax\nthird", "vscode-e")).after == "vscode-d"
    assert matcher().place(Execution("%%minimax\nfirst", "new")).after is None


def test_cells_without_ids_keep_their_ids_over_saves() -> None:
    made = matcher(without_ids(PAGE))
    numbered = [replace(cell, id=f"cell-{number}", has_id=False) for number, cell in enumerate(PAGE.cells)]

    def saved(*cells: Cell) -> list[str]:
        return [cell.id for cell in made.follow(replace(PAGE, cells=list(cells)), {})[0].cells]

    text, one, two, three = numbered
    assert saved(text, one, two, three) == ["text", "one", "two", "three"]
    assert saved(three, text, one, two) == ["three", "text", "one", "two"]
    assert saved(three, text, replace(one, source="edited"), two) == ["three", "text", "one", "two"]
    assert saved(three, replace(text, id="cell-2", source="new"), two) == ["three", "cell-2", "two"]


def test_a_cell_without_an_id_is_recognized_by_its_turn() -> None:
    answered = turn(cell_id="x")
    page = without_ids(PAGE)
    made = matcher(page)
    edited = replace(page.cells[2], id="cell-0", source="edited").with_id("cell-0")
    shown = replace(edited, turn=replace(answered, cell_id="cell-0"))
    document, moved = made.follow(replace(page, cells=[shown, *page.cells[:2]]), {answered.id: "two"})
    assert [cell.id for cell in document.cells] == ["two", "text", "one"]
    assert document.cells[0].turns == (replace(answered, cell_id="two"),)
    assert moved == {}


def test_a_prompt_that_is_saved_later_moves_to_its_cell() -> None:
    answered = turn(cell_id="vscode-a")
    made = matcher()
    ids(made, ("vscode-a", "%%minimax\nnew"))
    new = Cell("four", "code", "%%minimax\nnew again", turn=replace(answered, cell_id="four"))
    _, moved = made.follow(replace(PAGE, cells=[*PAGE.cells, new]), {answered.id: "vscode-a"})
    assert moved == {"vscode-a": "four"}
    assert ids(made, ("vscode-a", "%%minimax\nnewest")) == ["four"]
    assert made.id_of("vscode-a") == "four"


def test_of_two_runs_of_a_cell_the_last_one_decides_where_a_new_prompt_comes() -> None:
    made = matcher()
    for cell_id in ("vscode-a", "vscode-b", "vscode-a"):
        made.see(Execution(ANOTHER if cell_id == "vscode-a" else HELLO, cell_id))
    assert made.place(Execution("%%minimax\nnew", "vscode-c")).after == "three"
