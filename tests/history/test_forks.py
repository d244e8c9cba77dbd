"""Forks of a thread: which turns they share, and what happens when the shared turns change."""

from __future__ import annotations

import pytest

from mm_magics.errors import UsageError
from tests.turns import history_of, texts, turn


def test_a_fork_shares_the_turns_above_the_cell() -> None:
    history, turns = history_of("a", "b", "c")
    assert history.fork("main", "side", "c") == 2
    assert history.base("side") == {"thread": "main", "turn": turns[1].id, "cell": "b"}
    assert history.base("main") is None
    history.put(turn("q", "own", cell_id="c", thread="side"))
    assert texts(history, "side") == ["a0", "a1", "own"]
    assert texts(history, "main") == ["a0", "a1", "a2"]
    assert [each.text for each in history.context_turns("side", "c")] == ["a0", "a1"]
    assert [each.text for each in history.context_turns("side", "d", "all")] == ["a0", "a1", "own"]
    assert [each.text for each in history.context_turns("side", "d", 2)] == ["a1", "own"]
    assert history.turn_of_cell("side", "a") is None


def test_a_fork_without_a_cell_shares_everything_and_can_be_forked_again() -> None:
    history, turns = history_of(None, None)
    assert history.fork("main", "side") == 2
    assert history.base("side") == {"thread": "main", "turn": turns[1].id, "cell": ""}
    history.put(turn("q", "own", cell_id="x", thread="side"))
    assert history.fork("side", "third") == 3
    assert texts(history, "third") == ["a0", "a1", "own"]
    assert history.fork("main", "side") == 2


@pytest.mark.parametrize(
    ("thread", "name", "reason"),
    [
        ("main", "main", "The thread main already has turns."),
        ("main", "other", "The thread other already has turns."),
        ("empty", "side", "The thread empty has no turns."),
    ],
)
def test_a_fork_that_is_not_possible_is_an_error(thread: str, name: str, reason: str) -> None:
    history, _ = history_of("a")
    history.put(turn("q", "x", cell_id="a", thread="other"))
    with pytest.raises(UsageError) as caught:
        history.fork(thread, name)
    assert str(caught.value) == f"{reason} Nothing was forked.\n%minimax history THREAD shows a thread."
    assert history.base(name) is None


def test_a_fork_sees_the_new_turn_of_the_cell_where_it_was_forked() -> None:
    history, _ = history_of("a", "b", "c")
    history.fork("main", "side", "c")
    history.put(turn("q", "again", cell_id="b"))
    assert texts(history, "side") == ["a0", "again"]


def test_a_fork_without_its_last_shared_turn_shares_what_is_above_its_first_cell() -> None:
    history, turns = history_of("a", "b", "c", "d")
    history.fork("main", "side", "c")
    history.put(turn("q", "own", cell_id="c", thread="side"))
    history.forget(turns[1])
    assert texts(history, "side") == ["a0", "own"]
    history.fork("main", "none yet", "c")
    history.forget(turns[0])
    assert texts(history, "none yet") == ["a2", "a3"]


def test_a_fork_of_a_fork_without_its_last_shared_turn_keeps_what_both_share() -> None:
    history, _ = history_of("a", "b", "c")
    history.fork("main", "side", "c")
    own = turn("q", "own", cell_id="c", thread="side")
    history.put(own)
    history.fork("side", "third")
    history.put(turn("q", "last", cell_id="d", thread="third"))
    assert texts(history, "third") == ["a0", "a1", "own", "last"]
    history.forget(own)
    assert texts(history, "third") == ["a0", "a1", "last"]


def test_the_turns_of_a_fork_are_stale_after_a_shared_turn_changed() -> None:
    history, _ = history_of("a", "b")
    history.fork("main", "side")
    above = history.context_turns("side", "c")
    history.put(turn("q", "own", above, cell_id="c", thread="side"))
    assert history.stale() == set()
    history.put(turn("changed", "x", cell_id="a"))
    assert {place[0] for place in history.stale()} == {"b", "c"}


def test_clearing_a_fork_counts_the_shared_turns_and_leaves_them_in_their_thread() -> None:
    history, _ = history_of("a", "b")
    history.fork("main", "side")
    history.put(turn("q", "own", cell_id="c", thread="side"))
    assert history.clear("side") == 3
    assert texts(history, "side") == []
    assert history.base("side") is None
    assert texts(history, "main") == ["a0", "a1"]
