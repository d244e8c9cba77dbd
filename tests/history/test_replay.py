"""Replay: which recordings are found in which notebooks, and which cells have one that still applies."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mm_magics.history.notebook import Cell, Document
from mm_magics.history.replay import Recordings, check_cells, is_replayable
from mm_magics.history.turn import MIME_TYPE, Turn
from tests.turns import turn


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
        assert Recordings().find(two.request_sha256, [source]) == replace(two, cell_id="c1")
    assert Recordings().find("0" * 64, [path]) is None
    assert Recordings().find(one.request_sha256, []) is None


def test_the_first_of_several_recordings_is_used(tmp_path: Path) -> None:
    early, late, other = (turn("q", answer) for answer in ("early", "late", "other"))
    later, earlier = save(tmp_path / "a.ipynb", late), save(tmp_path / "b" / "a.ipynb", early)
    save(tmp_path / "z.ipynb", other)
    for sources, answer in (([earlier, later], "early"), ([later, earlier], "late"), ([tmp_path], "late")):
        found = Recordings().find(early.request_sha256, sources)
        assert found is not None
        assert found.text == answer


def test_a_notebook_without_the_recording_does_not_end_the_search(tmp_path: Path) -> None:
    asked = turn("asked")
    (tmp_path / "broken.ipynb").write_text("{")
    sources = [tmp_path / "missing.ipynb", tmp_path / "broken.ipynb", save(tmp_path / "other.ipynb", turn("other"))]
    assert Recordings().find(asked.request_sha256, [*sources, save(tmp_path / "page.ipynb", asked)]) is not None


def test_checkpoints_of_jupyter_and_other_files_are_not_searched(tmp_path: Path) -> None:
    asked, again = turn("asked"), turn("again")
    save(tmp_path / ".ipynb_checkpoints" / "page-checkpoint.ipynb", asked)
    save(tmp_path / "page.json", asked)
    save(tmp_path / "sub" / "deep" / "page.ipynb", again)
    assert Recordings().find(asked.request_sha256, [tmp_path]) is None
    assert Recordings().find(again.request_sha256, [tmp_path]) is not None


def test_a_source_can_start_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = turn("asked")
    save(tmp_path / "page.ipynb", asked)
    assert Recordings().find(asked.request_sha256, ["~/page.ipynb"]) is not None


def test_a_saved_notebook_is_read_again_and_an_unchanged_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = turn("one"), turn("two")
    path = save(tmp_path / "page.ipynb", one)
    recordings = Recordings()
    assert recordings.find(one.request_sha256, [path]) is not None
    save(path, two)
    os.utime(path, (2_000_000_000, 2_000_000_000))
    assert recordings.find(two.request_sha256, [path]) is not None
    assert recordings.find(one.request_sha256, [path]) is None

    def refuse(*_: Any) -> Any:
        raise AssertionError("the notebook was read again")

    monkeypatch.setattr("mm_magics.history.replay.read_notebook", refuse)
    assert recordings.find(two.request_sha256, [path]) is not None
    path.unlink()
    assert recordings.find(two.request_sha256, [path]) is None


@pytest.mark.parametrize(
    ("status", "replayable"), [("complete", True), ("truncated", True), ("stopped", False), ("failed", False)]
)
def test_only_answers_that_the_endpoint_ended_are_recordings(tmp_path: Path, status: Any, replayable: bool) -> None:
    made = turn("asked", status=status)
    assert is_replayable(made) is replayable
    found = Recordings().find(made.request_sha256, [save(tmp_path / "page.ipynb", made)])
    assert (found is not None) is replayable


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
        ("%%minimax --sees\nWhat is an atoll?", "recorded"),
        ("%%minimax\nWhat is an atoll?", "stale"),
        ("%%minimax\nWhat is a reef? --sees", "stale"),
        ("%%minimax {{ x }}\nWhat is an atoll?", "stale"),
        ("%%minimax\n What is a reef?", "stale"),
        ("%%minimax\nWhat is a reef?\nAnd an atoll?", "stale"),
    ],
)
def test_a_cell_with_another_text_is_stale_where_its_text_can_be_compared(source: str, state: str) -> None:
    reason = "its text has changed" if state == "stale" else ""
    assert checked(cell("a", turn("What is a reef?"), source)) == [(1, "a", state, reason)]
