"""Replay: which recordings are found in which notebooks, and which cells have one that still applies."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mm_magics.history.notebook import Cell, Document, read_notebook
from mm_magics.history.replay import Recordings, check_cells, find_in_history, is_replayable
from mm_magics.history.thread import History
from mm_magics.history.turn import MIME_TYPE, Turn
from tests.page_json import Page
from tests.turns import recorded_request, schema_1, turn


def save(path: Path, *turns: Turn) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "source": f"%%minimax\n{each.prompt}",
            "outputs": [{"output_type": "display_data", "data": {MIME_TYPE: each.record()}}],
        }
        for number, each in enumerate(turns)
    ]
    path.write_text(json.dumps({"nbformat": 4, "cells": cells}), "utf-8")
    return path


# Finding --------------------------------------------------------------------------------------------------------


def test_a_recording_is_found_by_the_hash_of_its_request(tmp_path: Path) -> None:
    one, two = turn("one"), turn("two")
    path = save(tmp_path / "page.ipynb", one, two)
    for source in (path, str(path), tmp_path):
        assert Recordings().find(recorded_request(two), [source]) == replace(two, cell_id="c1")
    assert Recordings().find(recorded_request(turn("three")), [path]) is None
    assert Recordings().find(recorded_request(one), []) is None


def test_the_first_of_several_recordings_is_used(tmp_path: Path) -> None:
    early, late, other = (turn("q", answer) for answer in ("early", "late", "other"))
    later, earlier = save(tmp_path / "a.ipynb", late), save(tmp_path / "b" / "a.ipynb", early)
    save(tmp_path / "z.ipynb", other)
    for sources, answer in (([earlier, later], "early"), ([later, earlier], "late"), ([tmp_path], "late")):
        found = Recordings().find(recorded_request(early), sources)
        assert found is not None
        assert found.text == answer


def test_a_notebook_without_the_recording_does_not_end_the_search(tmp_path: Path) -> None:
    asked = turn("asked")
    (tmp_path / "broken.ipynb").write_text("{")
    sources = [tmp_path / "missing.ipynb", tmp_path / "broken.ipynb", save(tmp_path / "other.ipynb", turn("other"))]
    assert Recordings().find(recorded_request(asked), [*sources, save(tmp_path / "page.ipynb", asked)]) is not None


def test_checkpoints_of_jupyter_and_other_files_are_not_searched(tmp_path: Path) -> None:
    asked, again = turn("asked"), turn("again")
    save(tmp_path / ".ipynb_checkpoints" / "page-checkpoint.ipynb", asked)
    save(tmp_path / "page.json", asked)
    save(tmp_path / "sub" / "deep" / "page.ipynb", again)
    assert Recordings().find(recorded_request(asked), [tmp_path]) is None
    assert Recordings().find(recorded_request(again), [tmp_path]) is not None


def test_a_source_can_start_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = turn("asked")
    save(tmp_path / "page.ipynb", asked)
    assert Recordings().find(recorded_request(asked), ["~/page.ipynb"]) is not None


def test_a_saved_notebook_is_read_again_and_an_unchanged_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = turn("one"), turn("two")
    path = save(tmp_path / "page.ipynb", one)
    recordings = Recordings()
    assert recordings.find(recorded_request(one), [path]) is not None
    save(path, two)
    os.utime(path, (2_000_000_000, 2_000_000_000))
    assert recordings.find(recorded_request(two), [path]) is not None
    assert recordings.find(recorded_request(one), [path]) is None

    def refuse(*_: Any) -> Any:
        raise AssertionError("the notebook was read again")

    monkeypatch.setattr("mm_magics.history.replay.read_notebook", refuse)
    assert recordings.find(recorded_request(two), [path]) is not None
    path.unlink()
    assert recordings.find(recorded_request(two), [path]) is None


@pytest.mark.parametrize(
    ("status", "replayable"), [("complete", True), ("truncated", True), ("stopped", False), ("failed", False)]
)
def test_only_answers_that_the_endpoint_ended_are_recordings(tmp_path: Path, status: Any, replayable: bool) -> None:
    made = turn("asked", status=status)
    assert is_replayable(made) is replayable
    found = Recordings().find(recorded_request(made), [save(tmp_path / "page.ipynb", made)])
    assert (found is not None) is replayable


def test_the_versions_in_a_notebook_are_recordings_too(tmp_path: Path) -> None:
    old, stopped = turn("old"), turn("stopped", status="stopped")
    path = save(tmp_path / "page.ipynb", turn("new", versions=[stopped, old]))
    found = Recordings().find(recorded_request(old), [path])
    assert found is not None
    assert found.id == old.id
    assert Recordings().find(recorded_request(stopped), [path]) is None


def test_a_version_is_replayed_if_the_active_turn_of_the_same_request_was_stopped(tmp_path: Path) -> None:
    done = turn("q", "done")
    path = save(tmp_path / "page.ipynb", turn("q", "half", status="stopped", versions=[done]))
    found = Recordings().find(recorded_request(done), [path])
    assert found is not None
    assert found.text == "done"


def test_the_models_that_answered_for_a_default_model_are_found(tmp_path: Path) -> None:
    made = {
        model: turn(model, model=model, responses=[{"instead_of": default}])
        for model, default in (("one", "M"), ("two", "M"), ("three", "other"))
    }
    save(tmp_path / "a.ipynb", made["one"], turn("plain"))
    other = save(tmp_path / "b" / "b.ipynb", made["two"], made["three"])
    assert Recordings().substitutes("M", [tmp_path]) == {"one", "two"}
    assert Recordings().substitutes("M", [other]) == {"two"}
    assert Recordings().substitutes("M", []) == set()


# Checking -------------------------------------------------------------------------------------------------------


def cell(id_: str, made: Turn | None = None, source: str = "", fault: str = "") -> Cell:
    source = source or f"%%minimax\n{made.prompt if made else 'Hello.'}"
    return Cell(id_, "code", source, turn=made and replace(made, cell_id=id_), fault=fault)


def checked(*cells: Cell) -> list[tuple[int, str, str, str]]:
    document = Document("page.ipynb", 0.0, list(cells))
    return [(each.number, each.cell.id, each.state, each.reason) for each in check_cells(document)]


def test_each_prompt_cell_has_a_state_with_a_reason() -> None:
    first = turn("one")
    second = turn("two", above=[first])
    states = checked(
        Cell("text", "markdown", "# Title"),
        cell("a", first),
        Cell("code", "code", "print(1)"),
        cell("b", second),
        cell("c"),
        cell("d", turn("four", status="stopped")),
        cell("e", fault="The turn record is damaged: id."),
    )
    assert states == [
        (2, "a", "recorded", ""),
        (4, "b", "recorded", ""),
        (5, "c", "missing", "its output contains no turn"),
        (6, "d", "missing", "its turn is stopped"),
        (7, "e", "damaged", "The turn record is damaged: id."),
    ]


def test_a_cell_below_a_changed_turn_is_stale() -> None:
    first = turn("one")
    second = turn("two", above=[first])
    assert checked(cell("a", turn("one", "changed")), cell("b", second)) == [
        (1, "a", "recorded", ""),
        (2, "b", "stale", "the turns above it have changed"),
    ]


@pytest.mark.parametrize(
    ("source", "state"),
    [
        ("%%minimax\nWhat is a reef?", "recorded"),
        ("\n  %%minimax\nWhat is a reef?\n\n", "recorded"),
        ("%%minimax --model MiniMax-M2\nWhat is a reef?", "recorded"),
        ("%%minimax\nWhat is {{ thing }}?", "recorded"),
        ("%%minimax --sees\nWhat is an atoll?", "edited"),
        ("%%minimax\nWhat is an atoll?", "edited"),
        ("%%minimax\nWhat is a reef? --sees", "edited"),
        ("%%minimax {{ x }}\nWhat is an atoll?", "edited"),
        ("%%minimax\n What is a reef?", "recorded"),
        ("%%minimax\nWhat is a reef?\nAnd an atoll?", "edited"),
    ],
)
def test_a_cell_with_another_text_is_edited_where_its_text_can_be_compared(source: str, state: str) -> None:
    reason = "its text was edited since it was answered" if state == "edited" else ""
    assert checked(cell("a", turn("What is a reef?"), source)) == [(1, "a", state, reason)]


# A hash alone is not trusted, and schema 1 ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "another prompt"},
        {"model": "MiniMax-M2"},
        {"system": "Be brief."},
        {"params": {"max_tokens": 5}},
        {"params": {"max_tokens": 8192, "tools": [{"name": "f", "input_schema": {}}]}},
        {"messages": []},
    ],
    ids=str,
)
def test_a_record_that_claims_the_hash_of_another_request_is_not_replayed(tmp_path: Path, other: Any) -> None:
    asked = turn("asked")
    made = turn(**{"prompt": "asked", **other}) if "messages" not in other else replace(asked, messages=[])
    forged = replace(made, request_sha256=asked.request_sha256, id="0b0a7d2c-0000-4000-8000-000000000000")
    assert Recordings().find(recorded_request(asked), [save(tmp_path / "page.ipynb", forged)]) is None
    history = History()
    history.put(replace(forged, cell_id="a"))
    assert find_in_history(history, recorded_request(asked), history.turn_of_cell("main", "a")) is None


@pytest.mark.parametrize("same", [{"params": {"max_tokens": 8192.0}}, {"params": {"max_tokens": 8192, "metadata": {}}}])
def test_another_spelling_of_the_same_request_is_replayed(tmp_path: Path, same: Any) -> None:
    asked, made = turn("asked"), turn("asked", **same)
    assert Recordings().find(recorded_request(asked), [save(tmp_path / "page.ipynb", made)]) is not None


def calling(value: Any) -> Turn:
    """Return a turn that called a tool with this value."""
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"z": value}}
    made = turn("call", [call], params={"max_tokens": 9})
    result: Any = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "done"}]}
    final: Any = {"role": "assistant", "content": [{"type": "text", "text": "Done."}]}
    return replace(made, messages=[*made.messages, result, final])


@pytest.mark.parametrize("value", ["text", 5, 2.0, 9007199254740993, [1.0, {"b": 1, "a": 2}]], ids=str)
@pytest.mark.parametrize("params", [{"temperature": 1.0, "max_tokens": 9}, {"top_p": 1.0}, {"max_tokens": 9}], ids=str)
def test_a_recording_of_schema_1_is_found_however_it_was_saved(tmp_path: Path, value: Any, params: Any) -> None:
    first = schema_1(calling(value))
    second = schema_1(turn("asked", params=params), [first])
    with Page() as page:
        for name, saved in (("python", lambda record: record), ("page", page.save)):
            records = [saved(each.record()) for each in (first, second)]
            turns = [Turn.from_record(record) for record in records]
            path = save(tmp_path / f"{name}.ipynb", *turns)
            requested = recorded_request(turn("asked", params=params), [turns[0]])
            found = Recordings().find(requested, [path])
            assert found is not None
            assert found.id == second.id
            assert [each.state for each in check_cells(read_notebook(path))] == ["recorded", "recorded"]
            for other in (turn("other", params=params), turn("asked", params={**params, "max_tokens": 7})):
                assert Recordings().find(recorded_request(other, [turns[0]]), [path]) is None


def test_a_schema_1_turn_is_stale_once_the_turn_above_it_changed(tmp_path: Path) -> None:
    first, changed = schema_1(turn("one", params={"temperature": 1.0})), turn("one", "changed")
    second = schema_1(turn("two", params={"temperature": 1.0}), [first])
    with Page() as page:
        second = Turn.from_record(page.save(second.record()))
    path = save(tmp_path / "page.ipynb", changed, second)
    assert [each.state for each in check_cells(read_notebook(path))] == ["recorded", "stale"]
    assert Recordings().find(recorded_request(second, [changed]), [path]) is None
    found = Recordings().find(recorded_request(replace(second, params={"temperature": 1.0}), [first]), [path])
    assert found is not None
    assert found.id == second.id


def test_a_version_is_a_recording() -> None:
    old = turn("old")
    history = History()
    history.put(turn("new", versions=[old], cell_id="a"))
    assert find_in_history(history, recorded_request(old), None) == old


@pytest.mark.parametrize("schema", [1, 2])
def test_a_prompt_that_follows_the_result_of_a_tool_is_found(tmp_path: Path, schema: int) -> None:
    first = calling(5)
    first = replace(first, messages=first.messages[:-1])  # it ends with the result, and the next prompt is joined to it
    second = turn("asked", above=[first])
    first, second = (first, second) if schema == 2 else (schema_1(first), schema_1(second, [first]))
    request = recorded_request(second, [first])
    assert len(request.messages) == 3
    assert Recordings().find(request, [save(tmp_path / "page.ipynb", first, second)]) == replace(second, cell_id="c1")
    history = History()
    for number, each in enumerate((first, second)):
        history.put(replace(each, cell_id=f"c{number}"))
    assert find_in_history(history, request, None) == replace(second, cell_id="c1")
