"""Reading a notebook: its turns, what is reported and left out, and records of schema 1."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mm_magics.errors import NotebookError
from mm_magics.history import notebook
from mm_magics.history.notebook import Cell, Document, NotebookFile, parse_notebook, read_notebook
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


def test_the_second_cell_with_the_same_id_is_reported_and_a_cell_of_its_own():
    page = document(cell("a", RECORDS[0]), cell("a", RECORDS[1]))
    assert [(turn.id, turn.cell_id) for turn in page.turns()] == [(RECORDS[0]["id"], "a"), (RECORDS[1]["id"], "a-1")]
    assert page.warnings == ["cell 2 (a-1): it has the same id as cell 1, and is used as a cell of its own"]
    assert page.faults == []
    assert [each.has_id for each in page.cells] == [True, False]


def test_a_made_id_is_never_that_of_another_cell():
    page = document(cell(None), cell("cell-0"), cell("a"), cell("a"), cell("a-3"), cell("cell-0"))
    assert [each.id for each in page.cells] == ["cell-0-", "cell-0", "a", "a-3-", "a-3", "cell-0-5"]


def test_a_record_outside_a_prompt_cell_is_reported_and_not_used():
    page = document(cell("a", RECORDS[0], source="print(1)"))
    assert list(page.turns()) == []
    assert page.faults == ["cell 1 (a): it contains a turn, but is not a prompt cell"]


def test_answers_that_are_not_used_are_named_in_one_sentence():
    page = document(cell("a", RECORDS[0]), cell("b", RECORDS[0], source="print(1)"), 7)
    assert page.unused == (
        "The answer in cell 2 of page.ipynb is not used: it contains a turn, but is not a prompt cell."
    )
    page = document(cell("a", {**RECORDS[0], "schema": 9}), cell("b", RECORDS[0], source="print(1)"))
    assert page.unused == "The answers in cells 1, 2 of page.ipynb are not used. See %minimax doctor."
    assert document(cell("a", RECORDS[0]), cell("a")).unused == ""


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
    with pytest.raises(NotebookError, match=r"page\.ipynb cannot be read: it is not UTF-8 or UTF-16\.$"):
        read_notebook(tmp_path / "page.ipynb")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_in_any_encoding_of_unicode_is_read(tmp_path, encoding):
    path = tmp_path / "page.ipynb"
    path.write_bytes(json.dumps({"cells": [cell("é", RECORDS[0])]}, ensure_ascii=False).encode(encoding))
    assert [turn.cell_id for turn in read_notebook(path).turns()] == ["é"]


def test_a_byte_order_mark_in_a_text_is_ignored():
    assert parse_notebook('\ufeff{"cells": []}', "page.ipynb", 0.0).cells == []


def test_a_renamed_file_is_found_by_its_cells_if_it_is_the_only_one(tmp_path):
    path, other = tmp_path / "Untitled.ipynb", tmp_path / "other.ipynb"
    path.write_text(json.dumps({"cells": [cell("a", RECORDS[0]), cell("b")]}))
    other.write_text(json.dumps({"cells": [cell("x")]}))
    (tmp_path / "broken.ipynb").write_text("{")
    file = NotebookFile(path)
    assert file.updated() is not None
    path.rename(tmp_path / "talk.ipynb")
    document = file.updated()
    assert document is not None
    assert (file.name, file.error, [each.id for each in document.cells]) == ("talk.ipynb", None, ["a", "b"])
    (tmp_path / "talk-Copy1.ipynb").write_text((tmp_path / "talk.ipynb").read_text())
    (tmp_path / "talk.ipynb").rename(tmp_path / "final.ipynb")
    assert file.updated() is None
    assert str(file.error) == f"{tmp_path / 'talk.ipynb'} does not exist."
    (tmp_path / "talk-Copy1.ipynb").unlink()
    assert file.updated() is not None
    assert file.name == "final.ipynb"


def test_a_renamed_file_without_cell_ids_is_found_by_its_turns(tmp_path):
    path = tmp_path / "Untitled.ipynb"
    path.write_text(json.dumps({"cells": [cell(None, RECORDS[0])]}))
    file = NotebookFile(path)
    assert file.updated() is not None
    path.rename(tmp_path / "talk.ipynb")
    assert file.updated() is not None
    assert file.name == "talk.ipynb"


def test_a_cell_with_another_id_has_all_of_its_turns_there():
    first, second, third = (Turn.from_record(RECORDS[number]) for number in (0, 1, 0))
    moved = Cell("a", "code", "", turn=third, earlier=(first, second)).with_id("b")
    assert [(turn.id, turn.cell_id) for turn in moved.turns] == [(RECORDS[n]["id"], "b") for n in (0, 1, 0)]
    assert Cell("a", "code", "x = 1").with_id("b") == Cell("b", "code", "x = 1")


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
    assert {name: len(turns) for name, turns in history.threads().items()} == {"one": 1, "two": 1}


def test_check_cells_reports_recorded_stale_missing_and_damaged():
    source = f"%%minimax\n{RECORDS[0]['messages'][0]['content'][0]['text']}"
    page = document(
        cell("a", RECORDS[0], source),
        cell("b", {**RECORDS[0], "request_sha256": "0" * 64}, source),
        cell("c"),
        cell("d", {**RECORDS[0], "status": "stopped"}),
        cell("e", {**RECORDS[0], "schema": 9}),
        cell("f", source="print(1)"),
    )
    assert [each.state for each in check_cells(page)] == ["recorded", "stale", "missing", "missing", "damaged"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "page.ipynb is not JSON.\nCheck that the file is a notebook, and complete."),
        ('{"cells": 3}', "page.ipynb is JSON, but not a notebook."),
        ("[]", "page.ipynb is JSON, but not a notebook."),
        ("{}", "page.ipynb is JSON, but not a notebook."),
    ],
)
def test_the_error_says_why_a_text_is_not_a_notebook(text: str, message: str) -> None:
    with pytest.raises(NotebookError) as caught:
        parse_notebook(text, "page.ipynb", 0.0)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("metadata", "settings"),
    [
        ({"minimax": {"thread": "t"}}, {"thread": "t"}),
        ({"minimax": 5}, 5),
        ({}, None),
        (None, None),
        (["minimax"], None),
    ],
)
def test_the_settings_in_the_metadata_are_read_unchecked(metadata: Any, settings: Any) -> None:
    assert parse_notebook(json.dumps({"metadata": metadata, "cells": []}), "page.ipynb", 0.0).settings == settings
    assert parse_notebook('{"cells": []}', "page.ipynb", 0.0).settings is None


def test_an_old_notebook_is_converted_and_a_broken_one_is_an_error() -> None:
    old = {"cell_type": "code", "language": "python", "input": "x = 1", "outputs": [], "prompt_number": 1}
    content = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": [old]}]}
    page = parse_notebook(json.dumps(content), "page.ipynb", 7.0)
    assert [(each.kind, each.source) for each in page.cells] == [("code", "x = 1")]
    assert (page.name, page.saved_at) == ("page.ipynb", 7.0)
    with pytest.raises(NotebookError, match=r"^page\.ipynb has an old format that cannot be converted \(\w+\)\.$"):
        parse_notebook('{"nbformat": 3, "worksheets": 4}', "page.ipynb", 0.0)


def test_cells_are_read_with_their_kind_source_and_outputs() -> None:
    output = {"output_type": "stream", "text": "hi"}
    page = document(
        {"cell_type": "code", "id": "a", "source": ["x = 1\n", 5, "y = 2"], "outputs": [output, 7]},
        {"cell_type": "markdown", "id": "", "source": "# Title"},
        {"id": 5, "source": None},
        7,
    )
    assert [(each.id, each.kind, each.source, each.outputs, each.fault) for each in page.cells] == [
        ("a", "code", "x = 1\ny = 2", [output], ""),
        ("cell-1", "markdown", "# Title", [], ""),
        ("cell-2", "None", "", [], ""),
        ("cell-3", "unknown", "", [], "it is not a cell"),
    ]
    assert [each.has_id for each in page.cells] == [True, False, False, False]
    assert page.faults == ["cell 4 (cell-3): it is not a cell"]


@pytest.mark.parametrize("cell_id", ["a", "b"])
def test_a_third_cell_with_the_same_id_is_reported_too(cell_id: str) -> None:
    page = document(cell("a", RECORDS[0]), cell(cell_id), cell("a", RECORDS[1]), cell("b" if cell_id == "a" else "c"))
    assert page.cells[2].warning == "it has the same id as cell 1, and is used as a cell of its own"
    assert page.cells[2].id == "a-2"
    assert page.cells[3].fault == ""


@pytest.mark.parametrize("record", ["{", ["{"], "[" * 100_000, [5], "5"])
def test_a_record_whose_text_is_not_a_record_is_reported(record: Any) -> None:
    page = document(cell("a", record), cell("b", RECORDS[1]))
    assert page.faults == ["cell 1 (a): The turn record is not an object."]
    assert [turn.cell_id for turn in page.turns()] == ["b"]


def test_a_fault_is_one_line() -> None:
    page = document(cell("a", {**RECORDS[0], "schema": 9}))
    assert page.faults == ["cell 1 (a): The record has schema 9; this version reads schema 2. Update mm_magics."]


def test_outputs_without_a_record_do_not_hide_it() -> None:
    made = cell("a", RECORDS[0])
    made["outputs"] = [
        {"output_type": "stream", "text": "before"},
        {"output_type": "display_data", "data": 5},
        *made["outputs"],
        {"output_type": "display_data", "data": {"text/plain": "after"}},
    ]
    assert [turn.id for turn in document(made).turns()] == [RECORDS[0]["id"]]


@pytest.mark.parametrize(
    ("source", "used"), [("%minimax explain", True), ("\n %%minimax\nHi", True), ("%minimax model", False)]
)
def test_turns_are_read_from_prompt_cells(source: str, used: bool) -> None:
    assert bool(list(document(cell("a", RECORDS[0], source=source)).turns())) is used
    assert list(document(cell("a", None, source=source, kind="markdown")).turns()) == []


# Files ----------------------------------------------------------------------------------------------------------


def test_a_file_is_a_document_with_its_name_and_time(tmp_path: Path) -> None:
    path = tmp_path / "page.ipynb"
    path.write_text(json.dumps({"cells": [cell("ü", RECORDS[0])]}, ensure_ascii=False), "utf-8")
    os.utime(path, (1_000, 2_000))
    page = read_notebook(path)
    assert (page.name, page.saved_at, page.cells[0].id) == ("page.ipynb", 2_000.0, "ü")
    assert (page.pending, page.grace) == (frozenset(), 2.0)


def test_a_file_up_to_the_limit_is_read_and_a_larger_one_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page.ipynb"
    path.write_text('{"cells": []}'.ljust(3 * 1024 * 1024))
    monkeypatch.setattr(notebook, "MAX_BYTES", 3 * 1024 * 1024)
    assert read_notebook(path).cells == []
    monkeypatch.setattr(notebook, "MAX_BYTES", 2 * 1024 * 1024)
    with pytest.raises(NotebookError) as caught:
        read_notebook(path)
    assert str(caught.value) == "page.ipynb has 3 MB; the limit is 2 MB.\nClear large outputs."
    os.truncate(path, 1_500 * 1024 * 1024)
    with pytest.raises(NotebookError, match=r"page\.ipynb has 1,500 MB; "):
        read_notebook(path)


def test_a_file_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "page.ipynb"
    with pytest.raises(NotebookError) as caught:
        read_notebook(path)
    assert str(caught.value) == f"{path} cannot be read: No such file or directory."


def test_a_notebook_file_keeps_its_document_while_the_file_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "page.ipynb"
    file = NotebookFile(path)
    assert (file.path, file.name, file.document, file.error) == (path, "page.ipynb", None, None)
    assert file.updated() is None
    assert str(file.error) == f"{path} does not exist."
    path.write_text(json.dumps({"cells": [cell("a", RECORDS[0])]}))
    page = file.updated()
    assert page is not None
    assert (file.document, file.error) == (page, None)
    path.write_text("{")
    assert file.updated() is None
    assert (file.document, file.error and file.error.message) == (page, "page.ipynb is not JSON.")
    assert file.updated() is None
    path.write_text(json.dumps({"cells": []}))
    assert file.updated() is not None
    assert file.error is None
