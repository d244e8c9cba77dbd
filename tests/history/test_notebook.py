"""Reading a notebook: its turns, what is reported and left out, and records of schema 1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mm_magics.errors import NotebookError
from mm_magics.history.notebook import Document, NotebookFile, parse_notebook, read_notebook
from mm_magics.history.replay import check_cells
from mm_magics.history.thread import History
from mm_magics.history.turn import MIME_TYPE, Turn

RECORDS = json.loads((Path(__file__).parent / "records" / "schema1.json").read_text("utf-8"))


def cell(id_: str | None, record: Any = None, source: str = "%%minimax\nHello.", kind: str = "code") -> dict[str, Any]:
    made: dict[str, Any] = {"cell_type": kind, "source": source, "metadata": {}}
    if id_ is not None:
        made["id"] = id_
    if kind == "code":
        made["outputs"] = [] if record is None else [{"output_type": "display_data", "data": {MIME_TYPE: record}}]
    return made


def document(*cells: Any) -> Document:
    return parse_notebook(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}), "page.ipynb", 0.0
    )


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record["cell_id"]))
def test_schema_1_records_are_read_and_written_unchanged(record):
    turn = Turn.from_record(record)
    assert turn.record() == record
    assert turn.closed


def test_a_turn_belongs_to_the_cell_that_contains_it():
    page = document(cell("a", RECORDS[0]), cell("b", RECORDS[0]))
    assert [turn.cell_id for turn in page.turns()] == ["a", "b"]
    history = History()
    history.follow(page)
    assert [turn.cell_id for turn in history.turns("main")] == ["a", "b"]
    assert page.faults == []


def test_the_second_cell_with_the_same_id_is_reported_and_not_used():
    page = document(cell("a", RECORDS[0]), cell("a", RECORDS[1]))
    assert [turn.id for turn in page.turns()] == [RECORDS[0]["id"]]
    assert page.faults == ["cell 2 (a-1): another cell has the same id; its turn is not used"]


def test_a_record_outside_a_prompt_cell_is_reported_and_not_used():
    page = document(cell("a", RECORDS[0], source="print(1)"))
    assert list(page.turns()) == []
    assert page.faults == ["cell 1 (a): it contains a turn, but is not a prompt cell"]


@pytest.mark.parametrize("cut", ["messages", "status", "thread", "id", "params", "responses"])
def test_a_damaged_record_is_reported_and_the_others_are_read(cut):
    damaged = {**RECORDS[0], cut: 7}
    page = document(cell("a", damaged), cell("b", RECORDS[1]))
    assert [turn.cell_id for turn in page.turns()] == ["b"]
    assert page.faults == [f"cell 1 (a): The turn record is damaged: {cut}."]


@pytest.mark.parametrize(
    "odd", [7, None, "text", [], {"cell_type": "code"}, {"cell_type": "code", "outputs": 7, "source": 3}]
)
def test_malformed_cells_do_not_affect_the_others(odd):
    page = document(odd, cell("b", RECORDS[0]))
    assert [turn.cell_id for turn in page.turns()] == ["b"]


def test_cells_without_ids_are_numbered():
    page = document(cell(None, RECORDS[0]), cell(None, RECORDS[1]))
    assert [turn.cell_id for turn in page.turns()] == ["cell-0", "cell-1"]


def test_a_record_that_was_split_into_lines_is_read():
    lines = json.dumps(RECORDS[0], indent=1).splitlines(keepends=True)
    assert [turn.id for turn in document(cell("a", lines)).turns()] == [RECORDS[0]["id"]]


def test_the_last_record_of_a_cell_is_used():
    both = cell("a", RECORDS[0])
    both["outputs"] += cell("a", RECORDS[1])["outputs"]
    assert [turn.id for turn in document(both).turns()] == [RECORDS[1]["id"]]


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"cells": 3}', '{"nbformat": 3, "worksheets": 4}'])
def test_a_text_that_is_not_a_notebook_raises_a_notebook_error(text):
    with pytest.raises(NotebookError, match=r"^page.ipynb "):
        parse_notebook(text, "page.ipynb", 0.0)


def test_a_file_is_read_again_only_after_a_save(tmp_path):
    path = tmp_path / "page.ipynb"
    path.write_text(json.dumps({"cells": [cell("a", RECORDS[0])]}))
    file = NotebookFile(path)
    assert file.updated() is not None
    assert file.updated() is None
    path.write_text(json.dumps({"cells": [cell("b", RECORDS[0]), cell("c")]}))
    document = file.updated()
    assert document is not None
    assert [each.id for each in document.cells] == ["b", "c"]


def test_a_file_that_is_not_utf_8_raises_a_notebook_error(tmp_path):
    (tmp_path / "page.ipynb").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NotebookError, match="it is not UTF-8"):
        read_notebook(tmp_path / "page.ipynb")


def test_threads_with_unusual_names_are_separate():
    names = ["main", "a b", "<script>", "\u202e", "", "x" * 500]
    page = document(*(cell(f"c{n}", {**RECORDS[0], "thread": name}) for n, name in enumerate(names)))
    history = History()
    history.follow(page)
    assert list(history.threads()) == names
    assert all(len(turns) == 1 for turns in history.threads().values())


def test_forks_that_form_a_circle_do_not_recurse_forever():
    one = {**RECORDS[0], "thread": "one", "base": {"thread": "two", "turn": "x"}}
    two = {**RECORDS[1], "thread": "two", "base": {"thread": "one", "turn": "y"}}
    history = History()
    history.follow(document(cell("a", one), cell("b", two)))
    assert {name: len(turns) for name, turns in history.threads().items()} == {"one": 1, "two": 2}


def test_check_cells_reports_recorded_stale_missing_and_damaged():
    page = document(
        cell("a", RECORDS[0], source=f"%%minimax\n{RECORDS[0]['messages'][0]['content'][0]['text']}"),
        cell("b", {**RECORDS[0], "request_sha256": "0" * 64}),
        cell("c"),
        cell("d", {**RECORDS[0], "status": "stopped"}),
        cell("e", {**RECORDS[0], "schema": 9}),
        cell("f", source="print(1)"),
    )
    assert [each.state for each in check_cells(page)] == ["recorded", "stale", "missing", "missing", "damaged"]
