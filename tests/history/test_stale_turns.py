"""Which turns are stale: they answered other turns above them than there are now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mm_magics.history.context_messages import ContextHash
from mm_magics.history.thread import History
from tests.turns import history_of, recorded_request, schema_1, turn


def test_turns_below_a_changed_one_are_stale_and_those_above_are_not() -> None:
    history, turns = history_of("a", "b", "c")
    assert [each.place in history.stale() for each in turns] == [False, False, False]
    history.put(turn("changed", "a1", history.context_turns("main", "b"), cell_id="b"))
    assert [each.place in history.stale() for each in history.turns("main")] == [False, False, True]


def test_a_turn_stops_being_stale_when_its_context_is_restored() -> None:
    history, turns = history_of("a", "b", "c")
    history.put(turn("changed", "x", cell_id="a"))
    assert turns[1].place in history.stale()
    history.put(turns[0])
    assert [each.place in history.stale() for each in history.turns("main")] == [False, False, False]


def test_the_same_answer_makes_nothing_stale() -> None:
    history, _ = history_of("a", "b")
    history.put(turn("q0", "a0", cell_id="a"))
    assert [each.place in history.stale() for each in history.turns("main")] == [False, False]


@pytest.mark.parametrize("context", ["above", "none", 1, 2, "all"])
def test_a_turn_with_another_context_setting_is_not_stale(context: Any) -> None:
    history, _ = history_of("a", "b", "c")
    above = history.context_turns("main", "c", context)
    history.put(turn("q", "a", above, cell_id="c", context=context))
    assert history.turns("main")[2].place not in history.stale()


def test_whether_a_turn_is_stale_is_computed_again_only_when_its_context_changed(monkeypatch: Any) -> None:
    asked: list[Any] = []
    compute = ContextHash.answered_by
    monkeypatch.setattr(
        ContextHash, "answered_by", lambda self, turn: asked.append(turn.cell_id) or compute(self, turn)
    )
    history, _ = history_of("a", "b", "c")
    for expected in (["a", "b", "c"], []):
        assert history.stale() == set()
        assert asked == expected
        asked.clear()
    history.put(turn("q1", "changed", history.context_turns("main", "b"), cell_id="b"))
    assert [place[0] for place in history.stale()] == ["c"]
    assert asked == ["b", "c"]


def test_a_turn_that_is_not_in_the_thread_is_not_stale() -> None:
    history, _ = history_of("a")
    assert not history.stale()


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
    history, _ = history_of("a", "b", "c", "d")
    assert [each.text for each in history.context_turns("main", cell, context)] == texts


def test_clearing_a_thread_leaves_the_others() -> None:
    history, _ = history_of("a", "b")
    history.put(turn("q", "kept", cell_id="a", thread="other"))
    assert history.clear("main") == 2
    assert history.turns("main") == []
    assert [each.text for each in history.turns("other")] == ["kept"]
    assert history.clear("main") == 0


def test_changing_a_returned_list_does_not_change_the_history() -> None:
    history, _ = history_of("a", "b")
    history.turns("main").clear()
    history.context_turns("main", None).clear()
    history.threads()["main"].clear()
    assert len(history.turns("main")) == 2


# Context --------------------------------------------------------------------------------------------------------


def test_a_recorded_turn_without_messages_affects_no_other() -> None:
    history, _ = history_of("a", "b")
    history.put(turn("q", "a", cell_id="c", messages=[{"role": "user", "content": []}]))
    history.put(replace(turn("q", "a", cell_id="d"), messages=[]))
    assert history.stale() == set(), "without an answer there is no context that could have changed"


def test_a_turn_without_a_hash_is_never_stale() -> None:
    history, turns = history_of("a", "b")
    history.put(replace(turns[1], request_sha256=""))
    history.put(turn("changed", "x", cell_id="a"))
    assert history.stale() == set()


@pytest.mark.parametrize(("context", "stale"), [("above", True), ("all", True), (1, False), (2, True), ("none", False)])
def test_a_turn_is_stale_only_if_a_turn_that_it_sees_changed(context: Any, stale: bool) -> None:
    history, _ = history_of("a", "b")
    above = history.context_turns("main", "c", context)
    history.put(turn("q", "a", above, cell_id="c", context=context))
    history.put(turn("changed", "x", cell_id="a"))
    assert ("c" in {place[0] for place in history.stale()}) is stale


# Records of schema 1 --------------------------------------------------------------------------------------------


def test_the_hash_of_a_turn_of_schema_1_is_known_while_it_is_not_stale() -> None:
    one, two = turn("one"), turn("two")
    history = History()
    history.put(replace(one, cell_id="a"))
    old = history.put(replace(schema_1(two, [one]), cell_id="b"))
    assert history.answered_sha256s()[old.place] == recorded_request(two, [one]).sha256
    assert history.edited() == set(), "no document shows another text"
    history.put(turn("changed", cell_id="a"))
    assert history.stale() == {old.place}
    assert old.place not in history.answered_sha256s()
