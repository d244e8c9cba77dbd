"""Threads: a cell has one turn in each, and sees the turns above it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mm_magics.history.notebook import Cell, Document
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn
from tests.turns import history_of, texts, turn


def test_turns_are_in_the_order_of_the_first_runs_of_their_cells() -> None:
    history, _ = history_of("a", "b", None, "c")
    assert [each.text for each in history.turns("main")] == ["a0", "a1", "a2", "a3"]
    assert history.turns("other") == []
    assert list(history.threads()) == ["main"]


def test_rerunning_a_cell_replaces_its_turn() -> None:
    history, _ = history_of("a", "b", "c")
    history.put(turn("new", "again", cell_id="b"))
    assert [each.text for each in history.turns("main")] == ["a0", "again", "a2"]
    assert history.turn_of_cell("main", "b") == history.turns("main")[1]


def test_a_turn_without_a_cell_is_appended() -> None:
    history, _ = history_of(None, None)
    assert [each.text for each in history.turns("main")] == ["a0", "a1"]
    assert history.turn_of_cell("main", None) is None


def test_a_cell_has_one_turn_per_thread() -> None:
    history, _ = history_of("a")
    history.put(turn("q", "elsewhere", cell_id="a", thread="other"))
    assert [each.text for each in history.turns("main")] == ["a0"]
    assert [each.text for each in history.turns("other")] == ["elsewhere"]
    assert history.threads() == {name: history.turns(name) for name in ("main", "other")}
    assert [each.text for each in history.threads()["other"]] == ["elsewhere"]


def test_a_cell_of_a_notebook_shows_the_answer_of_one_thread() -> None:
    history, turns = history_of("a", "b")
    cells = [Cell(str(each.cell_id), "code", "%%minimax\nQ", turn=each) for each in turns]
    history.follow(Document("page", 0.0, cells))
    history.run = "1"
    for thread in ("one", "two"):  # a loop that asks in two threads
        history.put(turn("q", thread, cell_id="a", thread=thread))
    assert {name: [each.text for each in found] for name, found in history.threads().items()} == {
        "main": ["a1"],
        "one": ["one"],
        "two": ["two"],
    }
    assert history.stale() == {turns[1].place}


# Loading and forgetting -----------------------------------------------------------------------------------------


def test_loaded_turns_come_before_all_others_in_their_order_and_have_no_cell() -> None:
    history, _ = history_of("a")
    loaded = [turn("q", "one", cell_id="a"), turn("q", "two", base={"thread": "gone", "turn": "x"})]
    history.load(loaded)
    history.load(loaded)
    assert texts(history, "main") == ["one", "two", "a0"]
    assert [(each.cell_id, each.base) for each in history.turns("main")[:2]] == [(None, None), (None, None)]
    assert [each.text for each in history.context_turns("main", "a")] == ["one", "two"]


def test_a_forgotten_turn_stays_forgotten_while_the_document_contains_it() -> None:
    history, turns = history_of("a", "b")
    history.forget(turns[0])
    assert texts(history, "main") == ["a1"]
    history.follow(page(*turns))
    assert texts(history, "main") == ["a1"]
    assert history.removed() == {turns[0].place}
    history.put(turn("q", "new", cell_id="b"))
    assert history.removed() == {turns[0].place}
    history.put(turn("q", "new", cell_id="a"))
    assert history.removed() == set()
    history.forget(history.turns("main")[1])
    assert [place[0] for place in history.removed()] == ["b"]


# Following a document -------------------------------------------------------------------------------------------


def page(*turns: Turn, saved_at: float = 9e9, **fields: Any) -> Document:
    cells = [Cell(each.cell_id or "", "code", "%%minimax\nHello", turn=each) for each in turns]
    return Document("page.ipynb", saved_at, cells, **fields)


def test_the_document_gives_the_order_and_the_turns() -> None:
    history = History()
    assert not history.has_document
    one, two = turn("q", "one", cell_id="a"), turn("q", "two", cell_id="b")
    assert history.follow(page(one, two)) == 2
    assert history.has_document
    assert texts(history, "main") == ["one", "two"]
    assert history.follow(page(two, one)) == 0
    assert texts(history, "main") == ["two", "one"]
    assert [each.text for each in history.context_turns("main", "a")] == ["two"]
    assert history.follow(page(two, turn("q", "new", cell_id="c"))) == 1
    assert texts(history, "main") == ["two", "new"]


@pytest.mark.parametrize(
    ("saved", "fields", "expected"),
    [
        (-10, {}, "new"),
        (0, {}, "new"),
        (1, {}, "new"),
        (2, {}, "new"),
        (2.1, {}, "saved"),
        (100, {}, "saved"),
        (1, {"grace": 0.0}, "saved"),
        (100, {"grace": 1000.0}, "new"),
        (100, {"pending": frozenset({"a"})}, "new"),
        (100, {"pending": frozenset({"b"})}, "saved"),
    ],
)
def test_a_turn_that_is_newer_than_the_document_is_kept(
    monkeypatch: pytest.MonkeyPatch, saved: float, fields: dict[str, Any], expected: str
) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0)
    history, old = History(), turn("q", "saved", cell_id="a")
    history.put(turn("q", "new", cell_id="a"))
    assert history.follow(page(old, saved_at=1000.0 + saved, **fields)) == (expected == "saved")
    assert texts(history, "main") == [expected]


@pytest.mark.parametrize("command", ["undo", "clear"])
def test_nothing_stays_of_a_removed_turn_that_no_cell_shows(command: str) -> None:
    history, _ = history_of(None, None, None)
    history.use_version(history.put(turn("again", versions=[turn("before")])), 1)
    if command == "clear":
        assert history.clear("main") == 4
    for each in reversed(history.turns("main")):
        history.forget(each)
    assert history.turns("main") == []
    assert (vars(history)["_entries"], vars(history)["_order"]) == ({}, [])
    history.put(turn("next"))
    assert [each.prompt for each in history.context_turns("main", None)] == ["next"]


def test_an_older_turn_that_the_document_does_not_contain_is_forgotten_unless_it_has_no_cell() -> None:
    history, _ = history_of("a", None, "b")
    history.follow(page())
    assert texts(history, "main") == ["a1"]


def test_a_new_cell_comes_after_the_cell_that_was_run_before_it() -> None:
    history, turns = history_of("a", "b", "c")
    history.follow(page(turns[0], turns[2], saved_at=0.0))
    assert texts(history, "main") == ["a0", "a1", "a2"]
    history, turns = history_of("new", "a", "b")
    history.follow(page(turns[2], turns[1], saved_at=0.0))
    assert texts(history, "main") == ["a0", "a2", "a1"]


def test_the_forks_of_the_document_are_taken_over() -> None:
    first = turn("q", "one", cell_id="a")
    own = turn("q", "own", cell_id="b", thread="side", base={"thread": "main", "turn": first.id, "cell": "a"})
    history = History()
    history.follow(page(first, own))
    assert texts(history, "side") == ["one", "own"]
    assert texts(history, "main") == ["one"]
    assert history.base("side") == own.base


def test_a_copied_cell_has_its_own_place() -> None:
    first = turn("q", "one", cell_id="a")
    history = History()
    assert history.follow(page(first, replace(first, cell_id="b"))) == 2
    assert [each.place for each in history.turns("main")] == [("a", first.id), ("b", first.id)]


def run_cell(history: History, run: str, cell: str, *answers: str) -> None:
    """Run prompts in one execution of a cell."""
    history.run = run
    for answer in answers:
        above = history.context_turns("main", cell)
        history.put(turn(f"q {answer}", answer, above, cell_id=cell))
    history.run = ""


def test_the_prompts_of_one_execution_are_kept_in_order_and_see_each_other() -> None:
    history = History()
    run_cell(history, "1", "a", "one")
    run_cell(history, "2", "loop", "two", "three", "four")
    assert texts(history, "main") == ["one", "two", "three", "four"]
    assert [each.text for each in history.context_turns("main", "loop")] == ["one"]
    assert [each.text for each in history.context_turns("main", "below")] == ["one", "two", "three", "four"]
    assert history.stale() == set()
    run_cell(history, "3", "a", "other")
    assert [place[0] for place in sorted(history.stale())] == ["loop"] * 3


def test_the_next_execution_replaces_all_turns_and_keeps_them_as_versions() -> None:
    history = History()
    run_cell(history, "1", "loop", "one", "two", "three")
    run_cell(history, "2", "loop", "uno", "dos")
    assert texts(history, "main") == ["uno", "dos"]
    assert [[version.text for version in each.versions] for each in history.turns("main")] == [["one"], ["two"]]
    first, second = history.turns("main")
    history.use_version(second, 1)
    assert texts(history, "main") == ["uno", "two"]
    history.forget(first)
    assert texts(history, "main") == ["two"]


def run_in_threads(history: History, run: str, *threads: str) -> list[Turn]:
    """Run one execution of a cell that asks once in each of the threads, and return its turns."""
    history.run = run
    turns = [history.put(turn("q", f"{thread} {run}", cell_id="a", thread=thread)) for thread in threads]
    history.run = ""
    return turns


@pytest.mark.parametrize(
    ("before", "after", "versions"),
    [
        (["main"], ["side"], [["main 1"]]),
        (["side"], ["main"], [["side 1"]]),
        (["main", "side"], ["main", "side"], [["main 1"], ["side 1"]]),
        (["main", "side"], ["side", "main"], [["side 1"], ["main 1"]]),
        (["main"], ["side", "main"], [["main 1"], ["main 1"]]),
        (["main", "side"], ["new", "new"], [["main 1"], ["side 1"]]),
    ],
)
@pytest.mark.parametrize("is_removed", [False, True])
def test_a_cell_that_is_asked_again_in_another_thread_keeps_what_it_showed(
    before: list[str], after: list[str], versions: list[list[str]], is_removed: bool
) -> None:
    history = History()
    history.follow(page(saved_at=0.0))
    for each in run_in_threads(history, "1", *before):
        if is_removed:
            history.forget(each)
    turns = run_in_threads(history, "2", *after)
    assert [[version.text for version in each.versions] for each in turns] == versions
    shown = {thread: texts(history, thread) for thread in dict.fromkeys(after)}
    assert {name: [each.text for each in turns] for name, turns in history.threads().items()} == shown
    assert sum(map(len, shown.values())) == len(after)
    (again,) = run_in_threads(history, "3", before[0])
    assert again.versions


def test_the_turn_of_a_cell_is_one_from_before_the_execution() -> None:
    history = History()
    run_cell(history, "1", "loop", "one", "two")
    assert history.turn_of_cell("main", "loop") == history.turns("main")[1]
    history.run = "1"
    assert history.turn_of_cell("main", "loop") is None


def test_the_document_gives_all_turns_of_a_cell() -> None:
    history = History()
    run_cell(history, "1", "loop", "one", "two")
    first, second = history.turns("main")
    cell = Cell("loop", "code", "for text in texts: ask(text)", turn=second, earlier=(first,))
    restored = History()
    assert restored.follow(Document("page.ipynb", 0.0, [cell])) == 2
    assert texts(restored, "main") == ["one", "two"]
    assert restored.stale() == set()
    assert restored.answered_sha256s()[second.place] == second.request_sha256


def test_turns_of_uncertain_cells_are_in_no_context() -> None:
    history, _ = history_of("a", "b", "c")
    history.uncertain = frozenset("b")
    assert [each.text for each in history.context_turns("main", "c")] == ["a0"]
    assert [each.text for each in history.context_turns("main", None, 2)] == ["a0", "a2"]
    assert [each.text for each in history.uncertain_turns("main")] == ["a1"]
    assert history.uncertain_turns("main", "none") == history.uncertain_turns("main", 0) == []
    assert [each.text for each in history.uncertain_turns("main", 1)] == ["a1"]
    history.follow(page(*history.turns("main")))
    assert len(history.context_turns("main", None)) == 3


def test_a_cell_that_is_not_in_the_document_is_put_where_it_is_taken_to_be() -> None:
    history, _ = history_of("a", "b")
    for cell, after in (("after a", "a"), ("last", None), ("first", ""), ("unknown", "gone")):
        history.insert(cell, after)
        history.put(turn(cell, cell, cell_id=cell))
    assert texts(history, "main") == ["unknown", "first", "a0", "after a", "a1", "last"]


def test_turns_move_to_the_cell_that_the_document_has_for_them() -> None:
    history, turns = history_of("a", "vscode-b")
    saved = [turns[0], replace(turns[1], cell_id="b")]
    assert history.follow(page(*saved), {"vscode-b": "b"}) == 0
    assert [each.place for each in history.turns("main")] == [each.place for each in saved]
    assert history.keys() == {turns[0].id: "a", turns[1].id: "b"}


def test_turns_that_the_document_does_not_contain_yet_move_too() -> None:
    history, turns = history_of("a", "vscode-b", "vscode-c")
    moved = {"vscode-b": "b", "vscode-c": "c"}
    saved = Document("page.ipynb", 0.0, [Cell(id_, "code", "%%minimax\nHello") for id_ in "cba"])
    assert history.follow(saved, moved) == 0
    places = [each.place for each in history.turns("main")]
    assert places == [("c", turns[2].id), ("b", turns[1].id), ("a", turns[0].id)]
