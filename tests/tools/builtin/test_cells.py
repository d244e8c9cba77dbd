"""`search_cells`: the lines it finds in sources and outputs, and where it cuts them."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics.errors import ToolInputError
from mm_magics.history.notebook import Cell, Document
from mm_magics.history.notebook_context import CellRun, other_cells
from mm_magics.history.turn import MIME_TYPE
from mm_magics.tools.builtin.cells import MAX_LINE, MAX_LINES, search_cells_tool


def stream(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "text": text}


def search(cells: list[CellRun], text: str) -> str:
    tool = search_cells_tool(lambda: cells)
    return str(tool.function(**tool.check({"text": text})))


def test_lines_of_sources_and_outputs_are_found_with_their_places() -> None:
    answer = {"output_type": "display_data", "data": {MIME_TYPE: {}, "text/plain": "alpha in a turn"}}
    cells = [
        CellRun("a", "x = 1\nalpha = 2", []),
        CellRun("b", "print(1)", [stream("one\n\x1b[31mALPHA\x1b[0m\n")]),
        CellRun("c", "%%minimax\nWhat is alpha?", [answer]),
    ]
    assert search(cells, "Alpha").splitlines() == [
        "cell a, line 2: alpha = 2",
        "cell b, output line 2: ALPHA",
        "cell c, line 2: What is alpha?",
    ]
    assert search(cells, "beta") == "No other cell contains this text."


def test_the_cells_are_those_at_the_time_of_the_call() -> None:
    cells: list[CellRun] = []
    tool = search_cells_tool(lambda: cells)
    cells.append(CellRun("new", "alpha", []))
    assert tool.function(text="alpha") == "cell new, line 1: alpha"


def test_a_long_line_is_cut_around_what_was_found_and_many_lines_are_counted() -> None:
    long = "x" * 10_000 + "alpha" + "y" * 10_000
    line = search([CellRun("a", long, [])], "alpha")
    assert "xalphay" in line
    assert len(line) < MAX_LINE + 40
    assert "xalpha" in search([CellRun("a", "x" * 300 + "alpha", [])], "alpha")
    lines = search([CellRun("a", "alpha\n" * (MAX_LINES + 7), [])], "alpha").splitlines()
    assert len(lines) == MAX_LINES + 1
    assert lines[-1] == "… [cut here: 7 more lines]"


@pytest.mark.parametrize("text", ["", "  ", "a\nb"])
def test_a_blank_or_multiline_text_is_refused(text: str) -> None:
    with pytest.raises(ToolInputError):
        search([CellRun("a", "x", [])], text)


def test_all_cells_except_the_running_one_are_searched() -> None:
    document = Document(
        "talk.ipynb",
        0.0,
        [
            Cell("title", "markdown", "# alpha"),
            Cell("code", "code", "alpha = 1"),
            Cell("me", "code", "%%minimax\nalpha?"),
            Cell("below", "code", "alpha = 3", [stream("saved")]),
        ],
    )
    ran = {"below": CellRun("below", "alpha = 4", [stream("ran")]), "me": CellRun("me", "%%minimax\nalpha?", [])}
    ran["gone"] = CellRun("gone", "alpha = 5", [])
    assert [(cell.id, cell.source, cell.text) for cell in other_cells(document, ran, "me")] == [
        ("title", "# alpha", ""),
        ("code", "alpha = 1", ""),
        ("below", "alpha = 4", "ran"),
        ("gone", "alpha = 5", ""),
    ]
    assert [cell.id for cell in other_cells(None, ran, "me")] == ["below", "gone"]
