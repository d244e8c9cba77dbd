"""Turns are found by words in any of their parts, in all notebooks below a folder, and their calls are added up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mm_magics.cli import main
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.history.search import matches_in, patterns_of
from mm_magics.history.turn import Turn
from mm_magics.simulator import text, thinking, tool_use
from tests.turns import turn


def full_turn() -> Turn:
    call = {**tool_use("look_up", {"place": "Great Barrier"}), "id": "call_1"}
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "a depth of 60 m"}
    messages = [
        {"role": "user", "content": [text("How deep is the Reef?")]},
        {"role": "assistant", "content": [thinking("Perhaps shallow."), call]},
        {"role": "user", "content": [result]},
        {"role": "assistant", "content": [text("At most 60 m, in the outer\nreef of Cafe\u0301 Straße.")]},
    ]
    return Turn("main", "complete", "MiniMax-M2.7", messages, system="Be brief.")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("reef", ["prompt", "answer"]),
        ("REEF deep", ["prompt", "answer"]),
        ("shallow", ["thinking"]),
        ("barrier", ["call of look_up"]),
        ("brief", ["system"]),
        ("60", ["result", "answer"]),
        ('"outer reef"', ["answer"]),
        ('"reef outer"', []),
        ("reef missing", []),
        ("café", ["answer"]),
        ("straße", ["answer"]),
        ("6.", []),
        ("m,", ["answer"]),
    ],
)
def test_a_turn_is_found_by_every_part_of_it(words: str, parts: list[str]) -> None:
    assert [each.part for each in matches_in(full_turn(), patterns_of(words))] == parts


def test_the_text_around_a_match_is_short() -> None:
    long = turn("x" * 500 + " needle " + "y" * 500 + " needle " * 50, "answer")
    ((_, shown),) = matches_in(long, patterns_of("needle"))
    assert (shown[:2], shown[-1]) == ("…x", "…")
    assert len(shown) < 300


def save(path: Path, *turns: Turn) -> None:
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "source": f"%%minimax\n{each.prompt}",
            "metadata": {},
            "execution_count": None,
            "outputs": [{"output_type": "display_data", "data": make_bundle(each), "metadata": {}}],
        }
        for number, each in enumerate(turns)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    usage = {"usage": {"input_tokens": 1_000_000, "output_tokens": 0}, "stop_reason": "end_turn", "seconds": 1.0}
    both = replace(turn("the same reef", "yes"), responses=[usage])
    older = replace(turn("an old kelp", "no"), responses=[usage])
    newer = replace(turn("a new kelp", "yes"), responses=[usage], versions=[older])
    save(tmp_path / "b.ipynb", both, newer)
    save(tmp_path / "deep" / "a.ipynb", both)
    save(tmp_path / ".ipynb_checkpoints" / "b.ipynb", turn("hidden reef", "x"))
    save(tmp_path / "env" / "site-packages" / "b.ipynb", turn("hidden reef", "x"))
    (tmp_path / "broken.ipynb").write_text("{")
    return tmp_path


def test_search_names_the_notebook_the_cell_and_older_answers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "reef", str(folder)]) == 0
    shown = capsys.readouterr()
    found = [line for line in shown.out.splitlines() if not line.startswith(" ")]
    assert [line.split(":")[0] for line in found] == [f"{folder}/b.ipynb, cell 1", f"{folder}/deep/a.ipynb, cell 1"]
    assert "broken.ipynb" in shown.err
    assert main(["search", "kelp", str(folder / "b.ipynb")]) == 0
    assert "cell 2, an earlier answer: " in capsys.readouterr().out


def test_search_without_a_match_exits_with_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "hidden", str(folder)]) == 1
    assert main(["search", '""', str(folder)]) == 1
    assert "There is nothing to search for." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("by", "names"),
    [("model", ["MiniMax-M2.7"]), ("notebook", ["b.ipynb"]), ("day", [turn("a", "b").created[:10]])],
)
def test_usage_counts_a_copied_turn_once_and_older_answers_too(
    folder: Path, capsys: pytest.CaptureFixture[str], by: str, names: list[str]
) -> None:
    assert main(["usage", str(folder), "--by", by]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[0].rpartition("/")[2] for row in rows[1:2]] == names
    assert (rows[1][1], rows[1][4]) == ("3", "3,000,000")


def test_usage_of_a_folder_without_turns_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", str(tmp_path)]) == 0
    assert "There are no turns." in capsys.readouterr().out
