"""Matching the running cell with the notebook's cells, for front ends that do not send the ids of the file."""

from __future__ import annotations

from mm_magics.history.cell_matching import CellMatcher
from mm_magics.history.notebook import Cell, Document

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


def test_an_id_of_the_notebook_file_is_used_as_it_is() -> None:
    assert CellMatcher().match(PAGE, "one", "anything") == "one"
    assert CellMatcher().match(PAGE, "new", "anything") == "new"


def test_cells_with_the_same_source_are_matched_in_document_order() -> None:
    matcher = CellMatcher()
    assert [matcher.match(PAGE, None, "%%minimax\nHello") for _ in range(3)] == ["one", "two", None]


def test_an_id_of_vs_code_is_matched_once_and_remembered() -> None:
    matcher = CellMatcher()
    assert matcher.match(PAGE, "vscode-a", "%%minimax\nHello") == "one"
    assert matcher.match(PAGE, "vscode-b", "%%minimax\nHello") == "two"
    assert matcher.match(PAGE, "vscode-a", "%%minimax\nEdited") == "one"


def test_without_a_match_or_a_notebook_the_id_is_kept() -> None:
    assert CellMatcher().match(PAGE, "vscode-a", "unknown") == "vscode-a"
    assert CellMatcher().match(None, "vscode-a", "%%minimax\nHello") == "vscode-a"
    assert CellMatcher().match(None, None, "%%minimax\nHello") is None


def test_blank_ends_of_lines_do_not_prevent_a_match() -> None:
    assert CellMatcher().match(PAGE, None, "%%minimax\nAnother\n") == "three"
    assert CellMatcher().match(PAGE, None, "\n%%minimax\nAnother") is None


def test_cells_without_ids_and_with_ids_of_the_front_end_are_matched_together() -> None:
    matcher = CellMatcher()
    assert matcher.match(PAGE, "In[1]", "%%minimax\nHello") == "one"
    assert matcher.match(PAGE, None, "%%minimax\nHello") == "two"
    assert matcher.match(PAGE, None, "%%minimax\nAnother") == "three"
    assert matcher.match(PAGE, "In[1]", "%%minimax\nAnother") == "one"
