"""A turn whose cell has another text now than the one that was answered is found, and reported everywhere."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from mm_magics import Session
from mm_magics.display.export_html import EDITED, render_page
from mm_magics.history.edits import answered_text, edited_note, is_edited
from mm_magics.history.notebook import parse_notebook
from mm_magics.history.replay import check_cells
from mm_magics.history.turn import MIME_TYPE, Turn, source_sha256
from mm_magics.simulator import Simulator
from tests.page_json import write_file
from tests.turns import turn as make_turn

EDITS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "edits.json").read_text("utf-8"))


def answered(source: str, **fields: Any) -> Turn:
    return make_turn(source_sha256=source_sha256(answered_text(source)), **fields)


@pytest.mark.parametrize("row", EDITS, ids=range(len(EDITS)))
def test_an_edit_is_noticed(row: dict[str, Any]) -> None:
    """The rows are judged by the page, too: `labextension/tests/lab/edits.test.ts`."""
    turn = answered(row["answered"], thread=row.get("thread", "main"))
    assert turn.source_sha256 == row["sha256"]
    assert is_edited(row["now"], turn) is row["edited"]
    assert not is_edited(row["answered"], turn)


@pytest.mark.parametrize(
    ("source", "edited"),
    [
        ("%%minimax\nhi", False),
        ("%%minimax\n  hi\n\n", False),
        ("%%minimax\r\nhi", False),
        ("%%time\n%%minimax --sees above\nhi", False),
        ("%%minimax --thread main\nhi", False),
        ("%%minimax --thread side\nhi", True),
        ("%minimax explain", False),
        ("%%minimax\n{{ greeting }}", False),
        ("%%minimax\nho", True),
        ("hi", True),
        ("", True),
    ],
)
@pytest.mark.parametrize("schema", [1, 2])
def test_without_a_hash_the_words_are_compared(source: str, edited: bool, schema: int) -> None:
    assert is_edited(source, make_turn("hi", schema=schema)) is edited


def test_a_text_that_utf8_cannot_encode_has_a_hash() -> None:
    assert source_sha256("half \ud83d") == source_sha256("half �")


def cell(id_: str, source: str, turn: Turn | None = None) -> dict[str, Any]:
    data = {MIME_TYPE: turn.record()} if turn else {}
    outputs = [{"output_type": "display_data", "metadata": {}, "data": data}] if turn else []
    return {"cell_type": "code", "id": id_, "metadata": {}, "execution_count": 1, "source": source, "outputs": outputs}


def book(*cells: dict[str, Any]) -> str:
    return write_file({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


class File:
    """A saved notebook that a session follows."""

    def __init__(self, session: Session, path: Path, *cells: dict[str, Any]) -> None:
        self.path, self._saves = path, 0
        self.save(*cells)
        session.attach(path)

    def save(self, *cells: dict[str, Any]) -> None:
        """Save the notebook now, with a modification time of its own."""
        self.path.write_text(book(*cells), "utf-8")
        self._saves += 1
        at = time.time() + self._saves * 10
        os.utime(self.path, (at, at))


NOTE = (
    "1 turn above was edited since it was answered: cell 2. "
    "The model receives the old text until the cell is run again."
)


def test_the_next_answer_reports_an_edited_turn_once(session: Session, endpoint: Simulator, tmp_path: Path) -> None:
    text = {"cell_type": "markdown", "id": "t", "metadata": {}, "source": "# Notes"}
    ada = answered("%%minimax\nWho is Ada?", prompt="Who is Ada?", answer="A programmer.", cell_id="a")
    file = File(session, tmp_path / "book.ipynb", text, cell("a", "%%minimax\nWho is Bob?", ada), cell("b", ""))
    assert session.prepare("And now?", cell_id="b").notes == [NOTE]
    assert session.prepare("And now?", cell_id="b").notes == [NOTE], "it is reported by an answer"
    with session.stream("And now?", cell_id="b") as answer:
        list(answer)
    assert NOTE in answer.notes
    assert answer.close().notes == []
    assert "Ada" in str(endpoint.log[-1].body["messages"])
    assert session.prepare("Again.", cell_id="b").notes == []
    file.save(text, cell("a", "%%minimax\nWho is Ada?", ada), cell("b", "%%minimax\nAnd now?", answer.close()))
    assert session.prepare("Again.", cell_id="b").notes == []
    assert session.history.edited() == set()
    file.save(text, cell("a", "%%minimax\nWho is Eve?", ada), cell("b", "%%minimax\nAnd now?", answer.close()))
    assert session.prepare("Again.", cell_id="b").notes == [NOTE], "edited again"


def test_only_edits_of_turns_that_are_sent_are_reported(session: Session, tmp_path: Path) -> None:
    turns = [answered("%%minimax\nhi", cell_id=id_) for id_ in "abc"]
    File(session, tmp_path / "book.ipynb", *(cell(each.cell_id or "", "%%minimax\nho", each) for each in turns))
    (note,) = session.prepare("Go.", cell_id="c").notes
    assert note.startswith("2 turns above were edited since they were answered: cells 1, 2.")
    assert session.prepare("Go.", cell_id="a").notes == []
    assert session.prepare("Go.", cell_id="c", context="none").notes == []
    assert session.prepare("Go.", cell_id="c", thread="other").notes == []


def test_a_cell_that_ran_again_is_not_edited_whatever_an_older_file_says(
    session: Session, endpoint: Simulator, tmp_path: Path
) -> None:
    ada = answered("%%minimax\nWho is Ada?", prompt="Who is Ada?", cell_id="a")
    File(session, tmp_path / "book.ipynb", cell("a", "%%minimax\nWho is Bob?", ada))
    session.refresh()
    assert session.history.edited() == {ada.place}
    session.ask("Who is Bob?", cell_id="a", source=answered_text("%%minimax\nWho is Bob?"))
    assert session.history.edited() == set()


def test_a_replayed_turn_has_the_text_that_it_answers_now(
    session: Session, endpoint: Simulator, tmp_path: Path
) -> None:
    before, after = "%%minimax\nWho is {{ name }}?", "%%minimax\nWho is Ada?"
    turn = session.ask("Who is Ada?", cell_id="a", source=answered_text(before))
    File(session, tmp_path / "book.ipynb", cell("a", after, turn))
    session.refresh()
    assert session.history.edited() == {turn.place}
    session.ask("Who is Ada?", cell_id="a", source=answered_text(after), replay="only")
    assert session.history.edited() == set()


def test_replay_check_tells_an_edited_cell_from_a_stale_one() -> None:
    first = answered("%%minimax\nOne.", prompt="One.", cell_id="a")
    second = answered("%%minimax\nTwo.", prompt="Two.", cell_id="b", above=[first])
    text = book(cell("a", "%%minimax\nAnother one.", first), cell("b", "%%minimax\nTwo.", second))
    states = [(each.state, each.reason) for each in check_cells(parse_notebook(text, "book", 0.0))]
    assert states == [("edited", "its text was edited since it was answered"), ("recorded", "")]


def test_an_exported_page_marks_an_edited_turn() -> None:
    turn = answered("%%minimax\nOne.", cell_id="a")
    assert render_page([turn], "main", edited={turn.place}).count(EDITED) == 1
    assert EDITED not in render_page([turn], "main")


@pytest.mark.parametrize(
    ("places", "note"),
    [
        ({("b", "t1")}, "1 turn above was edited since it was answered: cell 2."),
        ({("b", "t1"), ("b", "t2")}, "2 turns above were edited since they were answered: cell 2."),
        ({("c", "t1"), ("a", "t2"), ("gone", "t3")}, "3 turns above were edited since they were answered: cells 1, 3."),
    ],
)
def test_the_note_about_edited_turns_names_their_cells(places: set[tuple[str, str]], note: str) -> None:
    assert edited_note(places, "abc") == f"{note} The model receives the old text until the cell is run again."
