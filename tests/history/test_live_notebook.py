"""The notebook as a front end describes it, and where it is now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mm_magics.errors import NotebookError
from mm_magics.history.notebook import MAX_PAGES, Document, LiveNotebook, NotebookFile, current_path, parse_notebook
from tests.history.test_notebook import RECORDS, cell


def described(cells: str = "ab", **fields: Any) -> dict[str, Any]:
    return {"order": list(cells), "changed": {id_: cell(None) for id_ in cells}, "pending": [], **fields}


def ids(document: Document | None) -> str:
    assert document is not None
    return "".join(each.id for each in document.cells)


def test_a_description_of_the_front_end_is_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1234.0)
    live = LiveNotebook()
    assert (live.name, live.document, live.error, live.updated()) == ("the notebook", None, None, None)
    changed = {"a": cell(None, RECORDS[0]), "b": cell("other"), "gone": cell(None), "c": 5}
    live.receive({"name": "page.ipynb", "order": ["b", "a", "new", 7, "c"], "changed": changed, "pending": ["b", 5]})
    page = live.updated()
    assert page is not None
    assert page == live.document
    assert (page.name, page.saved_at, page.grace) == ("page.ipynb", 1234.0, 0.0)
    assert page.pending == {"b", "5"}
    assert [each.id for each in page.cells] == ["b", "a"]
    assert [turn.cell_id for turn in page.turns()] == ["a"]
    assert live.updated() is None


def test_a_later_description_contains_only_what_changed() -> None:
    live = LiveNotebook()
    changed = {"a": cell(None), "b": cell(None)}
    live.receive({"name": "page.ipynb", "order": ["a", "b"], "changed": changed, "pending": []})
    live.receive({"order": ["b", "a"], "changed": {"a": cell(None, source="x = 1")}, "pending": []})
    assert live.document is not None
    assert [(each.id, each.source) for each in live.document.cells] == [("b", "%%minimax\nHello."), ("a", "x = 1")]
    assert live.name == live.document.name == "page.ipynb"
    live.receive({"order": ["a"], "changed": {}, "pending": []})
    live.receive({"order": ["a", "b"], "changed": {}, "pending": []})
    assert [each.id for each in live.document.cells] == ["a"]


@pytest.mark.parametrize("wrong", [{"order": None}, {"changed": []}, {"pending": "a"}])
def test_a_malformed_description_is_ignored_and_reported(wrong: dict[str, Any]) -> None:
    live = LiveNotebook()
    description = {"order": ["a"], "changed": {"a": cell(None)}, "pending": []}
    live.receive(description)
    page = live.updated()
    live.receive({**description, **wrong})
    assert str(live.error) == "The front end sent an unknown description of the notebook."
    assert live.updated() is None
    assert live.document is page
    live.receive(description)
    assert live.error is None


def test_a_whole_document_or_an_error_can_be_received() -> None:
    live = LiveNotebook()
    live.receive(NotebookError("The page is gone."))
    assert (str(live.error), live.updated()) == ("The page is gone.", None)
    document = parse_notebook('{"cells": []}', "page.ipynb", 0.0)
    live.receive(document)
    assert (live.error, live.name, live.document, live.updated()) == (None, "page.ipynb", document, document)
    assert live.updated() is None


def test_a_description_has_the_path_and_the_settings_of_the_notebook() -> None:
    live = LiveNotebook()
    live.receive(described(name="page.ipynb", path="talks/page.ipynb", settings={"thread": "t"}))
    assert live.document is not None
    assert (live.path, live.document.settings) == ("talks/page.ipynb", {"thread": "t"})
    live.receive(described())
    assert (live.name, live.path, live.document.settings) == ("page.ipynb", "talks/page.ipynb", None)


def test_the_first_cell_of_an_id_in_a_description_keeps_its_attachments() -> None:
    live = LiveNotebook()
    image = {"a.png": {"image/png": "eA=="}}
    live.receive(
        {**described(), "changed": {"a": {**cell(None), "attachments": image}, "b": {**cell(None), "attachments": 5}}}
    )
    assert live.document is not None
    assert [each.attachments for each in live.document.cells] == [image, {}]


# Pages ----------------------------------------------------------------------------------------------------------


def test_each_page_has_cells_of_its_own_and_the_last_pages_are_remembered() -> None:
    live = LiveNotebook()
    for number in range(MAX_PAGES + 1):
        live.receive(described("ab", page=f"p{number}"))
    live.receive(described("", page="p1", order=["a", "b"]))
    assert ids(live.document) == "ab"
    live.receive(described("", page="p0", order=["a", "b"]))
    assert ids(live.document) == ""
    live.receive(described("", page="p2", order=["a", "b"]))
    assert ids(live.document) == "", "it was the page that was not used for the longest time"
    live.receive(described("", page="p1", order=["a", "b"]))
    assert ids(live.document) == "ab"


def test_a_page_is_known_once_it_described_the_notebook() -> None:
    live = LiveNotebook()
    assert live.has_page("p")
    live.receive(described(page="p"))
    assert live.has_page("p")
    assert not live.has_page("other")
    live.receive(described())
    assert live.has_page("other"), "a page of an older version has no name"


@pytest.mark.parametrize(
    ("description", "cells"),
    [
        ({"order": ["b", "a", "c", 5], "changed": {"a": cell(None), "b": cell(None), "d": cell(None)}}, "ba"),
        ({"order": None, "changed": {"a": cell(None)}}, ""),
        ({"order": ["a"], "changed": [cell("a")]}, ""),
        ({}, ""),
    ],
)
def test_the_cells_of_a_first_description_are_read_in_order(description: Any, cells: str) -> None:
    assert "".join(each.id for each in LiveNotebook.cells_in(description)) == cells


# Changes while a cell waited ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("later", "fields", "cells", "deleted"),
    [
        ({"order": list("cab")}, {}, "cab", ""),
        ({"order": list("cc")}, {}, "c", "ab"),
        ({"order": ["c", "new", 5]}, {}, "c", "ab"),
        ({"order": list("ab")}, {"scheduled": ["c"]}, "abc", ""),
        ({"order": list("bc")}, {"scheduled": ["c"]}, "bc", "a"),
        ({"order": list("bc")}, {"scheduled": ["b", "c"]}, "bc", "a"),
        ({"order": list("ab")}, {"scheduled": "c"}, "ab", "c"),
        ({"order": list("cb")}, {"sent_at": 9}, "cb", "a"),
        ({"order": list("cb")}, {"sent_at": 10}, "cb", "a"),
        ({"order": list("cb")}, {"sent_at": 11}, "abc", ""),
        ({"order": list("cb")}, {"sent_at": "9"}, "abc", ""),
        ({"order": list("cb")}, {"page": "other"}, "abc", ""),
        ({"order": list("cb"), "page": "other"}, {}, "abc", ""),
        ({"order": "cb"}, {}, "abc", ""),
        ({"order": list("cb"), "sent_at": "10"}, {}, "abc", ""),
    ],
)
def test_a_description_has_the_order_that_the_page_sent_later(
    later: Any, fields: Any, cells: str, deleted: str
) -> None:
    live = LiveNotebook()
    live.reorder({"page": "p", "sent_at": 10, **later})
    live.receive(described("abc", **{"page": "p", "sent_at": 1.5, **fields}))
    assert ids(live.document) == cells
    assert live.document is not None
    assert live.document.deleted == set(deleted)


# Where the notebook is ------------------------------------------------------------------------------------------


def test_a_notebook_that_was_moved_is_found_below_a_folder_of_its_old_path(tmp_path: Path) -> None:
    old, moved = tmp_path / "a" / "old.ipynb", tmp_path / "b" / "new.ipynb"
    live = LiveNotebook()
    assert current_path(None, old) == current_path(live, old) == old
    live.receive(described(path="b/new.ipynb"))
    assert current_path(live, old) == old
    moved.parent.mkdir()
    moved.touch()
    assert current_path(live, old) == moved
    assert current_path(live, None) is None
    assert current_path(NotebookFile(moved), old) == moved
