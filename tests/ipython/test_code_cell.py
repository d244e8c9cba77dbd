"""`--as code`: the code of an answer as a new cell below its prompt."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics.history.notebook import Cell, Document
from mm_magics.history.turn import Turn
from mm_magics.ipython import code_cell
from tests.ipython.test_frontend import NOTEBOOK, shell_of

ANSWER = "So:\n\n```python\nx = 1\n```\n\nand\n\n```python\nprint(x)\n```"
CODE = "x = 1\n\nprint(x)"
TERMINAL: Any = {"kernel": False}
CONSOLE: Any = {"content": {"allow_stdin": True}}


def turn(text: str = ANSWER, status: Any = "complete") -> Turn:
    messages = [{"role": role, "content": [{"type": "text", "text": text}]} for role in ("user", "assistant")]
    return Turn("main", status, "MiniMax-M2.7", messages, cell_id="c1")


def inserted(answer: Turn, *below: str, shell: Any = NOTEBOOK) -> list[tuple[str, bool]]:
    """What the front end is asked to insert, and whether it replaces a cell."""
    asked: list[tuple[str, bool]] = []
    fake = shell_of(**shell)
    fake.set_next_input = lambda text, replace: asked.append((text, replace))
    cells = [Cell("c1", "code", "%%minimax --as code"), *(Cell(f"b{n}", "code", text) for n, text in enumerate(below))]
    code_cell.insert(fake, answer, Document("page.ipynb", 0.0, cells), "c1")
    return asked


@pytest.mark.parametrize("shell", [NOTEBOOK, TERMINAL, CONSOLE])
def test_the_code_becomes_a_new_cell_and_replaces_none(shell: Any) -> None:
    assert inserted(turn(), "y = 2", shell=shell) == [(CODE, False)]


def test_the_same_code_is_not_inserted_twice() -> None:
    assert inserted(turn(), f"{CODE}\n") == []
    assert inserted(turn(), "y = 2", CODE) == [(CODE, False)]


@pytest.mark.parametrize("status", ["stopped", "truncated", "failed"])
def test_code_that_was_cut_is_not_inserted(status: str) -> None:
    assert inserted(turn(status=status)) == []


def test_an_answer_without_code_inserts_nothing() -> None:
    assert inserted(turn("Just text.")) == []


def test_control_characters_are_inserted_as_they_are_shown() -> None:
    assert inserted(turn("```\na\x1b[2Jb\n```")) == [("a␛[2Jb", False)]


@pytest.mark.parametrize(("shell", "notes"), [(NOTEBOOK, []), (TERMINAL, []), ({}, [code_cell.COPY_NOTE])])
def test_where_no_cell_can_be_inserted_a_note_says_what_to_do(shell: Any, notes: list[str]) -> None:
    assert code_cell.note(shell_of(**shell)) == notes
    if notes:
        assert inserted(turn(), shell=shell) == []
