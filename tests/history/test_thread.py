"""Threads: a cell has one turn in each, and sees the turns above it."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics.api.messages import problems
from mm_magics.history.context_messages import context_messages, request_digest
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn
from tests.turns import turn


def filled(*cells: str | None, thread: str = "main") -> tuple[History, list[Turn]]:
    """A history in which these cells were run in this order, each with the turns above it as context."""
    history = History()
    for number, cell in enumerate(cells):
        above = history.context_turns(thread, cell)
        history.put(turn(f"q{number}", f"a{number}", above, cell_id=cell, thread=thread))
    return history, history.turns(thread)


def test_turns_are_in_the_order_of_the_first_runs_of_their_cells() -> None:
    history, _ = filled("a", "b", None, "c")
    assert [each.text for each in history.turns("main")] == ["a0", "a1", "a2", "a3"]
    assert history.turns("other") == []
    assert list(history.threads()) == ["main"]


def test_rerunning_a_cell_replaces_its_turn() -> None:
    history, _ = filled("a", "b", "c")
    history.put(turn("new", "again", cell_id="b"))
    assert [each.text for each in history.turns("main")] == ["a0", "again", "a2"]
    assert history.turn_of_cell("main", "b") == history.turns("main")[1]


def test_a_turn_without_a_cell_is_appended() -> None:
    history, _ = filled(None, None)
    assert [each.text for each in history.turns("main")] == ["a0", "a1"]
    assert history.turn_of_cell("main", None) is None


def test_a_cell_has_one_turn_per_thread() -> None:
    history, _ = filled("a")
    history.put(turn("q", "elsewhere", cell_id="a", thread="other"))
    assert [each.text for each in history.turns("main")] == ["a0"]
    assert [each.text for each in history.turns("other")] == ["elsewhere"]


@pytest.mark.parametrize(
    ("cell", "context", "texts"),
    [
        ("c", "above", ["a0", "a1"]),
        ("a", "above", []),
        ("new", "above", ["a0", "a1", "a2", "a3"]),
        (None, "above", ["a0", "a1", "a2", "a3"]),
        ("b", "all", ["a0", "a2", "a3"]),
        (None, "all", ["a0", "a1", "a2", "a3"]),
        ("c", "none", []),
        ("c", 0, []),
        ("c", 1, ["a1"]),
        ("c", 2, ["a0", "a1"]),
        ("c", 99, ["a0", "a1"]),
        ("a", 3, []),
        ("new", 1, ["a3"]),
    ],
)
def test_a_prompt_cell_sees_the_turns_of_its_context(cell: str | None, context: Any, texts: list[str]) -> None:
    history, _ = filled("a", "b", "c", "d")
    assert [each.text for each in history.context_turns("main", cell, context)] == texts


def test_clearing_a_thread_leaves_the_others() -> None:
    history, _ = filled("a", "b")
    history.put(turn("q", "kept", cell_id="a", thread="other"))
    assert history.clear("main") == 2
    assert history.turns("main") == []
    assert [each.text for each in history.turns("other")] == ["kept"]
    assert history.clear("main") == 0


def test_changing_a_returned_list_does_not_change_the_history() -> None:
    history, _ = filled("a", "b")
    history.turns("main").clear()
    history.context_turns("main", None).clear()
    history.threads()["main"].clear()
    assert len(history.turns("main")) == 2


# Stale ----------------------------------------------------------------------------------------------------------


def test_turns_below_a_changed_one_are_stale_and_those_above_are_not() -> None:
    history, turns = filled("a", "b", "c")
    assert [each.place in history.stale() for each in turns] == [False, False, False]
    history.put(turn("changed", "a1", history.context_turns("main", "b"), cell_id="b"))
    assert [each.place in history.stale() for each in history.turns("main")] == [False, False, True]


def test_a_turn_stops_being_stale_when_its_context_is_restored() -> None:
    history, turns = filled("a", "b", "c")
    history.put(turn("changed", "x", cell_id="a"))
    assert turns[1].place in history.stale()
    history.put(turns[0])
    assert [each.place in history.stale() for each in history.turns("main")] == [False, False, False]


def test_the_same_answer_makes_nothing_stale() -> None:
    history, _ = filled("a", "b")
    history.put(turn("q0", "a0", cell_id="a"))
    assert [each.place in history.stale() for each in history.turns("main")] == [False, False]


@pytest.mark.parametrize("context", ["above", "none", 1, 2, "all"])
def test_a_turn_with_another_context_setting_is_not_stale(context: Any) -> None:
    history, _ = filled("a", "b", "c")
    above = history.context_turns("main", "c", context)
    history.put(turn("q", "a", above, cell_id="c", context=context))
    assert history.turns("main")[2].place not in history.stale()


def test_a_turn_that_is_not_in_the_thread_is_not_stale() -> None:
    history, _ = filled("a")
    assert not history.stale()


# Context --------------------------------------------------------------------------------------------------------


def test_context_messages_are_the_turns_and_then_the_prompt() -> None:
    _, turns = filled("a", "b")
    array = context_messages(turns, {"role": "user", "content": "?"})
    assert problems(array) == []
    texts = [[block["text"] for block in message["content"]] for message in array]  # type: ignore[union-attr,index]
    assert texts == [["q0"], ["a0"], ["q1"], ["a1"], ["?"]]


def test_turns_without_a_sendable_answer_are_not_in_the_context() -> None:
    cut = turn("lost", [{"type": "thinking", "thinking": "hm"}], responses=[{"unfinished": 0}])
    array = context_messages([cut, turn("q", "a")], {"role": "user", "content": "?"})
    assert "lost" not in str(array)
    assert problems(array) == []


def test_request_digest_is_the_hash_of_the_request() -> None:
    _, turns = filled("a", "b")
    assert request_digest(turns[:1], turns[1]) == turns[1].request_sha256
    assert request_digest([], turns[1]) != turns[1].request_sha256
